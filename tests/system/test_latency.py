"""``cosim latency``: three environments, each sample accounted for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest
from whole_machine import EXAMPLES

from guests.build import artefact
from launch import latency


def cosim(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "launch.cli", "latency", *arguments], cwd=EXAMPLES.parent,
                          capture_output=True, text=True, timeout=300)  # fmt: skip


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    done = cosim("--samples", "200", "--json", "-")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    value["stderr"] = done.stderr
    return value  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def modelled() -> dict[str, Any]:
    """The same with SPUMONE's model and in fast timing, of the two environments that have SPUMONE."""
    done = cosim("--samples", "200", "--env", "linux,stress", "--impl", "model", "--timing", "fast", "--json", "-")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    value["stderr"] = done.stderr
    return value  # type: ignore[no-any-return]


def test_the_object(result):
    assert (result["schema"], result["ok"], result["exit"]) == ("cosim.latency/1", True, 0)
    assert (result["tick_hz"], result["timing"]) == (400_000_000, "sh4a")
    assert [row["name"] for row in result["environments"]] == ["alone", "linux", "stress"]
    assert [row["hypervisor"] for row in result["environments"]] == ["none", "firmware", "firmware"]
    assert set(result["changed_lines"]) == {"linux", "rtos"}
    assert result["changed_lines"]["linux"] == 2 and result["changed_lines"]["rtos"] <= 14


def test_the_rows(result):
    for row in result["environments"]:
        assert row["samples"] == 200
        assert row["run"]["interrupts"]["RXI0"] == 200
        assert row["run"]["info"]["scif0"]["received"] == 200
        assert row["run"]["info"]["scif0"]["overruns"] == 0
        assert 0 < row["min"] <= row["p50"] <= row["p99"] <= row["p999"] <= row["max"]
        assert row["min"] <= row["avg"] <= row["max"]


def test_a_hypervisor_costs(result):
    alone, linux, stress = result["environments"]
    assert alone["avg"] < linux["avg"] and alone["min"] < stress["min"]


def test_stress_leaves_linux_no_idle(result):
    stress = result["environments"][2]
    assert stress["linux_idle"] < 0.05


def test_the_model_in_fast_timing(modelled):
    assert modelled["timing"] == "fast"
    assert [row["hypervisor"] for row in modelled["environments"]] == ["model", "model"]
    for row in modelled["environments"]:
        assert row["samples"] == row["run"]["interrupts"]["RXI0"] == 200
    assert modelled["environments"][1]["linux_idle"] < 0.05
    text = " ".join(modelled["stderr"].split())
    assert "SPUMONE's own share is modelled, not executed" in text and "share is executed" not in text


def test_each_environment_says_where_its_ticks_went(result, modelled):
    for row in result["environments"] + modelled["environments"]:
        found = row["attribution"]
        assert abs(sum(part["ticks"] for part in found["parts"]) - row["avg"] * 200) <= 1  # avg is rounded
        longest = [sample["ticks"] for sample in found["worst"]]
        assert len(longest) == 10 and longest[0] == row["max"] and longest == sorted(longest, reverse=True)
    for value in (result, modelled):
        stress = value["environments"][-1]
        longest = max(stress["attribution"]["sections"], key=lambda section: section["longest"])
        assert longest["who"] == "linux" and longest["until"] in value["stderr"]
        for text in ("Where the ticks went", "waiting for linux: SR.IMASK", "SPUMONE: switch", "rtos: vector to"):
            assert text in value["stderr"], text


def test_with_the_ceiling_linux_holds_no_interrupt_for_long(result):
    """Linux masks its own levels only: 7 changed lines, and the worst case under stress is bounded."""
    ceiling = "linux.image=guest:linux-ceiling/vmlinux"
    done = cosim("--samples", "200", "--env", "stress", "--set", ceiling, "--json", "-")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    [row] = value["environments"]
    assert row["max"] <= 2000 < result["environments"][2]["max"]
    assert value["changed_lines"]["linux"] == 7


