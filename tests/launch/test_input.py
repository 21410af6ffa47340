"""Somebody types: the answer comes, the journal has each character with its tick, and replaying it is the same run."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import EXAMPLES, Running, run

from cosim.topology import load
from launch.record import read_rows
from launch.run import observe
from launch.session import Session

SPUMONE = EXAMPLES / "spumone.toml"


def replay(journal: list[list], ticks: int, *sets: str) -> str:
    """The digest of a run to ``ticks`` with the characters of a journal given at the start."""
    with Session(load(SPUMONE, list(sets))) as session:
        session.start()
        observe(session)
        for node in sorted({node for _, node, _ in journal}):
            session.command("input", node, entries=[(t, byte) for t, name, byte in journal if name == node])
        assert session.go(ticks).reason == "until"
        return str(session.finish()["digest"])


def converse(receive: Callable[[], bytes], send: Callable[[bytes], object]) -> bytes:
    """Wait for the prompt, say something to Linux, and wait for the answer and the next prompt."""
    heard, end = b"", time.monotonic() + 30
    asked = False
    while time.monotonic() < end:
        heard += receive()
        if not asked and b"guest$ " in heard:
            asked = True
            send(b"echo hi\n")
        if b"hi\r\nguest$ " in heard:
            return heard
    raise AssertionError(heard)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(outcome, folder: Path) -> None:
    """The journal of the recorded run holds what was typed, and replays."""
    assert outcome.code == 0, outcome
    journal = read_rows(folder / "journal.jsonl")
    assert bytes(byte for _, _, byte in journal) == b"echo hi\n"
    assert {node for _, node, _ in journal} == {"scif1"}
    at = [tick for tick, _, _ in journal]
    assert all(b - a >= 34_560 for a, b in zip(at, at[1:], strict=False))
    result = json.loads((folder / "result.json").read_text())
    assert replay(journal, result["ticks"]) == result["digest"]


def test_tcp(rtos, linux, tmp_path, free_port):
    arguments = ["--record", tmp_path, "--until-line", "linux:^hi", "--set", f"scif1.host=tcp:127.0.0.1:{free_port}"]
    with Running("run", SPUMONE, *arguments) as running:
        client = connect(free_port)
        client.settimeout(0.1)

        def receive() -> bytes:
            try:
                return client.recv(4096)
            except TimeoutError:
                return b""

        converse(receive, client.sendall)
        outcome = running.end()
        client.close()
    check(outcome, tmp_path)


def connect(port: int) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_pty(rtos, linux, tmp_path, placement):
    link = tmp_path / "tty"
    arguments = ["--record", tmp_path / "r", "--until-line", "linux:^hi", "--set", f"scif1.host=pty:{link}",
                 "--set", f"run.placement={placement}"]  # fmt: skip
    with Running("run", SPUMONE, *arguments) as running:
        while not link.exists():
            time.sleep(0.01)
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

        def receive() -> bytes:
            return os.read(fd, 4096) if select.select([fd], [], [], 0.1)[0] else b""

        converse(receive, lambda data: os.write(fd, data))
        outcome = running.end()
        os.close(fd)
    check(outcome, tmp_path / "r")
    assert not os.path.lexists(link)


def test_stdio(rtos, linux, tmp_path):
    arguments = ["--record", tmp_path, "--until-line", "linux:^hi", "--set", "scif1.host=stdio"]
    with Running("run", SPUMONE, *arguments, stdin=subprocess.PIPE) as running:
        running.wait_for(tmp_path / "linux.log", b"guest$ ")
        running.process.stdin.write("echo hi\n")
        running.process.stdin.flush()
        outcome = running.end()
    check(outcome, tmp_path)
    # Each line once: from the port, and from the monitor only those of the other port.
    assert outcome.out.count("echo hi") == 1 and "linux|" not in outcome.out
    assert "rtos| rtos: ready" in outcome.out


def test_stdio_beside_json(rtos, linux):
    outcome = run("run", SPUMONE, "--until-line", r"linux:^guest\$ ", "--set", "scif1.host=stdio", "--json", "-")
    assert outcome.json["ok"] is True
    assert "guest$" in outcome.err


def test_typed_before_the_start_is_not_lost_in_the_launcher(rtos, linux, tmp_path):
    arguments = ["--record", tmp_path, "--until", "20ms", "--set", "scif1.host=stdio"]
    with Running("run", SPUMONE, *arguments, stdin=subprocess.PIPE) as running:
        running.process.stdin.write("x")
        running.process.stdin.flush()
        assert running.end().code == 0
    [[tick, node, byte]] = read_rows(tmp_path / "journal.jsonl")
    assert (node, byte) == ("scif1", ord("x")) and tick > 0


def test_a_person_at_an_idle_machine_is_waited_for(topology, rtos, free_port):
    # hello sleeps for good; somebody may still type, so that is no stall.
    with Running("run", topology.path, "--set", f"scif0.host=tcp:127.0.0.1:{free_port}") as running:
        connect(free_port).close()
        time.sleep(1.5)
        assert running.process.poll() is None
        running.signal(signal.SIGINT, group=True)
        assert running.end().code == 130
