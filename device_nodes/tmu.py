"""TMU of the SH7780: six down-counters in two blocks (TMU0-2 at 0xFFD80000, TMU3-5 at 0xFFDC0000).

Registers and clocks from public SH7780 descriptions and Linux's setup-sh7780.c. The prescaler runs freely:
a channel counts at multiples of its period. Left out: external clock, input capture.
"""

from __future__ import annotations

from cosim import NEVER, PERIPHERAL_DIVIDER
from cosim.device import Device
from cosim.messages import Changes, LeaseRow, PostRow
from cosim.registers import Register

UNF, UNIE = 0x100, 0x20
BLOCKS = (0xFFD80000, 0xFFDC0000)


class Channel:
    """One counter. ``count`` is the value at tick ``since``."""

    def __init__(self) -> None:
        self.tcor = self.count = 0xFFFFFFFF
        self.tcr = 0
        self.running = False
        self.since = 0

    @property
    def period(self) -> int:
        """Ticks a count: Pck/4, /16, /64, /256, /1024."""
        return int(PERIPHERAL_DIVIDER * 4 ** (1 + min(self.tcr & 7, 4)))

    def edge(self, k: int) -> int:
        """Tick of the k-th count from ``since``."""
        return (self.since // self.period + k) * self.period

    def underflow(self) -> int:
        """Tick of the next underflow."""
        return self.edge(self.count + 1) if self.running else NEVER

    def advance(self, t: int) -> None:
        """Count up to tick t."""
        if self.running:
            edges = t // self.period - self.since // self.period
            if edges > self.count:
                self.tcr |= UNF
                self.count = self.tcor - (edges - self.count - 1) % (self.tcor + 1)
            else:
                self.count -= edges
        self.since = t


class Tmu(Device):
    """Both blocks; lines TUNI0..TUNI5."""

    ROLE = "tmu"

    def setup(self) -> None:
        rows = []
        for b, base in enumerate(BLOCKS):
            rows.append(Register(f"TSTR{b}", base + 4, 1, 0, 7, "start bits of the three channels"))
            for k in range(3):
                n, at = 3 * b + k, base + 8 + 12 * k
                rows.append(Register(f"TCOR{n}", at, 4, 0xFFFFFFFF, 0xFFFFFFFF, "reload value"))
                rows.append(Register(f"TCNT{n}", at + 4, 4, 0xFFFFFFFF, 0xFFFFFFFF, "counter, down"))
                rows.append(Register(f"TCR{n}", at + 8, 2, 0, 0x13F, "UNF 8, UNIE 5, CKEG 4:3, TPSC 2:0"))
        self.registers = tuple(rows)
        self.line_names = tuple(f"TUNI{n}" for n in range(6))
        self.regions = [(base, base + 0x2F) for base in BLOCKS]
        self.channels = [Channel() for _ in range(6)]
        self.underflows = [0] * 6
        for b in range(2):
            setattr(self, f"read_TSTR{b}", lambda t, b=b: self._tstr(b))
            setattr(self, f"write_TSTR{b}", lambda t, v, b=b: self._start(b, v))
        for n, channel in enumerate(self.channels):
            setattr(self, f"read_TCOR{n}", lambda t, c=channel: c.tcor)
            setattr(self, f"read_TCNT{n}", lambda t, c=channel: c.count)
            setattr(self, f"read_TCR{n}", lambda t, c=channel: c.tcr)
            setattr(self, f"write_TCOR{n}", lambda t, v, c=channel: setattr(c, "tcor", v))
            setattr(self, f"write_TCNT{n}", lambda t, v, c=channel: setattr(c, "count", v))
            setattr(self, f"write_TCR{n}", lambda t, v, c=channel: self._control(c, v))

    def _tstr(self, block: int) -> int:
        return sum(1 << k for k in range(3) if self.channels[3 * block + k].running)

    def _start(self, block: int, value: int) -> None:
        for k in range(3):
            self.channels[3 * block + k].running = bool(value >> k & 1)

    @staticmethod
    def _control(channel: Channel, value: int) -> None:
        # UNF is cleared by writing 0; writing 1 leaves it as it is.
        channel.tcr = (value & 0x3F) | (channel.tcr & value & UNF)

    def advance(self, t: int) -> None:
        for channel in self.channels:
            channel.advance(t)

    def lines(self) -> int:
        return sum(1 << n for n, c in enumerate(self.channels) if c.tcr & UNF and c.tcr & UNIE)

    def promise(self) -> tuple[int, Changes]:
        level, plan = self.lines(), []
        rises = [(c.underflow(), n) for n, c in enumerate(self.channels) if c.running and c.tcr & UNIE and not c.tcr & UNF]
        for tick, n in sorted(rises):
            level |= 1 << n
            if plan and plan[-1][0] == tick:
                plan[-1] = (tick, level)
            else:
                plan.append((tick, level))
        # An underflow only sets UNF, which stays: after these nothing changes by itself.
        return NEVER, plan

    def leases(self) -> list[LeaseRow]:
        rows: list[LeaseRow] = []
        for b, base in enumerate(BLOCKS):
            rows.append((base + 4, 1, NEVER, [(self.now, self._tstr(b), 0, 0)]))
            for k in range(3):
                n, at = 3 * b + k, base + 8 + 12 * k
                c = self.channels[n]
                rows.append((at, 4, NEVER, [(self.now, c.tcor, 0, 0)]))
                if not c.running:
                    rows.append((at + 4, 4, NEVER, [(self.now, c.count, 0, 0)]))
                    rows.append((at + 8, 2, NEVER, [(self.now, c.tcr, 0, 0)]))
                    continue
                under = c.underflow()
                again = under + (c.tcor + 1) * c.period
                aligned = self.now // c.period * c.period
                rows.append((at + 4, 4, again, [(aligned, c.count, c.period, -1), (under, c.tcor, c.period, -1)]))
                rows.append((at + 8, 2, NEVER, [(self.now, c.tcr, 0, 0), (under, c.tcr | UNF, 0, 0)]))
        return rows

    def posts(self) -> list[PostRow]:
        _, plan = self.promise()
        quiet = plan[0][0] if plan else NEVER
        rows: list[PostRow] = []
        for n, c in enumerate(self.channels):
            if not c.running:  # a stopped channel's count and reload value move no line
                at = BLOCKS[n // 3] + 8 + 12 * (n % 3)
                rows += [(at, 4, quiet, 0), (at + 4, 4, quiet, 0)]
        return rows

    def state(self) -> dict[str, object]:
        return {f"ch{n}": [c.tcor, c.count, c.tcr, c.running] for n, c in enumerate(self.channels)}
