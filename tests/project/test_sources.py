"""Each test of exceptions, MMU and FPU names its source, and docs/reference/semantics.md defines what it names.

A source is a comment in the test, ``# Source: [S 94], [own]``: keys of the table "Sources", with the pages cited. A
page that the table does not list was not read, and so is not cited.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from files import ROOT

FILES = [Path("tests/cpu") / name for name in ("test_exceptions.py", "test_mmu.py", "test_fpu.py")]
PAGE = Path("docs/reference/semantics.md")
CITED = re.compile(r"\[(\w+)((?: \d+)?)\](?!\()")  # [own], [S 94]; not a link
ROW = re.compile(r"^\| (\w+) \| [^|]+ \| ([\d, ]*)\|$", re.MULTILINE)


def defined(text: str) -> dict[str, set[str]]:
    """Pages read by key, of the table of a page."""
    return {key: set(re.findall(r"\d+", pages)) for key, pages in ROW.findall(text)}


def faults(text: str, keys: dict[str, set[str]]) -> list[str]:
    """What a text cites that is not defined: a key, a page that was not read, or a manual without its page."""
    found = []
    for key, page in CITED.findall(text):
        if key not in keys:
            found.append(f"[{key}{page}]: no such key")
        elif bool(page) != bool(keys[key]) or page and page.strip() not in keys[key]:
            found.append(f"[{key}{page}]: pages read are {', '.join(sorted(keys[key], key=int)) or 'none'}")
    return found


def sources(text: str) -> dict[str, str]:
    """The sources of each test function of a file, empty where it names none."""
    lines = text.splitlines()
    tests = [f for f in ast.parse(text).body if isinstance(f, ast.FunctionDef) and f.name.startswith("test")]
    bodies = {f.name: lines[f.lineno - 1 : f.end_lineno] for f in tests}
    return {name: " ".join(line for line in body if "# Source: " in line) for name, body in bodies.items()}


KEYS = defined((ROOT / PAGE).read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_test_names_a_source_that_is_defined(path: Path) -> None:
    found = []
    for name, cited in sources((ROOT / path).read_text()).items():
        if not CITED.search(cited):
            found.append(f'{name}: no "# Source: [key]"')
        found += [f"{name}: {fault}" for fault in faults(cited, KEYS)]
    assert not found, f"{path}, by the table of {PAGE}:\n" + "\n".join(found)


def test_rules_cite_what_the_table_defines() -> None:
    assert not (found := faults((ROOT / PAGE).read_text(), KEYS)), f"{PAGE}: " + "\n".join(found)


def test_every_section_of_rules_cites() -> None:
    sections = (ROOT / PAGE).read_text().split("\n## ")[1:]
    silent = [section.splitlines()[0] for section in sections if not CITED.search(section)]
    assert len(sections) == 7 and not silent, silent


def test_the_check_itself() -> None:
    keys = defined("| key | source | pages read |\n| S | a manual | 3, 94 |\n| own | we | |\n")
    assert keys == {"S": {"3", "94"}, "own": set()}
    assert faults("[S 94], [own]: [S 3] [own](a-link.md)", keys) == []
    assert len(faults("[T 94] [S 4] [S] [own 3]", keys)) == 4
    text = 'def test_a():\n    # Source: [S 94]\n    f()\n\n\ndef test_b():\n    """[S 3]"""\n'
    assert {name: bool(cited) for name, cited in sources(text).items()} == {"test_a": True, "test_b": False}
