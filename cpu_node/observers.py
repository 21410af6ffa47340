"""What the simulator observes of a guest without its help: the PC reaching a symbol, and when."""

from __future__ import annotations

from array import array
from typing import Any


class Latency:
    """Ticks from the rise of a line to the first instruction of its handler; ``lost`` are rises without one.

    ``keep``: keep every sample, which takes memory that grows with the run.
    """

    def __init__(self, line: str, pc: int, symbol: str, keep: bool = False) -> None:
        self.line, self.pc, self.symbol, self.keep = line, pc, symbol, keep
        self.rise = -1
        self.samples = array("q")  # in order, where they are kept
        self.count = self.total = self.lost = self.least = self.most = 0

    def line_rose(self, line: str, tick: int) -> None:
        """A line of the machine rose."""
        if line == self.line:
            self.lost += self.rise >= 0
            self.rise = tick

    def reached(self, pc: int, tick: int) -> None:
        """The CPU is about to execute pc."""
        if pc == self.pc and self.rise >= 0:
            self._sampled(tick - self.rise)
            self.rise = -1

    def _sampled(self, ticks: int) -> None:
        self.least = min(self.least, ticks) if self.count else ticks
        self.most = max(self.most, ticks)
        self.count += 1
        self.total += ticks
        if self.keep:
            self.samples.append(ticks)

    def figures(self) -> dict[str, Any]:
        """Row of the report; ticks."""
        row: dict[str, Any] = {"line": self.line, "symbol": self.symbol, "samples": self.count, "lost": self.lost}
        if self.count:
            row.update(min=self.least, avg=self.total / self.count, max=self.most)
        return row


class Deadline:
    """A function that is to start once a period; a period without a start is a miss.

    The grid is that of its earliest phase so far: a first start that was held up does not set it.
    """

    def __init__(self, guest: str, symbol: str, pc: int, period: int) -> None:
        self.guest, self.symbol, self.pc, self.period = guest, symbol, pc, period
        self.due = -1  # tick of the next start; -1 before the first
        self.activations = self.misses = self.max_late = 0

    def reached(self, pc: int, tick: int) -> None:
        """The CPU is about to execute pc."""
        if pc != self.pc:
            return
        self.activations += 1
        if self.due < 0 or tick < self.due:
            self.due = tick
        late = tick - self.due
        missed = late // self.period
        self.misses += missed
        self.max_late = max(self.max_late, late)
        self.due += (missed + 1) * self.period

    def figures(self, now: int) -> dict[str, Any]:
        """Row of the report at tick ``now``; ticks. Periods that have passed since the last start count."""
        overdue = now if self.due < 0 else now - self.due
        return {
            "guest": self.guest,
            "symbol": self.symbol,
            "period_ticks": self.period,
            "activations": self.activations,
            "misses": self.misses + max(0, overdue // self.period),
            "max_late": max(self.max_late, overdue),
        }
