"""The tutorial's commands, as they are written there; beside busy processes too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import EXAMPLES, ROOT, Running, busy

PAGE = (ROOT / "docs" / "tutorial" / "first-run.md").read_text()
COMMANDS = re.findall(r"^    (?:\$ )?\.venv/bin/cosim (.*)$", PAGE, re.MULTILINE)


def follow(command: str, folder: Path) -> None:
    """Run a command of the page in a folder that holds the examples; it has to reach its goal."""
    examples = folder / "examples"
    if not examples.exists():
        examples.symlink_to(EXAMPLES)
    with Running(*shlex.split(command), cwd=folder) as running:
        outcome = running.end(3000)
    assert outcome.code == 0, f"{command}: {outcome}"


def test_there_are_some():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("latency")])
def test_command(rtos, linux, tmp_path, command):
    follow(command, tmp_path)


@pytest.mark.long
def test_all_of_it_beside_a_crowd(rtos, linux, tmp_path):
    with busy(16):
        for command in COMMANDS:
            follow(command, tmp_path)
