"""Linux boot to prompt: ours on SPUMONE against ``qemu-system-sh4 -M r2d`` with a twin kernel, side by side.

    python -m bench.boot [--runs N] [--json FILE]

Wall seconds from the moment the guest may run to its prompt; what both need before that is in the table as ``start``
(QEMU stands with ``-S`` until then, ours until Go). QEMU runs with ``-icount shift=1,sleep=off``; both kernels have
``quiet`` and are loaded as they are linked: a zImage that unpacks itself would execute three times as much. Runs
alternate; the minimum counts. What still differs: QEMU's serial port takes no time, ours sends each character at
115200 bit/s of virtual time; ours has the RTOS and SPUMONE beside Linux.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from elftools.elf.elffile import ELFFile

from bench.measure import arguments, boot, show
from guests.build import artefact

QEMU = ["qemu-system-sh4", "-M", "r2d", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
        "-icount", "shift=1,sleep=off", "-append", "console=ttySC1,115200 quiet",
        "-serial", "null", "-serial", "stdio", "-kernel"]  # fmt: skip


def twin(folder: Path) -> list[str]:
    """QEMU's command for the twin kernel, loaded as it is linked, not unpacked by the guest. ``folder`` is scratch."""
    with artefact("linux-r2d", "vmlinux").open("rb") as file:
        kernel = ELFFile(file)
        segment, entry = next(kernel.iter_segments("PT_LOAD")), kernel["e_entry"]
        # Before the entry is the page of boot parameters, which QEMU fills.
        (folder / "kernel").write_bytes(segment.data()[entry - segment["p_vaddr"] :])
    # mov.l @(4,pc),r0; jmp @r0; nop; nop; .long entry
    (folder / "jump").write_bytes(bytes.fromhex("01d0 2b40 0900 0900") + entry.to_bytes(4, "little"))
    return [*QEMU, f"{folder}/jump",
            "-device", f"loader,file={folder}/kernel,addr={entry & 0x1FFFFFFF:#x},force-raw=on"]  # fmt: skip


def qemu(folder: Path) -> tuple[float, float]:
    """Wall seconds of one QEMU: until it is ready, and from there to the prompt."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/monitor")
        listener.listen()
        began = time.perf_counter()
        process = subprocess.Popen([*twin(folder), "-S", "-monitor", f"unix:{folder}/monitor"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        try:
            listener.settimeout(20)
            monitor = listener.accept()[0]
            monitor.sendall(b"info status\n")
            answer = b""
            while b"paused" not in answer:
                if not (data := monitor.recv(4096)):
                    raise SystemExit(f"qemu ended before it was ready; monitor: {answer.decode(errors='replace')}")
                answer += data
            started = time.perf_counter()
            monitor.sendall(b"cont\n")
            assert process.stdout is not None
            seen = b""
            while b"guest$ " not in seen:
                if not (data := os.read(process.stdout.fileno(), 4096)):
                    raise SystemExit(f"qemu ended before the prompt; console: {seen.decode(errors='replace')}")
                seen += data
            return started - began, time.perf_counter() - started
        finally:
            process.kill()
            process.wait()
            (folder / "monitor").unlink()


def main() -> None:
    """Measure and print."""
    args = arguments(__doc__ or "")
    found: dict[str, list[tuple[float, float]]] = {"qemu": [], "processes": [], "inproc": []}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.runs):
            found["qemu"].append(qemu(Path(name)))
            for placement, sets in (("processes", []), ("inproc", ["run.placement=inproc"])):
                run = boot(sets)
                found[placement].append((run["start_s"], run["boot_s"]))
    start, least = ({side: min(run[k] for run in runs) for side, runs in found.items()} for k in (0, 1))
    base = least["qemu"]
    rows = [[side, f"{start[side]:.3f}", f"{least[side]:.3f}", f"{least[side] / base:.2f}"] for side in found]
    result = {"schema": "cosim.bench.boot/2", **{f"{side}_s": least[side] for side in found}, "start_s": start,
              "ratio": least["processes"] / base}  # fmt: skip
    show("Linux boot to prompt, wall seconds", ["system", "start", "boot", "boot / QEMU"], rows, result, args.json)


if __name__ == "__main__":
    main()
