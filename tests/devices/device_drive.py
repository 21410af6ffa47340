"""A device with a clock of its own, for tests that speak to it as the CPU node does."""

from __future__ import annotations

from cosim.device import Device
from cosim.messages import Advance, Answer, Input, Read, Write


class Drive:
    """Speaks to one device by register name at a current tick; ``answer`` is the last one."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.at = {row.name: row for row in device.registers}
        self.t = 0
        self.answer: Answer = device.handle(0, Advance())

    def to(self, t: int) -> Drive:
        """Move to tick t and let the device know."""
        self.t = t
        self.answer = self.device.handle(t, Advance())
        return self

    def read(self, name: str, t: int | None = None) -> int:
        """Read a register, now or at tick t."""
        self.t = self.t if t is None else t
        row = self.at[name]
        self.answer = self.device.handle(self.t, Read(row.address, row.size, []))
        return self.answer.value

    def write(self, name: str, value: int, t: int | None = None) -> Drive:
        """Write a register, now or at tick t."""
        self.t = self.t if t is None else t
        row = self.at[name]
        self.answer = self.device.handle(self.t, Write(row.address, row.size, value, []))
        return self

    def input(self, *entries: tuple[int, int]) -> Drive:
        """Characters (tick, byte) for a serial port."""
        self.answer = self.device.handle(self.t, Input(list(entries)))
        return self

    def lines(self) -> set[str]:
        """Names of the lines that are high now."""
        return {name for k, name in enumerate(self.device.line_names) if self.answer.lines >> k & 1}

    def planned(self, name: str) -> int | None:
        """Tick of the first planned change of a line, None if there is none."""
        bit = 1 << self.device.line_names.index(name)
        level = self.answer.lines & bit
        for tick, mask in self.answer.plan:
            if mask & bit != level:
                return tick
        return None
