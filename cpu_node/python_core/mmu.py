"""MMU of the Python core: UTLB translation, LDTLB, and the core's own registers in P4.

After the public SH-4A register descriptions. The UTLB translates data and fetches alike; the ITLB arrays
are storage that TI and associative writes keep coherent. Cache arrays are the timing model's. A mixin of Core.
"""

from __future__ import annotations

from typing import Any

from cpu_node.python_core.exceptions import MD, Fault

V, D, SH = 0x100, 4, 2  # PTEL
PAGE_MASKS = {0x00: 0xFFFFFC00, 0x10: 0xFFFFF000, 0x80: 0xFFFF0000, 0x90: 0xFFF00000}
AT, TI, SV, SQMD = 1, 4, 0x100, 0x200  # MMUCR
MMUCR_MASK = 0xFCFCFF81
ADDRESS_MASK, DATA_MASK = 0xFFFFFCFF, 0x1FFFFDFF  # of TLB entries: PTEH and PTEL as stored
IDENTITY = {0xFF000030: 0x10200A03, 0xFF000040: 0x30440000, 0xFF000044: 0x00000003}  # PVR CVR PRR
REGISTERS = {  # address: name, writable bits
    0xFF000000: ("pteh", 0xFFFFFCFF),
    0xFF000004: ("ptel", 0x1FFFFDFF),
    0xFF000008: ("ttb", 0xFFFFFFFF),
    0xFF00000C: ("tea", 0xFFFFFFFF),
    0xFF00001C: ("ccr", 0x8107),
    0xFF000020: ("tra", 0x3FC),
    0xFF000024: ("expevt", 0xFFF),
    0xFF000028: ("intevt", 0x3FFF),
    0xFF000038: ("qacr0", 0x1C),
    0xFF00003C: ("qacr1", 0x1C),
    0xFF000070: ("pascr", 0xFFFFFFFF),
    0xFF000074: ("ramcr", 0xFFFFFFFF),
    0xFF000078: ("irmcr", 0xFFFFFFFF),
    0xFF2F0000: ("cpuopm", 0xFFFFFFFF),
    0xFF2F0004: ("expmask", 0xFFFFFFFF),
    0xFF200600: ("ccmfr", 0xFFFFFFFF),
    0xFF200620: ("cbcr", 0xFFFFFFFF),
}
MISS = {"read": 0x040, "fetch": 0x040, "write": 0x060}


def page_mask(data: int) -> int:
    """Bits of a virtual address that a PTEL's page size compares."""
    return PAGE_MASKS[data & 0x90]


