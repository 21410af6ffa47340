"""Malformed messages behind an accepted connection: at a live launcher, at the machine of a CPU node, at devices.

Nothing but an error that names a rule comes out of it, no call takes long, and memory stays flat.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from commands import BOARD, ROOT, Topology

from cosim import NEVER, topology, wire
from cosim.device import DeviceError
from cosim.messages import (
    Advance,
    Answer,
    Arm,
    Body,
    Directive,
    Final,
    Finish,
    Hello,
    Input,
    Inspect,
    Lines,
    Read,
    Ready,
    Status,
    Trap,
    Vcpus,
    Write,
    Writes,
)
from cosim.placement import component_class
from cosim.rules import BrokenRule
from cosim.state import STATE_SIZE
from cosim.target import Inproc
from cpu_node import make_core
from cpu_node.machine import Machine
from launch.session import Session, Watcher
from launch.supervise import NodeFailure

sys.path.append(str(ROOT / "tests" / "cosim"))
from mutations import mutated, stream

RAM, SIZE = 0x0C000000, 1 << 20
REGISTER, STATE = 0xFFD80000, bytes(STATE_SIZE)
GUESTS = [("rtos", RAM, RAM + 0x7FFF), ("linux", RAM + 0x8000, RAM + 0xFFFF)]
NAMES = "entry reset current report routes console".split()
LABELS = [(0x80000000 + RAM + 64 * k, name) for k, name in enumerate(NAMES)]
SLOW = 5  # seconds of CPU time in which any one message is over, also under sanitizers


def resident() -> int:
    """KiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 10


def bodies(seed: int, count: int, sources: list[Body]) -> Iterator[Body]:
    """Messages that a receiver's types take, made of these with something changed."""
    rng = random.Random(seed)
    raws = [wire.encode(body, 7, 1) for body in sources]
    while count:
        try:
            body = wire.decode(mutated(rng, rng.choice(raws), header=False)).body
        except (wire.WireError, OverflowError, ValueError):
            continue
        count -= 1
        yield body


def quick(call: Callable[[], Any]) -> None:
    began = time.process_time()
    try:
        call()
    finally:
        assert time.process_time() - began < SLOW


# At the machine ----------------------------------------------------------------------------------------------


class Says:
    """A component that answers with one message, and after it with what an honest one would say."""

    def __init__(self, name: str, body: Body, regions: Any) -> None:
        self.name, self.body, self.line_names, self.regions = name, body, ("TUNI0", "TUNI1"), regions

    def handle(self, t: int, body: Body) -> Body:
        said, self.body = self.body, None
        if isinstance(body, Finish):
            return said if isinstance(said, Final) else Final(bytes(32), {})
        if isinstance(body, Inspect):
            return said if isinstance(said, Vcpus) else Vcpus([(name, STATE, False) for name, _, _ in GUESTS])
        if isinstance(body, Trap):
            return said if isinstance(said, Directive) else Directive(1, "rtos", STATE, partitions=GUESTS)
        return said if isinstance(said, Answer) else Answer(0, 0, NEVER)


