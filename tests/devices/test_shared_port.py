"""A serial port that guests share: framing, consoles, and typed characters that wait while their console is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_drive import Drive

from cosim import NEVER
from cosim.device import DeviceError
from cosim.messages import Arm
from cosim.shared_line import DLE, GO, SELECT, STOP, Splitter, frame, host_specs
from device_nodes.scif import Scif
from device_nodes.terminals import CHARACTER as TYPED

TE, RE = 0x20, 0x10
CHARACTER = 3840  # ticks at BRR = 0: shorter than one that is typed
ALL = bytes(range(256))


def port(consoles: int = 2) -> Drive:
    return Drive(Scif("scif0", {"mux": ["a", "b", "c"][:consoles]})).write("BRR", 0).write("SCR", TE | RE)


def type_(d: Drive, channel: int, data: bytes, t: int) -> Drive:
    return d.input(*((t + k * TYPED, byte) for k, byte in enumerate(frame(channel, data))))


def guests_send(d: Drive, data: bytes) -> Drive:
    """Sixteen at a time; until the last has left."""
    for k in range(0, len(data), 16):
        for byte in data[k : k + 16]:
            d.write("FTDR", byte)
        d.to(d.t + len(data[k : k + 16]) * CHARACTER)
    return d


def receive(d: Drive, until: int) -> list[tuple[int, int]]:
    """(tick, byte) of what arrives, read as soon as it does."""
    got = []
    while d.t < until:
        while d.read("RFDR"):
            got.append((d.t, d.read("FRDR")))
        d.to(min([until, *(tick for tick, _ in d.device.arrivals), d.answer.next]))
    return got


def split(got: list[tuple[int, int]], channels: int = 2) -> dict[int, bytes]:
    out = dict.fromkeys(range(channels), b"")
    for channel, run in Splitter(channels).split(bytes(byte for _, byte in got)):
        out[channel] += run
    return out


# Framing ---------------------------------------------------------------------------------------------------------


def test_every_byte_comes_through_whatever_is_cut_where():
    wire = frame(0, ALL) + frame(1, ALL[::-1]) + frame(0, b"end")
    for cut in (1, 2, 3, 7, len(wire)):
        splitter, out = Splitter(2), {0: b"", 1: b""}
        for k in range(0, len(wire), cut):
            for channel, run in splitter.split(wire[k : k + cut]):
                out[channel] += run
        assert out == {0: ALL + b"end", 1: ALL[::-1]}


def test_what_is_no_framing_of_ours_is_passed_over():
    splitter = Splitter(2)
    assert splitter.split(bytes((DLE, SELECT + 2)) + b"x" + bytes((DLE, 0xFF)) + b"y") == [(0, b"xy")]


def test_flow_is_followed():
    splitter = Splitter(2)
    assert splitter.split(bytes((DLE, STOP + 1))) == [] and splitter.stopped == {1}
    splitter.split(bytes((DLE, STOP + 1, DLE, GO, DLE, GO + 1)))
    assert splitter.stopped == set()


# Typed characters ------------------------------------------------------------------------------------------------


def test_typed_characters_arrive_framed_each_at_its_consoles():
    d = type_(type_(port(), 1, ALL, 0), 0, b"for a", 300 * TYPED)
    assert split(receive(d, 400 * TYPED)) == {1: ALL, 0: b"for a"}


def test_a_character_arrives_a_characters_time_after_it_is_typed_and_two_more_for_a_change_of_console():
    d = port().input((0, DLE), (0, SELECT), (1000, 0x41), (10 * TYPED, 0x42))
    assert receive(d, 20 * TYPED) == [
        (1000 + TYPED, DLE), (1000 + 2 * TYPED, SELECT), (1000 + 3 * TYPED, 0x41), (11 * TYPED, 0x42)
    ]  # fmt: skip


def test_a_stopped_consoles_characters_wait_in_order_and_hold_up_no_others():
    d = guests_send(port(), bytes((DLE, STOP)))
    type_(d, 0, b"waits", d.t)
    type_(d, 1, b"comes", d.t + 10 * TYPED)
    assert split(receive(d, 30 * TYPED)) == {0: b"", 1: b"comes"}
    assert d.answer.next == NEVER
    resumed = guests_send(d, bytes((DLE, GO))).t
    got = receive(d, 60 * TYPED)
    assert split(got) == {0: b"waits", 1: b""}
    assert got[0] == (resumed + TYPED, DLE)


@pytest.mark.parametrize(("late", "arrived"), [(0, b"ab"), (1, b"abc")])
def test_a_stop_counts_from_the_tick_it_has_left(late, arrived):
    """The line is taken by the first with its framing from 2 on, by b from 5 on, and c's turn is at 6."""
    d = type_(port(), 0, b"abcdef", 0)
    got = receive(d, 6 * TYPED - 2 * CHARACTER + late)
    d.write("FTDR", DLE).write("FTDR", STOP)
    assert split(got + receive(d, 40 * TYPED)) == {0: arrived, 1: b""}


