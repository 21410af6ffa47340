"""``cosim doctor``: what this machine has of what cosim needs, and what to do about the rest."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata

from guests.build import CROSS, GUESTS, KERNELS, LINUX_TAR, built
from guests.stages import BuildError
from launch.record import write_json
from launch.terminal import show
from launch.version import generated_code, native_core

Finding = tuple[str, bool, str, str]  # what, whether it is there, detail, what to do


def doctor(args: argparse.Namespace) -> int:
    """Print the findings; 0 when all a run needs is there, else 1."""
    findings = [*_python(), *_system(), *_guests()]
    rows = [{"what": what, "ok": ok, "detail": detail, "do": todo} for what, ok, detail, todo in findings]
    for row in rows:
        text = f"{'ok ' if row['ok'] else 'NO '} {row['what']}: {row['detail']}"
        show(text + (f"; {row['do']}" if not row["ok"] else ""), sys.stderr if args.json == "-" else sys.stdout)
    write_json(args.json, {"schema": "cosim.doctor/1", "ok": all(r["ok"] for r in rows), "findings": rows})
    return 0 if all(row["ok"] for row in rows) else 1


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    found: list[Finding] = [("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or later")]
    for name in ("pyzmq", "msgpack", "msgspec", "psutil", "rich", "pyelftools"):
        try:
            found.append((name, True, metadata.version(name), ""))
        except metadata.PackageNotFoundError:
            found.append((name, False, "not installed", "run `make setup`"))
    native = bool(native_core())
    found.append(("native core", native, "built" if native else "not built", "run `make setup`"))
    if native:
        found.append(("code generator", True, generated_code(), ""))
    return found


def _system() -> list[Finding]:
    found: list[Finding] = []
    for tool, why in ((f"{CROSS}gcc-12", "guests"), (f"{CROSS}ld", "guests"), ("qemu-sh4", "tests"),
                      ("qemu-system-sh4", "tests and bench")):  # fmt: skip
        path = shutil.which(tool)
        found.append((tool, path is not None, path or f"missing, for {why}", "run `sh guests/setup_host.sh`"))
    found.append(("Linux source", LINUX_TAR.exists(), str(LINUX_TAR), "run `sh guests/setup_host.sh`"))
    found.append(("cores", True, str(os.cpu_count()), ""))
    found.append(("temporary folder", *_try(lambda: tempfile.TemporaryDirectory().cleanup())))
    return found


def _guests() -> list[Finding]:
    found: list[Finding] = []
    for name in [*GUESTS, *(name for name in KERNELS if name not in GUESTS)]:
        try:
            files = built(name)
            detail = ", ".join(f"{path.name} {path.stat().st_size:,} bytes" for path in files[:2])
            found.append((f"guest {name}", True, detail + (f", and {len(files) - 2} more" if files[2:] else ""), ""))
        except BuildError as error:
            wanted = name in GUESTS
            detail = "not built" if wanted else f"not built; only by its name: {error}"
            found.append((f"guest {name}", not wanted, detail, str(error)))
    return found


def _try(action: Callable[[], object]) -> tuple[bool, str, str]:
    try:
        action()
    except OSError as error:
        return False, str(error), "set TMPDIR to a folder that can be written"
    return True, tempfile.gettempdir(), ""
