"""Where the ticks of a latency sample went: guests made by hand that keep the interrupt out for a known time."""

from __future__ import annotations

from typing import Any

import pytest
from assembler import assemble
from bench_core import BASE, BL, CODE, MD, RB, SIZE, VBR

from cosim import NEVER
from cosim.messages import Answer, Body, Final, Finish, Write
from cosim.state import STATE_NAMES, pack
from cosim.target import Inproc
from cpu_node import make_core
from cpu_node.attribution import Attributed, Part
from cpu_node.machine import Machine

LEVEL, HANDLER = 6, VBR + 0x604
NOPS = 40  # instructions that keep the interrupt out, and the one that lets it in again
UNMASK = CODE + 2 + 2 * NOPS
DEVICE, AFTER = 0xFFD40000, 3
SYMBOLS = [(CODE, "masked"), (UNMASK, "unmask"), (UNMASK + 2, "open"), (VBR + 0x600, "vector")]


class Line:
    """An interrupt controller with a line that rises at a tick, and one above it that rises a while after a write."""

    name, line_names, regions = "intc", ("TUNI0", "TUNI1"), ((DEVICE, DEVICE + 0xFFF),)

    def __init__(self, rise: int) -> None:
        self.rises = [rise, NEVER]

    def handle(self, t: int, body: Body) -> Body:
        if isinstance(body, Finish):
            return Final(b"", {})
        if isinstance(body, Write):
            self.rises[1] = t + AFTER
        lines = sum(1 << k for k, rise in enumerate(self.rises) if t >= rise)
        due = min((rise for rise in self.rises if t < rise), default=NEVER)
        return Answer(value=0, lines=lines, next=due, sources=[("TUNI0", 0x580, LEVEL, 0), ("TUNI1", 0x5A0, 8, 1)])


