"""Where the ticks of a latency sample went: from the rise of a line to its handler, unit by unit.

While its line waits the machine steps the core (Machine._follow), which changes no result, and says what each unit
found: who had the CPU and what kept the interrupt out. What passes outside units (acceptance, what the model of SPUMONE
charges) it says as well. The parts of a sample add up to it, to the tick.
"""

from __future__ import annotations

import heapq
import struct
from bisect import bisect_right
from collections import Counter, deque
from itertools import groupby
from typing import Any, NamedTuple

from cosim.state import STATE_NAMES, STATE_SIZE
from cpu_node.observers import Latency
from cpu_node.python_core.exceptions import BL

SPUMONE = "SPUMONE"
KEPT = 10  # longest samples that are kept in full
STALL = 40  # a unit of so many ticks has waited for memory or a device: uncached_read, line_fill, mmio_read
KERNEL = 0x80000000  # addresses from here on have symbols


class Part(NamedTuple):
    """What ticks went to. phase: unit (in progress as the line rose), wait (until it may be accepted), accept (the
    CPU's entry), path (SPUMONE's, to the owner), entry (the owner's, to the handler). why: what kept it out, or a path.
    """

    phase: str
    who: str
    why: str = ""


class Stretch:
    """Ticks in a row that went to one part."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.ticks = 0
        self.stalls: list[tuple[int, int]] = []  # units of STALL ticks and more: address, ticks
        self.pcs: Counter[int] = Counter()  # ticks by address
        self.first = self.last = self.pr = 0  # address of the first and the last unit, and PR in the last

    @property
    def stalled(self) -> int:
        """Ticks in units of STALL and more."""
        return sum(ticks for _, ticks in self.stalls)


class Symbols:
    """Names of code addresses, of all images. ``helpers`` stand for whoever calls them."""

    def __init__(self, rows: list[tuple[int, str]], helpers: list[str]) -> None:
        rows = sorted(rows)
        self.addresses = [address for address, _ in rows]
        self.names = [name for _, name in rows]
        self.helpers = frozenset(helpers)

    def name(self, pc: int) -> str:
        """Symbol at or below an address; "user" in a process."""
        if pc < KERNEL:
            return "user"
        k = bisect_right(self.addresses, pc & 0x1FFFFFFF | KERNEL)
        return self.names[k - 1] if k else hex(pc)

    def caller(self, pc: int, pr: int) -> str:
        """The same; for a helper, which has called nobody, the symbol of its caller."""
        name = self.name(pc)
        return self.name(pr) if name in self.helpers else name

    def ticks(self, pcs: Counter[int]) -> Counter[str]:
        """Ticks by symbol."""
        out: Counter[str] = Counter()
        for pc, ticks in pcs.items():
            out[self.name(pc)] += ticks
        return out


class Attributed(Latency):
    """A latency observer that knows where the ticks went."""

    def __init__(self, line: str, pc: int, symbol: str, symbols: list[tuple[int, str]], helpers: list[str]) -> None:
        super().__init__(line, pc, symbol, keep=True)
        self.symbols = Symbols([(address, name) for address, name in symbols], helpers)
        self.told = 0  # tick up to which the sample in progress is explained
        self.accepted = ""  # line accepted last
        self.ours = False  # it was ours, and SPUMONE and its owner are on their way to the handler
        self.recent: deque[tuple[int, int, Part]] = deque(maxlen=4)  # what passed outside units: from, to
        self.stretches: list[Stretch] = []
        self.unnamed: list[Stretch] = []  # of the path that SPUMONE's firmware is on
        self.parts: dict[Part, list[int]] = {}  # samples, ticks, most in a sample, stalled
        self.sections: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.worst: list[tuple[int, int, list[dict[str, Any]]]] = []  # heap

    # What the machine says ----------------------------------------------------------------------------------

    def line_rose(self, line: str, tick: int) -> None:
        """A line of the machine rose."""
        super().line_rose(line, tick)
        if line == self.line:
            self.told, self.ours, self.accepted = tick, False, ""
            self.stretches, self.unnamed = [], []

    def reached(self, pc: int, tick: int) -> None:
        """The CPU is about to execute pc."""
        waited = self.rise >= 0 and pc == self.pc
        super().reached(pc, tick)
        if waited:
            self._close()

    def begin(self, tick: int, who: str) -> None:
        """The core stands at a boundary: what has passed since the rise and was not said was a unit in progress."""
        for start, end, part in self.recent:
            if end > self.told:
                self._spend(max(start, self.told), Part("unit", who))
                self._spend(end, part)
        self._spend(tick, Part("unit", who))

    def unit(self, tick: int, raw: bytes, who: str, level: int) -> None:
        """A unit has ended; it found the registers ``raw``, and our line's request at ``level`` (0: masked)."""
        pc, pr, sr = WORDS.unpack(raw)
        imask = sr >> 4 & 15
        if who == SPUMONE:
            part = PATH if self.ours else IN_SPUMONE
        elif self.ours and (sr & BL or imask <= level):
            part = Part("entry", who)
        elif level == 0:
            part = Part("wait", who, "masked at its source")
        else:
            part = Part("wait", who, "SR.BL" if sr & BL else "SR.IMASK" if imask >= level else "")
        self._spend(tick, part, pc, pr)

    def accept(self, start: int, end: int, line: str) -> None:
        """The CPU has accepted an interrupt."""
        ours = line == self.line
        self.ours, self.accepted = self.ours or ours, line
        self._outside(start, end, Part("accept", "CPU") if ours else Part("wait", "CPU", f"accepts {line}"))

    def charge(self, start: int, end: int, path: str, delivered: str) -> None:
        """The model of SPUMONE has taken a path; ``delivered``: the line whose owner's vector it entered."""
        ours = delivered == self.line or (self.ours and self.accepted != self.line)
        self.ours = ours
        self._outside(start, end, Part("path" if ours else "wait", SPUMONE, path))

    def path_ended(self, path: str, held: bool) -> None:
        """The firmware has come to the end of a path."""
        for stretch in self.unnamed:
            stretch.part = stretch.part._replace(why=path)
        self.unnamed = []
        if held and self.accepted == self.line:
            self.ours = False

    # Bookkeeping --------------------------------------------------------------------------------------------

    def _outside(self, start: int, end: int, part: Part) -> None:
        self.recent.append((start, end, part))
        if self.rise >= 0:
            self._spend(end, part)

    def _spend(self, tick: int, part: Part, pc: int = 0, pr: int = 0) -> None:
        """Ticks up to ``tick`` went to a part."""
        ticks = tick - self.told
        if ticks <= 0:
            return
        self.told = tick
        stretch = self.stretches[-1] if self.stretches else None
        if stretch is None or stretch.part != part:
            stretch = Stretch(part)
            stretch.first = pc
            self.stretches.append(stretch)
            if part in (PATH, IN_SPUMONE):
                self.unnamed.append(stretch)
        stretch.ticks += ticks
        stretch.pcs[pc] += ticks
        stretch.last, stretch.pr = pc, pr
        if pc and ticks >= STALL:
            stretch.stalls.append((pc, ticks))

    def _close(self) -> None:
        """A sample is complete."""
        sample = self.samples[-1]
        found = sum(stretch.ticks for stretch in self.stretches)
        if found != sample:
            raise RuntimeError(f"{self.line}: a sample of {sample} ticks, {found} of them explained")
        mine: dict[Part, list[int]] = {}
        for stretch in self.stretches:
            row = mine.setdefault(stretch.part, [0, 0])
            row[0] += stretch.ticks
            row[1] += stretch.stalled
        for part, (ticks, stalled) in mine.items():
            total = self.parts.setdefault(part, [0, 0, 0, 0])
            total[:] = total[0] + 1, total[1] + ticks, max(total[2], ticks), total[3] + stalled
        for (phase, who), stretches in groupby(self.stretches, lambda stretch: stretch.part[:2]):
            if phase == "wait" and who != "CPU":
                self._section(who, list(stretches))
        if len(self.worst) < KEPT or sample > self.worst[0][0]:
            row = sample, -len(self.samples), [self._row(stretch) for stretch in self.stretches]
            heapq.heappush(self.worst, row)
            if len(self.worst) > KEPT:
                heapq.heappop(self.worst)

    def _section(self, who: str, stretches: list[Stretch]) -> None:
        """Ticks in a row of waiting for one guest, or for SPUMONE, whatever kept the interrupt out."""
        whys: Counter[str] = Counter()
        pcs: Counter[int] = Counter()
        for stretch in stretches:
            whys[stretch.part.why] += stretch.ticks
            pcs.update(stretch.pcs)
        ticks, last = whys.total(), stretches[-1]
        until = self.symbols.caller(last.last, last.pr)
        why = whys.most_common(1)[0][0]
        row = self.sections.setdefault((who, why, until), {"ticks": 0, "samples": 0, "longest": 0})
        row["ticks"] += ticks
        row["samples"] += 1
        if ticks > row["longest"]:
            row.update(longest=ticks, stalled=sum(stretch.stalled for stretch in stretches), whys=dict(whys))
            row["since"] = self.symbols.name(stretches[0].first)
            row["in"] = [[name, n] for name, n in self.symbols.ticks(pcs).most_common(5)]

    def _row(self, stretch: Stretch) -> dict[str, Any]:
        names = self.symbols.ticks(stretch.pcs).most_common(12) if stretch.first else []
        return {**stretch.part._asdict(), "ticks": stretch.ticks, "stalled": stretch.stalled,
                "since": self.symbols.name(stretch.first) if stretch.first else "",
                "until": self.symbols.caller(stretch.last, stretch.pr) if stretch.first else "",
                "in": [[name, ticks] for name, ticks in names],
                "stalls": [[pc, self.symbols.name(pc), ticks] for pc, ticks in stretch.stalls]}  # fmt: skip

    def attribution(self) -> dict[str, Any]:
        """Parts, sections by where they ended, and the longest samples in full, the longest first; ticks."""
        keys = ("samples", "ticks", "max", "stalled")
        return {
            "line": self.line,
            "parts": [{**part._asdict(), **dict(zip(keys, row, strict=True))} for part, row in self.parts.items()],
            "sections": [{"who": who, "why": why, "until": until, **row}
                         for (who, why, until), row in self.sections.items()],
            "worst": [{"ticks": ticks, "sample": -k - 1, "parts": rows} for ticks, k, rows in sorted(self.worst)[::-1]],
        }  # fmt: skip


PATH, IN_SPUMONE = Part("path", SPUMONE), Part("wait", SPUMONE)  # until the path's name is known, at its end


def _words(*names: str) -> struct.Struct:
    """Unpacks some words of a state."""
    places = [STATE_NAMES.index(name) for name in names]
    assert places == sorted(places)
    text, at = "<", 0
    for place in places:
        text += f"{4 * (place - at)}xI"
        at = place + 1
    return struct.Struct(text + f"{STATE_SIZE - 4 * at}x")


WORDS = _words("pc", "pr", "sr")
