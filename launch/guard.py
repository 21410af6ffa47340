"""The guard of a launcher: a process that ends what the launcher leaves behind, and says in its record that it is gone.

    python -I guard.py FOLDER       standard input: lines that say what there is to guard

It waits for the pipe to close. That is the end of a launcher that had no time to end its nodes (kill -9, a crash): one
that has ends the guard first. It runs in a session of its own, so Ctrl-C does not reach it. A node is held as a pidfd
from the moment it is told, so no other process can be hit. The class is the launcher's side; the rest is the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

LONGEST = 1 << 16  # bytes of two rows of a record at most
AGAIN = 0.2  # seconds between two starts at least
GONE = "the launcher ended without a word: it was killed (kill -9), or crashed"


class Guard:
    """The guard process of this launcher, and another one when it has ended."""

    def __init__(self, folder: Path) -> None:
        """``folder``: of the run's sockets, removed with the rest."""
        self.folder, self.record = folder, ""
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._start()

    def _start(self) -> None:
        # One that has ended and was waited for has given its pid back; the others keep theirs.
        lines = [f"pid {node.pid}" for node in self.nodes if node.poll() is None]
        lines += [f"record {self.record}"] if self.record else []
        reader, writer = os.pipe()
        self._pipe = os.fdopen(writer, "wb", buffering=0)
        try:
            # It is told before it starts, so that a launcher that is killed at once has told all.
            self._pipe.write("".join(f"{line}\n" for line in lines).encode())
            command = [sys.executable, "-I", __file__, str(self.folder)]
            self.process = subprocess.Popen(command, stdin=reader, start_new_session=True)
        finally:
            os.close(reader)
        self._started = time.monotonic()

    def watch(self, node: subprocess.Popen[bytes]) -> None:
        """A node that is to end with the launcher."""
        self.nodes.append(node)
        self._tell(f"pid {node.pid}")

    def complete(self, record: Path) -> None:
        """The folder of a record, whose result is to say that the launcher is gone."""
        self.record = json.dumps(str(record.resolve()))  # on one line, whatever is in the name
        self._tell(f"record {self.record}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # it has ended: the next one is told all
            self._pipe.write(f"{line}\n".encode())

    def check(self) -> None:
        """Start another one when it has ended."""
        if self.process.poll() is not None and time.monotonic() - self._started >= AGAIN:
            self._pipe.close()
            with contextlib.suppress(OSError):  # no process or descriptor to be had now: at the next look
                self._start()

    def close(self) -> None:
        """The launcher has ended its nodes: nothing is left to guard. A guard that is stopped ends as well."""
        self.process.kill()
        self.process.wait()
        self._pipe.close()


def main(folder: str) -> None:
    """Read what there is to guard until the pipe closes, then end the nodes that are alive and remove ``folder``."""
    held, records = [], []
    for line in sys.stdin:
        what, _, value = line.strip().partition(" ")
        if what == "record":
            records.append(Path(json.loads(value)))
            continue
        try:
            held.append(os.pidfd_open(int(value)))
        except OSError:
            pass  # it has ended already
    for process in held:
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except OSError:
            pass
    shutil.rmtree(folder, ignore_errors=True)
    for record in records:
        try:
            complete(record)
        except (OSError, ValueError):
            pass  # the disk is full, or somebody has removed it


def complete(record: Path) -> None:
    """Say in the result of a record that its launcher is gone, and up to which tick it is complete."""
    result = json.loads((record / "result.json").read_text())
    if result["exit"] is not None:
        return  # it had ended
    last = {path.name: last_line(path) for path in record.glob("*.jsonl")}
    result.update(error=GONE, complete_ticks=json.loads(last["syncs.jsonl"] or "[0]")[0])
    new = record / "result.json.new"
    new.write_text(json.dumps(result) + "\n")
    new.replace(record / "result.json")


def last_line(path: Path) -> bytes:
    """The last whole line of a file; one behind it that was cut off is removed."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST))
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        file.truncate(size - len(tail) + whole)
        return tail[:whole].splitlines()[-1] if whole else b""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1])
