"""A guest that reads one register for ever is told of, with register, value and PC; others are not."""

from __future__ import annotations

from typing import Any

import pytest
from bench_core import CODE, Bench

from cosim.target import Inproc
from cpu_node.machine import Machine
from cpu_node.polling import ASKED, SYNC, SYNCS
from device_nodes.scif import Scif
from device_nodes.tmu import Tmu

FSR, SCR, SMR, TCNT0, TSTR0 = 0xFFE00010, 0xFFE00008, 0xFFE00000, 0xFFD8000C, 0xFFD80004
SPTR = 0xFFE00024
STATUS = f"FSR (0x{FSR:08x}) of scif0"
LOOP = "mov.w @r8,r2; tst #2,r0; nop; bra .-6; nop"  # waits for a character
CALLED = "bsr .+8; nop; bra .-4; nop; mov.w @r8,r2; rts; nop"  # by a function
RARE = "mov.w @r8,r2; mov r9,r1; dt r1; bf .-2; bra .-8; nop"  # r9: how rarely
WRITES = "mov.w @r8,r2; mov.w r3,@r10; mov r9,r1; dt r1; bf .-2; bra .-10; nop"
TWO = "mov.w @r8,r2; mov.w @r10,r3; mov r9,r1; dt r1; bf .-2; bra .-10; nop"
COUNTER = "mov.l @r8,r2; bra .-2; nop"


def run(
    kind: str,
    source: str,
    until: int = 5 * SYNC,
    leased: bool = True,
    check: bool = False,
    skips: bool = True,
    **state: int,
) -> Any:
    """A machine that has run a program; ``told``: the notes."""
    bench = Bench(kind)
    bench.put(CODE, source)
    bench.core.set_state({"pc": CODE, "r8": FSR, "r9": 1_000, "r10": SCR, **state})
    bench.core.skip_loops = skips
    targets = [Inproc(Scif("scif0", {}), "scif"), Inproc(Tmu("tmu", {}), "tmu")]
    it: Any = Machine(bench.core, targets, lambda: None, leased)
    it.told = []
    it.note = it.told.append
    if check:
        it.check_leases()
    it.vcpu = "rtos"
    it.start([], None)
    it.go(until)
    return it


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Less is enough for a test; ``test_not_before_long`` has the limits of a run."""
    monkeypatch.setattr("cpu_node.polling.SYNCS", 2)
    monkeypatch.setattr("cpu_node.polling.ASKED", 2_000)


@pytest.mark.parametrize(
    ("core", "source", "skips"),
    [("native", LOOP, True), ("native", LOOP, False), ("native", CALLED, True), ("python", LOOP, True)],
)
def test_a_status_that_never_changes(core, source, skips):
    it = run(core, source, skips=skips)
    at = CODE if source is LOOP else CODE + 8
    said = f"guest rtos polls {STATUS} at PC 0x{at:08x}: it reads 0x60 each time, and uses nothing else of this node, "
    assert it.told == [said + "since tick 0"]
    (report,) = it.finish()["reports"]
    tick, _, text = report.removeprefix("tick ").partition(": ")
    assert text == it.told[0] and 3 * SYNC <= int(tick) <= 3 * SYNC + 1000


@pytest.mark.parametrize(
    ("source", "state"),
    [
        (RARE, {"r9": 20_000}),
        (WRITES, {}),
        (TWO, {}),
        ("sleep; bra .-2; nop", {}),
        ("nop; bra .-2; nop", {}),
    ],
    ids=["now and then", "it writes", "two registers", "sleeps", "no device"],
)
def test_no_false_alarm(source, state):
    """The same loop without what makes the difference is told of: ``test_a_loop_with_a_pause``."""
    bench = run("native", source, **state)
    assert bench.told == [] and bench.finish()["reports"] == []


def test_a_loop_with_a_pause():
    assert len(run("native", RARE).told) == 1


def test_a_counter_that_runs():
    """A wait by a timer sees other values all the time."""
    source = f"mov.b r1,@r10; {COUNTER}"
    it = run("native", source, r8=TCNT0, r10=TSTR0, r1=1)
    assert it.told == []


def test_not_before_long(monkeypatch):
    monkeypatch.undo()
    assert SYNCS == 10 and ASKED >= 100_000
    assert run("native", LOOP, 10 * SYNC).told == []
    assert len(run("native", LOOP, 12 * SYNC).told) == 1


def test_the_digest_is_that_of_a_run_that_was_not_looked_at(monkeypatch):
    told = run("native", LOOP).finish()
    monkeypatch.setattr("cpu_node.polling.Polling.look", lambda self: None)
    silent = run("native", LOOP).finish()
    assert told["digest"] == silent["digest"] and told["round_trips"] > silent["round_trips"]


def test_while_leases_are_checked(monkeypatch):
    monkeypatch.setattr("cpu_node.polling.ASKED", 1 << 40)
    monkeypatch.setattr("cpu_node.polling.SYNCS", 1)
    assert len(run("native", RARE, 3 * SYNC, check=True).told) == 1


@pytest.mark.parametrize("leased", [True, False])
def test_a_register_that_is_asked_each_time(leased):
    """Virtual time hardly moves then: the number of questions tells it. SPTR has no lease."""
    it = run("native", RARE, 2 * SYNC, leased, r8=SPTR)
    assert it.told == [
        f"guest rtos polls SPTR (0x{SPTR:08x}) of scif0 at PC 0x{CODE:08x}: it reads 0x1 each time, 2,000 times since "
        "tick 0, and each is asked of its node"
    ]
