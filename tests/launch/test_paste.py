"""Much is typed at once: it takes no memory, nothing of it is lost, and no other console waits for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from commands import EXAMPLES, Running
from test_input import connect, free_port  # noqa: F401

from cosim.device import Host
from cosim.intake import WINDOW, Intake
from cosim.messages import Advance, Input, Write
from cosim.shared_line import frame
from device_nodes.hostport import open_hosts
from device_nodes.scif import Scif
from launch.record import read_rows

RTOS = EXAMPLES / "rtos.toml"
TEXT = bytes(range(32, 127)) * 11_038  # 1 MB
CHARACTER = 34_560  # ticks


def resident(running: Running) -> int:
    """Bytes of the launcher and its nodes."""
    processes = [psutil.Process(running.pid), *running.nodes().values()]
    return sum(process.memory_info().rss for process in processes)


def typed(folder: Path) -> bytes:
    return bytes(byte for _, _, byte in read_rows(folder / "journal.jsonl"))


def paste(port: int) -> socket.socket:
    """A client that sends TEXT as fast as it is taken."""
    client = connect(port)
    threading.Thread(target=lambda: _send(client), daemon=True).start()
    return client


def _send(client: socket.socket) -> None:
    try:
        client.sendall(TEXT)
    except OSError:
        pass  # the run has ended


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_a_megabyte_takes_no_memory(rtos, tmp_path, free_port, placement):  # noqa: F811
    folder = tmp_path / "r"
    host = f"scif0.host=tcp:127.0.0.1:{free_port}"
    with Running("run", RTOS, "--record", folder, "--set", host, "--set", f"run.placement={placement}") as running:
        running.wait_for(folder / "rtos.log", b"ready")
        before = resident(running)
        client = paste(free_port)
        end = time.monotonic() + 120
        while len(typed(folder)) < 10_000 and time.monotonic() < end:
            time.sleep(0.1)
        grown = resident(running) - before
        running.signal(signal.SIGINT, group=True)
        assert running.end().code == 130
        client.close()
    assert grown < 10 << 20, f"{grown >> 10} KB for {len(typed(folder))} characters"
    assert len(typed(folder)) >= 10_000 and TEXT.startswith(typed(folder))


@pytest.mark.long
def test_a_megabyte_arrives_whole(rtos, tmp_path, free_port):  # noqa: F811
    folder = tmp_path / "r"
    host = f"scif0.host=tcp:127.0.0.1:{free_port}"
    with Running("run", RTOS, "--until", "150s", "--record", folder, "--set", host) as running:
        running.wait_for(folder / "rtos.log", b"ready")
        client = paste(free_port)
        assert running.end(1200).code == 0
        client.close()
    assert typed(folder) == TEXT


def test_an_endless_input(rtos, tmp_path):
    folder = tmp_path / "r"
    yes = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    with Running("run", RTOS, "--record", folder, "--set", "scif0.host=stdio", stdin=yes.stdout) as running:
        running.wait_for(folder / "rtos.log", b"ready")
        before = resident(running)
        time.sleep(2)
        assert resident(running) - before < 10 << 20
        running.signal(signal.SIGINT)
        assert running.end().code == 130
    yes.kill()
    yes.communicate()


class Typist(Host):
    """Gives as much as is read."""

    def __init__(self) -> None:
        self.given, self.held = 0, [False]

    def hold(self, held: list[bool]) -> None:
        self.held = held

    def read(self) -> bytes:
        if self.held[0]:
            return b""
        self.given += 1000
        return b"x" * 1000


def test_no_more_is_read_until_what_was_read_has_come_back():
    scif, typist = Scif("scif0", {}), Typist()
    intake = Intake(scif, typist)
    assert len(intake.read()) == 1000 and not intake.read()
    tick = 0
    while len(scif.arrivals) < WINDOW:
        scif.handle(0, Input([(tick + k * CHARACTER, 120) for k in range(1000)]))
        tick += 1000 * CHARACTER
        assert len(intake.read()) == (1000 if len(scif.arrivals) < WINDOW else 0)
    scif.handle(2000 * CHARACTER, Advance())  # its receiver is off: they have gone
    intake.look()
    assert not typist.held[0] and len(intake.read()) == 1000


def test_a_console_that_its_guest_does_not_read_holds_up_no_other(tmp_path):
    links = [str(tmp_path / name) for name in ("rtos", "linux")]
    scif = Scif("scif0", {"mux": ["rtos", "linux"]})
    host = open_hosts(f"rtos=pty:{links[0]},linux=pty:{links[1]}", ["rtos", "linux"], "scif0")
    intake = Intake(scif, host)
    ends = [os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK) for link in links]
    try:
        base = scif.base
        scif.handle(0, Write(base + 8, 2, 0x30, []))
        for byte in (0x10, 0x41):  # SPUMONE asks that nothing be sent to the RTOS
            scif.handle(0, Write(base + 12, 1, byte, []))
        tick, taken = 1 << 24, 0
        scif.handle(tick, Advance())
        for _ in range(20):  # what is typed comes back, as by way of launcher and CPU node
            try:
                os.write(ends[0], b"x" * 4000)
            except BlockingIOError:
                pass
            data = intake.read()
            taken += len(data)
            scif.handle(tick, Input([(tick + 1, byte) for byte in data]))
        assert intake.held == [True, False] and WINDOW <= taken < 3 * WINDOW
        os.write(ends[1], b"y")
        assert intake.read() == frame(1, b"y")
    finally:
        host.close()
        for end in ends:
            os.close(end)
