"""Topologies, the command line in this process and as a process, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Outcome, Topology, main

from guests.build import artefact
from guests.stages import BuildError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, short enough for socket paths. After it no socket is there."""
    folder = Path(tempfile.mkdtemp(prefix="t"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    handler = signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, handler)
    left = [path for path in folder.iterdir() if path.name.startswith("cosim-") and "run" not in path.name]
    tempfile.tempdir = None
    shutil.rmtree(folder)
    assert not left, f"the run left {left}"


@pytest.fixture
def rtos() -> Path:
    """Folder of the RTOS's files; skipped where they are not built."""
    return _built("rtos", "rtos-demo-bare.elf").parent


@pytest.fixture
def linux() -> Path:
    """The Linux guest; skipped where it is not built."""
    return _built("linux", "vmlinux")


def _built(guest: str, file: str) -> Path:
    try:
        return artefact(guest, file)
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """A topology file to change: one guest, hello, on a CPU with all the RTOS needs."""
    return Topology(tmp_path / "board.toml")


@pytest.fixture
def cosim(capfd: pytest.CaptureFixture[str]):
    """``cosim ARGUMENTS`` in this process."""

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's folder is the current one, so that components of the tests are found."""
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    assert os.path.exists("tests/launch/components.py")
