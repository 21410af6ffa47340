"""What a hypervisor, and any target, may make the machine do: each broken rule is named before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from bench_core import BASE, SIZE

from cosim import NEVER
from cosim.clock import ClockError
from cosim.device import QuestionError
from cosim.messages import (
    Advance,
    Answer,
    Arm,
    Body,
    Directive,
    Final,
    Finish,
    Input,
    Inspect,
    Lines,
    Read,
    Trap,
    Vcpus,
)
from cosim.placement import component_class
from cosim.rules import BrokenRule
from cosim.state import STATE_SIZE
from cosim.target import Inproc
from cpu_node import make_core
from cpu_node.machine import Machine

STATE = bytes(STATE_SIZE)
RAM = BASE & 0x1FFFFFFF
GUESTS = [("rtos", RAM, RAM + 0xFFF), ("linux", RAM + 0x1000, RAM + 0x1FFF)]
LABELS = [(RAM + 0x8000_0000, name) for name in "entry reset current report routes console".split()]


class Told:
    """A hypervisor, or a device, that gives the answers it was told, then the last one again and again."""

    def __init__(self, name: str, *answers: Body, lines: tuple[str, ...] = (), regions: Any = ()) -> None:
        self.name, self.answers, self.line_names, self.regions = name, list(answers), lines, regions

    def handle(self, t: int, body: Body) -> Body:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def first(**changes: Any) -> Directive:
    return Directive(**{"charge": 0, "vcpu": "rtos", "state": STATE, "partitions": GUESTS, **changes})


def machine(*answers: Body) -> Machine:
    core: Any = make_core("python", (BASE, SIZE))
    return Machine(core, [Inproc(Told("spumone", *answers), "hypervisor")], look=lambda: None)


def broken(rule: str, call: Any, *arguments: Any, node: str = "spumone") -> str:
    with pytest.raises(ClockError) as caught:
        call(*arguments)
    assert caught.value.rule == rule and caught.value.node == node, caught.value
    return caught.value.text.partition(": Directive: ")[2] or caught.value.text


def at_start(rule: str, *answers: Body) -> str:
    return broken(rule, machine(*answers).start, [], None)


def later(rule: str, *answers: Body) -> str:
    made = machine(first(), *answers)
    made.start([], None)
    return broken(rule, made.trap, "call", 1, 0)


def test_a_fine_start():
    machine(first()).start([], None)


def test_states():
    assert at_start("directive-state", first(state=b"")) == f"a state of 0 bytes; expected {STATE_SIZE}"
    assert "3 bytes" in later("directive-state", Directive(0, "rtos", b"abc"))


def test_guests():
    known = "those of its partitions are linux, rtos"
    assert at_start("directive-vcpu", first(vcpu="x\x1b")) == f"names guest 'x\\x1b'; {known}"
    assert at_start("directive-vcpu", first(owners=[(0x580, "nobody")])) == f"names guest 'nobody'; {known}"
    machine(first(owners=[(0x580, "SPUMONE")])).start([], None)
    assert "expected each guest once" in at_start("directive-vcpu", first(partitions=[GUESTS[0], GUESTS[0]]))
    assert later("directive-vcpu", Directive(0, "third", STATE)) == f"names guest 'third'; {known}"


def test_what_belongs_to_the_start():
    endless = Directive(0, "", more=True)
    assert at_start("directive-start", endless) == "more for the 257th time; expected 256 at most"
    for changes in ({"more": True}, {"labels": LABELS}, {"partitions": GUESTS}):
        text = later("directive-start", Directive(0, "rtos", STATE, **changes))
        assert text == f"{next(iter(changes))} in the answer to a trap of cause call"


def test_again_without_end():
    text = "again for the 65th time in a row; expected 64 at most"
    assert later("directive-again", Directive(0, "rtos", STATE, again=True)) == text


def test_memory():
    outside = "at physical 0x{:08x}, {} bytes: not in RAM"
    assert at_start("directive-memory", first(loads=[(RAM - 1, b"ab")])) == "load " + outside.format(RAM - 1, 2)
    end = RAM + SIZE
    assert at_start("directive-memory", first(loads=[(end - 1, b"ab")])) == "load " + outside.format(end - 1, 2)
    reads = Directive(0, "", again=True, reads=[(end, 4)])
    assert later("directive-memory", reads) == "read " + outside.format(end, 4)
    reads = Directive(0, "", again=True, reads=[(0xFFD80000, 3)])
    assert later("directive-memory", reads) == "a read of 3 bytes of the register 0xffd80000"


def test_ranges():
    text = "partition of rtos from 0x00000008 to 0x00000007: it ends before it begins"
    assert at_start("directive-memory", first(partitions=[("rtos", 8, 7)])) == text
    text = "partition of rtos at physical 0x00000000, 8 bytes: not in RAM"
    assert at_start("directive-memory", first(partitions=[("rtos", 0, 7)])) == text
    assert "it ends before it begins" in at_start("directive-memory", first(code=[(RAM + 1, RAM)]))


def test_labels_of_a_firmware():
    rest = LABELS[1:]
    assert at_start("directive-labels", first(labels=rest)) == "labels without entry"
    wrong = [(0x1234, "entry"), *rest]
    assert at_start("directive-labels", first(labels=wrong)).startswith("label entry at physical 0x00001234, 4 bytes")
    pointers = [(RAM, "rtos")]
    assert "vCPU of rtos" in at_start("directive-labels", first(labels=LABELS, pointers=pointers))
    pointers = [(RAM + 0x800, "nobody")]
    assert "names guest 'nobody'" in at_start("directive-vcpu", first(labels=LABELS, pointers=pointers))


def test_names_of_paths():
    rows = [Directive(0, "rtos", STATE, charge_path=f"path{k}") for k in range(300)]
    made = machine(first(), *rows)
    made.start([], None)
    with pytest.raises(ClockError) as caught:
        for _ in rows:
            made.trap("call", 0, 0)
    assert caught.value.rule == "directive-paths" and len(made.charges) <= 256


@pytest.mark.parametrize("changes", [{"forward": [0x10]}, {"deliver": 0xFE0}, {"owners": [(0x20, "rtos")]}], ids=repr)
def test_interrupts_that_the_board_has_not(changes):
    assert "expected that of a source of the board" in later("directive-line", Directive(0, "rtos", STATE, **changes))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Vcpus([("rtos", STATE, False)]), "vCPUs rtos; expected linux, rtos, each once"),
        (Vcpus([("rtos", STATE, False)] * 2), "vCPUs rtos, rtos; expected linux, rtos, each once"),
        (Vcpus([("rtos", STATE, False), ("linux", b"", False)]), "vCPU linux with a state of 0 bytes; expected"),
    ],
    ids=["few", "twice", "state"],
)
def test_the_vcpus_that_it_tells(answer, text):
    made = machine(first(), answer)
    made.start([], None)
    assert broken("vcpus-all", made.inspect).startswith(text)


def test_a_report_is_kept_to_a_length():
    made = machine(first(report="x" * 1_000_000))
    made.start([], None)
    assert len(made.reports[0]) < 1100


# Devices ---------------------------------------------------------------------------------------------------


def with_device(*answers: Body) -> Machine:
    core: Any = make_core("python", (BASE, SIZE))
    return Machine(core, [Inproc(Told("dev", *answers, regions=[(0xFFD80000, 0xFFD800FF)]), "device")], lambda: None)


@pytest.mark.parametrize(("size", "value"), [(1, 0x100), (2, 0x10000), (4, 1 << 32), (4, -1)])
def test_a_value_that_does_not_fit(size, value):
    made = with_device(Answer(value, 0, NEVER))
    text = broken("answer-value", made.read, 5, 0xFFD80000, size, node="dev")
    assert text == f"dev at tick 5: value {value:#x} to a read of {size} bytes at 0xffd80000; expected one that fits"


def test_a_promise_that_gets_no_further():
    made = with_device(Answer(0, 0, 0))
    assert "promised only until 0 again" in broken("promise-further", made.settle, 0, node="dev")


def test_figures_that_json_cannot_hold():
    made = with_device(Final(bytes(32), {"a": b"b"}))
    with pytest.raises(BrokenRule) as caught:
        made.finish()
    assert caught.value.rule == "map-plain" and caught.value.node == "dev"
    assert caught.value.text == "dev at tick 0: Final.info.a is of type bytes; expected what JSON can hold"


@pytest.mark.parametrize(
    ("role", "rule", "body"),
    [
        ("scif", "question-tick", Input([(9, 1), (8, 1)])),
        ("scif", "question-data", Input([(9, 0x800)])),
        ("scif", "question-data", Arm("(")),
        ("scif", "question-data", Arm("a{99999999999999999999}")),
        ("scif", "question-data", Arm("a", 1)),
        ("intc", "question-data", Lines([(5, "IRQx", 1)])),
        ("intc", "question-data", Lines([(5, "\x1b", 1)])),
        ("tmu", "question-kind", Input([])),
        ("cpg", "question-kind", Inspect()),
        ("hypervisor", "question-kind", Trap("call", 0, 0, STATE)),
        ("intc", "question-kind", Trap("start", 0, 0, b"")),
    ],
    ids=repr,
)
def test_questions_that_a_device_does_not_take(role, rule, body):
    device = component_class(role)(role, {})
    if role == "intc":
        device.handle(0, Advance())
    with pytest.raises(QuestionError) as caught:
        device.handle(5, body)
    assert caught.value.rule == rule and caught.value.text.startswith(f"{role}: ")


def test_traps_that_a_hypervisor_does_not_take():
    node = component_class("hypervisor")("spumone", {})
    node.started = True
    for body in (Trap("call", 0, 0, b"abc"), Trap("report", 0, 0, b"", words=[1])):
        with pytest.raises(QuestionError) as caught:
            node.handle(5, body)
        assert caught.value.rule == "question-data"


def test_reads_and_finish_are_taken():
    device = component_class("cpg")("cpg", {})
    assert isinstance(device.handle(5, Read(0xFFC80000, 4, [])), Answer)
    assert isinstance(device.handle(5, Finish()), Final)
