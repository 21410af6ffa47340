"""Starts the nodes as processes and watches them: who has died, who hangs, what were its last words.

A node is accused on evidence only (``launch.evidence``). It hangs when it makes no progress although it had the chance:
it ran, slept, or was stopped for ``[run] hang_limit`` seconds since. It owes an answer when the CPU node has asked it,
and it had the chance to answer for ``answer_limit`` seconds, even if it gives signs of life. While a node works on
something that is long by its nature (its start, loading images, the final digest), CPU time is progress too.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cosim.link import ready
from launch.evidence import Reading, Silence, Watch, read
from launch.guard import Guard

START, FINISH = "start", "final digest"  # works that are long by their nature
SUSPECT = 0.25  # the share of a limit after which the evidence is gathered
LOOK = 0.01  # seconds between two looks at least
PATIENT = 10.0  # seconds of work or waiting after which the person who started the run is told
UNKNOWN = 10  # times the limit: for a process whose figures cannot be read, wall time is all there is


@dataclass(frozen=True)
class Limits:
    """Seconds in which a node had the chance to go on; 0 is no limit. Keys of ``[run]``."""

    hang: float = 0.75
    answer: float = 0.75
    start: float = 30.0


class NodeFailure(Exception):
    """A node died, hangs, or said it failed. ``code``: exit code of the run; ``words``: its last words, many lines."""

    def __init__(self, node: str, text: str, code: int = 3, words: str = "") -> None:
        super().__init__(f"node {node}: {text}")
        self.node, self.code, self.words = node, code, words


@dataclass
class Question:
    """A question that a node has not answered yet: who asked what, at which tick, and when on the watch's clock."""

    asker: str
    what: str
    tick: int
    seq: int
    since: float
    silence: Silence = field(default_factory=Silence)  # what the node did since, while the asker could listen
    listening: Silence = field(default_factory=Silence)  # what the asker did
    overdue: bool = False

    def add(self, seconds: float, asker: Reading | None, node: Reading) -> None:
        """Account for ``seconds`` up to now. An asker that was stopped, or waited for a CPU, took no answer in them."""
        if asker is not None:
            before = self.listening.ran + self.listening.slept
            self.listening.add(seconds, asker)
            seconds = min(seconds, self.listening.ran + self.listening.slept - before)
        self.silence.add(seconds, node)

    def __str__(self) -> str:
        return f"{self.asker} the answer to {self.what} of tick {self.tick}"


