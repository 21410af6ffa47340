"""Accesses to RAM outside the running guest's partition: seen by every core alike, and changing nothing by being seen.

Directed accesses of each kind, then random loops on the interpreter, generated code and the Python core, with a
partition that is changed between slices, against a core that watches nothing.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from bench_core import CODE, VBR, Bench
from test_cores_agree import BASE, SIZE, Bus, accept, ask, differences, random_snapshot, with_handlers
from test_generated_code import LOOPS, random_loops, tame

from cosim.state import pack, unpack
from cpu_node import make_core

OWN = (0x0C000000, 0x0C07FFFF)  # of the bench's megabyte
THERE = 0x8C080000


def rows(bench: Bench) -> list[tuple[str, int, int, int, int]]:
    """(kind, pc, vaddr, paddr, count) of what was seen."""
    found, more = bench.core.take_trespasses()
    assert more == 0
    return [row[1:] for row in found]


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize(("source", "seen"), [
    ("mov.l @r1,r2", [("read", 0, 0)]),
    ("mov.b @(3,r1),r0", [("read", 0, 3)]),
    ("mov.w r2,@r1", [("write", 0, 0)]),
    ("mov.l r2,@-r1", [("write", 0, -4)]),
    ("tas.b @r1", [("read", 0, 0), ("write", 0, 0)]),
    ("movca.l r0,@r1", [("write", 0, 0)]),
    ("bra .+4; mov.l @r1,r2", [("read", 0, 0)]),  # the PC is the branch's
    ("pref @r1", []),  # moves a line of the cache, nothing in memory
    ("mov.l @r5,r2", []),
])  # fmt: skip
def test_an_access(bench: Bench, timing: str, source: str, seen: list[tuple[str, int, int]]) -> None:
    bench.core.timing = timing
    bench.core.set_partition(OWN)
    at = THERE + 0x100
    bench.go(source, r1=at, r5=THERE - 4, ccr=0x105)
    assert rows(bench) == [(kind, CODE + pc, at + off, at + off & 0x1FFFFFFF, 1) for kind, pc, off in seen]
    assert rows(bench) == []
    bench.core.set_partition(None)
    bench.go(source, r1=at, r5=THERE - 4)
    assert rows(bench) == []


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_a_fetch(bench: Bench, timing: str) -> None:
    """Each instruction, the slot of a branch too; the literal it loads is a read."""
    bench.core.timing = timing
    bench.core.set_partition(OWN)
    bench.words(THERE + 12, 77)
    bench.put(THERE, "mov.l .+12,r2; add #1,r3; rts; add #1,r3")
    after = bench.go("jsr @r1; nop", r1=THERE, r3=0, ccr=0x105)
    assert (after["r2"], after["r3"]) == (77, 2)
    assert rows(bench) == [
        ("fetch", THERE, THERE, THERE & 0x1FFFFFFF, 1), ("read", THERE, THERE + 12, THERE + 12 & 0x1FFFFFFF, 1),
        *(("fetch", THERE + k, THERE + k, THERE + k & 0x1FFFFFFF, 1) for k in (2, 4, 6)),
    ]  # fmt: skip


def test_a_translated_page(bench: Bench) -> None:
    """What counts is where it leads: an access of an address whose page lies elsewhere, and a fetch through it."""
    bench.page(0, 0x00400000, THERE & 0x1FFFFFFF)
    bench.page(1, 0x00401000, CODE & 0x1FFFF000)
    bench.mmu_on()
    bench.core.set_partition(OWN)
    bench.put(THERE, "rts; nop")
    bench.go("mov.l @r1,r2; mov.l @r3,r2; jsr @r1; nop", r1=0x00400000, r3=0x00401000)
    place = THERE & 0x1FFFFFFF
    assert rows(bench) == [
        ("read", CODE, 0x00400000, place, 1),
        ("fetch", 0x00400000, 0x00400000, place, 1), ("fetch", 0x00400002, 0x00400002, place + 2, 1),
    ]  # fmt: skip


def test_a_page_that_was_remembered(bench: Bench) -> None:
    """By another guest, whose it is: a change of the partition forgets it."""
    bench.go("mov.l @r1,r2; mov.l r2,@r1", r1=THERE)
    bench.core.set_partition(OWN)
    bench.go("mov.l @r1,r2; mov.l r2,@r1", r1=THERE)
    assert [row[0] for row in rows(bench)] == ["read", "write"]


def test_a_store_queue(bench: Bench) -> None:
    bench.core.set_partition(OWN)
    bench.store(0xFF000038, 3 << 2)  # QACR0: bits 28:26 of where it goes
    queue = 0xE0000000 | THERE & 0x03FFFFC0
    for value, refuse, left in ((5, False, 5), (6, True, 5)):
        bench.core.refuse = refuse
        bench.go("mov.l r2,@r1; pref @r1", r1=queue, r2=value)
        assert rows(bench) == [("write", CODE + 2, queue, THERE & 0x1FFFFFFF, 1)]
        assert bench.long(THERE) == left


def test_refused(bench: Bench) -> None:
    """Writes are dropped, reads give 0; code outside runs."""
    bench.core.refuse = True
    bench.core.set_partition(OWN)
    bench.words(THERE, 7, 8)
    bench.put(THERE + 0x100, "rts; add #1,r3")
    after = bench.go("mov.l @r1,r2; mov.l r3,@r1; jsr @r4; nop", r1=THERE, r2=9, r3=1, r4=THERE + 0x100)
    assert (after["r2"], after["r3"], bench.long(THERE)) == (0, 2, 7)
    assert [row[0] for row in rows(bench)] == ["read", "write", "fetch", "fetch"]


def test_trusted_code(bench: Bench) -> None:
    """SPUMONE's own runs in a guest's place, and touches what it will; where P0 leads there it is a guest's."""
    bench.core.set_partition(OWN)
    bench.core.set_trusted([(0x0C090000, 0x0C090FFF)])
    bench.put(0x8C090000, "mov.l @r1,r2; mov.l r2,@r1; rts; nop")
    bench.go("jsr @r4; nop; mov.l @r4,r2", r1=THERE, r4=0x8C090000)
    assert rows(bench) == []
    bench.go("mov.l r2,@r4", r4=0x8C090100)
    assert [row[0] for row in rows(bench)] == ["write"]


