"""How the CPU node talks to a target: by socket to another process, or by a direct call (inproc)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import zmq

from cosim import wire
from cosim.clock import Promise
from cosim.messages import Answer, Body


class TargetError(Exception):
    """A target that answered wrongly or not at all; the text names it, the tick and the question."""


class Target:
    """One target: its promise, its lines, its leases, and counters by kind of message."""

    def __init__(self, name: str, role: str, lines: list[str], regions: list[tuple[int, int]]) -> None:
        self.name, self.role, self.line_names, self.regions = name, role, lines, regions
        self.promise = Promise(name)
        self.levels = 0
        self.round_trips: dict[str, int] = {}
        self.posted = 0
        self.messages = 0
        self.constant: dict[int, int] = {}  # leased registers that posted writes change in a known way
        self.waited = 0.0  # seconds of wall time until its answers were in

    def call(self, t: int, body: Body) -> Any:
        """Ask and wait for the answer."""
        kind = type(body).__name__
        self.round_trips[kind] = self.round_trips.get(kind, 0) + 1
        began = time.perf_counter()
        answer = self._call(t, body)
        self.waited += time.perf_counter() - began
        return answer

    def _call(self, t: int, body: Body) -> Any:
        raise NotImplementedError

    def send(self, t: int, body: Body) -> None:
        """Send without waiting; the protocol has no answer to it."""
        raise NotImplementedError

    def post(self, t: int, body: Body) -> None:
        """Send a posted write; its answer is taken by collect."""
        raise NotImplementedError

    def collect(self) -> tuple[int, Answer] | None:
        """Tick and answer of the last posted write, after all of them are in; None if none is out."""
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
        self._posted: tuple[int, Answer] | None = None

    def _call(self, t: int, body: Body) -> Any:
        self.messages += 1
        return self.component.handle(t, body)

    def send(self, t: int, body: Body) -> None:
        self.messages += 1
        self.component.handle(t, body)

    def post(self, t: int, body: Body) -> None:
        self.posted += 1
        self.messages += 1
        self._posted = (t, merged(self._posted[1] if self._posted else None, self.component.handle(t, body)))

    def collect(self) -> tuple[int, Answer] | None:
        posted, self._posted = self._posted, None
        return posted


class Remote(Target):
    """A process behind a PAIR socket. ``waiting`` is called now and then while an answer is due."""

    def __init__(
        self,
        name: str,
        role: str,
        lines: list[str],
        regions: list[tuple[int, int]],
        socket: zmq.Socket[bytes],
        waiting: Callable[[], None],
    ) -> None:
        super().__init__(name, role, lines, regions)
        self.socket, self.waiting = socket, waiting
        self.seq = 0
        self._out = 0
        self._last = (0, 0)  # seq and tick of the last posted write

    def _receive(self, seq: int, t: int, what: str) -> Body:
        earlier: Body | None = None  # answers to posted writes that this one supersedes
        while True:
            if not self.socket.poll(50):
                self.waiting()
                continue
            try:
                frame = wire.decode(self.socket.recv())
            except wire.WireError as error:
                raise TargetError(f"{self.name} at tick {t}: answer to {what}: {error}") from None
            if frame.seq > seq:
                raise TargetError(f"{self.name} at tick {t}: answer {frame.seq} to a question not asked ({what} {seq})")
            earlier = merged(earlier, frame.body)
            if frame.seq == seq:
                return earlier

    def _send(self, t: int, body: Body) -> None:
        self.seq += 1
        self.messages += 1
        self.socket.send(wire.encode(body, t, self.seq))

    def _call(self, t: int, body: Body) -> Any:
        self._send(t, body)
        return self._receive(self.seq, t, type(body).__name__)

    def send(self, t: int, body: Body) -> None:
        self._send(t, body)

    def post(self, t: int, body: Body) -> None:
        self.posted += 1
        self._send(t, body)
        self._out += 1
        self._last = (self.seq, t)

    def collect(self) -> tuple[int, Answer] | None:
        if not self._out:
            return None
        if not self.socket.poll(0):
            self.round_trips["posted"] = self.round_trips.get("posted", 0) + 1
        seq, t = self._last
        answer = self._receive(seq, t, "posted write")
        self._out = 0
        if not isinstance(answer, Answer):
            raise TargetError(f"{self.name} at tick {t}: {type(answer).__name__} to a posted write; expected Answer")
        return t, answer
