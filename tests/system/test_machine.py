"""The whole machine: both guests run, deadlines are met, misses are seen, and every run is the same run."""

from __future__ import annotations

import random
from typing import Any

import pytest
from whole_machine import CORES, RTOS, SPUMONE, busy, machine, run

from cpu_node import machine as machine_module

TO_PROMPT = {"prompt": True}


@pytest.fixture(scope="module")
def boot() -> dict[str, Any]:
    """Linux booted to its prompt beside the RTOS, as processes."""
    return run(SPUMONE, **TO_PROMPT)


@pytest.fixture(scope="module")
def timed() -> dict[str, Any]:
    """The same under the timing model."""
    return run(SPUMONE, "cpu.timing=sh4a", **TO_PROMPT)


class TestBoot:
    def test_consoles(self, boot):
        assert boot["consoles"]["rtos"] == b"rtos: ready\r\n"
        assert boot["consoles"]["linux"].endswith(b"\r\nguest$ ")

    def test_the_periodic_task_never_misses(self, boot):
        [row] = boot["deadlines"]
        assert (row["guest"], row["symbol"], row["misses"]) == ("rtos", "periodic_job", 0)
        assert row["activations"] >= boot["ticks"] // row["period_ticks"] - 1
        assert row["max_late"] < row["period_ticks"] // 10  # this Linux masks all levels while it sets itself up

    def test_vcpus(self, boot):
        vcpus = {name: row for name, row in boot["vcpus"].items() if any(row.values())}
        assert set(vcpus) == {"SPUMONE", "rtos", "linux"}
        assert sum(row["ticks"] for row in vcpus.values()) == boot["ticks"]
        assert vcpus["linux"]["ticks"] > 0.99 * boot["ticks"]
        assert vcpus["rtos"]["switches"] == vcpus["linux"]["switches"] == boot["charges"]["switch"] + 1
        assert vcpus["rtos"]["interrupts"] == boot["interrupts"]["TUNI3"]
        assert sum(boot["interrupts"].values()) == vcpus["rtos"]["interrupts"] + vcpus["linux"]["interrupts"]
        assert not boot["reports"]

    def test_linux_answers_for_long(self):
        figures = run(SPUMONE, until="10s")
        [row] = figures["deadlines"]
        assert row["activations"] in (999, 1000) and row["misses"] == 0
        assert figures["vcpus"]["linux"]["idle"] > 0.9 * figures["ticks"]


