"""``timing = "sh4a"`` rule by rule (docs/reference/timing.md), on every core that has it.

Expected ticks are derived by hand in the comments, from the rules and the parameters; p counts from the first issue.
Code is at P1 with both caches on and P1 copy-back (CCR 105), and warm unless a test says otherwise. SYNCO takes both
pipes, so it never pairs: it ends each program.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from assembler import assemble
from bench_core import BASE, CODE, DATA, MD, SIZE, VBR, Bench
from test_cores_agree import BASE as SMALL
from test_cores_agree import SIZE as SMALL_SIZE
from test_cores_agree import SKIP, random_code, random_snapshot
from test_cores_agree import Bus as ArithmeticBus

from cosim.state import pack, unpack
from cpu_node import make_core
from cpu_node.timing import TICKS

# Which kinds of core have the model. A kind that gets it makes test_capability fail until it is said here.
HAVE_SH4A = {"native": True, "python": True}

FILL, BACK, PREFETCH = TICKS["line_fill"], TICKS["write_back"], TICKS["prefetch"]
UNCACHED_READ, UNCACHED_WRITE = TICKS["uncached_read"], TICKS["uncached_write"]
MMIO_READ, MMIO_WRITE, REGISTER = TICKS["mmio_read"], TICKS["mmio_write"], TICKS["register"]
CCR, ON = 0xFF00001C, 0x105
DEVICE = 0xFFE00010
PR, SZ = 0x80000, 0x100000
FPU = 0x00040001
SET = 0x2000  # lines that far apart are of one set


@pytest.mark.parametrize("kind", HAVE_SH4A)
def test_capability(kind: str) -> None:
    assert hasattr(make_core(kind, (BASE, 0x1000)), "timing") == HAVE_SH4A[kind], "say in HAVE_SH4A what it has"


class Timed(Bench):
    """A bench whose core runs under sh4a."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.core.timing = "sh4a"
        self.core.skip_loops = False

    def enter(self, at: int, state: dict[str, int]) -> int:
        """State for a program; the tick."""
        self.core.sleeping = False
        values = {"sr": MD, "ccr": ON, "r1": DATA, "fpscr": FPU, **state, "pc": at}
        self.core.set_state(values)
        return int(self.core.tick)

    def units(self, source: str, n: int, at: int = CODE, whole: bool = True, **state: int) -> list[int]:
        """Ticks at the end of each of the first n units of a program that has run once before. They must be the
        whole program, so that what pairs is known, unless it leaves it or is said not to be."""
        self.put(at, source + "; synco; synco")
        for _ in range(2):
            began, ends = self.enter(at, state), []
            for _ in range(n):
                self.core.step()
                ends.append(self.core.tick - began)
        end, pc = at + len(assemble(source, at)), self.core.state()["pc"]
        assert not whole or pc == end or not at <= pc <= end + 4, f"{n} units of {source!r} end at +{pc - at}"
        return ends

    def cost(self, text: str, **state: int) -> int:
        """Ticks of one unit whose line has been fetched before; data as they are in the caches."""
        self.put(CODE, text + "; synco")
        self.put(CODE + 16, "synco")
        self.enter(CODE + 16, state)
        self.core.step()
        began = self.enter(CODE, state)
        self.core.step()
        return int(self.core.tick - began)

    def touch(self, text: str, *addresses: int) -> list[int]:
        """Stall of one access by r1 to each address."""
        return [self.cost(text, r1=address) - 1 for address in addresses]


@pytest.fixture
def timed(kind: str) -> Timed:
    if not HAVE_SH4A[kind]:
        pytest.skip(f"the {kind} core has no timing model yet")
    return Timed(kind)


# Issue ------------------------------------------------------------------------------------------------------------

LOAD = "mov.l @r1,r2"

ISSUE = [
    # one pipe: no two EX, nor two LS, in a tick
    ("add #1,r3; add #1,r4; add #1,r5", [1, 2, 3]),
    ("mov.l r2,@r1; mov.l r3,@r1", [1, 2]),
    # EX and LS; `or` takes what the other leaves
    ("add #1,r3; mov.l r2,@r1", [1]),
    ("mov.l r2,@r1; add #1,r3", [1]),
    ("mov r3,r4; mov r5,r6", [1]),
    ("mov r3,r4; add r5,r6", [1]),
    ("mov.l r2,@r1; mov r3,r4", [1]),
    # a third is no second; both pipes: never
    ("add #1,r3; mov r4,r5; mov r6,r7", [1, 2]),
    ("add #1,r3; synco", [1, 2]),
    ("synco; add #1,r3", [1, 2]),
    # latency 0: in the same tick
    ("add #4,r1; mov.l r2,@r1", [1]),
    ("mov r3,r4; mov r4,r5", [1]),
    # a comparison's T a tick later
    ("cmp/eq r3,r4; movt r5", [1, 2]),
    ("cmp/eq r3,r4; add #1,r5", [1]),
    # MOVA takes LS: pairs with EX, r0 ready at 1
    ("mova .+8,r0; add #1,r3", [1]),
    ("mova .+8,r0; add r0,r3", [1, 2]),
    # a load's result at 3; what does not need it goes on: load+add at 0, add at 1, the user at 3
    (f"{LOAD}; add r2,r3", [1, 4]),
    (f"{LOAD}; add r4,r5; add r4,r6; add r2,r3", [1, 2, 4]),
    # address increments are ready at once, the loaded value is not
    ("mov.l @r1+,r2; add #4,r1", [1]),
    ("mov.l @r1+,r2; add #4,r2", [1, 4]),
    ("mov.l r2,@-r1; add r1,r3", [1]),
    # a ready time is never replaced by an earlier one: MOV pairs with the load at 0, r2 stays due at 3
    (f"{LOAD}; mov #5,r2; add r2,r3", [1, 4]),
    # MUL.L at 0, MAC at 3: STS (both pipes) issues at 3, its r3 at 6
    ("mul.l r3,r4; sts macl,r3; add r3,r4", [1, 4, 7]),
    ("muls.w r3,r4; sts macl,r3", [1, 3]),
    # one multiplier
    ("muls.w r3,r4; mulu.w r5,r6", [1, 2]),
    ("mul.l r3,r4; muls.w r5,r6", [1, 2]),
    ("mul.l r3,r4; mov r5,r6", [1]),
    # MOVUA holds LS at 0 and 1; at 1 only EX is free, for one
    ("movua.l @r1,r0; add #1,r3", [1]),
    ("movua.l @r1,r0; mov.l r3,@r1", [1, 3]),
    ("movua.l @r1,r0; add #1,r3; mov.l r3,@r1", [1, 3]),
    ("movua.l @r1,r0; mov r3,r4; mov r5,r6; mov r7,r8", [1, 2, 3]),
    ("add #1,r3; movua.l @r1,r0", [1]),
    # LDC SR is ready at 3 and drains; the next fetch is looked up again and hits
    ("ldc r8,sr; synco", [3, 4]),
    ("ldc r3,gbr; add #1,r4", [1]),
    ("sts pr,r3; add r3,r4", [1]),
    # SLEEP drains the load
    (f"{LOAD}; sleep", [1, 3]),
]


