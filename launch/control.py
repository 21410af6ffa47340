"""The launcher's control socket: it binds it, knows at which connection each node is, sends, and turns others away.

    control = Control(run.control, folder, run.transport == "tcp", note)
    for name, identity, raw in control.received(POLL): ...
    control.admit(name, identity)         from here on ``name`` is at that connection, and at no other
    control.send(name, Go(until), tick)

A node's identity is its name, ``@``, and what makes it unique.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import zmq

from cosim import wire
from cosim.link import configure
from cosim.messages import Body, Refuse
from cosim.topology import TopologyError
from launch.supervise import NodeFailure

FOLDER = 75  # bytes; the system takes 107 for a socket, and a node's name may have 31
AT_ONCE = 1000  # frames taken in one go


class Control:
    """ROUTER at ``endpoint``. ``address``: node to the identity of its connection, once it was admitted."""

    def __init__(self, wanted: str, folder: Path, tcp: bool, note: Callable[[str], None]) -> None:
        """Bind at ``wanted``, or at an address of its own where that is "". Raises TopologyError."""
        self.note = note
        self.address: dict[str, bytes] = {}
        self.seq = 0
        self.context = zmq.Context()
        self.router = configure(self.context.socket(zmq.ROUTER))
        self.router.router_mandatory = 1
        try:
            self.endpoint = self._bind(wanted, folder, tcp)
        except BaseException:
            self.close()
            raise

    def _bind(self, wanted: str, folder: Path, tcp: bool) -> str:
        if len(os.fsencode(folder)) > FOLDER:
            raise TopologyError(f"folder {folder} is too long for sockets: set TMPDIR to a shorter path")
        if not wanted:
            wanted = "tcp://127.0.0.1:*" if tcp else f"ipc://{folder}/control"
        if not wanted.startswith(("ipc://", "tcp://127.0.0.1:")):
            raise TopologyError(f"[run] control = {wanted!r}: expected ipc://PATH or tcp://127.0.0.1:PORT")
        if wanted.startswith("ipc://"):
            _check_free(Path(wanted.removeprefix("ipc://")))
        try:
            self.router.bind(wanted)
        except zmq.ZMQError as error:
            raise TopologyError(f"[run] control = {wanted!r} cannot be bound: {error}; choose another") from None
        return str(self.router.last_endpoint.decode())

    def received(self, timeout_ms: int) -> Iterator[tuple[str, bytes, bytes]]:
        """Wait for frames, and give those that are there: (name of the sender, its identity, the frame)."""
        for _ in range(AT_ONCE):
            if not self.router.poll(timeout_ms):
                return
            identity, raw = self.router.recv_multipart()
            yield identity.decode(errors="replace").partition("@")[0], identity, raw
            timeout_ms = 0

    def admit(self, name: str, identity: bytes) -> None:
        """The node of that name is at that connection."""
        self.address[name] = identity

    def speaks_for(self, name: str, identity: bytes) -> bool:
        """Whether a frame from that connection may be of the node: it is its own, or it has none yet."""
        return self.address.get(name, identity) == identity

    def send(self, name: str, body: Body, t: int) -> None:
        """Send to an admitted node. Raises NodeFailure."""
        self.seq += 1
        try:
            self.router.send_multipart([self.address[name], wire.encode(body, t, self.seq)])
        except zmq.ZMQError as error:
            raise NodeFailure(name, f"cannot be reached: {error}") from None

    def refuse(self, name: str, identity: bytes, reason: str) -> None:
        """Tell a connection, and the person who started the run, why it is not let in."""
        self.note(f"refused node {name}: {reason}")
        with suppress(zmq.ZMQError):  # it is gone already
            self.router.send_multipart([identity, wire.encode(Refuse(reason))])

    def close(self) -> None:
        """Close the socket; what was sent has a moment to get out."""
        self.router.close(linger=200)
        self.context.destroy(linger=200)


def _check_free(path: Path) -> None:
    """ZeroMQ takes a path whatever is there. Raises TopologyError for a file, and for a socket in use."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise TopologyError(f"[run] control = 'ipc://{path}': {error.strerror}; choose another") from None
    if not stat.S_ISSOCK(mode):
        raise TopologyError(f"[run] control = 'ipc://{path}': this path exists and is no socket; choose another")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise TopologyError(f"[run] control = 'ipc://{path}' is in use by another run; choose another")
