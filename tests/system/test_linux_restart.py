"""Linux panics and is started again alone, and the RTOS misses nothing: on SPUMONE's model and its firmware."""

from __future__ import annotations

import random
from functools import cache

import pytest
from whole_machine import SPUMONE, machine

from cosim import TICK_HZ
from cosim.image import load_elf
from guests.build import artefact
from guests.stages import BuildError
from launch.session import BAUD_GAP

SHELL = r"^# "  # of a shell that is the first process
RTOS_TICK = TICK_HZ // 200  # ticks between the RTOS's ticks
PATIENCE = 4 * TICK_HZ
SETS = ["linux.image=guest:linux-ceiling/vmlinux", "linux.restart=true",
        "linux.cmdline=console=ttySC1,115200 quiet panic=-1 rdinit=/bin/sh"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    try:
        for name, file in (("linux-ceiling", "vmlinux"), ("spumone", "spumone.elf")):
            artefact(name, file)
    except BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("impl", ["model", "firmware"])
def test_linux_panics_and_is_started_again(impl: str) -> None:
    """Twice its first process ends: the kernel panics and resets the CPU."""
    m = machine(SPUMONE, *SETS, f"spumone.impl={impl}")
    m.look = lambda: None  # nobody else takes the console's output
    image = load_elf(artefact("rtos", "rtos-demo-spumone.elf"))
    m.observe("latency", line="RXI0", symbol="serial_rx_handler", pc=image.symbol("serial_rx_handler"))
    m.observe("deadline", guest="rtos", symbol="periodic_job", pc=image.symbol("periodic_job"), period=TICK_HZ // 100)
    rng, tick, entries = random.Random(4), TICK_HZ // 1000, []
    while (tick := tick + rng.randint(TICK_HZ // 5000, TICK_HZ // 1000)) < 3 * TICK_HZ:
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    m.input("scif0", entries)

    def until(pattern: str) -> None:
        m.arm("scif1", pattern)
        assert m.go(m.core.tick + PATIENCE, True) == ("match", ""), pattern

    until(SHELL)
    for _ in range(2):
        m.type("scif1", b"exit\n", BAUD_GAP)
        until("Kernel panic - not syncing: Attempted to kill init!")
        until(SHELL)

    figures, received = m.figures(), m._named("scif0").component.counts
    assert [row.split("guest linux ")[-1] for row in m.reports if "again" in row] == ["is started again"] * 2
    assert all("guest linux" in row for row in m.reports)
    [port], [job] = figures["latency"], figures["deadlines"]
    assert (port["lost"], received["overruns"]) == (0, 0) and port["samples"] == received["received"] > 300
    assert port["max"] < 1000  # SPUMONE's path of the reset is the longest wait
    assert (job["misses"], job["max_late"] < 4000) == (0, True)
    assert abs(figures["interrupts"]["TUNI3"] - m.core.tick / RTOS_TICK) <= 1
    assert figures["charges"]["reset+reap+anew+resume" if impl == "model" else "reset"] == 2


@cache
def reset_and_rise(offset: int | None) -> tuple[int, list[int]]:
    """Linux's reset of the CPU under sh4a, as a character comes so many ticks after it; its tick, and the latency."""
    m = machine(SPUMONE, *SETS, "spumone.impl=firmware")
    m.look = lambda: None
    handler = load_elf(artefact("rtos", "rtos-demo-spumone.elf")).symbol("serial_rx_handler")
    m.observe("latency", line="RXI0", symbol="serial_rx_handler", pc=handler, keep=True)
    m.arm("scif1", SHELL)
    assert m.go(PATIENCE, True) == ("match", "")
    m.set_timing("sh4a", m.core.tick)
    if offset is not None:
        m.input("scif0", [(reset_and_rise(None)[0] + offset, 0x41)])
    m.type("scif1", b"exit\n", BAUD_GAP)
    for pattern in ("Kernel panic", SHELL):
        m.arm("scif1", pattern)
        assert m.go(m.core.tick + PATIENCE, True) == ("match", "")
    return int(m.reports[0].split()[1].rstrip(":")), list(m.latency[0].samples)


@pytest.mark.parametrize(
    "offset", [0, 100, 1350, 2400, *(pytest.param(k, marks=pytest.mark.long) for k in range(25, 4000, 50))]
)
def test_the_rtos_is_heard_while_linux_is_ended(offset: int) -> None:
    """SPUMONE's steps from the reset on to the loader: in each, an interrupt for the RTOS waits 2,000 ticks at most."""
    _, samples = reset_and_rise(offset)
    assert len(samples) == 1 and samples[0] <= 2000