ANSWERS = [
    Answer(5, 1, NEVER, [(20, 0), (40, 3)], [(REGISTER, 4, NEVER, [(0, 5, 12, -1)])], [(REGISTER, 4, 100, 3)],
           [("TUNI0", 0x580, 5, 1), ("TUNI1", 0x5A0, 6, 2)], -1, [(REGISTER, -1, 1, REGISTER, "store", 0xFF)]),
    Answer(0, 0, 30),
    Final(bytes(32), {"a": {"b": [1, 2.5, "c"]}}),
]  # fmt: skip
DIRECTIVES = [
    Directive(
        3, "rtos", STATE, True, (RAM + 0x80000000, 1, 2, 3), [0x580], [(REGISTER, 4, 1)], [(RAM, b"\x09\x00" * 8)],
        "text", "path", (3, 4), 0x580, [(1, -1, 5, 0, "path")], partitions=GUESTS, owners=[(0x580, "rtos")],
        code=[(RAM, RAM + 0xFFF)], trespass="report", starvation=50, wake=9,
    ),
    Directive(0, "rtos", STATE, partitions=GUESTS, labels=LABELS, pointers=[(RAM + 0x80001000, "rtos")]),
    Directive(0, "", writes=[(REGISTER, 4, 1)], again=True, reads=[(RAM, 64), (REGISTER, 4)], partitions=GUESTS),
    Vcpus([(name, STATE, False) for name, _, _ in GUESTS], [(0x580, "linux", 3)]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["native", "python"])
@pytest.mark.parametrize("role", ["tmu", "intc"])
def test_answers_of_a_target(kind, role):
    core: Any = make_core(kind, (RAM, SIZE))
    went = broke = 0
    for body in bodies(1, 1500, ANSWERS):
        core.drop_leases(0, 0xFFFFFFFF)
        target = Inproc(Says("dev", body, [(REGISTER, REGISTER + 0xFF)]), role)

        def use(target: Any = target) -> None:
            core.tick = 0
            core.set_state({"pc": 0x8C000000, "sr": 0x400000F0})
            machine = Machine(core, [target], look=lambda: None)
            machine.start([], None)
            machine.read(0, REGISTER, 4)
            machine.write(1, REGISTER, 4, 0xFFFFFFFF)
            machine.go(200)
            machine.read(core.tick, REGISTER, 1)
            machine.finish()

        try:
            quick(use)
            went += 1
        except BrokenRule as error:
            assert error.node == "dev"
            broke += 1
    assert went > 100 and broke > 100


@pytest.mark.parametrize("kind", ["native", "python"])
def test_what_a_hypervisor_says(kind):
    core: Any = make_core(kind, (RAM, SIZE))
    went = broke = 0
    for k, body in enumerate(bodies(2, 1500, DIRECTIVES)):
        target = Inproc(Says("spumone", body if k % 2 else None, ()), "hypervisor")

        def use(target: Any = target, body: Body = body) -> None:
            core.tick = 0
            core.set_state({"pc": 0x8C000000, "sr": 0x400000F0})
            core.set_partition(None)
            machine = Machine(core, [target], look=lambda: None)
            machine.start([], None)
            target.component.body = body
            machine.trap("call", 1, 0)
            machine.inspect()
            machine.go(core.tick + 200)
            machine.figures()

        try:
            quick(use)
            went += 1
        except BrokenRule as error:
            assert error.node == "spumone"
            broke += 1
    assert went > 100 and broke > 100


# At devices ----------------------------------------------------------------------------------------------------

QUESTIONS = [
    Read(0xFFE00010, 2, [(0xFFE00010, 0x60)]),
    Read(0xFFD8000C, 4, [(0xFFD8000C, 7)]),
    Write(0xFFE00008, 2, 0x30, []),
    Write(0xFFD80004, 1, 1, []),
    Writes([(5, 0xFFE0000C, 1, 0x41, []), (7, 0xFFE0000C, 1, 0x42, [])]),
    Writes([(5, 0xFFD4003C, 4, 0xFFFFFFFF, [])]),
    Lines([(5, "IRQ0", 1), (6, "TUNI0", 1)]),
    Input([(9, 0x41), (50, 0x142), (60, 0x442)]),
    Arm("^guest", 0),
    Trap("call", 1, 3, STATE, False, [(0x580, 3)], [b"abcd"], [1, 2, 3, 4]),
    Advance(),
    Inspect(),
    Finish(),
]


@pytest.mark.parametrize("role", ["scif", "tmu", "intc", "cpg", "bsc", "hypervisor"])
def test_questions_to_a_device(role):
    device: Any = component_class(role)(role, {})
    went = broke = 0
    for k, body in enumerate(bodies(3, 1500, QUESTIONS)):
        if k % 20 == 0:
            device = component_class(role)(role, {})
        t = (7, 500, 40_000_000, 1 << 61)[k % 20 // 5]

        def use(device: Any = device, t: int = t, body: Body = body) -> None:
            answer = device.handle(t, body)
            if answer is not None:
                wire.decode(wire.encode(answer, t, 1))

        try:
            quick(use)
            went += 1
        except DeviceError as error:
            assert str(error).startswith(f"{role}: ")
            broke += 1
    assert broke > 50 and (went > 50 or role == "hypervisor")


# At a live launcher ------------------------------------------------------------------------------------------------


@pytest.fixture
def launcher(rtos: Path, tmp_path: Path) -> Iterator[tuple[Session, dict[str, Any]]]:
    """A session whose nodes are sockets of this test: Hello, Welcome and Ready are said."""
    text = BOARD.replace("]\nrole", ']\nplacement = "external"\nrole')
    board = topology.load(Topology(tmp_path / "board.toml", text).path)
    context = zmq.Context()
    with Session(board, Watcher()) as session:
        nodes = {}
        for name, node in board.nodes.items():
            session.supervisor.adopt(name)
            nodes[name] = context.socket(zmq.DEALER)
            nodes[name].identity, nodes[name].linger = name.encode(), 0
            nodes[name].connect(session.control.endpoint)
            digest = component_class(node["role"]).map_digest()
            nodes[name].send(wire.encode(Hello(name, node["role"], 1, 1, digest, [], os.getpid())))
            while not nodes[name].poll(10):
                session.pump()
            endpoint = wire.decode(nodes[name].recv()).body.endpoint
            nodes[name].send(wire.encode(Ready(endpoint, *(session.rules._built_in(name) or ((), ())))))
        while len(session.ready) < len(nodes):
            session.pump()
        yield session, nodes
    context.destroy(linger=0)


def test_frames_at_a_live_launcher(launcher):
    session, nodes = launcher
    failed: dict[str, int] = {}
    before, names = 0, ["Hello", "Ready", "Status", "Paused", "Reply", "HostInput", "Output", "Failed", "Recorded"]
    session.control.note = session.watcher.note
    for k, raw in enumerate(stream(4, 3000, names)):
        name = ("cpu", "cpu", "scif0", "cpg")[k % 4]
        session.answers = deque([lambda data: None])
        session.rules.commands = deque([("report", "finish", "state")[k % 3]])
        session.rules.owed = deque(["Go"])
        nodes[name].send(raw)
        began = time.process_time()
        try:
            for sender, identity, got in session.control.received(5000):
                assert (sender, got) == (name, raw)
                session._take(sender, identity, got)
        except (NodeFailure, topology.TopologyError) as error:
            rule = str(error).rpartition("(rule ")[2].rstrip(")") or "said so"
            failed[rule] = failed.get(rule, 0) + 1
        assert time.process_time() - began < SLOW
        while nodes[name].poll(0):
            nodes[name].recv()
        if k == 1000:
            before = resident()
    assert len(failed) > 8 and sum(failed.values()) > 1000, failed
    assert resident() - before < 16 << 10
    for name, child in session.supervisor.children.items():
        child.stopped = False
        nodes[name].send(wire.encode(Status(1 << 62, {})))
    end = time.monotonic() + 20
    while set(session.rules.progress.values()) != {1 << 62} and time.monotonic() < end:  # it goes on
        session.pump()
    assert session.rules.progress == dict.fromkeys(nodes, 1 << 62)
