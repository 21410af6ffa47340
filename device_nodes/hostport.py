"""Host side of a serial port: where the guest's bytes go to and typed bytes come from.

``host = "none" | "stdio" | "pty" | "pty:LINK" | "tcp:127.0.0.1:PORT" | "unix:PATH" | "file:PATH"``. Nothing here
blocks: what a slow client has not taken waits in a buffer, and beyond KEPT bytes the oldest are dropped and
counted; the guest never notices. All that is to be watched hangs on one epoll descriptor, which is what
``filenos`` gives: it is readable when ``read`` has something to do, input or output.

A port that guests share has a ``host`` for each console: ``"rtos=file:PATH,linux=stdio"``; those not named have none.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import tty
from contextlib import suppress

from cosim import local_socket
from cosim.device import DeviceError, Host
from cosim.link import ready
from cosim.shared_line import Splitter, frame_marked, host_specs
from device_nodes.inband import Parmrk, Plain, Telnet

KEPT = 1 << 20  # bytes that wait for a client at most
CHUNK = 4096
FAREWELL = 0.2  # seconds that close waits at most for a client to take the rest
KINDS = "none, stdio, pty, pty:LINK, tcp:127.0.0.1:PORT, unix:PATH, file:PATH"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AGAIN = (errno.EAGAIN, errno.EWOULDBLOCK)


class HostPort(Host):
    """A port that takes output and gives nothing: the base of all kinds, and kind ``none``."""

    def __init__(self, node: str, where: str = "") -> None:
        self.node, self.where = node, where
        self.dropped = 0  # bytes no client took in time


class Stream(HostPort):
    """A port with an input and an output descriptor, -1 while there is none."""

    def __init__(self, node: str, where: str = "") -> None:
        super().__init__(node, where)
        self.poll = select.epoll()
        self.input = self.output = -1
        self.bell = -1  # what is watched in the place of an input that epoll does not take
        self.held = False  # nothing is read for now
        self.watched: dict[int, int] = {}  # descriptor -> events
        self.pending = bytearray()
        self.coding = Plain()

    def filenos(self) -> list[int]:
        return [self.poll.fileno()]

    def attach(self, source: int, sink: int) -> None:
        """Watch a descriptor for input and send to one; both non-blocking."""
        self.input, self.output = source, sink
        self._watch()

    def hold(self, held: list[bool]) -> None:
        self.held = held[0]
        self._watch()

    def _watch(self) -> None:
        """Watch the input while it is to be read, the output while something waits for it."""
        wanted: dict[int, int] = {}
        if self.input >= 0 and not self.held:
            wanted[self.bell if self.bell >= 0 else self.input] = select.EPOLLIN
        if self.output >= 0 and self.pending:
            wanted[self.output] = wanted.get(self.output, 0) | select.EPOLLOUT
        if wanted == self.watched:
            return
        for fd in self.watched:
            with suppress(OSError):
                self.poll.unregister(fd)
        for fd, events in wanted.items():
            with suppress(PermissionError):  # an output that is a regular file is always ready
                self.poll.register(fd, events)
        self.watched = wanted

    def lost(self) -> None:
        """The other end has gone."""
        self.coding = type(self.coding)()
        self.input = self.output = -1
        self._watch()

    def _hung_up(self, error: OSError) -> None:
        if error.errno not in AGAIN:
            self.lost()

    def read(self) -> bytes:
        self.marks = ()
        if self.pending:
            self.flush()
        if self.input < 0 or self.held:
            return b""
        try:
            data = os.read(self.input, CHUNK)
        except OSError as error:
            self._hung_up(error)
            return b""
        if not data:
            self.ended()
        typed, self.marks = self.coding.take(data)
        if self.coding.replies:
            self.pending += self.coding.replies
            self.coding.replies.clear()
            self.flush()
        return typed

    def ended(self) -> None:
        """End of input."""
        self.lost()

    def write(self, data: bytes) -> None:
        self.pending += self.coding.sent(data)
        self.flush()
        over = len(self.pending) - KEPT
        if over > 0:
            del self.pending[:over]
            self.dropped += over

    def send_break(self) -> None:
        self.pending += self.coding.sent_break()
        self.flush()

    def flush(self) -> None:
        """Send what the client takes at once."""
        waited = bool(self.pending)
        try:
            while self.pending and self.output >= 0:
                del self.pending[: os.write(self.output, self.pending[:CHUNK])]
        except OSError as error:
            self._hung_up(error)
        if waited:
            self._watch()

    def close(self) -> None:
        self.flush()
        while self.pending and self.output >= 0:
            if not ready(self.output, select.POLLOUT, FAREWELL):
                break
            self.flush()
        self.lost()
        self.poll.close()


class Stdio(Stream):
    """Standard input and output of the node. End of input ends only the input."""

    def __init__(self, node: str) -> None:
        super().__init__(node, "stdin and stdout")
        self.own: list[int] = []  # descriptors to close
        source = self._nonblocking(0, os.O_RDONLY)
        sink = self._nonblocking(1, os.O_WRONLY)
        if stat.S_ISREG(os.fstat(source).st_mode):  # epoll takes none: an event that is always there stands for it
            self.bell = os.eventfd(1)
            self.own.append(self.bell)
        self.attach(source, sink)

    def _nonblocking(self, fd: int, mode: int) -> int:
        """Non-blocking form of ``fd`` that leaves those alone who share it."""
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        try:
            fd = os.open(f"/proc/self/fd/{fd}", mode | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            self.own.append(fd)
        except OSError:  # a socket, or no right to open it: share the mode
            os.set_blocking(fd, False)
        return fd

    def ended(self) -> None:
        self.input = -1
        self._watch()

    def _hung_up(self, error: OSError) -> None:
        if error.errno in FULL:
            raise DeviceError(f"{self.node}: host = stdio: stdout: {error.strerror}: make room for it") from None
        super()._hung_up(error)

    def close(self) -> None:
        super().close()
        for fd in self.own:
            os.close(fd)


class Pty(Stream):
    """A pseudo terminal in raw mode; ``where`` is the slave's path, or a symbolic link to it."""

    def __init__(self, node: str, link: str) -> None:
        master, self.slave = os.openpty()  # our slave end keeps the terminal alive between clients
        tty.setraw(self.slave)
        os.set_blocking(master, False)
        self.path = os.ttyname(self.slave)
        super().__init__(node, link or self.path)
        self.link = link
        try:
            if link:
                self._make_link()
        except (OSError, DeviceError):
            os.close(master)
            os.close(self.slave)
            raise
        self.attach(master, master)

    def _make_link(self) -> None:
        try:
            if os.path.islink(self.link):
                os.unlink(self.link)  # left by an earlier run
            os.symlink(self.path, self.link)
        except FileExistsError:
            raise DeviceError(
                f"{self.node}: host = pty:{self.link}: this path exists and is no symbolic link; choose another"
            ) from None
        except OSError as error:
            raise DeviceError(f"{self.node}: host = pty:{self.link}: cannot make the link: {error.strerror}") from None

    def close(self) -> None:
        master = self.input
        super().close()
        os.close(master)
        os.close(self.slave)
        if self.link and os.path.islink(self.link) and os.readlink(self.link) == self.path:
            os.unlink(self.link)


