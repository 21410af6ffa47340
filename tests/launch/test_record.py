"""What was done is kept: --record DIR has journal, digests, consoles and a result after any end of a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from commands import EXAMPLES, PROMPT, ROOT, Running, run
from test_input import replay

from launch import stop
from launch.record import RESULT, SYNCS, Record, RecordError, read_rows

SPUMONE, RTOS = EXAMPLES / "spumone.toml", EXAMPLES / "rtos.toml"
GRID = 4_000_000
HELLO = b"hello: SH-4A is running\r\n"


def result_of(folder: Path) -> dict:
    return json.loads((folder / RESULT).read_text())


class TestContents:
    def test_of_a_run(self, rtos, linux, tmp_path):
        folder = tmp_path / "deep" / "er"
        outcome = run("run", SPUMONE, "--until-line", PROMPT, "--record", folder, "--json", "-")
        assert sorted(path.name for path in folder.iterdir()) == [
            "journal.jsonl", "linux.log", "result.json", "rtos.log", "syncs.jsonl"]  # fmt: skip
        assert (folder / "rtos.log").read_bytes() == b"rtos: ready\r\n"
        result = result_of(folder)
        assert result == outcome.json
        assert result["ports"] == {"rtos": str(folder / "rtos.log"), "linux": str(folder / "linux.log")}
        assert result["complete_ticks"] == result["ticks"]
        syncs = read_rows(folder / "syncs.jsonl")
        # The sync of the last tick belongs to what would follow.
        assert [tick for tick, _ in syncs] == [GRID * (k + 1) for k in range(result["ticks"] // GRID)]
        assert len({digest for _, digest in syncs}) == len(syncs)
        assert read_rows(folder / "journal.jsonl") == []
        assert outcome.last.endswith(f"; log {folder}")

    @pytest.mark.parametrize("name", ["rtos.log", "journal.jsonl", "syncs.jsonl", "result.json"])
    def test_an_earlier_record_is_not_overwritten(self, cosim, topology, rtos, tmp_path, name):
        folder = tmp_path / "r"
        folder.mkdir()
        (folder / name).write_text("what was kept\n")
        outcome = cosim("run", topology.path, "--until", "4ms", "--record", folder)
        assert outcome.code == 2
        assert outcome.last == (
            f"cosim: record {folder}: {name} of an earlier record is there, and is not overwritten; choose another "
            "folder, or remove this one first"
        )
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "what was kept\n"

    def test_a_second_run_is_refused_and_the_first_stays(self, cosim, topology, rtos, tmp_path):
        folder = tmp_path / "r"
        assert cosim("run", topology.path, "--until", "4ms", "--record", folder).code == 0
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert cosim("run", topology.path, "--until", "4ms", "--record", folder).code == 2
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        shutil.rmtree(folder)
        assert cosim("run", topology.path, "--until", "4ms", "--record", folder).code == 0

    def test_a_run_that_did_not_start_has_no_record(self, cosim, topology, tmp_path, temporary):
        topology.replace("guest:rtos/hello.elf", "missing.elf")
        assert cosim("run", topology.path, "--record", tmp_path / "r").code == 2
        assert not (tmp_path / "r").exists() and not list(temporary.iterdir())

    def test_a_row_that_was_cut_off_is_none(self, tmp_path):
        (tmp_path / "x.jsonl").write_bytes(b'[1, "a"]\n[2, "b"]\n[3, "')
        assert read_rows(tmp_path / "x.jsonl") == [[1, "a"], [2, "b"]]


class TestWithoutRecord:
    """Nothing stays on the disk, and no name of something that is not there is printed."""

    def test_of_a_run(self, rtos, temporary):
        outcome = run("run", RTOS, "--until", "100ms")
        assert outcome.code == 0 and "rtos| rtos: ready" in outcome.out
        assert "log" not in outcome.last and not list(temporary.iterdir())

    @pytest.mark.parametrize("how", ["Ctrl-C", "kill -9", "a dying node"])
    def test_of_a_run_that_ends_early(self, rtos, temporary, how):
        with Running("run", RTOS) as running:
            while "rtos: ready" not in running.process.stdout.readline():
                pass
            if how == "Ctrl-C":
                running.signal(signal.SIGINT, group=True)
            elif how == "kill -9":
                running.nodes()
                running.process.kill()
            else:
                running.nodes()["tmu"].kill()
            assert "log" not in running.end().last
            assert running.gone(10)
        until(lambda: not list(temporary.iterdir()))

    def test_of_a_measurement(self, cosim, rtos, temporary):
        assert cosim("latency", "--env", "alone", "--samples", "5", "--json", "-").code == 0
        assert not list(temporary.iterdir())


def until(true, seconds: float = 20) -> None:
    """Wait for something, a busy machine's time at most."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """The record of the RTOS's first 300 ms, to their end."""
    folder = tmp_path_factory.mktemp("reference") / "r"
    assert run("run", RTOS, "--until", "300ms", "--record", folder).code == 0
    return folder


def guard_of(running: Running) -> psutil.Process:
    [guard] = [p for p in psutil.Process(running.pid).children() if any("guard.py" in word for word in p.cmdline())]
    return guard


class TestAnyEnd:
    @pytest.mark.parametrize(
        ("how", "code", "said"),
        [
            ("SIGINT", 130, "stopped by Ctrl-C"),
            ("SIGTERM", 143, "stopped by SIGTERM"),
            ("SIGHUP", 129, "stopped by SIGHUP"),
            ("a dying device", 3, "node tmu: killed by signal 9 (SIGKILL), no last words; virtual time "),
            ("a dying core", 3, "node cpu: killed by signal 9 (SIGKILL), no last words; virtual time "),
            ("kill -9", None, "the launcher ended without a word: it was killed (kill -9), or crashed"),
            ("kill -9 of the guard as well", None, "the run goes on, or the launcher was ended together"),
        ],
    )
    def test_the_record_is_whole(self, rtos, reference, tmp_path, temporary, how, code, said):
        folder = tmp_path / "r"
        with Running("run", RTOS, "--record", folder) as running:
            nodes = running.wait_for(folder / "rtos.log", b"ready")
            until(lambda: len((folder / SYNCS).read_bytes().splitlines()) > 30)
            assert result_of(folder)["exit"] is None  # it is there from the start
            if how.startswith("SIG"):
                running.signal(getattr(signal, how), group=how == "SIGINT")
            elif how.startswith("a dying"):
                nodes["tmu" if "device" in how else "cpu"].kill()
            else:
                if "guard" in how:
                    guard = guard_of(running)
                    running.process.send_signal(signal.SIGSTOP)  # it is to start no other one
                    guard.kill()
                running.process.kill()
            outcome = running.end()
            assert running.gone(10)
        if how == "kill -9":
            until(lambda: "complete_ticks" in result_of(folder))
        elif code is None:
            [sockets] = temporary.glob("cosim-*")  # nobody was left to remove them
            shutil.rmtree(sockets)
        result = result_of(folder)
        assert (result["ok"], result["exit"]) == (False, code) and result["error"].startswith(said)
        assert code is None or outcome.code == code
        assert code is None or outcome.last.startswith(f"cosim: {said}")
        syncs = read_rows(folder / SYNCS)
        complete = result.get("complete_ticks", syncs[-1][0])
        assert [tick for tick, _ in syncs] == [GRID * (k + 1) for k in range(complete // GRID)]
        assert read_rows(reference / SYNCS) == syncs[:30]
        assert (folder / "rtos.log").read_bytes().startswith((reference / "rtos.log").read_bytes())

    def test_of_figures_and_digest_at_a_ctrl_c(self, rtos, tmp_path):
        """They are those of a run that was to end there."""
        folder = tmp_path / "r"
        with Running("run", RTOS, "--record", folder, "--json", "-") as running:
            running.wait_for(folder / "rtos.log", b"ready")
            running.signal(signal.SIGINT, group=True)
            outcome = running.end()
        result = result_of(folder)
        assert outcome.json == result and result["reason"] == "stopped"
        assert result["complete_ticks"] == result["ticks"] and result["deadlines"][0]["misses"] == 0
        assert outcome.last.startswith("cosim: stopped by Ctrl-C at ") and result["digest"][:16] in outcome.last
        again = run("run", RTOS, "--until", result["ticks"], "--json", "-").json
        assert (again["ticks"], again["digest"]) == (result["ticks"], result["digest"])

    def test_what_was_typed_before_a_ctrl_c_replays(self, rtos, linux, tmp_path):
        """As docs/how-to/type-into-a-guest.md shows it."""
        link, folder = tmp_path / "linux", tmp_path / "typed"
        with Running("run", SPUMONE, "--plain", "--set", f"scif1.host=pty:{link}", "--record", folder) as running:
            running.wait_for(folder / "linux.log", b"guest$ ")
            fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
            os.write(fd, b"uname -m\n")
            running.wait_for(folder / "linux.log", b"sh4a")
            running.signal(signal.SIGINT, group=True)
            outcome = running.end()
            os.close(fd)
        assert outcome.code == 130
        journal, result = read_rows(folder / "journal.jsonl"), result_of(folder)
        assert bytes(byte for _, _, byte in journal) == b"uname -m\n"
        assert replay(journal, result["ticks"]) == result["digest"]


class TestSignals:
    def test_the_first_is_noted_and_the_second_ends_at_once(self):
        with stop.handled(), stop.gently():
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked() == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)

    def test_at_another_time_it_ends_at_once(self):
        with stop.handled(), pytest.raises(stop.Terminated, match="stopped by SIGHUP") as raised:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(1)
        assert raised.value.code == 129

    def test_what_nohup_ignores_stays_ignored(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with stop.handled():
                os.kill(os.getpid(), signal.SIGHUP)
                assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        finally:
            signal.signal(signal.SIGHUP, before)


class TestFullDisk:
    def test_for_a_console(self, rtos, linux, tmp_path):
        (tmp_path / "linux.log").symlink_to("/dev/full")
        with Running("run", SPUMONE, "--record", tmp_path, "--json", "-") as running:
            outcome = running.end()
            assert running.gone(10)
        assert outcome.code == 3
        said, _, rest = outcome.last.partition("; virtual time ")
        assert said.startswith(f"cosim: record {tmp_path}/linux.log: the disk is full; ")
        assert said.endswith(
            " bytes of it were not written, what was written before is kept. Free space or choose --record elsewhere"
        )
        assert re.fullmatch(rf"0\.\d+ s \(tick \d+\); log {tmp_path}", rest)
        assert outcome.json["ok"] is False and outcome.json["exit"] == 3
        result = result_of(tmp_path)
        assert (result["exit"], result["ok"]) == (3, False) and "linux.log: the disk is full" in result["error"]
        assert [tick for tick, _ in read_rows(tmp_path / SYNCS)] == [
            GRID * (k + 1) for k in range(result["complete_ticks"] // GRID)
        ]

    def test_for_the_digests(self, cosim, topology, rtos, tmp_path):
        (tmp_path / SYNCS).symlink_to("/dev/full")
        outcome = cosim("run", topology.path, "--until", "20ms", "--record", tmp_path)
        assert outcome.code == 3
        assert f"record {tmp_path}/{SYNCS}: the disk is full; " in outcome.last
        assert result_of(tmp_path)["complete_ticks"] < 2 * GRID

    def test_of_a_file_system(self, rtos, tmp_path):
        """One of 64 KB: the digests fill it in some seconds of virtual time, and the result still finds its place."""
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
            pytest.skip("no right to make a namespace with a small file system in it")
        small, out = tmp_path / "small", tmp_path / "out"
        small.mkdir()
        script = (f"mount -t tmpfs -o size=64k none {small} && {sys.executable} -m launch.cli run {RTOS} --until 60s "
                  f"--record {small}/r; code=$?; cp -r {small}/r {out}; exit $code")  # fmt: skip
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 3, done
        assert ": the disk is full; " in done.stderr.splitlines()[-1]
        result, syncs = result_of(out), read_rows(out / SYNCS)
        assert result["exit"] == 3 and ": the disk is full; " in result["error"]
        assert len(syncs) > 300 and result["complete_ticks"] // GRID <= len(syncs)

    def test_for_the_result_of_a_run_that_went_well(self, tmp_path):
        """The result is replaced in one step; where the new one cannot be written, the old place takes a short one."""
        with Record(tmp_path / "r", ["rtos"]) as record:
            record.begin()
            record.rows(GRID, [(GRID, "ab")], [])
            (tmp_path / "r" / "result.json.new").symlink_to("/dev/full")
            with pytest.raises(RecordError, match="the disk is full; the result was not written"):
                record.end({"exit": 0})
            assert result_of(tmp_path / "r")["exit"] is None
            (tmp_path / "r" / "result.json.new").symlink_to("/dev/full")
            long = {"schema": "cosim.run/1", "ok": False, "exit": 3, "error": "x" * 9000, "node": None}
            record.failed({**long, "last_words": "y" * 9000})
        result = result_of(tmp_path / "r")
        assert (result["exit"], result["complete_ticks"]) == (3, GRID) and result["error"].startswith("xxx")
        assert (tmp_path / "r" / RESULT).stat().st_size == 4096
