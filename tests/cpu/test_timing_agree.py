"""Both cores run the same random programs under ``timing = "sh4a"`` and must agree: ticks, pipeline, tags, all else.

Programs of random words as in test_cores_agree.py, with caches on, cached pages, and addresses of the cache arrays and
of CCR in registers; where a stretch differs it is run again by single units to name the first one. And random loops
as in test_generated_code.py, with all that may happen to a run: slices, single units, breakpoints in pairs, moves to
the other core, interrupts, leases, hooks, bus callbacks that fail.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from test_cores_agree import (
    BASE,
    SIZE,
    Bus,
    accept,
    differences,
    random_code,
    random_request,
    random_snapshot,
    run_stretch,
    with_handlers,
)
from test_generated_code import LOOPS, listing, random_loops, tame
from test_timing import HAVE_SH4A

from cosim.state import pack, unpack
from cpu_node import make_core

both = pytest.mark.skipif(not all(HAVE_SH4A.values()), reason="one core has no timing model yet")
EMPTY = {
    "model": "sh4a", "ready": [0] * 39, "busy": [0] * 3, "fetched": [0, 0], "open": 0,
    "instruction": bytes(4096), "operand": bytes(4096),
}  # fmt: skip


def entry(rng: random.Random, tick: int, timing: dict[str, Any]) -> dict[str, Any]:
    """A snapshot to enter a program with; pipeline and caches go on from ``timing``."""
    snapshot = random_snapshot(rng, tick)
    state = unpack(snapshot["state"])
    state["ccr"] = rng.choice((0x000, 0x001, 0x101, 0x101, 0x103, 0x105, 0x105, 0x107))
    for _ in range(2):
        array = rng.choice((0xF0, 0xF4)) << 24 | rng.getrandbits(15) & 0x7FE8 | rng.choice((0, 8))
        state[f"r{rng.randrange(16)}"] = rng.choice((array, array, 0xFF00001C))
    utlb = [[tag, data | rng.choice((0, 8, 8, 9))] for tag, data in snapshot["utlb"]]
    return {**snapshot, "state": pack(state), "utlb": utlb, "timing": timing}


def compare(seed: int, ticks: int, stretch: int = 600) -> None:
    rng = random.Random(seed)
    a, b = (make_core(kind, (BASE, SIZE)) for kind in ("native", "python"))
    a.bus, b.bus = Bus(), Bus()
    done = stretches = raised = 0
    timing = EMPTY
    while done < ticks:
        if stretches % 50 == 0:
            code = with_handlers(random_code(rng, SIZE // 2))
            for core in (a, b):
                core.write(BASE, code)
        stretches += 1
        begin, request = entry(rng, done, timing), random_request(rng, done, stretch)
        what = f"seed {seed} at tick {done}"
        raised += run_stretch(a, b, begin, done + stretch, request, ("horizon",), what)
        done, timing = a.tick, a.snapshot()["timing"]
    assert raised > stretches / 50, f"{raised} interrupts of {stretches} stretches changed IMASK"


@both
@pytest.mark.parametrize("seed", range(8))
def test_random_programs_agree(seed: int) -> None:
    compare(seed, 300_000)


@both
@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_random_programs_agree(seed: int) -> None:
    compare(seed, 1_000_000)


# Loops, and what may happen to a run ---------------------------------------------------------------------------------


class Failing(Bus):
    """A bus whose access number ``countdown`` fails, every so often."""

    countdown = 0

    def _count(self) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            raise OSError("the bus failed")

    def read(self, tick: int, paddr: int, size: int) -> int:
        self._count()
        return super().read(tick, paddr, size)

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        self._count()
        super().write(tick, paddr, size, value)


def hook(kind: str, paddr: int, size: int, value: int) -> int | None:
    """Serves some accesses, by address alone."""
    return paddr * 2654435761 & 0xFF if kind != "fetch" and paddr & 0x70 == 0x30 else None


def loop_entry(rng: random.Random, tick: int, place: int, timing: dict[str, Any] | None) -> dict[str, Any]:
    """A snapshot at the begin of the loops, in one of the areas that lead there."""
    snapshot = random_snapshot(rng, tick)
    tame(rng, snapshot)
    state = unpack(snapshot["state"])
    state["ccr"] = rng.choice((0x000, 0x101, 0x101, 0x103, 0x105, 0x105, 0x107))
    if rng.random() < 0.4:
        name = f"r{rng.randrange(14)}"
        state[name] = rng.choice((0xF0000000, 0xF4000008, 0xFF00001C, 0xE0000000, 0x10000000, 0x10000000))
    mapped, area = rng.random() < 0.3, rng.choice((0x80000000, 0x80000000, 0xA0000000))
    if mapped:
        area = 0  # pages of 4 KB, one to one, but for some that are not cached
    state["mmucr"], state["pteh"] = int(mapped), 0
    utlb = [[0, 0]] * 64
    for k in range(SIZE >> 12):
        page = BASE + (k << 12)
        utlb[k] = [page | 0x100, page | 0x100 | 0x10 | 0x60 | 4 | rng.choice((0, 8, 8, 8, 9))]
    if mapped:
        for k in range(14):
            if state[f"r{k}"] >> 24 == 0x8C:
                state[f"r{k}"] -= 0x80000000
    state["pc"] = place & 0x1FFFFFFF | area
    return {**snapshot, "state": pack(state), "utlb": utlb if mapped else snapshot["utlb"], "timing": timing}


def prepare(core: Any, ram: bytes, begin: dict[str, Any]) -> None:
    core.hook = None
    core.set_leases([])
    core.set_breakpoints([])
    core.set_irq(0, 0)
    core.skip_loops = True
    core.write(BASE, ram)
    core.restore(begin)
    core.bus.log.clear()
    core.bus.countdown = 0


def go(core: Any, until: int, single: bool) -> Any:
    try:
        stop = core.step() if single else core.run(until)
    except OSError as error:
        return (str(error), core.in_pair, core.unit_pc)
    core.sleeping = False
    return (stop, core.in_pair)


def differ(a: Any, b: Any, stops: tuple[Any, Any]) -> list[str]:
    """Differences, of the tags the first word only."""
    x, y = a.snapshot()["timing"], b.snapshot()["timing"]
    tags = [f"{key} word {k}: {p[4 * k : 4 * k + 4].hex()} / {q[4 * k : 4 * k + 4].hex()}"
            for key in ("instruction", "operand") for p, q in [(x[key], y[key])]
            for k in range(1024) if p[4 * k : 4 * k + 4] != q[4 * k : 4 * k + 4]]  # fmt: skip
    small = [f"timing.{key} {x[key]} / {y[key]}" for key in x if x[key] != y[key] and not isinstance(x[key], bytes)]
    found = [text for text in differences(a, b, stops) if not text.startswith("timing")]
    return found + small + tags[:1]


def compare_loops(seed: int, programs: int) -> None:
    """Native and Python core through the same adventures; a third, native, runs undisturbed where nothing
    of them may change the run."""
    rng = random.Random(seed)
    cores = a, b, whole = [make_core(kind, (BASE, SIZE)) for kind in ("native", "python", "native")]
    for core in cores:
        core.bus = Failing()
    timing: dict[str, Any] = EMPTY
    units = open_pairs = raised = 0
    for number in range(programs):
        code, ram = random_loops(rng), with_handlers(rng.randbytes(SIZE))
        place = rng.choice((LOOPS, LOOPS, LOOPS + 0xFE0 - 2 * rng.randrange(40)))
        ram[place - 0x8C000000 : place - 0x8C000000 + len(code)] = code
        tick = a.tick
        begin = loop_entry(rng, tick, place, timing if rng.random() < 0.7 else EMPTY)
        for core in cores:
            prepare(core, bytes(ram), begin)
        whole.skip_loops = rng.random() < 0.5
        a.hot, whole.hot = rng.choice((0, 1, 3)), rng.choice((0, 1))  # interpreted, and by generated code
        outside = rng.random() < 0.3
        pcs = [place & 0x1FFFFFFF | unpack(begin["state"])["pc"] & 0xE0000000 | 2 * rng.randrange(len(code) // 2 + 1)
               for _ in range(6)]  # fmt: skip
        for _ in range(rng.randrange(2, 12)):
            what = rng.random()
            if what < 0.3:
                places = rng.sample(pcs, rng.randrange(4))
                for core in (a, b):
                    core.set_breakpoints(places)
            elif what < 0.5:  # each goes on where the other was
                halves = [(core.snapshot(), core.read(BASE, SIZE), list(core.bus.log)) for core in (b, a)]
                for core, (snapshot, memory, log) in zip((a, b), halves, strict=True):
                    core.write(BASE, memory)
                    core.restore(snapshot)
                    core.bus.log = log
            elif outside and what < 0.55:
                used = rng.choice((None, hook))
                for core in (a, b):
                    core.hook = used
            elif outside and what < 0.75:
                level, expires = rng.choice((0, 3, 9, 15)), a.tick + rng.randrange(300)
                for core in (a, b):
                    core.set_irq(level, 0x600)
                    core.set_leases([(0x10000000, 4, expires, [(0, 5, 0, 0), (a.tick + 40, 9, rng.choice((0, 8)), 1)])])
            elif outside and what < 0.9:
                count = rng.randrange(1, 5)
                for core in (a, b):
                    core.bus.countdown = count
            until, single = a.tick + rng.choice((1, 7, 50, 400, 1500)), rng.random() < 0.2
            stops = go(a, until, single), go(b, until, single)
            found = differ(a, b, stops)
            units += 1
            open_pairs += a.in_pair
            if found:
                pytest.fail(f"seed {seed}, program {number}, to tick {until}: {found}\n{listing(code)}")
            if isinstance(stops[0][0], str):
                continue
            if stops[0][0].reason == "interrupt":
                raised += accept(a, b)
        if not outside:
            for core in (a, b):
                core.set_breakpoints([])
            end = a.tick + 200
            for core in (a, b, whole):
                while core.in_pair or core.tick < end:
                    go(core, end, False)
            found = differ(a, b, (None, None)) + differ(a, whole, (None, None))
            if found:
                pytest.fail(f"seed {seed}, program {number}, disturbed / whole: {found}\n{listing(code)}")
        timing = a.snapshot()["timing"]
    assert open_pairs > units / 50, f"{open_pairs} of {units} stops were in a pair"
    assert raised, "no interrupt changed IMASK"


@both
@pytest.mark.parametrize("seed", range(4))
def test_random_loops_agree(seed: int) -> None:
    compare_loops(seed, 60)


@both
@pytest.mark.long
@pytest.mark.parametrize("seed", range(200, 240))
def test_many_random_loops_agree(seed: int) -> None:
    compare_loops(seed, 1500)


@pytest.mark.parametrize("kind", ["native", "python"])
@pytest.mark.parametrize("seed", range(3))
def test_a_hook_that_serves_nothing_changes_no_tick(kind: str, seed: int) -> None:
    """A debugger's watchpoint is such a hook."""
    rng = random.Random(seed)
    for _ in range(12):
        entry, ram, found = random_snapshot(rng, 0), with_handlers(random_code(rng, SIZE // 2)), []
        for hook in (None, lambda *access: None):
            core = make_core(kind, (BASE, SIZE))
            core.bus = Bus()
            core.write(BASE, bytes(ram))
            core.restore(entry)
            core.timing = "sh4a"
            core.set_state({"ccr": 0x105})
            core.hook = hook
            stop = core.run(3000)
            core.hook = None
            rest = core.snapshot()["timing"], core.state(), core.instructions + core.skipped, core.bus.log
            found.append((stop, *rest))
        assert found[0] == found[1]


@pytest.mark.parametrize("served", [0x0629, 0x0377, 0x6312, 0x3230, 0x0037])
def test_a_hook_serves_another_second_of_a_pair(served: int) -> None:
    def run(kind: str) -> Any:
        core, found = make_core(kind, (BASE, SIZE)), []
        core.write(BASE + 0x1000, struct.pack("<7H", 0x6212, 0x7301, 0x0429, 0x7501, 0x7601, 0xAFFE, 0x0009))
        core.timing = "sh4a"
        core.set_state({"sr": 0x40000000, "pc": 0x8C001000, "r1": 0x8C002000, "ccr": 0x105})
        core.hook = lambda kind, paddr, *rest: served if (kind, paddr) == ("fetch", BASE + 0x1002) else None
        for _ in range(7):
            stop = core.step()
            found.append((stop, core.snapshot()["timing"]["ready"]))
        return found

    assert run("native") == run("python")
