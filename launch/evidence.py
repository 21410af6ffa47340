"""What the kernel knows of a process that gives no sign of progress: did it have the chance to make any?

Wall time proves nothing on a busy machine. A process that waits for a CPU or for the disk could not go on, and one
that is paused now and then goes on in between. Only the time in which it ran, slept or stood stopped counts against it.
Source: proc(5), ``/proc/PID/task/TID/stat`` and ``schedstat`` (Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

NANOSECOND = 1e-9
STOPPED, WAITING = "tT", "RD"  # states: stopped by a signal or a tracer; runnable or in an uninterruptible wait
CLOCK_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds: the unit of the CPU time in stat


@dataclass(frozen=True)
class Thread:
    """One thread: its state as in proc(5), seconds on a CPU, and seconds that it waited for one."""

    state: str
    ran: float
    waited: float


Reading = dict[str, Thread]  # by thread id; the thread whose id is that of the process is the main one


def read(pid: int) -> Reading | None:
    """The threads of a process; None where it is gone or in another container."""
    threads = {}
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    for task in tasks:
        try:
            folder = Path(f"/proc/{pid}/task/{task}")
            stat = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            ran, waited = (int(stat[11]) + int(stat[12])) * CLOCK_TICK, 0.0
            try:
                ran, waited = (int(n) * NANOSECOND for n in folder.joinpath("schedstat").read_text().split()[:2])
            except OSError:
                pass  # a kernel without scheduler statistics: the states have to do
        except OSError:
            continue  # the thread has ended
        threads[task] = Thread(stat[0], ran, waited)
    return threads or None


@dataclass
class Silence:
    """The time since a process last made progress, split by what the process did. All in seconds.

    ``chance`` is the time in which it could have made progress; waiting for a CPU or for the disk is not part of it.
    """

    ran: float = 0.0
    slept: float = 0.0
    stopped: float = 0.0
    before: Reading | None = field(default=None, repr=False)

    @property
    def chance(self) -> float:
        return self.ran + self.slept + self.stopped

    def add(self, seconds: float, now: Reading) -> None:
        """Account for ``seconds`` that have passed up to a reading."""
        before, self.before = self.before, now
        if before is None:
            return
        ran, waited, held = growth(before, now)
        self.ran += min(ran, seconds)  # threads run at once; a launcher that could not listen counts nothing
        if any(thread.state in STOPPED for thread in now.values()):
            # One that has run in between is paused now and then: slow, not stopped.
            self.stopped = 0.0 if ran else self.stopped + seconds
        elif not held:
            self.slept += max(0.0, seconds - ran - waited)

    def describe(self) -> str:
        """What the process did, for an accusation."""
        if self.stopped > max(self.ran, self.slept):
            return f"its process was stopped for {self.stopped:.1f} s"
        return f"its process ran for {self.ran:.1f} s and slept for {self.slept:.1f} s"


def growth(before: Reading, now: Reading) -> tuple[float, float, bool]:
    """Between two readings: CPU seconds of all threads, the longest wait of one for a CPU, and whether one waits still.

    Any thread's wait excuses the process: a sign of progress leaves it by ZeroMQ's own thread.
    """
    ran = waited = 0.0
    held = False
    for task, thread in now.items():
        old = before.get(task, Thread(thread.state, 0.0, 0.0))
        ran += thread.ran - old.ran
        waited = max(waited, thread.waited - old.waited)
        held = held or (thread.state in WAITING and (thread.ran == old.ran or thread.state == "D"))
    return ran, waited, held


class Watch:
    """A clock that goes only while this process was able to listen, by what the kernel knows of its own threads.

    A launcher that was starved, paused or stopped itself has no grounds to accuse anybody.
    """

    LOOK = 0.2  # seconds that pass at most between two looks: more means that this process was paused

    def __init__(self) -> None:
        self.time = 0.0
        self._looked = time.monotonic()
        self._own = read(os.getpid()) or {}

    def look(self) -> float:
        """Let the clock go on; returns the seconds that passed on it."""
        now, own = time.monotonic(), read(os.getpid()) or {}
        _, waited, _ = growth(self._own, own)
        # The main thread runs as it looks; another one that waits for a CPU may hold what has come.
        _, _, held = growth(self._own, {task: thread for task, thread in own.items() if task != str(os.getpid())})
        passed = 0.0 if held else max(0.0, min(now - self._looked, self.LOOK) - waited)
        self._looked, self._own = now, own
        self.time += passed
        return passed
