"""Cache of build stages: a stage is a folder named by the SHA-256 of its inputs, made once.

``<cache>/<stage>-<key>`` holds what a stage made, ``<cache>/<stage>`` points to it, ``<cache>/<stage>.log``
is the output of its commands. Only the latest folder of a stage is kept. The cache is ``.cache/guests``
in the project or $COSIM_CACHE. One builder at a time works in it; what is there already can be had meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCH = "1700000000"
"""The time (s) every built file carries: bytes must not depend on when they were made."""

FIXED_ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": EPOCH,
    "KBUILD_BUILD_TIMESTAMP": "Tue Nov 14 22:13:20 UTC 2023",
    "KBUILD_BUILD_USER": "cosim",
    "KBUILD_BUILD_HOST": "cosim",
    "KCONFIG_NOTIMESTAMP": "1",
    "LC_ALL": "C",
    "TZ": "UTC",
}
DROPPED_ENVIRONMENT = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CFLAGS", "LDFLAGS", "ARCH", "CROSS_COMPILE")


class BuildError(Exception):
    """A stage failed or is missing; the text says which, and what to do."""


class _NotThereError(Exception):
    """Something must be made, and the cache's lock is not held."""


@dataclass(frozen=True)
class Stage:
    """A built folder and the key of its inputs."""

    path: Path
    key: str

    def files(self) -> dict[str, Path]:
        """Name to path of the files directly in the folder."""
        return {p.name: p for p in sorted(self.path.iterdir()) if p.is_file()}


def cache() -> Path:
    """Folder of the cache."""
    default = Path(__file__).resolve().parent.parent / ".cache" / "guests"
    return Path(os.environ.get("COSIM_CACHE", default)).absolute()


@contextmanager
def only_builder(progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock: a second builder waits and says so."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another build in {cache()}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Builder:
    """Makes stages by their recipes, each once. ``progress`` gets one line when a stage starts and ends."""

    def __init__(self, recipes: dict[str, Callable[[Builder], Stage]], progress: Callable[[str], None]) -> None:
        self.recipes = recipes
        self.progress = progress
        self.jobs = f"-j{os.cpu_count() or 1}"
        self.done: dict[str, Stage] = {}
        self.env = {k: v for k, v in os.environ.items() if k not in DROPPED_ENVIRONMENT}
        self.env |= FIXED_ENVIRONMENT
        self.started = time.monotonic()
        self.log = cache() / "build.log"
        self.depth = 0  # recipes that ask for stages of their own
        self.may_make = False  # holds the cache's lock

    def build(self, name: str) -> Stage:
        """The stage ``name``; the cache's lock is held while something of it must be made. Raises BuildError."""
        if name not in self.recipes:
            raise BuildError(f"no guest {name!r}: known are {', '.join(self.recipes)}")
        if self.depth:
            return self._build(name)
        try:
            return self._build(name)
        except _NotThereError:
            self.done.clear()  # what was found so far, another builder may replace before the lock is ours
        with only_builder(self.progress):
            self.may_make = True
            try:
                return self._build(name)
            finally:
                self.may_make = False

    def _build(self, name: str) -> Stage:
        if name not in self.done:
            self.depth += 1
            try:
                stage = self.recipes[name](self)
            finally:
                self.depth -= 1
            link = cache() / name
            if not (link.is_symlink() and link.readlink() == Path(stage.path.name)):
                if not self.may_make:
                    raise _NotThereError
                fresh = cache() / f"{name}.new"
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(stage.path.name)
                fresh.replace(link)
            self.done[name] = stage
        return self.done[name]

    def stage(self, name: str, inputs: list[Any], make: Callable[[Path, Path], None]) -> Stage:
        """Folder made by ``make(work, out)``, unless a folder of the same inputs exists.

        Inputs: strings and numbers, files and folders (their content), stages (their key), lists of them.
        """
        key = hashlib.sha256(repr([name, _content(inputs)]).encode()).hexdigest()[:16]
        out = cache() / f"{name}-{key}"
        if out.exists():
            return Stage(out, key)
        if not self.may_make:
            raise _NotThereError
        self.log = cache() / f"{name}.log"
        self.log.unlink(missing_ok=True)
        self.progress(f"{time.monotonic() - self.started:4.0f} s  {name}: building")
        started = time.monotonic()
        work, fresh = cache() / f"work-{name}", cache() / f"new-{name}"
        for folder in (work, fresh):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        make(work, fresh)
        for old in cache().glob(f"{name}-" + "[0-9a-f]" * 16):
            shutil.rmtree(old)
        fresh.rename(out)
        shutil.rmtree(work, ignore_errors=True)
        took = time.monotonic() - started
        self.progress(f"{time.monotonic() - self.started:4.0f} s  {name}: built in {took:.0f} s")
        return Stage(out, key)

    def run(self, *command: object, cwd: Path, stdin: str = "") -> None:
        """Run a command with its output in the stage's log. Raises BuildError with the log's end."""
        words = [str(word) for word in command]
        with self.log.open("ab") as log:
            log.write(("$ " + " ".join(words) + "\n").encode())
            log.flush()
            done = subprocess.run(words, cwd=cwd, env=self.env, stdout=log, stderr=subprocess.STDOUT,
                                  input=stdin.encode(), check=False)  # fmt: skip
        if done.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise BuildError(f"`{' '.join(words)}` failed ({done.returncode}); log {self.log}:\n{tail}")


def _content(item: Any) -> Any:
    """What of an input goes into the key."""
    if isinstance(item, Stage):
        return item.key
    if isinstance(item, list):
        return [_content(part) for part in item]
    if isinstance(item, Path) and item.is_dir():
        files = [p for p in sorted(item.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
        return [(str(p.relative_to(item)), _content(p)) for p in files]
    if isinstance(item, Path):
        with item.open("rb") as file:
            return item.name, hashlib.file_digest(file, "sha256").hexdigest()
    return item


def output(*command: str) -> str:
    """Standard output of a command, stripped. Raises BuildError if it is not installed or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed: run guests/setup_host.sh") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"`{' '.join(command)}` failed: {error.stderr.strip()}") from error
