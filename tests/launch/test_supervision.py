"""Nodes that die, hang or are slow, launchers that are stopped or killed: real processes, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from commands import EXAMPLES, Running, busy, digest, run, second

SPUMONE, RTOS = EXAMPLES / "spumone.toml", EXAMPLES / "rtos.toml"
UNTIL = ("--until", "60ms")
COMPONENTS = "tests.launch.components:"


@pytest.fixture
def running(tmp_path: Path, rtos: Path, linux: Path) -> Iterator[Running]:
    """The whole machine, in the middle of a run without end."""
    with Running("run", SPUMONE, "--record", tmp_path / "r") as running:
        running.wait_for(tmp_path / "r" / "rtos.log", b"ready")
        yield running


def folders(temporary: Path) -> list[Path]:
    return [path for path in temporary.glob("cosim-*") if not path.name.startswith("cosim-run-")]


class TestDeath:
    @pytest.mark.parametrize("node", ["cpu", "spumone", "intc", "tmu", "scif0", "cpg"])
    def test_a_killed_node(self, running, temporary, tmp_path, node):
        assert folders(temporary)
        began = time.monotonic()
        running.nodes()[node].kill()
        outcome = running.end()
        assert time.monotonic() - began < second()
        assert outcome.code == 3
        assert f"cosim: node {node}: killed by signal 9 (SIGKILL), no last words; virtual time " in outcome.last
        assert outcome.last.endswith(f"; log {tmp_path / 'r'}")
        assert running.gone(0.2)
        assert not folders(temporary)

    def test_the_virtual_time_is_of_the_end(self, running):
        time.sleep(0.5)
        running.nodes()["tmu"].kill()
        text = running.end().last
        assert float(text.split("virtual time ")[1].split()[0]) > 0.05

    def test_a_node_that_raises(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}Raising")
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: node tmu: ZeroDivisionError: division by zero; virtual time 0.0")
        assert "in divide\n    return a / b" in outcome.err

    def test_a_node_that_ends_by_itself(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}Exiting", "--json", "-")
        assert outcome.code == 3
        said = "node tmu: ended with exit code 7, last words: the timer has had enough; virtual time 0.0"
        assert outcome.last.startswith(f"cosim: {said}")
        result = outcome.json
        assert (result["ok"], result["exit"], result["node"]) == (False, 3, "tmu")
        assert result["error"].startswith(said)
        assert result["last_words"] == "the timer has had enough"

    def test_a_node_that_cannot_be_made(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"cpg.component={COMPONENTS}Refusing")
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: node cpg: RuntimeError: no crystal")

    def test_a_node_that_promises_nothing_new(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"scif0.component={COMPONENTS}Stuck")
        assert outcome.code == 3
        assert "node scif0: at tick 40000000: " in outcome.last and "time would stand still" in outcome.last
        assert "(rule promise-further); virtual time 0.1" in outcome.last


class TestHang:
    @pytest.mark.parametrize("node", ["cpu", "spumone", "tmu", "bsc"])
    def test_a_stopped_node(self, running, temporary, node):
        began = time.monotonic()
        running.nodes()[node].suspend()
        outcome = running.end()
        assert time.monotonic() - began < second()
        assert outcome.code == 3
        assert outcome.last.startswith(f"cosim: node {node}: hangs: no progress for ")
        assert "its process was stopped for " in outcome.last
        assert running.gone(0.2) and not folders(temporary)

    @pytest.mark.parametrize(
        ("component", "said"),
        [("Spinning", "its process ran for 0."), ("Sleeping", "slept for 0."), ("Napping", "slept for 0.")],
    )
    def test_a_node_that_hangs_in_a_message(self, rtos, inside, temporary, tmp_path, component, said):
        with Running("run", RTOS, "--set", f"tmu.component={COMPONENTS}{component}") as running:
            while not running.nodes().get("cpg"):
                time.sleep(0.01)
            began = time.monotonic()
            outcome = running.end()
            # That much after the start, which takes about a second.
            assert time.monotonic() - began < second() + 2
            assert outcome.code == 3
            assert outcome.last.startswith("cosim: node tmu: hangs: no progress for ") and said in outcome.last
            assert running.gone(0.2)


@contextmanager
def duty(processes: list[psutil.Process], stopped: float, running: float) -> Iterator[None]:
    """Stop and continue processes all the time, as a slow machine would."""
    end = threading.Event()

    def cycle() -> None:
        while not end.is_set():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                for process in processes:
                    process.suspend()
                time.sleep(stopped)
                for process in processes:
                    process.resume()
            time.sleep(running)

    thread = threading.Thread(target=cycle)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.fixture(scope="module")
def plain() -> str:
    """The digest of an undisturbed run."""
    return digest(SPUMONE, *UNTIL)


class TestSlow:
    """A slow node is never taken for a hung one, and slowness changes no result."""

    @pytest.mark.parametrize("names", [["cpu"], ["intc"], ["scif1", "tmu"]], ids="-".join)
    def test_stopped_nine_tenths_of_the_time(self, rtos, linux, plain, tmp_path, names):
        with Running("run", SPUMONE, *UNTIL, "--json", tmp_path / "j") as running:
            while set(running.nodes()) != {"cpu", "spumone", "intc", "tmu", "scif0", "scif1", "cpg", "bsc"}:
                time.sleep(0.01)
            time.sleep(0.5)
            with duty([running.nodes()[name] for name in names], 0.09, 0.01):
                outcome = running.end(100)
        assert outcome.code == 0, outcome
        assert json.loads((tmp_path / "j").read_text())["digest"] == plain

    def test_ten_times_the_work(self, rtos, linux, plain, inside):
        assert digest(SPUMONE, *UNTIL, "--set", f"tmu.component={COMPONENTS}Slow") == plain

    def test_beside_busy_processes(self, rtos, linux, plain):
        with busy(2 * (os.cpu_count() or 1)):
            assert digest(SPUMONE, *UNTIL) == plain

    def test_stopped_as_a_whole(self, running):
        running.signal(signal.SIGSTOP, group=True)
        time.sleep(3)
        running.signal(signal.SIGCONT, group=True)
        time.sleep(2)
        assert running.process.poll() is None, running.end()
        running.signal(signal.SIGINT)
        assert running.end().code == 130

    @pytest.mark.long
    def test_stopped_as_a_whole_for_longer_than_a_heartbeat(self, running):
        running.signal(signal.SIGSTOP, group=True)
        time.sleep(30)
        running.signal(signal.SIGCONT, group=True)
        time.sleep(3)
        assert running.process.poll() is None, running.end()


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "code", "said"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
    )
    def test_ends_all(self, running, temporary, number, code, said):
        began = time.monotonic()
        running.signal(number, group=number == signal.SIGINT)
        outcome = running.end()
        assert time.monotonic() - began < second()
        assert outcome.code == code
        assert outcome.last.startswith(f"cosim: stopped by {said} at ") and "; log " in outcome.last
        assert "Traceback" not in outcome.err
        assert running.gone(0.2) and not folders(temporary)

    def test_ctrl_c_at_the_start(self, rtos, linux, temporary):
        with Running("run", SPUMONE) as running:
            while not running.nodes():
                time.sleep(0.005)
            time.sleep(0.1)
            running.signal(signal.SIGINT, group=True)
            outcome = running.end()
            assert outcome.code == 130, outcome
            assert outcome.err.splitlines() == [outcome.last]
            assert running.gone(0.2) and not folders(temporary)

    def test_json_of_a_stopped_run(self, rtos, linux, tmp_path):
        with Running("run", SPUMONE, "--json", "-", "--record", tmp_path) as running:
            running.wait_for(tmp_path / "rtos.log", b"ready")
            running.signal(signal.SIGINT, group=True)
            result = running.end().json
        assert (result["ok"], result["exit"], result["schema"]) == (False, 130, "cosim.run/1")
        assert result["error"].startswith("stopped by Ctrl-C")

    @pytest.mark.parametrize("when", ["starting", "running"])
    def test_a_killed_launcher(self, rtos, linux, temporary, tmp_path, when):
        with Running("run", SPUMONE, "--record", tmp_path / "r") as running:
            if when == "running":
                running.wait_for(tmp_path / "r" / "rtos.log", b"ready")
            while len(running.nodes()) < 4:
                time.sleep(0.005)
            running.process.kill()
            running.process.wait()
            assert running.gone(second())
            end = time.monotonic() + second()
            while folders(temporary) and time.monotonic() < end:
                time.sleep(0.02)
            assert not folders(temporary)

    def test_a_killed_launcher_of_stopped_nodes(self, running, temporary):
        for process in running.nodes().values():
            process.suspend()
        running.process.kill()
        assert running.gone(second())

    @pytest.mark.parametrize("when", ["killed", "killed twice"])
    def test_a_killed_guard_has_a_successor(self, running, temporary, when):
        """It ends nothing, and the next one guards what it did: the nodes, stopped ones too, and the folder."""
        for _ in when.split():
            before = guard_of(running)
            before.kill()
            wait_until(lambda: guards(running) not in ([], [before]))  # noqa: B023
        assert running.process.poll() is None
        for process in running.nodes().values():
            process.suspend()
        running.process.kill()
        assert running.gone(10)
        wait_until(lambda: not folders(temporary))

    def test_a_killed_guard_changes_nothing_at_the_end(self, running, temporary):
        guard_of(running).kill()
        running.signal(signal.SIGINT)
        assert running.end().code == 130
        assert running.gone(1) and not folders(temporary)

    def test_a_stopped_guard_holds_up_no_end(self, running, temporary):
        guard = guard_of(running)
        guard.suspend()
        running.signal(signal.SIGINT)
        assert running.end(20).code == 130
        assert running.gone(1) and not folders(temporary) and not guard.is_running()


def guards(running: Running) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(running.pid).children():
        with suppress(psutil.Error):
            if any("guard.py" in word for word in process.cmdline()):
                found.append(process)
    return found


def guard_of(running: Running) -> psutil.Process:
    [guard] = guards(running)
    return guard


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
