"""The instruction table against binutils, over all 65,536 words."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from assembler import assemble, word

from cpu_node import isa
from cpu_node.disasm import disassemble
from cpu_node.isa import TABLE, WORDS

ROOT = Path(__file__).resolve().parents[2]
LEGAL = 59_131
objdump = pytest.mark.skipif(
    shutil.which("sh4-linux-gnu-objdump") is None, reason="sh4-linux-gnu-objdump is missing: run guests/setup_host.sh"
)

# Words whose text differs from binutils', by instruction, with the reason. None does.
DIFFERENT_TEXT: dict[str, str] = {}


@pytest.fixture(scope="module")
def binutils(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Text of every word; the word w lies at address 2 * w."""
    path = tmp_path_factory.mktemp("objdump") / "words.bin"
    path.write_bytes(struct.pack("<65536H", *range(65536)))
    command = ["sh4-linux-gnu-objdump", "-D", "-z", "-b", "binary", "-m", "sh4a", "-EL", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^ *([0-9a-f]+):\t.. .. +\t(.*)$", text, re.MULTILINE)
    # a comment after ! names what a PC-relative load would read
    return {int(at, 16) // 2: " ".join(line.split("!")[0].split()) for at, line in rows}


@objdump
def test_legal_words_are_those_of_binutils(binutils: dict[int, str]) -> None:
    assert len(binutils) == 65536
    theirs = {w for w, text in binutils.items() if not text.startswith(".word")}
    ours = {w for w in range(65536) if WORDS[w] is not None}
    assert sorted(f"{w:04x}" for w in theirs ^ ours) == []
    assert len(ours) == LEGAL


@objdump
def test_text_is_that_of_binutils(binutils: dict[int, str]) -> None:
    different = {}
    for w, text in binutils.items():
        row = WORDS[w]
        if row is not None and row.name not in DIFFERENT_TEXT and disassemble(w, 2 * w) != text:
            different[f"{w:04x}"] = (text, disassemble(w, 2 * w))
    assert different == {}


def test_no_word_matches_two_rows() -> None:
    rows = [(row.mask, row.match) for row in TABLE]
    for k, (mask, match) in enumerate(rows):
        for other_mask, other in rows[:k]:
            assert (match ^ other) & mask & other_mask, (TABLE[k].name, f"{other:04x}")
    assert sum(row is not None for row in WORDS) == LEGAL


def test_illegal_words_are_shown_as_data() -> None:
    assert disassemble(0x0000) == ".word 0x0000"


def test_the_tests_assembler_inverts_the_disassembler() -> None:
    def again() -> Iterator[tuple[int, int]]:
        for w, row in enumerate(WORDS):
            if row is not None:
                text = re.sub(r"0x([0-9a-f]+)", lambda m: f".+{int(m[1], 16) - 0x1000}", disassemble(w, 0x1000))
                yield w, word(text.replace("+-", "-"), 0x1000)

    assert [(f"{a:04x}", f"{b:04x}") for a, b in again() if a != b] == []
    assert assemble("bra .+8; nop; .word 0x1234; .long 1") == struct.pack("<3HI", 0xA002, 9, 0x1234, 1)


def test_decode_table_of_the_native_core_is_current() -> None:
    committed = (ROOT / "cpu_node" / "native" / "isa.h").read_text()
    assert committed == isa.header(), "run: python -m cpu_node.isa header > cpu_node/native/isa.h"


def test_reference_page_is_current() -> None:
    committed = (ROOT / "docs" / "reference" / "instructions.md").read_text()
    assert committed == isa.reference(), "run: python -m cpu_node.isa > docs/reference/instructions.md"


def test_every_row_has_known_flags_pipe_class_and_operands() -> None:
    for row in TABLE:
        assert row.pipe in isa.PIPES and row.latency in isa.LATENCIES, row
        assert {*row.reads, *row.writes, *row.writes_at_once} <= set(isa.OPERANDS), row
        assert set(row.flags) <= set("PBDFS"), row
        assert "D" not in row.flags or "B" in row.flags, row
    assert len({row.name for row in TABLE}) == len(TABLE)