@pytest.mark.parametrize(("source", "ends"), ISSUE, ids=lambda x: x if isinstance(x, str) else "")
def test_issue(timed: Timed, source: str, ends: list[int]) -> None:
    assert timed.units(source, len(ends), r8=MD) == ends


FLOATING = [
    # FE takes one a tick; results at 3
    ("fadd fr1,fr2; fadd fr3,fr4", 0, [1, 2]),
    ("fadd fr1,fr2; add #1,r3", 0, [1]),
    ("fadd fr1,fr2; fadd fr2,fr4", 0, [1, 4]),
    ("fcmp/eq fr1,fr2; movt r3", 0, [1, 4]),
    ("ftrc fr1,fpul; sts fpul,r3; add r3,r4", 0, [1, 4, 6]),
    # doubles: FE for 3 ticks, results at 5, both halves
    ("fadd fr2,fr4; fadd fr6,fr8", PR, [1, 4]),
    ("fadd fr2,fr4; fmov fr5,fr9", PR, [1, 6]),
    ("fadd fr2,fr4; fmov fr6,fr9", PR, [1]),
    # the divider is busy for 20 (36), FE for 2 (3)
    ("fdiv fr1,fr2; fdiv fr3,fr4", 0, [1, 21]),
    ("fdiv fr1,fr2; fsqrt fr3", 0, [1, 21]),
    ("fdiv fr1,fr2; fadd fr5,fr6", 0, [1, 3]),
    ("fdiv fr1,fr2; add #1,r3; add #1,r3", 0, [1, 2]),
    ("fdiv fr2,fr4; fdiv fr6,fr8", PR, [1, 37]),
    ("fdiv fr2,fr4; fadd fr6,fr8", PR, [1, 4]),
    ("fsrra fr1; fmov fr1,fr2", 0, [1, 6]),
    ("fsca fpul,dr2; fadd fr4,fr5", 0, [1, 4]),
    ("fsca fpul,dr2; fmov fr3,fr5", 0, [1, 8]),
    ("ftrv xmtrx,fv0; fadd fr4,fr5", 0, [1, 5]),
    ("ftrv xmtrx,fv0; fmov fr3,fr5", 0, [1, 7]),
    ("fipr fv0,fv4; fmov fr7,fr8", 0, [1, 4]),
    ("fmov fr1,fr2; fmov fr2,fr3", 0, [1, 3]),
    ("fldi1 fr1; fadd fr1,fr2", 0, [1, 3]),
    # all wait for FPSCR
    ("frchg; fmov fr1,fr2", 0, [1, 4]),
    ("fschg; sts fpul,r3", 0, [1]),
    # SZ=1: a load of the pair FR2 FR3; of an odd number, XF
    ("fmov @r1,fr2; flds fr3,fpul", SZ, [1, 4]),
    ("fmov @r1,fr3; flds fr3,fpul", SZ, [1, 2]),
    ("fmov @r1,fr3; ftrv xmtrx,fv0", SZ, [1, 4]),
    ("fmov @r1+,fr2; add #8,r1", SZ, [1]),
    ("fmov @r1,fr2; flds fr3,fpul", 0, [1, 2]),
]


@pytest.mark.parametrize(("source", "fpscr", "ends"), FLOATING, ids=lambda x: x if isinstance(x, str) else "")
def test_floating_point(timed: Timed, source: str, fpscr: int, ends: list[int]) -> None:
    numbers = {f"fr{k}": 0x3F800000 for k in range(16)}
    assert timed.units(source, len(ends), fpscr=FPU | fpscr, **numbers) == ends


BRANCHES = [
    # taken: the target at 2; the slot pairs at 0, or issues at 1
    ("bra .+16; nop", 0, [2]),
    ("bra .+16; add #1,r3", 0, [2]),
    ("bsr .+16; nop", 0, [2]),
    ("bf .+16", 0, [2]),
    ("bt .+16", 1, [2]),
    ("bf.s .+16; nop", 0, [2]),
    ("bf .+2", 0, [2]),  # taken, to the next instruction
    # by register: 3
    ("jmp @r9; nop", 0, [3]),
    ("jsr @r9; add #1,r3", 0, [3]),
    ("rts; nop", 0, [3]),
    ("braf r10; nop", 0, [3]),
    # RTE: 4, its slot at 1
    ("rte; nop", 0, [4]),
    # not taken: its issue; no pair with what follows, but with its slot; nothing pairs with a slot
    ("bf .+16; nop", 1, [1, 2]),
    ("bt .+16; mov r3,r4", 0, [1, 2]),
    ("bf.s .+16; nop; nop", 1, [1, 2]),
    ("bf.s .+16; add #1,r3; nop", 1, [2, 3]),
    # a branch as the second of a pair: its slot at 1
    ("mov r3,r4; bf .+16", 1, [1]),
    ("mov r3,r4; bra .+16; nop", 0, [2]),
    ("mov r3,r4; bf.s .+16; nop", 1, [2]),
    ("add #1,r3; bra .+16; nop", 0, [1, 3]),  # both EX
    # it waits for T (at 1), or a register (at 3: the target at 6)
    ("cmp/eq r3,r4; bt .+16", 1, [1, 2]),
    ("mov.l @r1,r9; jmp @r9; nop", 0, [1, 6]),
    # what is pending is waited for: the slot's load until 3, behind a pair until 1 + 3, an FDIV until 20
    (f"bra .+16; {LOAD}", 0, [3]),
    (f"mov r3,r4; bra .+16; {LOAD}", 0, [4]),
    ("fdiv fr1,fr2; bra .+16; nop", 0, [20]),
    (f"{LOAD}; bf .+16", 1, [1]),  # not taken: not waited for
    (f"{LOAD}; bf.s .+16; ldtlb", 1, [3]),  # but by LDTLB, in a slot too: at 1 it issues, at 3 the load is there
    # the slot waits for its source: load at 0, bra with it, slot at 3
    (f"{LOAD}; bra .+16; add r2,r3", 0, [4]),
]


