"""One run as the launcher drives it: start the nodes, go, ask, finish, stop.

    with Session(topology, watcher) as session:
        session.start()
        paused = session.go(until)
        figures = session.finish()

Everything that comes while it waits goes to the ``Watcher``. Raises NodeFailure when a node fails, TopologyError
when the nodes cannot make up the machine.
"""

from __future__ import annotations

import stat
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from cosim import NEVER, TICK_HZ, wire
from cosim.inputs import kind_of_file, shown
from cosim.messages import (
    STATE_SCHEMA,
    Body,
    Command,
    Failed,
    Go,
    Hello,
    HostInput,
    Output,
    Paused,
    Ready,
    Recorded,
    Reply,
    Start,
    Status,
    Stop,
    Welcome,
)
from cosim.names import guest_file
from cosim.placement import component_class
from cosim.rules import BrokenRule
from cosim.shared_line import Splitter, frame_marked
from cosim.topology import NODE_KEYS, Topology, TopologyError, ticks
from cosim.typed import Marks
from guests.build import artefact
from guests.stages import BuildError
from launch import stop
from launch.control import Control
from launch.rules import Rules
from launch.supervise import FINISH, Limits, NodeFailure, Supervisor

POLL = 30  # ms between looks at the children
LAST_BYTES = 10.0  # seconds for what serial ports have sent to come, which in general has come already
BAUD_GAP = 34_560  # ticks between typed characters: 10 bits at 115,741 bit/s, what the guests set
DEATH = 1.0  # seconds from the end of a node's connection to that of its process at most
UNLIMITED = 5.0  # seconds until a run without limits, asked to end, ends where it stands


