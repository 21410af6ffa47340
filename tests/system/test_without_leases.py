"""A run without leases, whose guest polls, says what it is busy with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from whole_machine import EXAMPLES, machine

from cpu_node.asking import FIRST, MANY, NEXT, Asking


class Clock:
    """Seconds, set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_polling_guest() -> None:
    """The note names the device, the number of questions and the guest's place."""
    board = machine(EXAMPLES / "hello.toml", "run.leases=false")
    clock = Clock()
    asking = Asking(board, clock)
    before = board.figures()["round_trips"]
    board.go(20_000)
    assert board.figures()["round_trips"] > MANY * FIRST
    clock.now = FIRST - 0.1
    assert asking.look() == ""
    clock.now = FIRST
    asked = board.figures()["round_trips"]
    pc = board.core.unit_pc
    rate = f"{(asked - before) / FIRST:.0f}"
    assert asking.look() == (
        f"leases = false: each access to a device is a question to it, {asked} so far, {rate} a second, most to scif0; "
        f"hello is at pc 0x{pc:08x}. With leases the result is the same, and sooner"
    )


def test_the_next_note_comes_later() -> None:
    target: Any = SimpleNamespace(name="scif0", round_trips={"Read": 0})
    clock = Clock()
    core = SimpleNamespace(unit_pc=0x8E000000)
    asking = Asking(SimpleNamespace(targets=[target], leased=False, vcpu="rtos", core=core), clock)
    for wait in (FIRST, NEXT, NEXT):
        target.round_trips["Read"] += 1_000_000
        clock.now += wait - 0.1
        assert asking.look() == ""
        clock.now += 0.1
        assert "most to scif0; rtos is at pc 0x8e000000" in asking.look()


@pytest.mark.parametrize(("leases", "trips"), [(True, 100_000), (False, 10)])
def test_nothing_to_say(leases: bool, trips: int) -> None:
    """With leases, or where few questions are asked."""
    target: Any = SimpleNamespace(name="scif0", round_trips={"Read": 0})
    clock = Clock()
    asking = Asking(SimpleNamespace(targets=[target], leased=leases), clock)
    target.round_trips["Read"] = trips
    clock.now = FIRST
    assert asking.look() == ""
