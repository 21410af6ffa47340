"""What counts against a process that gives no sign of progress, by made-up readings, and by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from launch.evidence import Reading, Silence, Thread, Watch, growth, read
from launch.supervise import Question


def process(state: str, ran: float = 0.0, waited: float = 0.0, helper: str = "S") -> Reading:
    """A process with a main thread and one of ZeroMQ's, which has the state ``helper``."""
    return {"1": Thread(state, ran, waited), "2": Thread(helper, 0.0, 0.0)}


def silence(*readings: Reading, seconds: float = 0.1) -> Silence:
    """The silence over readings ``seconds`` apart."""
    total = Silence()
    for reading in readings:
        total.add(seconds, reading)
    return total


class TestSilence:
    def test_running_counts(self):
        total = silence(process("R"), process("R", 0.1), process("R", 0.2))
        assert (total.ran, total.slept, total.stopped) == (pytest.approx(0.2), 0, 0)

    def test_waiting_for_a_cpu_does_not_count(self):
        assert silence(*[process("R", 0.5)] * 50).chance == 0

    def test_a_wait_that_ended_between_two_looks_does_not_count(self):
        total = silence(process("S"), process("S", 0.01, 0.08))
        assert (total.ran, total.slept) == (pytest.approx(0.01), pytest.approx(0.01))

    def test_waiting_for_the_disk_does_not_count(self):
        total = silence(process("D"), process("D", 0.002), process("D", 0.004))
        assert total.chance == pytest.approx(0.004)

    def test_sleeping_counts(self):
        total = silence(*[process("S", 0.5, 0.5)] * 5)
        assert total.slept == pytest.approx(0.4)
        assert total.describe() == "its process ran for 0.0 s and slept for 0.4 s"

    def test_a_sleeper_whose_other_thread_waits_for_a_cpu_is_excused(self):
        assert silence(*[process("S", helper="R")] * 5).chance == 0

    def test_stopped_counts_and_waits_for_no_cpu(self):
        total = silence(*[process("T", 0.5)] * 5)
        assert total.stopped == pytest.approx(0.4)
        assert total.describe() == "its process was stopped for 0.4 s"

    def test_a_process_that_is_paused_now_and_then_is_not_stopped(self):
        total = silence(process("T"), process("T"), process("T"), process("T", 0.001), process("T", 0.001))
        assert total.stopped == pytest.approx(0.1)

    def test_threads_and_a_launcher_that_could_not_listen_add_no_time(self):
        assert silence(process("R"), process("R", 0.3)).ran == pytest.approx(0.1)
        assert silence(process("R"), process("R", 0.3), seconds=0.0).chance == 0

    def test_the_first_reading_counts_nothing(self):
        assert silence(process("S")).chance == 0

    def test_a_new_thread_counts_from_its_start(self):
        ran, waited, held = growth(
            {"1": Thread("S", 1.0, 0.0)}, {"1": Thread("S", 1.0, 0.0), "9": Thread("S", 0.1, 0.0)}
        )
        assert (ran, waited, held) == (pytest.approx(0.1), 0.0, False)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps."""
    process = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(100)"],
                               stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


class TestRead:
    def test_states(self, other):
        def main() -> str:
            return (read(other.pid) or {})[str(other.pid)].state

        end = time.monotonic() + 60
        while main() != "S" and time.monotonic() < end:
            time.sleep(0.01)
        assert main() == "S"
        other.send_signal(signal.SIGSTOP)
        while main() != "T" and time.monotonic() < end:
            time.sleep(0.01)
        assert main() == "T"

    def test_cpu_time_grows(self):
        before = read(os.getpid())
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        after = read(os.getpid())
        assert before is not None and after is not None
        assert growth(before, after)[0] > 0.02

    def test_a_process_that_is_gone(self, other):
        other.kill()
        other.wait()
        assert read(other.pid) is None


class TestWatch:
    def test_it_goes_as_the_wall_clock_does_at_most(self):
        began = time.monotonic()
        watch = Watch()
        while watch.time == 0 or time.monotonic() < began + 0.1:
            time.sleep(0.02)
            watch.look()
        assert 0 < watch.time <= time.monotonic() - began

    def test_a_pause_of_the_launcher_counts_as_one_look(self, monkeypatch):
        watch = Watch()
        now = time.monotonic() + 1000
        monkeypatch.setattr("launch.evidence.time.monotonic", lambda: now)
        assert watch.look() <= Watch.LOOK

    def test_time_in_which_the_launcher_waited_for_a_cpu_does_not_count(self, monkeypatch):
        task = str(os.getpid())
        readings = iter([{task: Thread("R", 0.0, 0.0)}, {task: Thread("R", 0.01, 0.15)}])
        monkeypatch.setattr("launch.evidence.read", lambda pid: next(readings))
        watch = Watch()
        now = time.monotonic() + 0.19
        monkeypatch.setattr("launch.evidence.time.monotonic", lambda: now)
        assert watch.look() < 0.06  # of 0.19 s, or of 0.2 at most

    def test_it_stands_while_a_thread_of_the_launcher_waits_for_a_cpu(self, monkeypatch):
        monkeypatch.setattr(
            "launch.evidence.read", lambda pid: {"1": Thread("R", 0.5, 0.0), "2": Thread("S", 0.1, 0.0)}
        )
        watch = Watch()
        time.sleep(0.01)
        assert watch.look() == 0


class TestQuestion:
    def asked(self, *askers: Reading) -> Question:
        question = Question("cpu", "Read", 5, 1, 0.0)
        for asker in askers:
            question.add(0.1, asker, process("S"))
        return question

    def test_the_node_asked_is_asleep_and_the_asker_listens(self):
        assert self.asked(*[process("S")] * 5).silence.slept == pytest.approx(0.4)

    def test_an_asker_that_is_stopped_takes_no_answer(self):
        assert self.asked(*[process("T")] * 5).silence.chance == 0

    def test_an_asker_that_waits_for_a_cpu_takes_no_answer(self):
        assert self.asked(*[process("R", 0.5)] * 5).silence.chance == 0
