"""A node's connection to the launcher: hello, welcome, progress, last words.

Nothing is sent before the launcher's Welcome but Hello. A launcher that is gone ends the node. What a launcher says
is done, so the node makes sure who it is: over tcp it has to hold the key the node was handed, over ipc it has to be
a process of the same user.
"""

from __future__ import annotations

import os
import resource
import select
import socket as sockets
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from cosim import wire
from cosim.keys import Keys, KeysError, prove
from cosim.messages import PROTOCOL, STATE_SCHEMA, Body, Failed, Hello, Refuse, Status, Stop, Welcome

TAKE_KEY = "the --key that `cosim run` shows"
BEAT = 0.1  # seconds between Status messages at most
HIGH_WATER = 100_000  # frames; the lockstep keeps queues short, consoles may run ahead
PATIENCE = 20.0  # seconds in which a launcher is to answer the Hello of a node that was started by hand
HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


class LinkError(Exception):
    """The launcher refused this node, is gone, or was never there."""


class Stopped(Exception):
    """The launcher said Stop."""


def configure(socket: Any) -> Any:
    """The options every socket of the project has."""
    socket.linger = 500  # ms: last words get out, exit never hangs
    socket.sndhwm = socket.rcvhwm = HIGH_WATER
    socket.maxmsgsize = 2 * wire.MAX_FRAME  # a frame over MAX_FRAME gets an error, one over this is cut off
    socket.handshake_ivl = 30_000  # far more than a busy machine takes; a connection that says nothing ends with it
    socket.heartbeat_ivl = 1000
    socket.heartbeat_timeout = 10_000
    return socket


