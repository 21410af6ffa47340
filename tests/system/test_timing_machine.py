"""A machine under ``timing = "sh4a"``: what may not change its result, when it begins, and what it measures."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from whole_machine import EXAMPLES, RTOS, SPUMONE, machine, run

from cosim import TICK_HZ
from cpu_node import CoreError, make_core
from cpu_node.timing import TICKS

SH4A = ("cpu.core=python", "cpu.timing=sh4a")
HAS_NATIVE = hasattr(make_core("native", (0x0C000000, 0x1000)), "timing")
native = pytest.mark.skipif(not HAS_NATIVE, reason="the native core has no timing model yet")
END = TICK_HZ // 20  # 50 ms: the RTOS has started and serves its timer


def digest(*sets: str) -> tuple[str, int]:
    """Of a run of the RTOS alone in this process, and its instructions."""
    made = machine(RTOS, *sets)
    assert made.go(END)[0] == "until"
    figures = made.finish()
    return str(figures["digest"]), int(figures["instructions"] + figures["skipped"])


@pytest.fixture(scope="module")
def plain() -> tuple[str, int]:
    found = digest(*SH4A)
    assert found[1] > 5000
    return found


def test_the_digest_holds_the_timing(plain: tuple[str, int]) -> None:
    assert digest("cpu.core=python")[0] != plain[0]


@pytest.mark.parametrize("other", ["run.leases=false", "cpu.skip_loops=false"])
def test_how_it_runs_changes_nothing(plain: tuple[str, int], other: str) -> None:
    assert digest(*SH4A, other) == plain


def test_breakpoints_in_pairs_change_nothing(plain: tuple[str, int]) -> None:
    """No target hears of the time between the two: the second's access belongs to the tick before."""
    made = machine(RTOS, *SH4A)
    memory = made.core.state()["pc"] & 0xFFFF0000
    made.watch_for(set(range(memory, memory + 0x20000, 2)), None)
    settle, observe, seen = made.settle, made._observe, [0, 0]

    def settled(t: int) -> None:
        assert not made.core.in_pair
        settle(t)

    def observed(pc: int, tick: int) -> None:
        seen[made.core.in_pair] += 1
        observe(pc, tick)

    made.settle, made._observe = settled, observed  # type: ignore[method-assign]
    assert made.go(END)[0] == "until"
    figures = made.finish()
    assert seen[0] > 1000 and seen[1] > 1000
    assert (figures["digest"], figures["instructions"] + figures["skipped"]) == plain


@native
def test_cores_give_the_same(plain: tuple[str, int]) -> None:
    assert digest("cpu.core=native", "cpu.timing=sh4a") == plain


@native
def test_leases_change_nothing_with_linux_on_spumone() -> None:
    """Entries of interrupts by way of SPUMONE take what accept() takes, with the wait for what is pending."""
    results = [run(SPUMONE, "cpu.timing=sh4a", f"run.leases={leases}", until="90ms") for leases in ("true", "false")]
    assert results[0]["syncs"] == results[1]["syncs"]
    assert results[0]["digest"] == results[1]["digest"]


def test_processes_and_inproc_give_the_same() -> None:
    results = [run(RTOS, *SH4A, f"run.placement={placement}", until="50ms") for placement in ("process", "inproc")]
    assert results[0]["digest"] == results[1]["digest"]
    assert results[0]["syncs"] == results[1]["syncs"]


def test_timing_from_begins_at_its_tick() -> None:
    made = machine(RTOS, *SH4A, "cpu.timing_from=23ms")
    begin = TICK_HZ * 23 // 1000
    made.go(begin - 1)
    assert made.core.timing == "fast"
    made.go(begin + 1)
    assert made.core.timing == "sh4a"
    made.go(END)
    fast = machine(RTOS, "cpu.core=python")
    fast.go(END)
    equal = [a == b for a, b in zip(made.syncs, fast.syncs, strict=True)]
    assert equal == [True, True, False, False, False]  # 10, 20, 30, 40, 50 ms


def test_timing_from_is_the_same_in_slices() -> None:
    def stepwise(step: int) -> Any:
        made = machine(RTOS, *SH4A, "cpu.timing_from=23ms")
        for tick in range(step, END + 1, step):
            made.go(tick)
        return made.finish()["digest"]

    assert stepwise(END) == stepwise(END // 50)


def test_unknown_timings_are_refused() -> None:
    with pytest.raises(CoreError, match=r"\[nodes.cpu\] timing = 'slow': timings are"):
        machine(RTOS, "cpu.timing=slow")


def test_latency_measures_with_it() -> None:
    command = [sys.executable, "-m", "launch.cli", "latency", "--env", "alone", "--samples", "20", "--json", "-"]
    done = subprocess.run([*command, "--set", "cpu.core=python", "--timing", "sh4a"], cwd=EXAMPLES.parent,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["timing"] == "sh4a"
    row = result["environments"][0]
    # an entry, and 33 instructions that pair at best; the first sample finds the caches cold
    assert TICKS["interrupt_entry"] + 33 // 2 < row["min"] < row["max"]


def test_what_is_typed_while_a_debugger_stands_in_a_pair_waits_for_its_end(plain: tuple[str, int]) -> None:
    made = machine(RTOS, *SH4A)
    memory = made.core.state()["pc"] & 0xFFFF0000
    typed: list[int] = []

    class Debugger:
        def stand(self) -> None:
            if made.core.in_pair and not typed and made.core.tick > END // 2:
                typed.append(made.core.tick)
                made.type("scif0", b"x", 1)
                assert not made.journal

        def stepping(self) -> bool:
            return False

        def ran(self, stop: Any, vcpu: str) -> None:
            pass

    made.debugger = Debugger()
    made.watch_for(set(range(memory, memory + 0x20000, 2)), None)
    assert made.go(END)[0] == "until"
    [(tick, target, byte)] = made.journal
    assert (target, byte) == ("scif0", ord("x")) and typed[0] <= tick <= typed[0] + 1000
    assert made.finish()["digest"] != plain[0]


def test_a_run_says_that_there_is_no_generator() -> None:
    cores = [make_core("native", (0x0C000000, 0x1000))]
    while cores[-1].generates:
        cores.append(make_core("native", (0x0C000000, 0x1000)))
    made = machine(RTOS)
    assert made.go(100_000)[0] == "until"
    [report] = made.finish()["reports"]
    assert report == "tick 0: cpu: no code generator for this host: all is interpreted, many times slower"
