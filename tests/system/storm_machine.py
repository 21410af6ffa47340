"""Machines of three scripted guests (storm/), whose every stimulus comes from the guests' own program order.

So what they log is the same on SPUMONE's model and on its firmware, whatever a path takes.
"""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storm.stimulus import LINES
from whole_machine import machine

from cosim.sh7780 import INTEVT, MODULES, mask_writes, module_codes
from cpu_node.machine import Machine
from guests.build import HERE, build

STORM = Path(__file__).resolve().parent / "storm"
GUESTS = 3
BASE = [0x88000000 + k * 0x01000000 for k in range(GUESTS)]
END, RAISE, IDLE, IMASK, ROUTE, QUERY, BLOCKED, CALL, IDLE_RACE, RESTART, STOP, VBR, DEAF, CRASH, WAIT = range(15)
LOG = 4096
NOTES = ("", "interrupt", "done", "vectors", "woken", "imask", "answer", "blocked", "changed", "changed in handler",
         "start", "deaf", "crash")  # fmt: skip
LIMIT = 40_000_000  # ticks; a scenario ends long before, when all wait
INSIDE = (2, 4, 6, 8, 10, 12)  # offsets within an entry; the last slot falls into the next one
# struct board of storm.c: where it lies in a guest's memory, and its parts' offsets.
BOARD = 0x00800000
REPLY = 1024
USES_FPU = REPLY + 64
COUNTS = USES_FPU + 4 * 130
ENTRIES = COUNTS + 4 * 4


@dataclass
class Scenario:
    """Who owns which lines, their levels, and for each guest a script of (op, a, b) and what its interrupts raise."""

    lines: list[list[str]]
    levels: dict[str, int]
    scripts: list[list[tuple[int, int, int]]]
    replies: list[list[int]]
    fpu: list[bool] = field(default_factory=lambda: [False, True, True])
    mmu: list[bool] = field(default_factory=lambda: [False, True, True])
    restart: list[bool] = field(default_factory=lambda: [False, False, False])


def bits(*lines: str) -> int:
    """The stimulus device's bits of lines."""
    return sum(1 << LINES.index(line) for line in lines)


def build_guests(folder: Path) -> list[Path]:
    """The three programs."""
    cc, out = build("toolchain")["cc"], []
    for k in range(GUESTS):
        out.append(folder / f"storm{k}.elf")
        subprocess.run(
            [cc, "-m4a-nofpu", "-ml", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-static",
             "-fno-delete-null-pointer-checks", "-Wl,--build-id=none,-n", f"-Wl,-Ttext={BASE[k]:#x}", "-Wl,-e,_start",
             f"-I{HERE}/include", f"-DBASE={BASE[k]:#x}", STORM / "storm.c", "-x", "assembler", "-Wa,--isa=sh4a",
             STORM / "storm.S", "-o", out[-1], "-lgcc"], cwd=folder, check=True)  # fmt: skip
    return out


def start(folder: Path, images: list[Path], scenario: Scenario, *sets: str) -> Machine:
    """The machine of a scenario at tick 0."""
    text = "[nodes.cpu]\nrole='cpu'\n[nodes.spumone]\nrole='hypervisor'\n[nodes.intc]\nrole='intc'\n"
    text += "[nodes.stimulus]\nrole='device'\ncomponent='storm.stimulus:Stimulus'\n"
    for k, image in enumerate(images):
        flags = {"fpu": scenario.fpu[k], "mmu": scenario.mmu[k], "restart": scenario.restart[k]}
        text += (f"[guests.g{k}]\nimage='{image}'\nmemory=[{BASE[k] & 0x1FFFFFFF:#x}, 0x01000000]\npriority={k}\n"
                 f"lines={scenario.lines[k]}\n")  # fmt: skip
        text += "".join(f"{name}={str(flag).lower()}\n" for name, flag in flags.items())
    path = folder / "storm.toml"
    path.write_text(text)
    # The guests share a device and log in words of the first: on purpose.
    board = machine(path, "spumone.trespass=off", "spumone.starvation=0", *sets)
    for k in range(GUESTS):
        own = 0
        for line in scenario.lines[k]:
            own |= mask_writes(INTEVT[line], False)[0][2]
        words = [0] * 128
        for n, line in enumerate(LINES):
            words[INTEVT[line] >> 5] = 1 << n
        script = b"".join(struct.pack("<BBH", *row) for row in [*scenario.scripts[k], (END, k & 1, 0)])
        data = script.ljust(REPLY, b"\0") + bytes(scenario.replies[k])
        data += struct.pack("<130I", scenario.fpu[k], own, *words)
        board.core.write((BASE[k] & 0x1FFFFFFF) + BOARD, data)
    values = [0, 0, 0]
    for source in MODULES:
        if source.line in scenario.levels:
            values[source.pri] |= scenario.levels[source.line] * 2 << source.shift
    for n, value in enumerate(values):
        board._write(0, 0, 0xFFD40000 + 4 * n, 4, value)
    board._write(0, 0, 0xFFD4003C, 4, 0xFFFFFFFF)
    return board


