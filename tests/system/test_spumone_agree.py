"""SPUMONE's model and its firmware decide alike: storms of three scripted guests log the same on both.

The guests (storm/) raise lines, mask, idle, claim, call at random, end each other and themselves; what they log is in
program order, so paths may take different times. They also check every register over every switch.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from storm_machine import build_guests, random_scenario, run

from cpu_node.firmware import STARTS
from guests.build import CROSS
from hypervisor_node.model import PAGE

pytestmark = pytest.mark.skipif(shutil.which(CROSS + "gcc-12") is None, reason="no cross compiler")
MODEL, FIRMWARE = "spumone.impl=model", "spumone.impl=firmware"
PATHS = {*STARTS, "interrupt", "switch", "hold", "wake", "wake_hold+resume", "wake_hold", "idle+resume", "idle+sleep",
         "wait+resume", "wait+sleep", "start"} - {"idle", "wait"}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_guests(tmp_path_factory.mktemp("storm"))


def plain(reports: list[str]) -> list[str]:
    """Reports without what differs by design: the addresses, and how the end of a guest is put."""
    out = []
    for text in "; ".join(reports).split("; "):
        if re.search("has reset the CPU", text):
            continue  # the machine has said so in both
        inside = re.search(r"called 0x(\w+), inside an entry", text)
        if inside:
            number = (int(inside[1], 16) - PAGE) // 16
            text = text.replace(inside[0], f"jumped inside entry {number}")
        text = re.sub(r"(is started again|is stopped).*", r"\1", text)
        out.append(re.sub(r" at tick \d+: exception .*", " resets the CPU", text))
    return out


def agree(images: list[Path], seed: int, folder: Path, *sets: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both runs of a scenario; they are compared."""
    scenario = random_scenario(seed)
    model, firmware = (run(folder, images, scenario, impl, *sets) for impl in (MODEL, FIRMWARE))
    assert not [row for row in model["log"] + firmware["log"] if row[1].startswith("changed")]
    assert model["log"] == firmware["log"]
    assert plain(model["reports"]) == plain(firmware["reports"])
    assert model["ended"] == firmware["ended"]
    assert model["log"]
    return model, firmware


@pytest.mark.parametrize("seed", [*range(60), 5944])  # the last: a guest resets the CPU as all others wait for nothing
def test_storm(images, seed, tmp_path):
    agree(images, seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1600))
def test_storm_long(images, seed, tmp_path):
    agree(images, seed, tmp_path)


@pytest.mark.parametrize("sets", [("run.leases=false",), ("cpu.timing=sh4a",), ("cpu.core=python",)], ids=str)
@pytest.mark.parametrize("seed", range(100, 105))
def test_storm_otherwise(images, seed, sets, tmp_path):
    """Without leases, timed, on the Python core: the same logs again, though ticks differ with the timing."""
    model, _ = agree(images, seed, tmp_path, *sets)
    assert model["log"] == run(tmp_path, images, random_scenario(seed), MODEL)["log"]


@pytest.mark.parametrize("impl", [MODEL, FIRMWARE])
@pytest.mark.parametrize("seed", range(200, 203))
def test_storm_to_the_tick(images, seed, impl, tmp_path):
    """Whatever the core, whether it generates code, and with leases or none: one digest."""
    digests = {
        run(tmp_path, images, random_scenario(seed), impl, *sets)["board"].finish()["digest"]
        for sets in ((), ("cpu.core=python",), ("run.leases=false",), ("cpu.hot=1",))
    }
    assert len(digests) == 1


def test_storms_reach_every_path(images, tmp_path):
    charges: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    for seed in range(60):
        result = run(tmp_path, images, random_scenario(seed), FIRMWARE)
        charges.update(result["board"].charges)
        notes.update(what for _, what, _ in result["log"])
    assert set(charges) == PATHS and min(charges.values()) >= 3, charges
    assert notes["start"] > 3 * 60 + 20 and notes["crash"] >= 3
