"""``timing = "sh4a"`` of the Python core: the pipeline, the caches, and execution by single instructions.

The model is docs/reference/timing.md, rule by rule; figures are cpu_node/timing.py's. Reads top to bottom: what
an instruction takes, the pipeline, the caches, the run. The fast core knows nothing of it but ``core.model``.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NamedTuple

from cpu_node.isa import WORDS, Row
from cpu_node.python_core.blocks import ENDS, has_effect
from cpu_node.python_core.exceptions import FD, MD, Fault
from cpu_node.python_core.fpu import PR, SZ
from cpu_node.python_core.mmu import AT, page_mask
from cpu_node.timing import FE_BUSY, LATENCY, TICKS

# Tracked results, by their place in ``ready``: R0-R15, these, FR0-FR15.
NAMED = {"r0": 0, "t": 16, "pr": 17, "gbr": 18, "mac": 19, "fpul": 20, "fpscr": 21, "xf": 22, "fr0": 23}
FR = 23
TRACKED = 39
V, U = 1, 2  # of a tag: valid, and updated: dirty
TAG = 0xFFFFFC00
SETS, WAYS = 256, 4
CACHED, THROUGH = 8, 1  # PTEL.C and WT
OCE, WT, CB, OCI, ICE, ICI = 1, 2, 4, 8, 0x100, 0x800  # CCR
CONDITIONAL = {"bf": 0, "bfs": 0, "bt": 1, "bts": 1}  # taken where T is this


def places(operand: str, n: int, m: int, fpscr: int) -> tuple[int, ...]:
    """Places in ``ready`` of one operand of the instruction table, for a word's fields and an FPSCR."""
    if operand in NAMED:
        return (NAMED[operand],)
    kind, k = operand[:-1], n if operand[-1] == "n" else m
    if not kind:
        return (k,)
    if kind == "v":
        first = FR + (n & 12 if operand == "vn" else (n & 3) << 2)
        return tuple(range(first, first + 4))
    if kind == "s" and fpscr & SZ and k & 1:
        return (NAMED["xf"],)
    if kind == "d" or kind == "p" and fpscr & PR or kind == "s" and fpscr & SZ:
        return FR + (k & 14), FR + (k | 1)
    return (FR + k,)


class Use(NamedTuple):
    """What a word takes under FPSCR.PR and SZ: the row, places read, written and written at once, ticks."""

    row: Row
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    writes_at_once: tuple[int, ...]
    latency: int
    fe: int
    multiplies: bool


@cache
def use_of(word: int, fpscr: int) -> Use | None:
    """The use of a word under the bits PR and SZ; None where it is no instruction."""
    row = WORDS[word]
    if row is None:
        return None
    n, m, double = word >> 8 & 15, word >> 4 & 15, bool(fpscr & PR)

    def all_of(operands: list[str]) -> tuple[int, ...]:
        return tuple(k for operand in operands for k in places(operand, n, m, fpscr))

    return Use(
        row, all_of(row.reads), all_of(row.writes), all_of(row.writes_at_once),
        LATENCY[row.latency][double], FE_BUSY[row.latency][double], row.latency in ("mul", "dmul"),
    )  # fmt: skip


