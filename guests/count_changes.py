"""Counts the lines a guest changes to run on SPUMONE, as the paper's Table 3 does.

    python -m guests.count_changes      one JSON object: guest to lines

Linux: per hunk of a kernel's patches (``guests.build.KERNELS``) the larger of added and removed lines. RTOS: the lines
within ``#ifdef SPUMONE`` of ``guests/rtos``, per block the larger of its ``#ifdef`` and its ``#else`` side
(``#ifndef`` the same way round; an ``#elif`` is of the ``#else`` side, unless it names SPUMONE). Blank lines, comments
and the conditionals themselves do not count; a line with several statements counts once for each, in C and, between
\\n or semicolons, in the text of an asm statement.

What does not count: configuration, that is Kconfig (``guests/linux/*.fragment``), the kernel's command line and the
keys of a topology (memory, ``entry``, ``sr``); load addresses and priorities are configuration in the paper's Table 3
too. A driver of its own beside the port (``DRIVERS``) is counted for itself. Nothing is changed behind the patches: no
file is replaced, and no option of the compiler redefines a name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from guests.build import KERNELS, patches

HERE = Path(__file__).resolve().parent
STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'')
ASM = re.compile(r'^\s*"|\b(?:asm|__asm__)\b')  # a line of an asm statement's text, or its first
DRIVERS = ("hvc",)  # patches that add one
CONDITION = re.compile(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b(.*)")


def statements(lines: Iterable[str], hash_comments: bool = False) -> int:
    """Lines of C, assembly, shell or Kconfig text that count; see the module text."""
    total, comment = 0, False
    for line in lines:
        code = STRING.sub('""', line)
        if comment:
            end = code.find("*/")
            if end < 0:
                continue
            code, comment = code[end + 2 :], False
        code = re.sub(r"/\*.*?\*/", "", code)
        if "/*" in code:
            code, comment = code[: code.index("/*")], True
        code = code.split("//")[0]
        if hash_comments:
            code = code.split("#")[0]
        code = code.strip().rstrip("\\").strip()
        if code:
            header = re.match(r"for\s*\(", code)
            parts = 1 if header else sum(1 for part in code.split(";") if part.strip(" {}"))
            total += max(1, parts, instructions(line))
    return total


def instructions(line: str) -> int:
    """Instructions in the text of an asm statement on a line of C; 0 where there is none."""
    if not ASM.search(line):
        return 0
    operands = STRING.sub(lambda found: "s" * len(found[0]), line).find(":")
    texts = STRING.findall(line[:operands] if operands >= 0 else line)
    return sum(1 for text in texts for part in re.split(r"\\n|;", text.strip("\"'")) if part.replace("\\t", "").strip())


def patch_lines(text: str) -> int:
    """Changed lines of a unified diff."""
    total = 0
    for hunk in re.split(r"^@@.*$", text, flags=re.M)[1:]:
        body = []
        for line in hunk.splitlines()[1:]:
            if not line.startswith((" ", "+", "-")) or line.startswith("--- "):
                break
            body.append(line)
        added = statements(line[1:] for line in body if line[0] == "+")
        removed = statements(line[1:] for line in body if line[0] == "-")
        total += max(added, removed)
    return total


def conditional_lines(text: str, name: str = "SPUMONE", hash_comments: bool = False) -> int:
    """Lines that a source has only because of ``#ifdef name``, ``#if defined(name)`` or their opposites."""
    total = 0
    stack: list[_Block | None] = []
    for line in text.splitlines():
        found = CONDITION.match(line)
        if found is None:
            for block in stack:
                if block is not None:
                    block.sides[block.grows].append(line)
            continue
        named = re.search(rf"\b{name}\b", found[2]) is not None
        without = found[1] == "ifndef" or re.search(rf"!\s*defined\s*\(?\s*{name}\b", found[2]) is not None
        if found[1] in ("ifdef", "ifndef", "if"):
            stack.append(_Block(without) if named else None)
        elif found[1] == "endif":
            block = stack.pop()
            # An outer block of the same name has counted these lines already.
            if block is not None and not any(outer is not None for outer in stack):
                total += max(statements(side, hash_comments) for side in block.sides)
        elif (block := stack[-1]) is not None:
            block.grows = without if named else not block.first
        elif named:
            stack[-1] = _Block(without)
    return total


class _Block:
    """Lines of a conditional: sides[False] are there with the name, sides[True] without; ``first`` and ``grows`` say
    on which side it begins and goes on."""

    def __init__(self, without: bool) -> None:
        self.sides: tuple[list[str], list[str]] = ([], [])
        self.first = self.grows = without


def kernel_lines(kernel: str) -> int:
    """Changed lines of a kernel, one of ``guests.build.KERNELS``."""
    return sum(patch_lines(path.read_text()) for path in patches(kernel) if path.stem not in DRIVERS)


def driver_lines() -> dict[str, int]:
    """Lines of each driver that a patch adds."""
    paths = {path for kernel in KERNELS for path in patches(kernel) if path.stem in DRIVERS}
    return {path.stem: patch_lines(path.read_text()) for path in sorted(paths)}


def count(kernel: str = "linux") -> dict[str, int]:
    """``{"linux": lines, "rtos": lines}``, of a kernel and of the RTOS."""
    kinds = {".c", ".h", ".S", ".ld", ".cfg"}
    sources = [p for p in sorted((HERE / "rtos").rglob("*")) if p.suffix in kinds]
    return {"linux": kernel_lines(kernel), "rtos": sum(conditional_lines(p.read_text()) for p in sources)}


if __name__ == "__main__":
    kernels = {name: kernel_lines(name) for name in KERNELS}
    json.dump({"rtos": count()["rtos"], **kernels, "drivers": driver_lines()}, sys.stdout)
    print()
