"""What a run leaves on disk: consoles as they come, and journal, digests and result at the end."""

from __future__ import annotations

import errno
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any


class RecordError(Exception):
    """The record cannot be written; the text says which file, and what is kept. ``code`` is the exit code."""

    def __init__(self, text: str, code: int = 3) -> None:
        super().__init__(text)
        self.code = code


class CheckFailed(Exception):
    """The guests did not do what was expected of them."""

    code = 1


class Record:
    """A folder with PORT.log for each serial port. Without ``folder`` one is made in the temporary directory."""

    def __init__(self, folder: Path | None, ports: list[str]) -> None:
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="cosim-run-"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.paths = {port: self.folder / f"{port}.log" for port in ports}
            self._files = {port: path.open("wb", buffering=0) for port, path in self.paths.items()}
        except OSError as error:
            raise RecordError(
                f"record {self.folder}: {error.strerror}: {error.filename}; choose another folder", 2
            ) from None

    def output(self, port: str, data: bytes) -> None:
        """Append console bytes. Raises RecordError."""
        file, written = self._files[port], 0
        try:
            while written < len(data):
                written += file.write(data[written:]) or 0
        except OSError as error:
            raise self._error(
                self.paths[port], error, f"{len(data) - written} bytes of {port} were not written"
            ) from None

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file. Raises RecordError."""
        path = self.folder / name
        try:
            path.write_text(json.dumps(value) + "\n")
        except OSError as error:
            raise self._error(path, error, f"{name} was not written") from None

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is not None and self.folder.exists():
            error.add_note(f"log {self.folder}")

    def close(self) -> None:
        """Close the consoles' files; a temporary folder in which nothing was written goes."""
        for file in self._files.values():
            file.close()
        if self._own and not any(path.stat().st_size for path in self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _error(self, path: Path, error: OSError, lost: str) -> RecordError:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        return RecordError(
            f"record {path}: {why}; {lost}, what was written before is kept. Free space or choose --record elsewhere"
        )


def write_json(where: str | None, value: dict[str, Any]) -> None:
    """The command's one JSON object, to a file or, for "-", to standard output. Raises RecordError."""
    if where == "-":
        print(json.dumps(value), file=sys.stdout, flush=True)
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
