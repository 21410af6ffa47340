"""``cosim doctor``, ``guests build``, ``swap`` and ``latency``: exit codes and texts of what is not a long run."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from commands import EXAMPLES, run

from guests.build import GUESTS

RTOS = EXAMPLES / "rtos.toml"


class TestDoctor:
    def test_findings(self, cosim):
        outcome = cosim("doctor")
        lines = outcome.out.splitlines()
        assert lines[0].startswith("ok  Python: 3.")
        assert all(line.startswith(("ok  ", "NO  ")) for line in lines)
        assert outcome.code == any(line.startswith("NO  ") for line in lines)
        assert outcome.err == ""

    def test_what_is_missing_and_what_to_do(self, cosim, monkeypatch, tmp_path):
        monkeypatch.setattr(shutil, "which", lambda name: None)
        monkeypatch.setattr("guests.build.cache", lambda: tmp_path)
        outcome = cosim("doctor")
        assert outcome.code == 1
        lines = outcome.out.splitlines()
        assert "NO  qemu-sh4: missing, for tests; run `sh guests/setup_host.sh`" in lines
        for name in GUESTS:
            assert f"NO  guest {name}: not built; run `cosim guests build {name}`" in lines
        assert "spumone" in GUESTS

    def test_every_guest_of_the_examples_is_there(self, cosim, monkeypatch, tmp_path):
        """Each as a file of its own name: none is taken for another."""
        used = {
            name for path in EXAMPLES.glob("*.toml") for name in re.findall("guest:([a-z0-9-]+)/", path.read_text())
        }
        used.add("spumone")
        for name in used:
            (tmp_path / name).mkdir()
            (tmp_path / name / f"{name}.bin").write_bytes(b"x")
        monkeypatch.setattr("guests.build.cache", lambda: tmp_path)
        lines = cosim("doctor").out.splitlines()
        for name in used:
            assert f"ok  guest {name}: {name}.bin 1 bytes" in lines

    def test_json(self, cosim):
        outcome = cosim("doctor", "--json", "-")
        assert outcome.json["schema"] == "cosim.doctor/1"
        assert outcome.json["ok"] == (outcome.code == 0)
        assert {"what", "ok", "detail", "do"} == set(outcome.json["findings"][0])
        assert "ok  Python" in outcome.err


class TestGuests:
    def test_an_unknown_name(self, cosim):
        outcome = cosim("guests", "build", "windows")
        assert outcome.code == 2 and outcome.out == ""
        assert outcome.last.startswith("guests: ") and "'windows'" in outcome.last and "rtos" in outcome.last

    def test_from_the_cache(self, cosim, rtos):
        outcome = cosim("guests", "build", "rtos")
        assert outcome.code == 0
        assert any(line.endswith("/hello.elf") for line in outcome.out.splitlines())

    def test_no_action(self, cosim):
        assert cosim("guests").code == 2


class TestSwap:
    def test_equal(self, cosim, rtos, tmp_path):
        outcome = cosim("swap", RTOS, "--node", "cpu", "--with", "core=python", "--until", "25ms",
                        "--json", tmp_path / "x")  # fmt: skip
        assert outcome.code == 0
        assert outcome.err == "cosim: equal over 2 syncs to 0.025 s: cpu with core=python\n"
        result = json.loads((tmp_path / "x").read_text())
        assert (result["schema"], result["equal"], result["syncs"]) == ("cosim.swap/1", True, 2)
        assert len(set(result["digests"])) == 1

    @pytest.mark.parametrize(
        ("node", "change", "said"),
        [
            ("gpu", "core=python", "--node gpu --with core=python: no table 'gpu' (did you mean cpu?); tables are "),
            ("cpu", "colour=red", "[nodes.cpu]: unknown key 'colour' (did you mean core?); keys are "),
            ("cpu", "core", "--node cpu --with core: expected key=VALUE, e.g. core=python"),
            ("cpu", "core=rust", '[nodes.cpu] no core \'rust\': cores are "native" and "python"'),
            ("cpu", "timing=sh4", "[nodes.cpu] timing = 'sh4': timings are \"fast\", a tick an instruction, and "),
            ("cpu", "timing_from=soon", "[nodes.cpu] timing_from = 'soon': expected ticks or a time such as 2s"),
            ("cpu", "timing_from=1000", "[nodes.cpu] timing_from = '1000': has no effect with timing = \"fast\""),
            ("cpu", "hot=255", "[nodes.cpu] hot = 255: expected 1 to 254 arrivals, or 0: no code is generated"),
        ],
    )
    def test_usage(self, cosim, rtos, node, change, said):
        outcome = cosim("swap", RTOS, "--node", node, "--with", change)
        assert outcome.code == 2 and said in outcome.last

    def test_a_planted_bug_is_named(self, rtos, inside):
        outcome = run("swap", RTOS, "--node", "cpu", "--with", "component=tests.launch.components:WrongShift",
                      "--until", "1s", "--json", "-")  # fmt: skip
        assert outcome.code == 1
        result = outcome.json
        assert result["equal"] is False
        assert outcome.last.startswith(
            "cosim: cpu with component=tests.launch.components:WrongShift differs first at the sync of tick "
            f"{result['tick']} ({result['tick'] / 4e8:.3f} s), sync {result['syncs']}: "
        )

    def test_a_node_that_dies(self, rtos, inside):
        outcome = run(
            "swap", RTOS, "--node", "tmu", "--with", "component=tests.launch.components:Raising", "--json", "-"
        )
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: node tmu: ZeroDivisionError: division by zero; virtual time ")
        assert outcome.json["ok"] is False


class TestLatency:
    @pytest.mark.parametrize("arguments", [["--env", "moon"], ["--samples", "0"], ["--env", ""]])
    def test_usage(self, cosim, arguments):
        outcome = cosim("latency", *arguments, "--json", "-")
        assert outcome.code == 2
        assert "expected some of alone,linux,stress,console and N >= 1" in outcome.last
        assert outcome.json["schema"] == "cosim.latency/1" and outcome.json["ok"] is False

    def test_a_failure(self, rtos):
        outcome = run("latency", "--samples", "5", "--env", "alone", "--set", "cpu.core=rust", "--json", "-")
        assert outcome.code == 2 and outcome.json["exit"] == 2


def test_help(cosim):
    outcome = cosim("--help")
    assert outcome.code == 0
    for command in ("run", "latency", "swap", "node", "guests", "doctor"):
        assert f"\n    {command} " in outcome.out


def test_version(cosim):
    outcome = cosim("--version")
    assert outcome.code == 0
    whats = [re.split(r":? ", line)[0] for line in outcome.out.splitlines()]
    assert whats == ["cosim", "protocol", "Python", "libzmq", "native", "generated"]
    assert re.match(r"cosim \d+\.\d+\.\d+\nprotocol \d+, state schema \d+\nPython 3\.\d+", outcome.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "cosim: error: argument COMMAND: invalid choice: 'rnu' "),
        (["run", RTOS, "--untl", "1s"], "cosim run: error: no option --untl (did you mean --until or "),
        (["run", RTOS, "--recrod=x"], "cosim run: error: no option --recrod (did you mean --record?)"),
        (["run", RTOS, "-until", "1s"], "cosim run: error: no option -until (did you mean --until or "),
        (["swap", RTOS, "--nod", "cpu", "--wiht", "x=y", "--with", "a=b"], "cosim swap: error: no option --wiht (did "),
        (["latency", "--timing", "sh4"], "cosim latency: error: argument --timing: invalid choice: 'sh4' "),
        (["run", RTOS, RTOS], f"cosim run: error: '{RTOS}' is one argument too many"),
        (["guests", "biuld"], "cosim guests: error: argument action: invalid choice: 'biuld' "),
        (["--versoin"], "cosim: error: "),
    ],
)
def test_what_is_misspelt(cosim, arguments, said):
    outcome = cosim(*arguments)
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.last.startswith(said)


@pytest.mark.parametrize(
    ("word", "near"), [("rnu", "run"), ("latancy", "latency"), ("doctr", "doctor"), ("--timing", "")]
)
def test_the_nearest_command(cosim, word, near):
    assert cosim(word).last.endswith(f"(did you mean {near}?)" if near else "COMMAND")
