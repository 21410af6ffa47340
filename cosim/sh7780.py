"""Interrupt sources of the SH7780, once: line, INTEVT code, priority field and mask bit.

The interrupt controller makes its table of it, SPUMONE routes by it. Codes, fields and bits as in Linux's
setup-sh7780.c. What one mask bit covers (a module, or a pin) belongs to one guest: SPUMONE masks by it.
"""

from __future__ import annotations

from typing import NamedTuple

INT2MSKR, INT2MSKCR = 0xFFD40038, 0xFFD4003C
INTMSK0, INTMSKCLR0 = 0xFFD00044, 0xFFD00064


class Source(NamedTuple):
    """One on-chip line: INTEVT, INT2PRI register and bit position of its level, INT2MSKR bit."""

    line: str
    intevt: int
    pri: int
    shift: int
    mask: int


SCIF_KINDS = ("ERI", "RXI", "BRI", "TXI")
MODULES = (
    *(Source(f"TUNI{n}", 0x580 + 0x20 * n, 0, 24 - 8 * n, 0) for n in range(3)),
    *(Source(f"TUNI{n}", 0xE00 + 0x20 * (n - 3), 1, 24 - 8 * (n - 3), 1) for n in range(3, 6)),
    *(Source(f"{kind}0", 0x700 + 0x20 * k, 2, 24, 3) for k, kind in enumerate(SCIF_KINDS)),
    *(Source(f"{kind}1", 0xB80 + 0x20 * k, 2, 16, 4) for k, kind in enumerate(SCIF_KINDS)),
    Source("ITI", 0x560, 2, 8, 5),
)
PINS = tuple((f"IRQ{n}", 0x200 if n == 7 else 0x240 + 0x40 * n) for n in range(8))  # IRQ7 is the odd one

INTEVT = {**{s.line: s.intevt for s in MODULES}, **dict(PINS)}
LINE = {intevt: line for line, intevt in INTEVT.items()}

# Register blocks of a component that has several, by first address: the lines of each. Elsewhere it is all its lines.
BLOCKS = {0xFFD80000: ("TUNI0", "TUNI1", "TUNI2"), 0xFFDC0000: ("TUNI3", "TUNI4", "TUNI5")}


def module_codes(intevt: int) -> tuple[int, ...]:
    """All INTEVT codes that one mask bit covers with this one: they belong to one guest. Raises KeyError."""
    line = LINE[intevt]
    for source in MODULES:
        if source.line == line:
            return tuple(s.intevt for s in MODULES if s.mask == source.mask)
    return (intevt,)


def mask_writes(intevt: int, masked: bool) -> list[tuple[int, int, int]]:
    """MMIO writes (address, size, value) that mask or unmask the source of a code, by set and clear registers."""
    line = LINE[intevt]
    for source in MODULES:
        if source.line == line:
            return [(INT2MSKR if masked else INT2MSKCR, 4, 1 << source.mask)]
    return [(INTMSK0 if masked else INTMSKCLR0, 4, 1 << (31 - int(line[3:])))]
