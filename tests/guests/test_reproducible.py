"""Building twice, in two places, gives the same bytes."""

import hashlib
from pathlib import Path

import pytest

from guests import stages
from guests.build import GUESTS, build


def digests(place: Path, monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("COSIM_CACHE", str(place))
    files = {f"{guest}/{name}": path for guest in GUESTS for name, path in build(guest).items()}
    for tool in ("busybox", "stress"):
        files[tool] = place / tool / tool
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.mark.long
def test_two_builds_in_different_places_give_the_same_bytes(tmp_path, monkeypatch):
    first = digests(tmp_path / "one", monkeypatch)
    monkeypatch.setitem(stages.FIXED_ENVIRONMENT, "HOME", str(tmp_path))
    second = digests(tmp_path / "another" / "place", monkeypatch)
    assert first == second
