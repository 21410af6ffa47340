"""Who touches what is another guest's: memory by partition, registers by the lines of their block.

Guests on SPUMONE are privileged and share memory and devices by agreement. The core notes accesses to RAM outside the
running guest's partition, and writes of its own registers that are another guest's or everybody's; MMIO comes by here.
Seeing changes no result; with ``trespass = "refuse"`` a write is dropped and a read gives 0.

A block is a region of a component. It belongs to the guest that owns lines of it: none owned, or by several guests, and
it is anybody's, as are components without lines (INTC, CPG, BSC). Lines of one mask bit change hands together, so a
block does. docs/how-to/find-a-trespasser.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cosim.messages import Directive
from cosim.sh7780 import BLOCKS, INTEVT, LINE, mask_writes
from cosim.state import Stop
from cosim.target import Target
from cosim.topology import SPUMONE

TOLD = 50  # trespasses that are reported; all are counted
ONCE = {"read": "read", "write": "wrote", "fetch": "ran code at"}
RB = 0x20000000
CCR = 0xFF00001C
CORE = 0xE0000000  # from here on addresses are the core's own registers
MMU = {
    "PTEH": (0xFF000000, 0xFF000003),
    "PTEL": (0xFF000004, 0xFF000007),
    "TTB": (0xFF000008, 0xFF00000B),
    "MMUCR": (0xFF000010, 0xFF000013),
    "the ITLB": (0xF2000000, 0xF3FFFFFF),
    "the UTLB": (0xF6000000, 0xF7FFFFFF),
}


class Block(NamedTuple):
    """Registers first..last of a target, and the lines that say whose they are."""

    target: str
    first: int
    last: int
    lines: tuple[str, ...]


def blocks_of(targets: Iterable[Target]) -> list[Block]:
    """The blocks that may belong to a guest."""
    out = []
    for target in targets:
        for first, last in target.regions:
            lines = BLOCKS.get(first, tuple(target.line_names))
            if lines:
                out.append(Block(target.name, first, last, lines))
    return out


def _bits(line: str, address: int) -> int:
    """Bits of a mask register that mask a line."""
    writes = mask_writes(INTEVT[line], True) + mask_writes(INTEVT[line], False)
    return sum(bits for register, _, bits in writes if register == address)


class Partition:
    """What each guest may touch. ``start``: the hypervisor's first Directive with ``partitions``; ``report`` takes
    (tick, text)."""

    def __init__(
        self, core: Any, targets: Iterable[Target], start: Directive, report: Callable[[int, str], None]
    ) -> None:
        self.core, self.report = core, report
        self.watches = start.trespass != "off"
        self.memory = {guest: (first, last) for guest, first, last in start.partitions}
        self.watches_memory = self.watches and start.watch_memory and hasattr(core, "set_partition")
        self.refuses = start.trespass == "refuse"
        if hasattr(core, "set_trusted"):
            core.set_trusted(start.code)
        if self.watches_memory:
            core.refuse = self.refuses
        self.without = frozenset(start.without)
        self.blocks = blocks_of(targets)
        self.told: set[tuple[Any, ...]] = set()
        self.counts = {guest: {"registers": 0, "memory": 0} for guest in self.memory}
        self.owner: dict[str, str] = {}  # line -> guest
        self.foreign: dict[str, list[tuple[Block, str]]] = {}  # guest -> blocks of others, and whose
        self.barred: dict[str, list[tuple[int, int]]] = {}  # guest -> first and last address of these
        self.masks: dict[str, dict[int, int]] = {}  # guest -> mask register of the controller -> bits of others
        self.guest = ""  # that runs; "": SPUMONE, which may touch everything
        self.route(start.owners or [])

    def route(self, owners: Iterable[tuple[int, str]]) -> None:
        """Lines have these owners from now on: (INTEVT, guest)."""
        owners = list(owners)
        self.owner = {LINE[code]: guest for code, guest in owners}
        self.foreign = {guest: [] for guest in self.memory}
        for block in self.blocks if self.watches else ():
            names = {self.owner[line] for line in block.lines if line in self.owner}
            if len(names) == 1:
                (owner,) = names
                for guest in self.memory:
                    if guest != owner:
                        self.foreign[guest].append((block, owner))
        self.barred = {guest: [(block.first, block.last) for block, _ in rows] for guest, rows in self.foreign.items()}
        for guest, ranges in self.barred.items():
            ranges += [(CCR, CCR + 3), *(MMU.values() if (guest, "mmu") in self.without else ())]
        self.masks = {guest: {} for guest in self.memory}
        for code, owner in owners if self.watches else ():
            for address, _, bits in mask_writes(code, True) + mask_writes(code, False):
                for guest in self.memory:
                    if guest != owner:
                        self.masks[guest][address] = self.masks[guest].get(address, 0) | bits
        self._tell_core()

    def run(self, vcpu: str) -> None:
        """The CPU goes to a guest, or to SPUMONE."""
        guest = vcpu if vcpu in self.memory else ""
        if guest != self.guest:
            self.gather()
            self.guest = guest
            self._tell_core()

    def _tell_core(self) -> None:
        if self.watches and hasattr(self.core, "set_partition"):
            own = self.memory.get(self.guest) if self.watches_memory else None
            self.core.set_partition(own, self.barred.get(self.guest, ()), (self.guest, "fpu") in self.without)

    def register(self, tick: int, kind: str, address: int, size: int, value: int = 0) -> bool:
        """The running guest reads or writes a register; whether that is refused."""
        if kind == "write" and (bits := self.masks.get(self.guest, {}).get(address, 0) & value):
            guest, pc = self.guest, self.core.unit_pc
            self.counts[guest]["registers"] += 1
            lines = [line for line, owner in self.owner.items() if owner != guest and _bits(line, address) & bits]
            self._tell(
                (guest, address), tick,
                f"guest {guest} at pc 0x{pc:08x} wrote 0x{value:08x} to 0x{address:08x}, the mask of "
                f"{', '.join(lines)} too, which is guest {self.owner[lines[0]]}'s" + self._refused(kind),
            )  # fmt: skip
            return self.refuses
        for block, owner in self.foreign.get(self.guest, ()):
            if block.first <= address <= block.last:
                guest = self.guest
                self.counts[guest]["registers"] += 1
                pc = self.core.unit_pc
                lines = block.lines[0] if len(block.lines) == 1 else f"{block.lines[0]} to {block.lines[-1]}"
                self._tell(
                    (guest, address), tick,
                    f"guest {guest} at pc 0x{pc:08x} {ONCE[kind]} register 0x{address:08x} ({size} bytes) of "
                    f"{block.target}, the block of {lines}, which is guest {owner}'s" + self._refused(kind),
                )  # fmt: skip
                return self.refuses
        return False

    def took_interrupts(self, vcpu: str, stop: Stop) -> str:
        """Text of a guest that has set VBR. A board's SPUMONE would hear of no interrupt any more: the run ends."""
        return (
            f"guest {vcpu} at tick {stop.tick}: {stop.detail}; on SPUMONE a guest leaves VBR alone: call spm_set_vbr "
            "(entry 0, 0x8ffff000) of guests/include/spumone.h instead of LDC to VBR"
        )

    def waits(self, tick: int) -> None:
        """The running guest calls spm_idle or spm_wait, whose caller's registers are those of bank 0."""
        if getattr(self.core, "sr", 0) & RB and ("bank", self.guest) not in self.told:
            self.told.add(("bank", self.guest))
            pr = self.core.state()["pr"]
            text = f"guest {self.guest} waits, return 0x{pr:08x}, with SR.RB=1: R0-R7 of bank 0 are lost. A guest is "
            self.report(tick, text + "entered with RB=1 and clears it before it calls SPUMONE")

    def gather(self) -> None:
        """Take what the core has noted of the running guest."""
        if not self.watches or not self.guest or not hasattr(self.core, "take_trespasses"):
            return
        rows, more = self.core.take_trespasses()
        for tick, kind, pc, vaddr, paddr, count in rows:
            if kind == "fpu" or paddr >= CORE:
                self.counts[self.guest]["registers"] += count
                text = self._of_core(kind, vaddr, paddr) + self._refused(kind)
                self._tell((self.guest, pc, text), tick, f"guest {self.guest} at pc 0x{pc:08x} {text}")
                continue
            self.counts[self.guest]["memory"] += count
            self._tell(
                (self.guest, pc, paddr >> 12), tick,
                f"guest {self.guest} at pc 0x{pc:08x} {ONCE[kind]} 0x{vaddr:08x} (physical 0x{paddr:08x}), which is "
                f"{self._whose(paddr)}" + self._refused(kind),
            )  # fmt: skip
        self.counts[self.guest]["memory"] += more

    def _of_core(self, kind: str, value: int, address: int) -> str:
        """What the guest did to a register of the core. Of FPU and MMU, its table said that it has none."""
        if kind == "fpu":
            return "used the FPU, which has another guest's registers: its table says fpu = false"
        if address == CCR:
            return f"wrote 0x{value:08x} to CCR (0x{CCR:08x}): the caches of all guests work another way from here on"
        name = next(name for name, (first, last) in MMU.items() if first <= address <= last)
        return f"wrote {name} (0x{address:08x}), which has another guest's values: its table says mmu = false"

    def _whose(self, paddr: int) -> str:
        for guest, (first, last) in self.memory.items():
            if first <= paddr <= last:
                return f"guest {guest}'s memory"
        base, size = SPUMONE
        return "SPUMONE's memory" if base <= paddr < base + size else "memory of no guest"

    def _refused(self, kind: str) -> str:
        return ": refused" if self.refuses and kind in ("read", "write") else ""

    def _tell(self, key: tuple[Any, ...], tick: int, text: str) -> None:
        if key in self.told or len(self.told) > TOLD:
            return
        self.told.add(key)
        if len(self.told) > TOLD:
            text = "more trespasses follow: they are counted, not reported"
        self.report(tick, f"trespass: {text}")

    def figures(self) -> dict[str, dict[str, int]]:
        """Accesses of each guest to registers and memory of others."""
        self.gather()
        return {guest: dict(row) for guest, row in self.counts.items()}
