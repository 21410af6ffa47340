"""The whole machine needs the guests; where they are not built, its tests are skipped and say how to build them."""

from __future__ import annotations

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
