"""``cosim node``: nodes started by hand, from another folder, that a run accepts, refuses, or never answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import EXAMPLES, ROOT, Running, digest, run, second

from cosim.keys import Keys, make_pair, write_file

SPUMONE = EXAMPLES / "spumone.toml"
UNTIL = ("--until", "30ms")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["tcp", "ipc"])
def endpoint(request: pytest.FixtureRequest, temporary: Path) -> str:
    return f"tcp://127.0.0.1:{free_port()}" if request.param == "tcp" else f"ipc://{temporary}/control"


@pytest.fixture
def started(tmp_path: Path) -> Iterator:
    """``cosim node ARGUMENTS`` from another folder."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "launch.cli", "node", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        processes.append(subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def key(endpoint: str, folder: Path, name: str = "intc") -> list[str]:
    """Arguments for the key that a run with its folder in ``folder`` has made for a node; none over ipc."""
    if endpoint.startswith("ipc://"):
        return []
    end = time.monotonic() + 30
    while not (found := list(folder.glob(f"cosim-*/{name}.key"))) or not found[0].stat().st_size:
        assert time.monotonic() < end, "the run made no key file"
        time.sleep(0.02)
    return ["--key", str(found[0])]


def external(endpoint: str) -> list[str]:
    return [str(SPUMONE), *UNTIL, "--set", "intc.placement=external", "--set", f"run.control={endpoint}"]


# Over tcp the run is first: it makes the node's key.
@pytest.mark.parametrize(
    ("endpoint", "first"), [("tcp", "run"), ("ipc", "run"), ("ipc", "node")], indirect=["endpoint"]
)
def test_same_digest(rtos, linux, started, endpoint, first, temporary):
    if first == "node":
        node = started("intc", "--connect", endpoint)
        time.sleep(0.5)
    with Running("run", *external(endpoint), "--json", "-") as running:
        if first == "run":
            time.sleep(0.5)
            given = key(endpoint, temporary)
            node = started("intc", "--connect", endpoint, *given)
        outcome = running.end()
    assert outcome.code == 0, outcome
    command = " ".join(["cosim node intc --name intc --connect", endpoint, *(given if first == "run" else ())])
    assert f"cosim: waiting for node intc: start it with `{command}`\n" in outcome.err
    assert outcome.json["digest"] == digest(SPUMONE, *UNTIL)
    [row] = [row for row in outcome.json["nodes"] if row["name"] == "intc"]
    assert row["pid"] == node.pid
    assert node.wait(5) == 0


def test_wrong_name_and_wrong_role(rtos, linux, started, endpoint, temporary):
    with Running("run", *external(endpoint)) as running:
        given = key(endpoint, temporary)
        why = "its key is that of node intc" if given else "this run has no place for a node 'inct'"
        other = started("intc", "--name", "inct", "--connect", endpoint, *given)
        assert other.wait(20) == 2
        assert other.stderr.read() == f"cosim node inct: the launcher at {endpoint} refused inct: {why}\n"
        other = started("tmu", "--name", "intc", "--connect", endpoint, *given)
        assert other.wait(20) == 2
        assert other.stderr.read().endswith("refused intc: role tmu; the topology has intc as intc\n")
        why = (
            "its key is that of node intc"
            if given
            else ('this run starts tmu itself; by hand it takes placement = "external"')
        )
        other = started("tmu", "--connect", endpoint, *given)
        assert other.wait(20) == 2
        assert other.stderr.read().endswith(f"refused tmu: {why}\n")
        started("intc", "--connect", endpoint, *given)
        assert running.end().code == 0


def test_killed(rtos, linux, started, endpoint, tmp_path, temporary):
    arguments = [*external(endpoint)[:1], *external(endpoint)[3:], "--record", tmp_path / "r"]
    with Running("run", *arguments) as running:
        node = started("intc", "--connect", endpoint, *key(endpoint, temporary))
        running.wait_for(tmp_path / "r" / "rtos.log", b"ready")
        node.kill()
        began = time.monotonic()
        outcome = running.end()
        assert time.monotonic() - began < second()
        assert outcome.code == 3
        assert f"node intc: its process {node.pid}, started by hand, has ended" in outcome.last


