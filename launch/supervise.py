"""Starts the nodes as processes and watches them: who has died, who hangs, what were its last words.

A node hangs when it makes no progress for HUNG seconds although it could: it spins on a CPU, or it is stopped
or blocked in something that is not its own poll. One that is only slow, because the machine is busy or someone
pauses it now and then, still makes progress or waits for a CPU; it is never taken for a hung one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HUNG = 0.75  # seconds without progress
SPIN = 0.4  # seconds of CPU time within them that show it could have made some
LOOKS = 6  # looks in a row at which a process that is not waiting for a CPU was stopped or blocked


class NodeFailure(Exception):
    """A node died, hangs, or said it failed. ``code`` is the exit code of the run."""

    def __init__(self, node: str, text: str, code: int = 3) -> None:
        super().__init__(f"node {node}: {text}")
        self.node, self.code = node, code


@dataclass
class Child:
    """One node's process as its launcher sees it. ``process`` is None for a node started by hand."""

    name: str
    process: subprocess.Popen[bytes] | None
    stderr: Path | None
    pid: int = 0
    progress: int = -1
    since: float = field(default_factory=time.monotonic)  # of the last progress
    cpu: float = 0.0  # CPU seconds then
    blocked: int = 0
    messages: int = 0
    stopped: bool = False

    def beat(self, progress: int) -> None:
        """The node said that it makes progress."""
        if progress != self.progress:
            self.progress, self.since, self.blocked = progress, time.monotonic(), 0
            self.cpu = self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """User and system time so far; 0 where it can't be read."""
        try:
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system)
        except psutil.Error:
            return 0.0

    def rss(self) -> int:
        """Resident bytes; 0 where they can't be read."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def last_words(self) -> str:
        """The end of its standard error."""
        if self.stderr is None or not self.stderr.exists():
            return ""
        return self.stderr.read_text(errors="replace").strip()[-2000:]


class Supervisor:
    """The children of one run, and the guard that ends them if the launcher can't."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cosim-"))  # mode 0700: sockets and nodes' standard error
        guard = [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), str(self.folder)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        self.children: dict[str, Child] = {}

    def start(self, name: str, role: str, endpoint: str) -> Child:
        """Start a node process."""
        stderr = self.folder / f"{name}.err"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent.parent),
                                                                   os.environ.get("PYTHONPATH", "")])}  # fmt: skip
        with stderr.open("wb") as file:
            argv = [sys.executable, "-m", "cosim.node", role, name, endpoint]
            process = subprocess.Popen(argv, stderr=file, env=environment)
        self._tell_guard(process.pid)
        child = Child(name, process, stderr, process.pid)
        self.children[name] = child
        return child

    def adopt(self, name: str) -> Child:
        """A node that somebody starts by hand."""
        child = Child(name, None, None)
        self.children[name] = child
        return child

    def _tell_guard(self, pid: int) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{pid}\n".encode())
        self._guard.stdin.flush()

    def check(self) -> None:
        """Raises NodeFailure for a child that has died or hangs."""
        for child in self.children.values():
            if child.process is not None and not child.stopped:
                code = child.process.poll()
                if code is not None:
                    how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
                    words = child.last_words()
                    raise NodeFailure(child.name, f"{how}; last words: {words or 'none'}")
            if child.pid and child.progress >= 0 and not child.stopped:
                self._check_hang(child)

    def _check_hang(self, child: Child) -> None:
        still = time.monotonic() - child.since
        if still < HUNG / 3:
            return
        try:
            status = psutil.Process(child.pid).status()
        except psutil.Error:
            return
        child.blocked = child.blocked + 1 if status != psutil.STATUS_RUNNING else 0
        if still < HUNG:
            return
        spun = child.cpu_seconds() - child.cpu
        if spun > SPIN:
            raise NodeFailure(child.name, f"hangs: no progress for {still:.1f} s, {spun:.1f} s of them on a CPU (pid {child.pid})")
        if child.blocked >= LOOKS:
            raise NodeFailure(child.name, f"hangs: no progress for {still:.1f} s, its process is {status} (pid {child.pid})")

    def close(self, patience: float = 2.0) -> None:
        """Wait for the children that were told to stop, end the others, remove the folder."""
        end = time.monotonic() + patience
        for child in self.children.values():
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
