"""A line assembler made from the instruction table, so that directed tests need no cross compiler.

    assemble("mov #5,r0; add r0,r1") -> bytes

Branch and PC-relative operands are the displacement in bytes from the instruction: ``bra .+8``, ``bra .-4``;
``.word 0x1234`` and ``.long 0x12345678`` are data.
"""

from __future__ import annotations

import re
import struct
from functools import cache

from cpu_node.isa import TABLE, Row

_REGISTER = {  # field: pattern of its text, place of its number
    **dict.fromkeys(("n",), (r"r(\d+)", 8)),
    **dict.fromkeys(("m", "n4"), (r"r(\d+)", 4)),
    "fn": (r"fr(\d+)", 8),
    "fm": (r"fr(\d+)", 4),
    "dn": (r"dr(\d+)", 8),
    "vn": (r"fv(\d+)", 8),
    "vm": (r"fv(\d+)", 8),
    "bank": (r"r(\d)_bank", 4),
}
_NUMBER = r"(-?\d+|-?0x[0-9a-f]+)"
_SCALE = {"d1": 1, "d2": 2, "d4": 4, "pc2": 2, "pc4": 4, "b8": 2, "b12": 2}


@cache
def _rules() -> dict[str, list[tuple[Row, list[str], re.Pattern[str]]]]:
    rules: dict[str, list[tuple[Row, list[str], re.Pattern[str]]]] = {}
    for row in TABLE:
        fields: list[str] = []
        pattern = ""
        for part in re.split(r"(\{\w+\})", row.text):
            if not part.startswith("{"):
                pattern += re.escape(part)
                continue
            fields.append(part[1:-1])
            if fields[-1] in _REGISTER:
                pattern += _REGISTER[fields[-1]][0]
            elif fields[-1] in ("i", "u"):
                pattern += "#" + _NUMBER
            else:
                pattern += (r"\.\+?" if fields[-1][0] in "bp" else "") + _NUMBER
        rules.setdefault(row.text.split()[0], []).append((row, fields, re.compile(pattern)))
    return rules


def _place(row: Row, field: str, text: str, address: int) -> int | None:
    value = int(text, 0)
    if field == "vm":
        return value >> 2 << 8
    if field in _REGISTER:
        return value << _REGISTER[field][1] if value < 16 else None
    if field in ("i", "u"):
        return value & 0xFF if -128 <= value < 256 else None
    scale, bits = _SCALE[field], 12 if field == "b12" else 8
    if row.pattern.endswith("dddd") and row.pattern[8] != "d":
        bits = 4
    if field[0] in "bp":
        base = address & ~3 if field == "pc4" else address
        value = address + value - base - 4
    signed = field[0] == "b"
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if value % scale or not low <= value // scale < high:
        return None
    return value // scale & (1 << bits) - 1


def word(text: str, address: int = 0) -> int:
    """The 16-bit word of one instruction. ValueError where the table has none."""
    for row, fields, pattern in _rules().get(text.split()[0], ()):
        match = pattern.fullmatch(text)
        if match is None:
            continue
        places = [_place(row, f, g, address) for f, g in zip(fields, match.groups(), strict=True)]
        if None not in places:
            return row.match | sum(p for p in places if p is not None)
    raise ValueError(f"no instruction {text!r}")


def assemble(source: str, address: int = 0) -> bytes:
    """Instructions separated by ``;`` or lines, for ``address``."""
    code = b""
    for line in re.split(r"[;\n]", source):
        text = line.split("!")[0].strip()
        if text.startswith(".word "):
            code += struct.pack("<H", int(text[6:], 0))
        elif text.startswith(".long "):
            code += struct.pack("<I", int(text[6:], 0))
        elif text:
            code += struct.pack("<H", word(text, address + len(code)))
    return code
