"""Disassembler from the instruction table, in the text of binutils."""

from __future__ import annotations

from cpu_node.isa import WORDS


def disassemble(word: int, pc: int = 0) -> str:
    """Assembler text of a 16-bit word at address pc; ``.word 0x....`` where it is no instruction."""
    row = WORDS[word]
    if row is None:
        return f".word 0x{word:04x}"
    n, m, low, d8 = word >> 8 & 15, word >> 4 & 15, word & 15, word & 255
    signed8 = (d8 ^ 128) - 128
    fields = {
        "n": f"r{n}",
        "m": f"r{m}",
        "n4": f"r{m}",
        "fn": f"fr{n}",
        "fm": f"fr{m}",
        "dn": f"dr{n & 14}",
        "vn": f"fv{n & 12}",
        "vm": f"fv{(n & 3) << 2}",
        "bank": f"r{m & 7}_bank",
        "i": f"#{signed8}",
        "u": f"#{d8}",
        "d1": low if row.pattern.endswith("dddd") and row.pattern[8] != "d" else d8,
        "d2": (low if row.pattern[8] != "d" else d8) * 2,
        "d4": (low if row.pattern[8] != "d" else d8) * 4,
        "b8": f"0x{pc + 4 + signed8 * 2 & 0xFFFFFFFF:x}",
        "b12": f"0x{pc + 4 + ((word & 0xFFF ^ 0x800) - 0x800) * 2 & 0xFFFFFFFF:x}",
        "pc2": f"0x{pc + 4 + d8 * 2 & 0xFFFFFFFF:x}",
        "pc4": f"0x{(pc & ~3) + 4 + d8 * 4 & 0xFFFFFFFF:x}",
    }
    return row.text.format(**fields)
