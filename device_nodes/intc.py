"""Interrupt controller of the SH7780: the INTC block (IRQ pins) and the INT2 block (on-chip modules).

Sources, INTEVT codes, priority fields and mask bits as in Linux's setup-sh7780.c. It owns masks and
priorities and leases them as a table; acceptance is decided in the CPU node, which applies line changes
to that table. At an equal CPU level the higher 5-bit priority wins, then the lower INTEVT code, the order
in which the sources are listed; pins come before modules (the manual's order was not at hand).

A line IRQn is 1 while its device asks, whatever the polarity of the wire: ICR1 decides whether INTREQ
follows it (level sense, ICR0.LVLMODE = 1) or remembers it until cleared (edge sense, or holding). Left
out: an edge shorter than the time to its acceptance, several pins of one IRL group at once (each counts
for itself, with the level and code of that pin alone), NMI.
"""

from __future__ import annotations

from typing import Any

from cosim import NEVER
from cosim.device import Device, QuestionError
from cosim.messages import Body, EffectRow, LeaseRow, Lines, PostRow, SourceRow
from cosim.registers import Register
from cosim.sh7780 import INTEVT, MODULES, PINS, SCIF_KINDS

INTC, INT2, USER = 0xFFD00000, 0xFFD40000, 0xFFD30000
MODULE_BITS = 0x03FFF3BF  # implemented bits of INT2MSKR: GPIO 25 ... TMU0-2 0
PIN_BITS, IRL_GROUPS, IRL_CODES = 0xFF000000, 0xC0000000, 0xFFFEFFFE
LVLMODE, IRLM = 0x00200000, (0x00800000, 0x00400000)  # ICR0; IRLM0: pins 0-3, IRLM1: pins 4-7
USER_KEY = 0xA5  # in bits 31:24 of a write to USERIMASK
PRIORITIES = {0: 0x1F1F1F1F, 1: 0x1F1F1F1F, 2: 0x1F1F1F00, 3: 0x1F1F1F00, 7: 0x1F1F0000}  # others: four fields
STORED = ("INTPRI", *(f"INT2PRI{k}" for k in range(8)))  # read back what was written
# Writing 1 to the first sets bits, to the second clears them; the second reads 0.
PAIRS = {"INTMSK0": "INTMSKCLR0", "INTMSK1": "INTMSKCLR1", "INT2MSKR": "INT2MSKCR", "INTMSK2": "INTMSKCLR2"}
MASKS = (*PAIRS, *PAIRS.values())
TMU_BITS = (0, 1, 2, 4, 5, 6)  # TUNI0-5 in INT2B0; bit 3 is TICPI2