def logs(board: Machine) -> list[tuple[int, str, int]]:
    """What the guests have logged, in the order in which it happened: (guest, what, value)."""
    rows = []
    for k, base in enumerate(BASE):
        paddr = (base & 0x1FFFFFFF) + BOARD
        (count,) = struct.unpack("<I", board.core.read(paddr + COUNTS + 4, 4))
        assert count < LOG, "more than the log holds"
        words = struct.unpack(f"<{3 * count}I", board.core.read(paddr + ENTRIES, 12 * count))
        rows += [(words[n], k, NOTES[words[n + 1]], words[n + 2]) for n in range(0, len(words), 3)]
    return [row[1:] for row in sorted(rows)]


def random_scenario(seed: int) -> Scenario:
    """Storms, nested and held interrupts, idle patterns, calls right and wrong, ends of guests."""
    rng = random.Random(seed)
    groups = [[line for line in LINES if INTEVT[line] in module_codes(INTEVT[first])]
              for first in ("TUNI0", "TUNI3", "RXI0", "RXI1", "ITI")]  # fmt: skip
    lines: list[list[str]] = [[], [], []]
    for group in groups:
        owner = rng.choice((0, 0, 1, 1, 2, 3))
        if owner < 3:
            lines[owner] += group
    levels = {line: rng.randint(1, 15) for line in LINES}
    for a, b in (("RXI0", "TXI0"), ("RXI1", "TXI1")):
        levels[b] = levels[a]
    scripts, replies = [], []
    ends = rng.random() < 0.6
    for k in range(GUESTS):
        script: list[tuple[int, int, int]] = [(IMASK, rng.choice((0, 0, 3, 7)), 0)]
        for _ in range(rng.randint(8, 40)):
            some = sum(1 << n for n in rng.sample(range(len(LINES)), rng.choice((1, 1, 2, 3))))
            code = rng.choice([INTEVT[line] for line in LINES] + [0x123, 0x240])
            script.append(rng.choice([
                (RAISE, 0, some), (RAISE, 0, some), (RAISE, 0, some), (BLOCKED, 0, some), (IDLE_RACE, 0, some),
                (IDLE, 0, 0), (WAIT, 0, 0), (IDLE, 0, 0), (IMASK, rng.choice((0, 0, 2, 5, 7, 9, 12, 15)), 0),
                (ROUTE, rng.randint(0, 1), code), (QUERY, rng.randint(0, 6), 0), (VBR, 0, rng.choice((0, 0x8F00))),
                (CALL, 0, rng.randrange(16, 126) * 16 + rng.choice((0, *INSIDE))),
                (CALL, 0, rng.choice((7, 8, rng.randrange(129, 256))) * 16), (DEAF, rng.randint(0, 6), some),
            ]))  # fmt: skip
            if ends and rng.random() < 0.12:
                script.append(rng.choice([
                    (RESTART, rng.randint(0, 3), 0), (RESTART, min(k + 1, 2), 0), (RESTART, 2, 0), (STOP, 2, 0),
                    (STOP, rng.randint(0, 3), 0), (RESTART, k, 0), (CRASH, 0, 0),
                ]))  # fmt: skip
        scripts.append(script)
        raises = [sum(1 << n for n in rng.sample(range(len(LINES)), rng.choice((1, 1, 2)))) for _ in range(64)]
        replies.append([value & 0xFF if rng.random() < 0.3 else 0 for value in raises])
    return Scenario(lines, levels, scripts, replies, [rng.random() < 0.5 for _ in range(3)],
                    [rng.random() < 0.5 for _ in range(3)], [rng.random() < 0.5 for _ in range(3)])  # fmt: skip


def run(folder: Path, images: list[Path], scenario: Scenario, *sets: str) -> dict[str, Any]:
    """Logs, reports and end of a scenario."""
    board = start(folder, images, scenario, *sets)
    ended = board.go(LIMIT)
    reports = [text.split(": ", 1)[1] for text in board.reports]
    return {"log": logs(board), "ended": ended[0], "reports": reports, "board": board}
