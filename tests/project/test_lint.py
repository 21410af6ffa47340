"""Lint and types as configured in pyproject.toml, and setup.cfg against the tracked packages."""

from __future__ import annotations

import configparser
import importlib.util
import subprocess
import sys

import pytest
from files import PACKAGES, ROOT, tracked


def run(tool: str, *arguments: str) -> None:
    """Run a tool of this Python; skip the test where it is not installed."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed: pip install -e .[test]")
    command = [sys.executable, "-m", tool, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command[2:])}\n{done.stdout}{done.stderr}"


def test_ruff():
    run("ruff", "check", "cosim", "tests/cosim", "tests/project")


def test_mypy_strict():
    run("mypy", "--strict", "cosim")


def test_setup_lists_every_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    present = {".".join(p.parent.parts) for p in tracked() if p.name == "__init__.py" and p.parts[0] in PACKAGES}
    assert listed == present, "packages of setup.cfg and tracked __init__.py files differ"


def test_the_command_is_where_setup_says():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        if line.strip():
            module = line.split("=")[1].strip().split(":")[0]
            assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), f"{line}: no module {module}"