@pytest.fixture
def pair() -> Keys:
    """Keys of a run that is not there."""
    return Keys(make_pair()[1], make_pair()[0])


def test_ctrl_c_of_the_node(started, endpoint, pair, tmp_path):
    write_file(tmp_path / "key", pair)
    node = started("intc", "--connect", endpoint, "--key", "key")
    time.sleep(1)
    node.send_signal(signal.SIGINT)
    assert node.wait(5) == 130
    assert node.stderr.read() == "cosim node intc: stopped by Ctrl-C\n"


def test_the_run_ends_before_it_came(rtos, linux, endpoint):
    with Running("run", *external(endpoint)) as running:
        time.sleep(1.5)
        running.signal(signal.SIGINT, group=True)
        assert running.end().code == 130


@pytest.mark.parametrize("where", ["nowhere", "tcp://127.0.0.1:", "ftp://127.0.0.1:1"])
def test_no_endpoint(started, where, pair, tmp_path):
    write_file(tmp_path / "key", pair)
    node = started("intc", "--connect", where, "--key", "key")
    assert node.wait(10) == 2
    text = node.stderr.read()
    assert text.startswith(f"cosim node intc: {where!r}: ")
    assert text.endswith("; expected ipc://PATH or tcp://127.0.0.1:PORT\n")


def test_elsewhere_is_not_allowed_yet(started):
    node = started("intc", "--connect", "tcp://192.0.2.1:7777")
    assert node.wait(10) == 2
    assert node.stderr.read() == (
        "cosim node intc: 'tcp://192.0.2.1:7777': a node connects to this machine only; "
        "expected ipc://PATH or tcp://127.0.0.1:PORT\n"
    )


def test_unknown_role(started, endpoint, pair, tmp_path):
    write_file(tmp_path / "key", pair)
    node = started("intk", "--connect", endpoint, "--key", "key")
    assert node.wait(10) == 2
    assert node.stderr.read().startswith("cosim node intk: no role 'intk': known are bsc, cpg, cpu, ")


def test_nobody_listens(monkeypatch, endpoint, capfd, pair):
    from cosim import link, node

    monkeypatch.setattr(link, "PATIENCE", 0.5)
    assert node.main("intc", "intc", endpoint, keys=pair) == 2
    said = f"cosim node intc: no launcher answered at {endpoint} in 0 s: is `cosim run` waiting there?\n"
    assert capfd.readouterr().err == said


def test_control_in_use(rtos, linux):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        where = f"tcp://127.0.0.1:{holder.getsockname()[1]}"
        outcome = run("run", SPUMONE, "--set", f"run.control={where}")
    assert outcome == (2, "", f"cosim: [run] control = '{where}' cannot be bound: Address already in use "
                       f"(addr='{where}'); choose another\n")  # fmt: skip


def test_control_of_another_run(rtos, linux, temporary, tmp_path):
    # An ipc path that another run waits at is not taken from it.
    where = f"run.control=ipc://{temporary}/control"
    with Running("run", SPUMONE, "--set", where, "--record", tmp_path / "r") as running:
        running.wait_for(tmp_path / "r" / "rtos.log", b"ready")
        outcome = run("run", SPUMONE, "--until", "1ms", "--set", where)
        assert outcome.code == 2, outcome
        assert (
            outcome.last == f"cosim: [run] control = 'ipc://{temporary}/control': this path is in use; choose another"
        )
        assert running.process.poll() is None


def test_control_is_a_file(rtos, linux, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    outcome = run("run", SPUMONE, "--set", f"run.control=ipc://{path}")
    expected = f"cosim: [run] control = 'ipc://{path}': this path exists and is no socket; choose another\n"
    assert outcome == (2, "", expected)
    assert path.read_text() == "data"
