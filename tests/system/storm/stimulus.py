"""A device whose lines do what is written to it: RAISE sets levels, DROP clears them, in the order of ``LINES``."""

from __future__ import annotations

from cosim.device import Device
from cosim.registers import Register

BASE = 0xFFCC0000
# Two lines of each of five mask bits of the INTC, but for ITI, which has one of its own.
LINES = ("TUNI0", "TUNI1", "TUNI3", "TUNI4", "RXI0", "TXI0", "RXI1", "TXI1", "ITI")


class Stimulus(Device):
    """Nine lines, two registers."""

    ROLE = "device"

    def setup(self) -> None:
        self.registers = (
            Register("RAISE", BASE, 4, 0, 0x1FF, "levels that are set"),
            Register("DROP", BASE + 4, 4, 0, 0x1FF, "levels that are cleared"),
        )
        self.line_names = LINES
        self.regions = [(BASE, BASE + 0xFF)]
        self.levels = 0

    def lines(self) -> int:
        return self.levels

    def write_RAISE(self, t: int, v: int) -> None:
        self.levels |= v & 0x1FF

    def write_DROP(self, t: int, v: int) -> None:
        self.levels &= ~v

    def read_RAISE(self, t: int) -> int:
        return self.levels
