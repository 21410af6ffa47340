"""Host side of a serial port: each kind, clients that are slow, absent or gone, and what is refused."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest

from cosim.device import DeviceError
from device_nodes import hostport
from device_nodes.hostport import open_port
from device_nodes.scif import Scif

BLOCKED = 60  # seconds: what takes longer waits for somebody; on any machine the rest takes a small part of it


@pytest.fixture
def port():
    opened = []

    def make(spec: str, node: str = "scif1"):
        opened.append(open_port(spec, node))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def ready(port, timeout: float = 2.0) -> bool:
    """Whether what the node's loop polls says that there is something to do."""
    return bool(select.select(port.filenos(), [], [], timeout)[0])


def take(port, count: int) -> bytes:
    """Bytes typed, as the node's loop gets them: poll, then read."""
    got, end = b"", time.monotonic() + BLOCKED
    while len(got) < count and time.monotonic() < end:
        if ready(port, 0.1):
            got += port.read()
    return got


def receive(client: socket.socket, count: int) -> bytes:
    client.settimeout(BLOCKED)
    got = b""
    while len(got) < count and (data := client.recv(count - len(got))):
        got += data
    return got


# Specifications ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            "serial",
            "scif1: host = 'serial'; expected one of none, stdio, pty, pty:LINK, tcp:127.0.0.1:PORT, unix:PATH, "
            "file:PATH",
        ),
        ("unix:", "scif1: host = 'unix:' names no path; expected unix:PATH"),
        ("none:x", "scif1: host = 'none:x'; expected one of"),
        ("file:", "scif1: host = 'file:' names no file; expected file:PATH"),
        ("tcp:0.0.0.0:5555", "scif1: host = 'tcp:0.0.0.0:5555': a port listens on 127.0.0.1 only"),
        ("tcp:localhost:5555", "a port listens on 127.0.0.1 only; expected tcp:127.0.0.1:PORT or unix:PATH"),
        ("tcp:5555", "a port listens on 127.0.0.1 only"),
        ("tcp:127.0.0.1:", "'' is no port number; expected 0 (any free) to 65535"),
        ("tcp:127.0.0.1:65536", "'65536' is no port number"),
        ("tcp:127.0.0.1:x", "'x' is no port number"),
    ],
)
def test_what_is_no_host_is_refused_before_anything_is_opened(spec, text):
    with pytest.raises(DeviceError) as error:
        Scif("scif1", {"channel": 1, "host": spec})
    assert text in str(error.value)


def test_a_scif_opens_the_port_its_configuration_names(tmp_path):
    host = Scif("scif1", {"host": f"file:{tmp_path / 'log'}"}).open_host()
    host.write(b"hello")
    host.close()
    assert (tmp_path / "log").read_bytes() == b"hello"


def test_none_takes_everything_and_gives_nothing(port):
    p = port("none")
    p.write(b"x" * 100_000)
    assert p.filenos() == [] and p.read() == b"" and p.where == ""


# File ------------------------------------------------------------------------------------------------------------


def test_file_is_written_through_at_once(port, tmp_path):
    p = port(f"file:{tmp_path}/log")
    p.write(b"one\n")
    assert (tmp_path / "log").read_bytes() == b"one\n"
    p.write(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert p.where == f"{tmp_path}/log" and p.filenos() == []


def test_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(DeviceError, match=f"scif1: host = file:{tmp_path}: cannot open it for writing: Is a directory"):
        open_port(f"file:{tmp_path}", "scif1")


def test_a_pipe_nobody_reads_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeviceError, match="cannot open it for writing"):
        open_port(f"file:{tmp_path}/pipe", "scif1")


def test_a_full_disk_is_an_error_that_names_the_file(port):
    p = port("file:/dev/full")
    with pytest.raises(DeviceError) as error:
        p.write(b"lost")
    assert str(error.value) == (
        "scif1: host = file:/dev/full: No space left on device; its first 0 bytes are written, 4 are not: "
        "make room, or give another file"
    )


