"""The interface of a core (docs/reference/core.md), sentence by sentence, on both cores."""

from __future__ import annotations

import gc
import random
import struct
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from bench_core import BASE, BL, CODE, DATA, MD, RB, SIZE, VBR, Bench
from test_cores_agree import BASE as SMALL
from test_cores_agree import SIZE as SMALL_SIZE
from test_cores_agree import SKIP, random_code, random_snapshot
from test_cores_agree import Bus as ArithmeticBus

from cosim.state import STATE_NAMES, STATE_SIZE
from cpu_node import CoreError, make_core

REGISTER = 0xFFE00010  # a device's, in P4
OTHER = {"native": "python", "python": "native"}
# Reads a device register until bit 0 is set: a loop that skipping knows.
POLL = "mov.l @r1,r0; tst #1,r0; bt .-4"


# Making a core ----------------------------------------------------------------------------------------------


def test_unknown_kind_names_the_kinds() -> None:
    with pytest.raises(CoreError, match='no core \'fast\': cores are "native" and "python"'):
        make_core("fast")


@pytest.mark.parametrize(
    "ram", [(0x0C000001, 0x1000), (0x0C000000, 0x800), (0x0C000000, 0), (0x1BFFF000, 0x2000), (0, 1 << 40)]
)
def test_ram_is_whole_pages_below_control_space(kind: str, ram: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected whole 4 KB pages below physical 0x1c000000"):
        make_core(kind, ram)


def test_default_ram_is_128_mb_at_area_2(kind: str) -> None:
    core = make_core(kind)
    core.write(0x08000000, b"a")
    core.write(0x0FFFFFFF, b"z")
    assert core.read(0x08000000, 1) + core.read(0x0FFFFFFF, 1) == b"az"


def test_power_on_state(kind: str) -> None:
    core = make_core(kind, (BASE, SIZE))
    nonzero = {name: value for name, value in core.state().items() if value}
    assert nonzero == {"pc": 0xA0000000, "sr": 0x700000F0, "fpscr": 0x00040001}
    assert (core.tick, core.instructions, core.skipped, core.sleep_ticks, core.sleeping) == (0, 0, 0, 0, False)


def test_native_core_imports() -> None:
    """The extension is part of the package: without it the tests of the native core would not run."""
    import cpu_node._native

    assert cpu_node._native.Core(BASE, 0x1000).state()["pc"] == 0xA0000000


def test_python_core_works_without_the_native_extension() -> None:
    program = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "cpu_node._native":
            raise ModuleNotFoundError("hidden by the test", name=name)
sys.meta_path.insert(0, Blocker())
from cpu_node import CoreError, make_core
core = make_core("python", ram=({BASE}, {SIZE}))
core.write({BASE}, bytes.fromhex("07e001702b00"))  # mov #7,r0; add #1,r0
core.set_state({{"pc": 0x80000000 | {BASE}}})
core.step(); core.step()
assert core.state()["r0"] == 8 and "cpu_node._native" not in sys.modules
try:
    make_core("native")
except CoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "the native core is not built (hidden by the test): run `pip install -e .`" in done.stdout
    assert 'choose core = "python"' in done.stdout


def test_core_and_bus_that_hold_each_other_are_collected(kind: str) -> None:
    class Holder:
        core: Any

    bus = Holder()
    bus.core = make_core(kind, (BASE, 0x1000))
    bus.core.bus = bus
    gone = weakref.ref(bus)
    del bus
    gc.collect()
    assert gone() is None


# State --------------------------------------------------------------------------------------------------------


def test_state_is_named_32_bit_patterns_in_order(bench: Bench) -> None:
    state = bench.core.state()
    assert tuple(state) == STATE_NAMES
    assert all(0 <= value < 1 << 32 for value in state.values())


def test_every_register_of_the_state_can_be_set_and_read(bench: Bench) -> None:
    rng = random.Random(1)
    masks = {"sr": 0x700083F3, "fpscr": 0x003FFFFF}
    for _ in range(20):
        values = {name: rng.getrandbits(32) for name in STATE_NAMES}
        bench.core.set_state(values)
        assert bench.core.state() == {name: v & masks.get(name, 0xFFFFFFFF) for name, v in values.items()}


def test_set_state_takes_python_numbers_modulo_2_to_32(bench: Bench) -> None:
    bench.core.set_state({"r3": -1, "r4": (1 << 32) + 5})
    assert (bench.core.state()["r3"], bench.core.state()["r4"]) == (0xFFFFFFFF, 5)


def test_partial_set_state_leaves_the_rest(bench: Bench) -> None:
    before = bench.core.state()
    bench.core.set_state({"r5": 77})
    assert bench.core.state() == {**before, "r5": 77}


def test_r0_to_r7_are_the_bank_active_under_sr(bench: Bench) -> None:
    core = bench.core
    core.set_state({"sr": MD, **{f"r{k}": k for k in range(16)}, **{f"r{k}_bank": 100 + k for k in range(8)}})
    core.set_state({"sr": MD | RB})
    state = core.state()
    assert [state[f"r{k}"] for k in range(16)] == [*range(100, 108), *range(8, 16)]
    assert [state[f"r{k}_bank"] for k in range(8)] == list(range(8))
    core.set_state({"sr": RB})  # user mode: bank 0 whatever RB is
    assert core.state()["r3"] == 3


def test_fr_is_the_front_bank_under_fpscr_fr(bench: Bench) -> None:
    core = bench.core
    core.set_state({"fpscr": 0, **{f"fr{k}": k for k in range(16)}, **{f"xf{k}": 100 + k for k in range(16)}})
    core.set_state({"fpscr": 0x200000})
    state = core.state()
    assert [state[f"fr{k}"] for k in range(16)] == list(range(100, 116))
    assert [state[f"xf{k}"] for k in range(16)] == list(range(16))


@pytest.mark.parametrize("last", ["sr", "fpscr"])
def test_set_state_applies_sr_and_fpscr_first(bench: Bench, last: str) -> None:
    """Whatever the order of the dict: the names mean the banks of the new SR and FPSCR."""
    values = {"r0": 1, "r0_bank": 2, "fr0": 3, "xf0": 4, "sr": MD | RB, "fpscr": 0x200000}
    values[last] = values.pop(last)
    bench.core.set_state(values)
    state = bench.core.state()
    assert [state[n] for n in ("r0", "r0_bank", "fr0", "xf0")] == [1, 2, 3, 4]


def test_unknown_register_is_a_key_error_and_changes_nothing(bench: Bench) -> None:
    before = bench.core.state()
    with pytest.raises(KeyError, match="no register 'r16' in the state"):
        bench.core.set_state({"sr": MD | RB, "r1": 5, "r16": 1})
    assert bench.core.state() == before


def test_value_that_is_no_number_is_an_error_and_changes_nothing(bench: Bench) -> None:
    before = bench.core.state()
    with pytest.raises((TypeError, ValueError)):
        bench.core.set_state({"sr": MD | RB, "r1": "five"})
    assert bench.core.state() == before


def test_state_bytes_are_little_endian_words_in_order(bench: Bench) -> None:
    bench.core.set_state({name: 0x1000 + k for k, name in enumerate(STATE_NAMES)})
    raw = bench.core.state_bytes()
    assert dict(zip(STATE_NAMES, struct.unpack(f"<{len(STATE_NAMES)}I", raw), strict=True)) == bench.core.state()
    other = make_core(OTHER[bench.kind], (BASE, SIZE))
    other.set_state_bytes(raw)
    assert other.state_bytes() == raw
    with pytest.raises(ValueError, match=f"state of 3 bytes: expected {STATE_SIZE}"):
        bench.core.set_state_bytes(b"abc")


# RAM ----------------------------------------------------------------------------------------------------------


def test_read_and_write_by_physical_address(bench: Bench) -> None:
    bench.core.write(BASE + 3, b"hello")
    assert bench.core.read(BASE + 2, 7) == b"\0hello\0"
    assert bench.core.read(BASE + SIZE, 0) == b""


@pytest.mark.parametrize("address, n", [(BASE - 1, 1), (BASE + SIZE - 3, 4), (BASE + SIZE, 1), (0x8C000000, 4)])
def test_outside_ram_is_an_error_that_names_ram(bench: Bench, address: int, n: int) -> None:
    text = f"physical 0x{address:x}\\+0x{n:x} is outside RAM 0x{BASE:x}..0x{BASE + SIZE - 1:x}"
    with pytest.raises(ValueError, match=text):
        bench.core.read(address, n)
    with pytest.raises(ValueError, match=text):
        bench.core.write(address, bytes(n))


def test_write_replaces_code_that_was_decoded(bench: Bench) -> None:
    assert bench.go("mov #1,r0")["r0"] == 1
    assert bench.go("mov #2,r0")["r0"] == 2


def test_digest_of_ram(make_bench: Callable[[], Bench]) -> None:
    a, b = make_bench(), make_bench()
    assert a.core.ram_sha256() == b.core.ram_sha256()
    b.core.write(BASE + SIZE - 1, b"\x01")
    assert a.core.ram_sha256() != b.core.ram_sha256()


# Run and step -------------------------------------------------------------------------------------------------


def test_run_stops_at_the_first_boundary_at_or_past_the_tick(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; nop; bra .+4; nop; nop; nop")
    stop = bench.core.run(until=3)
    assert (stop.reason, stop.tick, stop.pc) == ("horizon", 3, CODE + 6)
    stop = bench.core.run(until=4)  # branch and slot are one unit
    assert (stop.reason, stop.tick, stop.pc) == ("horizon", 5, CODE + 10)
    assert bench.core.run(5) == ("horizon", 5, CODE + 10, "")
    assert bench.core.run(0) == ("horizon", 5, CODE + 10, "")
    assert (bench.core.tick, bench.core.instructions) == (5, 5)


def test_step_executes_one_instruction(bench: Bench) -> None:
    bench.put(CODE, "mov #1,r0; mov #2,r0")
    assert bench.core.step() == ("step", 1, CODE + 2, "")
    assert bench.core.state()["r0"] == 1


@pytest.mark.parametrize("branch", ["bra .+20", "bsr .+20", "bt.s .+20", "bf.s .+20", "jmp @r2", "rts", "rte"])
def test_step_on_a_branch_executes_branch_and_slot(bench: Bench, branch: str) -> None:
    target = CODE + 20
    state = bench.one(f"{branch}; mov #9,r0", r2=target, pr=target, spc=target, ssr=MD | (branch != "bf.s .+20"),
                      sr=MD | (branch != "bf.s .+20"))  # fmt: skip
    assert bench.stop == ("step", 2, target, "")
    assert state["r0"] == 9


def test_step_on_a_branch_without_slot_executes_it_alone(bench: Bench) -> None:
    state = bench.one("bt .+20; mov #9,r0", sr=MD | 1, r0=1)
    assert (bench.stop, state["r0"]) == (("step", 1, CODE + 20, ""), 1)


def test_tick_may_be_set_between_runs(bench: Bench) -> None:
    bench.put(CODE, "nop; nop")
    bench.core.tick = 1000
    assert bench.core.run(1001) == ("horizon", 1001, CODE + 2, "")
    assert bench.core.instructions == 1


def test_sleep_stops_and_then_passes_time(bench: Bench) -> None:
    bench.put(CODE, "nop; sleep; mov #1,r0")
    assert bench.core.run(100) == ("sleep", 2, CODE + 4, "")
    assert bench.core.sleeping
    assert bench.core.run(100) == ("horizon", 100, CODE + 4, "")
    assert bench.core.sleep_ticks == 98
    bench.core.sleeping = False
    bench.core.step()
    assert bench.core.state()["r0"] == 1


def test_reset_stops_and_says_why(bench: Bench) -> None:
    bench.put(CODE, "trapa #1")
    bench.core.set_state({"sr": MD | BL})
    stop = bench.core.run(100)
    assert (stop.reason, stop.tick, stop.pc) == ("reset", 1, 0xA0000000)
    assert stop.detail == (
        "exception 0x160 with SR.BL=1 (VBR 0x8c000000, TEA 0x00000000) at pc 0x8c001000, SR 0x50000000: "
        "the CPU resets (EXPEVT 0x020)"
    )


def test_run_in_a_callback_of_the_same_core_is_an_error(bench: Bench) -> None:
    class Again:
        def read(self, tick: int, address: int, size: int) -> int:
            bench.core.run(1000)
            return 0

    bench.core.bus = Again()
    bench.put(CODE, "mov.l @r1,r0")
    bench.core.set_state({"r1": REGISTER})
    with pytest.raises(RuntimeError, match=r"run\(\) or step\(\) in a callback of the same core"):
        bench.core.run(10)
    bench.core.bus = None
    assert bench.core.step().reason == "step"


# The bus ------------------------------------------------------------------------------------------------------


def test_bus_sees_start_tick_address_size_and_value(bench: Bench) -> None:
    bench.bus.values[REGISTER] = 0x12345678
    bench.go("nop; mov.l @r1,r2; mov.w @r1,r3; mov.b r4,@r1; bra .+4; mov.l r4,@r1", r1=REGISTER, r4=0xABCDEF01)
    assert bench.bus.log == [
        ("read", 1, REGISTER, 4), ("read", 2, REGISTER, 2), ("write", 3, REGISTER, 1, 0x01),
        ("write", 4, REGISTER, 4, 0xABCDEF01),
    ]  # fmt: skip
    state = bench.core.state()
    assert (state["r2"], state["r3"]) == (0x12345678, 0x5678)


def test_unit_being_executed_is_known_in_a_callback(bench: Bench) -> None:
    seen = []

    class Look:
        def write(self, tick: int, address: int, size: int, value: int) -> None:
            seen.append((bench.core.unit_pc, bench.core.unit_tick, tick))

    bench.core.bus = Look()
    bench.go("nop; mov.l r1,@r1; bra .+4; mov.l r1,@r1", r1=REGISTER)
    assert seen == [(CODE + 2, 1, 1), (CODE + 4, 2, 2)]


def test_without_a_bus_reads_give_zero(bench: Bench) -> None:
    bench.core.bus = None
    assert bench.go("mov.l @r1,r0; mov.l r1,@r1", r1=REGISTER, r0=7)["r0"] == 0


@pytest.mark.parametrize("access", ["mov.l @r1,r2", "mov.l r2,@r1", "bra .+4; mov.l @r1,r2", "jmp @r1; nop"])
def test_exception_of_a_bus_callback_propagates(bench: Bench, access: str) -> None:
    class Broken:
        def read(self, *args: int) -> int:
            raise OSError("device is gone")

        write = read

    bench.core.bus = Broken()
    bench.put(CODE, f"nop; nop; {access}")
    bench.core.set_state({"r1": REGISTER if access != "jmp @r1; nop" else 0xB0000000})
    with pytest.raises(OSError, match="device is gone"):
        bench.core.run(100)
    # the core stands at the start of the unit that failed, and goes on from there
    if access == "jmp @r1; nop":
        assert (bench.core.tick, bench.core.state()["pc"]) == (4, 0xB0000000)
        return
    assert (bench.core.tick, bench.core.instructions, bench.core.state()["pc"]) == (2, 2, CODE + 4)
    bench.core.bus = bench.bus
    bench.core.step()
    assert len(bench.bus.log) == 1


def test_value_of_the_bus_that_is_no_number_is_an_error(bench: Bench) -> None:
    bench.bus.values[REGISTER] = "four"  # type: ignore[assignment]
    bench.put(CODE, "mov.l @r1,r2")
    bench.core.set_state({"r1": REGISTER})
    with pytest.raises((TypeError, ValueError)):
        bench.core.run(100)


def test_limit_in_a_callback_lowers_the_horizon(bench: Bench) -> None:
    class Limiting:
        def write(self, tick: int, address: int, size: int, value: int) -> None:
            bench.core.limit(value)

    bench.core.bus = Limiting()
    bench.put(CODE, "nop; mov.l r2,@r1;" + "nop;" * 50)
    bench.core.set_state({"r1": REGISTER, "r2": 7})
    assert bench.core.run(40) == ("horizon", 7, CODE + 14, "")
    bench.put(CODE, "nop; mov.l r2,@r1;" + "nop;" * 50)
    bench.core.set_state({"pc": CODE, "r2": 3})  # in the past: the next boundary
    assert bench.core.run(40).tick == 9
    bench.core.set_state({"pc": CODE, "r2": 1000})  # never raises it
    assert bench.core.run(40).tick == 40


def test_limit_in_the_slot_of_a_loop_ends_it(bench: Bench) -> None:
    class Limiting:
        def read(self, tick: int, address: int, size: int) -> int:
            if tick > 50:
                bench.core.limit(60)
            return 0

    bench.core.bus = Limiting()
    bench.put(CODE, "bra .+0; mov.l @r1,r2")
    bench.core.set_state({"r1": REGISTER})
    assert bench.core.run(10_000).tick == 60


def test_callback_may_write_code_that_follows(bench: Bench) -> None:
    class Loader:
        def read(self, tick: int, address: int, size: int) -> int:
            bench.put(CODE + 2, "mov #5,r0; sleep")
            return 3

        def write(self, *access: int) -> None:
            pass

    bench.core.bus = Loader()
    for text in ("mov.l @r1,r2", "ldc.l @r1+,gbr", "xor.b #1,@(r0,gbr)"):
        state = bench.go(f"{text}; mov #1,r0; mov #1,r0; mov #1,r0", r1=REGISTER, r0=0, gbr=REGISTER)
        assert (state["r0"], state["pc"]) == (5, CODE + 6)


def test_callback_may_set_breakpoints(bench: Bench) -> None:
    class Breaking:
        def read(self, tick: int, address: int, size: int) -> int:
            bench.core.set_breakpoints([CODE + 6])
            return 3

    bench.core.bus = Breaking()
    bench.put(CODE, "nop; ldc.l @r1+,gbr;" + "nop;" * 20)
    bench.core.set_state({"r1": REGISTER})
    assert bench.core.run(10) == ("breakpoint", 3, CODE + 6, "")
    assert bench.core.state()["gbr"] == 3


# The hook -----------------------------------------------------------------------------------------------------


def test_hook_observes_each_access(bench: Bench) -> None:
    seen: list[tuple[Any, ...]] = []
    bench.core.hook = lambda *access: seen.append(access)
    bench.words(DATA, 0x11223344)
    state = bench.go("mov.l @r1,r2; mov.b r2,@r3; mov.w @r4,r5", r1=DATA, r3=DATA + 4, r4=REGISTER)
    code, data = CODE & 0x1FFFFFFF, DATA & 0x1FFFFFFF
    assert seen == [
        ("fetch", code, 2, 0), ("read", data, 4, 0),
        ("fetch", code + 2, 2, 0), ("write", data + 4, 1, 0x44),
        ("fetch", code + 4, 2, 0), ("read", REGISTER, 2, 0),
        ("fetch", code + 6, 2, 0),
    ]  # fmt: skip
    assert (state["r2"], bench.long(DATA + 4)) == (0x11223344, 0x44)
    bench.core.hook = None
    del seen[:]
    bench.go("mov.l @r1,r2", r1=DATA)
    assert seen == []


def test_hook_serves_an_access(bench: Bench) -> None:
    def serve(access: str, address: int, size: int, value: int) -> int | None:
        if access == "fetch" and address == (CODE + 2 & 0x1FFFFFFF):
            return 0xE309  # mov #9,r3
        return {"read": 0x1FF, "write": 0}.get(access)

    bench.core.hook = serve
    state = bench.go("mov.b @r1,r2; nop; mov.l r1,@r1", r1=DATA)
    assert (state["r2"], state["r3"]) == (0xFFFFFFFF, 9)
    assert bench.long(DATA) == 0  # the write was served: RAM has not seen it
    assert bench.bus.log == []


def test_hook_sees_the_eight_words_of_a_store_queue(bench: Bench) -> None:
    seen = []
    bench.core.hook = lambda access, address, size, value: (
        seen.append((address, value)) if access == "write" and address < 0xE0000000 else None
    )
    bench.go("mov.l r2,@r1; pref @r1", r1=0xE0000000, r2=5)
    assert seen == [(4 * k, 5 if k == 0 else 0) for k in range(8)]


def test_exception_of_the_hook_propagates(bench: Bench) -> None:
    def broken(*access: Any) -> None:
        raise OSError("no more")

    bench.core.hook = broken
    with pytest.raises(OSError, match="no more"):
        bench.core.run(10)
    bench.core.hook = None
    assert (bench.core.tick, bench.core.state()["pc"]) == (0, CODE)


def test_hook_sees_every_iteration_of_a_loop(bench: Bench) -> None:
    reads = []
    bench.core.hook = lambda access, *rest: reads.append(rest) if access == "read" else None
    bench.put(CODE, POLL)
    bench.core.set_state({"r1": DATA})
    bench.core.run(300)
    assert (len(reads), bench.core.skipped) == (100, 0)


# Interrupts -----------------------------------------------------------------------------------------------------


def test_interrupt_stops_and_accept_enters_it(bench: Bench) -> None:
    bench.put(CODE, "nop;" * 10)
    bench.core.run(2)
    bench.core.set_irq(5, 0x580)
    assert bench.core.run(100) == ("interrupt", 2, CODE + 4, "")
    bench.core.set_state({"r15": 0x1234})
    bench.core.accept()
    state = bench.core.state()
    assert (state["pc"], state["intevt"], state["expevt"]) == (VBR + 0x600, 0x580, 0)
    assert (state["spc"], state["ssr"], state["sgr"]) == (CODE + 4, MD, 0x1234)
    assert state["sr"] == MD | RB | BL
    assert bench.core.tick == 2


@pytest.mark.parametrize("level, mask, accepted", [(1, 0, True), (5, 5, False), (6, 5, True), (15, 15, False),
                                                   (16, 15, True), (0, 0, False)])  # fmt: skip
def test_interrupt_needs_a_level_above_imask(bench: Bench, level: int, mask: int, accepted: bool) -> None:
    bench.put(CODE, "nop;" * 10)
    bench.core.set_state({"sr": MD | mask << 4})
    bench.core.set_irq(level, 0x240)
    assert bench.core.run(5).reason == ("interrupt" if accepted else "horizon")


def test_interrupt_waits_while_bl_is_set(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; ldc r1,sr; nop; nop")
    bench.core.set_state({"sr": MD | BL, "r1": MD})
    bench.core.set_irq(16, 0x1C0)
    assert bench.core.run(100) == ("interrupt", 3, CODE + 6, "")


@pytest.mark.parametrize("bl", [0, BL])
def test_sleep_wakes_for_a_request_above_imask_whatever_bl_is(bench: Bench, bl: int) -> None:
    bench.put(CODE, "sleep; nop")
    bench.core.set_state({"sr": MD | bl | 3 << 4})
    assert bench.core.run(10).reason == "sleep"
    bench.core.set_irq(3, 0x580)
    assert bench.core.run(20) == ("horizon", 20, CODE + 2, "")
    bench.core.set_irq(4, 0x580)
    assert bench.core.run(30) == ("interrupt", 20, CODE + 2, "")
    bench.core.accept()
    assert not bench.core.sleeping
    assert bench.core.state()["spc"] == CODE + 2  # the instruction behind SLEEP
    bench.core.set_irq(0, 0)
    bench.put(VBR + 0x600, "nop; nop")
    assert bench.core.run(22).reason == "horizon"
    assert bench.core.instructions == 3


def test_interrupt_raised_by_a_callback_counts_at_the_next_boundary(bench: Bench) -> None:
    class Raising:
        def write(self, tick: int, address: int, size: int, value: int) -> None:
            bench.core.set_irq(value, 0x700)

    bench.core.bus = Raising()
    bench.put(CODE, "nop; bra .+6; mov.l r2,@r1; nop; nop; nop")
    bench.core.set_state({"r1": REGISTER, "r2": 1})
    assert bench.core.run(40) == ("interrupt", 3, CODE + 8, "")


def test_step_gives_the_interrupt_first(bench: Bench) -> None:
    bench.put(CODE, "nop")
    bench.core.set_irq(1, 0x700)
    assert bench.core.step() == ("interrupt", 0, CODE, "")


# Vectors, trap page, breakpoints --------------------------------------------------------------------------------


def test_vectors_of_spumone_replace_vbr_and_charge(bench: Bench) -> None:
    core = bench.core
    core.set_vectors(0x8C040000, 11, 22, 33)
    state = bench.one("trapa #1")
    assert (state["pc"], core.tick, core.instructions) == (0x8C040100, 1 + 11, 1)
    state = bench.one("mov.l @r1,r0", sr=MD, r1=0, mmucr=1)
    assert (state["pc"], core.tick, state["expevt"]) == (0x8C040400, 12 + 1 + 22, 0x40)
    core.set_irq(1, 0x700)
    core.set_state({"sr": MD, "mmucr": 0})
    core.accept()
    assert (core.state()["pc"], core.tick) == (0x8C040600, 35 + 33)
    core.set_irq(0, 0)
    core.set_vectors(None)
    state = bench.one("trapa #1", sr=MD)
    assert (state["pc"], core.tick) == (VBR + 0x100, 69)


def test_trap_page_is_entered_only_through_privileged_p1(bench: Bench) -> None:
    page = 0x8C002000
    bench.core.set_trap_page(page, page + 0xFFF)
    bench.put(page + 0x10, "nop; nop")
    jump = "jmp @r1; nop"
    bench.one(jump, r1=page + 0x10)
    assert bench.core.run(100) == ("trap", 2, page + 0x10, "")
    assert bench.core.step() == ("trap", 2, page + 0x10, "")  # until the PC is moved
    bench.one(jump, r1=page + 0x10 & 0x1FFFFFFF)  # P0, MMU off: an ordinary fetch
    assert bench.core.step().reason == "step"
    bench.one(jump, r1=page + 0x10 | 0x20000000)  # P2
    assert bench.core.step().reason == "step"
    bench.one(jump, at=CODE & 0x1FFFFFFF, sr=0, r1=page + 0x10)  # user mode: an address error
    assert (bench.core.step().reason, bench.core.state()["expevt"]) == ("step", 0xE0)
    bench.one(jump, sr=MD, r1=page + 0x10)
    bench.core.set_trap_page(None)
    assert bench.core.step().reason == "step"


def test_trap_page_is_reached_by_running_into_it(bench: Bench) -> None:
    page = 0x8C002000
    bench.put(page - 6, "nop; nop; nop; nop")
    bench.core.set_state({"pc": page - 6})
    bench.core.run(2)
    bench.core.set_trap_page(page, page + 0xFFF)
    assert bench.core.run(100) == ("trap", 3, page, "")


@pytest.mark.parametrize("first, last", [(0x8C002010, 0x8C002FFF), (0x8C002000, 0x8C002FFE), (0x8C003000, 0x8C002FFF)])
def test_trap_page_is_whole_pages(bench: Bench, first: int, last: int) -> None:
    with pytest.raises(ValueError, match="expected whole 4 KB pages"):
        bench.core.set_trap_page(first, last)


def test_breakpoint_is_reported_once(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; nop; nop; bra .-8; nop")
    bench.core.set_breakpoints([CODE + 4])
    assert bench.core.run(100) == ("breakpoint", 2, CODE + 4, "")
    assert bench.core.run(100) == ("breakpoint", 8, CODE + 4, "")
    assert bench.core.step() == ("step", 9, CODE + 6, "")
    bench.core.set_breakpoints([])
    assert bench.core.run(100).reason == "horizon"


def test_breakpoints_in_a_row_and_at_a_branch(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; bra .+0; nop")
    bench.core.set_breakpoints([CODE, CODE + 2, CODE + 4])
    places = [(s.reason, s.tick, s.pc) for s in (bench.core.run(20) for _ in range(4))]
    assert places == [("breakpoint", t, p) for t, p in ((0, CODE), (1, CODE + 2), (2, CODE + 4), (4, CODE + 4))]


def test_breakpoint_in_a_delay_slot_is_no_boundary(bench: Bench) -> None:
    bench.put(CODE, "bra .+8; nop; nop; nop; nop; nop")
    bench.core.set_breakpoints([CODE + 2])
    assert bench.core.run(4).reason == "horizon"


def test_breakpoint_is_a_virtual_address(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; nop")
    bench.core.set_breakpoints([CODE + 2 | 0x20000000])
    assert bench.core.run(3).reason == "horizon"
    bench.core.set_state({"pc": CODE | 0x20000000})
    assert bench.core.run(9).reason == "breakpoint"


# Leases and loop skipping ---------------------------------------------------------------------------------------


def test_leased_reads_are_served_here_and_reported(bench: Bench) -> None:
    core = bench.core
    core.set_leases([(REGISTER, 2, 1000, [(0, 0x60, 0, 0), (4, 0x21, 0, 0)])])
    state = bench.go("mov.w @r1,r2; nop; nop; nop; mov.w @r1,r3; mov.b @r1,r4", r1=REGISTER)
    assert (state["r2"], state["r3"]) == (0x60, 0x21)
    assert bench.bus.log == [("read", 5, REGISTER, 1)]  # another size is the bus's
    assert core.leased_reads == 2
    assert core.take_lease_reads() == [(REGISTER, 0x61, 4, 2)]
    assert core.take_lease_reads() == []


def test_lease_of_a_counter_is_a_function_of_time(bench: Bench) -> None:
    bench.core.set_leases([(REGISTER, 4, 1000, [(0, 100, 3, -1)])])
    state = bench.go("mov.l @r1,r2; nop; nop; mov.l @r1,r3; nop; nop; nop; mov.l @r1,r4", r1=REGISTER)
    assert (state["r2"], state["r3"], state["r4"]) == (100, 99, 98)
    bench.core.set_leases([(REGISTER, 4, 1 << 40, [(0, 0, 1, -1)])])
    bench.core.tick = 1000
    assert bench.go("mov.l @r1,r2", r1=REGISTER)["r2"] == (-1000) & 0xFFFFFFFF


def test_lease_is_void_before_its_first_segment_and_from_its_expiry(bench: Bench) -> None:
    bench.core.set_leases([(REGISTER, 4, 3, [(1, 7, 0, 0)])])
    bench.bus.values[REGISTER] = 50
    state = bench.go("mov.l @r1,r2; mov.l @r1,r3; mov.l @r1,r4; mov.l @r1,r5", r1=REGISTER)
    assert [state[r] for r in ("r2", "r3", "r4", "r5")] == [50, 7, 7, 50]


def test_leases_can_be_added_dropped_and_replaced(bench: Bench) -> None:
    core = bench.core
    rows = [(REGISTER + 4 * k, 4, 1000, [(0, k + 1, 0, 0)]) for k in range(3)]
    program = "mov.l @r1,r2; mov.l @(4,r1),r3; mov.l @(8,r1),r4"
    core.set_leases(rows[:1])
    core.add_leases(rows[1:])
    state = bench.go(program, r1=REGISTER)
    assert [state[r] for r in ("r2", "r3", "r4")] == [1, 2, 3]
    core.drop_leases(REGISTER + 2, REGISTER + 4)
    state = bench.go(program, r1=REGISTER)
    assert [state[r] for r in ("r2", "r3", "r4")] == [1, 0, 3]
    # what a dropped lease has served stays known
    assert sorted(core.take_lease_reads()) == [
        (REGISTER, 1, 4, 2), (REGISTER + 4, 2, 1, 1), (REGISTER + 8, 3, 6, 2),
    ]  # fmt: skip
    core.set_leases([])
    assert [bench.go(program, r1=REGISTER)[r] for r in ("r2", "r3", "r4")] == [0, 0, 0]


@pytest.mark.parametrize("rows", [[1], [(1, 2)], [(1, 4, 5, 6)], [(1, 4, 5, [1])], [(1, 4, 5, [(1, 2)])]])
def test_malformed_lease_is_an_error(bench: Bench, rows: list[Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        bench.core.set_leases(rows)


def _polls(bench: Bench, skip: bool, until: int = 100_000) -> tuple[Any, ...]:
    core = bench.core
    core.skip_loops = skip
    core.set_leases([(REGISTER, 4, 90_000, [(0, 0, 0, 0), (50_001, 2, 0, 0)])])
    bench.bus.values[REGISTER] = 0
    bench.put(CODE, POLL)
    core.set_state({"r1": REGISTER})
    stop = core.run(until)
    reads = [row[:2] for row in core.take_lease_reads()]
    return stop, core.state_bytes(), core.instructions + core.skipped, reads, bench.bus.log


def test_loop_skipping_changes_no_result(make_bench: Callable[[], Bench]) -> None:
    skipping, plain = make_bench(), make_bench()
    assert _polls(skipping, True) == _polls(plain, False)
    assert plain.core.skipped == 0
    assert skipping.core.skipped > 80_000  # up to the change of the lease, and up to its end


def test_loop_that_reads_the_bus_is_not_skipped(bench: Bench) -> None:
    bench.put(CODE, POLL)
    bench.core.set_state({"r1": REGISTER})
    bench.core.run(3000)
    assert (bench.core.skipped, len(bench.bus.log)) == (0, 1000)


def test_loop_that_reads_ram_or_jumps_to_itself_is_skipped(bench: Bench) -> None:
    bench.put(CODE, POLL)
    bench.core.set_state({"r1": DATA})
    stop = bench.core.run(1_000_000)
    assert (stop.tick, bench.core.instructions + bench.core.skipped) == (1_000_000, 1_000_000)
    assert bench.core.skipped > 999_000
    bench.put(CODE, "bra .+0; nop")
    bench.core.set_state({"pc": CODE})
    before = bench.core.instructions
    bench.core.run(2_000_001)
    assert (bench.core.tick, bench.core.instructions - before < 100) == (2_000_002, True)


@pytest.mark.parametrize(
    "body", ["dt r2", "mov.l r2,@r3", "mov.l @r1+,r2", "add #1,r2", "mac.l @r1+,@r3+", "addc r3,r2", "fadd fr1,fr2"]
)
def test_loop_that_changes_something_is_not_skipped(bench: Bench, body: str) -> None:
    bench.put(CODE, f"{body}; bra .-2; nop")
    bench.core.set_state({"r1": DATA, "r2": 5, "r3": DATA + 0x4000, "fr1": 0x3F800000, "macl": 1})
    bench.core.run(3000)
    assert bench.core.skipped == 0


def test_loop_is_not_skipped_over_a_breakpoint_set_later(bench: Bench) -> None:
    bench.put(CODE, "nop; nop; bra .-4; nop")
    bench.core.run(101)
    bench.core.set_breakpoints([CODE + 2])
    stop = bench.core.run(10_000)
    assert (stop.reason, stop.pc) == ("breakpoint", CODE + 2)
    assert stop.tick < 110


def test_loop_is_not_skipped_after_a_lease_is_dropped(bench: Bench) -> None:
    bench.core.set_leases([(REGISTER, 4, 1 << 40, [(0, 0, 0, 0)])])
    bench.put(CODE, POLL)
    bench.core.set_state({"r1": REGISTER})
    bench.core.run(1001)
    bench.core.drop_leases(0, 0xFFFFFFFF)
    bench.core.run(2000)
    assert len(bench.bus.log) == pytest.approx(333, abs=2)


def test_loop_takes_no_longer_after_the_tick_was_set(bench: Bench) -> None:
    """Time that passed outside is not part of an iteration."""
    bench.put(CODE, "nop; bra .-2; nop")
    bench.core.run(100)
    bench.core.tick += 1000
    bench.core.run(10_000)
    assert bench.core.instructions + bench.core.skipped == bench.core.tick - 1000


# In one go or in pieces, on one core or on two ------------------------------------------------------------------


def _program(seed: int) -> tuple[bytes, dict[str, Any]]:
    rng = random.Random(seed)
    code = bytearray(random_code(rng, SMALL_SIZE // 2))
    for vector in (0x100, 0x400, 0x600):
        code[vector : vector + len(SKIP)] = SKIP
    return bytes(code), random_snapshot(rng, 0)


def _start(kind: str, code: bytes, entry: dict[str, Any]) -> Any:
    core = make_core(kind, (SMALL, SMALL_SIZE))
    core.bus = ArithmeticBus()
    core.write(SMALL, code)
    core.restore(entry)
    core.set_vectors(VBR, 5, 3, 7)
    return core


def _requests(seed: int, until: int) -> list[tuple[int, int, int]]:
    """(tick, level, INTEVT) from outside."""
    rng = random.Random(seed)
    return sorted((rng.randrange(until), rng.choice((0, 3, 9, 15)), 0x200 + 0x20 * rng.randrange(20)) for _ in range(8))


def _request(core: Any, level: int, intevt: int) -> None:
    core.bus.request = (level, intevt)
    core.set_irq(level, intevt)


def _run_to(core: Any, until: int) -> None:
    """Run like a machine: interrupts are accepted, a sleep goes on."""
    while core.tick < until:
        stop = core.run(until)
        if stop.reason == "interrupt":
            _request(core, 0, 0)
            core.accept()


def _everything(core: Any) -> tuple[Any, ...]:
    snapshot = core.snapshot()
    snapshot["instructions"] += snapshot.pop("skipped")
    return snapshot, core.ram_sha256(), core.bus.log


@pytest.mark.parametrize("seed", range(6))
def test_run_in_one_go_or_in_slices_is_the_same(kind: str, seed: int) -> None:
    code, entry = _program(seed)
    whole, sliced, slow = (_start(kind, code, entry) for _ in range(3))
    slow.skip_loops = False
    rng = random.Random(seed)
    for tick, level, intevt in [*_requests(seed, 3000), (3000, 0, 0)]:
        for core in (whole, slow):
            _run_to(core, tick)
        while sliced.tick < tick:
            _run_to(sliced, min(tick, sliced.tick + rng.randrange(1, 60)))
        for core in (whole, sliced, slow):
            _request(core, level, intevt)
        assert _everything(sliced) == _everything(whole)
        assert _everything(slow) == _everything(whole)
    assert slow.skipped == 0


@pytest.mark.parametrize("seed", range(6, 12))
def test_single_units_are_the_same_as_a_run(kind: str, seed: int) -> None:
    code, entry = _program(seed)
    whole, stepped = _start(kind, code, entry), _start(kind, code, entry)
    ticks = [0]
    while stepped.tick < 1000:
        if stepped.step().reason == "sleep":
            whole.run(stepped.tick)
            stepped.sleeping = whole.sleeping = False
        ticks.append(stepped.tick)
    _run_to(whole, ticks[-1])
    assert _everything(whole) == _everything(stepped)
    assert all(b - a in (1, 2, 4, 5, 6, 7) for a, b in zip(ticks, ticks[1:], strict=False))


@pytest.mark.parametrize("seed", range(20, 24))
def test_snapshot_moves_between_the_cores_at_any_point(seed: int) -> None:
    code, entry = _program(seed)
    stays = _start("native", code, entry)
    moves = _start("native", code, entry)
    rng, here, requests = random.Random(seed), "native", _requests(seed, 2000)
    for tick, level, intevt in [*requests, (2000, 0, 0)]:
        _run_to(stays, tick)
        while moves.tick < tick:
            _run_to(moves, min(tick, moves.tick + rng.randrange(1, 100)))
            here = OTHER[here]
            successor = _start(here, moves.read(SMALL, SMALL_SIZE), moves.snapshot())
            successor.bus.log = moves.bus.log
            _request(successor, *getattr(moves.bus, "request", (0, 0)))
            moves = successor
        for core in (stays, moves):
            _request(core, level, intevt)
        assert _everything(moves) == _everything(stays)


def test_snapshot_is_plain_data_and_equal_on_both_cores(bench: Bench) -> None:
    bench.page(3, 0x00400000, BASE)
    bench.store(0xE0000004, 0x77)
    bench.store(0xFF200020, 5)
    bench.core.set_state({"r1": DATA})
    bench.one("movli.l @r1,r0")
    snapshot = bench.core.snapshot()
    other = make_core(OTHER[bench.kind], (BASE, SIZE))
    other.restore(snapshot)
    assert other.snapshot() == snapshot
    assert set(map(type, snapshot.values())) == {bytes, list, int, bool}
    assert (other.tick, other.instructions) == (bench.core.tick, bench.core.instructions)


def test_snapshot_keeps_the_link_and_sleep(bench: Bench) -> None:
    bench.go("movli.l @r1,r0", r1=DATA)
    other = make_core(OTHER[bench.kind], (BASE, SIZE))
    other.write(BASE, bench.core.read(BASE, SIZE))
    other.restore(bench.core.snapshot())
    assert other.sleeping
    other.sleeping = False
    other.write(CODE + 4 & 0x1FFFFFFF, struct.pack("<H", 0x0173))  # movco.l r0,@r1
    other.step()
    assert other.state()["sr"] & 1


def test_incomplete_snapshot_names_what_is_missing(bench: Bench) -> None:
    snapshot = bench.core.snapshot()
    for key in snapshot:
        with pytest.raises(KeyError, match=f"snapshot lacks {key}"):
            bench.core.restore({k: v for k, v in snapshot.items() if k != key})
    with pytest.raises(ValueError, match="snapshot: 63 rows of utlb; expected 64"):
        bench.core.restore({**snapshot, "utlb": snapshot["utlb"][:63]})
