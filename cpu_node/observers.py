"""What the simulator observes of a guest without its help: the PC reaching a symbol, and when."""

from __future__ import annotations

from typing import Any


class Latency:
    """Ticks from the rise of a line to the first instruction of its handler."""

    def __init__(self, line: str, pc: int, symbol: str) -> None:
        self.line, self.pc, self.symbol = line, pc, symbol
        self.rise = -1
        self.samples: list[int] = []
        self.total = 0

    def line_rose(self, line: str, tick: int) -> None:
        """A line of the machine rose."""
        if line == self.line:
            self.rise = tick

    def reached(self, pc: int, tick: int) -> None:
        """The CPU is about to execute pc."""
        if pc == self.pc and self.rise >= 0:
            self.samples.append(tick - self.rise)
            self.total += tick - self.rise
            self.rise = -1

    def figures(self) -> dict[str, Any]:
        """Row of the report; ticks."""
        count = len(self.samples)
        row: dict[str, Any] = {"line": self.line, "symbol": self.symbol, "samples": count}
        if count:
            row.update(min=min(self.samples), avg=self.total / count, max=max(self.samples))
        return row


class Deadline:
    """A function that is to start once a period: the k-th start within period k of the first one."""

    def __init__(self, guest: str, symbol: str, pc: int, period: int) -> None:
        self.guest, self.symbol, self.pc, self.period = guest, symbol, pc, period
        self.first = -1
        self.activations = self.misses = self.max_late = 0

    def reached(self, pc: int, tick: int) -> None:
        """The CPU is about to execute pc."""
        if pc != self.pc:
            return
        if self.first < 0:
            self.first = tick
        late = tick - (self.first + self.activations * self.period)
        self.activations += 1
        self.max_late = max(self.max_late, late)
        if late >= self.period:
            self.misses += 1
            # A period that passed without a start is one miss, not a debt for ever.
            self.first += late // self.period * self.period

    def figures(self) -> dict[str, Any]:
        """Row of the report; ticks."""
        return {
            "guest": self.guest,
            "symbol": self.symbol,
            "period_ticks": self.period,
            "activations": self.activations,
            "misses": self.misses,
            "max_late": self.max_late,
        }
