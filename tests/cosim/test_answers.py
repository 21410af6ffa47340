"""What a target may answer: each broken rule is found, named, and told of that target; over a socket and by a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from cosim import NEVER, wire
from cosim.clock import ClockError
from cosim.device import Device, QuestionError
from cosim.messages import Advance, Answer, Body, Directive, Final, Finish, Go, Read, Trap, Vcpus, Write, Writes
from cosim.target import Inproc, Remote

REGISTER, LINES = 0xFFD80000, ["TUNI0", "TUNI1"]
REGIONS = [(REGISTER, REGISTER + 0xFF)]


class Told:
    """A component that gives the answers it was told, in order."""

    name, line_names, regions = "tmu", tuple(LINES), REGIONS

    def __init__(self, *answers: Body) -> None:
        self.answers = list(answers)

    def handle(self, t: int, body: Body) -> Body:
        return self.answers.pop(0)


class Peer:
    """The other end of a Remote's socket."""

    def __init__(self, context: zmq.Context) -> None:
        near, self.socket = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        near.linger = self.socket.linger = 0
        near.bind("inproc://data")
        self.socket.connect("inproc://data")
        self.target = Remote("tmu", "tmu", LINES, REGIONS, near, lambda: pytest.fail("nothing came"))

    def says(self, body: Body, t: int, seq: int) -> None:
        self.socket.send(wire.encode(body, t, seq))


@pytest.fixture
def peer() -> Iterator[Peer]:
    context = zmq.Context()
    yield Peer(context)
    context.destroy(linger=0)


def broken(rule: str, call: Any, *arguments: Any) -> str:
    with pytest.raises(ClockError) as caught:
        call(*arguments)
    assert caught.value.rule == rule and caught.value.node == "tmu", caught.value
    assert str(caught.value).startswith("tmu at tick ") and str(caught.value).endswith(f"(rule {rule})")
    return caught.value.text


def fine(**changes: Any) -> Answer:
    return Answer(**{"value": 0, "lines": 0, "next": NEVER, **changes})


# Whose answer it is ----------------------------------------------------------------------------------------


def test_an_answer_with_another_tick(peer):
    peer.says(fine(), 8, 1)
    assert broken("answer-tick", peer.target.call, 7, Advance()) == "tmu at tick 7: answer to Advance with t = 8"


@pytest.mark.parametrize("seq", [0, 2, 1 << 62])
def test_an_answer_to_another_question(peer, seq):
    peer.says(fine(), 7, seq)
    text = f"tmu at tick 7: answer {seq} where that to Advance 1 is due"
    assert broken("answer-seq", peer.target.call, 7, Advance()) == text


