"""How the CPU node talks to a target: by socket to another process, or by a direct call (inproc)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import zmq

from cosim import wire
from cosim.activity import Row, doing
from cosim.clock import Promise
from cosim.link import send
from cosim.messages import Answer, Body, Write, Writes

BATCH = 8  # posted writes in one message at most


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
        self.buffer: list[tuple[int, int, int, int, list[tuple[int, int]]]] = []  # posted writes kept back
        self.seen: dict[int, int] = {}  # leased reads since the last message: address -> OR of values
        self.waited = 0.0  # seconds of wall time until its answers were in

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
        if got is not None and not isinstance(got[1], Answer):
            raise TargetError(f"{self.name} at tick {got[0]}: {type(got[1]).__name__} to a write; expected Answer")
        return got

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
        self._posted: tuple[int, Any] | None = None

    def _call(self, t: int, body: Body) -> Any:
        self.messages += 1
        earlier, self._posted = self._posted, None
        return merged(earlier[1] if earlier else None, self.component.handle(t, body))

    def _send(self, t: int, body: Body) -> None:
        self.messages += 1
        self.component.handle(t, body)

    def _post(self, t: int, body: Writes) -> None:
        self.messages += 1
        self._posted = (t, merged(self._posted[1] if self._posted else None, self.component.handle(t, body)))

    def _collect(self) -> tuple[int, Any] | None:
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
        self.socket.rcvtimeo = 50  # ms between looks at the launcher
        self.seq = 0
        self._out: tuple[int, int] | None = None  # seq and tick of the last posted write

    def _receive(self, seq: int, t: int, what: str) -> Any:
        earlier: Body | None = None  # answers to posted writes that this one supersedes
        while True:
            was = doing(Row.WAITING)
            ready = self.socket.poll(50)
            doing(was)
            if not ready:
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
        send(self.socket, wire.encode(body, t, self.seq), self.waiting)

    def _call(self, t: int, body: Body) -> Any:
        self._out = None
        self._send(t, body)
        return self._receive(self.seq, t, type(body).__name__)

    def _post(self, t: int, body: Writes) -> None:
        self._send(t, body)
        self._out = (self.seq, t)

    def _collect(self) -> tuple[int, Any] | None:
        if self._out is None:
            return None
        seq, t = self._out
        self._out = None
        if not self.socket.poll(0):
            self.round_trips["posted"] = self.round_trips.get("posted", 0) + 1
        return t, self._receive(seq, t, "posted write")