@dataclass
class Child:
    """One node's process as its launcher sees it. ``process`` is None for a node started by hand."""

    name: str
    process: subprocess.Popen[bytes] | None
    stderr: Path | None
    pid: int = 0
    progress: int = -1
    since: float = 0.0  # when it last made progress, on the watch's clock
    silence: Silence = field(default_factory=Silence)  # what it did since
    work: str = START  # something long that it does: its start, or the final digest; "" for none
    told: float = 0.0  # seconds of this work after which a note said so
    owes: Question | None = None
    hello: float = 0.0  # wall time of its Hello
    stopped: bool = False  # it said that it ends
    pidfd: int = -1  # of a node started by hand

    def introduced(self, pid: int) -> None:
        """The node said hello."""
        self.pid, self.hello = pid, time.monotonic()
        if self.process is None:
            try:
                self.pidfd = os.pidfd_open(pid)
            except OSError:
                self.pidfd = -1  # gone again, or in another container

    def ended(self) -> str:
        """How its process ended; "" while it runs."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return ""
            return f"killed by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
        if self.pidfd >= 0 and ready(self.pidfd, select.POLLIN):
            return f"its process {self.pid}, started by hand, has ended"
        return ""

    def works(self, work: str, now: float) -> None:
        """It begins a long work, or ends it (""); ``now`` on the watch's clock."""
        self.work, self.told = work, 0.0
        self.alive(now)

    def alive(self, now: float) -> None:
        """It made progress."""
        self.since, self.silence = now, Silence()

    def cpu_seconds(self) -> float:
        """User and system time so far; 0 where it can't be read."""
        try:
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system)
        except (psutil.Error, OSError):
            return 0.0

    def rss(self) -> int:
        """Resident bytes; 0 where they can't be read."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except (psutil.Error, OSError):
            return 0

    def last_words(self) -> str:
        """The end of its standard error."""
        if self.stderr is None or not self.stderr.exists():
            return ""
        try:
            return self.stderr.read_text(errors="replace").strip()[-2000:]
        except OSError as error:
            return f"its standard error cannot be read: {error.strerror}"


@contextmanager
def _pipe(text: str) -> Iterator[list[int]]:
    """The end of a pipe from which a short text can be read; none where there is no text."""
    if not text:
        yield []
        return
    reader, writer = os.pipe()
    try:
        with open(writer, "w") as file:
            file.write(text)
        yield [reader]
    finally:
        os.close(reader)


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


class Supervisor:
    """The children of one run, and the guard that ends them if the launcher can't."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.folder = Path(tempfile.mkdtemp(prefix="cosim-"))  # mode 0700: sockets and nodes' standard error
        self.guard = Guard(self.folder)
        self.children: dict[str, Child] = {}
        self.watch, self._looked = Watch(), 0.0

    def start(self, name: str, role: str, endpoint: str, stdio: int = -1, keys: str = "") -> Child:
        """Start a node process. Ctrl-C does not reach it: the launcher ends its nodes.

        What it prints goes to standard error, so that standard output holds what the command gives. One whose
        serial port is standard input and output gets both, the output on descriptor ``stdio``. ``keys``, the node's
        as text, go through a pipe that only the child inherits: arguments and environment can be read by others.
        """
        stderr = self.folder / f"{name}.err"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent.parent),
                                                                   os.environ.get("PYTHONPATH", "")])}  # fmt: skip
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with stderr.open("wb") as file, _pipe(keys) as pipe:
                argv = [sys.executable, "-m", "cosim.node", role, name, endpoint, str(os.getpid()), *map(str, pipe)]
                stdin = subprocess.DEVNULL if stdio < 0 else None
                process = subprocess.Popen(argv, stdin=stdin, stdout=2 if stdio < 0 else stdio, stderr=file,
                                           env=environment, pass_fds=pipe)  # fmt: skip
            child = Child(name, process, stderr, process.pid, since=self.watch.time)
            self.children[name] = child
            self.guard.watch(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return child

    def adopt(self, name: str) -> Child:
        """A node that somebody starts by hand."""
        child = Child(name, None, None, since=self.watch.time)
        self.children[name] = child
        return child

    def beat(self, child: Child, progress: int) -> None:
        """A node said that it makes progress."""
        if progress != child.progress:
            child.progress = progress
            child.alive(self.watch.time)

    def asked(self, asker: str, target: str, what: str, tick: int, seq: int) -> None:
        """``asker`` waits for the target's answer; "" as target: for none."""
        for child in self.children.values():
            if child.owes is not None and child.owes.asker == asker and (child.name, child.owes.seq) != (target, seq):
                child.owes = None
        child = self.children.get(target)
        if child is not None and child.owes is None:
            child.owes = Question(asker, what, tick, seq, self.watch.time)
        elif child is not None and child.owes is not None:
            # The asker has looked again just now, and no answer was there.
            child.owes.overdue = 0 < self.limits.answer < child.owes.silence.chance

    def check(self) -> list[str]:
        """Look at the children. Returns what a person should know; raises NodeFailure for one that died or hangs."""
        if time.monotonic() - self._looked < LOOK:
            return []
        self._looked = time.monotonic()
        self.guard.check()
        self.check_ended()
        passed, notes = self.watch.look(), []
        for child in self.children.values():
            if child.pid and not child.stopped:
                self._check_hang(child, passed)
                notes += self._long(child)
        return notes

    def check_ended(self) -> None:
        """Raises NodeFailure for a child that has ended without a word."""
        for child in self.children.values():
            how = "" if child.stopped else child.ended()
            if how:
                words = child.last_words()
                said = f", last words: {words.splitlines()[-1]}" if words else ", no last words"
                raise NodeFailure(child.name, how + said, words=words)

    def _check_hang(self, child: Child, passed: float) -> None:
        limits, still, owes = self.limits, self.watch.time - child.since, child.owes
        if owes is None and (not limits.hang or still < SUSPECT * limits.hang):
            return
        now = read(child.pid)
        if now is None:
            if limits.hang and not child.work and still > UNKNOWN * limits.hang:
                raise NodeFailure(child.name, f"hangs: no progress for {still:.1f} s; nothing is known of its process")
            return
        silence = child.silence
        silence.add(passed, now)
        if owes is not None:
            owes.add(passed, read(self.children[owes.asker].pid), now)
        if child.work:
            hangs = limits.start and silence.slept > limits.start  # CPU time is progress
        else:
            hangs = limits.hang and silence.chance > limits.hang
        if hangs or (limits.hang and silence.stopped > limits.hang):
            how = f"hangs in its {child.work}" if child.work else "hangs"
            owed = f"; it owes {owes}" if owes is not None else ""
            text = f"{how}: no progress for {still:.1f} s, {silence.describe()} (pid {child.pid}){owed}"
            raise NodeFailure(child.name, text)
        if owes is not None and owes.overdue:
            text = f"gives signs of life but owes {owes} for {self.watch.time - owes.since:.1f} s"
            raise NodeFailure(child.name, f"{text}, {owes.silence.describe()} (pid {child.pid})")

    def _long(self, child: Child) -> list[str]:
        """A note each PATIENT seconds that a node works on something long."""
        took = self.watch.time - child.since
        if not child.work or took < child.told + PATIENT:
            return []
        child.told = took
        return [f"node {child.name} is in its {child.work} for {took:.0f} s: {child.silence.describe()}"]

    def close(self, patience: float = 2.0) -> None:
        """Wait for the children that were told to stop, end the others, remove the folder."""
        end = time.monotonic() + patience
        for child in self.children.values():
            if child.pidfd >= 0:
                os.close(child.pidfd)
                child.pidfd = -1
            if child.process is None:
                continue
            try:
                # One that has not said hello has nothing to finish.
                child.process.wait(max(0.0, end - time.monotonic()) if child.hello else 0)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self.guard.close()
        shutil.rmtree(self.folder, ignore_errors=True)
