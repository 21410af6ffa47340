"""Built guest files for the tests; a test whose guest is not built is skipped and says how to build it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from guests.build import artefact
from guests.stages import BuildError


@pytest.fixture
def built() -> Callable[[str, str], Path]:
    def find(guest: str, file: str) -> Path:
        try:
            return artefact(guest, file)
        except BuildError as error:
            pytest.skip(str(error))

    return find
