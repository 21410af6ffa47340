"""Both cores run the same seeded random programs and must agree: state, ticks, counts, RAM, bus.

A program is RAM full of random legal words, entered with random registers and TLBs; handlers skip the
instruction that failed. Where a stretch differs it is run again by single units to name the first one.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from cosim.state import STATE_NAMES, unpack
from cpu_node import make_core
from cpu_node.disasm import disassemble
from cpu_node.isa import TABLE

BASE, SIZE = 0x0C000000, 0x20000
VBR, INTMU = 0x8C000000, 8
# stc spc,r0; add #2,r0; ldc r0,spc; rte; nop
SKIP = struct.pack("<5H", 0x0042, 0x7002, 0x404E, 0x002B, 0x0009)
EDGES = (0, 1, 2, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FLOATS = (
    *(0, 0x80000000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF800000, 0x7F7FFFFF),
    *(0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0x7FBFFFFF, 0x4F000000, 0xCF000000, 0x34000000),
    *(0x7FF00000, 0x7FF80000, 0x3FF00000, 0xBFF00000, 0x00100000, 0x41E00000, 0xC1E00000),
)
RARE = {"sleep": 0.02, "rte": 0.2, "ldc_sr": 0.1, "ldcl_sr": 0.1, "ldc_vbr": 0.0, "ldcl_vbr": 0.0}


class Bus:
    """A device whose values depend on the access alone; it remembers what was asked."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def read(self, tick: int, paddr: int, size: int) -> int:
        self.log.append(("read", tick, paddr, size))
        return (paddr * 2654435761 ^ tick) & (1 << 8 * size) - 1

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        self.log.append(("write", tick, paddr, size, value))


def random_code(rng: random.Random, n: int) -> bytes:
    weights = [RARE.get(row.name, 2.0 if "F" in row.flags else 1.0) for row in TABLE]
    rows = rng.choices(TABLE, weights, k=n)
    words = [row.match | rng.getrandbits(16) & ~row.mask & 0xFFFF for row in rows]
    for k in range(0, n, 97):
        words[k] = rng.getrandbits(16)  # some that are no instruction
    return struct.pack(f"<{n}H", *words)


def with_handlers(ram: bytes) -> bytearray:
    """A copy of RAM in which the handler at each vector skips the instruction that failed."""
    copy = bytearray(ram)
    for vector in (0x100, 0x400, 0x600):
        copy[vector : vector + len(SKIP)] = SKIP
    return copy


def random_value(rng: random.Random, mapped: bool) -> int:
    kind = rng.random()
    if kind < 0.55:
        area = rng.choice((0x8C000000, 0xAC000000, 0x0C000000, 0x00400000 if mapped else 0x8C000000))
        return area + rng.randrange(0x2000, SIZE) & ~rng.choice((3, 3, 3, 7, 1, 0))
    if kind < 0.7:
        return rng.choice(EDGES)
    if kind < 0.75:
        return rng.choice((0xE0000000, 0xFFE00000, 0xF6000000, 0xFF000000, 0x10000000)) + rng.randrange(64) * 4
    return rng.getrandbits(rng.choice((5, 8, 16, 32, 32)))


def random_float(rng: random.Random) -> int:
    return rng.choice(FLOATS) if rng.random() < 0.5 else rng.getrandbits(32)


