"""What SPUMONE's firmware and its control side share: the table that says which guests there are, and the sources.

``python -m hypervisor_node.layout > guests/spumone/layout.h`` makes the firmware's side of it. All words are 32 bits,
little-endian, at the firmware's symbol ``spm_table``.
"""

from __future__ import annotations

import struct
from typing import Any

from cosim.sh7780 import INT2MSKCR, INT2MSKR, INTMSK0, INTMSKCLR0, LINE, mask_writes, module_codes

MAGIC = 0x314D5053  # "SPM1"
MAX_GUESTS, MAX_SEGMENTS = 8, 8  # the last segment is the end: bytes = 0
CODES = 0x1000 >> 5  # INTEVT codes 0x000..0xfe0: one byte for each
NOBODY, CONSOLE = 0xFF, 0xFE  # who owns a line but guests: nobody, and SPUMONE's serial device
FPU, MMU, RESTART = 1, 2, 8  # flags of a guest; 4 is the firmware's own
HEADER = ("magic", "guests", "ceiling", "serial", "serial_level")
GUEST = ("priority", "entry", "sr", "flags", "memory", "size", "segments")  # and MAX_SEGMENTS times to, from, bytes
GUEST_WORDS = len(GUEST) + 3 * MAX_SEGMENTS
TABLE_BYTES = 4 * (len(HEADER) + MAX_GUESTS * GUEST_WORDS) + CODES

Segments = list[tuple[int, int, int]]  # (to, from, bytes): what a restart copies; physical addresses


def segments_offset(index: int) -> int:
    """Where in the table a guest's list of segments lies, bytes."""
    return 4 * (len(HEADER) + index * GUEST_WORDS + len(GUEST))


def table(
    ceiling: int, guests: list[dict[str, Any]], owners: dict[int, int], serial: int = 0, serial_level: int = 0
) -> bytes:
    """The table's bytes. ``guests``: entry, sr, flags, memory, size, and segments; ``owners``: INTEVT to index, or
    CONSOLE; ``serial``: address of the SCIF that is SPUMONE's, 0 for none, and its interrupts' level."""
    words = [MAGIC, len(guests), ceiling, serial, serial_level]
    for guest in guests:
        rows: Segments = guest["segments"]
        words += [guest[name] for name in GUEST[:-1]] + [len(rows)]
        words += [word for row in rows for word in row] + [0] * (3 * (MAX_SEGMENTS - len(rows)))
    words += [0] * (GUEST_WORDS * (MAX_GUESTS - len(guests)))
    routes = bytes(owners.get(code << 5, NOBODY) for code in range(CODES))
    return struct.pack(f"<{len(words)}I", *words) + routes


def header() -> str:
    """Text of guests/spumone/layout.h."""
    numbers = {code: k for k, code in enumerate(LINE)}
    sources, index, all_int2 = [], [len(numbers)] * CODES, 0
    for code, line in LINE.items():
        ((register, _, bit),) = mask_writes(code, True)
        bits = {INT2MSKR: (bit, 0), INTMSK0: (0, bit)}[register]
        all_int2 |= bits[0]
        mates = module_codes(code)
        mate = numbers[mates[(mates.index(code) + 1) % len(mates)]]
        sources.append(f"    {{0x{code:03x}, {mate}, {bits[0]:#x}, {bits[1]:#x}}}, /* {line} */")
        index[code >> 5] = numbers[code]
    return "\n".join([
        "/* Generated from hypervisor_node/layout.py by `python -m hypervisor_node.layout`; do not edit. */",
        "#ifndef LAYOUT_H",
        "#define LAYOUT_H",
        "",
        f"#define TABLE_MAGIC {MAGIC:#x}",
        f"#define TABLE_BYTES {TABLE_BYTES}",
        f"#define MAX_GUESTS {MAX_GUESTS}",
        f"#define MAX_SEGMENTS {MAX_SEGMENTS}",
        f"#define CODES {CODES}",
        f"#define NOBODY {NOBODY:#x}",
        f"#define CONSOLE {CONSOLE:#x}",
        f"#define GUEST_FPU {FPU}",
        f"#define GUEST_MMU {MMU}",
        f"#define GUEST_RESTART {RESTART}",
        f"#define INT2MSKR {INT2MSKR:#x}",
        f"#define INT2MSKCR {INT2MSKCR:#x}",
        f"#define ALL_INT2 {all_int2:#x}ul /* bits of INT2MSKR that are sources' below */",
        f"#define INTMSK0 {INTMSK0:#x}",
        f"#define INTMSKCLR0 {INTMSKCLR0:#x}",
        "",
        "#ifndef __ASSEMBLER__",
        "",
        "struct segment {",
        "    unsigned long to, from, bytes;",
        "};",
        "",
        "struct guest {",
        f"    unsigned long {', '.join(GUEST)};",
        "    struct segment segment[MAX_SEGMENTS];",
        "};",
        "",
        "struct table {",
        f"    unsigned long {', '.join(HEADER)};",
        "    struct guest guest[MAX_GUESTS];",
        "    unsigned char owner[CODES]; /* by INTEVT / 0x20: index of a guest, NOBODY or CONSOLE */",
        "};",
        "",
        "/* Interrupt sources: INTEVT, the next one of the same mask bit (a ring), the bit in INT2MSKR or INTMSK0. */",
        "struct source {",
        "    unsigned short code, mate;",
        "    unsigned long int2, irq;",
        "};",
        f"#define SOURCES {len(sources)}",
        "static const struct source sources[SOURCES] = {",
        *sources,
        "};",
        "/* By INTEVT / 0x20; SOURCES where there is none. */",
        "static const unsigned char source_index[CODES] = {",
        *("    " + ", ".join(f"{n}" for n in index[k : k + 16]) + "," for k in range(0, CODES, 16)),
        "};",
        "",
        "#endif",
        "#endif",
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    print(header(), end="")
