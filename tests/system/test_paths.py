"""SPUMONE's paths are code: each listing assembles, and is counted as the assembler and disassembler see it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from guests.build import CROSS
from hypervisor_node.paths import COSTS, LISTINGS, Cost, count

pytestmark = pytest.mark.skipif(shutil.which(CROSS + "as") is None, reason=f"{CROSS}as is not installed")
JUMPS = ("jmp", "jsr", "rts", "rte", "nop", "sleep", "bf", "bt")


def wrap(listing: str) -> str:
    """The listing with what its numeric labels stand for: a literal, or a place to branch to."""
    out = ["    .text"]
    for line in listing.splitlines():
        code = line.split("!")[0].strip()
        if code.startswith("mov.l") and "1f," in code:
            code = code.replace("1f,", "9f,")
        out.append("    " + code)
        if code.startswith(("bf", "bt")):
            out.append("1:")
    return "\n".join([*out, "end:", "    .balign 4", "9:  .long 0xff000000", ""])


def assembled(listing: str, folder: Path) -> list[tuple[str, str]]:
    """(mnemonic, operands) of each instruction, as the disassembler reads what the assembler made."""
    source, binary = folder / "path.s", folder / "path.o"
    source.write_text(wrap(listing))
    done = subprocess.run([CROSS + "as", "-little", "-o", binary, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = subprocess.run([CROSS + "objdump", "-d", "-m", "sh4a", binary], capture_output=True, text=True).stdout
    rows = []
    for line in text.split("\n"):
        if re.match(r"[0-9a-f]+ <end>:", line):
            break
        found = re.match(r"\s+[0-9a-f]+:\t[0-9a-f ]+\t(\S+)\s*([^!]*)", line)
        if found:
            rows.append((found[1], found[2].strip()))
    return rows


@pytest.mark.parametrize("name", LISTINGS)
def test_it_assembles_and_is_counted(name, tmp_path):
    rows = assembled(LISTINGS[name], tmp_path)
    assert not [row for row in rows if row[0].startswith(".")]
    loads = stores = 0
    for mnemonic, operands in rows:
        if mnemonic in JUMPS:
            continue
        # The last operand is the destination; a comma within brackets parts no operands.
        parts = re.split(r",(?![^(]*\))", operands)
        loads += parts[0].startswith("@") or (mnemonic == "mov.l" and not parts[0].startswith(("r", "@")))
        stores += len(parts) > 1 and parts[-1].startswith("@")
    assert COSTS[name] == Cost(len(rows), loads, stores)


@pytest.mark.parametrize(
    ("listing", "cost"),
    [
        ("", Cost(0, 0, 0)),
        ("    ! only a comment\n\n", Cost(0, 0, 0)),
        ("mov.l @r1,r2", Cost(1, 1, 0)),
        ("mov.l @(4,r1),r2 ! a load", Cost(1, 1, 0)),
        ("mov.l @(r0,r1),r2", Cost(1, 1, 0)),
        ("mov.l r2,@(4,r1)", Cost(1, 0, 1)),
        ("mov.l r2,@(r0,r1)", Cost(1, 0, 1)),
        ("mov.l r2,@-r1", Cost(1, 0, 1)),
        ("mov.l 1f,r2", Cost(1, 1, 0)),
        ("bf 1f", Cost(1, 0, 0)),
        ("jmp @r1\nnop", Cost(2, 0, 0)),
        ("stc.l ssr,@-r15\nldc.l @r15+,ssr", Cost(2, 1, 1)),
    ],
)
def test_count(listing, cost):
    assert count(listing) == cost
