"""Exceptions, reset, interrupts and the registers that switch banks, of the Python core.

Codes and vector offsets after the SH-4 exception tables. A mixin of Core.
"""

from __future__ import annotations

from typing import Any

MD, RB, BL, FD = 0x40000000, 0x20000000, 0x10000000, 0x8000
SR_MASK, IMASK = 0x700083F3, 0xF0
INTMU = 8  # CPUOPM: SR.IMASK becomes the level of an accepted interrupt
FPSCR_MASK = 0x003FFFFF
RESET_VECTOR = 0xA0000000


class Fault(Exception):
    """An exception of the architecture: EXPEVT code, vector offset; of TRAPA also TRA and SPC."""

    def __init__(self, expevt: int, offset: int = 0x100, tra: int = 0, spc: int | None = None) -> None:
        super().__init__(expevt)
        self.expevt, self.offset, self.tra, self.spc = expevt, offset, tra, spc


class Exceptions:
    """SR and FPSCR with their banks; how the CPU goes to a vector."""

    def get_sr(self: Any) -> int:
        """SR with T."""
        return int(self.sr & ~1 | self.t)

    def set_sr(self: Any, v: int) -> None:
        """Write SR: T apart, R0-R7 by MD and RB, decoded blocks by MD and FD."""
        v &= SR_MASK
        old, self.sr, self.t = self.sr, v & ~1, v & 1
        if (old & (MD | RB) == MD | RB) != (v & (MD | RB) == MD | RB):
            self.r[:8], self.bank[:] = self.bank[:], self.r[:8]
        if (old ^ v) & MD:
            self.flush_translations()
        self.blocks = self.block_maps[(v & MD) >> 29 | (v & FD) >> 15]

    def set_fpscr(self: Any, v: int) -> None:
        """Write FPSCR; FR exchanges the FPU banks."""
        v &= FPSCR_MASK
        if (self.fpscr ^ v) & 0x200000:
            self.fr[:], self.xf[:] = self.xf[:], self.fr[:]
        self.fpscr = v

    def reset(self: Any, why: str, expevt: int, pc: int = 0) -> None:
        """Reset by power-on, by an exception with SR.BL=1 or by a TLB multiple hit."""
        self.detail = f"{why} at pc 0x{pc:08x}, SR 0x{self.get_sr():08x}: the CPU resets (EXPEVT 0x{expevt:03x})"
        self.set_sr(MD | RB | BL | 0xF0)
        self.set_fpscr(0x00040001)
        self.vbr = self.mmucr = self.ccr = 0
        self.expevt, self.pc = expevt, RESET_VECTOR
        self.sleeping, self.llbit = False, 0
        self.flush_translations()
        self.stopped = "reset"

    def enter(self: Any, spc: int, offset: int, charge: int) -> None:
        """To a vector: SSR, SPC, SGR saved, bank 1, BL=1."""
        self.ssr, self.spc, self.sgr = self.get_sr(), spc, self.r[15]
        self.set_sr(self.ssr | MD | RB | BL)
        base = self.vbr if self.vector_base is None else self.vector_base
        self.pc = base + offset & 0xFFFFFFFF
        self.llbit = 0
        self.effects += 1
        if self.vector_base is not None:
            self.tick += charge
        if self.model is not None:
            self.tick += self.model.enter(offset)

    def take(self: Any, fault: Fault, pc: int, slot: bool) -> None:
        """An exception at the unit of address pc, ``slot``: in the delay slot of its branch."""
        code = {0x180: 0x1A0, 0x800: 0x820}.get(fault.expevt, fault.expevt) if slot else fault.expevt
        if code == 0x140:
            self.reset("TLB multiple hit", code, pc)
        elif self.sr & BL:
            why = f"exception 0x{code:03x} with SR.BL=1 (VBR 0x{self.vbr:08x}, TEA 0x{self.tea:08x})"
            self.reset(why, 0x020, pc)
        else:
            charge = self.charge_tlb if fault.offset == 0x400 else self.charge_general
            if code == 0x160:
                self.tra = fault.tra
            self.enter(pc if fault.spc is None else fault.spc, fault.offset, charge)
            self.expevt = code

    def accept(self: Any) -> None:
        """Take the interrupt set by set_irq: INTEVT, the vector at +0x600, with CPUOPM.INTMU its level as IMASK."""
        self.intevt = self.irq_code
        self.sleeping = False
        self.enter(self.pc, 0x600, self.charge_interrupt)
        if self.cpuopm & INTMU:
            self.sr = self.sr & ~IMASK | min(self.irq_level, 15) << 4
