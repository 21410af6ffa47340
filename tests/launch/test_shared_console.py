"""Consoles of guests that share a serial port: by name in logs, patterns and hosts; what a topology may not say."""

from __future__ import annotations

import socket
import time
import tomllib
from pathlib import Path

import pytest
from commands import EXAMPLES, Running

from cosim.shared_line import DLE, SELECT, Splitter
from cosim.topology import Topology, TopologyError, check, load
from guests.build import artefact
from guests.stages import BuildError
from launch.record import read_rows
from launch.run import is_interactive, parse_until_line

SHARED = EXAMPLES / "shared-serial.toml"


@pytest.fixture
def guests() -> None:
    try:
        artefact("linux-hvc", "vmlinux")
        artefact("rtos", "rtos-shared-spumone.elf")
    except BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_what_is_typed_on_a_console_reaches_its_guest_only(guests, tmp_path, placement):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    host = f"scif0.host=rtos=file:{tmp_path / 'file'},linux=tcp:127.0.0.1:{port}"
    arguments = ["--record", tmp_path / "r", "--until-line", "linux:^sh4a", "--set", host,
                 "--set", f"run.placement={placement}"]  # fmt: skip
    with Running("run", SHARED, *arguments) as running:
        client, heard = connect(port), b""
        while not heard.endswith(b"guest$ "):
            heard += client.recv(4096)
        client.sendall(b"uname -m\n")
        outcome = running.end()
        client.close()
    assert outcome.code == 0, outcome
    assert b"rtos:" not in heard
    logs = {name: (tmp_path / "r" / f"{name}.log").read_bytes() for name in ("rtos", "linux")}
    assert logs["linux"].startswith(heard) and b"guest$ uname -m\r\nsh4a" in logs["linux"]
    assert logs["rtos"].startswith(b"rtos: ready\r\n") and b"rx=1" not in logs["rtos"]
    assert (tmp_path / "file").read_bytes() == logs["rtos"]
    assert "rtos| rtos: ready" in outcome.out and "linux| sh4a" in outcome.out
    # The journal has the bytes of the wire, which say whose they are.
    journal = read_rows(tmp_path / "r" / "journal.jsonl")
    wire = bytes(byte for _, _, byte in journal)
    assert wire[:2] == bytes((DLE, SELECT + 1))
    assert [(channel, run) for channel, run in Splitter(2).split(wire)] == [(1, b"uname -m\n")]


def connect(port: int) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def topology(*sets: str) -> Topology:
    return load(SHARED, list(sets))


def test_consoles_are_ports():
    shared = topology("scif0.host=linux=stdio")
    assert shared.ports() == {"rtos": "scif0", "linux": "scif0"} and shared.consoles("scif0") == ["rtos", "linux"]
    assert shared.hosts() == {"rtos": "none", "linux": "stdio"} and shared.stdio() == ["linux"]
    assert is_interactive(shared) and not is_interactive(topology("scif0.host=rtos=file:x"))
    assert parse_until_line("linux:^x", shared) == ("linux", "^x")
    with pytest.raises(TopologyError, match="expected PORT:REGEX with PORT one of rtos, linux"):
        parse_until_line("scif0:x", shared)


@pytest.mark.parametrize(("change", "expected"), [
    ('scif0.mux=["rtos"]', "[nodes.scif0] mux = ['rtos']: 1 names for 2 guests; expected one for each"),
    ('scif0.mux=["rtos", "li nux"]', "[nodes.scif0] mux = ['rtos', 'li nux']: expected names of letters, digits, - and "
     "_, at most 31, the first a letter or digit, one for each guest by priority"),
    ('scif0.mux=["rtos", 1]', "[nodes.scif0] mux = ['rtos', 1]: expected names of letters, digits, - and _, at "
     "most 31, the first a letter or digit, one for each guest by priority"),
    ('scif0.mux=["rtos", "rtos"]', "two serial ports have the name 'rtos'; give each its own"),
    ('linux.lines=["TUNI0", "TUNI1", "TUNI2", "RXI0"]', "[guests.linux] lines: RXI0 is of the serial device that is "
     "SPUMONE's, [nodes.spumone] serial = 0: guests reach it by calls, not by its line"),
    ("scif0.port=console", "[nodes.scif0] mux = ['rtos', 'linux'], port = 'console': a port that guests share has the "
     "names of mux only"),
    ("scif0.channel=1", "[nodes.scif0] mux = ['rtos', 'linux']: guests share the port that is SPUMONE's: expected a "
     "node of role hypervisor with serial = 1, found serial = 0 in [nodes.spumone]"),
    ("spumone.serial=-1", "expected a node of role hypervisor with serial = 0, found serial = -1 in [nodes.spumone]"),
    ("scif0.host=stdio", "[nodes.scif0] host = 'stdio': expected CHANNEL=WHERE, channels are rtos, linux"),
    ("scif0.host=batch=stdio", "[nodes.scif0] host = 'batch=stdio': expected CHANNEL=WHERE, channels are rtos, linux"),
    ("scif0.host=rtos=stdio,linux=stdio", "[nodes.scif0] host = 'rtos=stdio,linux=stdio': stdio is one console's; "
     "expected it once"),
])  # fmt: skip
def test_what_a_topology_may_not_say(change, expected):
    with pytest.raises(TopologyError) as caught:
        topology(change)
    assert expected in str(caught.value)


def test_a_console_is_no_other_ports_name():
    raw = tomllib.loads(SHARED.read_text())
    raw["nodes"]["scif1"] = {"role": "scif", "channel": 1, "port": "linux"}
    with pytest.raises(TopologyError, match="two serial ports have the name 'linux'; give each its own"):
        check(raw, Path("shared.toml"))


def test_no_port_is_shared_without_spumone():
    raw = tomllib.loads(SHARED.read_text())
    del raw["nodes"]["spumone"]
    with pytest.raises(TopologyError, match="hypervisor with serial = 0, found no such node"):
        check(raw, Path("shared.toml"))