def test_an_answer_too_many_is_found_with_the_next(peer):
    for _ in range(2):
        peer.says(fine(), 7, 1)
    peer.target.call(7, Advance())
    assert "answer 1 where that to Advance 2 is due" in broken("answer-seq", peer.target.call, 8, Advance())


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (Advance(), Final(bytes(32), {}), "Answer"),
        (Read(REGISTER, 4, []), Directive(0, ""), "Answer"),
        (Finish(), fine(), "Final"),
        (Trap("start", 0, 0, b""), Vcpus([]), "Directive"),
        (Advance(), Go(5), "Answer"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_another_kind_of_answer(peer, question, answer, expected):
    peer.says(answer, 7, 1)
    text = f"tmu at tick 7: {type(answer).__name__} to {type(question).__name__}; expected {expected}"
    assert broken("answer-kind", peer.target.call, 7, question) == text
    assert broken("answer-kind", Inproc(Told(answer), "tmu").call, 7, question) == text


def test_no_answer_of_a_component():
    assert "NoneType to Advance" in broken("answer-kind", Inproc(Told(None), "tmu").call, 7, Advance())


# Posted writes: their answers count too, whether they are waited for or superseded ----------------------------


def post(target: Any, t: int) -> None:
    target.post(t, Write(REGISTER, 4, 1, []))
    target.flush()


@pytest.mark.parametrize(
    ("rule", "body", "t", "seq"),
    [
        ("answer-tick", fine(), 9, 1),
        ("answer-seq", fine(), 7, 3),
        ("answer-kind", Final(bytes(32), {}), 7, 1),
        ("posted-lines", fine(lines=2), 7, 1),
    ],
)
@pytest.mark.parametrize("superseded", [True, False])
def test_an_answer_to_posted_writes(peer, rule, body, t, seq, superseded):
    post(peer.target, 7)
    peer.says(body, t, seq)
    peer.says(fine(), 8, 2)
    text = broken(rule, *((peer.target.call, 8, Advance()) if superseded else (peer.target.collect,)))
    assert text.startswith("tmu at tick 7: ")


def test_answers_to_posted_writes_in_order(peer):
    post(peer.target, 7)
    post(peer.target, 8)
    for seq, t in ((1, 7), (2, 8), (3, 9)):
        peer.says(fine(value=seq, matched=t if seq == 1 else -1), t, seq)
    answer = peer.target.call(9, Advance())
    assert (answer.value, answer.matched) == (3, 7)
    assert peer.target.collect() is None


def test_the_levels_that_posted_writes_left_of_a_component():
    target = Inproc(Told(fine(lines=1)), "tmu")
    target.post(7, Write(REGISTER, 4, 1, []))
    assert "left its lines at 0x1; it had said 0x0" in broken("posted-lines", target.flush)


# What it says -----------------------------------------------------------------------------------------------


def checked(rule: str, role: str = "tmu", **changes: Any) -> str:
    return broken(rule, Inproc(Told(), role).check, 7, fine(**changes)).removeprefix("tmu at tick 7: ")


def test_line_bits():
    expected = "; expected bits for TUNI0, TUNI1"
    assert checked("answer-lines", lines=4) == "line levels 0x4" + expected
    assert checked("answer-lines", lines=-1) == "line levels -0x1" + expected
    assert checked("answer-lines", plan=[(8, 1), (9, 8)]) == "line levels 0x8 planned at 9" + expected
    effect = (REGISTER, -1, 4, REGISTER, "store", 0)
    assert checked("answer-lines", effects=[effect]) == f"line levels 0x4 of the effect at 0x{REGISTER:08x}{expected}"
    target = Inproc(Told(), "tmu")
    target.check(7, fine(lines=3, plan=[(8, 3)], effects=[(REGISTER, -1, 3, REGISTER, "store", 0)]))


def test_addresses_of_others():
    own = f"its regions are 0x{REGISTER:08x}..0x{REGISTER + 0xFF:08x}"
    there = f"of 0x0c000000, which is not its own; {own}"
    row = (0x0C000000, 4, NEVER, [(0, 1, 0, 0)])
    assert checked("answer-own", leases=[(REGISTER, 4, NEVER, [(0, 1, 0, 0)]), row]) == f"lease {there}"
    assert checked("answer-own", effects=[(0x0C000000, -1, 0, REGISTER, "end", 0)]) == f"effect {there}"
    assert checked("answer-own", effects=[(REGISTER, -1, 0, 0x0C000000, "end", 0)]) == f"effect {there}"


@pytest.mark.parametrize("ticks", [[], [5, 5], [5, 4], [0, 9, 8]])
def test_segments_of_a_lease(ticks):
    text = checked("answer-lease", leases=[(REGISTER, 4, NEVER, [(tick, 0, 0, 0) for tick in ticks])])
    assert text.startswith(f"a lease of 0x{REGISTER:08x} with segments from {ticks}; ")


def test_the_table_of_sources():
    row = ("TUNI0", 0x580, 3, 1)
    assert checked("answer-sources", sources=[row]) == (
        "gives a table of interrupt sources; it is a tmu, no interrupt controller"
    )
    assert checked("answer-sources", "intc", sources=[row, row]) == "its table has a line twice; expected each once"
    Inproc(Told(), "intc").check(7, fine(sources=[row]))


def test_a_match_that_is_to_come():
    assert checked("answer-matched", matched=8) == "a pattern matched at 8, which is to come"


def test_what_was_found_to_be_its_own_is_remembered_within_bounds():
    component = Told()
    component.regions = [(0, 1 << 25)]
    target = Inproc(component, "tmu")
    for first in range(0, 1 << 16, 1 << 10):
        target.check(7, fine(leases=[(k, 4, NEVER, [(0, 0, 0, 0)]) for k in range(first, first + (1 << 10))]))
    assert len(target.own) <= 4096


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("promise-past", fine(next=6)),
        ("promise-past", fine(next=NEVER + 1)),
        ("plan-order", fine(plan=[(9, 1), (8, 0)])),
        ("plan-order", fine(plan=[(8, 1)], next=8)),
    ],
)
def test_promises_and_plans(rule, answer):
    broken(rule, Inproc(Told(), "tmu").promise.renew, 7, answer)


# What may be asked ---------------------------------------------------------------------------------------------


def test_questions():
    def asked(rule: str, t: int, body: Body) -> str:
        device = Device("cpg", {})
        device.handle(100, Advance())
        with pytest.raises(QuestionError) as caught:
            device.handle(t, body)
        assert caught.value.rule == rule
        return caught.value.text

    assert asked("question-tick", 99, Advance()) == "cpg: Advance at tick 99, but it stands at 100"
    assert "no tick is beyond" in asked("question-tick", NEVER // 2 + 1, Advance())
    entry = (REGISTER, 4, 0, [])
    assert "Writes to tick 120 with one at 121" in asked("question-tick", 120, Writes([(121, *entry)]))
    falling = Writes([(110, *entry), (101, *entry)])
    assert "with one at 101, but it stands at 110" in asked("question-tick", 120, falling)
    assert asked("question-kind", 100, Go(5)).endswith("takes no Go")
