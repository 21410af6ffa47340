"""How the CPU node talks to a target: by socket to another process, or by a direct call (inproc)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import zmq

from cosim import wire
from cosim.activity import Row, doing
from cosim.clock import ClockError, Promise
from cosim.link import send
from cosim.messages import ANSWER, Answer, Body, EffectRow, PostedWrite, Write, Writes

BATCH = 8  # posted writes in one message at most
OWN = 4096  # addresses that are remembered to be a target's own
_first, _fourth = itemgetter(0), itemgetter(3)


class TargetError(ClockError):
    """A target that answered wrongly or not at all; the text names it, the tick and the question."""


class Due(NamedTuple):
    """An answer that is owed. ``levels``: those of the lines after posted writes; -1 where a question was asked."""

    seq: int
    t: int
    what: str
    kind: type[Any]
    levels: int


class Target:
    """One target: its promise, its lines, its leases, and counters by kind of message."""

    def __init__(self, name: str, role: str, lines: list[str], regions: list[tuple[int, int]]) -> None:
        self.name, self.role, self.line_names, self.regions = name, role, lines, regions
        self.promise = Promise(name)
        self.registers: dict[int, str] = {}  # names by address, as far as the target has told them
        self.levels = 0
        self.round_trips: dict[str, int] = {}
        self.posted = 0
        self.messages = 0
        self.constant: dict[int, int] = {}  # leased registers that posted writes change in a known way
        self.buffer: list[PostedWrite] = []  # kept back
        self.seen: dict[int, int] = {}  # leased reads since the last message: address -> OR of values
        self.waited = 0.0  # seconds of wall time until its answers were in
        self.own: set[int] = set()  # addresses that were found to be its own
        self.effects: list[EffectRow] = []  # of the last answer, found to be right

    def register(self, address: int) -> str:
        """A register as it is told of: its name and address."""
        return f"{self.registers.get(address, 'register')[:31]} (0x{address:08x})"

    def call(self, t: int, body: Body) -> Any:
        """Ask and wait for the answer, which is that of the posted writes before it too."""
        kind = type(body).__name__
        self.round_trips[kind] = self.round_trips.get(kind, 0) + 1
        was = doing(Row.BUS)
        self.flush()
        began = time.perf_counter()
        answer = self._call(t, body)
        self.waited += time.perf_counter() - began
        doing(was)
        return answer

    def post(self, t: int, write: Write) -> None:
        """A write that is not waited for: sent with the next ones, or when something is asked."""
        self.posted += 1
        self.buffer.append((t, write.address, write.size, write.value, write.seen))
        if len(self.buffer) >= BATCH:
            self.flush()

    def send(self, t: int, body: Body) -> None:
        """Send without waiting, after the posted writes; the protocol has no answer to it."""
        was = doing(Row.BUS)
        self.flush()
        self._send(t, body)
        doing(was)

    def collect(self) -> tuple[int, Answer] | None:
        """Tick and answer of the last posted write, after all of them are in; None if none is out."""
        was = doing(Row.BUS)
        self.flush()
        began = time.perf_counter()
        got = self._collect()
        self.waited += time.perf_counter() - began
        doing(was)
        return got

    # What an answer has to be, beyond types and the rules of the clock ------------------------------------------

    def check_kind(self, due: Due, answer: Any) -> None:
        """Raises TargetError for another kind of answer than the question asks for, and for levels that posted writes
        were not to leave."""
        if type(answer) is not due.kind:
            found = type(answer).__name__
            raise TargetError("answer-kind", self.name, due.t, f"{found} to {due.what}; expected {due.kind.__name__}")
        if due.levels >= 0 and answer.lines != due.levels:
            raise TargetError(
                "posted-lines", self.name, due.t,
                f"posted writes left its lines at {answer.lines:#x}; it had said {due.levels:#x}. A write that moves "
                "lines may be posted only with its effect",
            )  # fmt: skip

    def check(self, t: int, answer: Answer) -> None:
        """Raises TargetError for lines, addresses, leases or a table that are not the target's to give."""
        bits = len(self.line_names)
        if answer.lines >> bits:
            self._foreign_lines(t, "", answer.lines)
        for tick, levels in answer.plan:
            if levels >> bits:
                self._foreign_lines(t, f" planned at {tick}", levels)
        if answer.leases:
            if not self.own.issuperset(map(_first, answer.leases)):
                self._check_own(t, "lease", map(_first, answer.leases))
            for row in answer.leases:
                if len(row[3]) != 1:
                    self._check_segments(t, row[0], [segment[0] for segment in row[3]])
        if answer.effects == self.effects:  # as a rule; so the promise need not sort them again
            answer.effects = self.effects
        else:
            for address in (_first, _fourth):
                self._check_own(t, "effect", map(address, answer.effects))
            for effect in answer.effects:
                if effect[2] >> bits:
                    self._foreign_lines(t, f" of the effect at 0x{effect[0]:08x}", effect[2])
            self.effects = answer.effects
        if answer.sources is not None:
            self._check_sources(t, [row[0] for row in answer.sources])
        if answer.matched > t:
            text = f"a pattern matched at {answer.matched}, which is to come"
            raise TargetError("answer-matched", self.name, t, text)

    def _foreign_lines(self, t: int, which: str, levels: int) -> None:
        names = ", ".join(self.line_names) or "none"
        raise TargetError("answer-lines", self.name, t, f"line levels {levels:#x}{which}; expected bits for {names}")

    def _check_own(self, t: int, what: str, addresses: Any) -> None:
        for address in addresses:
            if not any(first <= address <= last for first, last in self.regions):
                where = ", ".join(f"0x{first:08x}..0x{last:08x}" for first, last in self.regions) or "none"
                text = f"{what} of 0x{address:08x}, which is not its own; its regions are {where}"
                raise TargetError("answer-own", self.name, t, text)
            if len(self.own) < OWN:
                self.own.add(address)

    def _check_segments(self, t: int, address: int, ticks: list[int]) -> None:
        if not ticks or any(later <= tick for tick, later in zip(ticks, ticks[1:], strict=False)):
            text = f"a lease of 0x{address:08x} with segments from {ticks}; expected one or more, with ticks that rise"
            raise TargetError("answer-lease", self.name, t, text)

    def _check_sources(self, t: int, lines: list[str]) -> None:
        if self.role != "intc":
            text = f"gives a table of interrupt sources; it is a {self.role}, no interrupt controller"
        elif len(set(lines)) < len(lines):
            text = "its table has a line twice; expected each once"
        else:
            return
        raise TargetError("answer-sources", self.name, t, text)

    def flush(self) -> None:
        """Send the posted writes that are kept back."""
        if self.buffer:
            was = doing(Row.BUS)
            t, entries = self.buffer[-1][0], self.buffer
            self.buffer = []
            self._post(t, Writes(entries))
            doing(was)

    def _call(self, t: int, body: Body) -> Any:
        raise NotImplementedError

    def _send(self, t: int, body: Body) -> None:
        raise NotImplementedError

    def _post(self, t: int, body: Writes) -> None:
        raise NotImplementedError

    def _collect(self) -> tuple[int, Any] | None:
        raise NotImplementedError


