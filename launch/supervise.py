"""Starts the nodes as processes and watches them: who has died, who hangs, what were its last words.

A node hangs when it makes no progress for HUNG seconds although it could: it has spent SPIN seconds on a CPU
since, or it is stopped or blocked in something that is not its own poll. One that is only slow, because the
machine is busy or because someone pauses it now and then, makes progress, waits for a CPU, or uses one between
two pauses; it is never taken for a hung one. Nor is anything that happens while the launcher itself is paused.
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
from dataclasses import dataclass
from pathlib import Path

import psutil

from cosim.link import ready

HUNG = 0.75  # seconds without progress
SPIN = 0.4  # seconds of CPU time within them that show it could have made some
QUIET = 0.4  # seconds within them in which it was stopped or blocked and used no CPU
LOOK = 0.2  # seconds that pass on the watch's clock at most between two looks


class NodeFailure(Exception):
    """A node died, hangs, or said it failed. ``code``: exit code of the run; ``words``: its last words, many lines."""

    def __init__(self, node: str, text: str, code: int = 3, words: str = "") -> None:
        super().__init__(f"node {node}: {text}")
        self.node, self.code, self.words = node, code, words


@dataclass
class Child:
    """One node's process as its launcher sees it. ``process`` is None for a node started by hand."""

    name: str
    process: subprocess.Popen[bytes] | None
    stderr: Path | None
    pid: int = 0
    progress: int = -1
    since: float = 0.0  # of the last progress, on the watch's clock
    cpu: float = 0.0  # CPU seconds then
    alive: float = 0.0  # last look, on the same clock, at which it waited for a CPU or had used one
    used: float = 0.0  # CPU seconds at the last look
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
        return self.stderr.read_text(errors="replace").strip()[-2000:]


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

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cosim-"))  # mode 0700: sockets and nodes' standard error
        guard = [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), str(self.folder)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        self.children: dict[str, Child] = {}
        self.clock, self._looked = 0.0, time.monotonic()

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
            child = Child(name, process, stderr, process.pid)
            self.children[name] = child
            self._tell_guard(process.pid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return child

    def adopt(self, name: str) -> Child:
        """A node that somebody starts by hand."""
        child = Child(name, None, None)
        self.children[name] = child
        return child

    def _tell_guard(self, pid: int) -> None:
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(f"{pid}\n".encode())
            self._guard.stdin.flush()
        except OSError:
            raise NodeFailure("guard", "the process that watches over the launcher has ended") from None

    def beat(self, child: Child, progress: int) -> None:
        """A node said that it makes progress."""
        if progress != child.progress:
            child.progress, child.since, child.alive = progress, self.clock, self.clock
            child.cpu = child.used = child.cpu_seconds()

    def check(self) -> None:
        """Raises NodeFailure for a child that has died or hangs."""
        now = time.monotonic()
        self.clock += min(now - self._looked, LOOK)
        self._looked = now
        for child in self.children.values():
            if child.stopped:
                continue
            how = child.ended()
            if how:
                words = child.last_words()
                said = f", last words: {words.splitlines()[-1]}" if words else ", no last words"
                raise NodeFailure(child.name, how + said, words=words)
            if child.pid and child.progress >= 0:
                self._check_hang(child)

    def _check_hang(self, child: Child) -> None:
        still = self.clock - child.since
        if still < HUNG / 3:
            child.alive = self.clock
            return
        try:
            status = psutil.Process(child.pid).status()
        except (psutil.Error, OSError):
            return
        used, child.used = child.used, child.cpu_seconds()
        stopped = status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        if status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP) or (stopped and child.used > used):
            child.alive = self.clock
        if still < HUNG:
            return
        spun = child.used - child.cpu
        if spun > SPIN:
            raise NodeFailure(
                child.name, f"hangs: no progress for {still:.1f} s, {spun:.1f} s on a CPU (pid {child.pid})"
            )
        if self.clock - child.alive > QUIET:
            raise NodeFailure(
                child.name, f"hangs: no progress for {still:.1f} s, its process is {status} (pid {child.pid})"
            )

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
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
        shutil.rmtree(self.folder, ignore_errors=True)  # the guard has, unless somebody ended it
