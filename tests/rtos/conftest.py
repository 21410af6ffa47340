"""The RTOS's ELF files, built once a test session through the guest builder's cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from guests.build import GCC, Builder


@pytest.fixture(scope="session")
def cc() -> str:
    """The cross compiler; skipped without."""
    if shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed (guests/setup_host.sh)")
    return GCC


@pytest.fixture(scope="session")
def elves(cc: str) -> Path:
    """Folder of the built ELF files."""
    return Builder(lambda text: None).build("rtos").path
