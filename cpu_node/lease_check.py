"""``--check leases``: each leased read is answered by its lease, and asked of the target as well; both must agree.

The machine runs as with leases: the same answers, posted writes and credits, so the digest is the same too. But the
core holds no lease, so that each read comes by here. What the target answers to such a question is compared and not
taken as a new promise, or the next read would not be held against the lease it would have been served by. Only where
posted writes were out is it taken: it is their answer too.
"""

from __future__ import annotations

from typing import Any

from cosim.clock import ClockError
from cosim.messages import Read
from cpu_node.python_core.memory import Lease


class LeaseError(ClockError):
    """A lease that is not what its target answers; the text names node, register, tick, PC and both values."""

    def __init__(self, node: str, tick: int, text: str) -> None:
        super().__init__("lease-true", node, tick, text)


class LeaseCheck:
    """Keeps the leases in place of the core. ``compared``: how many reads were."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.leases: list[Lease] = []
        self.compared = 0

    def add_leases(self, rows: Any) -> None:
        """Add (address, size, expires, segments) rows."""
        self.leases += [Lease(*row) for row in rows]

    def drop_leases(self, first: int, last: int) -> None:
        """Drop leases on first..last."""
        self.leases = [lease for lease in self.leases if not first <= lease.paddr <= last]

    def take_lease_reads(self) -> list[tuple[int, int, int, int]]:
        """None: targets hear of each read by the question itself."""
        return []

    def read(self, target: Any, tick: int, address: int, size: int) -> int | None:
        """Value of a leased read, None where the address has no lease. Raises LeaseError."""
        for lease in self.leases:
            if lease.paddr == address and lease.size == size and (got := lease.at(tick)) is not None:
                self._compare(target, tick, lease, got[0])
                return got[0]
        return None

    def _compare(self, target: Any, tick: int, lease: Lease, value: int) -> None:
        machine = self.machine
        answer = machine.question(target, tick, Read(lease.paddr, lease.size, []))
        self.compared += 1
        digits = 2 + 2 * lease.size
        what = f"{target.register(lease.paddr)} read at PC 0x{machine.core.unit_pc:08x}"
        since = f"the lease holds from tick {lease.segments[0][0]} until {lease.expires}"
        if answer.value != value:
            raise LeaseError(
                target.name,
                tick,
                f"{what}: its lease says {value:#0{digits}x}, the node answers {answer.value:#0{digits}x}; {since}",
            )
        if answer.lines != target.levels:
            raise LeaseError(
                target.name,
                tick,
                f"{what}: its lease lets this be read without a question, but the node answers lines "
                f"{answer.lines:#x} to it, and {target.levels:#x} is promised; {since}",
            )
        if target.promise.posted:
            target.promise.supersede()
            machine.renew(target, tick, answer)