def random_snapshot(rng: random.Random, tick: int) -> dict[str, Any]:
    """A snapshot to enter a program with."""
    mapped = rng.random() < 0.4
    state = {name: 0 for name in STATE_NAMES}
    for name in STATE_NAMES:
        if name[0] == "r" or name in ("pr", "gbr", "spc", "mach", "macl", "dbr", "sgr"):
            state[name] = random_value(rng, mapped)
        elif name[:2] in ("fr", "xf") or name == "fpul":
            state[name] = random_float(rng)
    mode = rng.choice((0x40000000, 0x40000000, 0x60000000, 0x60000000, 0x00000000, 0x50000000))
    state["sr"] = mode | rng.getrandbits(10) & 0x3F3 | (0x8000 if rng.random() < 0.05 else 0)
    state["ssr"] = 0x40000000 | rng.getrandbits(10) & 0x3F3 | rng.getrandbits(32) & 0x8FFF7C0C
    enables = rng.getrandbits(5) << 7 if rng.random() < 0.2 else 0
    state["fpscr"] = rng.getrandbits(4) << 18 | rng.getrandbits(1) | enables | rng.getrandbits(5) << 2
    user = not state["sr"] & 0x40000000
    state["pc"] = (0x0C000000 if user else 0x8C000000) + (rng.randrange(0x2000, SIZE) & ~1)
    state["vbr"] = VBR
    state["pteh"], state["mmucr"] = rng.getrandbits(2), 0x00FC0000 & rng.getrandbits(24) | 1 if mapped else 0
    utlb = []
    for k in range(64):
        size, page = rng.choice(((0x00, 0x400), (0x10, 0x1000), (0x10, 0x1000), (0x80, 0x10000)))
        virtual = (0x00400000 if k % 2 else 0x0C000000) + rng.randrange(SIZE // page) * page
        physical = BASE + rng.randrange(SIZE // page) * page if rng.random() < 0.95 else 0x1FE00000
        flags = size | rng.choice((0, 1, 2, 3, 3, 3)) << 5 | rng.choice((0, 4, 4, 4)) | rng.choice((0, 2))
        utlb.append([virtual | rng.getrandbits(1), physical | flags | (0x100 if rng.random() < 0.7 else 0)])
    cpuopm = rng.choice((0, INTMU))
    return {
        "state": struct.pack(f"<{len(STATE_NAMES)}I", *state.values()),
        "utlb": utlb,
        "itlb": [[0, 0]] * 4,
        "extras": [rng.getrandbits(3) << 2, 12, 0, 0, cpuopm, 0, 0, 0, rng.getrandbits(1), *[0] * 16, *[7] * 16],
        "tick": tick,
        "instructions": tick,
        "skipped": 0,
        "sleep_ticks": 0,
        "sleeping": False,
    }


def differences(a: Any, b: Any, stops: tuple[Any, Any]) -> list[str]:
    found = [] if stops[0] == stops[1] else [f"stop {stops[0]} / {stops[1]}"]
    x, y = a.snapshot(), b.snapshot()
    for snapshot in (x, y):  # which iterations of an idle loop are skipped is each core's own
        snapshot["instructions"] += snapshot.pop("skipped")
    p, q = unpack(x.pop("state")), unpack(y.pop("state"))
    found += [f"{name} {p[name]:08x} / {q[name]:08x}" for name in p if p[name] != q[name]]
    found += [f"{key} {x[key]} / {y[key]}" for key in x if x[key] != y[key] and key not in ("utlb", "itlb")]
    tables = ("utlb", "itlb")
    found += [f"{t}[{k}] {r} / {s}" for t in tables for k, (r, s) in enumerate(zip(x[t], y[t], strict=True)) if r != s]
    if a.bus.log != b.bus.log:
        k = next((k for k, (r, s) in enumerate(zip(a.bus.log, b.bus.log, strict=False)) if r != s), -1)
        found.append(f"bus {a.bus.log[k : k + 2]} / {b.bus.log[k : k + 2]} ({len(a.bus.log)}, {len(b.bus.log)})")
    if a.read(BASE, SIZE) != b.read(BASE, SIZE):
        r, s = a.read(BASE, SIZE), b.read(BASE, SIZE)
        k = next(k for k in range(SIZE) if r[k] != s[k])
        found.append(f"RAM {BASE + k:08x}: {r[k : k + 8].hex()} / {s[k : k + 8].hex()}")
    return found


def random_request(rng: random.Random, first: int, ticks: int) -> tuple[int, int]:
    """Tick and level of an interrupt."""
    return first + rng.randrange(ticks), rng.choice((0, 0, 1, 5, 9, 12, 15, 16))


def ask(level: int, *cores: Any) -> None:
    """A request of that level stands on all; 0: none."""
    for core in cores:
        core.set_irq(level, 0x600 if level else 0)


def accept(*cores: Any) -> bool:
    """All take the request that stands; whether CPUOPM.INTMU changed IMASK."""
    for core in cores:
        core.accept()
    state = cores[0].state()
    return bool((state["sr"] ^ state["ssr"]) & 0xF0)


def explain(a: Any, b: Any, entry: dict[str, Any], ram: bytes, until: int, request: tuple[int, int]) -> str:
    """The first unit after which the cores differ, run by single units."""
    for core in (a, b):
        core.write(BASE, ram)
        core.restore(entry)
        core.bus.log.clear()
    ask(0, a, b)
    asked = False
    while a.tick < until:
        if a.tick >= request[0] and not asked:
            asked = True
            ask(request[1], a, b)
        pc, word = a.state()["pc"], b""
        if BASE <= pc & 0x1FFFFFFF < BASE + SIZE - 3:
            word = a.read(pc & 0x1FFFFFFF, 4)
        texts = [disassemble(w, pc) for (w,) in struct.iter_unpack("<H", word)]
        before = a.state()
        stops = a.step(), b.step()
        if stops[0].reason == stops[1].reason == "interrupt":
            accept(a, b)
            ask(0, a, b)
        found = differences(a, b, stops)
        if found:
            shown = " ".join(f"{k}={v:x}" for k, v in before.items() if v)
            return f"native / python differ after {pc:08x}: {texts}\n{found}\nbefore: {shown}"
    return "the same by single units: run() differs"


def run_stretch(
    a: Any, b: Any, entry: dict[str, Any], until: int, request: tuple[int, int], ends: tuple[str, ...], what: str
) -> int:
    """Both cores from ``entry`` on, with an interrupt, to a stop of ``ends``. Fails where they differ; how often
    acceptance changed IMASK."""
    ram, raised = a.read(BASE, SIZE), 0
    for core in (a, b):
        core.restore(entry)
        core.bus.log.clear()
    for horizon, level in ((request[0], 0), (until, request[1])):
        ask(level, a, b)
        reason = ""
        while reason not in ends:
            stops = a.run(horizon), b.run(horizon)
            found = differences(a, b, stops)
            reason = stops[0].reason
            if not found and reason == "interrupt":
                raised += accept(a, b)
                ask(0, a, b)
                found = differences(a, b, stops)
            if found:
                pytest.fail(f"{what}: {found}\n{explain(a, b, entry, ram, until, request)}")
        if reason != "horizon":
            break
    return raised


def compare(seed: int, instructions: int, stretch: int = 60) -> None:
    rng = random.Random(seed)
    a, b = (make_core(kind, (BASE, SIZE)) for kind in ("native", "python"))
    a.bus, b.bus = Bus(), Bus()
    done = stretches = raised = 0
    while done < instructions:
        if stretches % 50 == 0:
            code = with_handlers(random_code(rng, SIZE // 2))
            for core in (a, b):
                core.write(BASE, code)
        stretches += 1
        entry, request = random_snapshot(rng, done), random_request(rng, done, stretch)
        what = f"seed {seed} at tick {done}"
        raised += run_stretch(a, b, entry, done + stretch, request, ("horizon", "reset"), what)
        done = a.tick
    assert raised > stretches / 50, f"{raised} interrupts of {stretches} stretches changed IMASK"


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_agree(seed: int) -> None:
    compare(seed, 25_000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_random_programs_agree(seed: int) -> None:
    compare(seed, 100_000)
