"""A break on Linux's console, then a key: the kernel's SysRq help, from each host that can send one, and a replay."""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import time

import pytest
from commands import EXAMPLES, Running
from test_input import connect, free_port, replay  # noqa: F401 free_port is a fixture

from cosim.topology import load
from cosim.typed import BREAK
from launch.record import read_rows
from launch.run import observe
from launch.session import Session

HELP = "linux:HELP : .*show-task-states"  # the end of the line, more or less
SPUMONE = EXAMPLES / "spumone.toml"
TELNET_BREAK, PARMRK_BREAK = b"\xff\xf3", b"\xff\0\0"


def check(outcome, folder) -> None:
    """Linux has told its help; the journal has the break and the key, and replays."""
    assert outcome.code == 0, outcome
    log = (folder / "linux.log").read_bytes()
    assert b"sysrq: HELP : loglevel(0-9)" in log and b"show-task-states(t" in log
    journal = read_rows(folder / "journal.jsonl")
    assert [(node, entry) for _, node, entry in journal] == [("scif1", BREAK), ("scif1", ord("h"))]
    result = json.loads((folder / "result.json").read_text())
    assert replay(journal, result["ticks"]) == result["digest"]


def test_by_telnet(rtos, linux, tmp_path, free_port):  # noqa: F811
    arguments = [
        "--record",
        tmp_path,
        "--until-line",
        HELP,
        "--set",
        f"scif1.host=tcp:127.0.0.1:{free_port}",
    ]
    with Running("run", SPUMONE, *arguments) as running, connect(free_port) as client:
        client.settimeout(0.1)
        heard, end = b"", time.monotonic() + 60
        while b"guest$ " not in heard and time.monotonic() < end:
            try:
                heard += client.recv(4096)
            except TimeoutError:
                continue
        client.sendall(TELNET_BREAK + b"h")
        outcome = running.end()
    check(outcome, tmp_path)


def test_on_a_pty_with_the_coding_of_parmrk(rtos, linux, tmp_path):
    link = tmp_path / "tty"
    arguments = ["--record", tmp_path / "r", "--until-line", HELP, "--set", f"scif1.host=pty:{link}",
                 "--set", "scif1.parmrk=true"]  # fmt: skip
    with Running("run", SPUMONE, *arguments) as running:
        while not link.exists():
            time.sleep(0.01)
        client = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        heard, end = b"", time.monotonic() + 60
        while b"guest$ " not in heard and time.monotonic() < end:
            heard += os.read(client, 4096) if select.select([client], [], [], 0.1)[0] else b""
        os.write(client, PARMRK_BREAK + b"h")
        outcome = running.end()
        os.close(client)
    check(outcome, tmp_path / "r")


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_typed_by_a_program(rtos, linux, placement):
    with Session(load(SPUMONE, [f"run.placement={placement}"])) as session:
        session.start()
        observe(session)
        session.arm("linux", r"guest\$ $")
        assert session.go(armed=True).reason == "match"
        session.arm("linux", "HELP : .*show-task-states")
        session.type("linux", b"\0h", [(0, BREAK)])
        assert session.go(armed=True).reason == "match"


# Drives TxD of SCIF0 low and lets it go, for ever: SCR 0, SPTR 2, SPTR 3.
BREAKS = struct.pack(
    "<18H2I",
    *(0xD108, 0xD309, 0x6213, 0x7224, 0xE000, 0x8114),  # r1 the SCIF, r2 its SPTR, r3 a delay; SCR = 0
    *(0xE002, 0x2201, 0x6433, 0x4410, 0x8BFD, 0xE003, 0x2201, 0x6433, 0x4410, 0x8BFD, 0xAFF4, 0x0009),
    *(0xFFE00000, 100_000),
)


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_a_guest_sends_breaks_to_a_client_that_speaks_telnet(topology, tmp_path, free_port, placement):  # noqa: F811
    (tmp_path / "breaks.bin").write_bytes(BREAKS)
    topology.replace('image = "guest:rtos/hello.elf"', 'image = "breaks.bin"\nload = 0x0e000000\nentry = 0x8e000000')
    sets = ["--set", f"scif0.host=tcp:127.0.0.1:{free_port}", "--set", f"run.placement={placement}"]
    with Running("run", topology.path, *sets) as running, connect(free_port) as client:
        client.settimeout(60)
        client.sendall(b"\xff\xfd\x03")  # DO SUPPRESS-GO-AHEAD
        heard = b""
        while heard.count(TELNET_BREAK) < 2:
            heard += client.recv(100)
        assert heard.startswith(b"\xff\xfb\x01\xff\xfb\x03")  # it is offered an echo, and no going ahead
        running.signal(signal.SIGINT, group=True)
        assert running.end().code == 130
