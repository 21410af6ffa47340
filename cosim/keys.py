"""Who may talk to whom over tcp: CURVE keys, and a gate that lets in the holders of expected keys only.

CURVE encrypts, and proves to the side that connects that the other one has the key it expects. Who connects is
proved by the gate: without one, libzmq accepts any key. A run makes a pair for its launcher and one for each node,
for this run only. A node is handed its ``Keys`` by an inherited pipe or a file of mode 0600, and hears of the others
from its launcher. Over ipc there are no keys: who may connect is decided by the mode of the socket and its folder.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

import zmq
from zmq.utils import z85

KEY = re.compile(r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")  # 32 bytes in Z85
DOMAIN = b"cosim"
LONGEST = 200  # bytes of a node's keys as text, at most
AT_ONCE = 100  # requests that a gate answers in one go


class KeysError(Exception):
    """Keys that are missing, are none, or could have been read by somebody else; the text says what to do."""


class Keys(NamedTuple):
    """What a node is handed: its own secret key, and its launcher's public key. Both are text, Z85."""

    secret: str
    launcher: str

    @classmethod
    def parse(cls, text: str, where: str) -> Keys:
        """The keys that ``as_text`` wrote. Raises KeysError."""
        words = text.split()
        if len(words) != 2 or not all(KEY.fullmatch(word) for word in words):
            raise KeysError(f"{where} holds no keys of a node: expected the file that `cosim run` has named")
        return cls(*words)

    def as_text(self) -> str:
        """One line."""
        return f"{self.secret} {self.launcher}\n"


def make_pair() -> tuple[str, str]:
    """A new (public, secret) pair."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def prove(socket: Any, secret: str, peer: str) -> None:
    """Let a socket that will connect show that it has ``secret``, and accept only a peer that has the key ``peer``."""
    socket.curve_secretkey = secret.encode()
    socket.curve_publickey = zmq.curve_public(secret.encode())
    socket.curve_serverkey = peer.encode()


class Gate:
    """Decides for the guarded sockets of one context who may connect: ZeroMQ's authentication protocol, RFC 27.

    The owner polls ``socket`` and calls ``answer`` when it is readable. With ``once`` an expected key is let in once;
    a PAIR socket needs that, for libzmq aborts when it meets a second peer. Else the owner says when it is used up.
    Over ipc there are no keys: there ``guard_path`` lets in the first who comes.
    """

    def __init__(self, context: Any, once: bool) -> None:
        self.once = once
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")
        self.expected: dict[bytes, str] = {}  # public key, 32 bytes -> whose it is
        self.turned_away = 0

    def expect(self, public: str, who: str) -> None:
        """Let the holder of a key in; each of its frames then has ``who`` as its User-Id."""
        self.expected[z85.decode(public.encode())] = who

    def used_up(self, who: str) -> None:
        """Let nobody else in with that one's key."""
        self.expected = {key: other for key, other in self.expected.items() if other != who}

    def guard(self, socket: Any, secret: str) -> None:
        """Let only expected keys in at a socket that will be bound, which has the key ``secret`` itself."""
        socket.curve_server = True
        socket.curve_secretkey = secret.encode()
        socket.zap_domain = DOMAIN
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def guard_path(self, socket: Any, who: str) -> None:
        """Let in the first who comes to a socket that will be bound at a path."""
        self.expected[b""] = who
        socket.zap_domain = DOMAIN
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def answer(self) -> None:
        """Decide what is to be decided now."""
        for _ in range(AT_ONCE):
            if not self.socket.poll(0):
                return
            version, request, _, _, _, mechanism, *credentials = self.socket.recv_multipart()
            who = self.expected.get(credentials[0] if mechanism == b"CURVE" else b"")
            if who is None:
                self.turned_away += 1
            elif self.once:
                self.used_up(who)
            code, text = (b"400", b"no key of this run") if who is None else (b"200", b"")
            self.socket.send_multipart([version, request, code, text, (who or "").encode(), b""])


def read_file(path: Path) -> Keys:
    """A node's keys from a file that only its user can read. Raises KeysError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeysError(f"key file {path} cannot be opened: {error.strerror}") from None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise KeysError(f"key file {path} is no file")
        if about.st_uid != os.geteuid() or about.st_mode & 0o077:
            raise KeysError(
                f"key file {path} has mode {stat.S_IMODE(about.st_mode):04o} and owner {about.st_uid}: expected 0600 "
                f"and {os.geteuid()}, so that nobody else can read it"
            )
        return Keys.parse(os.read(fd, LONGEST).decode(errors="replace"), f"key file {path}")
    finally:
        os.close(fd)


def read_line(fd: int, where: str) -> Keys:
    """A node's keys from the first line of a pipe or standard input; what follows stays there. Raises KeysError."""
    line = bytearray()
    while len(line) < LONGEST and not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return Keys.parse(line.decode(errors="replace"), where)


def write_file(path: Path, keys: Keys) -> None:
    """A new file that only this user can read."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, keys.as_text().encode())
    finally:
        os.close(fd)