def test_a_disk_that_fills_keeps_what_was_written(port, tmp_path):
    p = port(f"file:{tmp_path}/log")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        p.write(b"a" * 600)
        with pytest.raises(DeviceError, match="its first 1000 bytes are written, 200 are not"):
            p.write(b"b" * 600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert (tmp_path / "log").read_bytes() == b"a" * 600 + b"b" * 400


# TCP ---------------------------------------------------------------------------------------------------------------


def connect(p) -> socket.socket:
    if p.where.startswith("/"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(p.where)
        return client
    host, port = p.where.split(":")
    return socket.create_connection((host, int(port)))


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t") as name:
        yield name


@pytest.fixture(params=["tcp", "unix"])
def listening(request, folder) -> str:
    """A ``host`` that listens."""
    return "tcp:127.0.0.1:0" if request.param == "tcp" else f"unix:{folder}/console"


def test_a_unix_socket_is_this_users_only_and_goes_with_the_port(folder):
    p = open_port(f"unix:{folder}/console", "scif1")
    assert os.stat(f"{folder}/console").st_mode & 0o777 == 0o600
    p.close()
    assert not os.path.exists(f"{folder}/console")


def test_a_unix_socket_that_a_killed_run_left_is_taken(folder):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{folder}/console")
    open_port(f"unix:{folder}/console", "scif1").close()


def test_a_path_that_cannot_be_had(folder, port):
    port(f"unix:{folder}/console")
    with open(f"{folder}/precious", "w") as file:
        file.write("data")
    for path, said in (
        (f"{folder}/console", "this path is in use; choose another"),
        (f"{folder}/precious", "this path exists and is no socket; choose another"),
        (f"{folder}/none/console", "cannot listen: No such file or directory"),
        ("x" * 200, "this path has 200 bytes; expected 1 to 107"),
    ):
        with pytest.raises(DeviceError) as error:
            open_port(f"unix:{path}", "scif1")
        assert str(error.value) == f"scif1: host = unix:{path}: {said}"
    with open(f"{folder}/precious") as file:
        assert file.read() == "data"


def test_a_socket_carries_bytes_both_ways(port, listening):
    p = port(listening)
    with connect(p) as client:
        assert ready(p) and p.read() == b""  # the client is let in
        client.sendall(b"ls\r")
        assert take(p, 3) == b"ls\r"
        p.write(b"bin etc\r\n")
        assert receive(client, 9) == b"bin etc\r\n"


def test_the_descriptor_to_poll_is_one_for_the_life_of_the_port(port, listening):
    p = port(listening)
    before = p.filenos()
    with connect(p):
        ready(p)
        p.read()
        assert p.filenos() == before
    assert not ready(p, 0) or p.read() == b""
    assert p.filenos() == before


def test_what_came_before_the_client_waits_for_it(port):
    p = port("tcp:127.0.0.1:0")
    p.write(b"boot messages\n")
    with connect(p) as client:
        ready(p)
        p.read()
        assert receive(client, 14) == b"boot messages\n"


def test_a_second_client_is_sent_away(port, listening):
    p = port(listening)
    with connect(p) as first:
        ready(p)
        p.read()
        with connect(p) as second:
            assert ready(p)
            p.read()
            assert receive(second, 100) == b"another client is connected\r\n"
        first.sendall(b"x")
        assert take(p, 1) == b"x"


def test_when_a_client_has_gone_the_next_is_let_in(port, listening):
    p = port(listening)
    with connect(p) as first:
        ready(p)
        p.read()
        first.sendall(b"a")
        assert take(p, 1) == b"a"
    assert ready(p) and p.read() == b""
    assert not ready(p, 0)  # nothing left that would keep the loop awake
    p.write(b"for the next\n")
    with connect(p) as second:
        ready(p)
        p.read()
        assert receive(second, 13) == b"for the next\n"


def test_a_client_that_does_not_read_blocks_nothing_and_gets_the_newest(port, monkeypatch):
    monkeypatch.setattr(hostport, "KEPT", 10_000)
    p = port("tcp:127.0.0.1:0")
    with connect(p) as client:
        ready(p)
        p.read()
        began = time.monotonic()
        for _ in range(400):
            p.write(b"x" * 50_000)
        p.write(b"end")
        assert time.monotonic() - began < BLOCKED
        assert p.dropped > 0 and len(p.pending) <= 10_000 and p.pending.endswith(b"end")
        client.settimeout(BLOCKED)
        got = b""
        while not got.endswith(b"end"):
            got = (got + client.recv(1 << 20))[-3:]
            if ready(p, 0):  # room again: the loop wakes and sends on
                p.read()


def test_a_port_in_use_names_node_address_and_what_to_do(port):
    p = port("tcp:127.0.0.1:0")
    with pytest.raises(DeviceError) as error:
        open_port(f"tcp:{p.where}", "scif0")
    assert str(error.value) == (
        f"scif0: host = tcp:{p.where}: cannot listen: Address already in use; choose another port or end the "
        "program that has it"
    )


def test_close_lets_a_client_have_the_rest(listening):
    p = open_port(listening, "scif1")
    with connect(p) as client:
        ready(p)
        p.read()
        p.write(b"last words")
        p.close()
        assert receive(client, 100) == b"last words"


# Pseudo terminal -----------------------------------------------------------------------------------------------------


def test_pty_carries_bytes_both_ways_unchanged(port):
    p = port("pty")
    slave = os.open(p.where, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(slave, b"a\r\x03\n")
        assert take(p, 4) == b"a\r\x03\n"
        p.write(b"out\n")
        assert os.read(slave, 10) == b"out\n"
    finally:
        os.close(slave)
    assert not ready(p, 0)  # a client that leaves does not wake the loop for ever
    p.write(b"on we go")


def test_a_pty_nobody_reads_blocks_nothing(port):
    p = port("pty")
    began = time.monotonic()
    for _ in range(100):
        p.write(b"x" * 10_000)
    assert time.monotonic() - began < BLOCKED


def test_pty_makes_a_link_replaces_a_stale_one_and_removes_it(tmp_path):
    link = tmp_path / "console"
    link.symlink_to("/dev/pts/999999")
    p = open_port(f"pty:{link}", "scif1")
    assert p.where == str(link) and os.path.realpath(link).startswith("/dev/pts/")
    p.close()
    assert not link.is_symlink()


def test_pty_does_not_touch_a_file_in_the_way_of_its_link(tmp_path):
    (tmp_path / "console").write_text("precious")
    with pytest.raises(DeviceError, match="this path exists and is no symbolic link; choose another"):
        open_port(f"pty:{tmp_path}/console", "scif1")
    assert (tmp_path / "console").read_text() == "precious"
    with pytest.raises(DeviceError, match="cannot make the link: No such file or directory"):
        open_port(f"pty:{tmp_path}/none/console", "scif1")


# Standard input and output ---------------------------------------------------------------------------

ECHO = """
import select, sys
from device_nodes.hostport import open_port
port = open_port("stdio", "scif1")
got, quiet = b"", 0
while quiet < 2:
    if select.select(port.filenos(), [], [], 0.1)[0]:
        data, quiet = port.read(), quiet
        got += data
        if data: port.write(data.upper())
        else: quiet += 0.001
    else:
        quiet += 1
port.close()
"""


def echo(**how) -> subprocess.CompletedProcess:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", ECHO], timeout=2 * BLOCKED, stderr=subprocess.PIPE, **how)
    assert time.monotonic() - began < BLOCKED
    return done


def test_stdio_through_pipes():
    done = echo(input=b"hello\n", stdout=subprocess.PIPE)
    assert (done.stdout, done.stderr, done.returncode) == (b"HELLO\n", b"", 0)


def test_stdio_through_files_goes_on_where_they_stand(tmp_path):
    (tmp_path / "in").write_bytes(b"from a file")
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as sink:
        sink.write(b"before ")
        sink.flush()
        assert echo(stdin=source, stdout=sink).stderr == b""
    assert (tmp_path / "out").read_bytes() == b"before FROM A FILE"


def test_stdio_without_an_input():
    assert echo(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout == b""


def test_stdio_through_a_socket():
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"abc")
        ours.shutdown(socket.SHUT_WR)
        assert echo(stdin=theirs, stdout=theirs).stderr == b""
        theirs.close()
        assert receive(ours, 3) == b"ABC"


def test_stdio_whose_reader_has_gone_goes_on():
    source, sink = os.pipe()
    os.close(source)
    done = echo(input=b"abc", stdout=sink)
    os.close(sink)
    assert (done.stderr, done.returncode) == (b"", 0)


def test_stdio_to_a_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        done = echo(input=b"abc", stdout=full)
    assert os.strerror(errno.ENOSPC).encode() in done.stderr and b"scif1: host = stdio: stdout" in done.stderr
