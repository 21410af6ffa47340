"""Accesses at which nothing answers are told: guest, PC, address, read or write; the first, and how many there were."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_guests import MS, needs_compiler, start, symbol
from whole_machine import SPUMONE, machine

from guests.build import artefact

pytestmark = needs_compiler

CASE = """
    for (int k = 0; k < 3; k++)
        store(0xffe90000, k);
    load(0xffe90004);
    store(0xff200004, 7); /* the core's own */
"""


@pytest.mark.parametrize("impl", ["model", "firmware"])
@pytest.mark.parametrize("core", ["native", "python"])
def test_of_a_guest(tmp_path: Path, impl: str, core: str) -> None:
    board = start(tmp_path, impl, {"low": CASE}, {}, f"cpu.core={core}", wait=2)
    assert board.go(10 * MS)[0] == "until"
    at = {key: f"0x{symbol(tmp_path, 'low', key):08x}" for key in ("at_load", "at_store")}
    rows = board.figures()["unmapped"]
    assert [text.partition(": ")[2] for text in board.reports] == [
        f"guest low at pc {at['at_store']} wrote 0xffe90000 (4 bytes), where nothing answers: the value is lost",
        f"guest low at pc {at['at_load']} read 0xffe90004 (4 bytes), where nothing answers: it gave 0",
    ]
    assert [text.partition(": ")[0] for text in board.reports] == [f"tick {row['tick']}" for row in rows]
    assert [(row["access"], row["address"], row["guest"], row["pc"], row["count"]) for row in rows] == [
        ("write", "0xffe90000", "low", at["at_store"], 3), ("read", "0xffe90004", "low", at["at_load"], 1)
    ]  # fmt: skip


def test_a_jump_to_nowhere(tmp_path: Path) -> None:
    """A call through a null pointer."""
    board = start(tmp_path, "firmware", {"low": "call(0x80000000);"}, {}, wait=2)
    board.go(10 * MS)
    texts = [text.partition(": ")[2] for text in board.reports]
    assert texts[0] == ("guest low at pc 0x80000000 ran code at 0x00000000, where nothing answers: the word read as 0")


def test_a_bare_machine(tmp_path: Path) -> None:
    """The guest is named there too."""
    path = tmp_path / "bare.toml"
    image = artefact("rtos", "hello.elf")
    path.write_text(
        "[nodes.cpu]\nrole='cpu'\n[nodes.intc]\nrole='intc'\n"
        f"[guests.hello]\nimage='{image}'\nmemory=[0x0e000000, 0x01000000]\n"
    )  # no serial port
    board = machine(path)
    board.go(10 * MS)
    (first, *_) = board.reports
    assert "guest hello at pc 0x8e" in first and "where nothing answers" in first


def test_linux_and_the_rtos_have_none() -> None:
    board = machine(SPUMONE)
    board.go(400 * MS)
    assert board.figures()["unmapped"] == []
