"""TMU of the SH7780: six down-counters in two blocks (TMU0-2 at 0xFFD80000, TMU3-5 at 0xFFDC0000).

Registers and clocks from public SH7780 descriptions and Linux's setup-sh7780.c. The prescaler runs freely:
a channel counts at multiples of its period. Left out: external and RTC clock (a channel that selects one
stands still), input capture (its register stores).
"""

from __future__ import annotations

from cosim import NEVER, PERIPHERAL_DIVIDER
from cosim.device import Device
from cosim.messages import Changes, EffectRow, LeaseRow, PostRow
from cosim.registers import Register
from cosim.sh7780 import BLOCKS

UNF, UNIE = 0x100, 0x20
PERIODS = tuple(PERIPHERAL_DIVIDER * 4 ** (1 + k) for k in range(5))  # ticks a count: Pck/4 to Pck/1024
UNCOUNTED = 1 << 20  # credits of posted writes that no lease depends on


class Channel:
    """One counter. ``count`` is the value at tick ``since``; ``address`` that of its TCOR."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.tcor = self.count = 0xFFFFFFFF
        self.tcr = 0
        self.started = False
        self.since = 0
        self.underflows = 0

    @property
    def period(self) -> int:
        """Ticks a count, 0 where the clock chosen by TPSC is not there."""
        select = self.tcr & 7
        return PERIODS[select] if select < len(PERIODS) else 0

    @property
    def running(self) -> bool:
        """Whether it counts: started, and with a clock."""
        return self.started and self.tcr & 7 < len(PERIODS)

    def underflow(self) -> int:
        """Tick of the next underflow: the count after the one that reaches 0."""
        return (self.since // self.period + self.count + 1) * self.period if self.running else NEVER

    def again(self, under: int) -> int:
        """Tick of the underflow after the one at ``under``."""
        return under + (self.tcor + 1) * self.period

    def advance(self, t: int) -> None:
        """Count up to tick t."""
        if self.running:
            period = self.period
            edges = t // period - self.since // period
            if edges > self.count:
                self.tcr |= UNF
                again = edges - self.count - 1  # counts since the first reload
                self.underflows += 1 + again // (self.tcor + 1)
                self.count = self.tcor - again % (self.tcor + 1)
            else:
                self.count -= edges
        self.since = t


class Tmu(Device):
    """Both blocks; lines TUNI0..TUNI5."""

    ROLE = "tmu"

    def setup(self) -> None:
        first = min(BLOCKS)
        rows = [Register("TOCR", first, 1, 0, 1, "0 TCOE, clock output; no effect here")]
        self.channels: list[Channel] = []
        for b, base in enumerate(BLOCKS):
            rows.append(Register(f"TSTR{b}", base + 4, 1, 0, 7, "start bits of the three channels"))
            for k in range(3):
                n, at = 3 * b + k, base + 8 + 12 * k
                rows.append(Register(f"TCOR{n}", at, 4, 0xFFFFFFFF, 0xFFFFFFFF, "reload value"))
                rows.append(Register(f"TCNT{n}", at + 4, 4, 0xFFFFFFFF, 0xFFFFFFFF, "counter, down"))
                text = "UNF 8 (cleared by 0), UNIE 5, CKEG 4:3, TPSC 2:0"
                rows.append(Register(f"TCR{n}", at + 8, 2, 0, 0x3F, text))
                self.channels.append(Channel(at))
        rows.append(Register("TCPR2", first + 0x2C, 4, 0, 0, "input capture; never captures here"))
        self.registers = tuple(rows)
        self.line_names = tuple(f"TUNI{n}" for n in range(6))
        self.regions = [(base, base + 0x2F) for base in BLOCKS]
        self.plan: Changes = []
        for b in range(2):
            setattr(self, f"read_TSTR{b}", lambda t, b=b: self._tstr(b))
            setattr(self, f"write_TSTR{b}", lambda t, v, b=b: self._start(b, v))
        for n, channel in enumerate(self.channels):
            setattr(self, f"read_TCOR{n}", lambda t, c=channel: c.tcor)
            setattr(self, f"read_TCNT{n}", lambda t, c=channel: c.count)
            setattr(self, f"read_TCR{n}", lambda t, c=channel: c.tcr)
            setattr(self, f"write_TCOR{n}", lambda t, v, c=channel: setattr(c, "tcor", v & 0xFFFFFFFF))
            setattr(self, f"write_TCNT{n}", lambda t, v, c=channel: setattr(c, "count", v & 0xFFFFFFFF))
            setattr(self, f"write_TCR{n}", lambda t, v, c=channel: self._control(c, v))

    def _tstr(self, block: int) -> int:
        a, b, c = self.channels[3 * block : 3 * block + 3]
        return a.started | b.started << 1 | c.started << 2

    def _start(self, block: int, value: int) -> None:
        for k in range(3):
            self.channels[3 * block + k].started = bool(value >> k & 1)

    @staticmethod
    def _control(channel: Channel, value: int) -> None:
        # UNF is cleared by writing 0; writing 1 leaves it as it is. It is set whether UNIE is or not.
        channel.tcr = (value & 0x3F) | (channel.tcr & value & UNF)

    def advance(self, t: int) -> None:
        for channel in self.channels:
            if channel.started:
                channel.advance(t)
            else:
                channel.since = t

    def lines(self) -> int:
        level = 0
        for n, c in enumerate(self.channels):
            if c.tcr & UNF and c.tcr & UNIE:
                level |= 1 << n
        return level

    def promise(self) -> tuple[int, Changes]:
        level = self.lines()
        plan: Changes = []
        for tick, bit in sorted(
            (c.underflow(), 1 << n)
            for n, c in enumerate(self.channels)
            if c.started and c.running and c.tcr & (UNF | UNIE) == UNIE
        ):
            level |= bit
            if plan and plan[-1][0] == tick:
                plan[-1] = (tick, level)
            else:
                plan.append((tick, level))
        self.plan = plan
        # An underflow only sets UNF, which stays: after these nothing changes by itself.
        return NEVER, plan

    def leases(self) -> list[LeaseRow]:
        """TSTR, and TCNT and TCR of started channels; what stands still is seldom read and not leased."""
        rows: list[LeaseRow] = []
        for b, base in enumerate(BLOCKS):
            started = self._tstr(b)
            rows.append((base + 4, 1, NEVER, [(0, started, 0, 0)]))
            if not started:
                continue
            for c in self.channels[3 * b : 3 * b + 3]:
                if c.running:
                    period, under = c.period, c.underflow()
                    again = c.again(under)  # TCNT is leased until its second underflow
                    aligned = c.since - c.since % period
                    counts = [(aligned, c.count, period, -1), (under, c.tcor, period, -1)]
                    rows.append((c.address + 4, 4, again, counts))
                    if c.tcr & UNF:
                        rows.append((c.address + 8, 2, NEVER, [(0, c.tcr, 0, 0)]))
                    else:
                        rows.append((c.address + 8, 2, NEVER, [(0, c.tcr, 0, 0), (under, c.tcr | UNF, 0, 0)]))
        return rows

    def posts(self) -> list[PostRow]:
        """What a timer driver writes in its interrupt: acknowledge, stop, and load a channel that stands."""
        quiet = self.plan[0][0] if self.plan else NEVER
        rows: list[PostRow] = []
        for c in self.channels:
            if not c.started:
                rows += [(c.address, 4, quiet, UNCOUNTED), (c.address + 4, 4, quiet, UNCOUNTED)]
                rows.append((c.address + 8, 2, NEVER, UNCOUNTED))
            elif c.running:
                under = c.underflow()
                rows.append((c.address + 8, 2, under if c.tcr & UNF else c.again(under), UNCOUNTED))
        rows += [(base + 4, 1, NEVER, UNCOUNTED) for base in BLOCKS]
        return rows

    def effects(self) -> list[EffectRow]:
        """Of TCR: UNF cleared with UNIE as it is or off, the clock the same. Of TSTR: one channel stopped."""
        rows: list[EffectRow] = []
        for n, c in enumerate(self.channels):
            tcr, select = c.address + 8, c.tcr & 7
            if c.running or not c.started:
                values = {select, c.tcr & ~UNF} if c.started else {select, select | UNIE}
                rows += [(tcr, value, 1 << n, tcr, "end", 0) for value in sorted(values)]
            if c.started:
                base = list(BLOCKS)[n // 3] + 4
                value = self._tstr(n // 3) & ~(1 << n % 3)
                rows += [(base, value, 0, base, "store", 7), (base, value, 0, tcr, "end", 0)]
                rows.append((base, value, 0, c.address + 4, "end", 0))
        for b, base in enumerate(BLOCKS):
            rows.append((base + 4, self._tstr(b), 0, base + 4, "store", 7))
        return rows

    def state(self) -> dict[str, object]:
        channels = {f"ch{n}": [c.tcor, c.count, c.tcr, c.started] for n, c in enumerate(self.channels)}
        return {"TOCR": self.file.value["TOCR"], **channels}

    def info(self) -> dict[str, object]:
        return {"underflows": [c.underflows for c in self.channels]}
