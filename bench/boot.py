"""Linux boot to prompt: ours on SPUMONE against ``qemu-system-sh4 -M r2d`` with a twin kernel, side by side.

    python -m bench.boot [--runs N] [--json FILE]

QEMU runs with ``-icount shift=1,sleep=off``; both kernels have ``quiet``; wall seconds from start to the prompt
(ours from START, the start of the processes is reported apart). Runs alternate; the minimum counts. QEMU's serial
port takes no time and its zImage unpacks itself; ours sends each character at 115200 bit/s of virtual time.
"""

from __future__ import annotations

import os
import subprocess
import time

from bench.measure import arguments, boot, show
from guests.build import artefact

QEMU = ["qemu-system-sh4", "-M", "r2d", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
        "-icount", "shift=1,sleep=off", "-append", "console=ttySC1,115200 quiet",
        "-serial", "null", "-serial", "stdio", "-kernel"]  # fmt: skip


def qemu() -> float:
    """Wall seconds of one QEMU boot."""
    began = time.perf_counter()
    kernel = str(artefact("linux-r2d", "zImage"))
    process = subprocess.Popen([*QEMU, kernel], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    seen = b""
    try:
        while b"guest$ " not in seen:
            data = os.read(process.stdout.fileno(), 4096)
            if not data:
                raise SystemExit("qemu ended before the prompt")
            seen += data
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure and print."""
    args = arguments(__doc__ or "")
    theirs, ours, inproc, start = [], [], [], []
    for _ in range(args.runs):
        theirs.append(qemu())
        run = boot([])
        ours.append(run["boot_s"])
        start.append(run["start_s"])
        inproc.append(boot(["run.placement=inproc"])["boot_s"])
    base = min(theirs)
    rows, figures = [], {"qemu": base, "processes": min(ours), "inproc": min(inproc)}
    for name, value in figures.items():
        rows.append([name, f"{value:.3f}", f"{value / base:.2f}"])
    result = {"schema": "cosim.bench.boot/1", **{f"{k}_s": v for k, v in figures.items()}, "start_s": min(start),
              "ratio": figures["processes"] / base}  # fmt: skip
    show("Linux boot to prompt, wall seconds", ["system", "s", "/ QEMU"], rows, result, args.json)


if __name__ == "__main__":
    main()
