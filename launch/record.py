"""What a run leaves on disk, written as it goes: ``--record DIR``.

| file | one line or byte for |
|---|---|
| ``PORT.log`` | each byte that a serial port has sent |
| ``journal.jsonl`` | each character that was typed: ``[tick, node, byte]`` |
| ``syncs.jsonl`` | each 10 ms of virtual time: ``[tick, running digest]`` |
| ``result.json`` | the run: how it ended, and ``complete_ticks``: journal and digests have all up to this tick |

Everything is handed to the system at once and nothing is kept in memory, so the files are there after any end. The
result is there from the start and says that the run has not ended; it is replaced at the end, in one step.
"""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from launch.terminal import show, tell

JOURNAL, SYNCS, RESULT = "journal.jsonl", "syncs.jsonl", "result.json"
RESERVED = 4096  # bytes of the first result: the place of a short one on a disk that has become full
UNFINISHED = (
    "the run goes on, or the launcher was ended together with its guard process: journal and digests are complete up "
    f"to the tick of the last whole line of {SYNCS}"
)


class RecordError(Exception):
    """The record cannot be written; the text says which file, and what is kept. ``code`` is the exit code."""

    def __init__(self, text: str, code: int = 3) -> None:
        super().__init__(text)
        self.code = code


class CheckFailed(Exception):
    """The guests did not do what was expected of them."""

    code = 1


class Record:
    """The record of one run in ``folder``, from ``begin`` on. Without a folder nothing is written."""

    def __init__(self, folder: Path | None, ports: list[str]) -> None:
        """Raises RecordError where there is a record already, or no folder can be made."""
        self.folder = folder
        self.complete = 0  # tick up to which journal and digests have been written
        self.paths = {port: folder / f"{port}.log" if folder else None for port in ports}
        self._names = [*(f"{port}.log" for port in ports), JOURNAL, SYNCS]
        self._files: dict[str, FileIO] = {}
        for name in (*self._names, RESULT) if folder else ():
            assert folder is not None
            path = folder / name
            if path.is_file() and path.stat().st_size:
                raise RecordError(
                    f"record {folder}: {name} of an earlier record is there, and is not overwritten; choose another "
                    "folder, or remove this one first",
                    2,
                )
        self._made = folder is not None and not folder.exists()
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> RecordError:
        where = error.filename or f"{self.folder}/{RESULT}"
        return RecordError(f"record {self.folder}: {error.strerror}: {where}; choose another folder", 2)

    def begin(self) -> None:
        """The machine stands at tick 0: make the files. Raises RecordError."""
        if self.folder is None:
            return
        first = {"schema": "cosim.run/1", "ok": False, "exit": None, "error": UNFINISHED}
        try:
            for name in self._names:
                self._files[name] = FileIO(self.folder / name, "wb")
            (self.folder / RESULT).write_text(f"{json.dumps(first):{RESERVED - 1}}\n")
        except OSError as error:
            raise self._unusable(error) from None

    # As the run goes ------------------------------------------------------------------------------------------

    def output(self, port: str, data: bytes) -> None:
        """Append console bytes. Raises RecordError."""
        self._append(f"{port}.log", data)

    def rows(self, tick: int, syncs: list[tuple[int, str]], journal: list[tuple[int, str, int]]) -> None:
        """Append rows of journal and digests, after which both have all up to ``tick``. Raises RecordError."""
        # A character comes before the digest of its tick: whoever has that digest has what made it.
        for name, rows in ((JOURNAL, journal), (SYNCS, syncs)):
            if rows and self._files:
                self._append(name, "".join(f"{json.dumps(row)}\n" for row in rows).encode())
        self.complete = max(self.complete, tick)

    def _append(self, name: str, data: bytes) -> None:
        if name not in self._files:
            return
        file, written = self._files[name], 0
        try:
            while written < len(data):
                written += file.write(data[written:]) or 0
        except OSError as error:
            lost = f"{len(data) - written} bytes of it were not written"
            raise self._error(name, error, lost) from None

    # At the end -----------------------------------------------------------------------------------------------

    def end(self, result: dict[str, Any]) -> None:
        """Replace the result. Raises RecordError."""
        if self.folder is None:
            return
        new = self.folder / f"{RESULT}.new"
        try:
            new.write_text(json.dumps(result) + "\n")
            new.replace(self.folder / RESULT)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise self._error(RESULT, error, "the result was not written") from None

    def failed(self, failure: dict[str, Any]) -> None:
        """Replace the result by that of a run which ended early; on a full disk by a short one, in its old place.

        A run that did not begin has no record.
        """
        if not self._files:
            return
        result = {**failure, "complete_ticks": self.complete,
                  "ports": {port: path and str(path) for port, path in self.paths.items()}}  # fmt: skip
        try:
            self.end(result)
        except RecordError:
            short = {key: result[key] for key in ("schema", "ok", "exit", "error", "node", "complete_ticks")}
            short["error"] = short["error"][: RESERVED // 8]  # characters, which JSON may write as six bytes each
            try:
                assert self.folder is not None
                with (self.folder / RESULT).open("r+b") as file:
                    file.write(f"{json.dumps(short):{RESERVED - 1}}\n".encode())
            except OSError as error:
                tell(f"cosim: record {self.folder / RESULT}: {error.strerror}: it does not say how the run ended")

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is not None and self._files:
            error.add_note(f"log {self.folder}")

    def close(self) -> None:
        """Close the files. The folder that was made for a run that did not begin goes."""
        for file in self._files.values():
            file.close()
        if self.folder and self._made and not self._files:
            with suppress(OSError):
                self.folder.rmdir()

    def _error(self, name: str, error: OSError, lost: str) -> RecordError:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        return RecordError(
            f"record {self.folder}/{name}: {why}; {lost}, what was written before is kept. Free space or choose "
            "--record elsewhere"
        )


def read_rows(path: Path) -> list[Any]:
    """Rows of a ``.jsonl`` file; a last line that was cut off, by a full disk or a kill -9, is none."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def write_json(where: str | None, value: dict[str, Any]) -> None:
    """The command's one JSON object, to a file or, for "-", to standard output. Raises RecordError."""
    if where == "-":
        show(json.dumps(value))
    elif where:
        try:
            Path(where).write_text(json.dumps(value) + "\n")
        except OSError as error:
            raise RecordError(f"--json {where}: {error.strerror}") from None


def check_json(where: str | None) -> None:
    """Find out before a run whether its JSON object can be written. Raises RecordError."""
    if where and where != "-":
        try:
            Path(where).open("a").close()
        except OSError as error:
            raise RecordError(f"--json {where}: {error.strerror}", 2) from None
