"""The example of a component of one's own runs in a whole machine, and keeps its promises."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cosim.messages import Advance, Write
from examples.watchdog import BASE, Watchdog
from guests.build import CROSS, artefact, build
from guests.stages import BuildError

ROOT = Path(__file__).resolve().parent.parent.parent


def run(folder: Path, *sets: str, topology: str = "examples/watchdog.toml", until: str = "1300ms") -> dict[str, Any]:
    try:
        artefact("rtos", "rtos-demo-bare.elf")
    except BuildError as error:
        pytest.skip(str(error))
    argv = [sys.executable, "-m", "launch.cli", "run", topology, "--until", until, "--plain"]
    argv += ["--json", str(folder / "out.json")] + [word for text in sets for word in ("--set", text)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    return json.loads((folder / "out.json").read_text())  # type: ignore[no-any-return]


def test_it_bites_when_nobody_feeds_it_and_every_run_is_the_same(tmp_path):
    first = run(tmp_path)
    assert first["info"]["watchdog"] == {"bitten": 1}
    for sets in (["run.placement=inproc"], ["run.leases=false"], ["run.transport=tcp"]):
        assert run(tmp_path, *sets)["digest"] == first["digest"]
    assert run(tmp_path, "watchdog.period=0")["digest"] != first["digest"]


# Feeds and polls for a while, then lets it bite; the handler clears it and so starts the next period.
GUEST = r"""
#define WORD(a) (*(volatile unsigned long *)(a))
#define WTST WORD(0xffcc0000)
#define WTCSR WORD(0xffcc0004)
#define WTCNT WORD(0xffcc0008)

__asm__(
    ".section .text.start,\"ax\"\n .global _start\n"
    "_start: mov.l 1f,r15\n mov.l 2f,r0\n ldc r0,vbr\n mov.l 3f,r0\n jmp @r0\n nop\n"
    ".balign 4\n1: .long 0x8e800000\n2: .long vectors\n3: .long main\n"
    ".balign 256\nvectors: .space 0x600\n"
    "mov.l 4f,r0\n mov.l r0,@r0\n mov.l @r0,r1\n rte\n nop\n" /* bank 1 */
    ".balign 4\n4: .long 0xffcc0004\n");

void main(void)
{
    unsigned long bitten = 0;

    WORD(0xffd40008) = 16 << 8; /* INT2PRI2: level 8 */
    WORD(0xffd4003c) = 1 << 5;  /* INT2MSKCR */
    __asm__ volatile("ldc %0,sr" ::"r"(0x40000000));
    WTST = 1000; /* 12,000 ticks */
    for (int n = 0; n < 20000; n++) {
        bitten += WTCSR;
        if (n % 100 == 0)
            WTCNT = 0;
    }
    if (bitten)
        WTST = 0; /* it would be seen: then nothing bites below */
    for (;;)
        __asm__ volatile("sleep");
}
"""


def test_a_guest_feeds_it_polls_it_and_takes_its_interrupt(tmp_path):
    if shutil.which(CROSS + "gcc-12") is None:
        pytest.skip("no cross compiler")
    (tmp_path / "guest.c").write_text(GUEST)
    flags = ["-m4a-nofpu", "-ml", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-static"]
    link = ["-Wl,--build-id=none,-n", "-Wl,-Ttext=0x8e000000", "-Wl,-e,_start", "-lgcc"]
    subprocess.run([build("toolchain")["cc"], *flags, "guest.c", "-o", "guest.elf", *link], cwd=tmp_path, check=True)
    nodes = "".join(f"[nodes.{role}]\nrole = '{role}'\n" for role in ("cpu", "intc"))
    (tmp_path / "fed.toml").write_text(
        f"{nodes}[nodes.watchdog]\nrole = 'device'\ncomponent = 'examples.watchdog:Watchdog'\n"
        "[guests.guest]\nimage = 'guest.elf'\nmemory = [0x0e000000, 0x01000000]\nlines = ['ITI']\n"
    )

    def fed(*sets: str) -> dict[str, Any]:
        return run(tmp_path, *sets, topology=str(tmp_path / "fed.toml"), until="10ms")

    first = fed()
    # Fed for some 120,000 ticks of 4,000,000, it then bites each 12,000 and a few more for its handler.
    assert 310 <= first["interrupts"]["ITI"] <= 325
    assert first["leased_reads"] > 19_000
    unleased = fed("run.leases=false")
    assert (unleased["digest"], unleased["leased_reads"]) == (first["digest"], 0)
    assert unleased["round_trips"] > 20_000
    for sets in (["run.placement=inproc"], ["run.transport=tcp"], ["cpu.core=python"]):
        assert fed(*sets)["digest"] == first["digest"]


def test_the_bite_is_planned_and_fed_off():
    dog = Watchdog("watchdog", {"period": 100})
    assert dog.handle(0, Advance()).plan == [(1200, 1)]
    fed = dog.handle(1000, Write(BASE + 8, 4, 0, []))
    assert (fed.lines, fed.plan) == (0, [(2200, 1)])
    bitten = dog.handle(2200, Advance())
    assert (bitten.lines, bitten.plan) == (1, [])
    cleared = dog.handle(3000, Write(BASE + 4, 4, 0, []))
    assert (cleared.lines, cleared.plan) == (0, [(4200, 1)])