class Model:
    """Pipeline and caches of one core. Times are of the pipeline's clock ``p``."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.p = 0
        self.open = 0  # ticks since the begin of the unit whose second instruction is due
        self.fresh()
        self.instruction, self.operand = ([[0] * WAYS for _ in range(SETS)] for _ in range(2))
        self.stall = 0  # of the running instruction
        self.outside = False  # it made an access outside RAM
        self.drains = False  # it ended, and what is pending is to be waited for
        self.issued = 0  # it issued at
        self.offset: int | None = None  # in RAM, of what was fetched last; None: the bus or a hook served it
        self.fill = TICKS["line_fill"]  # what a store that misses costs
        self.branch: tuple[Use, int, bool] | None = None  # whose slot is due: use, issue, whether the slot may pair
        self.decoded: dict[tuple[int, int, bool, int], tuple[Any, bool]] = {}

    # Pipeline -----------------------------------------------------------------------------------------------

    def fresh(self) -> None:
        """Nothing pending, nothing fetched, no pair open."""
        self.ready = [0] * TRACKED
        self.divider = self.fe = self.ls = 0
        self.fetched = (0, 0)  # virtual address, bytes
        self.open = 0

    def drain(self) -> None:
        """Wait for all that is pending, and start afresh."""
        self.p = max(self.p, *self.ready)
        self.fresh()

    def ready_at(self, use: Use, earliest: int) -> int:
        """The first time from ``earliest`` at which all it reads is ready, and its unit free."""
        t = max(earliest, *(self.ready[k] for k in use.reads), self.fe if use.fe else 0)
        if use.row.latency == "fdiv":
            t = max(t, self.divider)
        return t

    def issue(self, use: Use, earliest: int) -> int:
        """The first time from ``earliest`` at which the instruction may issue by itself."""
        t = self.ready_at(use, earliest)
        return max(t, self.ls) if use.row.pipe in ("ls", "and") else t

    def mark(self, use: Use, t: int) -> None:
        """The instruction has ended: when its results are ready and its units free."""
        ready = self.ready
        for k in use.writes:
            ready[k] = max(ready[k], t + use.latency)
        for k in use.writes_at_once:
            ready[k] = max(ready[k], t)
        if use.fe:
            self.fe = t + use.fe
        if use.row.latency == "fdiv":
            self.divider = t + use.latency
        if use.row.name in ("movua", "movua_inc"):
            self.ls = t + 2

    def pairs(self, first: Use, second: Use | None, t: int) -> bool:
        """Whether the second may issue in the tick t of the first, which is marked."""
        if second is None:
            return False
        pipes = first.row.pipe, second.row.pipe
        return (
            "and" not in pipes
            and pipes not in (("ex", "ex"), ("ls", "ls"))
            and not (first.multiplies and second.multiplies)
            and (self.ls <= t or self.ls == t + 2)  # held by no earlier MOVUA
            and self.ready_at(second, t) == t
        )

    # Caches: what an access costs, and what it does to tags --------------------------------------------------

    def cached(self, v: int, mapped: int | None, enable: int) -> bool:
        """Whether an access is cacheable; ``mapped`` is the PTEL where the MMU translated."""
        if not self.core.ccr & enable or v >= 0xE0000000 or 0xA0000000 <= v < 0xC0000000:
            return False
        return mapped is None or bool(mapped & CACHED)

    def through(self, v: int, mapped: int | None) -> bool:
        """Whether a cacheable store is written through."""
        if 0x80000000 <= v < 0xA0000000:
            return not self.core.ccr & CB
        return bool(self.core.ccr & WT if mapped is None else mapped & THROUGH)

    def lookup(self, tags: list[list[int]], v: int, p: int, fill: int, dirty: int = 0) -> None:
        """A hit moves to way 0; a miss costs ``fill``, and what gives way may have to be written back."""
        ways, key = tags[v >> 5 & SETS - 1], p & TAG | V
        for k, tag in enumerate(ways):
            if tag & ~U == key:
                ways.insert(0, ways.pop(k) | dirty)
                return
        victim = max((k for k, tag in enumerate(ways) if not tag & V), default=WAYS - 1)
        if ways.pop(victim) & U:
            self.stall += TICKS["write_back"]
        ways.insert(0, key | dirty)
        self.stall += fill
        self.core.effects += 1

    def fetch(self, v: int, p: int) -> None:
        """An instruction at v lies in RAM."""
        self.offset = p - self.core.ram_base
        base, size = self.fetched
        if size and v & -size & 0xFFFFFFFF == base:
            return
        if self.cached(v, self.core.mapped, ICE):
            self.fetched = (v & 0xFFFFFFE0, 32)
            self.lookup(self.instruction, v, p, TICKS["line_fill"])
        else:
            self.fetched = (v & 0xFFFFFFFC, 4)
            self.stall += TICKS["uncached_read"]

    def load(self, v: int, p: int) -> None:
        """A load of RAM."""
        if self.cached(v, self.core.mapped, OCE):
            self.lookup(self.operand, v, p, TICKS["line_fill"])
        else:
            self.stall += TICKS["uncached_read"]

    def store(self, v: int, p: int) -> None:
        """A store to RAM."""
        mapped = self.core.mapped
        if self.cached(v, mapped, OCE):
            if not self.through(v, mapped):
                return self.lookup(self.operand, v, p, self.fill, U)
            ways = self.operand[v >> 5 & SETS - 1]
            for k, tag in enumerate(ways):
                if tag & ~U == p & TAG | V:
                    ways.insert(0, ways.pop(k))
                    break
        self.stall += TICKS["uncached_write"]
        return None

    def beyond(self, parameter: str, address: int = 0xFFFFFFFF) -> None:
        """An access outside RAM."""
        self.outside = True
        if not 0xE0000000 <= address < 0xE4000000:  # store queues take no time
            self.stall += TICKS[parameter]

    def queue_written(self, stall: int) -> None:
        """A store queue has been written; ``stall`` is what there was before."""
        self.outside = True
        self.stall = stall + TICKS["write_back"]

    def write_ccr(self, value: int) -> None:
        """Invalidate as CCR's bits say."""
        for bit, tags in ((OCI, self.operand), (ICI, self.instruction)):
            if value & bit:
                for ways in tags:
                    ways[:] = [tag & TAG for tag in ways]

    def probe(self, v: int) -> tuple[int, int | None] | None:
        """Physical address and PTEL of a translation without exceptions; None where there is no single one."""
        core = self.core
        if v >= 0xE0000000 or v >= 0x80000000 and not core.sr & MD:
            return None
        if 0x80000000 <= v < 0xC0000000 or not core.mmucr & AT:
            return v & 0x1FFFFFFF, None
        hits = core._hits(v)
        if len(hits) != 1:
            return None
        data = hits[0][1]
        mask = page_mask(data)
        return data & 0x1FFFFFFF & mask | v & ~mask & 0xFFFFFFFF, data

    def operation(self, name: str, v: int) -> None:
        """OCBI, OCBP, OCBWB, ICBI, PREF, PREFI."""
        found = self.probe(v)
        if found is None:
            return
        p, mapped = found
        if name in ("pref", "prefi"):
            tags, enable = (self.operand, OCE) if name == "pref" else (self.instruction, ICE)
            if self.core.in_ram(p) and self.cached(v, mapped, enable):
                self.lookup(tags, v, p, TICKS["prefetch"])
            return
        ways = (self.instruction if name == "icbi" else self.operand)[v >> 5 & SETS - 1]
        for k, tag in enumerate(ways):
            if tag & ~U == p & TAG | V:
                if tag & U and name != "ocbi":
                    self.stall += TICKS["write_back"]
                ways[k] = tag & ~U if name == "ocbwb" else tag & TAG
                self.core.effects += 1

    def array_read(self, address: int) -> int:
        """A read of an address array; data arrays give 0."""
        if address >> 24 in (0xF1, 0xF5):
            return 0
        tags = self.operand if address >> 24 == 0xF4 else self.instruction
        return tags[address >> 5 & SETS - 1][address >> 13 & WAYS - 1]

    def array_write(self, address: int, value: int) -> None:
        """A write of an address array: one way, or with the A bit those that match."""
        if address >> 24 in (0xF1, 0xF5):
            return
        is_operand = address >> 24 == 0xF4
        ways = (self.operand if is_operand else self.instruction)[address >> 5 & SETS - 1]
        flags = value & (V | U if is_operand else V) if value & V else 0
        if address & 8:
            found = self.probe(value & TAG)
            chosen = [] if found is None else [k for k in range(WAYS) if ways[k] & ~U == found[0] & TAG | V]
            tag = 0 if found is None else found[0] & TAG
        else:
            chosen, tag = [address >> 13 & WAYS - 1], value & TAG
        for k in chosen:
            if ways[k] & U:
                self.stall += TICKS["write_back"]
            ways[k] = tag | flags

    # The run ------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Execute the instruction at PC, or the delayed branch with its slot. Faults are taken."""
        core = self.core
        second, began = self.open > 0, self.p
        self.stall, self.outside, self.drains, self.branch, self.issued = 0, False, False, None, self.p
        self.offset = None
        try:
            word, _ = core.fetch(core.pc)
            offset = self.offset
            use = use_of(word, core.fpscr & (PR | SZ))
            if second:
                self.issued = began - 1
            elif use is not None:
                self.issued = self.issue(use, began)
            operation, is_branch = self.operation_of(word, core.pc, False)
            if is_branch:
                assert use is not None
                return self._branch(use, operation, second, began)
            self._execute(use, operation)
        except Fault as fault:
            return self._fault(fault, began)
        pc = core.pc
        core.pc = pc + 2 & 0xFFFFFFFF
        core.instructions += 1
        assert use is not None
        self.p = self.issued + 1
        open_pair = not second and offset is not None and self._opens(use, pc, offset)
        if self.drains or (core.pc ^ pc) >> 12:
            self.drain()
        elapsed = self.p - began + self.stall
        core.tick += elapsed
        self.open = elapsed if open_pair else 0
        return None

    def operation_of(self, word: int, pc: int, slot: bool) -> tuple[Any, bool]:
        """What executes a word, and whether it is a branch: then it executes the slot and gives the next PC."""
        core = self.core
        key = (word, pc, slot, core.sr & (MD | FD) | core.no_fpu)
        found = self.decoded.get(key)
        if found is None:
            if len(self.decoded) > 100_000:
                self.decoded.clear()
            name, flags, operation = core.decode(word, pc, slot)
            if operation is None:
                found = core.make_branch(name, word, pc, None)[0], True
            elif has_effect(name, flags):
                found = self._with_effect(operation), False
            else:
                found = operation, False
            self.decoded[key] = found
        return found

    def _with_effect(self, operation: Any) -> Any:
        def run() -> None:
            self.core.effects += 1
            operation()

        return run

    def _execute(self, use: Use | None, operation: Any) -> None:
        self.fill = 0 if use is not None and use.row.name == "movca" else TICKS["line_fill"]
        operation()
        if use is not None:
            self.mark(use, self.issued)
            self.drains = use.row.name in ENDS

    def _opens(self, use: Use, pc: int, offset: int) -> bool:
        """Whether the next instruction is the second of a pair with this one, which has ended."""
        core = self.core
        if (pc ^ core.pc) >> 5 or self.outside or core.stopped:
            return False
        word = core.ram[offset + 2] | core.ram[offset + 3] << 8
        return self.pairs(use, use_of(word, core.fpscr & (PR | SZ)), self.issued)

    def _branch(self, use: Use, operation: Any, second: bool, began: int) -> None:
        """A branch, with its slot where it has one."""
        core, pc, t = self.core, self.core.pc, self.issued
        wanted = CONDITIONAL.get(use.row.name)
        taken = wanted is None or core.t == wanted
        delayed = "D" in use.row.flags
        if delayed:
            self.mark(use, t)
            may_pair = not second and not self.outside and self.offset is not None and not (pc ^ pc + 2) >> 5
            self.branch, self.issued = (use, t, may_pair), t + 1
        target = operation()
        core.instructions += 2 if delayed else 1
        last = pc + 2 & 0xFFFFFFFF if delayed else pc
        self.p = self.issued + 1
        if taken:
            self.p = max(self.p, t + use.latency)
        if taken or self.drains or (target ^ last) >> 12:
            self.drain()
        self.open = 0
        core.tick += self.p - began + self.stall
        core.pc = target
        if taken and 0 <= last - target <= 64 and core.skip_loops and not core.single:
            core._loop_arrival(False)

    def slot(self, word: int, pc: int) -> None:
        """Execute a slot that was fetched. Raises Fault."""
        use = use_of(word, self.core.fpscr & (PR | SZ))
        assert self.branch is not None
        branch, t, may_pair = self.branch
        if use is not None:
            pairs = may_pair and self.pairs(branch, use, t)
            self.issued = t if pairs else self.issue(use, t + 1)
        self._execute(use, self.operation_of(word, pc, True)[0])

    def _fault(self, fault: Fault, began: int) -> None:
        core, slot = self.core, self.branch is not None
        self.p = self.issued + 1
        self.drain()
        core.tick += self.p - began + self.stall
        core.instructions += 2 if slot else 1
        core.take(fault, core.pc, slot)

    def enter(self, offset: int) -> int:
        """An exception or interrupt is entered: drain. Ticks that takes, with the entry."""
        before = self.p
        self.drain()
        kind = {0x400: "tlb_entry", 0x600: "interrupt_entry"}.get(offset, "exception_entry")
        return self.p - before + TICKS[kind]

    # Snapshot -----------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """As docs/reference/timing.md defines it."""
        p = self.p
        return {
            "model": "sh4a",
            "ready": [max(0, t - p) for t in self.ready],
            "busy": [max(0, t - p) for t in (self.divider, self.fe, self.ls)],
            "fetched": list(self.fetched),
            "open": self.open,
            "instruction": _packed(self.instruction),
            "operand": _packed(self.operand),
        }

    def restore(self, d: dict[str, Any]) -> None:
        """Inverse of snapshot, of any core. KeyError names what is missing, ValueError what has another length."""
        for key, length in (("ready", TRACKED), ("busy", 3), ("fetched", 2), ("instruction", 4096), ("operand", 4096)):
            if key not in d:
                raise KeyError(f"snapshot lacks timing.{key}")
            if len(d[key]) != length:
                raise ValueError(f"snapshot: {len(d[key])} of timing.{key}; expected {length}")
        self.p = 0
        self.ready, (self.divider, self.fe, self.ls) = list(d["ready"]), d["busy"]
        address, size = d["fetched"]
        self.fetched, self.open = (address, size), d["open"]
        self.instruction, self.operand = _unpacked(d["instruction"]), _unpacked(d["operand"])


_TAGS = struct.Struct(f"<{SETS * WAYS}I")


def _packed(tags: list[list[int]]) -> bytes:
    return _TAGS.pack(*(tag for ways in tags for tag in ways))


def _unpacked(raw: bytes) -> list[list[int]]:
    words = _TAGS.unpack(raw)
    return [list(words[k : k + WAYS]) for k in range(0, SETS * WAYS, WAYS)]
