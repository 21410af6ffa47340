"""The virtual serial device as a model: guests share one SCIF, which is SPUMONE's. As guests/spumone/serial.c.

The framing on the wire is that of ``cosim.shared_line``.
"""

from __future__ import annotations

from collections import deque

from cosim.sh7780 import INT2MSKCR
from cosim.shared_line import DLE, GO, SELECT, STOP

BASES = (0xFFE00000, 0xFFE10000)
SMR, BRR, SCR, TDR, FSR, RDR, FCR, TFDR, RFDR, LSR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x28
TIE, RIE, TE, RE = 0x80, 0x40, 0x20, 0x10
FIFO, BRR_115200 = 16, 8
INT2PRI2 = 0xFFD40008
ROOM, FULL, EMPTY, AT_ONCE, TURN, PER_CALL = 256, 192, 64, 2, 64, 8

Writes = list[tuple[int, int, int]]


class Channel:
    """What waits for a guest and of one; whether the other side is stopped, or is to be told so."""

    def __init__(self) -> None:
        self.out: deque[int] = deque()
        self.come: deque[int] = deque()
        self.stopped = self.say = False


class VirtualSerial:
    """``channel``: 0 or 1, of the SCIF; ``level``: of its interrupts. Register accesses are the caller's to make."""

    def __init__(self, channel: int, level: int, guests: int) -> None:
        self.base, self.level, self.guests = BASES[channel], level, guests
        self.shift, self.bit = (16, 0x10) if channel else (24, 0x08)
        self.channels = [Channel() for _ in range(guests)]
        self.out_channel, self.in_channel, self.turn = -1, 0, 0
        self.escape = False
        self.next: int | None = None  # second of a sequence
        self.tie = False
        self.lost: int | None = None  # guest that lost a character first
        self.told = False
        self.moved = 0  # characters of the last interrupt, both ways

    def state(self) -> list[object]:
        """For the digest."""
        channels = [[bytes(c.out), bytes(c.come), c.stopped, c.say] for c in self.channels]
        rest = [self.out_channel, self.in_channel, self.turn, self.escape, self.next, self.tie, self.lost]
        return [*channels, *rest]

    def start(self, priorities: int) -> Writes:
        """Writes that set the SCIF up; ``priorities``: INT2PRI2 as it is."""
        b = self.base
        priorities = priorities & ~(0x1F << self.shift) | self.level << (self.shift + 1)
        return [(b + SCR, 2, 0), (b + FCR, 2, 6), (b + FSR, 2, 0), (b + SMR, 2, 0), (b + BRR, 1, BRR_115200),
                (b + FCR, 2, 0), self.scr(False), (INT2PRI2, 4, priorities), (INT2MSKCR, 4, self.bit)]  # fmt: skip

    def scr(self, tie: bool) -> tuple[int, int, int]:
        """The write of SCR."""
        self.tie = tie
        return self.base + SCR, 2, TE | RE | RIE | (TIE if tie else 0)

    def states(self) -> list[tuple[int, int]]:
        """Registers that an interrupt looks at: FSR, RFDR, TFDR, LSR."""
        return [(self.base + register, 2) for register in (FSR, RFDR, TFDR, LSR)]

    def arrivals(self, count: int) -> list[tuple[int, int]]:
        """Reads of what has come."""
        return [(self.base + RDR, 1)] * min(count, AT_ONCE)

    def interrupt(self, flags: int, waiting: int, errors: int, received: bytes) -> Writes:
        """Writes of an interrupt: FSR and LSR as read, characters in the transmit FIFO, what was received."""
        writes: Writes = []
        self.moved = len(received)
        for byte in received:
            self._receive(byte)
        if self.tie:
            for _ in range(min(AT_ONCE, FIFO - waiting)):
                if not self._send(writes):
                    writes.append(self.scr(False))
                    break
                self.moved += 1
        if any(channel.say for channel in self.channels):
            writes.append(self.scr(True))
        writes.append((self.base + FSR, 2, ~flags & 0xFFFF))
        if errors & 1:
            writes.append((self.base + LSR, 2, 0))
        return writes

    def write(self, guest: int, data: bytes) -> tuple[int, Writes]:
        """Characters of a guest: how many are taken, and the writes."""
        out = self.channels[guest].out
        count = min(len(data), PER_CALL, ROOM - len(out))
        out.extend(data[:count])
        return count, [self.scr(True)] if count else []

    def read(self, guest: int, size: int) -> tuple[bytes, Writes]:
        """Characters for a guest, and the writes."""
        channel = self.channels[guest]
        data = bytes(channel.come.popleft() for _ in range(min(size, PER_CALL, len(channel.come))))
        if channel.stopped and len(channel.come) <= EMPTY:
            channel.stopped, channel.say = False, True
            return data, [self.scr(True)]
        return data, []

    def _sequence(self, writes: Writes, what: int) -> bool:
        writes.append((self.base + TDR, 1, DLE))
        self.next = what
        return True

    def _send(self, writes: Writes) -> bool:
        """One character goes into the FIFO; False if there is none."""
        if self.next is not None:
            writes.append((self.base + TDR, 1, self.next))
            self.next = None
            return True
        for n, channel in enumerate(self.channels):
            if channel.say:
                channel.say = False
                return self._sequence(writes, (STOP if channel.stopped else GO) + n)
        first = max(self.out_channel, 0) + (self.turn >= TURN)
        order = [(first + k) % self.guests for k in range(self.guests)]
        n = next((n for n in order if self.channels[n].out), -1)
        if n < 0:
            return False
        if n != self.out_channel or self.turn >= TURN:
            self.turn = 0
        if n != self.out_channel:
            self.out_channel = n
            return self._sequence(writes, SELECT + n)
        byte = self.channels[n].out.popleft()
        self.turn += 1
        if byte == DLE:
            return self._sequence(writes, DLE)
        writes.append((self.base + TDR, 1, byte))
        return True

    def _receive(self, byte: int) -> None:
        if self.escape:
            self.escape = False
            if byte != DLE:
                if byte - SELECT in range(self.guests):
                    self.in_channel = byte - SELECT
                return
        elif byte == DLE:
            self.escape = True
            return
        channel = self.channels[self.in_channel]
        if len(channel.come) == ROOM:
            self.lost = self.in_channel if self.lost is None else self.lost
            return
        channel.come.append(byte)
        if len(channel.come) >= FULL and not channel.stopped:
            channel.stopped = channel.say = True