class Mmu:
    """Translation and P4; utlb and itlb are lists of [PTEH, PTEL]."""

    def flush_translations(self: Any) -> None:
        """Forget what translation was remembered: pages for loads, stores, and decoded blocks."""
        self.reads.clear()
        self.writes.clear()
        self.known.clear()
        for blocks in self.block_maps:
            blocks.clear()
        self.effects += 1

    def address_error(self: Any, v: int, kind: str) -> None:
        """Raise the address error of an access."""
        self._tlb_fault(v, 0x100 if kind == "write" else 0x0E0)

    def _tlb_fault(self: Any, v: int, expevt: int, offset: int = 0x100) -> None:
        self.tea = v
        if expevt != 0x140:  # a multiple hit resets, and leaves it
            self.pteh = self.pteh & 0x3FF | v & 0xFFFFFC00
        raise Fault(expevt, offset)

    def _hits(self: Any, v: int, within: int = 0xFFFFFFFF) -> list[list[int]]:
        """Valid UTLB entries for an address under PTEH's ASID; MMUCR.SV in privileged mode ignores ASIDs.
        ``within``: bits of the address to look at."""
        any_asid = self.mmucr & SV and self.sr & MD
        return [
            e
            for e in self.utlb
            if e[1] & V
            and not (e[0] ^ v) & page_mask(e[1]) & within
            and (any_asid or e[1] & SH or not (e[0] ^ self.pteh) & 0xFF)
        ]

    def _utlb(self: Any, v: int, kind: str) -> tuple[int, int]:
        """Physical address and PTEL of a UTLB translation. Miss, protection, first write in that order."""
        hits = self._hits(v)
        if not hits:
            self._tlb_fault(v, MISS[kind], 0x400)
        if len(hits) > 1:
            self._tlb_fault(v, 0x140)
        data = hits[0][1]
        writable, user = data & 0x20, data & 0x40
        in_user_mode = not self.sr & MD
        if kind == "write":
            if not writable or in_user_mode and not user:
                self._tlb_fault(v, 0x0C0)
            if not data & D:
                self._tlb_fault(v, 0x080)
        elif in_user_mode and not user:
            self._tlb_fault(v, 0x0A0)
        mask = page_mask(data)
        return data & 0x1FFFFFFF & mask | v & ~mask, data

    def translate(self: Any, v: int, kind: str) -> tuple[int, bool]:
        """(physical address, whether it is a P4 address). kind: read, write, fetch. Raises Fault."""
        if v >= 0x80000000 and not self.sr & MD:
            if v >> 26 == 0x38 and kind != "fetch" and not self.mmucr & SQMD:
                return v, True
            self.address_error(v, kind)
        if v >= 0xE0000000:
            if kind == "fetch":
                self.address_error(v, kind)
            return v, True
        small = False
        if 0x80000000 <= v < 0xC0000000 or not self.mmucr & AT:
            p, self.mapped = v & 0x1FFFFFFF, None
        else:
            known = self.known.get((v >> 10, kind))
            if known is None:
                p, data = self._utlb(v, kind)
                self.known[v >> 10, kind] = p & ~0x3FF, data
            else:
                p, data = known[0] | v & 0x3FF, known[1]
            self.mapped = data
            if p >= 0x1C000000:
                return p | 0xE0000000, True
            small = page_mask(data) == 0xFFFFFC00 or len(self._hits(v, 0xFFFFF000)) > 1
        if kind != "fetch" and not small and self.hook is None and self.model is None and self.own_page(kind, p):
            pages = self.reads if kind == "read" else self.writes
            pages[v >> 12] = p - self.ram_base & ~0xFFF
        return p, False

    def ldtlb(self: Any) -> None:
        """Load entry URC from PTEH and PTEL, then advance URC (docs/reference/semantics.md)."""
        urc, urb = self.mmucr >> 10 & 63, self.mmucr >> 18 & 63
        self.utlb[urc] = [self.pteh & ADDRESS_MASK, self.ptel & DATA_MASK]
        urc = urc + 1 & 63
        if urb and urc == urb:
            urc = 0
        self.mmucr = self.mmucr & ~0xFC00 | urc << 10
        self.flush_translations()

    def _write_mmucr(self: Any, value: int) -> None:
        if value & TI:
            for entry in (*self.utlb, *self.itlb):
                entry[1] &= ~V
        self.mmucr = value & MMUCR_MASK
        self.flush_translations()

    def _write_utlb_address(self: Any, addr: int, value: int) -> None:
        flags = value & V | (D if value & 0x200 else 0)
        if addr & 0x80:  # associative
            for entry in self._hits(value):
                entry[1] = entry[1] & ~(V | D) | flags
            for entry in self.itlb:
                if not (entry[0] ^ value) & page_mask(entry[1]):
                    entry[1] = entry[1] & ~V | value & V
        else:
            entry = self.utlb[addr >> 8 & 63]
            entry[0], entry[1] = value & ADDRESS_MASK, entry[1] & ~(V | D) | flags
        self.flush_translations()

    def p4_read(self: Any, addr: int) -> int | None:
        """A register of the core's own; None where the address is the bus's."""
        area, entry = addr >> 24, addr >> 8
        if addr < 0xE4000000:
            return int(self.store_queues[addr >> 5 & 1][addr >> 2 & 7])
        if area in (0xF0, 0xF1, 0xF4, 0xF5):
            return 0 if self.model is None else int(self.model.array_read(addr))
        if area in (0xF2, 0xF6):
            vpn, data = self.itlb[entry & 3] if area == 0xF2 else self.utlb[entry & 63]
            return vpn & ADDRESS_MASK | data & V | (0x200 if area == 0xF6 and data & D else 0)
        if area in (0xF3, 0xF7):
            return 0 if addr & 0x800000 else int((self.itlb[entry & 3] if area == 0xF3 else self.utlb[entry & 63])[1])
        if addr in IDENTITY:
            return IDENTITY[addr]
        if addr == 0xFF000010:
            return int(self.mmucr)
        if addr in REGISTERS:
            return int(getattr(self, REGISTERS[addr][0]))
        if 0xFF200000 <= addr < 0xFF200040:  # UBC, both channels: kept, without effect
            return int(self.ubc[addr >> 2 & 15])
        return None

    def p4_write(self: Any, addr: int, value: int) -> bool:
        """Write a register of the core's own; False where the address is the bus's."""
        area, entry = addr >> 24, addr >> 8
        if addr < 0xE4000000:
            self.store_queues[addr >> 5 & 1][addr >> 2 & 7] = value
        elif area in (0xF0, 0xF1, 0xF4, 0xF5):
            if self.model is not None:
                self.model.array_write(addr, value)
        elif addr in IDENTITY:
            pass
        elif area == 0xF2:
            old = self.itlb[entry & 3]
            old[0], old[1] = value & ADDRESS_MASK, old[1] & ~V | value & V
        elif area == 0xF6:
            self._write_utlb_address(addr, value)
        elif area in (0xF3, 0xF7):
            if not addr & 0x800000:
                (self.itlb[entry & 3] if area == 0xF3 else self.utlb[entry & 63])[1] = value & DATA_MASK
            self.flush_translations()
        elif addr == 0xFF000010:
            self._write_mmucr(value)
        elif addr in REGISTERS:
            name, mask = REGISTERS[addr]
            if name == "pteh" and (self.pteh ^ value) & 0xFF:
                self.flush_translations()
            setattr(self, name, value & mask)
            if name == "ccr" and self.model is not None:
                self.model.write_ccr(value)
        elif 0xFF200000 <= addr < 0xFF200040:
            self.ubc[addr >> 2 & 15] = value
        else:
            return False
        return True
