"""What SPUMONE's paths cost is what its firmware executes; what is known of the firmware twice is the same."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from bench import spumone as bench
from cosim.image import load_elf
from cpu_node import firmware as watched
from guests.build import HERE, artefact
from hypervisor_node import firmware, layout
from hypervisor_node.model import ENTRIES
from hypervisor_node.paths import PARTS, SHARED, charge, path_name

SOURCE = HERE / "spumone"
VCPU_H = (SOURCE / "vcpu.h").read_text()
LIMIT = 11 * 1024  # bytes of code and constants, of which the serial device has 2 KB
# What a latency is made of.
BOUNDED = {"interrupt": 20, "switch": 70, "wake": 25, "enter": 40, "enter_bare": 25, "hold": 130, "exception": 5}


@cache
def defines() -> dict[str, int]:
    """Numbers that vcpu.h defines."""
    found: dict[str, int] = {}
    for name, text in re.findall(r"^#define (\w+) ([^/\n]+)", VCPU_H, re.MULTILINE):
        found[name] = eval(text, {}, found)  # sums of numbers and of what is defined above
    return found


@pytest.mark.parametrize("kind", ["native", "python"])
def test_the_model_charges_what_the_firmware_executes(kind, monkeypatch):
    monkeypatch.setattr(bench.Board.__init__, "__defaults__", ((0, 0, 0), kind, 0))
    assert bench.parts() == {name: part.instructions for name, part in PARTS.items()}


def test_a_charge_is_the_sum_of_its_parts():
    assert charge("idle", "elect", "elect", "resume") == sum(
        PARTS[part].instructions for part in ("idle", "elect", "elect", "resume")
    )
    assert path_name(["idle", "unmask", "elect", "wake", "units", "fpu", "mmu"]) == "idle+wake"
    assert set(SHARED) < set(PARTS)


def test_the_table_of_sources_is_current():
    assert (SOURCE / "layout.h").read_text() == layout.header(), "python -m hypervisor_node.layout > layout.h"


def test_a_vcpu_is_laid_out_as_the_monitor_reads_it():
    sizes = defines()
    assert firmware.VCPU_SIZE == sizes["VCPU_SIZE"]
    assert len(watched.KEPT) * 4 == sizes["KEPT_PREEMPTED"]
    assert sizes["KEPT_PREEMPTED"] <= sizes["VCPU_BELOW"]
    assert sizes["VCPU_BELOW"] + sizes["V_MMU_END"] <= sizes["VCPU_SIZE"]
    names = {f"r{n}": f"r{n}_bank" for n in range(4)} | {name: f"bare_{name}" for name in ("r15", "sr", "pc")}
    hot = {name.lower()[2:]: at for name, at in sizes.items() if name.startswith("V_") and at < sizes["V_UNITS"]}
    assert {names.get(name, name): at for name, at in hot.items()} == {
        name: 4 * k for k, name in enumerate(watched.HOT)
    }
    assert sizes["V_UNITS"] == 4 * len(watched.HOT)
    assert sizes["WAKE_READY"] & 0xFFFFFFFF == watched.READY
    # enum kept: words below the pointer.
    kept = {name: int(at) for name, at in re.findall(r"KEPT_(\w+) = (-\d+)", VCPU_H)}
    places = {name: k - len(watched.KEPT) for k, name in enumerate(watched.KEPT)}
    bank0 = {f"R{n}_BANK0": places[f"r{n}"] for n in (4, 5, 6)}
    assert kept == {"SR": places["sr"], "PC": places["pc"], **bank0}


def test_entries_and_flags_have_one_number():
    header = (HERE / "include" / "spumone.h").read_text()
    page = dict(re.findall(r"#define SPM_(\w+) (0x8ffff[0-9a-f]{3}) +/\* entry", header))
    assert {name.lower(): int(at, 16) for name, at in page.items()} == {
        name: 0x8FFFF000 + 16 * n for n, name in enumerate(ENTRIES)
    }
    taken = [layout.FPU, layout.MMU, layout.RESTART, *(defines()[name] for name in ("GUEST_HELD", "GUEST_BARE"))]
    assert len({*taken}) == len(taken) and all(flag & flag - 1 == 0 for flag in taken)
    told = re.search(r"enum told \{ TOLD_REFUSED = 1,([^}]*)\}", (SOURCE / "calls.h").read_text())
    assert told is not None
    names = ["REFUSED", *(name.strip().removeprefix("TOLD_") for name in told[1].split(","))]
    assert [getattr(firmware, name) for name in names] == list(range(1, len(names) + 1))


def test_the_rtos_waits_for_no_path_for_long():
    """Nothing in the caches, everything in SPUMONE's way; the RTOS's own entry, 566 ticks then, comes on top."""
    rows = dict(bench.waits())
    assert len(rows) == 9 and 500 < min(rows.values()) < 800 and max(rows.values()) < 2600
    assert max(rows[key] for key in ("what becomes of it", "to start it again")) < 1750


def test_the_firmware_stays_small():
    """Code and constants, the gaps between the vectors included, and the page."""
    image = load_elf(artefact("spumone", "spumone.elf"))
    table = image.symbol("spm_table") & 0x1FFFFFFF
    code = sum(len(data.rstrip(b"\0")) for paddr, data in image.segments if paddr < table)
    assert 4096 < code <= LIMIT
    pages = [len(data) for paddr, data in image.segments if paddr > 0x0FFF0000]
    assert pages and sum(pages) <= 2 * 4096


@pytest.mark.parametrize("part", BOUNDED)
def test_no_path_of_an_interrupt_grows_unseen(part):
    assert PARTS[part].instructions <= BOUNDED[part]


def test_labels_that_the_monitor_watches_are_there():
    image = load_elf(Path(artefact("spumone", "spumone.elf")))
    names = [name for _, name in firmware.labels(image)]
    places = {"entry", "reset", "current", "report", "tell", "routes", "console"}
    assert set(watched.STARTS) | set(watched.ENDS) | places == set(names)
