"""core.profile: what is counted to which row, and that nothing else is different."""

from __future__ import annotations

import ctypes
import gc
import re
import weakref
from pathlib import Path

import pytest
from bench_core import CODE, DATA, MD, MMUCR, SIZES, Bench

from cosim.activity import NOW, Row, doing
from cpu_node import make_core
from cpu_node.profile import NATIVE, Profile

PTEL_V = 0x100
ENOUGH = 40  # samples that a share of more than a half is taken of
COMPUTE = "add #1,r0; add r0,r1; bra .-4; xor r1,r2"
ASK = "mov.l @r4,r0; add #1,r1; bra .-4; nop"


@pytest.fixture(autouse=True)
def stopped():
    """No test leaves a profile running."""
    yield
    if Profile._running is not None:
        Profile._running.stop()


def shares(bench: Bench, ticks: int, enough: int = ENOUGH) -> dict[str, float]:
    """Run on, ``ticks`` at a time, until there are enough samples of a busy thread; share by row, of these.

    ``ticks`` are to take some 40 ms, so that little is between the runs.
    """
    profile = bench.core.profile
    profile.start()
    while True:
        bench.core.run(bench.core.tick + ticks)
        samples = {row["name"]: row["samples"] for row in profile.read()["rows"]}
        busy = sum(samples.values()) - samples.pop("standing")
        if busy >= enough:
            profile.stop()
            return {name: n / busy for name, n in samples.items()}


def begin(bench: Bench, source: str, **state: int) -> None:
    bench.put(CODE, source)
    bench.core.set_state({**state, "pc": CODE})


def test_rows_of_c_are_those_of_python():
    header = (Path(__file__).resolve().parents[2] / "cpu_node" / "native" / "profile.h").read_text()
    names = re.findall(r"ROW_(\w+)", re.search(r"enum activity \{(.*?)\}", header, re.S)[1])
    assert names == [*Row.__members__]


class TestRows:
    def test_seconds_and_samples_add_up(self, bench):
        begin(bench, COMPUTE)
        shares(bench, 100_000)
        found = bench.core.profile.read()
        assert sum(row["samples"] for row in found["rows"]) == found["samples"] >= ENOUGH
        assert sum(row["seconds"] for row in found["rows"]) == pytest.approx(found["wall_s"])
        assert sum(row["share"] for row in found["rows"]) == pytest.approx(1)
        assert found["wall_s"] >= found["cpu_s"] * 0.99 > 0

    def test_without_a_sample_all_is_the_rest(self, bench):
        found = bench.core.profile.read()
        assert {row["name"]: row["share"] for row in found["rows"] if row["share"]} == {"other": 1}

    def test_which_rows_a_core_has(self, bench, kind):
        names = {row["name"] for row in bench.core.profile.read()["rows"]}
        left_out = set() if kind == "native" else {row.name.lower() for row in NATIVE}
        assert names == {row.name.lower() for row in Row} - left_out

    def test_computing(self, bench, kind):
        begin(bench, COMPUTE)
        if kind == "native":
            bench.core.hot = 0
        assert shares(bench, 20_000_000 if kind == "native" else 100_000)["interpreter"] > 0.6

    def test_generated_code(self):
        bench = Bench("native")
        if not bench.core.generates:
            pytest.skip("no generated code on this host")
        begin(bench, COMPUTE)
        assert shares(bench, 400_000_000)["generated"] > 0.6

    def test_the_timing_model(self):
        bench = Bench("native")
        bench.core.hot, bench.core.timing = 0, "sh4a"
        begin(bench, COMPUTE)
        assert shares(bench, 4_000_000)["timed_interpreter"] > 0.6

    def test_caches(self):
        """Lines that lie a way's size apart: each load looks a way up, none finds its line used last."""
        bench = Bench("native")
        bench.core.hot, bench.core.timing = 0, "sh4a"
        loads = "".join(f"mov.l @r{n},r0; " for n in range(4, 12)) * 5
        state = {f"r{n}": DATA + 0x2000 * n for n in range(4, 12)}
        begin(bench, loads + "bra .-80; nop", ccr=0x105, **state)
        assert shares(bench, 20_000_000, 400)["caches"] > 0  # how much of visits that short is seen varies

    def test_the_bus(self):
        """Of the Python core the machine says it, which is not here."""
        bench = Bench("native")
        bench.bus.read = lambda tick, address, size: sum(range(10_000))
        begin(bench, ASK, r4=0xFF800000)
        assert shares(bench, 2_000)["bus"] > 0.6

    def test_floating_point(self):
        bench = Bench("native")
        bench.core.hot = 0
        begin(bench, "fdiv fr1,fr0; " * 40 + "bra .-80; nop")
        assert shares(bench, 2_000_000)["fpu"] > 0.5

    @pytest.mark.parametrize("source", ["ldtlb", "mov.l r0,@r1"])
    def test_translation(self, source):
        """Entries of 64 KB, whose pages are forgotten one by one; MMUCR, which forgets all."""
        bench = Bench("native")
        bench.core.hot = 0
        state = {"ptel": 0x0C000000 | PTEL_V | SIZES[65536], "r1": MMUCR}
        begin(bench, f"{source}; " * 40 + "bra .-80; nop", **state)
        assert shares(bench, 100_000)["tlb"] > 0.6

    def test_what_an_exception_left_is_not_gone_on_with(self):
        """A slow path that ends in an exception: the interpreter's time afterwards is the interpreter's."""
        bench = Bench("native")
        bench.core.hot = 0
        bench.put(0x8C000400, COMPUTE)
        begin(bench, "mov.l @r4,r0", r4=0x1000, mmucr=1, vbr=0x8C000000, sr=MD)
        assert shares(bench, 100_000_000)["interpreter"] > 0.6  # most of it in the run of the exception
        assert bench.core.counters["tlb_exceptions"] == 1

    def test_an_exception_of_the_bus_leaves_no_mark(self, bench):
        def fail(tick, address, size):
            raise ZeroDivisionError

        bench.bus.read = fail
        begin(bench, ASK, r4=0xFF800000)
        was = doing(Row.LAUNCHER)
        with pytest.raises(ZeroDivisionError):
            bench.core.run(bench.core.tick + 100)
        assert doing(was) == Row.LAUNCHER


