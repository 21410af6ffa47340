"""Local bus state controller of the SH7780: its registers store what is written; memory timing is the core's.

Register addresses as Linux's board-sh2007.c uses them. Left out: any effect.
"""

from __future__ import annotations

from cosim.registers import Register
from device_nodes.cpg import Plain

BASE = 0xFF800000


class Bsc(Plain):
    """BCR and one BCR/WCR/PCR set for each of areas 0-6."""

    ROLE = "bsc"

    def setup(self) -> None:
        rows = [Register("BCR", BASE + 0x1000, 4, 0, 0xFFFFFFFF, "bus control")]
        for area in (0, 1, 2, 4, 5, 6):
            at = BASE + 0x2000 + 0x10 * area
            rows.append(Register(f"CS{area}BCR", at, 4, 0x77777770, 0xFFFFFFFF, f"area {area} bus control"))
            rows.append(Register(f"CS{area}WCR", at + 8, 4, 0x7777770F, 0xFFFFFFFF, f"area {area} wait control"))
        for area in (5, 6):
            at = BASE + 0x2070 + 0x10 * (area - 5)
            rows.append(Register(f"CS{area}PCR", at, 4, 0x77000000, 0xFFFFFFFF, f"area {area} PCMCIA control"))
        self.registers = tuple(rows)
        self.regions = [(BASE, BASE + 0x2FFF)]
