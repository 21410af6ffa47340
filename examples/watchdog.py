"""A component of one's own: a watchdog at 0xFFCC0000 that the guest must feed, else line ITI rises.

WTCNT (write: feed), WTST (write: period in ticks of Pck, 0 stops; read: the same), WTCSR (bit 0: it has bitten;
write clears). An example, smaller than the SH7780's own watchdog.
"""

from __future__ import annotations

from typing import Any

from cosim import NEVER, PERIPHERAL_DIVIDER
from cosim.device import Device
from cosim.messages import Changes, LeaseRow
from cosim.registers import Register

BASE = 0xFFCC0000


class Watchdog(Device):
    """One line, three registers, one thing that happens by itself."""

    ROLE = "device"
    OPTIONS = {"period": 0}  # counts of Pck at the start; 0: stands

    def setup(self) -> None:
        self.registers = (
            Register("WTST", BASE, 4, 0, 0xFFFFFFFF, "period in counts of Pck; 0 stops"),
            Register("WTCNT", BASE + 8, 4, 0, 0, "a write feeds"),
            Register("WTCSR", BASE + 4, 4, 0, 0, "bit 0: it has bitten; a write clears"),
        )
        self.line_names = ("ITI",)
        self.regions = [(BASE, BASE + 0xFF)]
        self.period = self.config["period"]
        self.fed = 0
        self.bitten = 0

    def due(self) -> int:
        """Tick at which it bites if nobody feeds it."""
        return self.fed + self.period * PERIPHERAL_DIVIDER if self.period and not self.bitten else NEVER

    def advance(self, t: int) -> None:
        if self.due() <= t:
            self.event(self.due(), 1)
            self.bitten = 1

    def lines(self) -> int:
        return self.bitten

    def promise(self) -> tuple[int, Changes]:
        """Nothing but the bite, whose tick is known: a planned change, so nobody need ask."""
        return NEVER, [(self.due(), 1)] if self.due() < NEVER else []

    def leases(self) -> list[LeaseRow]:
        """WTCSR is 0 until the bite, then 1: the CPU node reads it by itself."""
        bite = [(self.due(), 1, 0, 0)] if self.due() < NEVER else []
        return [(BASE + 4, 4, NEVER, [(0, self.bitten, 0, 0), *bite])]

    def read_WTST(self, t: int) -> int:
        return int(self.period)

    def write_WTST(self, t: int, value: int) -> None:
        self.period, self.fed = value, t

    def write_WTCNT(self, t: int, value: int) -> None:
        self.fed = t

    def read_WTCSR(self, t: int) -> int:
        return self.bitten

    def write_WTCSR(self, t: int, value: int) -> None:
        self.bitten, self.fed = 0, t

    def state(self) -> dict[str, Any]:
        return {"period": self.period, "fed": self.fed, "bitten": self.bitten}

    def info(self) -> dict[str, Any]:
        return {"bitten": self.bitten}
