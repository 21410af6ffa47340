"""Runs tests/cpu on a native core built with the compiler's address and undefined-behaviour sanitizers.

    python tests/sanitize.py [PYTEST ARGUMENTS]          (make sanitize)

The instrumented core is built beside the ordinary one, which stays. A report of a sanitizer ends the command with exit
code 1 and is shown, whatever the tests say. Code that the core generates is not instrumented, only what it calls.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# -fno-wrapv: with -fwrapv, which Python builds extensions with, overflow and shifts are defined and not looked at.
FLAGS = "-g -O1 -fno-wrapv -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=address"
REPORT = re.compile(r"\S+: runtime error: .*|ERROR: AddressSanitizer.*")


def build(folder: Path) -> Path:
    """The instrumented extension module, in a folder of its own."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(folder), "--build-temp", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"COSIM_SANITIZE": FLAGS})
    return next(folder.glob("cpu_node/_native*.so"))


def run_tests(module: Path, arguments: list[str]) -> int:
    """In a process that has the sanitizers' library: pytest, with the instrumented core in the place of the other."""
    import pytest

    sys.path.insert(0, str(ROOT))
    import cpu_node

    spec = importlib.util.spec_from_file_location("cpu_node._native", module)
    assert spec and spec.loader
    native = importlib.util.module_from_spec(spec)
    sys.modules["cpu_node._native"] = native
    spec.loader.exec_module(native)
    cpu_node._native = native  # type: ignore[attr-defined]
    # The reports go to file descriptor 2, which pytest must leave alone. One test compares shares of the host's time.
    shares = "tests/cpu/test_profile.py::TestRows::test_floating_point"
    return int(pytest.main(["--capture=sys", "--deselect", shares, *(arguments or ["-q", "tests/cpu"])]))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cosim-sanitize-") as name:
        folder = Path(name)
        module = build(folder)
        library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        environment = os.environ | {
            "LD_PRELOAD": library.stdout.strip(),
            "PYTHONMALLOC": "malloc",  # so that objects of Python have red zones too
            "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps much until it ends
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [sys.executable, __file__, "--module", str(module), *sys.argv[1:]]
        with (folder / "stderr").open("w+") as stderr:
            code = subprocess.run(command, cwd=ROOT, env=environment, stderr=stderr).returncode
            stderr.seek(0)
            text = stderr.read()
    found = sorted(set(REPORT.findall(text)))
    print(
        text[:20000] + f"sanitizers: {len(found)} reports" + "".join(f"\n  {line}" for line in found), file=sys.stderr
    )
    return 1 if found else code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--module"]:
        sys.exit(run_tests(Path(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
