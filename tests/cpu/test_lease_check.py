"""``--check leases``: a lease that is not what its device answers is named, and a right one changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from bench_core import CODE, Bench

from cosim import NEVER
from cosim.device import Device
from cosim.messages import EffectRow, LeaseRow, PostRow
from cosim.registers import Register
from cosim.target import Inproc
from cpu_node.lease_check import LeaseError
from cpu_node.machine import Machine

AT, CONTROL = 0xFF900000, 0xFF900004


class Counter(Device):
    """COUNT rises every 10 ticks; a write to CONTROL, which may be posted, makes it count from there. What a test
    changes: ``rows`` and ``quiet`` of its leases, and how it behaves."""

    ROLE = "device"
    step = 10
    credits = 0
    follows = False  # the lease is told to follow writes to CONTROL
    moves = False  # a read of COUNT raises the line

    def setup(self) -> None:
        self.registers = (
            Register("COUNT", AT, 4, 0, 0, "counts"),
            Register("CONTROL", CONTROL, 4, 0, 0xFFFFFFFF, "starts again"),
        )
        self.line_names, self.regions = ("IRQ0",), [(AT, AT + 7)]
        self.origin, self.level = 0, 0

    def read_COUNT(self, t: int) -> int:
        self.level |= self.moves
        return (t - self.origin) // 10 & 0xFFFFFFFF

    def write_CONTROL(self, t: int, value: int) -> None:
        self.origin = t

    def lines(self) -> int:
        return self.level

    def leases(self) -> list[LeaseRow]:
        return [(AT, 4, NEVER, [(self.now, (self.now - self.origin) // 10, self.step, 1)])]

    def posts(self) -> list[PostRow]:
        return [(CONTROL, 4, NEVER, self.credits)]

    def effects(self) -> list[EffectRow]:
        return [(CONTROL, -1, 0, AT, "store", 0xFFFFFFFF)] if self.follows else []


@pytest.fixture
def machine(kind):
    def make(**behaviour: Any) -> Machine:
        device = type("Counted", (Counter,), behaviour)("odd", {})
        bench = Bench(kind)
        bench.core.set_state({"pc": CODE})
        made = Machine(bench.core, [Inproc(device, "device")], lambda: None)
        made.check_leases()
        made.start([], None)
        return made

    return make


def refused(machine: Machine, tick: int) -> str:
    with pytest.raises(LeaseError) as caught:
        machine.read(tick, AT, 4)
    return str(caught.value)


def test_a_right_lease(machine):
    it = machine()
    assert [it.read(t, AT, 4) for t in (0, 9, 10, 11, 400, 4_000_009)] == [0, 0, 1, 1, 40, 400_000]
    assert it.figures()["leased_reads"] == it.check.compared == 6
    it.write(5_000_000, CONTROL, 4, 0)  # ends the lease, and gives another
    assert it.read(5_000_025, AT, 4) == 2
    assert it.check.compared == 6  # asked: none was there
    assert it.read(5_000_035, AT, 4) == 3
    assert it.check.compared == 7


def test_the_first_difference_is_named(machine):
    it = machine(step=11)
    assert it.read(9, AT, 4) == 0
    assert refused(it, 10) == (
        f"odd at tick 10: COUNT (0x{AT:08x}) read at PC 0x{it.core.unit_pc:08x}: its lease says 0x00000000, the node "
        f"answers 0x00000001; the lease holds from tick 0 until {NEVER} "
        "(rule lease-true)"
    )


def test_a_lease_is_not_renewed_by_the_question(machine):
    """Each read is held against the lease that it would have been served by, which is wrong for an instant only."""
    it = machine(step=9)
    assert [it.read(t, AT, 4) for t in (8, 8, 16)] == [0, 0, 1]
    assert "its lease says 0x00000002, the node answers 0x00000001" in refused(it, 19)


def test_a_lease_that_outlives_a_posted_write(machine):
    it = machine(credits=1)
    assert it.read(100, AT, 4) == 10
    it.write(200, CONTROL, 4, 0)
    assert "its lease says 0x0000001e, the node answers 0x0000000a" in refused(it, 300)


def test_an_effect_that_is_not_so(machine):
    it = machine(credits=1, follows=True)
    it.write(200, CONTROL, 4, 7)
    assert "its lease says 0x00000007, the node answers 0x0000000a" in refused(it, 300)


def test_a_read_that_moves_a_line(machine):
    it = machine(moves=True)
    assert refused(it, 50).endswith(
        "its lease lets this be read without a question, but the node answers lines 0x1 to it, and 0x0 is promised; "
        f"the lease holds from tick 0 until {NEVER} (rule lease-true)"
    )


def test_without_the_check_a_wrong_lease_is_believed(kind):
    """What the check is for."""
    bench = Bench(kind)
    bench.put(CODE, "mov.l @r8,r2; bra .-2; nop")
    bench.core.set_state({"pc": CODE, "r8": AT})
    it = Machine(bench.core, [Inproc(type("Counted", (Counter,), {"step": 1000})("odd", {}), "device")], lambda: None)
    it.start([], None)
    it.go(50_000)
    assert bench.core.state()["r2"] < 51 < 4_900
