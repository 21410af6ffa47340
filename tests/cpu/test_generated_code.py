"""Generated code changes nothing observable: the native core with and without it, on random loops.

Each program is a few loops of random instructions, with branches over parts of them and now and then a store into
their own code, run in slices of random length. Everything a core shows must be equal: state, ticks, instruction
counts, RAM, every bus access with its tick.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import psutil
import pytest
from test_cores_agree import BASE, SIZE, Bus, accept, ask, differences, random_snapshot, with_handlers

from cosim.state import unpack
from cpu_node import make_core
from cpu_node.disasm import disassemble
from cpu_node.isa import TABLE

LOOPS = 0x8C002000
COUNTER = 14  # the loop counter: no random instruction names it
BRANCHES = {"bt", "bf", "bts", "bfs"}
LEFT_OUT = {"sleep", "rte", "trapa", "ldc_vbr", "ldcl_vbr", "bra", "braf", "bsr", "bsrf", "jmp", "jsr", "rts"}
ROWS = [row for row in TABLE if row.name not in LEFT_OUT]
WEIGHTS = [0.1 if row.name in ("ldc_sr", "ldcl_sr", "ldtlb", "lds_fpscr", "ldsl_fpscr") else
           2.0 if row.pipe in ("ls", "or") else 1.0 for row in ROWS]  # fmt: skip


TAME = [w * (not row.flags and row.pipe != "and" or "F" in row.flags and row.pipe != "ls") + 1e-6
        for row, w in zip(ROWS, WEIGHTS, strict=True)]  # fmt: skip


def random_word(rng: random.Random, weights: list[float]) -> int:
    while True:
        row = rng.choices(ROWS, weights)[0]
        word = row.match | rng.getrandbits(16) & ~row.mask & 0xFFFF
        if row.name in BRANCHES:
            word = row.match | rng.randrange(0, 6)  # a few instructions ahead
        if word >> 8 & 15 != COUNTER and word >> 4 & 15 != COUNTER:
            return word


def random_loops(rng: random.Random) -> bytes:
    """Loops one after the other, each with its own count in r14, which no random instruction names."""
    words: list[int] = []
    weights = TAME if rng.random() < 0.7 else WEIGHTS
    for _ in range(rng.randrange(1, 4)):
        body = [random_word(rng, weights) for _ in range(rng.choice((1, 3, 8, 20, 60)))]
        body += [0x0009] * 3  # branches ahead may not jump over the loop's end
        words += [0xE000 | COUNTER << 8 | rng.randrange(3, 60)]
        start = len(words)
        words += body
        words += [0x4010 | COUNTER << 8]  # dt r14
        distance = start - len(words) - 2
        if distance >= -128:
            words += [(0x8B00 if rng.random() < 0.5 else 0x8F00) | distance & 0xFF]  # bf or bf.s
        else:  # too far: bt over bra
            words += [0x8901, 0xA000 | (start - len(words) - 3) & 0xFFF, 0x0009]
        words += [random_word(rng, weights) if rng.random() < 0.3 else 0x0009]
    again = -len(words) - 2 if rng.random() < 0.8 else -2
    words += [0xA000 | again & 0xFFF, 0x0009]  # bra to the start, or to itself
    return struct.pack(f"<{len(words)}H", *words)


def tame(rng: random.Random, entry: dict[str, Any]) -> None:
    """Registers with which most instructions succeed: addresses in RAM, ordinary numbers."""
    values = unpack(entry["state"])
    for name in values:
        if name[0] == "r" or name == "gbr":
            if rng.random() < 0.8:
                values[name] = rng.choice((0x8C000000, 0xAC000000)) + rng.randrange(0x6000, SIZE - 0x1000) & ~7
            elif rng.random() < 0.7:
                values[name] = rng.randrange(-64, 64) & 0xFFFFFFFF
        if name[:2] in ("fr", "xf") and rng.random() < 0.8:
            values[name] = ordinary_float(rng)
    values["sr"] = 0x40000000 | values["sr"] & 0x3F3
    values["fpscr"] &= rng.choice((0x3FF07F, 0x37F07F, 0x27F07C))
    entry["state"] = struct.pack(f"<{len(values)}I", *values.values())


def ordinary_float(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.3:
        value = float(rng.randrange(-8, 9))
    elif kind < 0.5:
        value = rng.randrange(-8, 9) * 2.0 ** rng.randrange(-30, 30)
    else:
        value = rng.gauss(0, 1) * 2.0 ** rng.choice((0, 0, 0, -3, 5, 20, -20))
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def listing(code: bytes) -> str:
    words = enumerate(struct.iter_unpack("<H", code))
    return "\n".join(f"{LOOPS + 2 * k:08x} {word:04x} {disassemble(word, LOOPS + 2 * k)}" for k, (word,) in words)


def compare(seed: int, programs: int, timing: str) -> None:
    rng = random.Random(seed)
    executed = generated = raised = 0
    for number in range(programs):
        if number % 20 == 0:  # a page whose code is overwritten too often is the interpreter's
            plain, hot = (make_core("native", (BASE, SIZE)) for _ in range(2))
            plain.hot = 0
            plain.bus, hot.bus = Bus(), Bus()
        before = hot.generated
        hot.hot = rng.choice((1, 1, 2, 5))
        code = random_loops(rng)
        ram = with_handlers(rng.randbytes(SIZE))
        place = rng.choice((LOOPS, LOOPS, LOOPS + 0xFE0 - 2 * rng.randrange(40)))
        ram[place - 0x8C000000 : place - 0x8C000000 + len(code)] = code
        entry, ccr = random_snapshot(rng, number), rng.choice((0x105, 0x105, 0x105, 0x103, 0x101, 0x100, 0x005, 0x000))
        if rng.random() < 0.8:
            tame(rng, entry)
        state = bytearray(entry["state"])
        if rng.random() < 0.9 and struct.unpack_from("<I", state, 26 * 4)[0] & 0x40000000:
            struct.pack_into("<I", state, 24 * 4, place)
        else:
            struct.pack_into("<I", state, 24 * 4, place & 0x1FFFFFFF)
        entry["state"] = bytes(state)
        for core in (plain, hot):
            core.write(BASE, bytes(ram))
            core.restore(entry)
            core.bus.log.clear()
            core.timing = timing
            core.set_state({"ccr": ccr})
        for _ in range(rng.randrange(1, 8)):
            until = plain.tick + rng.choice((7, 50, 400, 1500))
            ask(rng.choice((0, 0, 0, 3, 9, 15)), plain, hot)
            stops = plain.run(until), hot.run(until)
            found = differences(plain, hot, stops)
            if found:
                pytest.fail(f"seed {seed}, program {number}, to tick {until}: {found}\n{listing(code)}")
            if stops[0].reason == "interrupt":
                raised += accept(plain, hot)
            for core in (plain, hot):
                core.sleeping = False
        executed += hot.instructions - number
        generated += hot.generated - before
    assert generated > executed / 5, f"{generated} of {executed} instructions by generated code"
    assert raised > programs / 20, f"{raised} interrupts in {programs} programs changed IMASK"


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("seed", range(8))
def test_random_loops(seed: int, timing: str) -> None:
    compare(seed, 250, timing)


@pytest.mark.long
@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_random_loops(seed: int, timing: str) -> None:
    compare(seed, 5000, timing)


def test_code_memory_is_bounded() -> None:
    """More loops than there is room for blocks, three times over: the same result, and no growth after the first."""
    base, size, loops = 0x0C000000, 0x200000, 100_000
    loop = struct.pack("<4H", 0xEE02, 0x311C, 0x4E10, 0x8BFC)  # mov #2,r14; add r1,r1; dt r14; bf back
    again = struct.pack("<2H", 0x422B, 0x0009)  # jmp @r2; nop
    states, sizes = [], []
    for hot in (0, 1):
        core = make_core("native", (base, size))
        core.hot = hot
        core.write(base, loop * loops + again)
        core.set_state({"sr": 0x40000000, "pc": 0x8C000000, "r1": 3, "r2": 0x8C000000})
        for k in range(1, 4):
            core.run(k * 10_000_000)
            sizes.append(psutil.Process().memory_info().rss)
        states.append((core.state(), core.tick, core.instructions))
    assert states[0] == states[1]
    assert core.generated > core.instructions // 10
    assert sizes[5] - sizes[3] < 1 << 20
