"""What the instruction table says an instruction reads and writes, against what it does; and the parameter table.

Each instruction is executed in random states. A tracked register that changes must be declared as written; a register
that is not declared as read is given another value, and nothing else may come out; one that is declared must matter.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from cosim import PERIPHERAL_DIVIDER
from cosim.state import STATE_NAMES
from cpu_node import isa, make_core, timing
from cpu_node.isa import TABLE, Row
from cpu_node.python_core.timing import FR, NAMED, TRACKED, use_of

ROOT = Path(__file__).resolve().parents[2]
BASE, SIZE = 0x0C000000, 0x4000
CODE, DATA = 0x8C000400, 0x8C002000
MD = 0x40000000
PR, SZ, FR_BIT, CAUSES_AND_FLAGS = 0x80000, 0x100000, 0x200000, 0x3F07C
NOP = b"\x09\x00"
TRIALS = 12
EDGES = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF8)
# What these read does not show here: it decides about time only, or (MOVCO) counts with a reservation.
SILENT = ("icbi", "prefi", "pref", "ocbi", "ocbp", "ocbwb", "movco")


def names_of(place: int) -> list[str]:
    """Registers of the state behind one tracked result."""
    if place < 16:
        return [f"r{place}"]
    if place >= FR:
        return [f"fr{place - FR}"]
    name = {v: k for k, v in NAMED.items() if k not in ("r0", "fr0")}[place]
    return {"mac": ["mach", "macl"], "xf": [f"xf{k}" for k in range(16)]}.get(name, [name])


PLACES = {name: place for place in range(TRACKED) for name in names_of(place)}


def random_value(rng: random.Random, name: str) -> int:
    if name == "t":
        return rng.getrandbits(1)
    if name == "fpscr":
        return rng.getrandbits(3) << 18 | rng.getrandbits(1)
    if name[:2] in ("fr", "xf"):
        return rng.choice((0x3F800000, 0x40490FDB, 0xC1200000, 0x42F60000)) + rng.getrandbits(20)
    return rng.choice(EDGES) if rng.random() < 0.5 else rng.getrandbits(32)


def has_addresses(row: Row) -> bool:
    return "@" in row.text or row.name in ("bsrf", "braf")


def random_state(rng: random.Random, row: Row) -> dict[str, int]:
    """Registers of numbers, or of addresses in RAM where the instruction has one; SR and SSR privileged in bank 0."""
    state = {name: random_value(rng, name) for name in STATE_NAMES}
    state["t"] = rng.getrandbits(1)
    if has_addresses(row):
        for k in range(16):
            state[f"r{k}"] = DATA + 8 * rng.randrange(64, 192)
        state["r0"] = 8 * rng.randrange(1, 16)
        state["gbr"] = DATA
    if row.name == "ldc_sr":
        state.update({f"r{k}": MD | rng.getrandbits(2) for k in range(16)})
    state["fpscr"] = random_value(rng, "fpscr") & (PR | SZ if row.name != "fsca" else SZ)
    state.update(sr=MD, ssr=MD | rng.getrandbits(2), spc=CODE + 0x40, vbr=0x8C000000, pc=CODE, mmucr=0, ccr=0)
    return state


class Subject:
    """A core, and RAM that every execution begins with."""

    def __init__(self, rng: random.Random, row: Row) -> None:
        self.core = make_core("python", (BASE, SIZE))
        words = (rng.getrandbits(32) for _ in range(SIZE // 4))
        if row.name == "ldcl_sr":
            words = (MD | rng.getrandbits(2) for _ in range(SIZE // 4))
        self.ram = b"".join(w.to_bytes(4, "little") for w in words)

    def execute(self, word: int, state: dict[str, int]) -> tuple[dict[str, int], bytes] | None:
        """State (T apart) and RAM after one unit; None where it took an exception."""
        core = self.core
        core.write(BASE, self.ram)
        core.write(CODE & 0x1FFFFFFF, word.to_bytes(2, "little") + NOP)
        core.set_state({k: v for k, v in state.items() if k != "t"})
        core.set_state({"sr": state["sr"] | state["t"]})
        core.sleeping = False
        core.step()
        after = dict(core.state())
        if after["pc"] in (0x8C000100, 0x8C000400 - 0x400, 0xA0000000) or after["sr"] & 0x10000000:
            return None
        after["t"] = after["sr"] & 1
        after["sr"] &= ~1
        return after, core.read(BASE, SIZE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_declared_reads_and_writes_are_what_execution_does(row: Row) -> None:
    rng = random.Random(row.name)
    subject = Subject(rng, row)
    matters: dict[int, bool] = {}
    executed = 0
    for _ in range(TRIALS):
        word = row.match | rng.getrandbits(16) & ~row.mask & 0xFFFF
        before = random_state(rng, row)
        use = use_of(word, before["fpscr"] & (PR | SZ))
        assert use is not None
        result = subject.execute(word, before)
        if result is None:
            continue
        executed += 1
        after, ram = result
        _only_declared_changes(row, {*use.writes, *use.writes_at_once}, before, after)
        renamed = (before["fpscr"] ^ after["fpscr"]) & FR_BIT
        for place in range(TRACKED):
            if renamed and (place >= FR or place == NAMED["xf"]):
                continue
            changed = {**before, **{name: random_value(rng, name) for name in names_of(place)}}
            if place == NAMED["t"]:
                changed["t"] = 1 - before["t"]
            if place < 16 and has_addresses(row):
                changed[f"r{place}"] = before[f"r{place}"] ^ 8 << rng.randrange(3)  # still an address
            other = subject.execute(word, changed)
            same = other is not None and ram == other[1] and _same_but(names_of(place), after, changed, other[0])
            if place in use.reads:
                matters[place] = matters.get(place, False) or not same
            else:
                assert same, f"{row.text}, word {word:04x}: {names_of(place)[0]} matters and is not declared as read"
    if row.name == "trapa":
        return
    assert executed, f"{row.text}: every trial took an exception"
    if row.name not in SILENT and executed > TRIALS // 3:
        silent = {place for place, seen in matters.items() if not seen}
        named = [x for x in row.reads if x in NAMED and NAMED[x] in silent and x != "fpscr"]
        assert not named or row.name == "cmpeq_i", f"{row.text}: {named} declared as read, but never matter"
        can_match = row.name not in ("cmpeq_i", "fcmpeq")  # operands are seldom equal
        assert not can_match or len(silent) < len(matters) or not matters or silent == {NAMED["fpscr"]}, (
            f"{row.text}: no read matters"
        )


def _only_declared_changes(row: Row, written: set[int], before: dict[str, int], after: dict[str, int]) -> None:
    for name, place in PLACES.items():
        changed = before[name] ^ after[name]
        if name == "fpscr" and row.pipe == "or":
            changed &= ~CAUSES_AND_FLAGS  # not tracked
        if name[:2] in ("fr", "xf") and (before["fpscr"] ^ after["fpscr"]) & FR_BIT:
            continue  # the banks have changed names: who reads an FPU register waits for FPSCR
        assert not changed or place in written, f"{row.text}: {name} changes and is not declared as written"


def _same_but(names: list[str], after: dict[str, int], changed: dict[str, int], other: dict[str, int]) -> bool:
    """Whether the outcomes agree, where ``names`` may have kept what they were given."""
    return all(
        other[name] == value or name in names and other[name] == changed[name] & (0x3FFFFF if name == "fpscr" else ~0)
        for name, value in after.items()
    )


def test_every_class_of_the_instruction_table_has_a_latency() -> None:
    assert [c.name for c in timing.CLASSES] == isa.LATENCIES
    assert {row.latency for row in TABLE} == set(isa.LATENCIES)
    floating = isa.LATENCIES[isa.LATENCIES.index("fp") :]
    assert [c.name for c in timing.CLASSES if c.fe] == floating == [c.name for c in timing.CLASSES if c.fe_double]


def test_parameters_have_a_source_and_a_meaning() -> None:
    assert len(timing.TICKS) == len(timing.PARAMETERS)
    for parameter in timing.PARAMETERS:
        assert parameter.ticks > 0 and len(parameter.source) > 10 and parameter.meaning, parameter


def test_parameters_are_frozen() -> None:
    """They were calibrated once, to one figure (docs/explanation/timing-model.md); figures of others rest on them."""
    values = [(c.name, c.latency, c.double, c.fe, c.fe_double) for c in timing.CLASSES]
    entries = [(p.name, p.ticks) for p in timing.PARAMETERS]
    assert hashlib.sha256(repr(values + entries).encode()).hexdigest()[:16] == "f268fdb3bf54d4e6"


def test_the_peripheral_clock_is_the_one_that_devices_count_by() -> None:
    """33.3 MHz, 12 ticks: FRQCR of the board by Linux's divisors (tests/devices/test_cpg.py). It was 50 MHz here."""
    assert PERIPHERAL_DIVIDER == 12
    assert timing.TICKS["mmio_read"] == 8 + 18 + 48  # 4 SuperHyway clocks, 1.5 and 4 peripheral ones
    assert timing.TICKS["mmio_write"] == 24 + 8
    sources = " ".join(p.source for p in timing.PARAMETERS)
    assert "(18)" in sources and "(48)" in sources and "would give 73" in sources
    assert "33.3 MHz" in str(timing.__doc__) and "50 MHz" not in str(timing.__doc__)


def test_header_of_the_native_core_is_current() -> None:
    committed = (ROOT / "cpu_node" / "native" / "timing_parameters.h").read_text()
    assert committed == timing.header(), "run: python -m cpu_node.timing header > cpu_node/native/timing_parameters.h"


def test_parameter_page_is_current() -> None:
    committed = (ROOT / "docs" / "reference" / "timing-parameters.md").read_text()
    assert committed == timing.reference(), "run: python -m cpu_node.timing > docs/reference/timing-parameters.md"
