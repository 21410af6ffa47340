"""SCIF of the SH7780: serial port with 16-byte FIFOs, asynchronous mode, real baud-rate timing.

Registers as in public SH7780 descriptions and Linux's sh-sci.c. A character takes start + 8 (7) data +
parity + stop bits; a bit takes 32 * 4^CKS * (BRR + 1) peripheral clocks. Flags of FSR stay once set: TDFE
while the transmit FIFO holds no more than its trigger, RDF while the receive FIFO holds its trigger or
more, DR 15 bits after the last arrival below it; each is cleared by writing 0 after it was read as 1, and
comes back at once while its cause lasts. TEND is not latched: it is 1 while nothing is being sent.
FIFO depth and trigger tables are those of Linux's driver (16; depth 64 is remembered by some for this
chip, and Linux with its 16 would live in interrupts there). Left out: synchronous mode, modem lines,
loopback, bit errors of a wrong rate.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from cosim import NEVER, PERIPHERAL_DIVIDER
from cosim.device import Device, DeviceError, Host, QuestionError
from cosim.messages import Arm, Body, Changes, EffectRow, Input, LeaseRow, PostRow
from cosim.registers import Register
from cosim.shared_line import GO
from cosim.typed import BREAK, CONDITIONS, FRAMING, PARITY
from device_nodes.hostport import check_hosts, open_hosts
from device_nodes.terminals import Terminals

BASES = (0xFFE00000, 0xFFE10000)
KINDS = ("ERI", "RXI", "BRI", "TXI")
TIE, RIE, TE, RE, REIE = 0x80, 0x40, 0x20, 0x10, 0x08
SCR_BITS = 0xFB
TXI = 8  # its bit among the lines
ER, TEND, TDFE, BRK, FER, PER, RDF, DR = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
ORER = 0x01
OVERRUN = 0x200  # ORER among the bits of FSR, where it is told with them
TFCL, RFCL = 0x04, 0x02
TX_TRIGGER, RX_TRIGGER = (8, 4, 2, 0), (1, 4, 8, 14)  # by FCR 5:4 and 7:6
FIFO = 16
CLEARABLE = ER | TDFE | BRK | RDF | DR
SPB2IO, SPB2DT = 0x02, 0x01
LINE_KEPT = 4096  # bytes of an unfinished line that a pattern is matched against


class Scif(Device):
    """One channel (option ``channel``: 0 or 1); lines ERIn RXIn BRIn TXIn. ``host``: see hostport. ``mux``: names of
    the consoles of guests that share it, in the order of their priority. ``parmrk``: what is typed has breaks and
    parity errors among it, coded as a terminal with PARMRK does (docs/how-to/type-into-a-guest.md)."""

    ROLE = "scif"
    OPTIONS = {"channel": 0, "port": "", "mux": [], "host": "none", "log": "", "parmrk": False}

    def setup(self) -> None:
        n = self.config["channel"]
        if n not in (0, 1):
            raise DeviceError(f"{self.name}: channel = {n!r}: a SH7780 has SCIF channels 0 and 1")
        check_hosts(self.config["host"], self.config["mux"], self.name)
        base, r = BASES[n], Register
        self.base = base
        self.registers = (
            r("SMR", base, 2, 0, 0x7B, "6 CHR, 5 PE, 4 OE, 3 STOP, 1:0 CKS"),
            r("BRR", base + 4, 1, 0xFF, 0xFF, "bit rate"),
            r("SCR", base + 8, 2, 0, SCR_BITS, "7 TIE, 6 RIE, 5 TE, 4 RE, 3 REIE, 1:0 CKE"),
            r("FTDR", base + 0xC, 1, 0xFF, 0, "transmit FIFO, write only"),
            r("FSR", base + 0x10, 2, 0x60, 0, "7 ER, 6 TEND, 5 TDFE, 4 BRK, 3 FER, 2 PER, 1 RDF, 0 DR"),
            r("FRDR", base + 0x14, 1, 0, 0, "receive FIFO, read only"),
            r("FCR", base + 0x18, 2, 0, 0x7FF, "10:8 RSTRG, 7:6 RTRG, 5:4 TTRG, 3 MCE, 2 TFCL, 1 RFCL, 0 LOOP"),
            r("TFDR", base + 0x1C, 2, 0, 0, "bytes in the transmit FIFO"),
            r("RFDR", base + 0x20, 2, 0, 0, "bytes in the receive FIFO"),
            r("SPTR", base + 0x24, 2, SPB2DT, 0xFE, "1 SPB2IO, 0 SPB2DT: written TxD while TE=0, read RxD"),
            r("LSR", base + 0x28, 2, 0, 0, "0 ORER (cleared by 0 after 1 was read)"),
            r("RER", base + 0x2C, 2, 0, 0, "13:8 parity, 5:0 framing errors in the receive FIFO"),
        )
        self.line_names = tuple(f"{kind}{n}" for kind in KINDS)
        self.regions = [(base, base + 0xFF)]
        self.sending: deque[tuple[int, int, int]] = deque()  # (byte, start tick, end tick); the first is in the shifter
        self.held: deque[int] = deque()  # in the FIFO while TE=0
        self.arrivals: deque[tuple[int, int]] = deque()  # (tick, byte and errors) still to come
        self.received: deque[int] = deque()
        self.flags = TDFE  # latched part of FSR, and OVERRUN
        self.flags_read = 0  # those that were read as 1
        self.last_arrival = self.last_input = 0
        self.foreseen: list[tuple[int, int]] = []
        self.plan: Changes = []
        consoles = len(self.config["mux"])
        self.terminals = Terminals(consoles) if consoles else None
        self.pattern: re.Pattern[bytes] | None = None
        self.armed = 0  # console that it is of
        self.unfinished = [bytearray() for _ in range(consoles or 1)]  # line of each console
        self.match_tick = -1
        self.sent = bytearray()  # bytes for the host, taken by take_output
        self.breaks = 0  # for the host, taken by take_breaks
        self.txd_low = False  # a break is being sent
        self.counts = {"sent": 0, "received": 0, "overruns": 0, "breaks_sent": 0, "breaks_received": 0}
        self.configure({row.name: row.reset for row in self.registers})

    # Timing ------------------------------------------------------------------------------------------

    def configure(self, v: dict[str, int]) -> None:
        """What follows from SMR, BRR, SCR, FCR: ticks a bit and a character, triggers, enables."""
        smr, fcr, scr = v["SMR"], v["FCR"], v["SCR"]
        self.bit = int(PERIPHERAL_DIVIDER * 32 * 4 ** (smr & 3) * (v["BRR"] + 1))
        self.frame = self.bit * (1 + (7 if smr & 0x40 else 8) + (smr >> 5 & 1) + (2 if smr & 8 else 1))
        self.tx_trigger = TX_TRIGGER[fcr >> 4 & 3]
        self.rx_trigger = RX_TRIGGER[fcr >> 6 & 3]
        self.sends = bool(scr & TE)
        self.receives = bool(scr & RE and not fcr & RFCL)

    def queued(self) -> int:
        """Bytes in the transmit FIFO now: all but the one in the shift register."""
        return max(len(self.sending) - 1, 0) + len(self.held)

    def tdfe_tick(self) -> int:
        """Tick at which TDFE is set by itself."""
        over = len(self.sending) - 1 - self.tx_trigger
        return NEVER if self.flags & TDFE or over <= 0 else self.sending[over][1]

    def foresee(self) -> list[tuple[int, int]]:
        """(tick, FSR bits) of what sets itself from now on, in order, if nothing is said to the device."""
        seen, events = self.flags, []
        if (tick := self.tdfe_tick()) < NEVER:
            events.append((tick, TDFE))
        if not self.receives:
            return events
        count, last, silence = len(self.received), self.last_arrival, 15 * self.bit
        for tick, entry in () if seen & OVERRUN else self.arrivals:
            if 0 < count < self.rx_trigger and not seen & DR and last + silence <= tick:
                events.append((last + silence, DR))
                seen |= DR
            if entry & BREAK:
                new = BRK
            elif count == FIFO:
                events.append((tick, OVERRUN))
                break  # reception stops
            else:
                count, last = count + 1, tick
                errors = head_errors(entry)
                new = (ER if errors else 0) | (errors if count == 1 else 0) | (RDF if count >= self.rx_trigger else 0)
            if new & ~seen:
                events.append((tick, new & ~seen))
                seen |= new
        if 0 < count < self.rx_trigger and not seen & DR:
            events.append((last + silence, DR))
        events.sort()
        return events

    def advance(self, t: int) -> None:
        sending, arrivals, terminals = self.sending, self.arrivals, self.terminals
        while True:  # in tick order: the digest must not depend on how often the device is spoken to
            end = sending[0][2] if sending else NEVER
            arrival = arrivals[0][0] if arrivals else NEVER
            typed = terminals.due() if terminals else NEVER
            if min(end, arrival, typed) > t:
                break
            if end <= arrival and end <= typed:
                self._transmitted(end, sending.popleft()[0])
            elif arrival <= typed:
                self._arrived(*arrivals.popleft())
            elif terminals:
                arrivals += terminals.send()
        self.now = t
        self._conditions(t)

    def _conditions(self, t: int) -> None:
        """Set the flags whose cause is there at t."""
        if self.queued() <= self.tx_trigger:
            self.flags |= TDFE
        count = len(self.received)
        if count >= self.rx_trigger:
            self.flags |= RDF
        elif count and self.receives and self.last_arrival + 15 * self.bit <= t:
            self.flags |= DR

    def _transmitted(self, tick: int, byte: int) -> None:
        self.event(tick, 1, byte)
        self.sent.append(byte)
        self.counts["sent"] += 1
        console = self.terminals.heard(tick, byte) if self.terminals else 0
        if console < 0:
            return
        line = self.unfinished[console]
        if byte == 10:
            line.clear()
        else:
            line.append(byte)
            if len(line) > 2 * LINE_KEPT:
                del line[:LINE_KEPT]
        if self.pattern and self.match_tick < 0 and console == self.armed and self.pattern.search(line):
            self.match_tick = tick

    def _arrived(self, tick: int, entry: int) -> None:
        if not self.receives or self.flags & OVERRUN:
            self._lost()
            return
        self._conditions(tick)
        if entry & BREAK:
            self.flags |= BRK
            self.counts["breaks_received"] += 1
            self.event(tick, 2, entry)
            return
        if len(self.received) >= FIFO:
            self.flags |= OVERRUN
            self.counts["overruns"] += 1
            self._lost()
            return
        self.received.append(entry)
        self.last_arrival = tick
        self.counts["received"] += 1
        self.event(tick, 2, entry)
        if entry & (FRAMING | PARITY):
            self.flags |= ER
        if len(self.received) >= self.rx_trigger:
            self.flags |= RDF

    def _lost(self) -> None:
        """What arrived is lost; where it was framing, what it belongs to would be taken for another console's."""
        if self.terminals:
            self.arrivals.clear()
            self.terminals.selected = -1

    # Registers -----------------------------------------------------------------------------------------

    def fsr(self) -> int:
        """FSR now."""
        head = head_errors(self.received[0]) if self.received else 0
        return self.flags & 0xFF | head | (0 if self.sending else TEND)

    def read_FSR(self, t: int) -> int:
        value = self.fsr()
        self.flags_read |= value
        return value

    def read_LSR(self, t: int) -> int:
        self.flags_read |= self.flags & OVERRUN
        return ORER if self.flags & OVERRUN else 0

    def seen(self, reads: list[tuple[int, int]]) -> None:
        for address, value in reads:
            if address == self.base + 0x10:
                self.flags_read |= value
            elif address == self.base + 0x28 and value & ORER:
                self.flags_read |= OVERRUN

    def _clear(self, t: int, bits: int) -> None:
        """Clear those of the flags that were read as 1."""
        clear = bits & self.flags_read
        self.flags_read &= ~clear
        if self.received:
            clear &= ~DR  # not before all was read
        self.flags &= ~clear
        self._conditions(t)

    def write_FSR(self, t: int, v: int) -> None:
        self._clear(t, ~v & CLEARABLE)

    def write_LSR(self, t: int, v: int) -> None:
        self._clear(t, 0 if v & ORER else OVERRUN)

    def write_FTDR(self, t: int, v: int) -> None:
        if self.queued() >= FIFO or self.file.value["FCR"] & TFCL:
            return  # a full FIFO, or one that is held empty, ignores the byte
        if self.sends:
            self._queue(t, v & 255)
        else:
            self.held.append(v & 255)

    def _queue(self, t: int, byte: int) -> None:
        start = max(t, self.sending[-1][2]) if self.sending else t
        self.sending.append((byte, start, start + self.frame))

    def _set(self, t: int, name: str, value: int, mask: int) -> None:
        """Write a register that timing depends on; what waits is sent under the new rules."""
        before = self.frame, self.sends
        self.file.value[name] = value & mask
        self.configure(self.file.value)
        if before != (self.frame, self.sends):
            self._restart(t)
        self._conditions(t)
        self._drive(t)

    def _restart(self, t: int) -> None:
        waiting = [row[0] for row in list(self.sending)[1:]] + list(self.held)
        if not self.sends:  # the character in the shift register is lost, the FIFO stays
            self.sending.clear()
            self.held = deque(waiting)
        else:
            self.sending = deque(list(self.sending)[:1])
            self.held.clear()
            for byte in waiting:
                self._queue(t, byte)

    def write_SMR(self, t: int, v: int) -> None:
        self._set(t, "SMR", v, 0x7B)

    def write_BRR(self, t: int, v: int) -> None:
        self._set(t, "BRR", v, 0xFF)

    def write_SCR(self, t: int, v: int) -> None:
        self._set(t, "SCR", v, SCR_BITS)

    def write_SPTR(self, t: int, v: int) -> None:
        self.file.value["SPTR"] = v & 0xFF
        self._drive(t)

    def _drive(self, t: int) -> None:
        """TxD is SPB2DT's while nothing may be sent and SPB2IO makes it an output; low, it is a break."""
        low = not self.sends and self.file.value["SPTR"] & (SPB2IO | SPB2DT) == SPB2IO
        if low == self.txd_low:
            return
        self.txd_low = low
        self.event(t, 3, int(low))
        if low:
            self.breaks += 1
            self.counts["breaks_sent"] += 1

    def read_SPTR(self, t: int) -> int:
        # RxD between the ticks at which characters are there is not simulated: the line is idle.
        return self.file.value["SPTR"] | SPB2DT

    def write_FCR(self, t: int, v: int) -> None:
        if v & TFCL:  # the character in the shift register goes out all the same
            self.sending = deque(list(self.sending)[:1])
            self.held.clear()
        if v & RFCL:
            self.received.clear()
        self._set(t, "FCR", v, 0x7FF)

    def read_FRDR(self, t: int) -> int:
        value = self.received.popleft() & 255 if self.received else 0
        self._conditions(t)
        return value

    def read_TFDR(self, t: int) -> int:
        return self.queued()

    def read_RFDR(self, t: int) -> int:
        return len(self.received)

    def read_RER(self, t: int) -> int:
        parity = sum(1 for entry in self.received if entry & PARITY)
        return parity << 8 | sum(1 for entry in self.received if entry & FRAMING)

    # Lines and promises ----------------------------------------------------------------------------------

    def _levels(self, flags: int) -> int:
        scr = self.file.value["SCR"]
        error = bool(scr & (RIE | REIE))
        eri = error and bool(flags & ER)
        rxi = bool(scr & RIE and flags & (RDF | DR))
        bri = error and bool(flags & (BRK | OVERRUN))
        txi = bool(scr & TIE and flags & TDFE)
        return eri | rxi << 1 | bri << 2 | txi << 3

    def lines(self) -> int:
        return self._levels(self.flags)

    def promise(self) -> tuple[int, Changes]:
        flags, level = self.flags, self.lines()
        plan: Changes = []
        self.foreseen = self.foresee()  # leases and posts of the same answer use it
        for tick, bits in self.foreseen:
            flags |= bits
            new = self._levels(flags)
            if new != level:
                if plan and plan[-1][0] == tick:
                    plan[-1] = (tick, new)
                else:
                    plan.append((tick, new))
                level = new
        unknown = self._unknown()
        self.plan = [row for row in plan if row[0] < unknown]
        return unknown, self.plan

    def _unknown(self) -> int:
        """Tick up to which all that arrives is known: a terminal may have the next character to send then."""
        if not self.terminals:
            return NEVER
        going = NEVER
        if self.terminals.blocked():
            going = next((end for byte, _, end in self.sending if byte >= GO), NEVER)
        # Not before it was due when it was not stopped: a posted write may be what lets it go on.
        return min(self.terminals.due(), max(going, self.terminals.held()))

    def leases(self) -> list[LeaseRow]:
        """SCR, FSR, TFDR and LSR, which drivers read in each interrupt; FSR up to TEND."""
        flags, fsr = self.flags, self.fsr()
        status, errors = [(0, fsr, 0, 0)], [(0, flags >> 9 & 1, 0, 0)]
        done = self.sending[-1][2] if self.sending else NEVER
        filled = [(0, self.queued(), 0, 0)]
        filled += [(start, len(self.sending) - k - 1, 0, 0) for k, (_, start, _) in enumerate(self.sending) if k]
        for tick, bits in self.foreseen:
            if bits & OVERRUN:
                errors.append((tick, ORER, 0, 0))
            elif tick < done:
                fsr |= bits
                if status[-1][0] == tick:
                    status.pop()
                status.append((tick, fsr, 0, 0))
        unknown = self._unknown()
        return [
            (self.base + 8, 2, NEVER, [(0, self.file.value["SCR"], 0, 0)]),
            (self.base + 0x10, 2, min(done, unknown), status),
            (self.base + 0x1C, 2, NEVER, filled),
            (self.base + 0x28, 2, unknown, errors),
        ]

    def effects(self) -> list[EffectRow]:
        """FTDR changes TFDR. Of SCR only TIE switched off is posted: TXI falls."""
        scr, value = self.base + 8, self.file.value["SCR"] & ~TIE
        return [(self.base + 0xC, -1, 0, self.base + 0x1C, "end", 0), (scr, value, TXI, scr, "store", SCR_BITS)]

    def posts(self) -> list[PostRow]:
        """FTDR, which only puts TDFE off; FSR where it can clear nothing that a line or lease shows."""
        quiet = self.plan[0][0] if self.plan else NEVER
        waiting = self.queued()
        # While the shift register is busy and the FIFO stays below its trigger, FSR reads the same.
        credits = max(self.tx_trigger - waiting, 0) if self.sending and self.flags & TDFE else 0
        # A planned rise of TXI that it puts off is asked about when due; it brings none forward.
        rows: list[PostRow] = [(self.base + 8, 2, NEVER, 1 << 20)]
        if not (self.terminals and self.terminals.blocked()):  # a character may end that
            rows.append((self.base + 0xC, 1, NEVER, credits))
        if not self.file.value["SCR"] & TIE and not self.flags & (ER | BRK | RDF | DR):
            for tick, bits in self.foreseen:
                if bits & (ER | BRK | RDF | DR):
                    quiet = min(quiet, tick)
            keeps = not self.flags & TDFE or waiting <= self.tx_trigger
            rows.append((self.base + 0x10, 2, quiet, 1 << 20 if keeps else 0))
        return rows

    # Beyond MMIO ---------------------------------------------------------------------------------------------

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Input):
            self.advance(t)
            last = max(self.last_input, t)
            for tick, entry in body.entries:
                if tick < last:
                    text = f"{self.name}: input at tick {tick} after one at {last}; ticks must not fall"
                    raise QuestionError("question-tick", text)
                if not 0 <= entry <= 0xFF | CONDITIONS:
                    text = f"{self.name}: input {entry:#x} at tick {tick}; expected a byte and error bits"
                    raise QuestionError("question-data", text)
                if self.terminals:
                    self.terminals.type(tick, entry)
                else:
                    self.arrivals.append((tick, entry))
                self.last_input = last = tick
            self.advance(t)
            return self.answer()
        if isinstance(body, Arm):
            self.advance(t)
            try:
                self.pattern = re.compile(body.pattern.encode()) if body.pattern else None
            except (re.error, OverflowError, RecursionError) as error:
                text = f"{self.name}: pattern {body.pattern!r:.200} is no regular expression: {error}"
                raise QuestionError("question-data", text) from None
            if not 0 <= body.console < len(self.unfinished):
                text = f"{self.name}: pattern for console {body.console} of {len(self.unfinished)}"
                raise QuestionError("question-data", text)
            self.armed = body.console
            self.match_tick = t if self.pattern and self.pattern.search(self.unfinished[self.armed]) else -1
            return self.answer()
        return super().extra(t, body)

    def matched(self) -> int:
        return self.match_tick

    def waiting(self) -> list[int]:
        """Characters that have come and wait for their tick or their guest, of each console."""
        return [len(row) for row in self.terminals.waiting] if self.terminals else [len(self.arrivals)]

    def take_output(self) -> bytes:
        """Bytes that left the shift register since the last call."""
        out = bytes(self.sent)
        self.sent.clear()
        return out

    def take_breaks(self) -> int:
        """How many breaks have begun since the last call."""
        breaks, self.breaks = self.breaks, 0
        return breaks

    def open_host(self) -> Host:
        """Where ``host`` says that the bytes go to and come from."""
        return open_hosts(self.config["host"], self.config["mux"], self.name, self.config["parmrk"])

    def state(self) -> dict[str, Any]:
        # flags_read is left out: leased reads tell it late, with the next message.
        return {
            **self.file.value,
            "sending": list(self.sending),
            "held": list(self.held),
            "received": list(self.received),
            "arrivals": list(self.arrivals),
            "flags": [self.flags, self.last_arrival],
            **({"terminals": self.terminals.state()} if self.terminals else {}),
        }

    def info(self) -> dict[str, Any]:
        return dict(self.counts)


def head_errors(entry: int) -> int:
    """FER and PER of FSR for a character at the head of the receive FIFO."""
    return (FER if entry & FRAMING else 0) | (PER if entry & PARITY else 0)
