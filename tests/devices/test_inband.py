"""Breaks and errors that a host sends: telnet on a tcp port, the coding of PARMRK, and what a guest sends back."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
import time
from contextlib import closing

import pytest
from device_drive import Drive

from cosim.shared_line import Splitter, frame, frame_marked
from cosim.typed import BREAK, FRAMING, PARITY, with_marks
from device_nodes.hostport import open_hosts, open_port
from device_nodes.inband import Parmrk, Plain, Telnet
from device_nodes.scif import RE, RIE, TE, Scif

SE, BRK, AYT, SB, WILL, WONT, DO, DONT, IAC = 240, 243, 246, 250, 251, 252, 253, 254, 255
ECHO, GO_AHEAD, TERMINAL = 1, 3, 24
OFFER = bytes((IAC, WILL, ECHO, IAC, WILL, GO_AHEAD))


def typed(coding: Plain, *parts: bytes) -> list[int]:
    """The characters that these parts type."""
    return [entry for part in parts for entry in with_marks(*coding.take(part))]


@pytest.mark.parametrize("cut", [1, 2, 1000], ids=["byte by byte", "in twos", "at once"])
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"ls\r\n", list(b"ls\r\n")),  # who speaks no telnet has line ends of his own
        (bytes((IAC, BRK)) + b"h", [BREAK, 0x68]),
        (b"a" + bytes((IAC, IAC)) + b"b", [0x61, 0xFF, 0x62]),
        (bytes((IAC, 0x41)), [0xFF, 0x41]),  # no command: somebody typed the byte FF
        (bytes((IAC, WILL, TERMINAL)) + b"x", [0x78]),
        (bytes((IAC, SB, TERMINAL, 0, IAC, IAC, BRK, IAC, SE)) + b"x", [0x78]),
        (bytes((IAC, DO, GO_AHEAD)) + b"ls\r\n\r\0x", list(b"ls\r\rx")),
        (bytes((IAC, WILL, 0)) + b"\r\n\r\0", list(b"\r\n\r\0")),  # binary
        (bytes((IAC, 244, IAC, 238, IAC, 248, IAC, 247, IAC, 236, IAC, 237)), [3, 0x1C, 0x15, 0x7F, 4, 0x1A]),
        (bytes((IAC, 241, IAC, 242, IAC, 249, IAC, 245)), []),
    ],
)
def test_what_a_telnet_client_types(raw: bytes, expected: list[int], cut: int) -> None:
    assert typed(Telnet(), *(raw[k : k + cut] for k in range(0, len(raw), cut))) == expected


def answers(telnet: Telnet, *said: int) -> bytes:
    telnet.replies.clear()
    telnet.take(bytes(said))
    return bytes(telnet.replies)


def test_negotiation_ends() -> None:
    telnet = Telnet()
    assert answers(telnet, *b"ls\n") == b""  # not a byte to who speaks no telnet
    assert answers(telnet, IAC, DO, GO_AHEAD) == OFFER
    assert answers(telnet, IAC, DO, GO_AHEAD, IAC, DO, ECHO) == b""  # they agree to what was offered
    assert answers(telnet, IAC, WILL, TERMINAL) == bytes((IAC, DONT, TERMINAL))
    assert answers(telnet, IAC, WONT, TERMINAL) == b""
    assert answers(telnet, IAC, DO, TERMINAL) == bytes((IAC, WONT, TERMINAL))
    assert answers(telnet, IAC, WILL, 0) == bytes((IAC, DO, 0))
    assert answers(telnet, IAC, WILL, 0) == b""
    assert answers(telnet, IAC, DONT, ECHO) == bytes((IAC, WONT, ECHO))
    assert answers(telnet, IAC, DONT, ECHO) == b""
    assert answers(telnet, IAC, AYT) == b"\r\n[yes]\r\n"


def test_an_ff_of_the_guest_is_doubled_for_who_speaks_telnet() -> None:
    telnet = Telnet()
    assert telnet.sent(b"\xffa") == b"\xffa" and telnet.sent_break() == b""
    telnet.take(bytes((IAC, DO, GO_AHEAD)))
    assert telnet.sent(b"\xffa") == b"\xff\xffa" and telnet.sent_break() == bytes((IAC, BRK))


@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_the_coding_of_parmrk(cut: int) -> None:
    raw = b"a\xff\x00\x00b\xff\x00c\xff\xffd\xff\x41\xff\x00\xff"
    parts = [raw[k : k + cut] for k in range(0, len(raw), cut)]
    expected = [0x61, BREAK, 0x62, 0x63 | PARITY, 0xFF, 0x64, 0xFF, 0x41, 0xFF | PARITY]
    assert typed(Parmrk(), *parts) == expected


def test_marks_are_of_characters_that_are_there() -> None:
    assert with_marks(b"ab", [(1, FRAMING | PARITY)]) == [0x61, 0x62 | FRAMING | PARITY]
    for marks, text in (
        ([(2, BREAK)], "mark at place 2 of 2 bytes"),
        ([(-1, BREAK)], "mark at place -1 of 2 bytes"),
        ([(0, 0x800)], "mark 0x800 at place 0; expected 0x100, 0x200 or 0x400"),
        ([(0, 0)], "mark 0x0 at place 0"),
    ):
        with pytest.raises(ValueError, match=text):
            with_marks(b"ab", marks)


def test_a_marked_character_is_framed_for_its_console() -> None:
    data, marks = b"a\x10\x00b\x10\x10", [(2, BREAK), (4, PARITY)]
    framed, places = frame_marked(1, data, marks)
    assert framed == b"\x101a\x10\x10\x00b\x10\x10\x10"
    assert list(places) == [(5, BREAK), (7, PARITY)]
    assert frame_marked(1, data, [])[0] == frame(1, data)
    splitter = Splitter(2)
    entries = with_marks(framed, places)
    assert [e for e in entries if e > 0xFF or splitter.take(e)] == with_marks(data, marks)


# Ports ---------------------------------------------------------------------------------------------------------------


def read(port, count: int) -> list[int]:
    """As many characters as asked for, with their marks."""
    got, end = [], time.monotonic() + 5
    while len(got) < count and time.monotonic() < end:
        data = port.read()
        got += with_marks(data, port.marks)
        time.sleep(0.002)
    return got


def connect(port) -> socket.socket:
    host, number = port.where.split(":")
    return socket.create_connection((host, int(number)))


def test_a_tcp_client_sends_a_break_and_is_sent_one() -> None:
    with closing(open_port("tcp:127.0.0.1:0", "scif0")) as port, connect(port) as client:
        client.settimeout(5)
        port.read()
        client.sendall(b"a" + bytes((IAC, BRK)) + b"h")
        assert read(port, 3) == [0x61, BREAK, 0x68]
        assert client.recv(100) == OFFER
        port.write(b"x\xff")
        port.send_break()
        assert client.recv(100) == b"x\xff\xff" + bytes((IAC, BRK))
        port.read()
        assert not port.marks


def test_each_tcp_client_begins_without_telnet() -> None:
    with closing(open_port("tcp:127.0.0.1:0", "scif0")) as port:
        with connect(port) as client:
            port.read()
            client.sendall(bytes((IAC, BRK, IAC)))  # and goes within a command
            assert read(port, 1) == [BREAK]
        assert read(port, 0) == [] and port.read() == b"" and port.read() == b""
        with connect(port) as client:
            client.settimeout(5)
            end = time.monotonic() + 5
            while port.client is None and time.monotonic() < end:
                port.read()
            port.write(b"\xff!")
            port.send_break()
            assert client.recv(100) == b"\xff!"
            client.sendall(bytes((BRK,)))
            assert read(port, 1) == [BRK]


def test_urgent_data_stays_in_order() -> None:
    """A telnet client's data mark is urgent: taken out of the stream, the byte behind it would be the command."""
    with closing(open_port("tcp:127.0.0.1:0", "scif0")) as port, connect(port) as client:
        port.read()
        client.sendall(b"a" + bytes((IAC,)))
        client.send(bytes((242,)), socket.MSG_OOB)
        client.sendall(b"b")
        assert read(port, 2) == [0x61, 0x62]