def merged(earlier: Any, answer: Any) -> Any:
    """An answer with what one before it said and it does not repeat: the table, a match."""
    if isinstance(earlier, Answer) and isinstance(answer, Answer):
        if answer.sources is None:
            answer.sources = earlier.sources
        if answer.matched < 0:
            answer.matched = earlier.matched
    return answer


class Inproc(Target):
    """The component object itself: no encoding, no socket."""

    def __init__(self, component: Any, role: str) -> None:
        super().__init__(component.name, role, list(component.line_names), list(component.regions))
        self.component = component
        self.registers = {row.address: row.name for row in getattr(component, "registers", ())}
        self._posted: tuple[int, Any] | None = None

    def _call(self, t: int, body: Body) -> Any:
        self.messages += 1
        earlier, self._posted = self._posted, None
        answer = self.component.handle(t, body)
        self.check_kind(Due(0, t, type(body).__name__, ANSWER[type(body)], -1), answer)
        return merged(earlier[1] if earlier else None, answer)

    def _send(self, t: int, body: Body) -> None:
        self.messages += 1
        self.component.handle(t, body)

    def _post(self, t: int, body: Writes) -> None:
        self.messages += 1
        answer = self.component.handle(t, body)
        self.check_kind(Due(0, t, "Writes", Answer, self.levels), answer)
        self._posted = (t, merged(self._posted[1] if self._posted else None, answer))

    def _collect(self) -> tuple[int, Any] | None:
        posted, self._posted = self._posted, None
        return posted


class Remote(Target):
    """A process behind a PAIR socket. ``waiting`` is called now and then while an answer is due: (this target's
    name, kind of the question, its tick, its number)."""

    def __init__(
        self,
        name: str,
        role: str,
        lines: list[str],
        regions: list[tuple[int, int]],
        socket: zmq.Socket[bytes],
        waiting: Callable[[str, str, int, int], None],
    ) -> None:
        super().__init__(name, role, lines, regions)
        self.socket, self.waiting = socket, waiting
        self.socket.rcvtimeo = 50  # ms between looks at the launcher
        self.seq = 0
        self._due: deque[Due] = deque()  # posted writes, then the question that is asked

    def _receive(self) -> Any:
        """The last of the answers that are due, which supersedes those before it."""
        earlier: Body | None = None
        while self._due:
            due = self._due[0]
            was = doing(Row.WAITING)
            ready = self.socket.poll(50)
            doing(was)
            if not ready:
                self.waiting(self.name, due.what, due.t, due.seq)
                continue
            try:
                frame = wire.decode(self.socket.recv())
            except wire.WireError as error:
                raise TargetError(error.rule, self.name, due.t, f"answer to {due.what}: {error.text}") from None
            if frame.seq != due.seq:
                text = f"answer {frame.seq} where that to {due.what} {due.seq} is due"
                raise TargetError("answer-seq", self.name, due.t, text)
            if frame.t != due.t:
                raise TargetError("answer-tick", self.name, due.t, f"answer to {due.what} with t = {frame.t}")
            self.check_kind(due, frame.body)
            self._due.popleft()
            earlier = merged(earlier, frame.body)
        return earlier

    def _send(self, t: int, body: Body) -> None:
        self.seq += 1
        self.messages += 1
        waiting = partial(self.waiting, self.name, type(body).__name__, t, self.seq)
        send(self.socket, wire.encode(body, t, self.seq), waiting)

    def _call(self, t: int, body: Body) -> Any:
        self._send(t, body)
        self._due.append(Due(self.seq, t, type(body).__name__, ANSWER[type(body)], -1))
        return self._receive()

    def _post(self, t: int, body: Writes) -> None:
        self._send(t, body)
        self._due.append(Due(self.seq, t, "Writes", Answer, self.levels))

    def _collect(self) -> tuple[int, Any] | None:
        if not self._due:
            return None
        t = self._due[-1].t
        if not self.socket.poll(0):
            self.round_trips["posted"] = self.round_trips.get("posted", 0) + 1
        return t, self._receive()
