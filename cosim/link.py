"""A node's connection to the launcher: hello, welcome, progress, last words.

Nothing is sent before the launcher's Welcome but Hello. A launcher that is gone ends the node.
"""

from __future__ import annotations

import os
import time
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from cosim import wire
from cosim.messages import PROTOCOL, STATE_SCHEMA, Body, Failed, Hello, Refuse, Status, Stop, Welcome

BEAT = 0.1  # seconds between Status messages at most
HIGH_WATER = 100_000  # frames; the lockstep keeps queues short, consoles may run ahead
PATIENCE = 20.0  # seconds that a launcher may take to answer Hello


class LinkError(Exception):
    """The launcher refused this node, is gone, or was never there."""


class Stopped(Exception):
    """The launcher said Stop."""


def configure(socket: Any) -> Any:
    """The options every socket of the project has."""
    socket.linger = 500  # ms: last words get out, exit never hangs
    socket.sndhwm = socket.rcvhwm = HIGH_WATER
    socket.maxmsgsize = 2 * wire.MAX_FRAME  # a frame over MAX_FRAME gets an error, one over this is cut off
    socket.handshake_ivl = 5000
    socket.heartbeat_ivl = 1000
    socket.heartbeat_timeout = 10_000
    return socket


class Link:
    """DEALER to the launcher's control endpoint. ``receive`` raises Stopped and LinkError."""

    def __init__(self, context: Any, endpoint: str, name: str, launcher: int = 0) -> None:
        self.name = name
        self.launcher = launcher  # pid of the launcher whose child this process is, 0 when started by hand
        self.endpoint = endpoint
        self.socket = configure(context.socket(zmq.DEALER))
        self.socket.identity = f"{name}@{os.getpid()}".encode()  # unique: two of one name both get an answer
        self._monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.socket.connect(endpoint)
        self.progress = 0
        self.seq = 0
        self._beaten = 0.0

    def hello(self, role: str, registers: str, capabilities: list[str]) -> Welcome:
        """Introduce this node and wait for Welcome. Raises LinkError with the launcher's reason."""
        self.send(Hello(self.name, role, PROTOCOL, STATE_SCHEMA, registers, capabilities, os.getpid()))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            frame = self.receive(100)
            if frame is None:
                continue
            if isinstance(frame.body, Refuse):
                raise LinkError(f"the launcher at {self.endpoint} refused {self.name}: {frame.body.reason}")
            if not isinstance(frame.body, Welcome):
                raise LinkError(f"{type(frame.body).__name__} from {self.endpoint}; expected Welcome")
            return frame.body
        raise LinkError(f"no launcher answered at {self.endpoint} in {PATIENCE:.0f} s: is `cosim run` waiting there?")

    def send(self, body: Body, t: int = 0) -> None:
        """Send a message to the launcher."""
        self.seq += 1
        self.socket.send(wire.encode(body, t, self.seq))

    def receive(self, timeout_ms: int = 0) -> wire.Frame | None:
        """Next message of the launcher, or None."""
        if not self.socket.poll(timeout_ms):
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
        while self._monitor.poll(0):
            if recv_monitor_message(self._monitor)["event"] == zmq.EVENT_DISCONNECTED:
                raise LinkError(f"the launcher at {self.endpoint} is gone, or cut the connection of {self.name}")

    def beat(self, t: int = 0) -> None:
        """Say that this node makes progress, and at which tick, at least each BEAT seconds."""
        now = time.monotonic()
        if now - self._beaten >= BEAT / 2:
            self._beaten = now
            self.progress += 1
            self.send(Status(self.progress, {}), t)

    def note(self, text: str, t: int = 0) -> None:
        """Say something to the person who started the run."""
        self.send(Status(self.progress, {"note": text}), t)

    def last_words(self, text: str, code: int = 3) -> None:
        """Say why this node ends."""
        self.send(Failed(text, code))

    def close(self) -> None:
        """Close the sockets."""
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close()