@pytest.mark.parametrize(("source", "t", "ends"), BRANCHES, ids=lambda x: x if isinstance(x, str) else "")
def test_branches(timed: Timed, source: str, t: int, ends: list[int]) -> None:
    there = CODE + 0x18
    timed.words(DATA, there)
    state = {"sr": MD | t, "r3": 1, "r4": 2, "r9": there, "pr": there, "spc": there, "ssr": MD, "r10": 0x10}
    timed.put(there - 8, "synco; synco; synco; synco; synco; synco")
    assert timed.units(source, len(ends), **{**state}) == ends


def test_pair_lies_in_one_line(timed: Timed) -> None:
    # ADD at the end of a line, MOV in the next, which is warm: no pair
    assert timed.units("add #1,r3; mov r4,r5", 2, at=CODE + 30) == [1, 2]
    assert timed.units("bra .+16; nop", 1, at=CODE + 30) == [2]  # the slot at 1
    # slot not in the branch's line, with the load at 1: ready at 4
    assert timed.units(f"bra .+16; {LOAD}", 1, at=CODE + 30) == [4]


def test_next_page_drains(timed: Timed) -> None:
    # the load at the end of a page is waited for (3); its user then need not wait
    assert timed.units(f"{LOAD}; add r2,r3", 2, at=CODE + 0xFFE) == [3, 4]
    assert timed.units(f"{LOAD}; add r2,r3", 2, at=CODE + 0x3FE) == [1, 4]  # only a line
    assert timed.units(f"bf.s .+16; {LOAD}; synco", 2, at=CODE + 0xFFE, sr=MD | 1) == [2, 3]  # slot at 1, of that page


# Units ------------------------------------------------------------------------------------------------------------


def test_wait_belongs_to_the_next_unit(timed: Timed) -> None:
    timed.put(CODE, f"{LOAD}; add r2,r3; synco")
    timed.units(f"{LOAD}; add r2,r3", 2)
    began = timed.enter(CODE, {})
    assert timed.core.run(began + 1)[:2] == ("horizon", began + 1)
    assert timed.core.run(began + 2)[:2] == ("horizon", began + 4)


def test_horizon_does_not_part_a_pair(timed: Timed) -> None:
    timed.units("add #1,r3; mov r4,r5", 1)
    began = timed.enter(CODE, {})
    before = timed.core.instructions
    stop = timed.core.run(began + 1)
    assert (stop.reason, stop.tick, stop.pc) == ("horizon", began + 1, CODE + 4)
    assert timed.core.instructions == before + 2


def test_breakpoint_parts_a_pair_and_changes_no_tick(timed: Timed) -> None:
    """The second still issues in the tick of the first, and its access carries the tick of the unit's begin."""
    source = "add #1,r3; mov.l @r1,r2; synco"
    timed.units(source, 2, r1=DEVICE)
    log, results = timed.bus.log, []
    for address in ([], [CODE + 2]):
        began = timed.enter(CODE, {"r1": DEVICE})
        del log[:]
        timed.core.set_breakpoints(address)
        if address:
            stop = timed.core.run(began + 1000)
            assert (stop.reason, stop.tick, stop.pc) == ("breakpoint", began + 1, CODE + 2)
            assert timed.core.unit_tick == began
        stop = timed.core.step()
        results.append((stop.reason, stop.tick - began, stop.pc, [(k[0], k[1] - began) for k in log]))
    assert results[0] == ("step", 1 + MMIO_READ, CODE + 4, [("read", 0)])
    assert results[0] == results[1]


def test_open_pair_is_finished_before_the_horizon_is_looked_at(timed: Timed) -> None:
    timed.units("add #1,r3; mov r4,r5", 1)
    timed.core.set_breakpoints([CODE + 2])
    began = timed.enter(CODE, {})
    assert timed.core.run(began + 1).reason == "breakpoint"
    assert timed.core.in_pair and timed.core.snapshot()["timing"]["open"] == 1
    stop = timed.core.run(began)
    assert (stop.reason, stop.tick, stop.pc) == ("horizon", began + 1, CODE + 4)
    assert not timed.core.in_pair


def test_step_stops_at_a_breakpoint_in_the_pair(timed: Timed) -> None:
    timed.units("add #1,r3; mov r4,r5", 1)
    timed.core.set_breakpoints([CODE + 2])
    timed.enter(CODE, {})
    assert [timed.core.step().reason for _ in range(2)] == ["breakpoint", "step"]


def test_nothing_pairs_behind_an_access_outside_ram(timed: Timed) -> None:
    for address, stall in ((DEVICE, MMIO_READ), (0xFF000010, REGISTER), (0xE0000000, 0)):
        assert timed.units("mov.l @r1,r2; add #1,r3", 2, r1=address) == [1 + stall, 2 + stall]
    assert timed.units("pref @r1; add #1,r3", 2, r1=0xE0000000) == [1 + BACK, 2 + BACK]
    assert timed.units("pref @r1; add #1,r3", 1, r1=DATA) == [1]


def test_a_hook_that_serves_nothing_leaves_a_pair(timed: Timed) -> None:
    heard: list[Any] = []
    timed.core.hook = lambda *access: heard.append(access[0])
    assert timed.units("add #1,r3; mov r4,r5", 1) == [1]
    assert heard[:2] == ["fetch", "fetch"]


