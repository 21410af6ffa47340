"""Both cores run the same random programs under ``timing = "sh4a"`` and must agree: ticks, pipeline, tags, all else.

As test_cores_agree.py, with caches on, cached pages, and addresses of the cache arrays and of CCR in registers. Where a
stretch differs it is run again by single units to name the first one.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from test_cores_agree import BASE, SIZE, SKIP, Bus, differences, explain, random_code, random_snapshot
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
    done = stretches = 0
    timing = EMPTY
    while done < ticks:
        if stretches % 50 == 0:
            code = bytearray(random_code(rng, SIZE // 2))
            for vector in (0x100, 0x400, 0x600):
                code[vector : vector + len(SKIP)] = SKIP
            for core in (a, b):
                core.write(BASE, bytes(code))
        stretches += 1
        begin, ram = entry(rng, done, timing), a.read(BASE, SIZE)
        until = done + stretch
        for core in (a, b):
            core.restore(begin)
            core.bus.log.clear()
        while True:
            stops = a.run(until), b.run(until)
            found = differences(a, b, stops)
            if found:
                pytest.fail(f"seed {seed} at tick {done}: {found}\n{explain(a, b, begin, ram, until)}")
            if stops[0].reason not in ("sleep", "reset"):
                break
            a.sleeping = b.sleeping = False
        done, timing = a.tick, a.snapshot()["timing"]


@both
@pytest.mark.parametrize("seed", range(8))
def test_random_programs_agree(seed: int) -> None:
    compare(seed, 300_000)


@both
@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_random_programs_agree(seed: int) -> None:
    compare(seed, 1_000_000)
