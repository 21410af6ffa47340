"""The whole machine needs the guests; where they are not built, its tests are skipped and say how to build them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from guests.build import artefact
from guests.stages import BuildError


@pytest.fixture(scope="session", autouse=True)
def guests() -> None:
    try:
        artefact("rtos", "rtos-demo-spumone.elf")
        artefact("linux", "vmlinux")
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def elves() -> Path:
    """Folder of the RTOS's ELF files."""
    return artefact("rtos", "hello.elf").parent


@pytest.fixture(scope="session", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs keep in the temporary folder goes where pytest clears it away."""
    before, folder = os.environ.get("TMPDIR"), tmp_path_factory.mktemp("t")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    yield
    tempfile.tempdir = None
    del os.environ["TMPDIR"]
    if before is not None:
        os.environ["TMPDIR"] = before