def test_nothing_pairs_with_what_a_hook_has_served(timed: Timed) -> None:
    timed.core.hook = lambda kind, paddr, *rest: 0x7301 if kind == "fetch" and paddr == CODE & 0x1FFFFFFF else None
    assert timed.units("add #1,r3; mov r4,r5", 2) == [1, 2]


def test_failed_callback_leaves_the_pair_open(timed: Timed) -> None:
    source = "add #1,r3; mov.l @r1,r2; synco"
    timed.units(source, 2, r1=DEVICE)
    began = timed.enter(CODE, {"r1": DEVICE})
    read, before = timed.bus.read, timed.core.instructions

    def broken(tick: int, address: int, size: int) -> int:
        raise OSError("gone")

    timed.bus.read = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="gone"):
        timed.core.step()
    assert (timed.core.tick - began, timed.core.state()["pc"]) == (1, CODE + 2)
    timed.bus.read = read  # type: ignore[method-assign]
    assert timed.core.step().tick - began == 1 + MMIO_READ
    assert timed.core.instructions == before + 2


# State from outside -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["set_state", "set_state_bytes", "tick"])
def test_state_from_outside_makes_the_pipeline_fresh(timed: Timed, change: str) -> None:
    timed.units(f"{LOAD}; add r2,r3", 2)
    timed.enter(CODE, {})
    timed.core.step()
    if change == "set_state":
        timed.core.set_state({"r9": 1})
    elif change == "set_state_bytes":
        timed.core.set_state_bytes(timed.core.state_bytes())
    else:
        timed.core.tick += 1
    began = timed.core.tick
    assert timed.core.step().tick - began == 1  # not 3: the load is not waited for


def test_set_irq_from_outside_changes_no_time(timed: Timed) -> None:
    timed.units(f"{LOAD}; add r2,r3", 2)
    began = timed.enter(CODE, {})
    timed.core.step()
    timed.core.set_irq(0, 0)
    assert timed.core.step().tick - began == 4


# Exceptions -------------------------------------------------------------------------------------------------------

ENTRY, TLB, INTERRUPT = TICKS["exception_entry"], TICKS["tlb_entry"], TICKS["interrupt_entry"]


def test_exceptions_drain_and_cost_their_entry(timed: Timed) -> None:
    assert timed.units("trapa #1", 1) == [1 + ENTRY]
    # load at 0, the illegal word at 1: until 3 for the load, then the entry
    assert timed.units(f"{LOAD}; .word 0", 2) == [1, 3 + ENTRY]
    # the failing load pairs at 0 (unaligned: 0E0), what the first wrote is ready
    assert timed.units("add #1,r1; mov.l @r1,r2", 1) == [1 + ENTRY]
    # in a slot: illegal at 1
    assert timed.units("bra .+16; .word 0", 1) == [2 + ENTRY]
    assert timed.units("bra .+16; mov.w .+8,r0", 1) == [1 + ENTRY]  # slot illegal, but paired by its word
    # the wait for its source counts: load at 0, its user fails (unaligned) at 3
    timed.words(DATA, 1)
    assert timed.units(f"{LOAD}; mov.l @r2,r3", 2) == [1, 4 + ENTRY]


def test_tlb_miss_costs_its_entry(timed: Timed) -> None:
    timed.core.set_state({"mmucr": 1})
    assert timed.units(LOAD, 1, r1=0x00400000, mmucr=1) == [1 + TLB]


def test_charges_of_vectors_come_on_top(timed: Timed) -> None:
    timed.core.set_vectors(VBR, 100, 200, 300)
    assert timed.units("trapa #1", 1) == [1 + ENTRY + 100]
    timed.core.set_vectors(None)


def test_interrupt_drains_and_costs_its_entry(timed: Timed) -> None:
    timed.units(LOAD, 1)
    began = timed.enter(CODE, {})
    timed.core.step()
    timed.core.set_irq(5, 0x400)
    assert timed.core.run(began + 100).reason == "interrupt"
    timed.core.accept()
    assert timed.core.tick - began == 3 + INTERRUPT  # the load until 3


def test_exception_counts_its_instructions(timed: Timed) -> None:
    for source, count in (("trapa #1", 1), ("bra .+16; .word 0", 2), ("add #1,r1; mov.l @r1,r2", 2)):
        timed.put(CODE, source)
        timed.enter(CODE, {})
        before = timed.core.instructions
        timed.core.step()
        assert timed.core.instructions - before == count, source


# Caches -----------------------------------------------------------------------------------------------------------


def cold(timed: Timed, source: str, n: int, at: int = CODE, **state: int) -> list[int]:
    """As units, but run for the first time."""
    timed.put(at, source + "; synco; synco")
    began, ends = timed.enter(at, state), []
    for _ in range(n):
        timed.core.step()
        ends.append(timed.core.tick - began)
    return ends


def test_fetch_fills_a_line_once(timed: Timed) -> None:
    # CODE + 28 and 30 in the first line, the third in the next
    assert cold(timed, "synco; synco; synco; synco", 4, at=CODE + 28) == [
        1 + FILL,
        2 + FILL,
        3 + 2 * FILL,
        4 + 2 * FILL,
    ]
    assert timed.units("synco; synco; synco; synco", 4, at=CODE + 28) == [1, 2, 3, 4]


@pytest.mark.parametrize(("at", "ccr"), [(CODE | 0x20000000, ON), (CODE, 0x005)])
def test_uncached_fetch_is_by_words_of_4_bytes(timed: Timed, at: int, ccr: int) -> None:
    one = UNCACHED_READ
    for _ in range(2):
        assert cold(timed, "synco; synco; synco", 3, at=at, ccr=ccr) == [1 + one, 2 + one, 3 + 2 * one]
    # a pair in two such words pairs, and both are fetched
    assert cold(timed, "synco; add #1,r3; mov r4,r5", 2, at=at, ccr=ccr) == [1 + one, 2 + 2 * one]


