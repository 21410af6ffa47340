"""What is typed for a serial port: bytes, and marks of those that are more than a byte.

A mark is (place among the bytes, condition): the character at that place arrives with a framing or parity error, or in
its place a break does, which is no character. The serial device, the journal and ``Input`` hold both in one number, the
byte with the condition's bits above it.
"""

from __future__ import annotations

from collections.abc import Sequence

FRAMING, PARITY, BREAK = 0x100, 0x200, 0x400
CONDITIONS = FRAMING | PARITY | BREAK
Marks = Sequence[tuple[int, int]]


def with_marks(data: bytes, marks: Marks) -> list[int]:
    """The characters of what was typed, each its byte and the bits of its condition. ValueError for a mark of none."""
    entries = list(data)
    for place, condition in marks:
        if not 0 <= place < len(entries):
            raise ValueError(f"mark at place {place} of {len(entries)} bytes")
        if not condition or condition & ~CONDITIONS:
            raise ValueError(f"mark {condition:#x} at place {place}; expected {FRAMING:#x}, {PARITY:#x} or {BREAK:#x}")
        entries[place] |= condition
    return entries
