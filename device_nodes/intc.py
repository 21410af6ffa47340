"""Interrupt controller of the SH7780: the INTC block (IRQ pins) and the INT2 block (on-chip modules).

Sources, INTEVT codes, priority fields and mask bits as in Linux's setup-sh7780.c. It owns masks and
priorities and leases them as a table; acceptance is decided in the CPU node, which applies line changes
to that table. At an equal CPU level the higher 5-bit priority wins, then the order of the table below
(the manual's order was not at hand). Left out: edge-sensed IRQ pins, IRL encoding, NMI.
"""

from __future__ import annotations

from typing import Any

from cosim import NEVER
from cosim.device import Device
from cosim.messages import Body, LeaseRow, Lines, SourceRow
from cosim.registers import Register
from cosim.sh7780 import MODULES, PINS, SCIF_KINDS

INTC, INT2, USER = 0xFFD00000, 0xFFD40000, 0xFFD30000


MODULE_BITS = 0x3FF & ~(1 << 6)  # implemented bits of INT2MSKR


class Intc(Device):
    """Masks, priorities and request registers; its answers carry the table when it changed."""

    ROLE = "intc"

    def setup(self) -> None:
        r = Register
        self.registers = (
            r("ICR0", INTC, 4, 0, 0x00F00000, "pin mode: 23 IRL, 21 no level holding"),
            r("INTPRI", INTC + 0x10, 4, 0, 0xFFFFFFFF, "IRQ0-7 levels, 4 bits each, IRQ0 first"),
            r("ICR1", INTC + 0x1C, 4, 0, 0xFFFF0000, "IRQ sense, 2 bits each: 2 low level, 3 high level"),
            r("INTREQ", INTC + 0x24, 4, 0, 0, "IRQ requests, IRQ0 = bit 31"),
            r("INTMSK0", INTC + 0x44, 4, 0xFF000000, 0, "IRQ masks; 1 sets"),
            r("INTMSK1", INTC + 0x48, 4, 0xFF000000, 0, "IRL masks; 1 sets"),
            r("INTMSKCLR0", INTC + 0x64, 4, 0, 0, "1 clears INTMSK0"),
            r("INTMSKCLR1", INTC + 0x68, 4, 0, 0, "1 clears INTMSK1"),
            r("NMIFCR", INTC + 0xC0, 4, 0, 0, "NMI flag"),
            r("USERIMASK", USER, 4, 0, 0xF0, "user mask level; key 0xA5 in 31:24"),
            *(r(f"INT2PRI{k}", INT2 + 4 * k, 4, 0, 0x1F1F1F1F, "module priorities, 5 bits") for k in range(8)),
            r("INT2A0", INT2 + 0x30, 4, 0, 0, "module requests, masked or not"),
            r("INT2A1", INT2 + 0x34, 4, 0, 0, "module requests behind the mask"),
            r("INT2MSKR", INT2 + 0x38, 4, MODULE_BITS, 0, "module masks; 1 sets"),
            r("INT2MSKCR", INT2 + 0x3C, 4, 0, 0, "1 clears INT2MSKR"),
            *(r(f"INT2B{k}", INT2 + 0x40 + 4 * k, 4, 0, 0, "requests within a module") for k in range(8)),
            r("INTMSK2", INT2 + 0x80, 4, 0xFFFFFFFF, 0, "IRL level masks; 1 sets"),
            r("INTMSKCLR2", INT2 + 0x84, 4, 0, 0, "1 clears INTMSK2"),
        )
        self.regions = [(INTC, INTC + 0xFF), (USER, USER + 3), (INT2, INT2 + 0x8F)]
        self.level: dict[str, int] = {}
        self.table: list[SourceRow] | None = None

    # masks: one register sets bits, its partner clears them
    def write_INT2MSKR(self, t: int, v: int) -> None:
        self.file.value["INT2MSKR"] |= v & MODULE_BITS

    def write_INT2MSKCR(self, t: int, v: int) -> None:
        self.file.value["INT2MSKR"] &= ~v

    def write_INTMSK0(self, t: int, v: int) -> None:
        self.file.value["INTMSK0"] |= v & 0xFF000000

    def write_INTMSKCLR0(self, t: int, v: int) -> None:
        self.file.value["INTMSK0"] &= ~v & 0xFF000000

    def write_INTMSK1(self, t: int, v: int) -> None:
        self.file.value["INTMSK1"] |= v & 0xFF000000

    def write_INTMSKCLR1(self, t: int, v: int) -> None:
        self.file.value["INTMSK1"] &= ~v & 0xFF000000

    def write_INTMSK2(self, t: int, v: int) -> None:
        self.file.value["INTMSK2"] |= v

    def write_INTMSKCLR2(self, t: int, v: int) -> None:
        self.file.value["INTMSK2"] &= ~v & 0xFFFFFFFF

    def write_USERIMASK(self, t: int, v: int) -> None:
        if v >> 24 == 0xA5:  # without the key the write is ignored
            self.file.value["USERIMASK"] = v & 0xF0

    # requests
    def read_INTREQ(self, t: int) -> int:
        return sum(1 << (31 - n) for n in range(8) if self._pin(n))

    def read_INT2A0(self, t: int) -> int:
        bits = 0
        for s in MODULES:
            bits |= self.level.get(s.line, 0) << s.mask
        return bits

    def read_INT2A1(self, t: int) -> int:
        return self.read_INT2A0(t) & ~self.file.value["INT2MSKR"]

    def read_INT2B0(self, t: int) -> int:
        return sum(self.level.get(f"TUNI{n}", 0) << n for n in range(6))

    def read_INT2B2(self, t: int) -> int:
        return sum(self.level.get(f"{SCIF_KINDS[k % 4]}{k // 4}", 0) << k for k in range(8))

    def _pin(self, n: int) -> bool:
        low = self.file.value["ICR1"] >> (30 - 2 * n) & 3 == 2
        return bool(self.level.get(f"IRQ{n}", 1 if low else 0)) != low

    def build(self) -> list[SourceRow]:
        """The table (line, INTEVT, CPU level, order): level 0 where masked or of priority 0."""
        v, rows = self.file.value, []
        floor = v["USERIMASK"] >> 4
        for n in range(8):
            level = 0 if v["INTMSK0"] >> (31 - n) & 1 else v["INTPRI"] >> (28 - 4 * n) & 15
            rows.append((*PINS[n], level if level > floor else 0, n))
        for k, s in enumerate(MODULES):
            five = v[f"INT2PRI{s.pri}"] >> s.shift & 31
            level = 0 if v["INT2MSKR"] >> s.mask & 1 else five >> 1
            rows.append((s.line, s.intevt, level if level > floor else 0, 1000 * (32 - five) + k))
        return rows

    def sources(self) -> list[SourceRow] | None:
        table = self.build()
        if table == self.table:
            return None
        self.table = table
        return table

    def leases(self) -> list[LeaseRow]:
        # Those that follow the lines are not leased: they have a read_ method.
        return [
            (r.address, r.size, NEVER, [(self.now, self.file.value[r.name], 0, 0)])
            for r in self.registers
            if not hasattr(self, f"read_{r.name}")
        ]

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Lines):
            for _, line, level in body.changes:
                self.level[line] = level
            return None
        return super().extra(t, body)

    def state(self) -> dict[str, Any]:
        return {**self.file.value, "lines": sorted(k for k, v in self.level.items() if v)}