def test_slot_in_another_line_is_fetched(timed: Timed) -> None:
    timed.put(CODE + 0x40, "synco")
    assert cold(timed, "bra .+34; nop", 1, at=CODE + 30) == [2 + 2 * FILL]


def test_load_miss_and_hit(timed: Timed) -> None:
    assert timed.touch(LOAD, DATA, DATA + 28, DATA + 32) == [FILL, 0, FILL]


def test_a_stall_moves_what_is_pending(timed: Timed) -> None:
    """The miss stops the whole pipeline: the first load's user still waits as long as without."""
    timed.touch(LOAD, DATA)
    timed.cost("synco")
    timed.put(CODE, f"{LOAD}; mov.l @r5,r6; add r2,r3; synco")
    began = timed.enter(CODE, {"r5": DATA + 0x400})
    ends = []
    for _ in range(3):
        timed.core.step()
        ends.append(timed.core.tick - began)
    # loads at 0 and 1, the second stalls; the user at 3 of the pipeline's clock
    assert ends == [1, 2 + FILL, 4 + FILL]


def test_least_recently_used_of_four_ways_gives_way(timed: Timed) -> None:
    a, b, c, d, e = (DATA + k * SET for k in range(5))
    assert timed.touch(LOAD, a, b, c, d) == [FILL] * 4
    assert timed.touch(LOAD, a, b, c, d) == [0] * 4
    # a is used again: b is the oldest and gives way to e, then c to b, d to c
    assert timed.touch(LOAD, a, e, a, b, c, a) == [0, FILL, 0, FILL, FILL, 0]


def test_stores_allocate_and_dirty_lines_are_written_back(timed: Timed) -> None:
    a, b, c, d, e = (DATA + k * SET for k in range(5))
    assert timed.touch("mov.l r2,@r1", a, a) == [FILL, 0]
    assert timed.touch(LOAD, b, c, d, e, a) == [FILL, FILL, FILL, FILL + BACK, FILL]
    # a hit makes c dirty; the others are used again, so that c is the oldest and gives way to b
    assert timed.touch("mov.l r2,@r1", c) == [0]
    assert timed.touch(LOAD, e, a, d, b, d, e) == [0, 0, 0, FILL + BACK, 0, 0]


