"""Guest MIPS of our core against ``qemu-system-sh4 -M r2d -icount shift=1,sleep=off``, MMU on, side by side.

    python -m bench.cpu [--programs NAME,..] [--timing fast,sh4a] [--core native|python] [--scale F] [--runs N]
                        [--json FILE]

The same image (guests/bench) runs on both, in translated addresses, and prints the same checksum, else the bench
fails. It runs on our core in this process, without any node. ``ratio`` is ours / QEMU: above 1 we are faster.

**Time** is CPU time, user and system, of all threads of the process that executes: ours by ``process_time`` around
``core.run``, QEMU's by the rusage of the ended child. From each the time of the same image with 0 iterations is
subtracted (start of QEMU, load, the program's own set-up); what translates guest code stays in. Runs alternate; the
minimum of each counts.

**Instructions** are counted by our core, those for 0 iterations subtracted too. QEMU executes the same: nothing in an
image depends on time, and tests/guests/test_bench_programs.py compares with QEMU's own trace.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import parser, show
from cosim import NEVER
from cpu_node import make_core
from guests.build import artefact

PROGRAMS = {"integer": 1_600_000, "hash": 2500, "sort": 200, "matrix": 400, "vector": 20_000, "bytecode": 200}
"""Iterations of each at scale 1."""

LOAD, ENTRY, ITERATIONS = 0x0C800000, 0xAC800000, 4  # where r2d loads a kernel, where it enters it; offset of the word
CONSOLE, POWER_OFF = 0xFFE8000C, 0x04000030  # r2d's SCFTDR2 and PA_POWOFF
QEMU = ["qemu-system-sh4", "-M", "r2d", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
        "-icount", "shift=1,sleep=off", "-serial", "null", "-serial", "stdio", "-kernel"]  # fmt: skip


@dataclass
class Run:
    """What a program printed, the CPU time (s) it took, and instructions executed (0: not counted)."""

    checksum: str
    seconds: float
    instructions: int = 0


class Board:
    """What an image needs of r2d beside RAM: a console and a power-off register."""

    def __init__(self, core: Any) -> None:
        self.core, self.printed, self.off = core, "", False

    def read(self, tick: int, paddr: int, size: int) -> int:
        """Nothing else is there."""
        return 0

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        """A character, or the end."""
        if paddr == CONSOLE:
            self.printed += chr(value & 0xFF)
        elif paddr == POWER_OFF:
            self.off = True
            self.core.limit(tick)


def image(program: str, iterations: int) -> bytes:
    """The raw image of a program (``-O0`` behind its name: the one without optimisation), its iterations set."""
    raw = bytearray(artefact("bench", f"{program}.bin").read_bytes())
    raw[ITERATIONS : ITERATIONS + 4] = iterations.to_bytes(4, "little")
    return bytes(raw)


def ours(raw: bytes, kind: str = "native", timing: str = "fast") -> Run:
    """Run an image on one of our cores."""
    core = make_core(kind, ram=(0x08000000, 0x08000000))
    if timing != "fast":
        core.timing = timing
    core.bus = board = Board(core)
    core.write(LOAD, raw)
    core.set_state({"sr": 0x700000F0, "fpscr": 0x00040001, "pc": ENTRY})
    began = time.process_time()
    stop = core.run(NEVER)
    seconds = time.process_time() - began
    if not board.off:
        raise SystemExit(f"the program stopped on the {kind} core: {stop}, printed {board.printed!r}")
    return Run(_checksum(board.printed, f"the {kind} core"), seconds, core.instructions + core.skipped)


def qemu(raw: bytes, *options: str) -> Run:
    """Run an image on QEMU; ``options`` go before ``-kernel``."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(raw)
        file.flush()
        before = _children()
        done = subprocess.run([*QEMU[:-1], *options, "-kernel", file.name], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)  # fmt: skip
        seconds = _children() - before
    if done.returncode:
        raise SystemExit(f"qemu ended with {done.returncode}: {done.stderr.strip()}")
    return Run(_checksum(done.stdout, "QEMU"), seconds)


def _children() -> float:
    """CPU seconds of all children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _checksum(printed: str, where: str) -> str:
    """The one line a program prints; '!' tells of an exception it did not expect (guests/bench/start.S)."""
    text = printed.strip()
    if len(text) != 8 or "!" in text:
        raise SystemExit(f"on {where} the program printed {printed!r}: expected 8 hex digits and a newline")
    return text


def timings(kind: str) -> list[str]:
    """The timings a core takes."""
    core = make_core(kind, ram=(0x08000000, 0x1000))
    if not hasattr(core, "timing"):
        return ["fast"]
    taken = []
    for name in ("fast", "sh4a"):
        try:
            core.timing = name
        except (ValueError, TypeError, NotImplementedError):
            continue
        taken.append(name)
    return taken


def measure(program: str, iterations: int, kind: str, names: list[str], runs: int) -> list[dict[str, Any]]:
    """A row for each timing. Raises SystemExit where two runs print different checksums."""
    raw, empty = image(program, iterations), image(program, 0)
    sides = {"qemu": lambda raw: qemu(raw)}
    for name in names:
        sides[name] = lambda raw, name=name: ours(raw, kind, name)
    full: dict[str, list[Run]] = {side: [] for side in sides}
    idle: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(runs):
        for side, run in sides.items():
            full[side].append(run(raw))
            idle[side].append(run(empty))
    sums = {side: {run.checksum for run in several} for side, several in full.items()}
    if len(set().union(*sums.values())) != 1:
        raise SystemExit(f"{program}, {iterations} iterations: checksums differ: {sums}")
    count = full[names[0]][0].instructions - idle[names[0]][0].instructions

    def mips(side: str) -> float:
        return count / (min(r.seconds for r in full[side]) - min(r.seconds for r in idle[side])) / 1e6

    return [{"name": program, "instructions": count, "ours_mips": mips(name), "qemu_mips": mips("qemu"),
             "ratio": mips(name) / mips("qemu"), "timing": name} for name in names]  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--programs", default=",".join(PROGRAMS), metavar="NAME,..", help="default: all")
    options.add_argument("--timing", default="", metavar="NAME,..", help="default: those the core takes")
    options.add_argument("--core", default="native", choices=["native", "python"])
    options.add_argument("--scale", type=float, metavar="F", help="times the iterations (1; python: 0.002)")
    args = options.parse_args()
    scale = args.scale or (1 if args.core == "native" else 0.002)
    names = args.timing.split(",") if args.timing else timings(args.core)
    found = []
    for program in args.programs.split(","):
        if program not in PROGRAMS:
            options.error(f"no program {program!r}: there are {', '.join(PROGRAMS)}")
        found += measure(program, max(1, round(PROGRAMS[program] * scale)), args.core, names, args.runs)
    geomean = {name: math.exp(sum(math.log(r["ratio"]) for r in found if r["timing"] == name) / (len(found) / len(names)))
               for name in names}  # fmt: skip
    rows = [[r["name"], r["timing"], f"{r['instructions'] / 1e6:.1f}", f"{r['ours_mips']:.1f}", f"{r['qemu_mips']:.0f}",
             f"{r['ratio']:.3f}"] for r in found]  # fmt: skip
    rows += [["geometric mean", name, "", "", "", f"{value:.3f}"] for name, value in geomean.items()]
    show(f"Guest MIPS, {args.core} core against QEMU r2d", ["program", "timing", "M instr.", "ours", "QEMU", "ours / QEMU"],
         rows, {"schema": "cosim.bench.cpu/1", "programs": found, "geomean": geomean}, args.json)  # fmt: skip


if __name__ == "__main__":
    main()
