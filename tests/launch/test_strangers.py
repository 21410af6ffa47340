"""Strangers at the sockets of a run, and false launchers: they get nothing, and change nothing."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq
from commands import EXAMPLES, ROOT, Running, digest
from strangers import Door, echo, idle, knock, recorder, replay

from cosim import link, wire
from cosim.keys import Gate, Keys, make_pair, read_file, write_file
from cosim.link import allow_files
from cosim.messages import Failed, Welcome
from cosim.topology import load
from launch.control import Control
from launch.supervise import NodeFailure, Supervisor

RTOS = EXAMPLES / "rtos.toml"
UNTIL = ("--until", "20ms")


@cache
def undisturbed(*until: str) -> str:
    """The digest of a run without strangers."""
    return digest(RTOS, *(until or UNTIL))


class Run:
    """A tcp run that waits for two nodes, cpg and tmu, so that all its sockets are open and nobody is connected."""

    def __init__(self, folder: Path, *until: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.control = int(probe.getsockname()[1])
        self.running = Running(
            "run", RTOS, *(until or UNTIL), "--json", "-", "--set", "run.transport=tcp",
            "--set", "cpg.placement=external",
            "--set", "tmu.placement=external", "--set", f"run.control=tcp://127.0.0.1:{self.control}",
        )  # fmt: skip
        self.joined: list[subprocess.Popen[bytes]] = []

    def wait(self) -> None:
        """Until the nodes that the run starts itself have bound their data sockets."""
        end = time.monotonic() + 60
        while len(self.doors()) < 3:
            assert time.monotonic() < end and self.running.process.poll() is None, self.running.end(1)
            time.sleep(0.05)
        self.keys = {name: read_file(self.key_file(name)) for name in ("cpg", "tmu")}

    def key_file(self, name: str) -> Path:
        [path] = self.folder.glob(f"cosim-*/{name}.key")
        return path

    def doors(self) -> list[Door]:
        """The control socket and the data sockets that are bound. What is not known of a key is made up."""
        launcher = read_file(found[0]).launcher if (found := list(self.folder.glob("cosim-*/cpg.key"))) else ""
        doors = []
        for process in (psutil.Process(self.running.pid), *self.running.nodes().values()):
            ports = [row.laddr.port for row in process.net_connections("tcp") if row.status == psutil.CONN_LISTEN]
            own = process.pid == self.running.pid
            doors += [Door(port, zmq.DEALER if own else zmq.PAIR, launcher or make_pair()[0]) for port in ports]
        return doors

    def opened(self, doors: list[Door]) -> list[Door]:
        """Those that can be connected to."""
        there = []
        for door in doors:
            with suppress(OSError), socket.create_connection(("127.0.0.1", door.port), 0.2):
                there.append(door)
        return there

    def join(self, name: str, port: int = 0, key: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a node by hand."""
        where = f"tcp://127.0.0.1:{port or self.control}"
        argv = [sys.executable, "-m", "launch.cli", "node", name, "--connect", where]
        argv += ["--key", str(key or self.key_file(name))]
        self.joined.append(subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE))
        return self.joined[-1]

    def close(self) -> None:
        self.running.__exit__()
        for process in self.joined:
            process.kill()
            process.communicate()


@pytest.fixture
def waiting(rtos: Path, temporary: Path) -> Iterator[Run]:
    run = Run(temporary)
    try:
        run.wait()
        yield run
    finally:
        run.close()