def test_hit_of_a_store_makes_the_line_dirty(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    assert timed.touch("ocbp @r1", DATA) == [0]
    timed.touch(LOAD, DATA)
    assert timed.touch("mov.l r2,@r1", DATA) == [0]
    assert timed.touch("ocbp @r1", DATA) == [BACK]


P0 = DATA & 0x1FFFFFFF


@pytest.mark.parametrize(("ccr", "address"), [(0x101, DATA), (0x107, P0), (0x103, DATA)])
def test_write_through(timed: Timed, ccr: int, address: int) -> None:
    """P1 where CB is clear, P0 where WT is set: a store that misses allocates nothing, one that hits stays clean."""
    cost = {"ccr": ccr, "r1": address}
    assert timed.cost("mov.l r2,@r1", **cost) == 1 + UNCACHED_WRITE
    assert timed.cost(LOAD, **cost) == 1 + FILL
    assert timed.cost("mov.l r2,@r1", **cost) == 1 + UNCACHED_WRITE
    assert timed.cost("ocbp @r1", **cost) == 1


@pytest.mark.parametrize(("ccr", "address"), [(0x103, DATA), (0x101, P0)])
def test_copy_back_is_the_other_areas(timed: Timed, ccr: int, address: int) -> None:
    copied_back = address == P0
    cost = timed.cost("mov.l r2,@r1", ccr=ccr, r1=address)
    assert cost == (1 + FILL if copied_back else 1 + UNCACHED_WRITE)


@pytest.mark.parametrize(("ccr", "address"), [(ON, DATA | 0x20000000), (0x104, DATA), (0x104, P0)])
def test_not_cacheable(timed: Timed, ccr: int, address: int) -> None:
    for _ in range(2):
        assert timed.cost(LOAD, ccr=ccr, r1=address) == 1 + UNCACHED_READ
        assert timed.cost("mov.l r2,@r1", ccr=ccr, r1=address) == 1 + UNCACHED_WRITE
    # four bytes one by one
    assert timed.cost("movua.l @r1,r0", ccr=ccr, r1=address + 1) == 1 + 4 * UNCACHED_READ
    assert timed.cost("tas.b @r1", ccr=ccr, r1=address) == 1 + UNCACHED_READ + UNCACHED_WRITE
    assert timed.cost("fmov @r1,fr2", ccr=ccr, r1=address, fpscr=FPU | SZ) == 1 + 2 * UNCACHED_READ


def test_pages_say_whether_they_are_cached(timed: Timed) -> None:
    """PTEL.C (8) and WT (1), whatever CCR.WT is."""
    for k, flags in enumerate((0, 8, 9)):
        timed.store(0xF6000000 | k << 8, 0x00400000 + k * 0x1000 | 0x300)
        timed.store(0xF7000000 | k << 8, P0 + k * 0x1000 & ~0xFFF | 0x174 | flags)
    state = {"mmucr": 1, "ccr": 0x107}
    load = [timed.cost(LOAD, r1=0x00400000 + k * 0x1000, **state) - 1 for k in range(3)]
    assert load == [UNCACHED_READ, FILL, FILL]
    store = [timed.cost("mov.l r2,@r1", r1=0x00400000 + k * 0x1000, **state) - 1 for k in range(3)]
    assert store == [UNCACHED_WRITE, 0, UNCACHED_WRITE]


def test_several_lookups_of_one_instruction(timed: Timed) -> None:
    state = {"r1": DATA, "r2": DATA + 0x100}
    assert timed.cost("mac.l @r1+,@r2+", **state) == 1 + 2 * FILL
    assert timed.touch("tas.b @r1", DATA + 0x200) == [FILL]
    assert timed.touch("ocbp @r1", DATA + 0x200) == [BACK]


def test_devices_and_the_cores_registers(timed: Timed) -> None:
    assert timed.cost(LOAD, r1=DEVICE) == 1 + MMIO_READ
    assert timed.cost("mov.l r2,@r1", r1=DEVICE) == 1 + MMIO_WRITE
    assert timed.cost(LOAD, r1=0xFF000010) == 1 + REGISTER
    assert timed.cost("mov.l r2,@r1", r1=0xFF000008) == 1 + REGISTER
    assert timed.cost("mov.l r2,@r1", r1=0xE0000004) == 1
    assert timed.cost(LOAD, r1=0xFF900000) == 1 + MMIO_READ  # of P4, but nobody's


def test_leased_read_takes_as_long(timed: Timed) -> None:
    timed.core.set_leases([(DEVICE, 4, 1 << 40, [(0, 7, 0, 0)])])
    assert timed.units("mov.l @r1,r2; add #1,r3", 2, r1=DEVICE) == [1 + MMIO_READ, 2 + MMIO_READ]


def test_access_served_by_a_hook_takes_no_time(timed: Timed) -> None:
    timed.core.hook = lambda access, address, size, value: 5 if access == "read" else None
    assert timed.cost(LOAD, r1=DATA + 0x800) == 1


# Cache control ----------------------------------------------------------------------------------------------------


def set_ccr(timed: Timed, value: int) -> None:
    assert timed.cost("mov.l r2,@r1", r1=CCR, r2=value) == 1 + REGISTER
    assert timed.core.state()["ccr"] == value & 0x8107


def test_oci_drops_the_operand_cache(timed: Timed) -> None:
    timed.touch("mov.l r2,@r1", DATA)
    set_ccr(timed, ON | 8)
    assert timed.touch(LOAD, DATA) == [FILL]  # no write-back, the fetch still hits


def test_ici_drops_the_instruction_cache(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    set_ccr(timed, ON | 0x800)
    timed.put(CODE + 8, f"{LOAD}; synco")
    began = timed.enter(CODE + 8, {})
    assert timed.core.step().tick - began == 1 + FILL  # the fetch; the load hits


def test_ocbp_ocbwb_ocbi(timed: Timed) -> None:
    store = "mov.l r2,@r1"
    timed.touch(store, DATA)
    assert timed.touch("ocbwb @r1", DATA, DATA) == [BACK, 0]
    assert timed.touch(LOAD, DATA) == [0]
    timed.touch(store, DATA)
    assert timed.touch("ocbp @r1", DATA, DATA) == [BACK, 0]
    assert timed.touch(LOAD, DATA) == [FILL]
    timed.touch(store, DATA)
    assert timed.touch("ocbi @r1", DATA) == [0]
    assert timed.touch(LOAD, DATA) == [FILL]


def test_dropped_way_is_used_before_one_that_is_older(timed: Timed) -> None:
    a, b, c, d, e = (DATA + k * SET for k in range(5))
    timed.touch(LOAD, a, b, c, d)
    timed.touch("ocbi @r1", c)
    assert timed.touch(LOAD, e, a, b, d) == [FILL, 0, 0, 0]


def test_movca_allocates_without_a_fill(timed: Timed) -> None:
    assert timed.touch("movca.l r0,@r1", DATA) == [0]
    assert timed.touch("ocbp @r1", DATA) == [BACK]  # dirty
    assert timed.cost("movca.l r0,@r1", r1=DATA, ccr=0x101) == 1 + UNCACHED_WRITE  # write-through: a store


def test_pref_and_prefi(timed: Timed) -> None:
    assert timed.touch("pref @r1", DATA, DATA, DATA | 0x20000000) == [PREFETCH, 0, 0]
    assert timed.touch(LOAD, DATA) == [0]
    assert timed.touch("pref @r1", DEVICE, 0x10000000) == [0, 0]
    there = CODE + 0x200
    timed.put(there, "synco")
    assert timed.touch("prefi @r1", there, there) == [PREFETCH, 0]
    began = timed.enter(there, {})
    assert timed.core.step().tick - began == 1


def test_icbi_drops_a_line(timed: Timed) -> None:
    there = CODE + 0x200
    assert timed.units("synco", 1, at=there) == [1]
    assert timed.touch("icbi @r1", there) == [0]
    began = timed.enter(there, {})
    assert timed.core.step().tick - began == 1 + FILL


def test_cache_operations_never_fault(timed: Timed) -> None:
    for text in ("ocbi", "ocbp", "ocbwb", "icbi", "pref", "prefi"):
        assert timed.cost(f"{text} @r1", r1=0x00400000, mmucr=1) == 1
        assert timed.core.state()["pc"] == CODE + 2


def test_store_queue_costs_its_write(timed: Timed) -> None:
    timed.core.set_state({"sr": MD})
    timed.store(0xFF000038, BASE >> 24 & 0x1C)
    assert timed.cost("pref @r1", r1=0xE0000000 | DATA & 0x03FFFFE0) == 1 + BACK


# Address arrays ---------------------------------------------------------------------------------------------------


def array(kind: int, address: int, way: int = 0, bits: int = 0) -> int:
    return kind << 24 | way << 13 | address & 0x1FE0 | bits


def test_operand_address_array(timed: Timed) -> None:
    timed.touch(LOAD, DATA + SET)
    timed.touch("mov.l r2,@r1", DATA)
    physical = DATA & 0x1FFFFC00
    assert timed.load(array(0xF4, DATA)) == physical | 3
    assert timed.load(array(0xF4, DATA, 1)) == physical + SET | 1
    assert timed.load(array(0xF4, DATA, 2)) == 0
    assert timed.load(array(0xF5, DATA)) == 0
    # a write of way 0, which is dirty, with V clear: U goes too
    assert timed.cost("mov.l r2,@r1", r1=array(0xF4, DATA), r2=physical | 2) == 1 + REGISTER + BACK
    assert timed.load(array(0xF4, DATA)) == physical
    assert timed.touch(LOAD, DATA + SET, DATA) == [0, FILL]
    # a line that is written into way 3 hits
    assert timed.cost("mov.l r2,@r1", r1=array(0xF4, DATA, 3), r2=physical + 2 * SET | 1) == 1 + REGISTER
    assert timed.touch(LOAD, DATA + 2 * SET) == [0]


def test_associative_write_finds_the_way(timed: Timed) -> None:
    timed.touch("mov.l r2,@r1", DATA)
    timed.touch(LOAD, DATA + SET)
    store = "mov.l r2,@r1"
    assert timed.cost(store, r1=array(0xF4, DATA, 3, 8), r2=DATA + 5 * SET & ~0x3FF) == 1 + REGISTER  # no match
    assert timed.cost(store, r1=array(0xF4, DATA, 3, 8), r2=DATA & ~0x3FF | 1) == 1 + REGISTER + BACK  # clean now
    assert timed.load(array(0xF4, DATA, 1)) == DATA & 0x1FFFFC00 | 1
    assert timed.cost(store, r1=array(0xF4, DATA, 3, 8), r2=DATA & ~0x3FF) == 1 + REGISTER
    assert timed.touch(LOAD, DATA + SET, DATA) == [0, FILL]
    # a miss of the TLB: nothing, no exception
    assert timed.cost(store, r1=array(0xF4, DATA, 0, 8), r2=0x00400000, mmucr=1) == 1 + REGISTER
    assert timed.core.state()["pc"] == CODE + 2


def test_instruction_address_array(timed: Timed) -> None:
    there = CODE + 0x400
    assert timed.units("synco", 1, at=there) == [1]
    assert timed.load(array(0xF0, there)) == there & 0x1FFFFC00 | 1
    assert timed.cost("mov.l r2,@r1", r1=array(0xF0, there), r2=0) == 1 + REGISTER
    began = timed.enter(there, {})
    assert timed.core.step().tick - began == 1 + FILL


def test_arrays_read_0_in_fast_timing(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    timed.core.timing = "fast"
    assert timed.load(array(0xF4, DATA)) == 0
    timed.store(array(0xF4, DATA), 0xFFFFFFFF)
    assert timed.load(array(0xF4, DATA)) == 0


# Random programs --------------------------------------------------------------------------------------------------


@cache
def code_of(seed: int) -> bytes:
    code = bytearray(random_code(random.Random(seed), SMALL_SIZE // 2))
    for vector in (0x100, 0x400, 0x600):
        code[vector : vector + len(SKIP)] = SKIP
    return bytes(code)


def program(kind: str, seed: int) -> Any:
    """A core at the begin of a random program with exceptions, mapped pages and caches on."""
    rng = random.Random(seed)
    core = make_core(kind, (SMALL, SMALL_SIZE))
    core.bus = ArithmeticBus()
    core.write(SMALL, code_of(seed % 4))
    snapshot = random_snapshot(rng, 0)
    snapshot["utlb"] = [[tag, data | rng.choice((0, 8, 8, 9))] for tag, data in snapshot["utlb"]]
    state = {**unpack(snapshot["state"]), "ccr": rng.choice((0x101, 0x103, 0x105, 0x107, 0x005))}
    core.restore({**snapshot, "state": pack(state)})
    core.timing = "sh4a"
    return core


def outcome(core: Any) -> dict[str, Any]:
    """What must be equal: the snapshot, RAM, and what the bus saw."""
    snapshot = core.snapshot()
    snapshot["instructions"] += snapshot.pop("skipped")
    return {**snapshot, "ram": core.ram_sha256(), "bus": core.bus.log}


def run_to(core: Any, until: int) -> None:
    while core.run(until).reason != "horizon":
        core.sleeping = False


@pytest.mark.parametrize("seed", range(6))
def test_slices_and_snapshots_change_nothing(timed: Timed, seed: int) -> None:
    """One run; slices of random length; units one by one; a snapshot in the middle taken to a new core."""
    kind, end = timed.kind, 20_000
    whole, sliced, stepped = (program(kind, seed) for _ in range(3))
    run_to(whole, end)
    rng = random.Random(seed)
    while sliced.tick < end:
        run_to(sliced, min(end, sliced.tick + rng.choice((1, 2, 3, 7, 50, 300))))
        if rng.random() < 0.1:
            moved = program(kind, seed)
            moved.write(SMALL, sliced.read(SMALL, SMALL_SIZE))
            moved.bus = sliced.bus
            moved.restore(sliced.snapshot())
            sliced = moved
    while stepped.tick < end:
        stepped.step()
        stepped.sleeping = False
    expected = outcome(whole)
    assert outcome(sliced) == expected
    assert outcome(stepped) == expected
    assert whole.instructions > 200


def test_breakpoints_everywhere_change_nothing(timed: Timed) -> None:
    """Also with a snapshot taken to another core in the middle of a pair."""
    addresses = [base + k for base in (0x8C000000, 0x0C000000, 0xAC000000) for k in range(0, SMALL_SIZE, 2)]
    end, opened = 5000, 0
    for seed in range(50, 56):
        plain, broken = (program(timed.kind, seed) for _ in range(2))
        run_to(plain, end)
        broken.set_breakpoints(addresses)
        while (stop := broken.run(end)).reason != "horizon":
            broken.sleeping = False
            if stop.reason == "breakpoint" and broken.in_pair:
                opened += 1
                if opened % 8 == 0:
                    moved = program(timed.kind, seed)
                    moved.write(SMALL, broken.read(SMALL, SMALL_SIZE))
                    moved.bus = broken.bus
                    moved.restore(broken.snapshot())
                    moved.set_breakpoints(addresses)
                    broken = moved
        assert outcome(broken) == outcome(plain)
    assert opened > 16


def test_registers_and_memory_are_those_of_fast_timing(timed: Timed) -> None:
    """As long as no device is read, whose values here depend on the tick."""
    units = 0
    for seed in range(100, 120):
        slow, fast = (program(timed.kind, seed) for _ in range(2))
        fast.timing = "fast"
        for _ in range(200):
            slow.step()
            slow.sleeping = False
            while fast.instructions < slow.instructions:
                fast.step()
                fast.sleeping = False
            if any(row[0] == "read" for row in slow.bus.log):
                break
            assert fast.state() == slow.state()
            units += 1
        else:
            assert fast.ram_sha256() == slow.ram_sha256()
    assert units > 300


def test_skipped_loops_take_the_time_that_they_would(timed: Timed) -> None:
    """A poll of a leased register: pairs, stalls and all, but in no time of ours."""
    ends = []
    for skip in (False, True):
        timed.core.skip_loops = skip
        timed.put(CODE, "mov.l @r1,r0; tst #1,r0; bt .-4; synco; sleep")
        timed.core.timing = "fast"
        timed.core.timing = "sh4a"
        began = timed.enter(CODE, {"r1": DEVICE})
        timed.core.set_leases([(DEVICE, 4, 1 << 40, [(0, 0, 0, 0), (began + 5000, 1, 0, 0)])])
        before = timed.core.instructions + timed.core.skipped
        skipped = timed.core.skipped
        stop = timed.core.run(began + 100_000)
        assert stop.reason == "sleep"
        count = timed.core.instructions + timed.core.skipped - before
        ends.append((stop.tick - began, count))
        assert (timed.core.skipped - skipped > 100) is skip
    assert ends[0] == ends[1]


def test_iteration_with_a_miss_is_not_taken_for_the_next(timed: Timed) -> None:
    """Entered in its middle, the loop's first whole iteration misses once; all further ones hit."""
    ends = []
    for skip in (False, True):
        timed.core.timing = "fast"
        timed.core.timing = "sh4a"
        timed.core.skip_loops = skip
        timed.put(CODE, f"{LOAD}; mov.l @r5,r6; tst #1,r0; bt .-6; synco")
        began = timed.enter(CODE, {"r5": DATA + 0x100, "r0": 0, "r2": 0, "r6": 0})
        timed.core.set_state({"pc": CODE + 2})
        before = timed.core.instructions + timed.core.skipped
        stop = timed.core.run(began + 5000)
        ends.append((stop.tick - began, stop.pc, timed.core.instructions + timed.core.skipped - before))
    assert ends[0] == ends[1]


# Switching and snapshots ------------------------------------------------------------------------------------------


def test_timing_is_fast_unless_told(timed: Timed) -> None:
    core = make_core(timed.kind, (BASE, SIZE))
    assert core.timing == "fast"
    assert "timing" not in core.snapshot()
    with pytest.raises(ValueError, match='no timing \'slow\': timings are "fast" and "sh4a"'):
        core.timing = "slow"
    assert core.timing == "fast"


def test_the_same_timing_again_changes_nothing(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    timed.core.timing = "sh4a"
    assert timed.touch(LOAD, DATA) == [0]


def test_switching_begins_with_empty_caches(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    timed.core.timing = "fast"
    timed.put(CODE, "add #1,r3; mov r4,r5")
    began = timed.enter(CODE, {})
    assert [timed.core.step().tick - began for _ in range(2)] == [1, 2]
    timed.core.timing = "sh4a"
    assert timed.touch(LOAD, DATA) == [FILL]


def test_timing_cannot_be_set_in_a_callback(timed: Timed) -> None:
    def read(tick: int, address: int, size: int) -> int:
        timed.core.timing = "fast"
        return 0

    timed.bus.read = read  # type: ignore[method-assign]
    timed.put(CODE, "mov.l @r1,r2")
    timed.enter(CODE, {"r1": DEVICE})
    with pytest.raises(RuntimeError, match="timing set in a callback"):
        timed.core.step()


def test_snapshot_has_the_form_of_the_page(timed: Timed) -> None:
    timed.units(f"{LOAD}; add r2,r3", 2)
    timed.enter(CODE, {"r1": DATA})
    timed.core.step()
    timing = timed.core.snapshot()["timing"]
    assert set(timing) == {"model", "ready", "busy", "fetched", "open", "instruction", "operand"}
    ready = [0] * 39
    ready[2] = 2  # loaded at 0, due at 3; the clock is at 1
    assert (timing["model"], list(timing["ready"]), list(timing["busy"])) == ("sh4a", ready, [0, 0, 0])
    assert (list(timing["fetched"]), timing["open"]) == ([CODE, 32], 0)
    at = (DATA >> 5 & 255) * 16
    assert timing["operand"][at : at + 8] == (DATA & 0x1FFFFC00 | 1).to_bytes(4, "little") + bytes(4)
    assert (len(timing["instruction"]), len(timing["operand"])) == (4096, 4096)


def test_snapshot_of_pending_units(timed: Timed) -> None:
    timed.units("fdiv fr1,fr2; synco; movua.l @r1,r0", 3)
    timed.enter(CODE, {})
    for _ in range(3):
        timed.core.step()
    # MOVUA at 2 pairs with nothing: SYNCO is next
    timing = timed.core.snapshot()["timing"]
    # the clock is at 3: FDIV until 20, FE until 2, LS until 2 + 2; r0 due at 5, fr2 at 20
    assert list(timing["busy"]) == [17, 0, 1]
    assert (timing["ready"][0], timing["ready"][23 + 2]) == (2, 17)


def test_restore_sets_the_timing(timed: Timed) -> None:
    timed.touch(LOAD, DATA)
    warm = timed.core.snapshot()
    other = make_core(timed.kind, (BASE, SIZE))
    fast = other.snapshot()
    other.restore(warm)
    assert other.timing == "sh4a"
    assert other.snapshot() == warm
    other.restore(fast)
    assert other.timing == "fast"
    other.restore({**fast, "timing": None})
    assert other.timing == "fast"


def test_restore_refuses_what_is_no_timing(timed: Timed) -> None:
    warm = timed.core.snapshot()
    timing = warm["timing"]
    with pytest.raises(ValueError, match="timing of model 'other'"):
        timed.core.restore({**warm, "timing": {**timing, "model": "other"}})
    with pytest.raises(KeyError, match="snapshot lacks timing.busy"):
        timed.core.restore({**warm, "timing": {k: v for k, v in timing.items() if k != "busy"}})
    with pytest.raises(ValueError, match="38 of timing.ready; expected 39"):
        timed.core.restore({**warm, "timing": {**timing, "ready": [0] * 38}})
    assert timed.core.snapshot() == warm


def test_synco_is_one_instruction(timed: Timed) -> None:
    """The tests above rest on it."""
    assert assemble("synco") == b"\xab\x00"
    assert timed.units("synco; synco", 2) == [1, 2]
