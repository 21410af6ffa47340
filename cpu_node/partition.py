"""Who touches what is another guest's: memory by partition, registers by the lines of their block.

Guests on SPUMONE are privileged and share memory and devices by agreement. The core notes accesses to RAM outside the
running guest's partition; MMIO comes by here. Seeing changes no result; with ``trespass = "refuse"`` a write is dropped
and a read gives 0.

A block is a region of a component. It belongs to the guest that owns lines of it: none owned, or by several guests, and
it is anybody's, as are components without lines (INTC, CPG, BSC). Lines of one mask bit change hands together, so a
block does. docs/how-to/find-a-trespasser.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cosim.messages import Directive
from cosim.sh7780 import BLOCKS, LINE
from cosim.target import Target
from cosim.topology import SPUMONE

TOLD = 50  # trespasses that are reported; all are counted
ONCE = {"read": "read", "write": "wrote", "fetch": "ran code at"}


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
        if self.watches_memory:
            core.refuse = self.refuses
            core.set_trusted(start.code)
        self.blocks = blocks_of(targets)
        self.told: set[tuple[Any, ...]] = set()
        self.counts = {guest: {"registers": 0, "memory": 0} for guest in self.memory}
        self.owner: dict[str, str] = {}  # line -> guest
        self.foreign: dict[str, list[tuple[Block, str]]] = {}  # guest -> blocks of others, and whose
        self.barred: dict[str, list[tuple[int, int]]] = {}  # guest -> first and last address of these
        self.guest = ""  # that runs; "": SPUMONE, which may touch everything
        self.route(start.owners or [])

    def route(self, owners: Iterable[tuple[int, str]]) -> None:
        """Lines have these owners from now on: (INTEVT, guest)."""
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
            self.core.set_partition(own, self.barred.get(self.guest, ()))

    def register(self, tick: int, kind: str, address: int, size: int) -> bool:
        """The running guest reads or writes a register; whether that is refused."""
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

    def gather(self) -> None:
        """Take what the core has noted of the running guest."""
        if not self.watches_memory or not self.guest:
            return
        rows, more = self.core.take_trespasses()
        for tick, kind, pc, vaddr, paddr, count in rows:
            self.counts[self.guest]["memory"] += count
            self._tell(
                (self.guest, pc, paddr >> 12), tick,
                f"guest {self.guest} at pc 0x{pc:08x} {ONCE[kind]} 0x{vaddr:08x} (physical 0x{paddr:08x}), which is "
                f"{self._whose(paddr)}" + self._refused(kind),
            )  # fmt: skip
        self.counts[self.guest]["memory"] += more

    def _whose(self, paddr: int) -> str:
        for guest, (first, last) in self.memory.items():
            if first <= paddr <= last:
                return f"guest {guest}'s memory"
        base, size = SPUMONE
        return "SPUMONE's memory" if base <= paddr < base + size else "memory of no guest"

    def _refused(self, kind: str) -> str:
        return ": refused" if self.refuses and kind != "fetch" else ""

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
