"""Decoding of the Python core: straight runs of bound operations, ended by a branch with its slot.

A block lies within 1 KB (the smallest page) and is kept by virtual address while translation stays, and by
physical address until a store hits one of its 32-byte lines. A mixin of Core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cosim.activity import Row, doing
from cpu_node.isa import WORDS
from cpu_node.python_core.exceptions import FD, MD, Fault
from cpu_node.python_core.fpu import operation
from cpu_node.python_core.integer import FACTORIES, W

LONGEST = 48
ENDS = {"ldc_sr", "ldcl_sr", "ldtlb", "sleep"}  # straight, but the next instruction must be looked up anew
Operation = Callable[[], None]
STORES = (
    "movb_store movw_store movl_store movb_dec movw_dec movl_dec movb_sdisp movw_sdisp movl_sdisp movb_sr0 movw_sr0 "
    "movl_sr0 movb_sgbr movw_sgbr movl_sgbr movco movca andb_gbr orb_gbr xorb_gbr tasb pref"
).split()


class Block(NamedTuple):
    """ops: one a unit; branch: gives the next PC, None where the block runs on; cost: its instructions."""

    ops: list[Operation]
    branch: Callable[[], int] | None
    cost: int
    effect: bool  # stores or writes a register that loop skipping does not compare


def has_effect(name: str, flags: str) -> bool:
    """Whether an instruction makes an iteration of a loop unlike the one before."""
    return "F" in flags or name in STORES or name.startswith(("ldc", "lds", "stcl", "stsl")) or name == "ldtlb"


class Blocks:
    """From words to blocks."""

    def raising(self: Any, expevt: int) -> Operation:
        """An operation that is an exception."""

        def fault() -> None:
            raise Fault(expevt)

        return fault

    def noting(self: Any, operation: Operation) -> Operation:
        """An operation of the FPU by a guest that has none."""

        def run() -> None:
            self.trespass("fpu", 0, 0)
            operation()

        return run

    def decode(self: Any, word: int, pc: int, slot: bool) -> tuple[str, str, Operation | None]:
        """(name, flags, operation) of a word; the operation of a branch is None."""
        row = WORDS[word]
        if row is None:
            return "illegal", "", self.raising(0x180)
        if slot and ("B" in row.flags or "S" in row.flags):
            return row.name, row.flags, self.raising(0x1A0)
        if "P" in row.flags and not self.sr & MD:
            return "illegal", "", self.raising(0x180)
        if "F" in row.flags and self.sr & FD:
            return "illegal", "", self.raising(0x800)
        if "B" in row.flags:
            return row.name, row.flags, None
        n, m = word >> 8 & 15, word >> 4 & 15
        factory = FACTORIES.get(row.name)
        if factory is None:
            does = operation(self, row.name, n, m)
        else:
            u = word & 255
            signed = (u ^ 128) - 128
            does = factory(self, self.r, *self.access, n, m, signed, u, word & 15, pc)
        return row.name, row.flags, self.noting(does) if "F" in row.flags and self.no_fpu else does

    def slot(self: Any, pc: int, offset: int | None) -> tuple[Operation, bool]:
        """The operation of a delay slot and its effect; where it is not next in RAM, looked up each time."""
        if offset is None or pc & 0x3FF == 0:
            return lambda: self.fetch_slot(pc), True
        word = self.ram[offset] | self.ram[offset + 1] << 8
        name, flags, op = self.decode(word, pc, True)
        return op, has_effect(name, flags)

    def fetch_slot(self: Any, pc: int) -> None:
        """Fetch, decode and execute a slot now."""
        word, _ = self.fetch(pc)
        self.execute_slot(word, pc)

    def execute_slot(self: Any, word: int, pc: int) -> None:
        """Decode and execute a slot that was fetched."""
        if self.model is None:
            self.decode(word, pc, True)[2]()
        else:
            self.model.slot(word, pc)

    def make_branch(self: Any, name: str, word: int, pc: int, offset: int | None) -> tuple[Callable[[], int], bool]:
        """The branch of a block: executes its slot and returns the next PC."""
        r, n, c = self.r, word >> 8 & 15, self
        behind = pc + 4 & W
        near = behind + 2 * ((word & 0xFF ^ 0x80) - 0x80) & W
        far = behind + 2 * ((word & 0xFFF ^ 0x800) - 0x800) & W
        if name in ("bf", "bt"):
            wanted, skipped = int(name == "bt"), pc + 2 & W
            return (lambda: near if c.t == wanted else skipped), False
        if name == "trapa":

            def trapa() -> int:
                raise Fault(0x160, tra=(word & 255) << 2, spc=pc + 2 & W)

            return trapa, True
        if name == "rte":

            def rte() -> int:
                target, (slot_word, _) = c.spc, c.fetch(pc + 2)  # fetched with the old SR, executed with the new
                c.set_sr(c.ssr)
                c.effects += 1
                c.execute_slot(slot_word, pc + 2 & W)
                return int(target)

            return rte, True
        slot, effect = self.slot(pc + 2, None if offset is None else offset + 2)
        if name in ("bfs", "bts"):
            taken_on = int(name == "bts")

            def conditional() -> int:
                to = near if c.t == taken_on else behind
                slot()
                return to

            return conditional, effect
        linked = name in ("bsr", "bsrf", "jsr")
        target: Callable[[], int] = {
            "bra": lambda: far,
            "bsr": lambda: far,
            "braf": lambda: behind + r[n] & W,
            "bsrf": lambda: behind + r[n] & W,
            "jmp": lambda: r[n],
            "jsr": lambda: r[n],
            "rts": lambda: c.pr,
        }[name]

        def branch() -> int:
            to = target()
            if linked:
                c.pr = behind
            slot()
            return to

        def forward() -> int:
            slot()
            return far

        return (forward if name == "bra" else branch), effect

    def build(self: Any, pc: int) -> Block:
        """The block at an address. Raises Fault where its first word cannot be fetched."""
        word, offset = self.fetch(pc)
        if offset is None:
            block, _ = self._block(pc, word, None)
            return block
        mode = self.sr & (MD | FD) | self.no_fpu
        block = self.compiled.get((offset, pc, mode))
        if block is None:
            was = doing(Row.TRANSLATING)
            block, end = self._block(pc, word, offset)
            doing(was)
            self.compiled[offset, pc, mode] = block
            for line in range(offset >> 5, (end >> 5) + 1):
                self.code_lines[line] = 1
                self.line_blocks.setdefault(line, []).append((offset, pc, mode))
        self.blocks[pc] = block
        return block

    def _block(self: Any, pc: int, word: int, offset: int | None) -> tuple[Block, int]:
        """The block and the RAM offset of its last byte."""
        ops: list[Operation] = []
        effect = False
        while True:
            name, flags, op = self.decode(word, pc, False)
            effect |= has_effect(name, flags)
            if op is None:
                branch, more = self.make_branch(name, word, pc, offset)
                last = (offset or 0) + (3 if "D" in flags else 1)
                if "D" in flags and offset is not None and pc + 2 & 0x3FF == 0:
                    last = offset + 1
                return Block(ops, branch, 2 if "D" in flags else 1, effect | more), last
            ops.append(op)
            pc = pc + 2 & W
            if offset is None or name in ENDS or pc & 0x3FF == 0 or len(ops) == LONGEST or pc in self.breakpoints:
                return Block(ops, None, 0, effect), (offset or 0) + 1
            offset += 2
            word = self.ram[offset] | self.ram[offset + 1] << 8

    def drop_code(self: Any, offset: int, size: int) -> None:
        """A store hit a line with decoded code: what was decoded there is decoded anew."""
        for line in range(offset >> 5, (offset + size - 1 >> 5) + 1):
            if self.code_lines[line]:
                self.code_lines[line] = 0
                for key in self.line_blocks.pop(line, ()):
                    self.compiled.pop(key, None)
        for blocks in self.block_maps:
            blocks.clear()
        self.cut()

    def drop_all_code(self: Any) -> None:
        """Decode everything anew."""
        for line in self.line_blocks:
            self.code_lines[line] = 0
        self.line_blocks.clear()
        self.compiled.clear()
        for blocks in self.block_maps:
            blocks.clear()
