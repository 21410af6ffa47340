"""The guest of docs/how-to/add-a-guest.md, as the page has it: it builds, runs beside Linux, and does nothing amiss."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from whole_machine import SPUMONE, machine

from cosim.image import load_elf
from guests.build import CROSS, build

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-guest.md").read_text()
pytestmark = pytest.mark.skipif(shutil.which(CROSS + "gcc-12") is None, reason="no cross compiler")


def block(start: str) -> str:
    """The indented block of the page that begins with a text."""
    rows = PAGE[PAGE.index("    " + start) :].split("\n")
    ends = ("    $",) if not start.startswith("$") else ()
    end = next(k for k, row in enumerate(rows) if row and (not row.startswith("    ") or row.startswith(ends)))
    return textwrap.dedent("\n".join(rows[:end])).strip() + "\n"


@pytest.mark.parametrize("impl", ["model", "firmware"])
def test_as_the_page_says(tmp_path: Path, impl: str) -> None:
    (tmp_path / "blink.c").write_text(block('#include "spumone.h"'))
    command = block("$ CC=").replace("\\\n", " ").splitlines()[1].removeprefix("$ $CC ")
    command = command.replace("-Iguests/include", f"-I{ROOT / 'guests' / 'include'}")
    subprocess.run([build("toolchain")["cc"], *command.split()], cwd=tmp_path, check=True)
    text = SPUMONE.read_text()
    for table in ("nodes.scif0", "guests.rtos"):
        text = re.sub(rf"^\[{re.escape(table)}\]\n.*?(?=^\[|\Z)", "", text, flags=re.M | re.S)
    (tmp_path / "blink.toml").write_text(text + "\n" + block("[guests.blink]"))
    board = machine(tmp_path / "blink.toml", f"spumone.impl={impl}", "linux.image=guest:linux-ceiling/vmlinux")
    symbol = load_elf(tmp_path / "blink.elf").symbol("job")
    board.observe("deadline", guest="blink", symbol="job", pc=symbol, period=800_016)
    assert board.go(80_000_000)[0] == "until"
    (row,) = board.figures()["deadlines"]
    assert (row["activations"], row["misses"]) == (99, 0)
    assert board.reports == []