def listen_tcp(node: str, host: str, port: int) -> socket.socket:
    """A socket that waits at a port. Raises DeviceError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(4)
    except OSError as error:
        listener.close()
        todo = "choose another port or end the program that has it" if error.errno == errno.EADDRINUSE else ""
        raise DeviceError(
            f"{node}: host = tcp:{host}:{port}: cannot listen: {error.strerror}" + (todo and f"; {todo}")
        ) from None
    listener.setblocking(False)
    return listener


def listen_unix(node: str, path: str) -> socket.socket:
    """A socket that waits at a path, for this user. Raises DeviceError."""
    try:
        return local_socket.listen(path)
    except local_socket.LocalSocketError as error:
        raise DeviceError(f"{node}: host = unix:{path}: {error}") from None


class Served(Stream):
    """Serves one client of a listener at a time; what came before a client waits for it."""

    def __init__(self, node: str, listener: socket.socket) -> None:
        place = listener.getsockname()
        super().__init__(node, place if isinstance(place, str) else "{}:{}".format(*place))
        self.listener = listener
        self.client: socket.socket | None = None
        self.poll.register(listener, select.EPOLLIN)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.client is not None:
                with suppress(OSError):
                    client.send(b"another client is connected\r\n", socket.MSG_DONTWAIT)
                client.close()
                continue
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # telnet's data mark is urgent
            if client.family == socket.AF_INET:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.client = client
            self.attach(client.fileno(), client.fileno())
            self.flush()

    def lost(self) -> None:
        super().lost()
        if self.client is not None:
            self.client.close()
            self.client = None

    def read(self) -> bytes:
        data = super().read()
        self._accept()
        return data

    def close(self) -> None:
        super().close()
        local_socket.close(self.listener)


class File(HostPort):
    """Output only, written through at once: a full disk loses nothing that was written before."""

    def __init__(self, node: str, path: str) -> None:
        super().__init__(node, path)
        self.written = 0
        try:
            self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        except OSError as error:
            raise DeviceError(f"{node}: host = file:{path}: cannot open it for writing: {error.strerror}") from None

    def write(self, data: bytes) -> None:
        while data:
            try:
                count = os.write(self.fd, data)
            except OSError as error:
                raise DeviceError(
                    f"{self.node}: host = file:{self.where}: {error.strerror}; its first {self.written} bytes are "
                    f"written, {len(data)} are not: make room, or give another file"
                ) from None
            self.written += count
            data = data[count:]

    def close(self) -> None:
        os.close(self.fd)


class Consoles(Host):
    """A host for each console of a port that guests share: what was sent is split, what is typed framed."""

    def __init__(self, hosts: list[HostPort]) -> None:
        self.hosts, self.splitter = hosts, Splitter(len(hosts))

    def filenos(self) -> list[int]:
        return [fd for host in self.hosts for fd in host.filenos()]

    def read(self) -> bytes:
        typed, marks = bytearray(), []
        for n, host in enumerate(self.hosts):
            if data := host.read():
                framed, places = frame_marked(n, data, host.marks)
                marks += [(len(typed) + place, condition) for place, condition in places]
                typed += framed
        self.marks = marks
        return bytes(typed)

    def hold(self, held: list[bool]) -> None:
        for host, its in zip(self.hosts, held, strict=True):
            host.hold([its])

    def write(self, data: bytes) -> None:
        for n, run in self.splitter.split(data):
            self.hosts[n].write(run)

    def close(self) -> None:
        for host in self.hosts:
            host.close()


def check_spec(spec: str, node: str) -> tuple[str, str]:
    """(kind, what follows the colon) of a ``host`` value. Raises DeviceError for one that is none."""
    kind, _, rest = str(spec).partition(":")
    if kind not in ("none", "stdio", "pty", "tcp", "unix", "file") or (rest and kind in ("none", "stdio")):
        raise DeviceError(f"{node}: host = {spec!r}; expected one of {KINDS}")
    if kind == "file" and not rest:
        raise DeviceError(f"{node}: host = {spec!r} names no file; expected file:PATH")
    if kind == "unix" and not rest:
        raise DeviceError(f"{node}: host = {spec!r} names no path; expected unix:PATH")
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host != "127.0.0.1":
            raise DeviceError(
                f"{node}: host = {spec!r}: a port listens on 127.0.0.1 only; expected tcp:127.0.0.1:PORT or unix:PATH"
            )
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise DeviceError(f"{node}: host = {spec!r}: {port!r} is no port number; expected 0 (any free) to 65535")
    return kind, rest


def open_port(spec: str, node: str, parmrk: bool = False) -> HostPort:
    """The port that ``spec`` names, for the node of that name; ``parmrk``: what is typed is coded so (inband.py).
    Raises DeviceError."""
    port = _open(*check_spec(spec, node), node)
    if isinstance(port, Stream):
        port.coding = Parmrk() if parmrk else Telnet() if isinstance(port, Served) else Plain()
    return port


def _open(kind: str, rest: str, node: str) -> HostPort:
    if kind == "stdio":
        return Stdio(node)
    if kind == "pty":
        return Pty(node, rest)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return Served(node, listen_tcp(node, host, int(port)))
    if kind == "unix":
        return Served(node, listen_unix(node, rest))
    if kind == "file":
        return File(node, rest)
    return HostPort(node)


def check_hosts(host: str, consoles: list[str], node: str) -> list[tuple[str, str]]:
    """As ``check_spec``, a row for each console, or one where the port is not shared. Raises DeviceError."""
    if not consoles:
        return [check_spec(host, node)]
    try:
        specs = host_specs(host, consoles)
    except ValueError as error:
        raise DeviceError(f"{node}: {error}, and WHERE one of {KINDS}") from None
    return [check_spec(spec, f"{node}, console {name}") for name, spec in specs.items()]


def open_hosts(host: str, consoles: list[str], node: str, parmrk: bool = False) -> Host:
    """What ``host`` says: a port, or one for each console of a port that guests share. Raises DeviceError."""
    if not consoles:
        return open_port(host, node, parmrk)
    opened = Consoles([])
    try:
        for name, spec in host_specs(host, consoles).items():
            opened.hosts.append(open_port(spec, f"{node}, console {name}", parmrk))
    except DeviceError:
        opened.close()
        raise
    return Consoles(opened.hosts)
