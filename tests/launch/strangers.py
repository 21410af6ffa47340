"""Who is not let in: strangers of each kind at a socket, and a proxy that records what went over a wire."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from cosim import wire
from cosim.keys import prove
from cosim.messages import Advance, Failed, Hello

FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


class Door(NamedTuple):
    """A socket of a run: where it is, and what knocks there. ``public``: the key its owner has."""

    port: int
    kind: int  # of ZeroMQ socket
    public: str


class Stranger:
    """Somebody with a ZeroMQ socket who says a fine Hello, as the node ``name``. ``secret``: "" is no key at all."""

    def __init__(self, context: zmq.Context, door: Door, name: str, pid: int, secret: str) -> None:
        self.socket = context.socket(door.kind)
        self.socket.linger = 0
        self.socket.sndtimeo = 0
        self.socket.identity = f"{name}@{pid}".encode()
        if secret:
            prove(self.socket, secret, door.public)
        self.monitor = self.socket.get_monitor_socket(FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(f"tcp://127.0.0.1:{door.port}")
        for body in (Hello(name, name, 1, 1, "", [], pid), Failed("all is well", 0), Advance()):
            with suppress(zmq.Again):  # turned away already
                self.socket.send(wire.encode(body, 0, 1))

    def turned_away(self, end: float) -> bool:
        """Whether its connection is refused until then."""
        came = self.monitor.poll(max(0, end - time.monotonic()) * 1000)
        return bool(came and recv_monitor_message(self.monitor)["event"] & FAILED)

    def close(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)


def knock(
    doors: list[Door], secrets: list[str], names: list[tuple[str, int]], count: int, patience: float = 30.0
) -> int:
    """``count`` strangers at the doors, at most 100 at once; how many were turned away. No one hears anything."""
    away = 0
    for start in range(0, count, 100):
        with zmq.Context() as context:  # of its own: a context has room for some thousand sockets that are being closed
            group = [
                Stranger(context, doors[k % len(doors)], *names[k // 5 % len(names)], secrets[k // 3 % len(secrets)])
                for k in range(start, min(start + 100, count))
            ]
            end = time.monotonic() + patience
            away += sum(stranger.turned_away(end) for stranger in group)
            for stranger in group:
                assert not stranger.socket.poll(0), stranger.socket.recv()
                stranger.close()
    return away


def replay(door: Door, recorded: bytes, patience: float = 30.0) -> int:
    """Send what somebody else sent; how many bytes came back until the connection was cut, -1: it was not."""
    with socket.create_connection(("127.0.0.1", door.port), 5) as stranger:
        stranger.settimeout(patience)
        got = 0
        try:
            stranger.sendall(recorded)
            while data := stranger.recv(4096):
                got += len(data)
        except TimeoutError:
            return -1
        except OSError:  # cut off
            pass
        return got


@contextmanager
def echo(recorded: bytes) -> Iterator[int]:
    """A port at which everybody gets what somebody else was once sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_play, args=(listener, recorded), daemon=True).start()
        yield listener.getsockname()[1]


def _play(listener: socket.socket, recorded: bytes) -> None:
    with suppress(OSError), listener.accept()[0] as client:
        client.sendall(recorded)
        while client.recv(65536):
            pass


@contextmanager
def recorder(port: int) -> Iterator[tuple[int, bytearray, bytearray]]:
    """A proxy before a port: its own port, the bytes that went towards the other, and those that came back."""
    recorded, back = bytearray(), bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_forward, args=(listener, port, recorded, back), daemon=True)
        thread.start()
        yield listener.getsockname()[1], recorded, back


def _forward(listener: socket.socket, port: int, recorded: bytearray, back: bytearray) -> None:
    client, _ = listener.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        while True:
            for source in select.select([client, server], [], [])[0]:
                try:
                    data = source.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                if source is client:
                    recorded += data
                else:
                    back += data
                (server if source is client else client).sendall(data)


def idle(ports: list[int], count: int) -> list[socket.socket]:
    """Connections that say nothing."""
    return [socket.create_connection(("127.0.0.1", ports[k % len(ports)]), 30) for k in range(count)]
