"""A busy machine is not a broken one: nobody is accused there, and a node that really hangs is still found."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from commands import EXAMPLES, Outcome, Running, busy, digest, run, second

SPUMONE, RTOS = EXAMPLES / "spumone.toml", EXAMPLES / "rtos.toml"
COMPONENTS = "tests.launch.components:"
CROWD = 16  # busy processes
INPROC = ("--set", "run.placement=inproc")


def chance(outcome: Outcome) -> float:
    """Seconds in which the accused node had the chance to go on, by the last line."""
    stopped = re.search(r"its process was stopped for ([\d.]+) s", outcome.last)
    if stopped:
        return float(stopped[1])
    ran = re.search(r"its process ran for ([\d.]+) s and slept for ([\d.]+) s", outcome.last)
    assert ran, outcome
    return float(ran[1]) + float(ran[2])


class TestBusy:
    @pytest.mark.parametrize("placement", ["process", "inproc"])
    def test_a_run_beside_a_crowd(self, rtos, linux, placement):
        arguments = (SPUMONE, "--until", "10ms", "--set", f"run.placement={placement}")
        alone = digest(*arguments)
        with busy(CROWD):
            assert digest(*arguments) == alone

    def test_a_device_that_takes_long_to_load(self, rtos, inside):
        arguments = (RTOS, "--until", "10ms", "--set", f"tmu.component={COMPONENTS}LongToLoad")
        assert digest(*arguments) == digest(*arguments, *INPROC)

    @pytest.mark.long
    @pytest.mark.parametrize("name", ["spumone", "rtos", "three-guests", "shared-serial"])
    def test_the_examples_beside_a_crowd(self, rtos, linux, name):
        with busy(CROWD):
            for _ in range(10):
                for placement in ("process", "inproc"):
                    outcome = run("run", EXAMPLES / f"{name}.toml", "--until", "1s", "--plain",
                                  "--set", f"run.placement={placement}", timeout=900)  # fmt: skip
                    assert outcome.code == 0, outcome

    @pytest.mark.parametrize("component", ["Spinning", "Mute"])
    def test_a_hang_beside_a_crowd(self, rtos, inside, component):
        with busy(CROWD):
            outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}{component}")
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: node tmu: "), outcome
        assert chance(outcome) < 1


class TestAnswers:
    def test_a_node_that_lives_but_does_not_answer(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}Mute")
        assert outcome.code == 3
        found = re.match(r"cosim: node tmu: gives signs of life but owes cpu the answer to (\w+) of tick (\d+) for "
                         r"[\d.]+ s, its process ran for [\d.]+ s and slept for [\d.]+ s \(pid \d+\); virtual time ",
                         outcome.last)  # fmt: skip
        assert found and found[1] in ("Read", "Write", "Writes", "Advance") and int(found[2]) > 800_000, outcome
        assert chance(outcome) < 1

    def test_a_node_that_hangs_in_a_question_is_told_with_it(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}Sleeping")
        assert re.search(r"node tmu: hangs: .*; it owes cpu the answer to \w+ of tick \d+; virtual", outcome.last)

    def test_the_limit_is_a_key(self, rtos, inside):
        outcome = run("run", RTOS, "--set", f"tmu.component={COMPONENTS}Mute", "--set", "run.answer_limit=0.2")
        assert 0.2 <= chance(outcome) < 0.5

    def test_no_limit(self, rtos, inside):
        sets = ("--set", "run.answer_limit=0", "--set", "run.hang_limit=0")
        with Running("run", RTOS, "--set", f"tmu.component={COMPONENTS}Mute", *sets) as running:
            while "tmu" not in running.nodes():
                time.sleep(0.01)
            time.sleep(3)
            assert running.process.poll() is None
            running.signal(signal.SIGINT)
            outcome = running.end()
        assert outcome.code == 130 and outcome.last.startswith("cosim: stopped by Ctrl-C; virtual time "), outcome


class TestStart:
    @pytest.mark.parametrize("node", ["cpu", "tmu"])
    def test_a_node_that_is_stopped_in_its_start(self, rtos, linux, node):
        with Running("run", SPUMONE) as running:
            while node not in running.nodes():
                time.sleep(0.001)
            running.nodes()[node].suspend()
            began = time.monotonic()
            outcome = running.end()
            assert time.monotonic() - began < second()
        assert outcome.code == 3
        assert f"node {node}: hangs" in outcome.last and "its process was stopped for " in outcome.last, outcome
        assert chance(outcome) < 1

    def test_a_node_that_sleeps_in_its_start(self, rtos, inside):
        sets = ("--set", f"tmu.component={COMPONENTS}Asleep", "--set", "run.start_limit=1")
        outcome = run("run", RTOS, *sets)
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: node tmu: hangs in its start: no progress for "), outcome
        assert 1 <= chance(outcome) < 1.5

    def test_a_long_start_is_told(self, rtos, inside, monkeypatch):
        sets = ("--set", f"tmu.component={COMPONENTS}Asleep", "--set", "run.start_limit=12")
        outcome = run("run", RTOS, *sets)
        assert "cosim: node tmu is in its start for 10 s: its process ran for " in outcome.err


@pytest.mark.parametrize("key", ["hang_limit", "answer_limit", "start_limit"])
def test_a_limit_that_is_none(cosim, rtos: Path, key: str):
    outcome = cosim("run", RTOS, "--set", f"run.{key}=-1")
    assert outcome.code == 2
    assert f"[run] {key} = -1.0: expected seconds, or 0 for no limit" in outcome.last
