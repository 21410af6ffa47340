"""What a person sees: lines off a terminal, a screen on one."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import EXAMPLES, ROOT, run

from cosim.topology import load
from launch.monitor import Plain, status
from launch.terminal import console_line

SPUMONE = EXAMPLES / "spumone.toml"
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7])(;[0-9]+)*m")


def on_a_terminal(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, and what a terminal of 120 x 40 on standard error gets."""
    master, slave = pty.openpty()
    base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**base, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **environment},
    )
    os.close(slave)
    seen = b""
    while True:
        if select.select([master], [], [], 60)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # the last one has closed the terminal
                break
        else:
            process.kill()
            break
    os.close(master)
    out = process.communicate()[0]
    return process.returncode, out.decode(), seen.decode(errors="replace")


@pytest.fixture(scope="module")
def seen() -> str:
    code, out, seen = on_a_terminal("run", SPUMONE, "--until", "1500ms")
    assert (code, out) == (0, ""), seen
    return seen


class TestScreen:
    def test_it_is_drawn(self, rtos, linux, seen):
        assert ESCAPE in seen and COLOUR.search(seen) is None or "\x1b[1m" in seen
        for text in ("cpu", "spumone", "scif1", "messages/s", "vCPU", "switches", "interrupts: ", "TUNI3"):
            assert text in seen, text

    def test_it_shows_the_consoles(self, rtos, linux, seen):
        assert "rtos: ready" in seen and "guest$" in seen

    def test_the_last_line(self, rtos, linux, seen):
        assert re.search(r"cosim: reached at 1\.500000 s \(tick 60000000\d\), ", seen.splitlines()[-1])

    def test_a_failure_is_the_last_line(self, rtos, linux):
        code, _, seen = on_a_terminal("run", SPUMONE, "--set", "cpu.timing=slow")
        assert code == 2
        assert "timing = 'slow': timings are \"fast\"" in seen.splitlines()[-1]

    def test_no_color(self, rtos, linux):
        code, _, seen = on_a_terminal("run", SPUMONE, "--until", "300ms", NO_COLOR="1")
        assert code == 0 and not COLOUR.search(seen)

    @pytest.mark.parametrize(("arguments", "environment"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
    def test_no_screen(self, rtos, linux, arguments, environment):
        code, out, seen = on_a_terminal("run", SPUMONE, "--until", "30ms", *arguments, **environment)
        assert code == 0 and ESCAPE not in seen and "rtos| rtos: ready" in out


def test_off_a_terminal(rtos, linux):
    outcome = run("run", SPUMONE, "--until", "20s")
    assert outcome.code == 0
    assert ESCAPE not in outcome.out + outcome.err
    lines = outcome.out.splitlines()
    assert "rtos| rtos: ready" in lines and "linux| guest$ " in lines
    assert all(line.startswith(("rtos| ", "linux| ")) for line in lines)
    *told, images, last = outcome.err.splitlines()
    assert images.startswith("cosim: images: linux ")
    (why,) = (line for line in told if " is no error: " in line)
    assert why.startswith("cosim: 'sh-tmu.1: ch0: failed to request irq 112'")
    status_lines = [line for line in told if line != why]
    assert status_lines and all(
        re.fullmatch(
            r"cosim: t=\d+\.\d{3} s, \d+\.\d\d x real time, \d+ MIPS, \d+ round trips, 0 deadlines missed", line
        )
        for line in status_lines
    ), status_lines
    assert last.startswith("cosim: reached at 20.0")


def test_status():
    figures = {
        "ticks": 200_000_000,
        "round_trips": 7,
        "latency": [{"line": "RXI0", "samples": 2, "avg": 10.5, "max": 12}, {"line": "TXI0", "samples": 0}],
        "deadlines": [{"activations": n, "misses": m} for n, m in ((9, 2), (9, 1), (0, 4))],
    }
    assert status(figures, 0.5, 80.4) == (
        "t=0.500 s, 0.50 x real time, 80 MIPS, 7 round trips, RXI0: 2 samples, avg 10.5, max 12 ticks, "
        "3 deadlines missed"
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"plain\r", "plain"),
        (b"a\tb", "a\tb"),
        (b"\x1b[2Jx\x07\x08", "\\x1b[2Jx\\x07\\x08"),
        (b"\x1b[1;34mbin\x1b[0m", "bin"),
        ("\u202ea\x9b\x7f".encode(), "\\u202ea\\x9b\\x7f"),
        (b"a\rb", "a\\rb"),
        (b"\xff", "\ufffd"),
        ("ü".encode(), "ü"),
    ],
)
def test_a_line_of_a_console(line, shown):
    assert console_line(line) == shown


def test_a_line_that_never_ends_comes_in_pieces(topology, capsys):
    from cosim.topology import load
    from launch.monitor import LONGEST, Plain
    from launch.record import Record

    with Plain(load(topology.path), Record(None, ["rtos"]), sys.stdout) as monitor:
        for _ in range(100):
            monitor.output("rtos", b"x" * 1000)
            assert len(monitor.partial["rtos"]) <= LONGEST
        monitor.output("rtos", b"\nend\n")
    out = capsys.readouterr().out.splitlines()
    assert "".join(line.removeprefix("rtos| ") for line in out) == "x" * 100_000 + "end"


def test_a_note_is_not_markup(topology, tmp_path: Path, monkeypatch):
    import io

    from cosim.topology import load
    from launch.monitor import Screen
    from launch.record import Record
    from launch.terminal import SafeConsole

    screen = Screen(load(topology.path), Record(tmp_path, ["rtos"]))
    screen.console = SafeConsole(file=io.StringIO(), force_terminal=True, width=80)
    screen.note("[run] control")
    assert "cosim: [run] control" in screen.console.file.getvalue()


def test_a_line_that_looks_like_an_error_is_explained_once(capsys: pytest.CaptureFixture[str]) -> None:
    topology = load(SPUMONE)
    record: Any = SimpleNamespace(output=lambda port, data: None)
    monitor = Plain(topology, record, io.StringIO())
    monitor.output("linux", b"[    0.000000] sh-tmu.1: ch0: failed to req")
    assert capsys.readouterr().err == ""
    monitor.output("linux", b"uest irq 112\r\nnext\n")
    monitor.output("linux", b"sh-tmu.1: ch0: failed to request irq 112\n")
    assert capsys.readouterr().err == (
        "cosim: 'sh-tmu.1: ch0: failed to request irq 112' is no error: TMU3 is the RTOS's, and Linux leaves it alone\n"
    )
