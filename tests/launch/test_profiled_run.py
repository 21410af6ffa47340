"""``cosim run --profile``: its rows by what the run does, and that the run is the same."""

from __future__ import annotations

import pytest

COMPUTING = bytes.fromhex("0170 fdaf 0900")  # add #1,r0; bra .-2; nop
ASKING = bytes.fromhex("01d1 1260 fdaf 0900 0000c8ff")  # mov.l 1f,r1; mov.l @r1,r0; bra .-2; nop; 1: .long 0xffc80000
PLACE = 'image.bin"\nload = 0x0e000000'


@pytest.fixture
def profiled(cosim, topology, tmp_path, inside):
    """``cosim run --profile`` of a raw image until a time; its result and what it printed."""
    topology.replace('guest:rtos/hello.elf"', PLACE)
    topology.replace('role = "cpg"', 'role = "cpg"\ncomponent = "tests.launch.components:Dozing"')

    def run(image: bytes, until: str, *sets: str):
        (tmp_path / "image.bin").write_bytes(image)
        changes = [argument for change in ("run.leases=false", *sets) for argument in ("--set", change)]
        outcome = cosim("run", topology.path, "--until", until, "--profile", "--plain", "--json", "-", *changes)
        assert outcome.code == 0, outcome
        return outcome.json, outcome.err

    return run


def share(result, *names):
    """Of the time in which the host did not run something else, if that is not what is asked for."""
    samples = {row["name"]: row["samples"] for row in result["profile"]["rows"]}
    if "standing" not in names:
        del samples["standing"]
    return sum(samples.get(name, 0) for name in names) / sum(samples.values())


class TestRows:
    def test_computing(self, profiled):
        result, err = profiled(COMPUTING, "250ms", "cpu.hot=0", "cpu.skip_loops=false")
        assert share(result, "interpreter") > 0.6
        assert share(result, "waiting") < 0.3
        assert "interpreter" in err

    @pytest.mark.parametrize(("placement", "row"), [("process", "waiting"), ("inproc", "standing")])
    def test_waiting(self, profiled, placement, row):
        """Each read is waited for, 10 ms and more; nothing else takes long."""
        result, err = profiled(ASKING, "120", f"run.placement={placement}")
        assert result["profile"]["counters"]["round_trips"] >= 30
        assert result["profile"]["counters"]["bus_reads"] == 40
        assert share(result, row) > 0.6
        assert share(result, "interpreter", "generated") < 0.3
        assert result["profile"]["waited_s"] >= 0.3

    def test_they_add_up(self, profiled):
        result, err = profiled(ASKING, "30")
        profile = result["profile"]
        assert sum(row["samples"] for row in profile["rows"]) == profile["samples"] > 0
        assert sum(row["seconds"] for row in profile["rows"]) == pytest.approx(profile["wall_s"])
        assert profile["wall_s"] <= result["wall_s"] + 0.0005  # it ends where the run does; the result is rounded

    def test_the_python_core_has_fewer(self, profiled):
        result, err = profiled(COMPUTING, "2ms", "cpu.core=python", "cpu.skip_loops=false")
        names = [row["name"] for row in result["profile"]["rows"]]
        assert names == ["other", "interpreter", "translating", "bus", "waiting", "machine", "launcher", "standing"]
        assert share(result, "interpreter") > 0.5

    def test_a_core_that_says_nothing_itself(self, profiled, topology):
        topology.replace('role = "cpu"', 'role = "cpu"\ncomponent = "tests.launch.components:OwnCore"')
        result, err = profiled(COMPUTING, "1ms")
        assert share(result, "interpreter") > 0.6
        assert "generated" not in [row["name"] for row in result["profile"]["rows"]]


def test_the_run_is_the_same(cosim, rtos, topology):
    """Digest, ticks and what is counted, with and without."""

    def run(*more: str):
        outcome = cosim("run", topology.path, "--until", "100ms", "--plain", "--json", "-", *more)
        assert outcome.code == 0, outcome
        return outcome.json

    plain, profiled = run(), run("--profile")
    assert "profile" in profiled
    assert "profile" not in plain
    same = ("digest", "ticks", "instructions", "skipped", "leased_reads", "interrupts", "posted_writes")
    assert {key: plain[key] for key in same} == {key: profiled[key] for key in same}


def test_the_table(profiled):
    err = profiled(ASKING, "30")[1]
    assert "Host time of the CPU node" in err
    assert "waiting for targets" in err
    assert "bus_reads 10" in err


def test_without_the_extension_it_says_what_to_do(cosim, topology, rtos, monkeypatch, tmp_path):
    """The Python core runs without it, but no profile does."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['cpu_node._native'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    arguments = ("run", topology.path, "--until", "1ms", "--plain", "--set", "cpu.core=python")
    assert cosim(*arguments).code == 0
    outcome = cosim(*arguments, "--profile")
    assert outcome.code == 2
    assert "a profile needs the native extension" in outcome.err
