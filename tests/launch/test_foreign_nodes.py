"""Nodes of another make: hand-made frames on the control and data sockets give a clear error and no hang."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from commands import EXAMPLES, ROOT, Outcome, Running
from zmq.utils import z85

from cosim import wire
from cosim.messages import (
    Advance,
    Answer,
    Failed,
    Final,
    Go,
    Hello,
    Read,
    Ready,
    Refuse,
    Status,
    Stop,
    Welcome,
)
from cosim.placement import component_class

RTOS = EXAMPLES / "rtos.toml"
MAP = component_class("cpg").map_digest()
REGIONS = [tuple(region) for region in component_class("cpg")("cpg", {}).regions]


class Foreign:
    """A clock generator of another make, as the test wants it, at a run that waits for it."""

    def __init__(self, context: zmq.Context, folder: Path, name: str = "cpg") -> None:
        self.control = context.socket(zmq.DEALER)
        self.control.identity = name.encode()
        self.data = context.socket(zmq.PAIR)
        self.control.linger = self.data.linger = 0
        self.folder, self.progress = folder, 0

    def connect(self) -> Foreign:
        end = time.monotonic() + 30
        while not (self.folder / "control").exists() and time.monotonic() < end:
            time.sleep(0.01)
        self.control.connect(f"ipc://{self.folder}/control")
        return self

    def hello(self, **changes: Any) -> Any:
        """Say hello and take the answer."""
        fields = {"name": "cpg", "role": "cpg", "protocol": 1, "state_schema": 1, "registers": MAP,
                  "capabilities": [], "pid": os.getpid(), **changes}  # fmt: skip
        self.control.send(wire.encode(Hello(**fields)))
        answer = self.receive()
        self.endpoint = answer.endpoint if isinstance(answer, Welcome) else ""
        return answer

    def receive(self) -> Any:
        assert self.control.poll(60_000), "the launcher did not answer"
        return wire.decode(self.control.recv()).body

    def ready(self, endpoint: str = "") -> None:
        self.data.bind(self.endpoint)
        self.control.send(wire.encode(Ready(endpoint or self.endpoint, [], REGIONS)))

    def asked(self) -> int:
        """Whether the CPU has asked something, after a sign of life."""
        self.progress += 1
        self.control.send(wire.encode(Status(self.progress, {})))
        return int(self.data.poll(20))

    def serve(
        self,
        answer: Callable[[wire.Frame], bytes | None],
        seconds: float = 60,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Answer the CPU until the launcher says Stop or is gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            meanwhile()
            if self.asked():
                raw = answer(wire.decode(self.data.recv()))
                if raw is not None:
                    self.data.send(raw)
            if self.control.poll(0) and isinstance(self.receive(), Stop):
                return

    def close(self) -> None:
        self.control.close()
        self.data.close()


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def waiting(rtos: Path, temporary: Path) -> Iterator[Running]:
    """A run that waits for its clock generator."""
    where = f"run.control=ipc://{temporary}/control"
    with Running("run", RTOS, "--until", "20ms", "--set", "cpg.placement=external", "--set", where) as running:
        yield running


@pytest.fixture
def foreign(waiting: Running, context: zmq.Context, temporary: Path) -> Foreign:
    return Foreign(context, temporary).connect()


def fails(outcome: Outcome, *said: str) -> None:
    assert outcome.code == 3, outcome
    for text in said:
        assert text in outcome.last


def packed(*values: Any) -> bytes:
    return bytes(msgpack.packb(list(values)))


def honest(frame: wire.Frame) -> bytes:
    """What a clock generator without registers would answer."""
    if isinstance(frame.body, Advance):
        return wire.encode(Answer(0, 0, 1 << 62), frame.t, frame.seq)
    return wire.encode(Final(b"\0" * 32, {}), frame.t, frame.seq)


class TestControl:
    def test_an_honest_one_is_taken(self, waiting, foreign):
        assert isinstance(foreign.hello(), Welcome)
        foreign.ready()
        foreign.serve(honest)
        outcome = waiting.end()
        assert outcome.code == 0, outcome

    def test_a_message_of_two_parts(self, waiting, foreign, context, temporary):
        stranger = Foreign(context, temporary, "nobody").connect()
        stranger.control.send_multipart([b"\x01", b"\x02"])
        assert stranger.receive().reason == "a message of 2 parts; expected one"
        assert isinstance(foreign.hello(), Welcome)
        foreign.control.send_multipart([b"\x01", b"\x02"])
        fails(waiting.end(), "node cpg: a message of 2 parts (rule frame-part)")

    def test_another_protocol_version(self, waiting, foreign):
        foreign.control.send(packed(2, 0, 1, 1, 0, "something", "else"))
        fails(waiting.end(), "node cpg: protocol version 2: this side speaks 1; install the same release")

    def test_another_state_schema(self, waiting, foreign):
        answer = foreign.hello(state_schema=9)
        assert isinstance(answer, Refuse) and answer.reason.startswith("state schema 9; this side has 1")
        fails(waiting.end(), "node cpg: refused: state schema 9; this side has 1: install the same release")

    def test_another_register_map(self, waiting, foreign):
        assert isinstance(foreign.hello(registers="0123456789abcdef"), Refuse)
        fails(waiting.end(), f"node cpg: refused: register map 0123456789abcdef of cpg; this side has {MAP}")

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"5", "node cpg: frame is not an array [version, epoch, kind, seq, t, ...]"),
            (b"\xc1\xc1\xc1", "node cpg: frame of 3 bytes is not msgpack within the caps"),
            (b"", "node cpg: frame of 0 bytes is not msgpack within the caps"),
            (packed(1, 0, 1, 1, 0, 5, 6, 7, 8, 9, 10, 11), "node cpg: Hello.name: Expected `str`, got `int`"),
            (packed(1, 0, 1, 1, 0, "cpg"), "node cpg: Hello ends after 1 fields: expected `role`, `protocol`, "),
            (packed(1, 0, 99, 1, 0), "node cpg: message kind 99 is not in the protocol (version 1)"),
            (packed(1, 0, 1, 1, -1, "cpg"), "node cpg: header field t is -1: expected an integer 0..2^63-1"),
            (packed(1, 0, 7, 1, 0, 5), "node cpg: sent Go, which it is not to send here"),
            (packed(1, 0, 8, 1, 0, "until", "", {}), "node cpg: sent Paused, which it is not to send here"),
            (packed(1, 0, 10, 1, 0, {}), "node cpg: sent Reply, which it is not to send here"),
            (bytes((16 << 20) + 1), "node cpg: frame of 16777217 bytes: at most 16777216 are accepted"),
        ],
        ids="text bytes empty types short kind time go paused reply large".split(),
    )
    def test_a_wrong_frame(self, waiting, foreign, raw, said):
        foreign.control.send(raw)
        fails(waiting.end(), said)

    def test_a_stranger_is_refused_and_changes_nothing(self, waiting, foreign, context, temporary):
        stranger = Foreign(context, temporary, "nobody").connect()
        answer = stranger.hello(name="nobody")
        assert isinstance(answer, Refuse) and answer.reason == "this run has no place for a node 'nobody'"
        stranger.control.send(b"\xc1")
        assert isinstance(stranger.receive(), Refuse)
        foreign.hello()
        foreign.ready()
        foreign.serve(honest)
        assert waiting.end().code == 0

    def test_another_role_is_refused_and_the_run_waits_on(self, waiting, foreign, context, temporary):
        answer = foreign.hello(role="bsc")
        assert isinstance(answer, Refuse) and answer.reason == "role bsc; the topology has cpg as cpg"
        assert isinstance(foreign.hello(), Welcome)
        foreign.ready()
        foreign.serve(honest)
        outcome = waiting.end()
        assert outcome.code == 0
        assert "cosim: refused node cpg: role bsc; the topology has cpg as cpg" in outcome.err

    def test_the_place_of_a_node_that_the_run_starts_itself(self, waiting, foreign, context, temporary):
        second = Foreign(context, temporary, "tmu").connect()
        answer = second.hello(name="tmu", role="tmu")
        assert isinstance(answer, Refuse)
        assert answer.reason == 'this run starts tmu itself; by hand it takes placement = "external"'
        foreign.hello()
        third = Foreign(context, temporary, "cpg@2").connect()
        assert third.hello().reason == f"this run has its node cpg already, process {os.getpid()}"
        third.control.send(b"a stranger's frames change nothing")
        foreign.ready()
        foreign.serve(honest)
        assert waiting.end().code == 0

    @pytest.mark.parametrize("endpoint", ["tcp://192.0.2.1:99", "inproc://x", "x"])
    def test_ready_elsewhere(self, waiting, foreign, endpoint):
        foreign.hello()
        foreign.ready(endpoint)
        fails(waiting.end(), f"node cpg: is ready at {endpoint!r}; expected {foreign.endpoint} (rule ready-endpoint)")

    def test_ready_and_then_silent(self, waiting, foreign):
        foreign.hello()
        foreign.ready()
        fails(waiting.end(), "node cpg: hangs: no progress for ")


class TestOverTcp:
    """A node of another make that has read the protocol page: keys of its own, and a gate of its own."""

    @pytest.mark.parametrize("keys", ["right", "none"])
    def test_an_honest_one(self, rtos, context, temporary, keys):
        sets = "run.transport=tcp", f"run.control=ipc://{temporary}/control", "cpg.placement=external"
        with Running("run", RTOS, "--until", "20ms", *(part for text in sets for part in ("--set", text))) as running:
            foreign = Foreign(context, temporary).connect()
            end = time.monotonic() + 30
            while not (files := [*temporary.glob("cosim-*/cpg.key")]) or not files[0].stat().st_size:
                assert time.monotonic() < end, "no key file"
            secret, _ = files[0].read_bytes().split()
            welcome = foreign.hello()
            assert welcome.endpoint == "tcp://127.0.0.1:*"
            gate = context.socket(zmq.REP)
            gate.bind("inproc://zeromq.zap.01")
            if keys == "right":
                foreign.data.curve_server, foreign.data.curve_secretkey = True, secret
                foreign.data.zap_domain = b"x"
            foreign.data.bind("tcp://127.0.0.1:*")
            foreign.control.send(wire.encode(Ready(foreign.data.last_endpoint.decode(), [], REGIONS)))
            asked = 0

            def answer() -> None:
                nonlocal asked
                if gate.poll(0):
                    version, request, _, _, _, mechanism, key = gate.recv_multipart()
                    asked += mechanism == b"CURVE" and z85.encode(key).decode() == welcome.peer
                    gate.send_multipart([version, request, b"200", b"", b"", b""])

            foreign.serve(honest, meanwhile=answer)
            outcome = running.end()
        if keys == "right":
            assert outcome.code == 0 and asked == 1, outcome
        else:
            fails(outcome, "its socket did not show its key, or did not take the CPU node's", "(rule keys)")


class TestData:
    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"\xc1", "cpg at tick 0: answer to Advance: frame of 1 bytes is not msgpack within the caps"),
            (packed(2, 0, 38, 1, 0), "cpg at tick 0: answer to Advance: protocol version 2: this side speaks 1"),
            (
                packed(1, 0, 38, 1, 0, "x", 0, 0),
                "cpg at tick 0: answer to Advance: Answer.value: Expected `int`, got `str`",
            ),
            (packed(1, 0, 38, 77, 0, 0, 0, 5), "cpg at tick 0: answer 77 where that to Advance 1 is due"),
            (packed(1, 0, 42, 1, 0, bytes(32), {}), "cpg at tick 0: Final to Advance; expected Answer"),
            (bytes((16 << 20) + 1), "cpg at tick 0: answer to Advance: frame of 16777217 bytes: at most 16777216"),
            (bytes((32 << 20) + 1), "cpg at tick 0: its connection was lost: it closed it, or sent more than a frame"),
        ],
        ids="bytes version types seq kind large huge".split(),
    )
    def test_a_wrong_answer(self, waiting, foreign, raw, said):
        foreign.hello()
        foreign.ready()
        foreign.serve(lambda frame: raw)
        fails(waiting.end(), "node " + said.replace("cpg at", "cpg: at"))

    def test_a_closed_connection(self, waiting, foreign):
        foreign.hello()
        foreign.ready()
        while not foreign.asked():
            pass
        foreign.data.close()
        foreign.data = zmq.Context.instance().socket(zmq.PAIR)
        foreign.serve(honest, 5)
        fails(waiting.end(), "cpg: at tick 0: its connection was lost", "(rule connection)")

    def test_a_promise_that_is_past(self, waiting, foreign):
        def answer(frame: wire.Frame) -> bytes:
            return wire.encode(Answer(0, 0, 8_000), frame.t, frame.seq)

        foreign.hello()
        foreign.ready()
        foreign.serve(answer)
        fails(waiting.end(), "node cpg: at tick ", "promise", "(rule promise-further)")


class TestDevice:
    """A device process whose launcher and CPU node the test plays."""

    @pytest.fixture
    def device(self, context: zmq.Context, temporary: Path) -> Iterator[Any]:
        router, data = context.socket(zmq.ROUTER), context.socket(zmq.PAIR)
        router.bind(f"ipc://{temporary}/control")
        argv = [sys.executable, "-m", "cosim.node", "tmu", "tmu", f"ipc://{temporary}/control"]
        self.router, self.data, self.temporary = router, data, temporary
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True)
        yield self
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def heard(self, kind: type) -> Any:
        while True:
            assert self.router.poll(60_000), f"no {kind.__name__}"
            self.peer, raw = self.router.recv_multipart()
            body = wire.decode(raw).body
            if not isinstance(body, Status):
                assert isinstance(body, kind), body
                return body

    def welcome(self) -> None:
        self.heard(Hello)
        self.router.send_multipart([self.peer, wire.encode(Welcome("run", {}, f"ipc://{self.temporary}/tmu"))])
        ready = self.heard(Ready)
        self.data.connect(ready.endpoint)

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"\xc1", "frame of 1 bytes is not msgpack within the caps"),
            (packed(1, 0, 32, 1, 0, "here", 4, []), "Read.address: Expected `int`, got `str`"),
            (bytes((16 << 20) + 1), "frame of 16777217 bytes: at most 16777216 are accepted"),
            (wire.encode(Go(5)), "tmu: a tmu takes no Go"),
            (wire.encode(Answer(0, 0, 0)), "tmu: a tmu takes no Answer"),
        ],
        ids="bytes types large go answer".split(),
    )
    def test_a_wrong_frame(self, device, raw, said):
        device.welcome()
        device.data.send(raw)
        failed = device.heard(Failed)
        assert said in failed.text and failed.code == 3
        assert device.process.wait(60) == 3
        assert said in device.process.stderr.read()

    def test_time_that_runs_back(self, device):
        device.welcome()
        for t in (100, 99):
            device.data.send(wire.encode(Read(0xFFD80004, 1, []), t, 1))
        assert "tmu: Read at tick 99, but it stands at 100" in device.heard(Failed).text

    def test_a_second_peer(self, device, context):
        # A PAIR socket of libzmq aborts its process within a second when peers come that it has no place for.
        device.welcome()
        device.data.send(wire.encode(Read(0xFFD80004, 1, []), 1, 1))
        assert device.data.poll(60_000)
        device.data.recv()
        end = time.monotonic() + 4
        while time.monotonic() < end and device.process.poll() is None:
            try:
                stranger = context.socket(zmq.PAIR)
            except zmq.ZMQError:  # too many that linger
                time.sleep(0.05)
                continue
            stranger.linger, stranger.sndtimeo = 100, 100
            stranger.connect(f"ipc://{device.temporary}/tmu")
            with suppress(zmq.Again):
                for _ in range(100):
                    stranger.send(os.urandom(20))
            stranger.close()
        device.data.send(wire.encode(Read(0xFFD80004, 1, []), 2, 2))
        assert device.data.poll(60_000), device.process.communicate()[1]
        assert wire.decode(device.data.recv()).seq == 2

    def test_stop(self, device):
        device.welcome()
        device.router.send_multipart([device.peer, wire.encode(Stop())])
        assert device.process.wait(60) == 0

    def test_a_launcher_that_goes(self, device):
        device.welcome()
        device.router.close(linger=0)
        assert device.process.wait(60) == 2
        assert "the launcher at ipc://" in device.process.stderr.read()

    def test_refused(self, device):
        device.heard(Hello)
        device.router.send_multipart([device.peer, wire.encode(Refuse("too late"))])
        assert device.process.wait(60) == 2
        assert device.process.stderr.read().endswith("refused tmu: too late\n")

    def test_anything_but_welcome(self, device):
        device.heard(Hello)
        device.router.send_multipart([device.peer, wire.encode(Go(5))])
        assert device.process.wait(60) == 2
        assert "Go from ipc://" in device.process.stderr.read()

    def test_garbage_for_welcome(self, device):
        device.heard(Hello)
        device.router.send_multipart([device.peer, b"\xc1"])
        assert device.process.wait(20) == 3
        assert "not msgpack" in device.process.stderr.read()
