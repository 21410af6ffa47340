"""What the tests of the command line share: a topology file to change, and what a command gave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from launch import cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts jobs in the background with Ctrl-C ignored, and what the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROMPT = r"linux:^guest\$ "

BOARD = """\
[nodes.cpu]
role = "cpu"

[nodes.intc]
role = "intc"

[nodes.tmu]
role = "tmu"

[nodes.scif0]
role = "scif"
port = "rtos"

[nodes.cpg]
role = "cpg"

[guests.rtos]
image = "guest:rtos/hello.elf"
memory = [0x0e000000, 0x01000000]
"""


class Outcome(NamedTuple):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1] if self.err else ""

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which has to be exactly one JSON object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


def second() -> float:
    """A second of an idle machine, and what this one adds now: seconds of wall time."""
    runnable, cores = float(Path("/proc/loadavg").read_text().split()[3].split("/")[0]), len(os.sched_getaffinity(0))
    return 1.6 * (1 + max(runnable, os.getloadavg()[0]) / cores)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that keep every CPU busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


class Topology:
    """A topology file. ``path``: the file as it stands."""

    def __init__(self, path: Path, text: str = BOARD) -> None:
        self.path = path
        self.write(text)

    def write(self, text: str) -> Topology:
        self.text = text
        self.path.write_text(text)
        return self

    def replace(self, old: str, new: str) -> Topology:
        """Change the text; ``old`` has to be in it."""
        assert old in self.text, old
        return self.write(self.text.replace(old, new))

    def add(self, text: str) -> Topology:
        return self.write(self.text + text + "\n")


def main(arguments: list[str]) -> int:
    """``cosim``, with argparse's exits as exit codes."""
    try:
        return cli.main(arguments)
    except SystemExit as exit:
        return int(exit.code or 0)


class Running:
    """``cosim`` as a process in a group of its own, with its standard error as it comes."""

    def __init__(self, *arguments: object, cwd: Path = ROOT, stdin: Any = subprocess.DEVNULL) -> None:
        argv = [sys.executable, "-m", "launch.cli", *map(str, arguments)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        cwd=cwd, env=environment, text=True, start_new_session=True)  # fmt: skip
        self.began = time.monotonic()
        self.known: dict[str, psutil.Process] = {}

    @property
    def pid(self) -> int:
        return self.process.pid

    def nodes(self) -> dict[str, psutil.Process]:
        """Node name to process, of those there are now."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                with suppress(psutil.Error):
                    line = child.cmdline()
                    if "cosim.node" in line:
                        self.known[line[line.index("cosim.node") + 2]] = child
        return self.known

    def wait_for(self, path: Path, text: bytes) -> dict[str, psutil.Process]:
        """Wait until a file holds a text, the recorded console of a guest, say; the nodes."""
        end = time.monotonic() + 60
        while not (path.exists() and text in path.read_bytes()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{path.name} never held {text!r}: {self.end(1)}")
            time.sleep(0.02)
        return self.nodes()

    def signal(self, number: int, group: bool = False) -> None:
        """Send a signal to the launcher, or to it and its nodes as a terminal does."""
        if group:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def end(self, timeout: float = 300) -> Outcome:
        """Wait for its end."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            out, err = self.process.communicate()
            raise AssertionError(f"cosim did not end in {timeout} s: {out}\n{err}") from None
        return Outcome(self.process.returncode, out, err)

    def gone(self, patience: float = 1.0) -> bool:
        """Whether every node seen has ended."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not [process for process in self.known.values() if _alive(process)]:
                return True
            time.sleep(0.02)
        return False

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.nodes()
        if self.process.poll() is None:
            self.process.kill()
        for process in self.known.values():
            if _alive(process):
                process.kill()
        self.process.communicate()  # ends when nobody has the pipes any more


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def run(*arguments: object, timeout: float = 300) -> Outcome:
    """``cosim ARGUMENTS`` as a process, to its end."""
    with Running(*arguments) as running:
        return running.end(timeout)


def digest(*arguments: object) -> str:
    """The digest of ``cosim run ARGUMENTS``, which has to end well."""
    outcome = run("run", *arguments, "--json", "-")
    assert outcome.code == 0, outcome
    return str(outcome.json["digest"])
