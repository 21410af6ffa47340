"""What stands in the tracked files: no machine's own paths, no package hosts, no tools' names, no binaries."""

from __future__ import annotations

import ast
import re

import pytest
from files import NODES, PACKAGES, ROOT, python, tracked, tree

# Written with brackets, so that this file passes its own test.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.\-])/(wor[k]|roo[t]|hom[e]|User[s])/",
    "a package host": r"[p]ypi\.org|[p]ythonhosted\.org|[d]eb\.debian\.org|[a]rchive\.ubuntu\.com|[n]pmjs|[c]rates\.io"
    r"|[r]ubygems\.org|[p]roxy\.golang\.org|[c]onda\.anaconda\.org",
    "the tool that wrote it": r"\b([c]laude|[a]nthropic|[o]penai|[c]hatgpt|[c]opilot|[s]ub-?agents?|[l]anguage model"
    r"|[c]o-authored-by|[t]his session|[s]ession_id)\b",
}


def text(path) -> str:
    return (ROOT / path).read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names(what):
    pattern = re.compile(FORBIDDEN[what], re.IGNORECASE)
    found = []
    for path in tracked():
        for number, line in enumerate(text(path).splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path}:{number}: {match[0]!r}")
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("cd /wor~k/main", "a path of one machine"),
        ("'/roo~t/.cache'", "a path of one machine"),
        ("PATH=/hom~e/me/bin", "a path of one machine"),
        ("https://py~pi.org/simple", "a package host"),
        ("Co-Authored~-By: somebody", "the tool that wrote it"),
    ],
)
def test_the_patterns_find(line, what):
    assert re.search(FORBIDDEN[what], line.replace("~", ""), re.IGNORECASE)


@pytest.mark.parametrize("line", ["guests/linux/root/etc", "network/x", "start_new_session=True", "../work/"])
def test_the_patterns_leave(line):
    assert not any(re.search(pattern, line, re.IGNORECASE) for pattern in FORBIDDEN.values())


def test_no_tracked_file_is_binary():
    binary = []
    for path in tracked():
        raw = (ROOT / path).read_bytes()
        try:
            raw.decode()
        except UnicodeDecodeError:
            binary.append(path)
        else:
            if b"\0" in raw:
                binary.append(path)
    assert not binary, f"guests and images are built from source: {', '.join(map(str, binary))}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_module_says_first_what_it_is(package):
    silent = []
    for path in python(package):
        lines = (ast.get_docstring(tree(path), clean=False) or "").splitlines()
        public = path.stem[:1] != "_" or (path.stem == "__init__" and tree(path).body)
        if public and not (lines and lines[0].strip()):
            silent.append(str(path))
    assert not silent, f"no docstring, or an empty first line: {', '.join(silent)}"


def prints(module: ast.Module) -> list[tuple[int, bool]]:
    """(line, to stderr) of the calls of print outside ``if __name__ == "__main__"``."""
    found, queue = [], list(module.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append((node.lineno, any(ast.unparse(k) == "file=sys.stderr" for k in node.keywords)))
        queue.extend(ast.iter_child_nodes(node))
    return sorted(found)


@pytest.mark.parametrize("package", NODES)
def test_nodes_do_not_print(package):
    found = [f"{path}:{line}" for path in python(package) for line, _ in prints(tree(path))]
    assert not found, f"a node reports by messages: {', '.join(found)}"


def test_cosim_prints_to_stderr_only():
    found = [f"{path}:{line}" for path in python("cosim") for line, stderr in prints(tree(path)) if not stderr]
    assert not found, f"stdout belongs to the command: {', '.join(found)}"


def test_the_check_for_print_itself():
    source = 'def f():\n    print(1)\nprint(2, file=sys.stderr)\nif __name__ == "__main__":\n    print(3)\n'
    assert prints(ast.parse(source)) == [(2, False), (3, True)]
