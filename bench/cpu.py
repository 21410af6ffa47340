"""Guest MIPS of our core against ``qemu-system-sh4 -M r2d -icount shift=1,sleep=off``, MMU on, side by side.

    python -m bench.cpu [--programs NAME,..] [--timing fast,sh4a] [--core native|python] [--scale F] [--runs N]
                        [--json FILE]

``ratio`` is ours / QEMU: above 1 we are faster. ``geomean``: of all rows of a timing. Runs alternate; the minimum of
each counts.

**Programs** (guests/bench): one image runs on both, in translated addresses, and must print the same checksum. Ours
runs in this process, without any node. **linux**: boot to the prompt; ours on SPUMONE beside the RTOS, every part in
one process; QEMU's is the twin kernel, loaded as it is linked, not unpacked by the guest (27 of 88 million instructions
are left: the kernel's own).

**Time** is CPU time, user and system, of all threads of the process that executes. Subtracted: from QEMU's the time of
an image with 0 iterations (start, load, the program's set-up), from ours the same. Ours is taken around ``core.run``,
for Linux from Go to the prompt. What translates guest code stays in on both sides.

**Instructions** of a program are counted by our core, those of 0 iterations subtracted. QEMU executes as many: nothing
in an image depends on time, and tests/guests/test_bench_programs.py compares with QEMU's own trace. Of Linux each side
executes its own: QEMU's are counted by its record mode, in a run that is not timed.

Where QEMU takes less than 0.05 s (a small --scale) its figure would be noise: it is left out, null in JSON.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.boot import QEMU, twin
from bench.measure import PROMPT, ROOT, parser, show
from cosim import NEVER
from cosim.topology import load
from cpu_node import make_core
from guests.build import artefact
from launch.session import Session

PROGRAMS = {"integer": 2_000_000, "hash": 2500, "sort": 200, "matrix": 400, "vector": 20_000, "bytecode": 200}
"""Iterations of each at scale 1: one to four seconds of an interpreter of 300 MIPS."""

LINUX = "linux"
LOAD, ENTRY, ITERATIONS = 0x0C800000, 0xAC800000, 4  # where r2d loads a kernel, where it enters it; offset of the word
CONSOLE, POWER_OFF = 0xFFE8000C, 0x04000030  # r2d's SCFTDR2 and PA_POWOFF
SHORTEST = 0.05  # seconds of QEMU that are a measurement


@dataclass
class Run:
    """What a program printed, the CPU time (s) it took, and instructions executed (0: not counted)."""

    printed: str
    seconds: float
    instructions: int = 0


# The programs --------------------------------------------------------------------------------------------------


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
    core = make_core(kind)
    if timing != "fast":
        core.timing = timing
    core.bus = board = Board(core)
    core.write(LOAD, raw)
    core.set_state({"sr": 0x700000F0, "fpscr": 0x00040001, "pc": ENTRY})
    began = time.process_time()
    stop = core.run(NEVER)
    seconds = time.process_time() - began
    core.bus = None  # board and core know each other: without this the core would wait for the garbage collector
    if not board.off:
        raise SystemExit(f"the program stopped on the {kind} core: {stop}, printed {board.printed!r}")
    return Run(_checksum(board.printed, f"the {kind} core"), seconds, core.instructions + core.skipped)


def qemu(raw: bytes, *options: str) -> Run:
    """Run an image on QEMU with more ``options``."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(raw)
        file.flush()
        before = _children()
        done = subprocess.run([*QEMU, file.name, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)  # fmt: skip
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


# Linux ---------------------------------------------------------------------------------------------------------


def linux_ours(kind: str, timing: str) -> Run:
    """Boot on SPUMONE, inproc, to the prompt."""
    sets = ["run.placement=inproc", f"cpu.core={kind}", f"cpu.timing={timing}"]
    with Session(load(ROOT / "examples" / "spumone.toml", sets)) as session:
        session.start()
        pid = session.supervisor.children[session.cpu].pid
        began = _cpu_time(pid)
        session.arm("linux", PROMPT)
        session.go(armed=True)
        seconds = _cpu_time(pid) - began
        report = session.command("report")
        session.finish()
    return Run("guest$ ", seconds, report["instructions"])


def linux_qemu(folder: Path, count: bool = False) -> Run:
    """Boot the twin in QEMU to the prompt; ``count``: and ask QEMU for the instructions. ``folder`` is scratch."""
    command = twin(folder)
    if count:
        command += ["-icount", f"shift=1,sleep=off,rr=record,rrfile={folder}/record",
                    "-monitor", f"unix:{folder}/monitor,server=on,wait=off"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        seen = b""
        try:
            while b"guest$ " not in seen:
                data = os.read(process.stdout.fileno(), 4096)
                if not data:
                    raise SystemExit(f"qemu ended before the prompt; console: {seen.decode(errors='replace')}")
                seen += data
            seconds = _cpu_time(process.pid)
            return Run("guest$ ", seconds, _count(folder / "monitor") if count else 0)
        finally:
            process.send_signal(signal.SIGKILL)


def _count(path: Path) -> int:
    """Instructions so far, from QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect(str(path))
        monitor.sendall(b"stop\ninfo replay\n")
        answer = b""
        while b"instruction count = " not in answer or not answer.endswith(b"(qemu) "):
            answer += monitor.recv(4096)
    return int(answer.split(b"instruction count = ")[1].split()[0])


def _cpu_time(pid: int) -> float:
    """CPU seconds of a running process, all its threads: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


# Measuring -----------------------------------------------------------------------------------------------------


def timings(kind: str) -> list[str]:
    """The timings a core takes."""
    core = make_core(kind)
    taken = ["fast"]
    if hasattr(core, "timing"):
        try:
            core.timing = "sh4a"
            taken.append("sh4a")
        except ValueError:
            pass
    return taken


def fastest(sides: dict[str, Callable[[], Run]], runs: int) -> dict[str, Run]:
    """The fastest of ``runs`` runs of each side, in turn. Raises SystemExit where two print different things."""
    found: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(runs):
        for side, run in sides.items():
            found[side].append(run())
    printed = {side: {run.printed for run in several} for side, several in found.items()}
    if len(set().union(*printed.values())) != 1:
        raise SystemExit(f"checksums differ: {printed}")
    return {side: min(several, key=lambda run: run.seconds) for side, several in found.items()}


def program(name: str, iterations: int, kind: str, names: list[str], runs: int) -> dict[str, Run]:
    """A program on QEMU and, by timing, on ours; what 0 iterations take is subtracted."""

    def measured(n: int) -> dict[str, Run]:
        raw = image(name, n)
        sides: dict[str, Callable[[], Run]] = {"qemu": lambda: qemu(raw)}
        sides |= {timing: lambda timing=timing: ours(raw, kind, timing) for timing in names}
        return fastest(sides, runs)

    full, empty = measured(iterations), measured(0)
    count = full[names[0]].instructions - empty[names[0]].instructions
    return {side: Run(run.printed, run.seconds - empty[side].seconds, count) for side, run in full.items()}


def linux(kind: str, names: list[str], runs: int) -> dict[str, Run]:
    """The boot on QEMU and, by timing, on ours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = linux_qemu(folder, count=True).instructions
        sides: dict[str, Callable[[], Run]] = {"qemu": lambda: linux_qemu(folder)}
        sides |= {timing: lambda timing=timing: linux_ours(kind, timing) for timing in names}
        full = fastest(sides, runs)
    start = min(qemu(image("integer", 0)).seconds for _ in range(runs))
    return {**full, "qemu": Run(full["qemu"].printed, full["qemu"].seconds - start, count)}


def rows(name: str, sides: dict[str, Run]) -> list[dict[str, Any]]:
    """A row of the result for each timing."""
    mips = {side: run.instructions / run.seconds / 1e6 for side, run in sides.items()}
    theirs = sides["qemu"]
    known = theirs.seconds >= SHORTEST
    return [{"name": name, "instructions": run.instructions, "qemu_instructions": theirs.instructions,
             "ours_mips": mips[timing], "qemu_mips": mips["qemu"] if known else None,
             "ratio": mips[timing] / mips["qemu"] if known else None, "timing": timing}
            for timing, run in sides.items() if timing != "qemu"]  # fmt: skip


def geomean(ratios: list[float | None]) -> float | None:
    """Geometric mean, None where one is not known."""
    known = [ratio for ratio in ratios if ratio is not None]
    return math.exp(sum(map(math.log, known)) / len(known)) if known and len(known) == len(ratios) else None


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--programs", metavar="NAME,..", help=f"of {','.join(PROGRAMS)},{LINUX}; default: all "
                         f"(python core: without {LINUX})")  # fmt: skip
    options.add_argument("--timing", metavar="NAME,..", help="fast, sh4a; default: those the core takes")
    options.add_argument("--core", default="native", choices=["native", "python"])
    options.add_argument("--scale", type=float, metavar="F", help="times the iterations (native: 1, python: 0.002)")
    args = options.parse_args()
    native = args.core == "native"
    scale = args.scale or (1 if native else 0.002)
    names = args.timing.split(",") if args.timing else timings(args.core)
    wanted = args.programs.split(",") if args.programs else [*PROGRAMS, *([LINUX] if native else [])]
    if unknown := set(wanted) - {*PROGRAMS, LINUX}:
        options.error(f"no program {', '.join(unknown)}: there are {', '.join(PROGRAMS)}, {LINUX}")
    if unknown := set(names) - set(timings(args.core)):
        options.error(f"no timing {', '.join(unknown)}: the {args.core} core has {', '.join(timings(args.core))}")
    if args.runs < 1 or scale <= 0:
        options.error(f"--runs {args.runs}, --scale {scale}: expected at least one run, and a scale above 0")
    found = []
    for name in wanted:
        if name == LINUX:
            found += rows(name, linux(args.core, names, args.runs))
        else:
            found += rows(name, program(name, max(1, round(PROGRAMS[name] * scale)), args.core, names, args.runs))
    means = {timing: geomean([row["ratio"] for row in found if row["timing"] == timing]) for timing in names}
    lines = [[row["name"], row["timing"], f"{row['instructions'] / 1e6:.1f}", f"{row['ours_mips']:.1f}",
              _text(row["qemu_mips"], ".0f"), _text(row["ratio"], ".3f")] for row in found]  # fmt: skip
    lines += [["geometric mean", timing, "", "", "", _text(mean, ".3f")] for timing, mean in means.items()]
    result = {"schema": "cosim.bench.cpu/1", "core": args.core, "programs": found, "geomean": means}
    columns = ["program", "timing", "M instr.", "ours", "QEMU", "ours / QEMU"]
    show(f"Guest MIPS, {args.core} core against QEMU's r2d", columns, lines, result, args.json)


if __name__ == "__main__":
    main()
