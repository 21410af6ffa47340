"""What a run without leases is busy with. Such a run is a check: every access to a device is a question to its process.

A guest that polls then asks some 10,000 times a second of wall time, and virtual time hardly moves. So the run says, as
long as that is so, that it works, who is asked, and by which code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

FIRST, NEXT = 2.0, 30.0  # seconds of wall time until the first note, and between notes
MANY = 1000  # questions a second from which a note is due


class Asking:
    """Looks at a machine (cpu_node.machine.Machine) between slices."""

    def __init__(self, machine: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.machine, self.clock = machine, clock
        self.since, self.wait = clock(), FIRST
        self.before = self._asked()

    def _asked(self) -> dict[str, int]:
        return {target.name: sum(target.round_trips.values()) for target in self.machine.targets}

    def look(self) -> str:
        """A note that is due, or ""."""
        now = self.clock()
        if self.machine.leased or now - self.since < self.wait:
            return ""
        asked, before, seconds = self._asked(), self.before, now - self.since
        more = {name: asked[name] - before[name] for name in asked}
        self.since, self.before = now, asked
        if sum(more.values()) < MANY * seconds:
            return ""
        self.wait = NEXT
        most = max(more, key=lambda name: more[name])
        machine = self.machine
        return (
            f"leases = false: each access to a device is a question to it, {sum(asked.values())} so far, "
            f"{sum(more.values()) / seconds:.0f} a second, most to {most}; {machine.vcpu or 'the CPU'} is at pc "
            f"0x{machine.core.unit_pc:08x}. With leases the result is the same, and sooner"
        )