def test_a_pty_does_not_tell_its_master_of_a_break() -> None:
    """Why a pty's clients have the coding of PARMRK: the kernel drops tcsendbreak, in packet mode too."""
    with closing(open_port("pty", "scif0")) as port:
        client = os.open(port.where, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.ioctl(port.input, 0x5420, struct.pack("i", 1))  # TIOCPKT
            termios.tcsendbreak(client, 0)
            os.write(client, b"x")
            assert os.read(port.input, 10) == b"\0x"  # packet mode's 0, and nothing of the break
        finally:
            os.close(client)


def test_a_pty_with_parmrk() -> None:
    with closing(open_port("pty", "scif0", parmrk=True)) as port:
        client = os.open(port.where, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(client, b"a\xff\x00\x00b\xff\x00c\xff\xff")
            assert read(port, 5) == [0x61, BREAK, 0x62, 0x63 | PARITY, 0xFF]
            port.write(b"\xff\n")
            assert os.read(client, 10) == b"\xff\n"
        finally:
            os.close(client)


def test_consoles_that_share_a_port_have_breaks_of_their_own() -> None:
    with closing(open_hosts("b=pty", ["a", "b"], "scif0", True)) as port:
        client = os.open(port.hosts[1].where, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(client, b"x\xff\x00\x00")
            assert read(port, 4) == [0x10, 0x31, 0x78, BREAK]
        finally:
            os.close(client)


# The device ----------------------------------------------------------------------------------------------------------


def test_the_receive_pin_of_an_idle_line_reads_1() -> None:
    d = Drive(Scif("scif0", {}))
    assert d.read("SPTR") == 1
    for written, read_back in ((0, 1), (1, 1), (2, 3), (0x80, 0x81), (0xFF, 0xFF)):
        assert d.write("SPTR", written).read("SPTR") == read_back
    d.write("SCR", RE | RIE).input((10, BREAK))
    assert d.read("SPTR", 50) & 1 == 1  # the break is over


def test_a_low_transmit_pin_is_a_break() -> None:
    """As Linux sends one: the port drives TxD low, then the transmitter is switched off; and the other way back."""
    scif = Scif("scif0", {})
    d = Drive(scif).write("SCR", TE, 0)
    before = scif.final().digest
    assert d.write("SPTR", 2, 10) and scif.take_breaks() == 0  # TxD is the transmitter's
    d.write("SCR", 0, 20)
    assert scif.take_breaks() == 1 and scif.take_breaks() == 0
    d.write("SPTR", 2, 30).write("SCR", RE, 40)
    assert scif.take_breaks() == 0  # still the same
    d.write("SPTR", 3, 50).write("SPTR", 2, 60)
    assert scif.take_breaks() == 1
    assert scif.info()["breaks_sent"] == 2
    other = Scif("scif0", {})
    d = Drive(other).write("SCR", TE, 0).write("SPTR", 2, 10).write("SCR", 0, 25).write("SPTR", 2, 30)
    d.write("SCR", RE, 40).write("SPTR", 3, 50).write("SPTR", 2, 60)
    assert len({before, scif.final().digest, other.final().digest}) == 3  # its tick is part of the digest


def test_a_received_break_is_counted_and_part_of_the_digest() -> None:
    def run(tick: int) -> tuple[bytes, int]:
        scif = Scif("scif0", {})
        d = Drive(scif).write("SCR", RE, 0).input((tick, BREAK), (500, 0x41)).to(600)
        d.read("FSR")
        d.write("FSR", 0)
        return scif.final().digest, scif.info()["breaks_received"]

    assert run(100) == run(100)
    assert run(100)[1] == 1 and run(100)[0] != run(101)[0]