def test_the_table(result):
    for text in ("RTOS alone", "RTOS and Linux on SPUMONE", "stress running", "paper", "timing", "share is executed"):
        assert text in " ".join(result["stderr"].split()), text


def test_the_same_seed_gives_the_same_samples(result):
    done = cosim("--samples", "200", "--env", "alone", "--json", "-")
    [row] = json.loads(done.stdout)["environments"]
    assert row["digest"] == result["environments"][0]["digest"]
    done = cosim("--samples", "200", "--env", "alone", "--seed", "2", "--json", "-")
    [other] = json.loads(done.stdout)["environments"]
    assert other["digest"] != row["digest"]


def test_it_can_be_run_in_process(result):
    done = cosim("--samples", "200", "--env", "linux", "--set", "run.placement=inproc", "--json", "-")
    [row] = json.loads(done.stdout)["environments"]
    assert row["digest"] == result["environments"][1]["digest"]


def test_a_lost_character_is_no_measurement(monkeypatch, capfd):
    """Characters faster than the line can carry overrun the receiver: the counts differ, and that is said."""
    from launch.cli import main

    def lossy(session, rng: random.Random, count: int, tick: int, monitor) -> int:
        return latency_send(session, rng, count - 1, tick, monitor) + 1

    latency_send = latency.send
    monkeypatch.setattr(latency, "send", lossy)
    assert main(["latency", "--samples", "5", "--env", "alone", "--json", "-"]) == 1
    out, err = capfd.readouterr()
    said = "environment alone: 5 characters sent, 4 interrupts, 4 samples; expected all equal"
    assert said in err.splitlines()[-1]
    assert json.loads(out)["ok"] is False


def test_a_line_that_does_not_come(monkeypatch, capfd):
    from launch.cli import main

    monkeypatch.setattr(latency, "PATIENCE", 40_000)
    assert main(["latency", "--samples", "5", "--env", "linux"]) == 1
    said = "environment linux: 'rtos: ready' did not appear within 0.0001 s of virtual time; virtual time 0.0"
    assert said in capfd.readouterr().err.splitlines()[-1]


def test_symbols_are_those_of_code():
    rows = latency.code_symbols(artefact("linux", "vmlinux"))
    names = {name for _, name in rows}
    assert {"__free_one_page", "restore_all", "arch_local_irq_restore"} <= names
    assert not {"jiffies", "init_task"} & names
    assert len(rows) == len(dict(rows))
    names = {name for _, name in latency.code_symbols(artefact("spumone", "spumone.elf"))}
    assert {"spm_switch", "spm_hold"} <= names and not {"current", "mmu_holder", "number"} & names


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([5], (5, 5.0, 5, 5, 5, 5)),
        (list(range(1, 1001)), (1, 500.5, 500, 990, 999, 1000)),
        ([3, 1, 2], (1, 2.0, 2, 3, 3, 3)),
    ],
)
def test_statistics(samples, expected):
    row = latency.statistics(samples)
    assert tuple(row[key] for key in ("min", "avg", "p50", "p99", "p999", "max")) == expected
    assert row["samples"] == len(samples)


def test_idle_share():
    before = {"vcpus": {"linux": {"ticks": 100, "idle": 90}}}
    after = {"vcpus": {"linux": {"ticks": 1100, "idle": 140}}}
    assert latency.idle_share(before, after) == 0.05


def test_idle_share_where_linux_waits_in_the_firmware():
    before = {"vcpus": {"linux": {"ticks": 100, "idle": 0}}}
    after = {"vcpus": {"linux": {"ticks": 1000, "idle": 0}, "SPUMONE": {"ticks": 250, "idle": 100}}}
    assert latency.idle_share(before, after) == 0.1


def test_a_stress_run_with_an_idle_linux_is_refused(monkeypatch, capfd):
    from launch.cli import main

    _, says = latency.LOADS["stress"]
    monkeypatch.setitem(latency.LOADS, "stress", ("echo 'stress: info: [1] dispatching hogs'", says))
    assert main(["latency", "--samples", "20", "--env", "stress"]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert "environment stress: Linux slept for " in said and "expected under 5 %" in said
