"""SCIF of the SH7780: serial port with 16-byte FIFOs, asynchronous mode, real baud-rate timing.

Registers as in public SH7780 descriptions and Linux's sh-sci.c. A character takes start + 8 (7) data +
parity + stop bits; a bit takes 32 * 4^CKS * (BRR + 1) peripheral clocks. TDFE is set whenever the FIFO
holds no more than its trigger; TEND while nothing is being sent. RDF is set by an arrival that fills the
FIFO to its trigger, DR 15 bits after the last arrival below it. Left out: synchronous mode, modem lines,
receive errors other than overrun.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from cosim import NEVER, PERIPHERAL_DIVIDER
from cosim.device import Device, DeviceError
from cosim.messages import Arm, Body, Changes, Input, LeaseRow, PostRow
from cosim.registers import Register

BASES = (0xFFE00000, 0xFFE10000)
TIE, RIE, TE, RE, REIE = 0x80, 0x40, 0x20, 0x10, 0x08
ER, TEND, TDFE, BRK, RDF, DR = 0x80, 0x40, 0x20, 0x10, 0x02, 0x01
ORER = 0x01
TX_TRIGGER, RX_TRIGGER = (8, 4, 2, 0), (1, 4, 8, 14)
FIFO = 16
FSR_CLEARABLE = ER | TEND | TDFE | BRK | RDF | DR


class Scif(Device):
    """One channel (option ``channel``: 0 or 1); lines ERIn RXIn BRIn TXIn."""

    ROLE = "scif"
    OPTIONS = {"channel": 0, "port": "", "host": "none", "log": ""}

    def setup(self) -> None:
        n = self.config["channel"]
        if n not in (0, 1):
            raise DeviceError(f"{self.name}: channel = {n!r}: a SH7780 has SCIF channels 0 and 1")
        base, r = BASES[n], Register
        self.base = base
        self.registers = (
            r("SMR", base, 2, 0, 0x7B, "6 CHR, 5 PE, 3 STOP, 1:0 CKS"),
            r("BRR", base + 4, 1, 0xFF, 0xFF, "bit rate"),
            r("SCR", base + 8, 2, 0, 0xFA, "7 TIE, 6 RIE, 5 TE, 4 RE, 3 REIE, 1 CKE"),
            r("FTDR", base + 0xC, 1, 0xFF, 0, "transmit FIFO, write only"),
            r("FSR", base + 0x10, 2, 0x60, 0, "7 ER, 6 TEND, 5 TDFE, 4 BRK, 1 RDF, 0 DR"),
            r("FRDR", base + 0x14, 1, 0, 0, "receive FIFO, read only"),
            r("FCR", base + 0x18, 2, 0, 0x7FF, "7:6 RTRG, 5:4 TTRG, 2 TFCL, 1 RFCL"),
            r("TFDR", base + 0x1C, 2, 0, 0, "bytes in the transmit FIFO"),
            r("RFDR", base + 0x20, 2, 0, 0, "bytes in the receive FIFO"),
            r("SPTR", base + 0x24, 2, 0, 0xFF, "port"),
            r("LSR", base + 0x28, 2, 0, 0, "0 ORER"),
            r("RER", base + 0x2C, 2, 0, 0, "receive error counts"),
        )
        self.line_names = tuple(f"{kind}{n}" for kind in ("ERI", "RXI", "BRI", "TXI"))
        self.regions = [(base, base + 0xFF)]
        self.sending: deque[tuple[int, int, int]] = deque()  # (byte, start tick, end tick)
        self.held: deque[int] = deque()  # written while TE=0
        self.arrivals: deque[tuple[int, int]] = deque()  # (tick, byte) still to come
        self.received: deque[int] = deque()
        self.flags = TDFE  # sticky part of FSR: TDFE RDF DR
        self.overrun = 0
        self.flags_read = 0
        self.last_arrival = 0
        self.pattern: re.Pattern[bytes] | None = None
        self.line = b""
        self.match_tick = -1
        self.sent = bytearray()  # bytes for the host, taken by take_output
        self.counts = {"sent": 0, "received": 0, "overruns": 0}

    # Timing ------------------------------------------------------------------------------------------

    def bit(self) -> int:
        """Ticks a bit."""
        v = self.file.value
        return int(PERIPHERAL_DIVIDER * 32 * 4 ** (v["SMR"] & 3) * (v["BRR"] + 1))

    def frame(self) -> int:
        """Ticks a character."""
        smr = self.file.value["SMR"]
        return self.bit() * (1 + (7 if smr & 0x40 else 8) + (smr >> 5 & 1) + (2 if smr & 8 else 1))

    def tx_trigger(self) -> int:
        return TX_TRIGGER[self.file.value["FCR"] >> 4 & 3]

    def rx_trigger(self) -> int:
        return RX_TRIGGER[self.file.value["FCR"] >> 6 & 3]

    def queued(self, t: int) -> int:
        """Bytes in the transmit FIFO at t: those whose first bit has not started."""
        return sum(1 for _, start, _ in self.sending if start > t) + len(self.held)

    def tdfe_tick(self) -> int:
        """Tick at which TDFE is set by itself."""
        if self.flags & TDFE:
            return NEVER
        waiting = [start for _, start, _ in self.sending if start > self.now]
        over = len(waiting) - self.tx_trigger()
        return waiting[over - 1] if over > 0 else NEVER

    def rdf_tick(self) -> int:
        """Tick of the arrival that sets RDF."""
        if self.flags & RDF or not self.enabled(RE):
            return NEVER
        need = max(self.rx_trigger() - len(self.received), 1)
        return self.arrivals[need - 1][0] if len(self.arrivals) >= need else NEVER

    def dr_tick(self) -> int:
        """Tick at which DR is set, unless a character arrives before."""
        if self.flags & DR or not self.received or len(self.received) >= self.rx_trigger():
            return NEVER
        return self.last_arrival + 15 * self.bit()

    def enabled(self, bit: int) -> bool:
        return bool(self.file.value["SCR"] & bit)

    def advance(self, t: int) -> None:
        while self.sending and self.sending[0][2] <= t:
            byte, _, end = self.sending.popleft()
            self._transmitted(end, byte)
        while True:
            arrival = self.arrivals[0][0] if self.arrivals else NEVER
            silence = self.dr_tick()
            if min(arrival, silence) > t:
                break
            if silence <= arrival:
                self.flags |= DR
            else:
                self._arrived(*self.arrivals.popleft())
        self.now = t
        if self.queued(t) <= self.tx_trigger():
            self.flags |= TDFE

    def _transmitted(self, tick: int, byte: int) -> None:
        self.event(tick, 1, byte)
        self.sent.append(byte)
        self.counts["sent"] += 1
        self.line = b"" if byte == 10 else self.line + bytes([byte])
        if self.pattern and self.match_tick < 0 and self.pattern.search(self.line):
            self.match_tick = tick

    def _arrived(self, tick: int, byte: int) -> None:
        if not self.enabled(RE):
            return
        if len(self.received) >= FIFO:
            self.overrun = ORER
            self.counts["overruns"] += 1
            return
        self.received.append(byte)
        self.last_arrival = tick
        self.counts["received"] += 1
        self.event(tick, 2, byte)
        if len(self.received) >= self.rx_trigger():
            self.flags |= RDF

    # Registers -----------------------------------------------------------------------------------------

    def fsr(self) -> int:
        return self.flags | (0 if self.sending or self.held else TEND)

    def read_FSR(self, t: int) -> int:
        value = self.fsr()
        self.flags_read |= value
        return value

    def seen(self, reads: list[tuple[int, int]]) -> None:
        for address, value in reads:
            if address == self.base + 0x10:
                self.flags_read |= value

    def write_FSR(self, t: int, v: int) -> None:
        # A flag is cleared by writing 0 after it was read as 1; TDFE and RDF come back while their cause lasts.
        clear = ~v & self.flags_read & FSR_CLEARABLE
        self.flags &= ~clear
        self.flags_read &= ~clear
        if self.queued(t) <= self.tx_trigger():
            self.flags |= TDFE
        if self.received and len(self.received) >= self.rx_trigger():
            self.flags |= RDF

    def write_FTDR(self, t: int, v: int) -> None:
        if self.queued(t) >= FIFO:
            return  # a full FIFO ignores the byte
        if not self.enabled(TE):
            self.held.append(v & 255)
            return
        self._queue(t, v & 255)

    def _queue(self, t: int, byte: int) -> None:
        start = max(t, self.sending[-1][2]) if self.sending else t
        self.sending.append((byte, start, start + self.frame()))

    def write_SCR(self, t: int, v: int) -> None:
        self.file.value["SCR"] = v & 0xFA
        while self.held and self.enabled(TE):
            self._queue(t, self.held.popleft())

    def read_FRDR(self, t: int) -> int:
        return self.received.popleft() if self.received else 0

    def write_FCR(self, t: int, v: int) -> None:
        self.file.value["FCR"] = v & 0x7FF
        if v & 4:  # TFCL: the byte in the shift register goes out all the same
            self.sending = deque(row for row in self.sending if row[1] <= t)
            self.held.clear()
        if v & 2:
            self.received.clear()
        if self.queued(t) <= self.tx_trigger():
            self.flags |= TDFE

    def read_TFDR(self, t: int) -> int:
        return self.queued(t)

    def read_RFDR(self, t: int) -> int:
        return len(self.received)

    def read_LSR(self, t: int) -> int:
        return self.overrun

    def write_LSR(self, t: int, v: int) -> None:
        self.overrun &= v

    # Lines and promises ----------------------------------------------------------------------------------

    def _levels(self, flags: int) -> int:
        scr = self.file.value["SCR"]
        error = bool(scr & (RIE | REIE))
        eri = error and bool(flags & ER)
        rxi = bool(scr & RIE and flags & (RDF | DR))
        bri = error and bool(flags & BRK or self.overrun)
        txi = bool(scr & TIE and flags & TDFE)
        return eri | rxi << 1 | bri << 2 | txi << 3

    def lines(self) -> int:
        return self._levels(self.flags)

    def _flag_events(self) -> list[tuple[int, int]]:
        """(tick, flag) of what sets itself, in order."""
        silence = self.dr_tick()
        if self.arrivals and self.arrivals[0][0] < silence:
            silence = NEVER  # the next arrival moves it: promised, not planned
        events = [(self.tdfe_tick(), TDFE), (self.rdf_tick(), RDF), (silence, DR)]
        return sorted(e for e in events if e[0] < NEVER)

    def promise(self) -> tuple[int, Changes]:
        upcoming = NEVER
        if self.arrivals and self.enabled(RE):
            # What an arrival beyond RDF does (overrun, DR) is worked out when it comes.
            room = FIFO - len(self.received)
            upcoming = self.arrivals[room][0] if len(self.arrivals) > room else NEVER
            if self.rx_trigger() > 1:
                upcoming = self.arrivals[0][0]
        flags, level, plan = self.flags, self.lines(), []
        for tick, flag in self._flag_events():
            if tick >= upcoming:
                break
            flags |= flag
            new = self._levels(flags)
            if new != level and plan and plan[-1][0] == tick:
                plan[-1] = (tick, new)
            elif new != level:
                plan.append((tick, new))
            level = new
        return upcoming, plan

    def leases(self) -> list[LeaseRow]:
        upcoming, _ = self.promise()
        done = self.sending[-1][2] if self.sending else NEVER
        expires = min(upcoming, done) if not self.held else upcoming
        flags, segments = self.fsr(), [(self.now, self.fsr(), 0, 0)]
        for tick, flag in self._flag_events():
            flags |= flag
            if segments[-1][0] == tick:
                segments.pop()
            segments.append((tick, flags, 0, 0))
        plain = ("SMR", "BRR", "SCR", "FCR", "SPTR")
        at = {r.name: r for r in self.registers}
        rows: list[LeaseRow] = [
            (at[name].address, at[name].size, NEVER, [(self.now, self.file.value[name], 0, 0)]) for name in plain
        ]
        rows.append((self.base + 0x10, 2, expires, segments))
        rows.append((self.base + 0x28, 2, upcoming, [(self.now, self.overrun, 0, 0)]))
        return rows

    def posts(self) -> list[PostRow]:
        upcoming, plan = self.promise()
        quiet = min(upcoming, plan[0][0]) if plan else upcoming
        rows: list[PostRow] = []
        if self.enabled(TE) and not self.held:
            # While the shift register is busy and the FIFO stays below its trigger, FSR reads the same.
            waiting = self.queued(self.now)
            credits = self.tx_trigger() - waiting if self.sending and self.flags & TDFE else 0
            rows.append((self.base + 0xC, 1, quiet, max(credits, 0)))
            if not self.enabled(TIE) and not self.flags & (ER | BRK | RDF | DR):
                keeps = credits > 0
                rows.append((self.base + 0x10, 2, min(quiet, self.rdf_tick()), 1000 if keeps else 0))
        return rows

    # Beyond MMIO ---------------------------------------------------------------------------------------------

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Input):
            self.advance(t)
            last = self.arrivals[-1][0] if self.arrivals else t
            for tick, byte in body.entries:
                if tick < last:
                    raise DeviceError(f"{self.name}: input at tick {tick} after one at {last}; ticks must not fall")
                self.arrivals.append((tick, byte))
                last = tick
            return self.answer()
        if isinstance(body, Arm):
            self.advance(t)
            try:
                self.pattern = re.compile(body.pattern.encode()) if body.pattern else None
            except re.error as error:
                raise DeviceError(f"{self.name}: pattern {body.pattern!r} is no regular expression: {error}") from None
            self.match_tick = -1
            if self.pattern and self.pattern.search(self.line):
                self.match_tick = t
            return self.answer()
        return super().extra(t, body)

    def matched(self) -> int:
        return self.match_tick

    def take_output(self) -> bytes:
        """Bytes that left the shift register since the last call."""
        out = bytes(self.sent)
        self.sent.clear()
        return out

    def state(self) -> dict[str, Any]:
        return {
            **self.file.value,
            "sending": list(self.sending),
            "held": list(self.held),
            "received": list(self.received),
            "arrivals": list(self.arrivals),
            "flags": [self.flags, self.overrun, self.last_arrival],
        }

    def info(self) -> dict[str, Any]:
        return dict(self.counts)