class TestSameDigest:
    """Placement, transport, leases, load, core and slices change no result."""

    def same(self, boot: dict[str, Any], other: dict[str, Any]) -> None:
        assert other["syncs"] == boot["syncs"]
        for key in ("ticks", "vcpus", "deadlines", "interrupts", "digest"):
            assert other[key] == boot[key], key

    def test_twice(self, boot):
        self.same(boot, run(SPUMONE, **TO_PROMPT))

    @pytest.mark.parametrize(
        "sets",
        [
            ["run.placement=inproc"],
            ["run.transport=tcp"],
            ["run.leases=false", "run.placement=inproc"],
            ["cpu.skip_loops=false"],
            ["cpu.hot=0", "run.placement=inproc"],
            ["cpu.hot=1", "run.placement=inproc"],
            [f"cpu.hot={random.randrange(2, 100)}", "run.placement=inproc"],
            ["run.leases=false", "cpu.skip_loops=false", "run.placement=inproc"],
            ["run.check_leases=true", "run.placement=inproc"],
        ],
        ids=" ".join,
    )
    def test_otherwise(self, boot, sets):
        self.same(boot, run(SPUMONE, *sets, **TO_PROMPT))

    @pytest.mark.parametrize("hot", [0, 1, random.randrange(2, 100)])
    def test_timed_with_and_without_generated_code(self, timed, hot):
        self.same(timed, run(SPUMONE, "cpu.timing=sh4a", f"cpu.hot={hot}", "run.placement=inproc", **TO_PROMPT))

    @pytest.mark.parametrize("time", [1, 2])
    def test_beside_twice_as_many_busy_processes_as_cores(self, boot, time):
        with busy(2 * CORES):
            self.same(boot, run(SPUMONE, **TO_PROMPT))

    def test_without_leases_as_processes(self, boot):
        """Linux polls its serial port for a while: 43,000 questions, which is no standstill."""
        self.same(boot, run(SPUMONE, "run.leases=false", **TO_PROMPT))

    def test_python_core_with_the_rtos(self):
        self.same(run(RTOS, until="1s"), run(RTOS, "cpu.core=python", until="1s"))

    def test_python_core_with_linux(self, boot):
        self.same(boot, run(SPUMONE, "cpu.core=python", "run.placement=inproc", **TO_PROMPT))

    @pytest.mark.long
    def test_python_core_with_linux_as_processes(self, boot):
        self.same(boot, run(SPUMONE, "cpu.core=python", **TO_PROMPT))

    @pytest.mark.parametrize("length", [1, 777, 10_000_000])
    def test_slices_of_another_length(self, length, monkeypatch):
        until = 4_400_000
        reference = machine(SPUMONE)
        assert reference.go(until) == ("until", "")
        other = machine(SPUMONE)
        monkeypatch.setattr(machine_module.Machine, "_pace", lambda self, instructions, seconds: None)
        monkeypatch.setattr(machine_module, "SLICE", 0)
        other.slice_ticks = length
        # A tick at a time is slow: a part of the way will do.
        if length == 1:
            assert other.go(100_000) == ("until", "")
            other.slice_ticks = 100_000
        assert other.go(until) == ("until", "")
        assert other.finish()["digest"] == reference.finish()["digest"]

    def test_stopping_on_the_way(self):
        """Being told to stop at other ticks, and asked there, changes nothing."""
        until = 8_100_000
        straight, halting = machine(SPUMONE), machine(SPUMONE)
        straight.go(until)
        for stop in (1, 1000, 12_345, 3_999_999, 4_000_000, 4_000_001, 7_777_777, until):
            halting.go(stop)
            halting.figures()
        assert halting.finish()["digest"] == straight.finish()["digest"]

    @pytest.mark.parametrize("where", ["_accept", "_sync", "settle"])
    def test_being_asked_to_stop(self, where):
        """Whatever happens at a tick before the request is seen, the run ends as one with its last tick as its end."""
        stopped, reference = machine(RTOS), machine(RTOS)
        act = getattr(stopped, where)

        def acted(*arguments):
            act(*arguments)
            stopped.stopping = stopped.core.tick > 9_000_000

        setattr(stopped, where, acted)
        assert stopped.go(16_000_000) == ("stopped", "")
        assert reference.go(stopped.core.tick) == ("until", "")
        assert reference.core.tick == stopped.core.tick
        assert stopped.finish()["digest"] == reference.finish()["digest"]


class TestDigestSees:
    """One bit, anywhere, is another digest."""

    def run(self, change=lambda core: None, at=8_000_000) -> tuple[str, list[tuple[int, str]]]:
        board = machine(RTOS)
        board.go(at)
        change(board.core)
        board.go(16_000_000)
        return board.finish()["digest"], board.syncs

    @pytest.fixture(scope="class")
    @classmethod
    def plain(cls):
        return cls().run()

    def test_nothing(self, plain):
        assert self.run() == plain

    def test_a_bit_of_ram_that_nobody_reads(self, plain):
        def flip(core):
            core.write(0x0A123457, bytes([core.read(0x0A123457, 1)[0] ^ 0x10]))

        digest, syncs = self.run(flip)
        assert digest != plain[0]
        assert syncs == plain[1]  # the hash of RAM is taken at the end

    @pytest.mark.parametrize("name", ["dbr", "xf15", "ttb"])
    def test_a_bit_of_a_register(self, plain, name):
        def flip(core):
            core.set_state({name: core.state()[name] ^ 4})

        digest, syncs = self.run(flip)
        assert digest != plain[0]
        assert syncs[:1] == plain[1][:1] and syncs[-1] != plain[1][-1]

    def test_a_tick(self, plain):
        def later(core):
            assert not core.sleeping  # one that sleeps wakes at the same tick all the same
            core.tick += 1

        board, at = machine(RTOS), 2_000_000
        while board.go(at) and board.core.sleeping:
            at += 50
        digest, syncs = self.run(later, at=at)
        assert digest != plain[0] and syncs[0] != plain[1][0]

    def test_a_character(self):
        def typed(tick: int, byte: int) -> str:
            board = machine(RTOS)
            board.go(8_000_000)
            board.input("scif0", [(tick, byte)])
            board.go(16_000_000)
            return str(board.finish()["digest"])

        digests = [typed(9_000_000, 65), typed(9_000_001, 65), typed(9_000_000, 66), self.run()[0]]
        assert len(set(digests)) == 4


