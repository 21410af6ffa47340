"""The example of a component of one's own runs in a whole machine, and keeps its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cosim.messages import Advance, Write
from examples.watchdog import BASE, Watchdog
from guests.build import artefact
from guests.stages import BuildError

ROOT = Path(__file__).resolve().parent.parent.parent


def run(folder: Path, *sets: str) -> dict[str, Any]:
    try:
        artefact("rtos", "rtos-demo-bare.elf")
    except BuildError as error:
        pytest.skip(str(error))
    argv = [sys.executable, "-m", "launch.cli", "run", "examples/watchdog.toml", "--until", "1300ms", "--plain"]
    argv += ["--json", str(folder / "out.json")] + [word for text in sets for word in ("--set", text)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    return json.loads((folder / "out.json").read_text())  # type: ignore[no-any-return]


def test_it_bites_when_nobody_feeds_it_and_every_run_is_the_same(tmp_path):
    first = run(tmp_path)
    assert first["info"]["watchdog"] == {"bitten": 1}
    for sets in (["run.placement=inproc"], ["run.leases=false"], ["run.transport=tcp"]):
        assert run(tmp_path, *sets)["digest"] == first["digest"]
    assert run(tmp_path, "watchdog.period=0")["digest"] != first["digest"]


def test_the_bite_is_planned_and_fed_off():
    dog = Watchdog("watchdog", {"period": 100})
    assert dog.handle(0, Advance()).plan == [(1200, 1)]
    fed = dog.handle(1000, Write(BASE + 8, 4, 0, []))
    assert (fed.lines, fed.plan) == (0, [(2200, 1)])
    bitten = dog.handle(2200, Advance())
    assert (bitten.lines, bitten.plan) == (1, [])
    cleared = dog.handle(3000, Write(BASE + 4, 4, 0, []))
    assert (cleared.lines, cleared.plan) == (0, [(4200, 1)])