def test_a_loop_is_not_skipped(bench: Bench) -> None:
    """Each access counts, also of a loop that waits for a word to change."""
    bench.core.set_partition(OWN)
    bench.put(CODE, "mov.l @r1,r2; tst r2,r2; bt .-4; nop")
    bench.words(THERE, 0)
    bench.core.set_state({"pc": CODE, "r1": THERE})
    bench.core.run(bench.core.tick + 30_000)
    assert rows(bench) == [("read", CODE, THERE, THERE & 0x1FFFFFFF, 10_000)]


def test_more_than_are_kept(bench: Bench) -> None:
    """256 rows; the rest is counted."""
    bench.core.set_partition((0x0C000000, 0x0C001FFF))
    for k in range(300):
        bench.go("mov.l r2,@r1", at=CODE - 0x400 + 4 * (k % 250), r1=0x8C002000 + 0x1000 * (k // 250))
    found, more = bench.core.take_trespasses()
    assert (len(found), more) == (256, 44)


def test_barred_leases(bench: Bench) -> None:
    """Registers of another guest are asked for, though there is a lease."""
    bench.core.add_leases([(0xFFD80008, 4, 1 << 40, [(0, 5, 0, 0)]), (0xFFDC0008, 4, 1 << 40, [(0, 6, 0, 0)])])
    bench.core.set_partition(None, [(0xFFD80000, 0xFFD8002F)])
    after = bench.go("mov.l @r1,r2; mov.l @r3,r4", r1=0xFFD80008, r3=0xFFDC0008)
    assert (after["r2"], after["r4"]) == (0, 6)
    assert [row[2] for row in bench.bus.log] == [0xFFD80008]
    bench.core.set_partition(None)
    assert bench.go("mov.l @r1,r2", r1=0xFFD80008)["r2"] == 5


def test_wrong_ranges(bench: Bench) -> None:
    with pytest.raises((ValueError, TypeError)):
        bench.core.set_partition(7)


PARTITIONS = [(BASE, BASE + 0x7FFF), (BASE + 0x8000, BASE + 0xFFFF), (BASE + 0x10000, BASE + SIZE - 1)]


def random_range(rng: random.Random) -> tuple[int, int]:
    """Within RAM; now and then with an end in the middle of a page."""
    first, last = sorted(rng.sample(range(0, SIZE, 0x100 if rng.random() < 0.3 else 0x1000), 2))
    return BASE + first, BASE + last - 1


def compare(seed: int, programs: int, timing: str) -> None:
    """All kinds of core see the same, and but for refusals do the same as one that does not look."""
    rng = random.Random(seed)
    seen = generated = 0
    kinds: Any = [("native", 0), ("native", 1), ("python", 0), ("native", 1)]
    for number in range(programs):
        if number % 10 == 0:
            cores = [make_core(kind, (BASE, SIZE)) for kind, _ in kinds]
            for core, (kind, hot) in zip(cores, kinds, strict=True):
                core.bus = Bus()
                if kind == "native":
                    core.hot = hot
        code, ram = random_loops(rng), with_handlers(rng.randbytes(SIZE))
        place = rng.choice((LOOPS, LOOPS, LOOPS + 0xFE0 - 2 * rng.randrange(40)))
        ram[place - 0x8C000000 : place - 0x8C000000 + len(code)] = code
        entry = random_snapshot(rng, number)
        tame(rng, entry)
        state = unpack(entry["state"])
        state["pc"], state["ccr"] = place, rng.choice((0x105, 0x103, 0))
        entry["state"] = pack(state)
        refuse, guests = rng.random() < 0.2, rng.random() < 0.6
        for core in cores:
            core.write(BASE, bytes(ram))
            core.restore(entry)
            core.bus.log.clear()
            core.timing = timing
            core.set_state({"ccr": state["ccr"]})
            core.take_trespasses()
        before = cores[1].generated
        for core in cores[:3]:
            core.refuse = refuse
            core.set_trusted([])
        if rng.random() < 0.3:
            trusted = [random_range(rng)]
            for core in cores[:3]:
                core.set_trusted(trusted)
        for _ in range(rng.randrange(1, 8)):
            until = cores[0].tick + rng.choice((7, 50, 400, 1500))
            any_own = (BASE, place & 0x1FFFFFFF | 0xFFF), random_range(rng)
            own = rng.choice((None, *(PARTITIONS if guests else any_own)))
            for core in cores[:3]:
                core.set_partition(own)
            level = rng.choice((0, 0, 0, 3, 9, 15))
            ask(level, *cores)
            stops = [core.run(until) for core in cores]
            found = [core.take_trespasses() for core in cores]
            for k in (1, 2) if refuse else (1, 2, 3):
                text = differences(cores[0], cores[k], (stops[0], stops[k]))
                assert not text, f"seed {seed}, program {number}, {kinds[0]} / {kinds[k]}: {text}"
            for k in (1, 2):
                text = [f"{r} / {s}" for r, s in zip(found[0][0], found[k][0], strict=False) if r != s]
                assert not text, f"seed {seed}, program {number}, {kinds[k]}: {text}, own {own}"
                assert found[k] == found[0], f"seed {seed}, program {number}, {kinds[k]}"
            assert found[3] == ([], 0)
            seen += len(found[0][0])
            if refuse and stops[3] != stops[0]:
                break
            if stops[0].reason == "interrupt":
                accept(*cores)
            for core in cores:
                core.sleeping = False
        generated += cores[1].generated - before
    assert seen > programs
    assert generated > 10 * programs


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("seed", range(4))
def test_random_loops(seed: int, timing: str) -> None:
    compare(seed, 60, timing)


@pytest.mark.long
@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_random_loops(seed: int, timing: str) -> None:
    compare(seed, 1000, timing)


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("source", ["ldc r1,vbr", "ldc.l @r2+,vbr"])
def test_vbr(bench: Bench, timing: str, source: str) -> None:
    """Set by code that is not SPUMONE's: the run stops there, also where such code was generated before. A core that
    was not told whose code is trusted lets everybody."""
    bench.core.timing = timing
    bench.words(THERE, VBR)
    loop = f"mov r4,r2; {source}; dt r3; bf .-6"
    state = {"r1": VBR, "r2": THERE, "r4": THERE, "ccr": 0x105}
    bench.go(loop, r3=1000, **state)
    bench.core.set_trusted([])
    bench.core.sleeping = False
    bench.core.set_state({"pc": CODE, "r3": 1000, **state})
    stop = bench.core.run(bench.core.tick + 100_000)
    assert (stop.reason, stop.detail) == ("vbr", f"sets VBR to 0x{VBR:08x} at pc 0x{CODE + 2:08x}")
    assert (stop.pc, bench.core.state()["r3"]) == (CODE + 4, 1000)
    bench.core.set_trusted([(CODE & 0x1FFFFFFF, CODE + 0xFFF & 0x1FFFFFFF)])
    bench.go(loop, r3=1000, **state)
    assert bench.stop.reason == "sleep"


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_registers_of_the_core(bench: Bench, timing: str) -> None:
    """Writes of those that are barred; reads of them are nobody's matter. Refused, they are not done."""
    bench.core.timing = timing
    bench.core.set_partition(OWN, [(0xFF000010, 0xFF000013), (0xFF00001C, 0xFF00001F), (0xF6000000, 0xF7FFFFFF)])
    write = "mov.l r2,@r1; mov.l @r1,r3"
    bench.go(write, r1=0xFF000008, r2=5, ccr=0x105)
    bench.go(write, r1=0xFF00001C, r2=0x90D)
    assert rows(bench) == []
    bench.go(write, r1=0xFF00001C, r2=0x103)
    bench.go(write, r1=0xFF000010, r2=4)
    bench.go(write, r1=0xF6000100, r2=0x400)
    assert rows(bench) == [
        ("write", CODE, 0x103, 0xFF00001C, 2), ("write", CODE, 0x400, 0xF6000100, 1)
    ]  # fmt: skip
    bench.core.refuse = True
    assert bench.go(write, r1=0xFF00001C, r2=0x105)["r3"] == 0x103


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_an_fpu_that_is_anothers(bench: Bench, timing: str) -> None:
    """Each use of it counts, in code that was generated before too, and does what it does."""
    loop = "fadd fr1,fr2; lds r3,fpul; dt r3; bf .-6"
    state = {"fr1": 0x3F800000, "fr2": 0, "sr": 0x40000000, "ccr": 0x105}
    bench.core.timing = timing
    plain = bench.go(loop, r3=1000, **state)
    assert rows(bench) == []
    bench.core.set_partition(OWN, (), True)
    noted = bench.go(loop, r3=1000, **state)
    assert (noted["fr2"], noted["fpul"]) == (plain["fr2"], plain["fpul"]) == (0x447A0000, 1)
    assert rows(bench) == [("fpu", CODE, 0, 0, 1000), ("fpu", CODE + 2, 0, 0, 1000)]
    bench.core.set_partition(OWN)
    bench.go(loop, r3=1000, **state)
    assert rows(bench) == []