def attacked(run: Run, count: int) -> None:
    """``count`` strangers of each kind at the sockets of a waiting run: it ends as if nobody had come."""
    doors = run.doors()
    kept = run.folder / "stolen"
    write_file(kept, run.keys["cpg"])
    pids = [(name, process.pid) for name, process in run.running.nodes().items()]
    nobody = ["", make_pair()[1]]
    assert knock(doors, nobody, [*pids, ("tmu", os.getpid()), ("cpg", 1)], count) == count
    with recorder(run.control) as (port, recorded, back):
        run.join("cpg", port)
        end = time.monotonic() + 30
        while run.folder.glob("cosim-*/cpg.key") and any(run.folder.glob("cosim-*/cpg.key")):
            assert time.monotonic() < end, "cpg was not admitted"
            time.sleep(0.02)
        hello = bytes(recorded)
        assert len(hello) > 500  # a greeting, the handshake, and an encrypted Hello
        # The same bytes get the greeting and the Welcome of a handshake, which says nothing, and are cut off.
        assert {replay(door, hello) for door in doors[:1] for _ in range(count // 10)} <= set(range(300))
        second = [Door(run.control, zmq.DEALER, run.keys["cpg"].launcher)]
        assert knock(second, [run.keys["cpg"].secret], [("cpg", run.joined[0].pid)], count // 10) == count // 10
        with echo(bytes(back)) as false:
            led = run.join("cpg", false, kept)
            assert led.wait(60) == 2
            assert b"the key of cpg is not for who listens at" in led.stderr.read()
        late = run.join("cpg", key=kept)
        assert late.wait(30) == 2
        assert b"it is of another run, or was used before" in late.stderr.read()
        run.join("tmu")
        outcome = run.running.end()
    assert outcome.code == 0, outcome
    assert outcome.json["digest"] == undisturbed()
    said = [line for line in outcome.err.splitlines() if "turned away" in line]
    assert len(said) == 2 and re.search(r"turned away \d+ connections without a key of this run", said[1])
    assert "refused" not in outcome.err


def test_strangers_of_each_kind(waiting):
    attacked(waiting, 300)


def test_strangers_while_it_runs(rtos, temporary):
    until = ("--until", "2s")
    run = Run(temporary, *until)
    try:
        run.wait()
        run.join("cpg")
        run.join("tmu")
        doors = run.doors()
        names = [(name, process.pid) for name, process in run.running.nodes().items()]
        while run.running.process.poll() is None:
            knock(doors, ["", make_pair()[1]], names, 50, 1)
        outcome = run.running.end()
    finally:
        run.close()
    assert outcome.code == 0, outcome
    assert outcome.json["digest"] == undisturbed(*until)


def memory(run: Run) -> int:
    """Bytes of the launcher and its nodes."""
    return sum(
        process.memory_info().rss for process in (psutil.Process(run.running.pid), *run.running.nodes().values())
    )


def test_what_is_sent_before_a_key_costs_nothing_once_all_are_in(rtos, temporary):
    # libzmq keeps what a connection sends before it has shown its key, up to 32 MB of it.
    run = Run(temporary, "--until", "100s")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
    try:
        run.wait()
        doors = run.doors()
        run.join("cpg")
        run.join("tmu")
        end = time.monotonic() + 60
        while run.opened(doors):
            assert time.monotonic() < end, f"{run.opened(doors)} can be reached though all are in"
        before = memory(run)
        for door in doors:
            for _ in range(10):
                with socket.socket() as stranger, suppress(OSError):
                    stranger.settimeout(0.1)
                    stranger.connect(("127.0.0.1", door.port))
                    stranger.sendall(greeting + b"\x06" + (31 << 20).to_bytes(8, "big") + bytes(30 << 20))
        assert memory(run) - before < 20 << 20
        assert run.running.process.poll() is None
        run.running.signal(signal.SIGINT)
        assert run.running.end().code == 130
    finally:
        run.close()


@pytest.mark.long
def test_ten_thousand_strangers(waiting):
    attacked(waiting, 10_000)


def test_a_thousand_idle_connections(rtos, temporary):
    allow_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this process may not have enough files open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    run = Run(temporary)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    connections = []
    try:
        run.wait()
        connections = idle([door.port for door in run.doors()[:2]], 2 * 1100)
        run.join("cpg")
        run.join("tmu")
        outcome = run.running.end()
    finally:
        run.close()
        for connection in connections:
            connection.close()
    assert outcome.code == 0, outcome
    assert outcome.json["digest"] == undisturbed()


def test_no_file_can_be_opened(waiting):
    # Strangers have used up all the files the launcher may have open. It goes on when they have left.
    launcher = psutil.Process(waiting.running.pid)
    launcher.rlimit(psutil.RLIMIT_NOFILE, (120, 120))
    connections = idle([waiting.control], 150)
    end = time.monotonic() + 30
    while launcher.num_fds() < 120:
        assert time.monotonic() < end, launcher.num_fds()
        time.sleep(0.05)
    time.sleep(2)
    assert waiting.running.process.poll() is None, waiting.running.end(1)
    for connection in connections:
        connection.close()
    waiting.join("cpg")
    waiting.join("tmu")
    outcome = waiting.running.end()
    assert outcome.code == 0, outcome
    assert outcome.json["digest"] == undisturbed()


def test_no_file_can_be_opened_in_the_start(cosim, rtos, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Supervisor, "start", full)
    outcome = cosim("run", RTOS, *UNTIL)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert outcome.code == 3
    assert outcome.err.splitlines()[-1].startswith(
        f"cosim: no more files or sockets can be opened, this process may have {most}: raise the limit (ulimit -Hn)"
    )
    assert "Traceback" not in outcome.err


def test_keys_are_nowhere_to_be_read(waiting):
    secrets = {keys.secret for keys in waiting.keys.values()}
    for process in (psutil.Process(waiting.running.pid), *waiting.running.nodes().values()):
        text = " ".join([*process.cmdline(), *process.environ().values()])
        assert not re.search(r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}", text.replace("/", " ")), text
        assert not any(secret in text for secret in secrets)
    for name in waiting.keys:
        path = waiting.key_file(name)
        assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


class TestFlood:
    """Somebody of the same user, over ipc, who sends what is none and never reads."""

    def test_it_costs_little_and_is_told_once(self, rtos, temporary):
        where = f"run.control=ipc://{temporary}/control"
        with Running("run", RTOS, *UNTIL, "--set", "cpg.placement=external", "--set", where) as running:
            end = time.monotonic() + 30
            while not (temporary / "control").exists():
                assert time.monotonic() < end
                time.sleep(0.05)
            assert (temporary / "control").stat().st_mode & 0o077 == 0
            launcher = psutil.Process(running.pid)
            with zmq.Context() as context, context.socket(zmq.DEALER) as flood:
                flood.identity, flood.linger, flood.sndhwm, flood.rcvhwm = b"nobody", 0, 100, 1
                flood.connect(f"ipc://{temporary}/control")
                flood.send(b"\xc1")
                time.sleep(1)
                before = launcher.memory_info().rss
                for _ in range(150_000):
                    flood.send(b"\xc1" * 1000)
                grown = launcher.memory_info().rss - before
                flood.send(b"\xc1")
            argv = [sys.executable, "-m", "launch.cli", "node", "cpg", "--connect", f"ipc://{temporary}/control"]
            node = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
            outcome = running.end()
            assert node.wait(10) == 0
        assert outcome.code == 0, outcome
        assert grown < 20 << 20
        assert outcome.err.count("refused node nobody") == 1
        [told] = re.findall(r"cosim: refused (\d+) more messages of who is no node of this run", outcome.err)
        assert int(told) > 140_000


class TestDoesNotRead:
    """Somebody who is let in and never reads: nobody waits for it."""

    @pytest.fixture
    def context(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[zmq.Context]:
        monkeypatch.setattr(link, "HIGH_WATER", 50)
        context = zmq.Context()
        yield context
        context.destroy(linger=0)

    def test_a_node(self, rtos, temporary, context):
        control = Control(load(RTOS, [f"run.control=ipc://{temporary}/control"]), temporary, lambda text: None)
        node = link.configure(context.socket(zmq.DEALER))
        node.identity, node.linger = b"tmu@1", 0
        node.connect(f"ipc://{temporary}/control")
        node.send(b"hello")
        [(name, identity, _)] = list(control.received(10_000))
        control.admit(name, identity)
        with pytest.raises(NodeFailure, match="node tmu: does not read its control socket: "):
            for _ in range(10_000):
                control.send("tmu", Welcome("", {"filler": "x" * 10_000}, ""), 0)
        control.close()

    def test_a_launcher(self, temporary, context):
        launcher = context.socket(zmq.ROUTER)
        launcher.rcvhwm, launcher.linger = 1, 0
        launcher.bind(f"ipc://{temporary}/control")
        node = link.Link(context, f"ipc://{temporary}/control", "tmu")
        sent: list[int] = []

        def goes() -> None:
            time.sleep(1)
            launcher.close()

        threading.Thread(target=goes).start()
        with pytest.raises(link.LinkError, match=f"the launcher at ipc://{temporary}/control is gone"):
            while True:
                node.send(Failed("x" * 10_000))
                sent.append(1)
        assert len(sent) >= 50
        node.last_words("nobody is there to hear it")
        node.close()


class TestFalseLauncher:
    """Somebody who listens where a node started by hand looks for its run."""

    OWN = Keys(make_pair()[1], make_pair()[0])

    def node(self, where: str, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "launch.cli", "node", "scif", "--connect", where, *arguments]
        return subprocess.Popen(
            argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @pytest.mark.parametrize("keys", ["none", "others"])
    def test_it_is_told_nothing_and_nothing_is_done(self, tmp_path, keys):
        write_file(tmp_path / "key", self.OWN)
        with zmq.Context() as context, context.socket(zmq.ROUTER) as false:
            if keys == "others":
                gate = Gate(context, once=False)
                gate.guard(false, make_pair()[1])
            port = false.bind_to_random_port("tcp://127.0.0.1")
            node = self.node(f"tcp://127.0.0.1:{port}", "--key", str(tmp_path / "key"))
            code = node.wait(30)
            assert not false.poll(0)
            assert node.communicate()[1] == (
                f"cosim node scif: the key of scif is not for who listens at tcp://127.0.0.1:{port}: it is of another "
                "run, or was used before; take the --key that `cosim run` shows\n"
            )
            assert code == 2

    def test_without_a_key_it_does_not_go_there(self):
        with zmq.Context() as context, context.socket(zmq.ROUTER) as false:
            false.linger = 0
            port = false.bind_to_random_port("tcp://127.0.0.1")
            node = self.node(f"tcp://127.0.0.1:{port}")
            assert node.wait(30) == 2
            assert not false.poll(0)
        assert node.communicate()[1] == (
            f"cosim node scif: 'tcp://127.0.0.1:{port}': a node connects over tcp with a key only; expected the --key "
            "that `cosim run` shows\n"
        )

    def test_over_ipc_it_is_of_another_user(self, temporary, monkeypatch, capfd):
        from cosim import node

        other = 65_534
        with socket.socket(socket.AF_UNIX) as false:
            if os.geteuid() == 0:
                temporary.chmod(0o777)
                os.seteuid(other)
                try:
                    false.bind(f"{temporary}/false")
                    false.listen()
                finally:
                    os.seteuid(0)
            else:
                false.bind(f"{temporary}/false")
                false.listen()
                other = os.geteuid()
                monkeypatch.setattr(os, "geteuid", lambda: 64_000)
            assert node.main("scif", "scif", f"ipc://{temporary}/false") == 2
        assert capfd.readouterr().err == (
            f"cosim node scif: who listens at ipc://{temporary}/false is user {other}: a node takes orders of its own "
            f"user only, which is {os.geteuid()}\n"
        )

    def test_a_launcher_that_asks_for_a_socket_without_keys(self, temporary):
        # It is of the same user, but the node opens nothing that strangers can reach.
        with zmq.Context() as context, context.socket(zmq.ROUTER) as launcher:
            launcher.linger = 0
            launcher.bind(f"ipc://{temporary}/control")
            node = self.node(f"ipc://{temporary}/control")
            peer, _ = launcher.recv_multipart()
            launcher.send_multipart([peer, wire.encode(Welcome("run", {}, "tcp://127.0.0.1:*"))])
            assert node.wait(30) == 3
        assert "gave no keys for it: only ipc needs none" in node.communicate()[1]


class TestKeyFile:
    """``cosim node --key``."""

    def refused(self, *arguments: str, given: str = "") -> str:
        argv = [sys.executable, "-m", "launch.cli", "node", "tmu", "--connect", "tcp://127.0.0.1:9", *arguments]
        ended: Any = subprocess.run(
            argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, input=given, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 2
        return str(ended.stderr).removeprefix("cosim node tmu: ").strip()

    def test_others_could_read_it(self, tmp_path):
        path = tmp_path / "key"
        write_file(path, TestFalseLauncher.OWN)
        path.chmod(0o640)
        assert self.refused("--key", str(path)) == (
            f"key file {path} has mode 0640 and owner {os.geteuid()}: expected 0600 and {os.geteuid()}, so that nobody "
            "else can read it"
        )

    def test_it_is_missing(self, tmp_path):
        assert self.refused("--key", "gone") == "key file gone cannot be opened: No such file or directory"
        assert self.refused("--key", str(tmp_path)) == f"key file {tmp_path} is no file"

    @pytest.mark.parametrize(
        "text", ["", "x\n", "a" * 1000, "é" * 40 + " " + "é" * 40 + "\n"], ids="none word long other".split()
    )
    def test_it_holds_no_keys(self, text):
        expected = "standard input holds no keys of a node: expected the file that `cosim run` has named"
        assert self.refused("--key", "-", given=text) == expected

    def test_by_standard_input(self, waiting):
        for name in ("cpg", "tmu"):
            argv = [sys.executable, "-m", "launch.cli", "node", name, "--connect", f"tcp://127.0.0.1:{waiting.control}"]
            with waiting.key_file(name).open() as file:
                waiting.joined.append(
                    subprocess.Popen(
                        [*argv, "--key", "-"],
                        stdin=file,
                        stderr=subprocess.PIPE,
                        env={**os.environ, "PYTHONPATH": str(ROOT)},
                    )  # fmt: skip
                )
        assert waiting.running.end().code == 0