def allow_files() -> None:
    """Raise this process's limit of open files to what it may have: each connection takes one, a stranger's too."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def ready(fd: int, event: int, seconds: float = 0) -> bool:
    """Whether a descriptor is ready for a ``select.POLL...`` event, waiting for it if need be.

    Of any number, while ``select.select`` takes those below 1024 only: strangers' connections use up the low ones.
    """
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(seconds * 1000))


def send(socket: Any, raw: bytes, meanwhile: Callable[[], Any]) -> None:
    """Send. While the other side takes nothing, ``meanwhile`` is called, which raises when that is not to go on."""
    while True:
        try:
            socket.send(raw, zmq.NOBLOCK)
            return
        except zmq.Again:
            meanwhile()
            socket.poll(50, zmq.POLLOUT)


class Link:
    """DEALER to the launcher's control endpoint. ``receive`` raises Stopped and LinkError.

    Raises KeysError where ``endpoint`` is tcp and there are no keys.
    """

    def __init__(self, context: Any, endpoint: str, name: str, launcher: int = 0, keys: Keys | None = None) -> None:
        if keys is None and endpoint.startswith("tcp://"):
            raise KeysError(f"{endpoint!r}: a node connects over tcp with a key only; expected {TAKE_KEY}")
        self.name = name
        self.keys = keys
        self.launcher = launcher  # pid of the launcher whose child this process is, 0 when started by hand
        self.endpoint = endpoint
        self.socket = configure(context.socket(zmq.DEALER))
        self.socket.identity = f"{name}@{os.getpid()}".encode()  # unique: two of one name both get an answer
        if keys is not None and endpoint.startswith("tcp://"):
            prove(self.socket, keys.secret, keys.launcher)
        events = HANDSHAKE_FAILED if endpoint.startswith("tcp://") else zmq.EVENT_CONNECTED
        self._monitor = self.socket.get_monitor_socket(events | zmq.EVENT_DISCONNECTED)
        self._gone = False
        self.socket.connect(endpoint)
        self.progress = 0
        self.seq = 0
        self._beaten = 0.0
        self.welcomed = False

    def hello(self, role: str, registers: str, capabilities: list[str]) -> Welcome:
        """Introduce this node and wait for Welcome. Raises LinkError with the launcher's reason."""
        self.send(Hello(self.name, role, PROTOCOL, STATE_SCHEMA, registers, capabilities, os.getpid()))
        end = time.monotonic() + PATIENCE
        while self.launcher or time.monotonic() < end:  # a launcher that started this node is there, or gone
            frame = self.receive(100)
            if frame is None:
                continue
            self.check()  # who has said this is still there
            if isinstance(frame.body, Refuse):
                raise LinkError(f"the launcher at {self.endpoint} refused {self.name}: {frame.body.reason}")
            if not isinstance(frame.body, Welcome):
                raise LinkError(f"{type(frame.body).__name__} from {self.endpoint}; expected Welcome")
            self.welcomed = True
            return frame.body
        raise LinkError(f"no launcher answered at {self.endpoint} in {PATIENCE:.0f} s: is `cosim run` waiting there?")

    def send(self, body: Body, t: int = 0) -> None:
        """Send a message to the launcher, which may be slow to take it. Raises LinkError when it is gone."""
        self.seq += 1
        send(self.socket, wire.encode(body, t, self.seq), self.check)

    def receive(self, timeout_ms: int = 0) -> wire.Frame | None:
        """Next message of the launcher, or None."""
        came = self.socket.poll(timeout_ms)
        self._watch()  # who is there, before what was said
        if not came:
            self.check()
            return None
        frame = wire.decode(self.socket.recv())
        if isinstance(frame.body, Stop):
            raise Stopped
        return frame

    def check(self) -> None:
        """Raises LinkError when the launcher is gone."""
        if self.launcher and os.getppid() != self.launcher:
            raise LinkError(f"the launcher of {self.name}, process {self.launcher}, is gone")
        self._watch()
        if self._gone:
            raise LinkError(f"the launcher at {self.endpoint} is gone, or cut the connection of {self.name}")

    def _watch(self) -> None:
        """Raises LinkError when who listens is not the launcher; notes when it goes."""
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            if event["event"] == zmq.EVENT_CONNECTED:
                self._check_user(event["value"])
            elif event["event"] & HANDSHAKE_FAILED:
                raise LinkError(
                    f"the key of {self.name} is not for who listens at {self.endpoint}: it is of another run, or was "
                    f"used before; take {TAKE_KEY}"
                )
            else:
                self._gone = True

    def _check_user(self, connection: int) -> None:
        """Who bound the path is of this user, or root. Raises LinkError."""
        try:
            with sockets.socket(fileno=os.dup(connection)) as peer:
                raw = peer.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
        except OSError as error:
            raise LinkError(f"who listens at {self.endpoint} has gone again: {error.strerror}") from None
        user = struct.unpack("iII", raw)[1]
        if user not in (os.geteuid(), 0):
            raise LinkError(
                f"who listens at {self.endpoint} is user {user}: a node takes orders of its own user only, which is "
                f"{os.geteuid()}"
            )

    def look(self) -> None:
        """What a node does now and then while something else keeps it waiting. Raises Stopped and LinkError."""
        self.beat()
        self.receive()

    def beat(self, t: int = 0, **info: Any) -> None:
        """Say that this node makes progress, and at which tick, at least each BEAT seconds. ``info``: see Status."""
        now = time.monotonic()
        if now - self._beaten >= BEAT / 2:
            self._beaten = now
            self.progress += 1
            self.send(Status(self.progress, info), t)

    def note(self, text: str, t: int = 0) -> None:
        """Say something to the person who started the run."""
        self.send(Status(self.progress, {"note": text}), t)

    def last_words(self, text: str, code: int = 3, node: str = "", t: int = 0) -> None:
        """Say why this node ends; ``node``: another that is to blame. Before Welcome nobody listens."""
        if self.welcomed:
            with suppress(LinkError):  # it is gone: nobody to be told
                self.send(Failed(text, code, node), t)

    def close(self) -> None:
        """Close the sockets."""
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close()
