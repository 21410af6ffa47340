"""Clock pulse generator of the SH7780: FRQCR as a 400 MHz board starts, and the standby registers.

Left out: changing the clock. FRQCR: IFC bit 24 = 0 (/2), PFC 1:0 = 1 (/24) of an 800 MHz PLL.
"""

from __future__ import annotations

from cosim import NEVER
from cosim.device import Device
from cosim.messages import LeaseRow, PostRow
from cosim.registers import Register

BASE = 0xFFC80000
FRQCR_400MHZ = 0x00230001


class Plain(Device):
    """A block of registers that only store: every one leased, every write posted."""

    def leases(self) -> list[LeaseRow]:
        return [(r.address, r.size, NEVER, [(self.now, self.file.value[r.name], 0, 0)]) for r in self.registers]

    def posts(self) -> list[PostRow]:
        return [(r.address, r.size, NEVER, 0) for r in self.registers]


class Cpg(Plain):
    """FRQCR, PLLCR, standby control."""

    ROLE = "cpg"

    def setup(self) -> None:
        self.registers = (
            Register("FRQCR", BASE, 4, FRQCR_400MHZ, 0, "dividers; constant here"),
            Register("PLLCR", BASE + 0x24, 4, 0, 0x2, "PLL control"),
            Register("MSTPCR0", BASE + 0x30, 4, 0, 0xFFFFFFFF, "module stop 0"),
            Register("MSTPCR1", BASE + 0x34, 4, 0, 0xFFFFFFFF, "module stop 1"),
        )
        self.regions = [(BASE, BASE + 0xFF)]
