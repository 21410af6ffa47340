"""Breaks that a guest sends."""

from __future__ import annotations

import signal
import struct

import pytest
from commands import Running
from test_input import connect, free_port  # noqa: F401 free_port is a fixture

TELNET_BREAK = b"\xff\xf3"


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
