"""Who may import whom: nodes know cosim, cosim knows nobody, and nobody knows another node."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from files import NODES, PACKAGES, python, tree

MAY_IMPORT = {
    "cosim": {"cosim"},
    **{node: {"cosim", node} for node in NODES},
    "launch": {"cosim", "launch", "guests"},  # guests: to build them
    "guests": {"guests"},
}
REGISTRY = Path("cosim/placement.py")  # names components as text, and imports them when one is made


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, top-level name) of everything imported, by statement or by a call with a literal name."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "run_module", "find_spec"):
                yield node.lineno, str(node.args[0].value).split(".")[0]


def named(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, package) of every text that is the name of a module, or of an object in one."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.fullmatch(r"(\w+)(\.\w+)+(:\w+)?", node.value)
            if found and found[1] in PACKAGES:
                yield node.lineno, found[1]


def violations(path: Path, module: ast.Module) -> list[str]:
    package = path.parts[0]
    used = list(imported(module)) + ([] if path == REGISTRY else list(named(module)))
    return [
        f"{path}:{line}: {package} uses {other}; it may use {', '.join(sorted(MAY_IMPORT[package]))}"
        for line, other in sorted(used)
        if other in PACKAGES and other not in MAY_IMPORT[package]
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_directions(package):
    found = [text for path in python(package) for text in violations(path, tree(path))]
    assert not found, "\n".join(found)


def test_relative_imports_stay_in_their_package():
    # `from .. import x` above the top would fail at run time, but only on the path that reaches it.
    for package in PACKAGES:
        for path in python(package):
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.ImportFrom):
                    assert node.level < len(path.parts), f"{path}:{node.lineno}: import above {package}"


@pytest.mark.parametrize(
    ("path", "source", "refused"),
    [
        ("cosim/a.py", "import cpu_node", True),
        ("cosim/a.py", "from cpu_node.machine import Machine", True),
        ("cosim/a.py", "def f():\n    import launch.cli", True),
        ("cosim/a.py", "import importlib\nimportlib.import_module('device_nodes.tmu')", True),
        ("cosim/a.py", "ROLE = 'device_nodes.tmu:Tmu'", True),
        ("cosim/placement.py", "ROLE = 'device_nodes.tmu:Tmu'", False),
        ("cosim/placement.py", "import device_nodes", True),
        ("cpu_node/a.py", "from device_nodes import tmu", True),
        ("device_nodes/a.py", "from cpu_node import machine", True),
        ("device_nodes/a.py", "import cosim.messages, device_nodes.cpg", False),
        ("launch/a.py", "import hypervisor_node", True),
        ("launch/a.py", "import guests.build, cosim", False),
        ("launch/a.py", "command = ['-m', 'cosim.node']", False),
        ("guests/a.py", "import cosim", True),
        ("cosim/a.py", "import msgpack, cpu_node_of_somebody_else", False),
    ],
)
def test_the_check_itself(path, source, refused):
    assert bool(violations(Path(path), ast.parse(source))) == refused
