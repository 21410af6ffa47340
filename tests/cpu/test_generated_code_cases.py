"""Cases in which generated code once differed from the interpreter, one test each: the native core with and without."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from assembler import assemble

from cpu_node import make_core

BASE, SIZE = 0x0C000000, 0x200000
LOOP, OTHER, VBR, MD = 0x8C002000, 0x8C010000, 0x8C000000, 0x40000000
MANY = 40_000  # more than there is room for blocks


def put(core: Any, address: int, source: str) -> None:
    core.write(address & 0x1FFFFFFF, assemble(source, address))


def same(run: Callable[[Any], Any]) -> Any:
    """What ``run`` gives on both; and that generated code had its part."""
    cores = [make_core("native", (BASE, SIZE)) for _ in range(2)]
    cores[0].hot, cores[1].hot = 0, 1
    plain, hot = run(cores[0]), run(cores[1])
    assert plain == hot
    assert cores[0].generated == 0 < cores[1].generated
    return plain


def test_a_call_of_address_0() -> None:
    """In user mode with FPSCR 0: an empty entry of the table of jumps looked like one for 0, and the host died."""

    def run(core: Any) -> Any:
        put(core, 0x0C002000, "jsr @r3; nop; dt r1; bf .-6; bra .+0; nop")
        put(core, 0x0C002100, "rts; nop")
        put(core, VBR + 0x100, "bra .+0; nop")
        core.set_state({"sr": 0, "pc": 0x0C002000, "r1": 30, "r3": 0x0C002100, "vbr": VBR, "fpscr": 0})
        core.run(60)
        core.set_state({"pc": 0x0C002000, "r1": 30, "r3": 0})
        core.run(1000)
        return core.state(), core.tick

    same(run)


@pytest.mark.parametrize("hot", [0, 1])
def test_ldtlb_of_a_small_page_at_the_top(hot: int) -> None:
    """Counting its pages by address went on for ever."""
    core = make_core("native", (BASE, SIZE))
    core.hot = hot
    put(core, LOOP, "ldtlb; nop; nop")
    core.set_state({"sr": MD, "pc": LOOP, "pteh": 0xFFFFFC00, "ptel": BASE | 0x16C})
    core.run(2)
    assert core.snapshot()["utlb"][0] == [0xFFFFFC00, BASE | 0x16C]


def test_a_breakpoint_at_another_address_of_compiled_code() -> None:
    def run(core: Any) -> Any:
        put(core, LOOP, "dt r1; bf .-2; jmp @r2; nop")
        core.set_breakpoints([LOOP + 0x20000000])
        core.set_state({"sr": MD, "pc": LOOP, "r1": 50, "r2": LOOP + 0x20000000})
        return core.run(1000)

    assert same(run).reason == "breakpoint"


@pytest.mark.parametrize("call", ["jsr @r3; nop; dt r1; bf .-6", "bra .+0x1000; nop; dt r1; bf .-6"])
def test_a_page_of_calls_set_after_code_there_was_compiled(call: str) -> None:
    def run(core: Any) -> Any:
        put(core, LOOP, call)
        put(core, LOOP + 0x1000, "rts; add #1,r4" if "jsr" in call else "bra .-4092; add #1,r4")
        core.set_state({"sr": MD, "pc": LOOP, "r1": 100_000, "r3": LOOP + 0x1000})
        core.run(1000)
        core.set_trap_page(LOOP + 0x1000, LOOP + 0x1FFF)
        return core.run(2000)

    assert same(run).reason == "trap"


def test_starting_anew_after_code_was_overwritten() -> None:
    """The instruction behind an entry came from a block that had been dropped."""

    def run(core: Any) -> Any:
        put(core, LOOP, "add #1,r4; dt r1; bf .-4; rts; nop")
        core.write(OTHER & 0x1FFFFFFF, assemble("bra .+4; nop", 0) * MANY + assemble("bra .+0; nop", 0))
        core.set_state({"sr": MD, "pc": LOOP, "r1": 50, "pr": OTHER})
        core.run(140)
        put(core, LOOP, "add #2,r4")
        core.set_state({"pc": LOOP, "r1": 50})
        core.run(280)
        core.set_state({"pc": OTHER})
        core.run(280 + 2 * MANY)
        core.set_state({"pc": LOOP, "r1": 1, "r4": 0})
        core.run(core.tick + 3)
        return core.state()

    assert same(run)["r4"] == 2


def test_starting_anew_for_a_mode_that_is_not_generated() -> None:
    """Room ran out while an entry was to be compiled for another mode, which then was not done."""

    def run(core: Any) -> Any:
        found = []
        core.write(OTHER & 0x1FFFFFFF, assemble("bra .+4; nop", 0) * MANY + assemble("bra .+0; nop", 0))
        put(core, VBR + 0x100, "add #1,r6; stc spc,r0; add #2,r0; ldc r0,spc; rte; nop")
        put(core, LOOP, "fldi1 fr5; dt r1; bf .-4; jmp @r2; nop")
        for fill in range(32_750, 32_775):
            last = OTHER + 4 * fill
            put(core, last, "bra .+0; nop")
            core.set_state({"sr": MD, "pc": OTHER, "r2": OTHER, "vbr": VBR})
            core.run(core.tick + 2 * fill + 4)
            put(core, last, "bra .+4; nop")
            put(core, LOOP, "fldi1 fr5")
            for sr, count, ticks in ((MD, 50, 150), (MD | 0x8000, 200, 900)):  # the second: FPU disabled
                core.set_state({"sr": sr, "pc": LOOP, "r1": count, "r6": 0, "fr5": 0, "r0": 0})
                core.run(core.tick + ticks)
            found.append(core.state())
        return found

    same(run)


def test_a_literal_on_another_page_misses() -> None:
    """T and the cause field must be right in the handler of the miss."""

    def run(core: Any) -> Any:
        at = 0x00400FF0
        code = assemble("fdiv fr0,fr1; cmp/eq r0,r0", at) + struct.pack("<H", 0xD205)  # mov.l 0x0040100c,r2
        core.write(0x0C002FF0, code + assemble("cmp/gt r0,r0; fadd fr2,fr3; rts; nop", at + 6))
        put(core, 0x8C004000, "jsr @r3; nop; dt r1; bf .-6; bra .+0; nop")
        put(core, VBR + 0x400, "bra .+0; nop")
        snapshot = core.snapshot()
        pages = [[0x00400000, 0x0C002000 | 0x17E], [0x00401000, 0x0C003000 | 0x17E]]
        registers = {"pc": 0x8C004000, "sr": MD, "r1": 20, "fpscr": 0x40000, "fr0": 0x40400000, "fr1": 0x3F800000}
        core.restore({**snapshot, "utlb": pages + [[0, 0]] * 62})
        core.set_state({**registers, "r3": at, "vbr": VBR, "mmucr": 1})
        core.run(core.tick + 200)
        snapshot = core.snapshot()
        core.restore({**snapshot, "utlb": [pages[0]] + [[0, 0]] * 63})
        core.set_state(registers)
        core.run(core.tick + 30)
        return core.state()

    state = same(run)
    assert state["expevt"] == 0x40 and state["ssr"] == MD | 1 and state["fpscr"] == 0x41004


@pytest.mark.parametrize("stride", [0x2000, 32])
def test_a_horizon_within_any_stall(stride: int) -> None:
    """Stores that miss and push out a dirty line: no stall may carry a block past the horizon."""

    def run(until: int) -> Callable[[Any], Any]:
        def go(core: Any) -> Any:
            put(core, LOOP, "mov.l r4,@r2; add r3,r2; dt r1; bf .-6; bra .-8; nop")
            core.timing = "sh4a"
            core.set_state({"sr": MD, "ccr": 0x105, "pc": LOOP, "r1": 1000, "r2": 0x8C020000, "r3": stride})
            core.run(4000)
            core.run(until)
            return core.state(), core.tick, core.snapshot()["timing"]

        return go

    for until in range(5000, 5160):
        same(run(until))


def test_the_order_of_use_of_the_instruction_cache() -> None:
    """Five functions in one set: which of them has to go depends on the order in which generated code fetched them."""

    def run(core: Any) -> Any:
        for k in range(5):
            put(core, 0x8C020400 + 0x2000 * k, "rts; nop")
        order = (0, 1, 2, 3, 0, 4, 1, 0, 2, 2, 3, 0, 4, 0)
        calls = "; ".join(f"mov #{k},r2; shll8 r2; shll2 r2; shll2 r2; shll r2; add r5,r2; jsr @r2; nop" for k in order)
        put(core, LOOP, calls + "; jmp @r6; nop")
        core.timing = "sh4a"
        core.set_state({"sr": MD, "ccr": 0x105, "pc": LOOP, "r5": 0x8C020400, "r6": LOOP})
        core.run(20_000)
        return core.state(), core.tick, core.instructions, core.snapshot()["timing"]

    same(run)


def test_an_access_in_the_slot_of_a_pair_whose_first_stalled() -> None:
    """It carries the tick at which the unit began, before the stall."""

    class Device:
        def __init__(self) -> None:
            self.ticks: list[int] = []

        def read(self, tick: int, paddr: int, size: int) -> int:
            self.ticks.append(tick)
            return 5

    def run(core: Any) -> Any:
        core.bus = device = Device()
        passes = "bra .+4; nop; " * 6  # what the interpreter takes over, it gives back
        put(core, LOOP, f"add r3,r1; nop; nop; nop; mov.l @r1,r2; bra .+6; mov.l @r5,r6; nop; nop; {passes} dt r4; nop")
        put(core, LOOP + 0x2E, "bra .-46; nop")
        core.timing = "sh4a"
        core.set_state({"sr": MD, "pc": LOOP, "ccr": 0x105, "r1": 0x8C020000, "r3": 32, "r4": 200, "r5": 0xB0000000})
        stop = core.run(40_000)
        assert len(device.ticks) > 100
        return stop, device.ticks, core.instructions

    same(run)


def test_a_breakpoint_on_the_second_of_a_pair_whose_first_stalled() -> None:
    """The block ends before the second; the unit began before the stall."""

    def run(core: Any) -> Any:
        put(core, LOOP, "add r3,r1; nop; nop; nop; mov.l @r1,r2; add #1,r6; dt r4; bf .-14; bra .+0; nop")
        core.timing = "sh4a"
        core.set_breakpoints([LOOP + 10])
        core.set_state({"sr": MD, "pc": LOOP, "ccr": 0x105, "r1": 0x8C020000, "r3": 32, "r4": 100})
        found = []
        while core.run(100_000).reason == "breakpoint":
            found.append((core.in_pair, core.tick, core.unit_tick, core.snapshot()["timing"]["open"]))
        assert len(found) == 100 and max(row[3] for row in found) > 20
        return found

    same(run)


def test_without_room_for_a_generator() -> None:
    """The interpreter does it all, and the core says so; the room comes back."""

    def run(core: Any) -> Any:
        put(core, LOOP, "add #1,r4; dt r1; bf .-4; bra .+0; nop")
        core.set_state({"sr": MD, "pc": LOOP, "r1": 1000})
        core.run(4000)
        return core.state(), core.tick

    cores = []
    while not cores or cores[-1].generates:
        cores.append(make_core("native", (BASE, 0x10000)))
        cores[-1].hot = 1
        assert len(cores) < 200
    assert run(cores[0]) == run(cores[-1])
    assert cores[0].generated > 0 == cores[-1].generated
    del cores
    assert make_core("native", (BASE, 0x10000)).generates