class TestGuests:
    @pytest.mark.parametrize(("topology", "kind"), [(SPUMONE, "spumone"), (RTOS, "bare")])
    def test_a_late_guest_is_seen(self, topology, kind):
        figures = run(topology, f"rtos.image=guest:rtos/rtos-late-{kind}.elf", until="1800ms")
        [row] = figures["deadlines"]
        # Every 50th job takes 11 ms of 10 and loses a timer tick of 5: the third puts a start into the next period.
        assert row["misses"] >= 1
        assert row["max_late"] >= row["period_ticks"]
        assert row["activations"] < 179

    @pytest.mark.parametrize(("topology", "kind"), [(SPUMONE, "spumone"), (RTOS, "bare")])
    @pytest.mark.parametrize("core", ["native", "python"])
    def test_selftest(self, topology, kind, core):
        observers = ["rtos.deadlines=[]", "rtos.latency=[]"]
        sets = [f"rtos.image=guest:rtos/rtos-selftest-{kind}.elf", f"cpu.core={core}", *observers]
        figures = run(topology, *sets, until="20s" if core == "native" else "60ms")
        said = figures["consoles"].get("rtos", b"").decode()
        if core == "python":
            assert "FAIL" not in said
            return
        assert " passed, 0 failed\r\n" in said

    @pytest.mark.parametrize("impl", ["model", "firmware"])
    def test_a_guest_that_jumps_into_nowhere_on_spumone(self, impl):
        """wild.elf has BL=1 as it jumps: its exception resets the CPU. It is stopped, and Linux goes on."""
        board = machine(
            SPUMONE, f"spumone.impl={impl}", "rtos.image=guest:rtos/wild.elf", "rtos.deadlines=[]", "rtos.latency=[]"
        )
        assert board.go(4_000_000) == ("until", "")
        assert ": guest rtos at tick " in board.reports[0] and "0x0badf00c" in board.reports[0]
        assert "trespass: guest rtos at pc 0x0badf00c ran code at 0x0badf00c" in board.reports[1]
        assert board.reports[-1].endswith(": guest rtos is stopped")
        assert board.vcpu == "linux" and board.vcpus["linux"]["switches"] == 1

    def test_hello_beside_linux(self):
        sets = ["rtos.image=guest:rtos/hello.elf", "rtos.deadlines=[]", "rtos.latency=[]"]
        board = machine(SPUMONE, *sets)
        assert board.go(4_000_000) == ("until", "")


class TestFigures:
    """The figures that the first full run is to reach."""

    def test_round_trips_of_the_boot(self, boot):
        assert boot["round_trips"] / (boot["ticks"] / 4e8) <= 3000

    def test_round_trips_of_an_idle_linux(self, boot):
        longer = run(SPUMONE, until="2s")
        trips = longer["round_trips"] - boot["round_trips"]
        assert trips / ((longer["ticks"] - boot["ticks"]) / 4e8) <= 1000


def test_what_a_wild_guest_touches_is_kept_within_bounds():
    board = machine(RTOS)
    for k in range(1000):
        assert board.read(0, 0xFE000000 + 4 * k, 4) == 0
    unmapped = board.figures()["unmapped"]
    assert len(unmapped) == 201
    assert unmapped[-1] == {"address": "elsewhere", "count": 800}
    assert len(board.reports) == 51
    assert board.reports[-1] == "tick 0: more addresses follow where nothing answers: they are counted, not reported"
