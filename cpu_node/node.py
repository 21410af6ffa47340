"""The CPU node as a process: connects to its targets, runs the machine, and answers the launcher.

In the inproc placement it makes the other components itself and calls them directly; everything else is the
same, so the two placements give the same digest.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

import zmq
from zmq.utils.monitor import recv_monitor_message

from cosim import wire
from cosim.device import DeviceError, Host
from cosim.image import ImageError, check_inside, load_elf, load_raw
from cosim.intake import Intake
from cosim.keys import prove
from cosim.link import HANDSHAKE_FAILED, Link, configure
from cosim.messages import Body, Command, Go, HostInput, Output, Paused, Ready, Recorded, Reply, Start
from cosim.placement import component_class
from cosim.rules import BrokenRule
from cosim.target import Inproc, Remote, Target, TargetError
from cosim.topology import TopologyError, ticks
from cosim.typed import with_marks
from cpu_node import CoreError, make_core, wiring
from cpu_node.asking import Asking
from cpu_node.gdb import Gdb, GdbError, Killed, listen
from cpu_node.machine import TIMINGS, TIMINGS_TEXT, Machine, MachineError
from cpu_node.profile import Profile

LOST = 0.4  # seconds from a broken connection to the end: less than the answer limit, so that the cause is named
ROWS = 10_000  # of the record in one message


class CpuNode:
    """Runs one core. The launcher's ``Start`` names the targets; ``Go`` runs, ``Command`` asks."""

    ROLE: ClassVar[str] = "cpu"
    CAPABILITIES: ClassVar[tuple[str, ...]] = ("native", "python")
    OPTIONS: ClassVar[dict[str, Any]] = {
        "core": "native",
        "timing": "fast",
        "timing_from": "0s",
        "skip_loops": True,
        "hot": 10,
        "gdb": "",
    }

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self.name = name
        self.config = {**self.OPTIONS, **config}
        self.queue: deque[wire.Frame] = deque()
        self.hosts: list[tuple[Inproc, Host, Intake]] = []
        self.machine: Any = None
        self.gdb: Gdb | None = None
        self.profile: Profile | None = None  # of all the time between Go and Paused
        self.monitors: dict[str, Any] = {}  # target -> monitor of its socket
        self.lost: dict[str, float] = {}  # target -> wall time at which its connection broke
        self.recorded = 0  # tick up to which the launcher has all rows of the record

    @classmethod
    def map_digest(cls) -> str:
        """The core's own registers are part of the state schema."""
        return ""

    def serve(self, link: Link, context: Any) -> None:
        """Serve the launcher until it says Stop. Failures are said to it as last words."""
        self.link = link
        link.send(Ready("", [], []))
        try:
            while True:
                frame = self.queue.popleft() if self.queue else link.receive(50)
                link.beat()
                if frame is not None:
                    self._take(frame.body, context)
        except (MachineError, CoreError, ImageError, TopologyError, GdbError) as error:
            self._failed(error, 2)
        except Killed as error:
            self._failed(error, 130)
        except BrokenRule as error:
            self._failed(error, 3, error.node)
        except DeviceError as error:
            self._failed(error, 2 if self.machine is None else 3)
        finally:
            if self.gdb is not None:
                self.gdb.close()
            for _, host, _ in self.hosts:
                host.close()

    def _failed(self, error: Exception, code: int, node: str = "") -> None:
        if self.machine is not None:
            self._record()
        self.link.last_words(f"{error}", code, node, self._tick())

    def _take(self, body: Body, context: Any) -> None:
        if isinstance(body, Start):
            self._start(body, context)
            self._paused("started", "")
        elif isinstance(body, Go):
            if self.profile is not None:
                self.profile.start()
            reason, detail = self.machine.go(body.until, body.armed)
            if self.profile is not None:
                self.profile.stop()
            if self.gdb is not None:
                self.gdb.say(f"tick {self._tick()}: {detail or reason}")
            self._paused(reason, detail)
        elif isinstance(body, Command):
            self._command(body)
        else:
            text = f"{type(body).__name__} from the launcher; expected Start, Go, Command or Stop"
            raise BrokenRule("question-kind", text)

    def _paused(self, reason: str, detail: str) -> None:
        self._console()
        self._record()
        self.link.send(Paused(reason, detail, {}), self.machine.core.tick)

    # Start ----------------------------------------------------------------------------------------------

    def _start(self, start: Start, context: Any) -> None:
        config = self.config
        try:
            listener = listen(config["gdb"]) if config["gdb"] else None
            core = self._core()
        except (CoreError, GdbError, TopologyError) as error:
            raise CoreError(f"[nodes.{self.name}] {error}") from None
        targets = [self._target(row, context) for row in start.targets]
        wiring.check(targets, config["ram"])
        self.machine = Machine(core, targets, self._look, config["leases"])
        self.machine.quantum, self.machine.note = config["quantum"], self._note
        if config.get("check_leases"):
            self.machine.check_leases()
        self.asking = Asking(self.machine)
        if config["hot"] and not getattr(core, "generates", True):
            text = "no code generator for this host: all is interpreted, many times slower"
            self.machine.report(0, f"{self.name}: {text}")
        if config["timing"] != "fast":
            self.machine.set_timing(config["timing"], ticks(config["timing_from"]))
        loads, entry, sr = [], None, None
        for name, guest in config["guests"].items():  # without a hypervisor: one guest, started here
            path, place = Path(guest["image"]), guest["load"]
            image = load_elf(path) if place is None else load_raw(path, place)
            check_inside(image, *guest["memory"], name)
            entry, sr = image.start(guest["entry"]), guest["sr"]
            loads += image.segments
            if guest["cmdline"]:
                loads.append((guest["cmdline_address"], guest["cmdline"].encode() + b"\0"))
            self.machine.vcpu = name
        self.machine.start(loads, entry, sr)
        wiring.check_lines(targets, self.machine.table)
        if listener is not None:
            self.gdb = Gdb(listener, self.machine, self._look, self._note, config["symbols"])
            self.machine.debugger = self.gdb

    def _core(self) -> Any:
        """The core of the options. Raises CoreError or TopologyError, which name the option."""
        config = self.config
        if config["timing"] not in TIMINGS:
            raise CoreError(f"timing = {config['timing']!r}: timings are {TIMINGS_TEXT}")
        if ticks(config["timing_from"], "timing_from") and config["timing"] == "fast":
            raise CoreError(f'timing_from = {config["timing_from"]!r}: has no effect with timing = "fast"')
        if not 0 <= config["hot"] <= 254:
            raise CoreError(f"hot = {config['hot']}: expected 1 to 254 arrivals, or 0: no code is generated")
        core = self.make_core(config["core"], tuple(config["ram"]))
        core.skip_loops = config["skip_loops"]
        if hasattr(core, "hot"):  # a core that generates code
            core.hot = config["hot"]
        return core

    def make_core(self, kind: str, ram: tuple[int, int]) -> Any:
        """The core that runs; a component of one's own may bring another. Raises CoreError."""
        return make_core(kind, ram)

    def _target(self, row: dict[str, Any], context: Any) -> Target:
        name, role = row["name"], row["role"]
        if "config" in row:
            component = component_class(role, row["component"])(name, row["config"])
            component.steady_state()
            target = Inproc(component, role)
            host = component.open_host()
            self.hosts.append((target, host, Intake(component, host)))
            return target
        socket = configure(context.socket(zmq.PAIR))
        if row["endpoint"].startswith("tcp://"):
            if self.link.keys is None or not row.get("key"):
                text = f"its socket is at {row['endpoint']}, but the launcher gave no keys; only ipc needs none"
                raise TargetError("keys", name, 0, text)
            prove(socket, self.link.keys.secret, row["key"])
        self.monitors[name] = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | HANDSHAKE_FAILED)
        socket.connect(row["endpoint"])
        regions = [(first, last) for first, last in row["regions"]]
        remote = Remote(name, role, row["lines"], regions, socket, self._waiting)
        remote.registers = {address: text for address, text in row.get("registers", ())}
        return remote

    def _tick(self) -> int:
        machine = self.machine
        return machine.core.tick if machine is not None else 0

    def _note(self, text: str) -> None:
        self.link.note(text, self._tick())

    # While it runs -----------------------------------------------------------------------------------------

    def _waiting(self, target: str, what: str, t: int, seq: int) -> None:
        """Called while a target's answer is due: progress is theirs, but Stop and a lost launcher are ours."""
        self.link.beat(self._tick(), asked=[target, what, t, seq])
        for name, monitor in self.monitors.items():
            if monitor.poll(0):
                if recv_monitor_message(monitor)["event"] & HANDSHAKE_FAILED:
                    text = "its socket did not show its key, or did not take the CPU node's, which it is to take once"
                    raise TargetError("keys", name, self._tick(), text)
                self.lost.setdefault(name, time.monotonic())
        for name, since in self.lost.items():
            # A process that ended is the launcher's to report, which knows how it ended.
            if time.monotonic() - since > LOST:
                text = "its connection was lost: it closed it, or sent more than a frame may hold"
                raise TargetError("connection", name, self._tick(), text)
        frame = self.link.receive()
        if frame is not None:
            self.queue.append(frame)

    def _look(self) -> None:
        """Called between slices: take commands, show consoles, give what is recorded."""
        self.link.beat(self._tick())
        self._console()
        self._record()
        if note := self.asking.look():
            self._note(note)
        if self.gdb is not None:
            self.gdb.poll()
        while (frame := self.link.receive()) is not None:
            self.queue.append(frame)
        while self.queue and isinstance(self.queue[0].body, Command):
            self._command(self.queue.popleft().body)

    def _record(self) -> None:
        """Rows of the record leave this process, in messages of a bounded size; the last one says how far they go."""
        tick, syncs, journal = self.machine.take_record()
        while syncs or journal or tick > self.recorded:
            last = len(syncs) <= ROWS and len(journal) <= ROWS
            self.recorded = tick if last else self.recorded
            self.link.send(Recorded(syncs[:ROWS], journal[:ROWS]), self.recorded)
            del syncs[:ROWS], journal[:ROWS]

    def _console(self) -> None:
        for target, host, intake in self.hosts:
            output = target.component.take_output()
            if output:
                host.write(output)
                self.link.send(Output(target.name, output), self.machine.core.tick)
            for _ in range(target.component.take_breaks()):
                host.send_break()
            typed = intake.read()
            if typed:
                self.link.send(HostInput(target.name, typed, list(host.marks)))

    def _command(self, command: Any) -> None:
        machine, data = self.machine, command.data
        answer: dict[str, Any] = {}
        if command.what == "input":
            machine.input(command.target, [(t, b) for t, b in data["entries"]])
        elif command.what == "type":
            machine.type(command.target, with_marks(data["bytes"], data.get("marks", ())), data["gap"])
        elif command.what == "arm":
            machine.arm(command.target, data["pattern"], data.get("console", 0))
        elif command.what == "observe":
            machine.observe(**data)
        elif command.what == "timing":
            machine.set_timing(data["timing"], data["tick"])
        elif command.what == "report":
            answer = machine.figures()
        elif command.what == "state":
            answer = {"state": machine.core.state()}
        elif command.what == "samples":
            answer = {"samples": [o.samples.tobytes() for o in machine.latency]}
        elif command.what == "attribution":
            answer = machine.attributed.attribution()
        elif command.what == "pause":
            machine.stopping = True  # at the next boundary
        elif command.what == "profile":
            self.profile = getattr(machine.core, "profile", None) or Profile(machine.core)
        elif command.what == "finish":
            answer = machine.finish()
            if self.profile is not None:
                answer["profile"] = {**self.profile.read(), "waited_s": sum(answer["waited"].values())}
                answer["profile"]["counters"]["round_trips"] = answer["round_trips"]
        self._console()
        self._record()
        self.link.send(Reply(answer), machine.core.tick)
