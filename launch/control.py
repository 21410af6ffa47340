"""The launcher's control socket: it binds it, knows at which connection each node is, sends, and turns others away.

    control = Control(topology, folder, note)
    for name, identity, raw in control.received(POLL): ...
    control.admit(name, identity)         from here on ``name`` is at that connection, and at no other
    control.send(name, Go(until), tick)

A node's identity is its name, ``@``, and what makes it unique. In a run with a tcp socket each node has a key, made
here; over tcp a frame's sender is the node whose key its connection has shown, whatever else it says. What somebody
sends who is not let in costs a bounded amount of memory, and never makes the launcher wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import zmq

from cosim import wire
from cosim.door import Door
from cosim.keys import Gate, Keys, make_pair, write_file
from cosim.link import HIGH_WATER, allow_files, configure
from cosim.local_socket import LocalSocketError, check_free
from cosim.messages import Body, Refuse
from cosim.rules import BrokenRule
from cosim.topology import Topology, TopologyError
from launch.supervise import NodeFailure

FOLDER = 75  # bytes; the system takes 107 for a socket, and a node's name may have 31
AT_ONCE = 1000  # frames taken in one go
WAITING = 2000  # frames of one connection that wait to be taken; behind them its sender waits
TOLD = 20  # refusals that are told one by one; the rest is a number at the end
ANSWERED = 10  # refusals sent to one connection at most
KNOWN = 1000  # connections of whom refusals are counted; others get no answer


class Control:
    """ROUTER at ``endpoint``. ``address``: node to the identity of its connection, once it was admitted.

    ``public``: node to its public key, in a run that has keys.
    """

    def __init__(self, topology: Topology, folder: Path, note: Callable[[str], None]) -> None:
        """Bind at [run] control, or at an address of its own where that is "". Raises TopologyError."""
        self.note, self.folder = note, folder
        self.address: dict[str, bytes] = {}
        self.public: dict[str, str] = {}
        self.keys: dict[str, Keys] = {}
        self.refusals: dict[bytes, int] = {}  # identity -> how many
        self.untold = 0  # of them, those the person was not told
        self.seq = 0
        allow_files()
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.gate: Gate | None = None
        self.door: Door | None = None
        self.router = configure(self.context.socket(zmq.ROUTER))
        self.router.router_mandatory = 1
        self.router.rcvhwm = WAITING
        # A peer that goes while its frames wait behind that mark must not be sent anything, a heartbeat neither: libzmq
        # aborts this process then (stream_engine_base.cpp, "!_io_error"). That it has gone, the system tells.
        self.router.heartbeat_ivl = 0
        self.poller.register(self.router, zmq.POLLIN)
        try:
            wanted = self._wanted(topology)
            if "tcp" in (topology.run.transport, wanted.partition(":")[0]):
                self._make_keys(topology.processes(), wanted)
            self.door = self._bind(wanted)
            self.endpoint = self.door.endpoint
        except BaseException:
            self.close()
            raise

    def _make_keys(self, names: list[str], wanted: str) -> None:
        """Keys of this run; where the control socket itself is tcp, it takes them only."""
        launcher, secret = make_pair()
        for name in names:
            self.public[name], own = make_pair()
            self.keys[name] = Keys(own, launcher)
        if wanted.startswith("tcp://"):
            self.gate = Gate(self.context, once=False)
            self.poller.register(self.gate.socket, zmq.POLLIN)
            for name, public in self.public.items():
                self.gate.expect(public, name)
            self.gate.guard(self.router, secret)

    def key_file(self, name: str) -> Path | None:
        """A new file with a node's keys, for somebody who starts it by hand; None in a run without keys."""
        if name not in self.keys:
            return None
        path = self._key_path(name)
        write_file(path, self.keys[name])
        return path

    def _key_path(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def key_text(self, name: str) -> str:
        """A node's keys as text, for its pipe; "" in a run without keys."""
        return self.keys[name].as_text() if name in self.keys else ""

    def _wanted(self, topology: Topology) -> str:
        folder, wanted = self.folder, topology.run.control
        if len(os.fsencode(folder)) > FOLDER:
            raise TopologyError(f"folder {folder} is too long for sockets: set TMPDIR to a shorter path")
        if not wanted:
            wanted = "tcp://127.0.0.1:*" if topology.run.transport == "tcp" else f"ipc://{folder}/control.sock"
        if not wanted.startswith(("ipc://", "tcp://127.0.0.1:")) or wanted.startswith("ipc://@"):
            raise TopologyError(f"[run] control = {wanted!r}: expected ipc://PATH or tcp://127.0.0.1:PORT")
        return wanted

    def _bind(self, wanted: str) -> Door:
        if wanted.startswith("ipc://"):
            try:
                check_free(wanted.removeprefix("ipc://"))
            except LocalSocketError as error:
                raise TopologyError(f"[run] control = {wanted!r}: {error}") from None
        try:
            return Door(self.router, wanted)
        except zmq.ZMQError as error:
            raise TopologyError(f"[run] control = {wanted!r} cannot be bound: {error}; choose another") from None

    def received(self, timeout_ms: int) -> Iterator[tuple[str, bytes, bytes]]:
        """Wait for frames, and give those that are there: (name of the sender, its identity, the frame)."""
        for _ in range(AT_ONCE):
            ready = dict(self.poller.poll(timeout_ms))
            if self.gate is not None and self.gate.socket in ready:
                self._decide(self.gate)
            if self.router not in ready:
                return
            timeout_ms = 0
            first, *parts = self.router.recv_multipart(copy=False)
            identity = bytes(first)
            name = identity.decode(errors="replace").partition("@")[0]
            owner = name if self.gate is None else str(parts[-1].get("User-Id"))
            if owner != name:
                self.refuse(name, identity, f"its key is that of node {owner}")
            elif len(parts) == 1:
                yield name, identity, bytes(parts[0])
            elif self.address.get(name) == identity:
                raise NodeFailure(name, str(BrokenRule("frame-part", f"a message of {len(parts)} parts")))
            else:
                self.refuse(name, identity, f"a message of {len(parts)} parts; expected one")

    def _decide(self, gate: Gate) -> None:
        first = not gate.turned_away
        gate.answer()
        if first and gate.turned_away:
            self.note(f"turned away who connected to {self.endpoint} without a key of this run")

    def admit(self, name: str, identity: bytes) -> None:
        """The node of that name is at that connection."""
        self.address[name] = identity
        if self.gate is not None:
            self.gate.used_up(name)
            if self.door is not None and not self.gate.expected:
                self.door.shut()
        self._key_path(name).unlink(missing_ok=True)

    def speaks_for(self, name: str, identity: bytes) -> bool:
        """Whether a frame from that connection may be of the node: it is its own, or it has none yet."""
        return self.address.get(name, identity) == identity

    def send(self, name: str, body: Body, t: int) -> None:
        """Send to an admitted node. Raises NodeFailure."""
        self.seq += 1
        try:
            self.router.send_multipart([self.address[name], wire.encode(body, t, self.seq)], zmq.NOBLOCK)
        except zmq.Again:
            raise NodeFailure(name, f"does not read its control socket: {HIGH_WATER} messages wait for it") from None
        except zmq.ZMQError as error:
            raise NodeFailure(name, f"cannot be reached: {error}") from None

    def refuse(self, name: str, identity: bytes, reason: str) -> None:
        """Tell a connection, and the person who started the run, why it is not let in: the first of each is told."""
        before = self.refusals.get(identity, 0)
        if not before and len(self.refusals) < TOLD:
            self.note(f"refused node {name}: {reason}")
        else:
            self.untold += 1
        if before or len(self.refusals) < KNOWN:
            self.refusals[identity] = before + 1
            if before < ANSWERED:
                with suppress(zmq.ZMQError):  # it is gone already, or does not read
                    self.router.send_multipart([identity, wire.encode(Refuse(reason))], zmq.NOBLOCK)

    def drain(self) -> None:
        """Drop what has come, before the last sends: nobody's frames then wait behind the mark (see ``__init__``)."""
        for _ in range(10 * WAITING):
            if not self.router.poll(0):
                return
            self.router.recv_multipart(copy=False)

    def close(self) -> None:
        """Close the socket; what was sent has a moment to get out. Tell how many were refused without a word."""
        if self.untold:
            self.note(f"refused {self.untold} more messages of who is no node of this run")
            self.untold = 0
        if self.gate is not None and self.gate.turned_away > 1:
            self.note(f"turned away {self.gate.turned_away} connections without a key of this run")
            self.gate.turned_away = 0
        if self.door is not None:
            self.door.shut()
        self.router.close(linger=200)
        self.context.destroy(linger=200)
