"""What the launcher requires of what nodes tell it: who may send what, when, and what it may say.

    rules = Rules(topology)
    rules.hello(name, hello)     before the node is admitted
    rules.sent(name, body)       what the launcher sends: Welcome, Start, Go, Command
    rules.frame(name, body)      each other frame of the node

Each raises BrokenRule; the rules are those of cosim/rules.py.
"""

from __future__ import annotations

import re
from collections import deque

import msgspec

from cosim import replies
from cosim.messages import (
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
    Welcome,
)
from cosim.placement import component_class
from cosim.rules import BrokenRule, plain
from cosim.topology import NODE_KEYS, Topology
from cosim.typed import with_marks

Asked = tuple[str, str, int, int]
CODES = (2, 3, 130)  # a node may end a run with
SYNC = 4_000_000  # ticks between running digests
PIDS = 1 << 22  # the system's largest process id
LARGEST = 1 << 26  # bytes of a region, an area of the bus


class Rules:
    """Follows what each node of a run has said."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.cpu = topology.node_of_role("cpu") or ""
        self.inproc = topology.run.placement == "inproc"
        self.ports = {name for name in topology.nodes if topology.consoles(name)}
        self.endpoint: dict[str, str] = {}  # of Welcome
        self.ready: set[str] = set()
        self.progress: dict[str, int] = {}
        self.synced = 0  # tick of the last running digest
        self.owed: deque[str] = deque()  # Start or Go, which the CPU node has to answer
        self.commands: deque[str] = deque()  # likewise

    def sent(self, name: str, body: Body) -> None:
        """The launcher sends this to a node: what the node may now say."""
        if isinstance(body, Welcome):
            self.endpoint[name] = body.endpoint
        elif isinstance(body, (Start, Go)):
            self.owed.append(type(body).__name__)
        elif isinstance(body, Command):
            self.commands.append(body.what)

    # What nodes say ------------------------------------------------------------------------------------------

    def hello(self, name: str, hello: Hello) -> None:
        """Who a node says it is."""
        if name in self.endpoint:
            raise BrokenRule("hello-first", "said Hello a second time")
        if hello.name != name:
            raise BrokenRule("hello-name", f"Hello of {hello.name!r:.80} at the connection of {name!r:.80}")
        if not 1 <= hello.pid <= PIDS:
            raise BrokenRule("hello-pid", f"Hello.pid is {hello.pid}; expected 1 to {PIDS}")

    def frame(self, name: str, body: Body) -> None:
        """Any other frame."""
        kind = type(body).__name__
        if not isinstance(body, (Ready, Status, Output, HostInput, Recorded, Paused, Reply, Failed)) or (
            isinstance(body, (Recorded, Paused, Reply)) and name != self.cpu
        ):
            raise BrokenRule("message-turn", f"sent {kind}, which it is not to send here")
        if name not in self.endpoint:
            raise BrokenRule("hello-first", f"sent {kind} before Hello")
        if isinstance(body, Ready):
            self._ready(name, body)
        elif isinstance(body, Status):
            self._status(name, body)
        elif isinstance(body, Failed):
            self._failed(name, body)
        elif name not in self.ready:
            raise BrokenRule("ready-first", f"sent {kind} before Ready")
        elif isinstance(body, (Output, HostInput)):
            self._port(name, kind, body.node)
            if isinstance(body, HostInput):
                self._marks(body)
        elif isinstance(body, Recorded):
            self._recorded(body)
        elif isinstance(body, Paused):
            self._paused(body)
        else:
            assert isinstance(body, Reply)
            if not self.commands:
                raise BrokenRule("message-turn", "sent Reply, which it is not to send here")
            replies.check(self.commands.popleft(), body.data)

    def _ready(self, name: str, ready: Ready) -> None:
        if name in self.ready:
            raise BrokenRule("message-turn", "sent Ready a second time")
        self.ready.add(name)
        wanted = self.endpoint[name]
        any_port = wanted.removesuffix(":*")
        port = ready.endpoint.removeprefix(f"{any_port}:")
        if wanted.endswith(":*"):
            fits = ready.endpoint.startswith(f"{any_port}:") and bool(re.fullmatch("[1-9][0-9]{0,4}", port))
            fits = fits and int(port) < 1 << 16
            expected = f"{any_port}:PORT"
        else:
            fits, expected = ready.endpoint == wanted, wanted or "none"
        if not fits:
            raise BrokenRule("ready-endpoint", f"is ready at {ready.endpoint!r:.200}; expected {expected}")
        self._lines(ready.lines)
        self._regions(ready.regions)
        built_in = self._built_in(name)
        if built_in is not None:
            lines, regions = built_in
            if ready.lines != lines:
                found, expected = (", ".join(names)[:200] or "none" for names in (ready.lines, lines))
                raise BrokenRule("ready-lines", f"has the lines {found}; expected those of its role, {expected}")
            if sorted(ready.regions) != sorted(regions):
                found, expected = (
                    ", ".join(f"0x{first:08x}..0x{last:08x}" for first, last in rows[:20]) or "none"
                    for rows in (ready.regions, regions)
                )
                raise BrokenRule("ready-regions", f"answers at {found}; expected what its role does, {expected}")

    def _lines(self, lines: list[str]) -> None:
        if len(set(lines)) < len(lines):
            raise BrokenRule("ready-lines", "has a line twice; expected each once")

    def _regions(self, regions: list[tuple[int, int]]) -> None:
        for first, last in regions:
            if not first <= last < first + LARGEST:
                text = f"answers at 0x{first:08x}..0x{last:08x}; expected first <= last, {LARGEST} bytes at most"
                raise BrokenRule("ready-regions", text)
        rows = sorted(regions)
        for (_, last), (first, _) in zip(rows, rows[1:], strict=False):
            if first <= last:
                text = f"answers at 0x{first:08x} twice; expected regions that do not overlap"
                raise BrokenRule("ready-regions", text)

    def _built_in(self, name: str) -> tuple[list[str], list[tuple[int, int]]] | None:
        """Lines and regions of the node by its role; None where they are its own to choose."""
        node = self.topology.nodes[name]
        if node["component"] or node["role"] == "device":
            return None
        if node["role"] in ("cpu", "hypervisor"):
            return [], []
        made = component_class(node["role"])(name, {k: v for k, v in node.items() if k not in NODE_KEYS})
        return list(made.line_names), [(first, last) for first, last in made.regions]

    def _status(self, name: str, status: Status) -> None:
        before = self.progress.get(name, 0)
        if status.progress < before:
            raise BrokenRule("status-progress", f"Status.progress falls from {before} to {status.progress}")
        self.progress[name] = status.progress
        if not isinstance(status.info.get("note", ""), str):
            raise BrokenRule("status-note", f"its note is of type {type(status.info['note']).__name__}; expected str")
        if "asked" in status.info:
            try:
                msgspec.convert(status.info["asked"], Asked)
            except msgspec.ValidationError as error:
                raise BrokenRule("status-asked", f"asked: {error}") from None

    def _port(self, name: str, kind: str, node: str) -> None:
        allowed = self.ports if self.inproc and name == self.cpu else self.ports & {name}
        if node not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise BrokenRule("output-node", f"{kind} of node {node!r:.80}; expected of {known}, by its serial port")

    def _recorded(self, recorded: Recorded) -> None:
        for tick, digest in recorded.syncs:
            self.synced += SYNC
            if tick != self.synced or not re.fullmatch("[0-9a-f]{64}", digest):
                text = f"sync of tick {tick} with the digest {digest!r:.80}; expected tick {self.synced}, 64 hex digits"
                raise BrokenRule("recorded-rows", text)
        for tick, node, byte in recorded.journal:
            if node not in self.ports or tick < 0 or not 0 <= byte < 1 << 16:
                known = ", ".join(sorted(self.ports)) or "none"
                text = f"journal has {byte} at tick {tick} for node {node!r:.80}; expected a character for {known}"
                raise BrokenRule("recorded-rows", text)

    def _marks(self, typed: HostInput) -> None:
        try:
            with_marks(typed.data, typed.marks)
        except ValueError as error:
            raise BrokenRule("input-marks", f"HostInput has a {error}") from None

    def _paused(self, paused: Paused) -> None:
        if not self.owed:
            raise BrokenRule("message-turn", "sent Paused, which it is not to send here")
        asked = self.owed.popleft()
        if (asked == "Start") != (paused.reason == "started"):
            raise BrokenRule("paused-start", f"Paused for the reason {paused.reason} to {asked}")
        plain(paused.info, "Paused.info")

    def _failed(self, name: str, failed: Failed) -> None:
        if failed.code not in CODES:
            text = f"Failed.code is {failed.code}; expected {', '.join(map(str, CODES))}. It said: {failed.text:.300}"
            raise BrokenRule("failed-code", text)
        if failed.node and (name != self.cpu or failed.node not in self.topology.nodes):
            raise BrokenRule("failed-node", f"Failed of node {failed.node!r:.80}. It said: {failed.text:.300}")
