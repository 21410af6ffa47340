"""Nothing that came from somewhere reaches a terminal raw: one function makes text safe, and all printing uses it."""

from __future__ import annotations

import ast
import io
import json
import sys
from pathlib import Path

import pytest
from commands import BOARD, ROOT, Running
from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cosim import node as node_process
from cosim.text import safe, tell
from launch.terminal import SafeConsole, label, show

# C0, DEL, C1, direction of writing, a line separator, a lone surrogate, an invisible character.
BAD = "\x00\x07\x08\x0b\x1b\x7f\x85\x9b\u202a\u202e\u2066\u2069\u2028\udc9b\u200b"
ESC = "\x1b]0;title\x07\x1b[2J[red]"


def clean(text: str) -> bool:
    return not set(text) & set(BAD + "\r")


# The function -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢 \t x", "plain ü 漢 \t x"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x9b\x7f\u202e\u2067", "\\x9b\\x7f\\u202e\\u2067"),
        ("\udc80", "\\udc80"),
        (5, "5"),
    ],
)
def test_safe(text, shown):
    assert safe(text) == shown


def test_lines_stay_lines():
    assert safe("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@given(st.text(alphabet=st.characters() | st.sampled_from(BAD)))
def test_any_text(text):
    assert all(c == "\t" or c.isprintable() for c in safe(text))
    assert all(c in "\t\n" or c.isprintable() for c in safe(text, lines=True))
    safe(text).encode()


# Where it is used ------------------------------------------------------------------------------------------


def test_lines(capsys):
    tell(f"cosim: {BAD}\nforged: line")
    show(BAD)
    show(BAD + "\nsecond", sys.stderr, lines=True)
    out, err = capsys.readouterr()
    assert clean(out + err) and err.count("\n") == 3 and out.count("\n") == 1


@pytest.mark.parametrize("made", [Text, str, label, lambda text: Panel(text, title=label(text))], ids=range(4))
def test_a_console_of_rich(made):
    console = SafeConsole(file=io.StringIO(), force_terminal=True, width=400, color_system=None)
    table = Table(box=SIMPLE_HEAD, title="title " + ESC)
    table.add_column("column " + ESC)
    table.add_row(made(ESC + BAD))
    console.print(table)
    with Live(console=console, auto_refresh=False) as live:
        live.update(table, refresh=True)
    console.print(ESC)
    text = console.file.getvalue()
    assert "\x1b]0" not in text and "\x1b[2J" not in text and "\x07" not in text
    assert clean(text.replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\x1b[1A", "").replace("\x1b[2K", "")
                 .replace("\r", ""))  # fmt: skip
    assert text.count("[red]") >= 6  # nothing was taken for markup


def printing(path: Path) -> list[str]:
    """What a module prints with that is not for everyone to use."""
    found, module = [], ast.parse(path.read_text())
    module.body = [item for item in module.body if not ast.unparse(item).startswith("if __name__ == '__main__'")]
    for item in ast.walk(module):
        name = ast.unparse(item.func) if isinstance(item, ast.Call) else ""
        if name in ("print", "pprint", "warnings.warn", "traceback.print_exc", "logging.warning", "logging.error") or (
            name.endswith((".stderr.write", ".stdout.write", ".stdout.buffer.write", ".stderr.buffer.write"))
        ):
            found.append(f"{path.name}:{item.lineno}: {name}")
        if isinstance(item, ast.ImportFrom) and item.module == "rich.console":
            found += [f"{path.name}: {alias.name}" for alias in item.names if alias.name == "Console"]
    return found


def test_nothing_prints_but_by_these():
    paths = [path for folder in ("launch", "cosim") for path in sorted((ROOT / folder).glob("*.py"))]
    found = [row for path in paths for row in printing(path)]
    assert [row.partition(":")[0] for row in found] == ["terminal.py", "terminal.py", "text.py"], found


def test_the_check_itself(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("import sys\nfrom rich.console import Console, Group\ndef f():\n    print(1)\n"
                    "    sys.stderr.write('x')\nif __name__ == '__main__':\n    print(2)\n")  # fmt: skip
    assert printing(path) == ["x.py: Console", "x.py:4: print", "x.py:5: sys.stderr.write"]


# Whole commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no" + ESC],
        ["run", "{board}", "--set", f"tmu.placement={ESC}"],
        ["run", "{board}", "--set", f"{ESC}.x=1"],
        ["run", "{board}", "--until", ESC],
        ["run", "{board}", "--until-line", ESC],
        ["run", "{board}", "--record", "/proc/" + ESC],
        ["run", "{board}", "--json", "/proc/" + ESC],
        ["run", "{board}", ESC],
        ["run", "{board}", "--" + ESC],
        [ESC],
        ["swap", "{board}", "--node", ESC, "--with", "a=b"],
        ["latency", "--env", ESC],
        ["guests", "build", ESC],
        ["node", "tmu", "--connect", ESC],
        ["node", ESC, "--connect", "ipc:///tmp/x"],
    ],
    ids=lambda x: "-".join(x[:3]).encode("unicode_escape").decode()[:40],
)
def test_what_was_typed(cosim, topology, arguments):
    outcome = cosim(*(text.replace("{board}", str(topology.path)) for text in arguments))
    assert outcome.code == 2, outcome
    assert clean(outcome.out + outcome.err) and "\\x1b]0" in outcome.err


@pytest.mark.parametrize(
    "text",
    [
        BOARD.replace("[nodes.tmu]", f"[nodes.{json.dumps(ESC)}]"),
        BOARD.replace("[guests.rtos]", f"[guests.{json.dumps(ESC)}]"),
        BOARD.replace('port = "rtos"', f"port = {json.dumps(ESC)}"),
        BOARD.replace('role = "cpg"', f"role = {json.dumps(ESC)}"),
        BOARD.replace('role = "cpg"', f'role = "cpg"\n{json.dumps(ESC)} = 1'),
        BOARD.replace("guest:rtos/hello.elf", json.dumps(ESC)[1:-1]),
        BOARD + f"[[guests.rtos.latency]]\nline = {json.dumps(ESC)}\nsymbol = ''\n",
    ],
    ids="node guest port role key image line".split(),
)
def test_what_stands_in_a_topology(cosim, topology, text):
    outcome = cosim("run", topology.write(text).path, "--until", "1ms")
    assert outcome.code == 2, outcome
    assert clean(outcome.out + outcome.err) and "\\x1b" in outcome.err


@pytest.mark.parametrize("component", ["Shouting", "Whispering"])
def test_what_a_node_says(rtos, inside, component, tmp_path):
    """Last words and a note to the launcher, and what is printed on standard error before the end."""
    arguments = ["run", "examples/rtos.toml", "--until", "20ms", "--plain"]
    with Running(*arguments, "--set", f"cpg.component=tests.launch.components:{component}") as running:
        outcome = running.end()
    assert outcome.code == 3 and clean(outcome.out + outcome.err), outcome
    assert "\\x1b]0;title\\x07" in outcome.err


def test_a_node_started_by_hand(capsys):
    assert node_process.main("tmu", ESC, "tcp://192.0.2.1:5") == 2
    assert clean(capsys.readouterr().err)
