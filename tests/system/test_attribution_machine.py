"""Where the ticks of the RTOS's latency went, with Linux under stress beside it: on both SPUMONEs, in both timings."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from whole_machine import PROMPT, SPUMONE, machine

from cosim import NEVER
from cosim.image import load_elf
from cosim.topology import load
from cpu_node import attribution
from launch.latency import GAP, HELPERS, LOADS, SETTLE, code_symbols
from launch.session import BAUD_GAP, firmware, resolve

SAMPLES = 300
BOTH = [(impl, timing) for impl in ("model", "firmware") for timing in ("fast", "sh4a")]


def run(observer: str, impl: str, timing: str) -> Any:
    """The machine after SAMPLES characters under stress."""
    made = machine(SPUMONE, f"spumone.impl={impl}")
    topology = load(SPUMONE, [f"spumone.impl={impl}"])
    images = [resolve(topology, name)["image"] for name in topology.guests]
    images += [firmware(topology, topology.nodes["spumone"])] * (impl == "firmware")
    symbols = [row for image in images for row in code_symbols(Path(image))]
    more = {"symbols": symbols, "helpers": HELPERS} if observer == "attributed" else {"keep": True}
    handler = load_elf(Path(resolve(topology, "rtos")["image"])).symbol("serial_rx_handler")
    made.observe(observer, line="RXI0", pc=handler, symbol="serial_rx_handler", **more)
    command, says = LOADS["stress"]
    for port, typed, pattern in (("scif0", "", "rtos: ready"), ("scif1", "", PROMPT), ("scif1", command + "\n", says)):
        made.arm(port, pattern)
        if typed:
            made.type(port, typed.encode(), BAUD_GAP)
        assert made.go(NEVER, True)[0] == "match"
        made.arm(port, "")
    made.set_timing(timing, made.core.tick)
    rng, tick, entries = random.Random(1), made.core.tick + SETTLE, []
    for _ in range(SAMPLES):
        tick += rng.randint(*GAP)
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    made.input("scif0", entries)
    made.go(tick + SETTLE)
    return made


@pytest.mark.parametrize(("impl", "timing"), BOTH)
def test_every_sample_is_explained_to_the_tick_and_nothing_else_changes(
    impl: str, timing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "KEPT", SAMPLES)
    made = run("attributed", impl, timing)
    samples, found = made.latency[0].samples, made.attributed.attribution()
    assert len(samples) == len(found["worst"]) == SAMPLES
    for row in found["worst"]:
        assert samples[row["sample"]] == row["ticks"] == sum(part["ticks"] for part in row["parts"])
        order = [part["phase"] for part in row["parts"]]
        assert order[-1] == "entry" and "path" in order
        assert all(part["why"] for part in row["parts"] if part["phase"] in ("wait", "path")), row
        assert order.count("unit") <= 1 and "unit" not in order[1:], row
    assert sum(part["ticks"] for part in found["parts"]) == sum(samples)
    whys = {(part["who"], part["why"]) for part in found["parts"] if part["phase"] == "wait"}
    assert {("linux", "SR.BL"), ("linux", "SR.IMASK")} <= whys
    longest = max(found["sections"], key=lambda section: section["longest"])
    assert (longest["who"], longest["why"]) == ("linux", "SR.IMASK")
    assert not longest["until"].startswith("arch_local_irq")
    plain = run("latency", impl, timing)
    assert plain.latency[0].samples == samples
    assert plain.finish()["digest"] == made.finish()["digest"]