class Intc(Device):
    """Masks, priorities and request registers; its answers carry the table when it changed."""

    ROLE = "intc"

    def setup(self) -> None:
        r = Register
        self.registers = (
            r("ICR0", INTC, 4, 0, 0x43E00000, "30 MAI, 25 NMIB, 24 NMIE, 23:22 pins are IRQ not IRL, 21 LVLMODE"),
            r("INTPRI", INTC + 0x10, 4, 0, 0xFFFFFFFF, "IRQ0-7 levels, 4 bits each, IRQ0 first"),
            r("ICR1", INTC + 0x1C, 4, 0, 0xFFFF0000, "IRQ sense, 2 bits each, IRQ0 first: edges 0 1, levels 2 3"),
            r("INTREQ", INTC + 0x24, 4, 0, PIN_BITS, "IRQ requests, IRQ0 = bit 31; held ones: 0 after 1 read clears"),
            r("INTMSK0", INTC + 0x44, 4, PIN_BITS, PIN_BITS, "IRQ masks; 1 sets"),
            r("INTMSK1", INTC + 0x48, 4, IRL_GROUPS, IRL_GROUPS, "IRL masks, 31 pins 0-3, 30 pins 4-7; 1 sets"),
            r("INTMSKCLR0", INTC + 0x64, 4, 0, PIN_BITS, "1 clears INTMSK0; reads 0"),
            r("INTMSKCLR1", INTC + 0x68, 4, 0, IRL_GROUPS, "1 clears INTMSK1; reads 0"),
            r("NMIFCR", INTC + 0xC0, 4, 0, 0, "NMI flag; no NMI here"),
            r("USERIMASK", USER, 4, 0, 0xF0, "user mask level; written with key 0xA5 in 31:24"),
            *(
                r(f"INT2PRI{k}", INT2 + 4 * k, 4, 0, PRIORITIES.get(k, 0x1F1F1F1F), "module priorities, 5 bits each")
                for k in range(8)
            ),
            r("INT2A0", INT2 + 0x30, 4, 0, 0, "module requests, masked or not"),
            r("INT2A1", INT2 + 0x34, 4, 0, 0, "module requests behind the mask"),
            r("INT2MSKR", INT2 + 0x38, 4, MODULE_BITS, MODULE_BITS, "module masks; 1 sets"),
            r("INT2MSKCR", INT2 + 0x3C, 4, 0, MODULE_BITS, "1 clears INT2MSKR; reads 0"),
            *(r(f"INT2B{k}", INT2 + 0x40 + 4 * k, 4, 0, 0, "requests within a module") for k in range(8)),
            r("INTMSK2", INT2 + 0x80, 4, IRL_CODES, IRL_CODES, "IRL code masks; 1 sets"),
            r("INTMSKCLR2", INT2 + 0x84, 4, 0, IRL_CODES, "1 clears INTMSK2; reads 0"),
        )
        self.regions = [(INTC, INTC + 0xFF), (USER, USER + 3), (INT2, INT2 + 0x8F)]
        self.at = {row.name: row for row in self.registers}
        self.level: dict[str, int] = {}
        self.held = self.held_read = 0  # INTREQ bits remembered, and those read as 1
        self.table: list[SourceRow] = []
        self.rows: list[LeaseRow] = []
        self.postable: list[PostRow] = [(self.at[n].address, 4, NEVER, 1 << 30) for n in (*STORED, *MASKS)]
        self.followed: list[EffectRow] = []
        for n in STORED:
            self.followed.append((self.at[n].address, -1, 0, self.at[n].address, "store", self.at[n].writable))
        self.changed = True  # the table is to be built
        for name, clear in PAIRS.items():
            for n, how in ((name, "set"), (clear, "clear")):
                self.followed.append((self.at[n].address, -1, 0, self.at[name].address, how, self.at[name].writable))
            setattr(self, f"write_{name}", lambda t, v, n=name: self._mask(n, self.file.value[n] | v))
            setattr(self, f"write_{clear}", lambda t, v, n=name: self._mask(n, self.file.value[n] & ~v))
        for name in ("ICR0", *STORED):
            setattr(self, f"write_{name}", lambda t, v, n=name: self._mask(n, v))

    def _mask(self, name: str, value: int) -> None:
        """A register that the table depends on."""
        self.file.value[name] = value & self.at[name].writable
        self.changed = True
        self.rows = []

    def write_USERIMASK(self, t: int, v: int) -> None:
        if v >> 24 == USER_KEY:  # without the key the write is ignored
            self._mask("USERIMASK", v)

    # Requests ------------------------------------------------------------------------------------------

    def _level_sense(self, n: int) -> bool:
        return self.file.value["ICR1"] >> (30 - 2 * n) & 3 >= 2

    def _holds(self, n: int) -> bool:
        """Whether INTREQ remembers the requests of pin n."""
        return not self._level_sense(n) or not self.file.value["ICR0"] & LVLMODE

    def _irq(self, n: int) -> bool:
        """Whether pin n is an IRQ of its own, not part of an IRL code."""
        return bool(self.file.value["ICR0"] & IRLM[n // 4])

    def read_INTREQ(self, t: int) -> int:
        bits = 0
        for n in range(8):
            bit = 1 << (31 - n)
            live = self._level_sense(n) and self.level.get(f"IRQ{n}")
            if self._irq(n) and (live or self._holds(n) and self.held & bit):
                bits |= bit
        self.held_read |= bits
        return bits

    def write_INTREQ(self, t: int, v: int) -> None:
        clear = ~v & self.held_read  # a level that is still there shows all the same
        self.held &= ~clear
        self.held_read &= ~clear

    def read_INT2A0(self, t: int) -> int:
        bits = 0
        for s in MODULES:
            bits |= self.level.get(s.line, 0) << s.mask
        return bits

    def read_INT2A1(self, t: int) -> int:
        return self.read_INT2A0(t) & ~self.file.value["INT2MSKR"]

    def read_INT2B0(self, t: int) -> int:
        return sum(self.level.get(f"TUNI{n}", 0) << bit for n, bit in enumerate(TMU_BITS))

    def read_INT2B2(self, t: int) -> int:
        return sum(self.level.get(f"{SCIF_KINDS[k % 4]}{k // 4}", 0) << k for k in range(8))

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Lines):
            for _, line, level in body.changes:
                if line not in INTEVT:
                    text = f"{self.name}: Lines with {line!r:.80}, which is no line of the board"
                    raise QuestionError("question-data", text)
                if line.startswith("IRQ") and level and not self.level.get(line) and self._holds(int(line[3:])):
                    self.held |= 1 << (31 - int(line[3:]))
                self.level[line] = level
            return None
        return super().extra(t, body)

    # The table -------------------------------------------------------------------------------------------

    def build(self) -> list[SourceRow]:
        """The table (line, INTEVT, CPU level, order): level 0 where masked or of priority 0."""
        v, rows = self.file.value, []
        floor = v["USERIMASK"] >> 4
        for n, (line, intevt) in enumerate(PINS):
            if self._irq(n):
                level = 0 if v["INTMSK0"] >> (31 - n) & 1 else v["INTPRI"] >> (28 - 4 * n) & 15
            else:
                level, intevt = self._irl(n)
            rows.append((line, intevt, level if level > floor else 0, n))
        for s in MODULES:
            five = v[f"INT2PRI{s.pri}"] >> s.shift & 31
            level = 0 if v["INT2MSKR"] >> s.mask & 1 else five >> 1
            rows.append((s.line, s.intevt, level if level > floor else 0, 0x1000 * (32 - five) + s.intevt))
        return rows

    def _irl(self, n: int) -> tuple[int, int]:
        """(level, INTEVT) of an IRL group while pin n alone is low: its code is 15 less the level."""
        level = 1 << n % 4
        code = 15 - level
        group = n // 4
        masked = self.file.value["INTMSK1"] >> (31 - group) & 1
        masked |= self.file.value["INTMSK2"] >> (31 - 16 * group - code) & 1
        return (0 if masked else level), 0x200 + 0x20 * code

    def sources(self) -> list[SourceRow] | None:
        if not self.changed:
            return None
        self.changed = False
        table = self.build()
        if table == self.table:
            return None
        self.table = table
        return table

    def leases(self) -> list[LeaseRow]:
        """Masks and priorities: guests read them back after each write."""
        if not self.rows:
            value = self.file.value
            self.rows = [(self.at[n].address, 4, NEVER, [(0, value[n], 0, 0)]) for n in (*STORED, *MASKS)]
        return self.rows

    def posts(self) -> list[PostRow]:
        """Writes that change the table only: the CPU node asks for it before the next line rises."""
        return self.postable

    def effects(self) -> list[EffectRow]:
        return self.followed

    def state(self) -> dict[str, Any]:
        lines = sorted(k for k, v in self.level.items() if v)
        return {**self.file.value, "lines": lines, "held": self.held}