def test_a_character_that_may_let_one_go_is_not_posted():
    d = guests_send(port(), bytes((DLE, STOP)))
    posted = {row[0] for row in d.answer.posts}
    assert 0xFFE0000C in posted
    type_(d, 0, b"x", d.t)
    assert 0xFFE0000C not in {row[0] for row in d.answer.posts}


def test_after_a_loss_the_console_is_selected_anew():
    d = type_(port().write("SCR", TE), 1, b"lost", 0).to(20 * TYPED)
    d.write("SCR", TE | RE)
    type_(d, 1, b"kept", d.t)
    assert split(receive(d, 40 * TYPED)) == {0: b"", 1: b"kept"}


def test_the_digest_does_not_depend_on_how_often_the_device_is_asked():
    def run(step: int) -> bytes:
        d = port()
        for byte in bytes((DLE, STOP)) + b"ab" + bytes((DLE, GO)):
            d.write("FTDR", byte)
        type_(d, 0, b"x\x10y", 0)
        type_(d, 1, b"z", 20 * TYPED)
        for t in range(step, 30 * TYPED, step):
            d.to(t)
        d.to(30 * TYPED)
        return d.device.final().digest

    assert run(30 * TYPED) == run(1000) == run(TYPED)


# Consoles --------------------------------------------------------------------------------------------------------


def test_a_pattern_is_of_one_console():
    d = port()
    d.device.handle(0, Arm("^ready$", 1))
    wire = frame(0, b"ready") + frame(1, b"rea") + frame(0, b"\n") + frame(1, b"dy")
    guests_send(d, wire)
    assert d.answer.matched == len(wire) * CHARACTER
    with pytest.raises(DeviceError, match="scif0: pattern for console 2 of 2"):
        d.device.handle(d.t, Arm("x", 2))


def test_each_console_has_its_host(tmp_path: Path):
    device = Scif("scif0", {"mux": ["a", "b"], "host": f"b=file:{tmp_path / 'b,a'},a=pty:{tmp_path / 'tty'}"})
    host = device.open_host()
    assert len(host.filenos()) == 1
    host.write(frame(0, b"to a") + frame(1, ALL[:17]))
    host.write(ALL[17:])  # DLE, the last of the first, is doubled
    client = (tmp_path / "tty").open("r+b", buffering=0)
    assert client.read(9) == b"to a"
    client.write(b"\x10typed")
    assert host.read() == frame(0, b"\x10typed") == b"\x100\x10\x10typed"
    client.close()
    host.close()
    assert (tmp_path / "b,a").read_bytes() == ALL


def test_hosts_are_checked():
    assert host_specs("", ["a", "b"]) == {"a": "none", "b": "none"}
    for host, said in (
        ("stdio", "host = 'stdio': expected CHANNEL=WHERE, channels are a, b, and WHERE one of none, stdio"),
        ("a=stdio,c=pty", "scif0, console a: host = 'stdio,c=pty'; expected one of"),
        ("c=pty", "host = 'c=pty': expected CHANNEL=WHERE, channels are a, b"),
        ("b=tty", "scif0, console b: host = 'tty'; expected one of none, stdio"),
    ):
        with pytest.raises(DeviceError) as caught:
            Scif("scif0", {"mux": ["a", "b"], "host": host})
        assert said in str(caught.value)


def test_a_host_that_cannot_be_opened_closes_the_others(tmp_path: Path):
    device = Scif("scif0", {"mux": ["a", "b"], "host": f"a=pty:{tmp_path / 'tty'},b=file:{tmp_path}"})
    with pytest.raises(DeviceError, match="scif0, console b: host = file:.*: cannot open it for writing"):
        device.open_host()
    assert not (tmp_path / "tty").is_symlink()