class TestCounters:
    def test_instructions(self):
        bench = Bench("native")
        begin(bench, COMPUTE)
        bench.core.profile.start()
        bench.core.run(10_000)
        bench.core.profile.stop()
        bench.core.run(20_000)
        counters = bench.core.profile.read()["counters"]
        assert counters["instructions"] == counters["interpreted"] + counters["generated"] == 10_000

    def test_pauses_are_left_out_and_the_rest_summed(self, bench):
        begin(bench, COMPUTE)
        for _ in range(2):
            bench.core.profile.start()
            bench.core.profile.start()
            bench.core.run(bench.core.tick + 1000)
            bench.core.profile.stop()
            bench.core.profile.stop()
            bench.core.run(bench.core.tick + 1000)
        assert 2000 <= bench.core.profile.read()["counters"]["instructions"] <= 2010

    @pytest.mark.parametrize(
        ("cause", "source", "address"),
        [("bus", ASK, 0xFF800000), ("lease", ASK, 0xFF800000), ("register", ASK, 0xFF000024)],
    )
    def test_why_generated_code_was_left(self, cause, source, address):
        bench = Bench("native")
        if not bench.core.generates:
            pytest.skip("no generated code on this host")
        if cause == "lease":
            bench.core.set_leases([(address, 4, 1 << 60, [(0, 0, 1, 1)])])
        begin(bench, source, r4=address)
        bench.core.run(2000)
        counters = bench.core.counters
        assert counters["deopts"] > 10
        assert counters[f"deopts_{cause}"] == counters["deopts"]
        assert sum(n for name, n in counters.items() if name.startswith("deopts_")) == counters["deopts"]

    def test_a_bus_read_is_no_register(self):
        bench = Bench("native")
        begin(bench, ASK, r4=0xFFC80000)  # in P4, as the core's own are
        bench.core.run(2000)
        assert bench.core.counters["deopts_register"] == 0
        assert bench.core.counters["bus_reads"] == len(bench.bus.log) > 10

    def test_tlb(self):
        bench = Bench("native")
        before = bench.core.counters["tlb_flushes"]
        bench.core.set_state({"mmucr": 1})
        assert bench.core.counters["tlb_flushes"] == before + 1


class TestNothingElseIsDifferent:
    def test_state_and_accesses(self, make_bench):
        source = "mov.l @r4,r0; add r0,r1; mov.l r1,@r5; bra .-6; add #1,r2"
        found = []
        for profiled in (False, True):
            bench = make_bench()
            begin(bench, source, r4=0xFF800000, r5=DATA)
            bench.bus.values[0xFF800000] = 7
            if profiled:
                bench.core.profile.start()
            for _ in range(20):
                bench.core.run(bench.core.tick + 500)
            bench.core.profile.stop()
            found.append((bench.core.state(), bench.core.tick, bench.core.ram_sha256(), bench.bus.log))
        assert found[0] == found[1]

    def test_a_system_call_is_not_interrupted(self, bench):
        """A wait of ZeroMQ is such a poll, which EINTR would end early, a thousand times a second."""
        libc = ctypes.CDLL(None, use_errno=True)
        bench.core.profile.start()
        before = bench.core.profile.read()["samples"]
        assert libc.poll(None, 0, 100) == 0, ctypes.get_errno()
        bench.core.profile.stop()
        assert bench.core.profile.read()["samples"] > before

    def test_a_core_is_freed_at_once(self, kind):
        core = make_core(kind)
        gone = weakref.ref(core)
        core.profile.start()
        core.profile.stop()
        gc.disable()
        try:
            del core
            assert kind == "python" or gone() is None  # the Python core has cycles of its own
        finally:
            gc.enable()

    def test_the_byte_is_as_before(self, bench):
        begin(bench, COMPUTE)
        was = NOW[0]
        bench.core.run(1000)
        assert NOW[0] == was


class TestOneAtATime:
    def test_another_cores(self, make_bench):
        one, other = make_bench().core, make_bench().core
        one.profile.start()
        with pytest.raises(RuntimeError, match="stop it first"):
            other.profile.start()
        other.profile.stop()
        assert Profile._running is one.profile
        one.profile.stop()
        other.profile.start()
        other.profile.stop()

    def test_a_core_that_is_gone_meanwhile(self):
        core = make_core("native")
        profile = core.profile
        profile.start()
        del core
        profile.stop()
        assert profile.read()["wall_s"] > 0