class Watcher:
    """What a session tells while it waits. The base does nothing."""

    def output(self, port: str, data: bytes) -> None:
        """Bytes of a serial port."""

    def waiting(self, session: Session) -> None:
        """Called some thirty times a second; may draw, and may call ``session.ask``."""

    def finished(self, session: Session, figures: dict[str, Any]) -> None:
        """The run is over; figures of the whole."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def recorded(self, tick: int, syncs: list[tuple[int, str]], journal: list[tuple[int, str, int]]) -> None:
        """Rows for the record; with those before, all up to ``tick``. When ``go`` returns, all have been told."""


class Session:
    """A run in progress. ``tick``: where the CPU node was last heard of."""

    def __init__(
        self, topology: Topology, watcher: Watcher | None = None, interactive: bool = False, stdout: int = 1
    ) -> None:
        self.topology, self.watcher, self.interactive = topology, watcher or Watcher(), interactive
        self.guests = {name: resolve(topology, name) for name in topology.guests}
        self.tick = 0
        self.running = False  # between Go and Paused: the CPU node answers questions between slices
        self.paused: Paused | None = None
        self.ready: dict[str, Ready] = {}
        self.typed: list[tuple[str, bytes, Marks]] = []  # by a host while the CPU stood
        self.heard = dict.fromkeys(topology.ports().values(), 0)  # node -> bytes of its port that have come
        self.answers: deque[Callable[[dict[str, Any]], None]] = deque()
        self.cpu = topology.node_of_role("cpu") or ""
        self.inproc = topology.run.placement == "inproc"
        self.stdout = stdout  # descriptor on which a serial port that is standard output writes
        self.stdio = {topology.ports()[port] for port in topology.stdio()}  # nodes
        self.splitters = {node: Splitter(len(topology.consoles(node))) for node in topology.nodes
                          if topology.nodes[node].get("mux")}  # fmt: skip
        self.rules = Rules(topology)
        run = topology.run
        self.supervisor = Supervisor(Limits(run.hang_limit, run.answer_limit, run.start_limit))
        try:
            self.control = Control(topology, self.supervisor.folder, self.watcher.note)
        except BaseException:
            self.supervisor.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and self.ready:
            error.add_note(f"virtual time {self.tick / TICK_HZ:.6f} s (tick {self.tick})")
        self.close(2.0 if error is None else 0.3)

    # Start ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all nodes, connect them, load the guests; the CPU stands at tick 0."""
        local = self.topology.processes()
        for name in local:
            if self.topology.nodes[name]["placement"] == "external":
                role = self.topology.nodes[name]["role"]
                key = self.control.key_file(name)
                self.watcher.note(
                    f"waiting for node {name}: start it with `cosim node {role} --name {name} --connect "
                    f"{self.control.endpoint}{f' --key {key}' if key else ''}`"
                )
                self.supervisor.adopt(name)
            else:
                at_terminal = name in self.stdio or (self.inproc and self.stdio)
                self.supervisor.start(
                    name,
                    self.topology.nodes[name]["role"],
                    self.control.endpoint,
                    self.stdout if at_terminal else -1,
                    self.control.key_text(name),
                )
        while len(self.ready) < len(local):
            self.pump()
        self._send(self.cpu, Start([self._target(name) for name in self.topology.nodes if name != self.cpu]))
        self._wait_paused()

    def _config(self, name: str) -> dict[str, Any]:
        node = self.topology.nodes[name]
        config = {key: value for key, value in node.items() if key not in NODE_KEYS}
        config["component"] = node["component"]
        hypervisor = self.topology.node_of_role("hypervisor")
        if node["role"] == "cpu":
            run = self.topology.run
            quantum = ticks(run.quantum) if self.interactive else 0
            config.update(ram=self.topology.machine.ram, leases=run.leases, quantum=quantum,
                          check_leases=run.check_leases)  # fmt: skip
            config["guests"] = {} if hypervisor else self.guests
            # For a debugger, who takes registers as the first file has them: one with an FPU, if there is one.
            rows = sorted(self.guests.values(), key=lambda guest: not guest["fpu"])
            config["symbols"] = [guest["image"] for guest in rows if guest["load"] is None]
            if hypervisor and self.topology.nodes[hypervisor]["impl"] == "firmware":
                config["symbols"].append(firmware(self.topology, self.topology.nodes[hypervisor]))
        elif name == hypervisor:
            config["guests"] = self.guests
            config["image"] = firmware(self.topology, node)
        return config

    def _target(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = {"name": name, "role": self.topology.nodes[name]["role"]}
        if self.inproc:
            config = self._config(name)
            return {**row, "component": config.pop("component"), "config": config}
        ready = self.ready[name]
        row |= {"endpoint": ready.endpoint, "lines": ready.lines, "regions": ready.regions}
        row["registers"] = ready.registers
        return {**row, "key": self.control.public[name]} if ready.endpoint.startswith("tcp://") else row

    # Go and ask ---------------------------------------------------------------------------------------------

    def go(self, until: int = NEVER, armed: bool = False) -> Paused:
        """Run to tick ``until``, or to the grid tick after an armed pattern's match."""
        self._send(self.cpu, Go(until, armed))
        self.running = True
        for typed in self.typed:
            self._type(*typed)
        self.typed.clear()
        return self._wait_paused()

    def ask(
        self, what: str, target: str = "", then: Callable[[dict[str, Any]], None] | None = None, **data: Any
    ) -> None:
        """Send a command; ``then`` gets the answer when it comes."""
        self.answers.append(then or (lambda answer: None))
        self._send(self.cpu, Command(what, target, data))

    def command(self, what: str, target: str = "", **data: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        got: list[dict[str, Any]] = []
        self.ask(what, target, got.append, **data)
        while not got:
            self.pump()
        return got[0]

    def port_node(self, port: str) -> str:
        """Node of a serial port. Raises TopologyError."""
        nodes = self.topology.ports()
        if port not in nodes:
            raise TopologyError(f"no serial port {port!r}: ports are {', '.join(nodes) or 'none'}")
        return nodes[port]

    def arm(self, port: str, pattern: str) -> None:
        """Watch a port for a regular expression; "" disarms."""
        node = self.port_node(port)
        self.command("arm", node, pattern=pattern, console=self.topology.consoles(node).index(port))

    def type(self, port: str, data: bytes, marks: Marks = ()) -> None:
        """Type on a serial port at 115,200 bit/s from the present tick on, with marks of cosim/typed.py."""
        node = self.port_node(port)
        if node in self.splitters:
            data, marks = frame_marked(self.topology.consoles(node).index(port), data, marks)
        self._type(node, data, marks)

    def _type(self, node: str, data: bytes, marks: Marks) -> None:
        self.ask("type", node, bytes=data, marks=list(marks), gap=BAUD_GAP)

    def finish(self) -> dict[str, Any]:
        """Final figures and digest, after all that the serial ports have sent."""
        child = self.supervisor.children[self.cpu]
        child.works(FINISH, self.supervisor.watch.time)
        figures = self.command("finish")
        child.works("", self.supervisor.watch.time)
        end = self.supervisor.watch.time + LAST_BYTES
        while self.supervisor.watch.time < end and any(
            count < figures["info"].get(node, {}).get("sent", 0) for node, count in self.heard.items()
        ):
            self.pump()  # each node has its own connection: this answer may overtake what another has sent
        self.watcher.finished(self, figures)
        return figures

    # What comes -------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Take what has come, look at the children."""
        for name, identity, raw in self.control.received(POLL):
            self._take(name, identity, raw)
        try:
            for text in self.supervisor.check():
                self.watcher.note(text)
        except NodeFailure:
            # What it said before it ended may still be on its way, and says more.
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                for name, identity, raw in self.control.received(POLL):
                    self._take(name, identity, raw)
            raise
        self.watcher.waiting(self)

    def _take(self, name: str, identity: bytes, raw: bytes) -> None:
        try:
            frame = wire.decode(raw)
        except wire.WireError as error:
            self.control.refuse(name, identity, f"{error}")
            if name in self.supervisor.children and self.control.speaks_for(name, identity):
                raise NodeFailure(name, str(error)) from None
            return
        body = frame.body
        child = self.supervisor.children.get(name)
        if isinstance(body, Hello):
            self._hello(name, identity, body)
            return
        if child is None or not self.control.speaks_for(name, identity):
            return
        try:
            self.rules.frame(name, body)
        except BrokenRule as error:
            raise NodeFailure(name, str(error)) from None
        if name == self.cpu:
            self.tick = max(self.tick, frame.t)
        if isinstance(body, Status):
            self.supervisor.beat(child, body.progress)
            self._asked(name, body.info)
            if "note" in body.info:
                self.watcher.note(body.info["note"])
        elif isinstance(body, Ready):
            if name != self.cpu:  # which has the guests to load, with Start
                child.works("", self.supervisor.watch.time)
            self.ready[name] = body
        elif isinstance(body, Output):
            self._output(body.node, body.data)
        elif isinstance(body, HostInput):
            if self.running:
                self._type(body.node, body.data, body.marks)
            else:
                self.typed.append((body.node, body.data, body.marks))
        elif isinstance(body, Recorded):
            self.watcher.recorded(frame.t, body.syncs, body.journal)
        elif isinstance(body, Paused):
            self.paused, self.running = body, False
            child.works("", self.supervisor.watch.time)
        elif isinstance(body, Reply):
            self.answers.popleft()(body.data)
        elif isinstance(body, Failed):
            child.stopped = True
            self.supervisor.check_ended()  # a node that lost its peer is not the cause
            blamed = body.node or name
            cause, _, words = body.text.removeprefix(f"{blamed} ").removeprefix(f"{blamed}: ").partition("\n")
            if body.code == 2:
                raise TopologyError(body.text)
            raise NodeFailure(blamed, cause, body.code, words)

    def _asked(self, name: str, info: dict[str, Any]) -> None:
        """The CPU node says whose answer it waits for, if it waits."""
        if name == self.cpu:
            target, what, tick, seq = info.get("asked", ("", "", 0, 0))
            self.supervisor.asked(name, target, what, tick, seq)

    def _output(self, node: str, data: bytes) -> None:
        if node in self.heard:
            self.heard[node] += len(data)
        ports = self.topology.consoles(node)
        if node in self.splitters:
            for console, run in self.splitters[node].split(data):
                self.watcher.output(ports[console], run)
        else:
            self.watcher.output(ports[0], data)

    def _hello(self, name: str, identity: bytes, hello: Hello) -> None:
        child, node = self.supervisor.children.get(name), self.topology.nodes.get(name)
        if child is None or node is None:
            self.control.refuse(name, identity, f"this run has no place for a node {name!r}")
            return
        if self.control.speaks_for(name, identity):
            try:
                self.rules.hello(name, hello)
            except BrokenRule as error:
                self.control.refuse(name, identity, str(error))
                raise NodeFailure(name, str(error)) from None
        if child.process is not None and hello.pid != child.process.pid:
            self.control.refuse(
                name, identity, f'this run starts {name} itself; by hand it takes placement = "external"'
            )
            return
        if name in self.control.address and self.control.address[name] != identity:
            self.control.refuse(name, identity, f"this run has its node {name} already, process {child.pid}")
            return
        if hello.role != node["role"]:
            self.control.refuse(name, identity, f"role {hello.role:.80}; the topology has {name} as {node['role']}")
            return
        reason = ""
        registers = component_class(node["role"]).map_digest()
        if hello.state_schema != STATE_SCHEMA:
            reason = f"state schema {hello.state_schema}; this side has {STATE_SCHEMA}: install the same release"
        elif hello.registers != registers and not node["component"]:
            reason = (
                f"register map {hello.registers:.80} of {hello.role}; this side has {registers}: install the same "
                "release"
            )
        if reason:
            self.control.refuse(name, identity, reason)
            raise NodeFailure(name, f"refused: {reason}")
        child.introduced(hello.pid)
        self.control.admit(name, identity)
        endpoint = peer = ""
        if name != self.cpu:
            endpoint = f"ipc://{self.supervisor.folder}/{name}"
            if self.topology.run.transport == "tcp":
                endpoint, peer = "tcp://127.0.0.1:*", self.control.public[self.cpu]
        self._send(name, Welcome(self.supervisor.folder.name, self._config(name), endpoint, peer))

    def _send(self, name: str, body: Body) -> None:
        self.rules.sent(name, body)
        try:
            self.control.send(name, body, self.tick)
        except NodeFailure:
            end = time.monotonic() + DEATH
            while time.monotonic() < end and not self.supervisor.children[name].stopped:
                self.supervisor.check_ended()  # how it ended says more than that it cannot be reached
                time.sleep(0.01)
            raise

    def _wait_paused(self) -> Paused:
        told = -1.0  # when the CPU node was asked to stop, on the watch's clock
        limits, watch = self.supervisor.limits, self.supervisor.watch
        while self.paused is None:
            self.pump()
            if stop.asked() and self.running and told < 0:
                told = watch.time
                self.ask("pause")
            elif told >= 0 and not (limits.hang and limits.answer) and watch.time > told + UNLIMITED:
                stop.at_once(stop.asked())  # a node that hangs is not found without limits
        paused, self.paused = self.paused, None
        return paused

    def close(self, patience: float = 2.0) -> None:
        """Stop all nodes, which have ``patience`` seconds for it, and remove what the run left."""
        for name in self.control.address:
            self.control.drain()
            with suppress(NodeFailure):
                self.control.send(name, Stop(), self.tick)
        self.control.close()
        self.supervisor.close(patience)


def firmware(topology: Topology, node: dict[str, Any]) -> str:
    """Path of SPUMONE's firmware; "" where the model runs and it is not built. Raises TopologyError."""
    try:
        return str(find(topology, node["image"]))
    except BuildError as error:
        if node["impl"] == "model":
            return ""
        name = topology.node_of_role("hypervisor")
        raise TopologyError(f"[nodes.{name}] image = {node['image']!r}: {error}") from None


def find(topology: Topology, image: str) -> Path:
    """Path of ``guest:NAME/FILE``, or of a file beside the topology. Raises BuildError if it is not built, and for a
    path that no message could hold."""
    built = guest_file(image)
    if built is not None:
        return artefact(*built)
    path = Path(topology.path).resolve().parent / image
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BuildError(f"{str(path)!r} is not UTF-8: rename the folder or the file") from None
    return path


def resolve(topology: Topology, name: str) -> dict[str, Any]:
    """A guest's table with its image as an absolute path. Raises TopologyError."""
    guest = topology.guests[name]
    table: dict[str, Any] = msgspec.to_builtins(guest)
    image = guest.image
    try:
        path = find(topology, image)
    except BuildError as error:
        raise TopologyError(f"[guests.{name}] image = {image!r}: {error}") from None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise TopologyError(f"[guests.{name}] image = {image!r}: {path} is missing") from None
    except OSError as error:
        raise TopologyError(f"[guests.{name}] image = {shown(image)}: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise TopologyError(
            f"[guests.{name}] image = {image!r}: {path} is {kind_of_file(mode)}; expected a regular file"
        )
    table["image"] = str(path)
    return table
