"""The other end of a serial line that guests share: a terminal for each, which sends what is typed on it.

All is in virtual time. A character that is typed goes on the line at its tick, or as soon as the line is free and its
guest takes any; those of a guest that has its terminal stopped wait in order, and hold up no other's.
"""

from __future__ import annotations

from collections import deque

from cosim import NEVER
from cosim.shared_line import DLE, SELECT, Splitter

CHARACTER = 34_560  # ticks: 10 bits at 115,741 bit/s, which is what SPUMONE sets


class Terminals:
    """``channels``: how many. ``output``: follows what guests send; ``typed``: follows what is typed, framed."""

    def __init__(self, channels: int) -> None:
        self.output, self.typed = Splitter(channels), Splitter(channels)
        self.waiting: list[deque[tuple[int, int]]] = [deque() for _ in range(channels)]  # (tick, byte and errors)
        self.selected = -1  # on the line to the guests; -1: to be said again
        self.free = 0  # tick from which that line is free

    def heard(self, tick: int, byte: int) -> int:
        """What guests sent: the channel whose character it is, -1 where it is framing."""
        stopped = len(self.output.stopped)
        character = self.output.take(byte)
        if len(self.output.stopped) < stopped:
            self.free = max(self.free, tick)  # what waited goes from now on
        return self.output.selected if character else -1

    def type(self, tick: int, entry: int) -> None:
        """A byte, or one with errors, of framed input. Ticks do not fall."""
        if entry > 0xFF or self.typed.take(entry):
            self.waiting[self.typed.selected].append((tick, entry))

    def due(self) -> int:
        """Tick at which the next character goes on the line, if guests send nothing."""
        return self._next()[0]

    def _next(self) -> tuple[int, int]:
        ready = [(max(self.free, row[0][0]), row[0][0], n) for n, row in enumerate(self.waiting)
                 if row and n not in self.output.stopped]  # fmt: skip
        tick, _, channel = min(ready, default=(NEVER, 0, 0))
        return tick, channel

    def blocked(self) -> bool:
        """Whether a character waits for its guest to have the terminal go on."""
        return any(self.waiting[n] for n in self.output.stopped)

    def held(self) -> int:
        """Tick at which the next of those characters would go on the line if its terminal went on at once."""
        return min(
            (max(self.free, self.waiting[n][0][0]) for n in self.output.stopped if self.waiting[n]), default=NEVER
        )

    def send(self) -> list[tuple[int, int]]:
        """The character that is due goes on the line: (tick of arrival, byte and errors) of it and its framing."""
        tick, channel = self._next()
        _, entry = self.waiting[channel].popleft()
        entries = [DLE, entry] if entry == DLE else [entry]
        if channel != self.selected:
            entries = [DLE, SELECT + channel, *entries]
            self.selected = channel
        self.free = tick + len(entries) * CHARACTER
        return [(tick + (k + 1) * CHARACTER, entry) for k, entry in enumerate(entries)]

    def state(self) -> list[object]:
        """All of it, for the digest."""
        wires = [(wire.selected, wire.escaped, sorted(wire.stopped)) for wire in (self.output, self.typed)]
        return [*wires, [list(row) for row in self.waiting], self.selected, self.free]