def sample(kind: str, mask: int, rise: int, timing: str = "fast", observer: str = "attributed", helpers: Any = (),
           writes: int = 0, **state: int) -> Machine:  # fmt: skip
    """A machine that has served the line once; the guest runs under SR ``mask`` and then opens it."""
    core: Any = make_core(kind, (BASE, SIZE))
    machine = Machine(core, [Inproc(Line(rise), "intc")], look=lambda: None)
    machine.vcpu = "guest"
    core.timing = timing
    code = "ldc r1,sr; " + "nop; " * (NOPS // 2) + "mov.l r3,@r3; " * writes + "nop; " * (NOPS // 2 - writes)
    code += "ldc r2,sr; bra .+0; nop"
    vector = "nop; nop; bra .+0; nop"
    loads = [(CODE & 0x1FFFFFFF, assemble(code)), (VBR + 0x600 & 0x1FFFFFFF, assemble(vector))]
    machine.start(loads, CODE)
    core.set_state(
        {"sr": MD | RB, "vbr": VBR, "r1_bank": 0, "r1": MD | RB | mask, "r2": MD | RB, "r3": DEVICE, **state}
    )
    more = {"symbols": SYMBOLS, "helpers": list(helpers)} if observer == "attributed" else {"keep": True}
    machine.observe(observer, line="TUNI0", pc=HANDLER, symbol="handler", **more)
    machine.go(1_000)
    assert len(machine.latency[0].samples) == 1
    return machine


def parts(machine: Machine) -> dict[tuple[str, str, str], int]:
    assert machine.attributed is not None
    rows = machine.attributed.attribution()["parts"]
    return {(row["phase"], row["who"], row["why"]): row["ticks"] for row in rows}


@pytest.mark.parametrize(("mask", "why"), [(BL, "SR.BL"), (LEVEL << 4, "SR.IMASK"), (BL | 0xF0, "SR.BL")])
def test_a_guest_keeps_the_interrupt_out_for_so_long(kind: str, mask: int, why: str) -> None:
    machine = sample(kind, mask, rise=11)  # 10 of the NOPs are over, 30 and the opening one are to come
    assert parts(machine) == {("wait", "guest", why): NOPS - 10 + 1, ("entry", "guest", ""): 2}
    assert list(machine.latency[0].samples) == [NOPS - 10 + 1 + 2]
    [section] = machine.attributed.attribution()["sections"]
    wanted = {"who": "guest", "why": why, "since": "masked", "until": "unmask", "longest": NOPS - 10 + 1, "samples": 1}
    assert {key: section[key] for key in wanted} == wanted
    assert section["in"] == [["masked", NOPS - 10], ["unmask", 1]]


def test_a_lower_mask_keeps_nothing_out(kind: str) -> None:
    assert parts(sample(kind, LEVEL - 1 << 4, rise=11)) == {("entry", "guest", ""): 2}


def test_a_helper_acts_for_its_caller(kind: str) -> None:
    machine = sample(kind, BL, rise=11, helpers=["unmask"], pr=UNMASK + 2)
    assert [section["until"] for section in machine.attributed.attribution()["sections"]] == ["open"]


def test_the_unit_in_progress(kind: str) -> None:
    """A branch and its slot are one unit of two ticks; the loop begins at tick NOPS + 2."""
    assert parts(sample(kind, 0, rise=NOPS + 2 + 8)) == {("entry", "guest", ""): 2}
    assert parts(sample(kind, 0, rise=NOPS + 2 + 7)) == {("unit", "guest", ""): 1, ("entry", "guest", ""): 2}


def test_with_caches_the_parts_add_up_and_stalls_are_named(kind: str) -> None:
    machine = sample(kind, BL, rise=11, timing="sh4a", ccr=0x101)
    found = parts(machine)
    assert sum(found.values()) == machine.latency[0].samples[0]
    assert found["accept", "CPU", ""] >= 39
    assert found["wait", "guest", "SR.BL"] > NOPS
    [row] = machine.attributed.attribution()["worst"]
    assert any(name == "masked" and ticks >= 50 for part in row["parts"] for _, name, ticks in part["stalls"])


@pytest.mark.parametrize("observer", ["latency", "attributed"])
def test_a_device_is_heard_when_it_has_asked_for_it(kind: str, observer: str) -> None:
    """In the middle of the masked stretch a write has a higher line rise AFTER ticks later, which gets through."""
    write = 1 + NOPS // 2
    machine = sample(kind, LEVEL << 4, 11, "fast", observer, writes=1)
    assert list(machine.latency[0].samples) == [write + AFTER - 11 + 2]


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_it_changes_nothing(kind: str, timing: str) -> None:
    plain, followed = (sample(kind, BL, 11, timing, observer) for observer in ("latency", "attributed"))
    assert plain.finish()["digest"] == followed.finish()["digest"]
    assert plain.latency[0].samples == followed.latency[0].samples


def test_a_rise_while_something_else_is_accepted_or_charged() -> None:
    """The line rises at 10; the CPU had taken from 0 to 39 to enter another interrupt, SPUMONE's model 20 more."""
    observed = Attributed("RXI0", HANDLER, "handler", SYMBOLS, [])
    observed.accept(0, 39, "TUNI3")
    observed.charge(39, 59, "switch", "TUNI3")
    observed.line_rose("RXI0", 10)
    observed.begin(60, "guest")
    observed.accept(60, 99, "RXI0")
    observed.charge(99, 120, "hold", "")
    observed.accept(120, 159, "RXI0")
    observed.charge(159, 170, "wake", "RXI0")
    observed.reached(HANDLER, 170)
    assert {part: row[1] for part, row in observed.parts.items()} == {
        Part("wait", "CPU", "accepts TUNI3"): 29,
        Part("wait", "SPUMONE", "switch"): 20,
        Part("unit", "guest"): 1,
        Part("accept", "CPU"): 78,
        Part("wait", "SPUMONE", "hold"): 21,
        Part("path", "SPUMONE", "wake"): 11,
    }


def test_what_keeps_it_out_is_read_from_the_registers_and_the_controller() -> None:
    observed = Attributed("RXI0", HANDLER, "handler", SYMBOLS, [])
    observed.line_rose("RXI0", 0)
    for tick, sr, who, level in [(1, MD, "linux", 0), (2, MD | 0x60, "linux", 6), (3, MD | BL, "linux", 6)]:
        observed.unit(tick, state(sr), who, level)
    observed.accept(3, 4, "RXI0")
    observed.unit(6, state(MD | BL), "SPUMONE", 6)
    observed.path_ended("switch", False)
    observed.unit(9, state(MD | BL | 0xF0), "rtos", 6)
    observed.unit(13, state(MD | 0x70), "rtos", 6)  # nested in it: another handler, above
    observed.unit(18, state(MD | 0x60), "rtos", 6)
    observed.reached(HANDLER, 18)
    assert [(part, row[1]) for part, row in observed.parts.items()] == [
        (Part("wait", "linux", "masked at its source"), 1),
        (Part("wait", "linux", "SR.IMASK"), 1),
        (Part("wait", "linux", "SR.BL"), 1),
        (Part("accept", "CPU"), 1),
        (Part("path", "SPUMONE", "switch"), 2),
        (Part("entry", "rtos"), 8),
        (Part("wait", "rtos", "SR.IMASK"), 4),
    ]


def state(sr: int) -> bytes:
    return pack({**dict.fromkeys(STATE_NAMES, 0), "sr": sr, "pc": CODE})


def test_ticks_that_nobody_explained_are_an_error() -> None:
    observed = Attributed("RXI0", HANDLER, "handler", SYMBOLS, [])
    observed.line_rose("RXI0", 10)
    observed.begin(12, "guest")
    with pytest.raises(RuntimeError, match="RXI0: a sample of 10 ticks, 2 of them explained"):
        observed.reached(HANDLER, 20)
