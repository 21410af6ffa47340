"""A guest that reads one register again and again, in vain: found, and told once, with register, value and PC.

It may wait for what never comes. Nothing here changes the digest: what is looked at is what the machine sees anyway,
and a lease that is dropped is had again with the next read, which is then asked of the target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SYNC = 4_000_000  # ticks from one look to the next, as cpu_node.machine has them: 10 ms
SYNCS = 10  # of them, in each of which the register is all that was used of its node
NEAR = 4_000  # ticks between two reads of one loop at most: 10 us
ASKED = 200_000  # reads one after the other, each a question to its node
TOLD = 20  # registers that are told of in a run


@dataclass
class Use:
    """How a node was used of late."""

    read: dict[int, int] = field(default_factory=dict)  # since the last sync: address -> OR of values
    wrote: bool = False  # since the last sync
    before: tuple[int, int] = (-1, -1)  # address and values of the syncs before: the only register that was read
    syncs: int = 0  # how many they are; below 0: not looked at closely until then
    probe: bool = False  # the next reads are asked of the node, to see where they are and what they give
    last: tuple[int, int, int] = (-1, -1, -1)  # address, value and PC of the last read that was asked
    tick: int = 0  # of that read
    since: int = 0  # tick of the first of those that were the same
    count: int = 0  # how many they are
    failed: int = 0  # probes that found no loop


class Polling:
    """Looks at what the guests read. ``machine``: cpu_node.machine.Machine."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.uses: dict[Any, Use] = {}  # target -> how it is used
        self.told: set[tuple[str, int]] = set()

    def read(self, target: Any, tick: int, address: int, value: int) -> None:
        """A read that was asked of its target."""
        use, here = self._use(target), (address, value, self.machine.core.unit_pc)
        use.read[address] = use.read.get(address, 0) | value
        same, gap = here == use.last, tick - use.tick
        use.last, use.tick = here, tick
        if not same:
            use.since, use.count = tick, 0
        use.count += 1
        if use.count == ASKED:
            self._tell(target, here, f"{ASKED:,} times since tick {use.since}, and each is asked of its node")
        elif use.probe and address == use.before[0]:
            if use.count == 1:  # where the loop is, if it is one
                self.machine.keeper.drop_leases(address, address)
            else:
                use.probe = False
                if gap <= NEAR:
                    since = self.machine.next_sync - (SYNCS + 2) * SYNC
                    self._tell(target, here, f"and uses nothing else of this node, since tick {since}")
                else:
                    use.failed += 1
                    use.syncs = -SYNCS << min(use.failed, 10)

    def leased(self, target: Any, address: int, values: int) -> None:
        """Reads that were served by a lease; the values ORed."""
        use = self._use(target)
        use.read[address] = use.read.get(address, 0) | values

    def write(self, target: Any) -> None:
        """A write to a target."""
        use = self._use(target)
        use.wrote, use.count = True, 0

    def look(self) -> None:
        """At each sync."""
        for target, use in self.uses.items():
            only = next(iter(use.read.items())) if len(use.read) == 1 and not use.wrote else (-1, -1)
            use.syncs = use.syncs + 1 if only == use.before and only[0] >= 0 else min(use.syncs, 0)
            use.before, use.wrote, use.probe = only, False, False
            use.read.clear()
            if use.syncs >= SYNCS and (target.name, only[0]) not in self.told:
                use.probe, use.last, use.count = True, (-1, -1, -1), 0
                self.machine.keeper.drop_leases(only[0], only[0])

    def _use(self, target: Any) -> Use:
        use = self.uses.get(target)
        if use is None:
            use = self.uses[target] = Use()
        return use

    def _tell(self, target: Any, here: tuple[int, int, int], how: str) -> None:
        address, value, pc = here
        key = (target.name, address)
        if key in self.told or len(self.told) == TOLD:
            return
        self.told.add(key)
        who = f"guest {self.machine.vcpu_here()}" if self.machine.vcpu_here() else "the guest"
        where = f"{target.register(address)} of {target.name} at PC 0x{pc:08x}"
        text = f"{who} polls {where}: it reads 0x{value:x} each time, {how}"
        self.machine.report(self.machine.core.tick, text)
        self.machine.note(text)
