"""The tracked files, for the tests about the repository itself."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODES = ("cpu_node", "hypervisor_node", "device_nodes")
PACKAGES = ("cosim", *NODES, "launch", "guests")


@cache
def tracked() -> tuple[Path, ...]:
    """Tracked files that are there, relative to the root."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(path for name in done.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file())


def python(package: str) -> list[Path]:
    """Tracked Python files of a package."""
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] == package]


@cache
def tree(path: Path) -> ast.Module:
    """Syntax tree of a file."""
    return ast.parse((ROOT / path).read_text(), str(path))
