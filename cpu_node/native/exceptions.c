/* Exceptions, interrupts, reset and the registers that switch banks.
 * Codes and offsets as in the public SH-4 exception tables; order of checks in docs/reference/semantics.md. */
#include "core.h"
#include "jit.h"

#include <string.h>

void set_sr(core *c, uint32_t v)
{
    uint32_t old = c->sr;
    v &= SR_MASK;
    /* r0-r7 are bank 1 only when both MD and RB are set. */
    bool was = (old & (SR_MD | SR_RB)) == (SR_MD | SR_RB), is = (v & (SR_MD | SR_RB)) == (SR_MD | SR_RB);
    if (was != is)
        for (int i = 0; i < 8; i++) {
            uint32_t x = c->r[i];
            c->r[i] = c->bank[i];
            c->bank[i] = x;
        }
    c->sr = v;
    c->t = v & 1;
    if ((old ^ v) & SR_MD) {
        c->fetch_tag = NO_PAGE;
        c->effects++;
    }
    c->soft_key = (v & SR_MD ? 3 : 1) | c->slot << 2;
}

void set_fpscr(core *c, uint32_t v)
{
    v &= FPSCR_MASK;
    if ((c->fpscr ^ v) & FPSCR_FR)
        for (int i = 0; i < 16; i++) {
            uint32_t x = c->fr[i];
            c->fr[i] = c->xf[i];
            c->xf[i] = x;
        }
    c->fpscr = v;
}

void reset(core *c, const char *why, uint32_t expevt)
{
    snprintf(c->detail, sizeof c->detail, "%s at pc 0x%08x, SR 0x%08x: the CPU resets (EXPEVT 0x%03x)", why,
             c->in_slot ? c->unit_pc : c->pc, get_sr(c), expevt);
    set_sr(c, SR_MD | SR_RB | SR_BL | 0xf0);
    c->vbr = 0;
    c->expevt = expevt;
    c->mmucr = 0;
    c->ccr = 0;
    set_fpscr(c, 0x00040001);
    c->pc = 0xa0000000;
    c->in_slot = false;
    c->sleeping = false;
    c->ll = 0;
    mmu_flush(c);
    if (c->timed)
        jit_restart(c);
    c->stop = STOP_RESET;
}

static void enter(core *c, uint32_t spc, uint32_t offset, int64_t charge)
{
    c->ssr = get_sr(c);
    c->spc = spc;
    c->sgr = c->r[15];
    set_sr(c, c->ssr | SR_MD | SR_RB | SR_BL);
    c->pc = (c->vectored ? c->vector_base : c->vbr) + offset;
    c->in_slot = false;
    c->ll = 0;
    c->effects++;
    if (c->vectored)
        c->tick += charge;
}

/* Leaves the instruction: the unit has cost one tick an instruction tried, this one included. Timed, what is pending
 * ends, then the entry takes its time. */
void raise_exception(core *c, uint32_t expevt, uint32_t offset)
{
    c->instructions++;
    if (c->timed)
        c->tick += pipeline_drain(&c->pipe, 0);
    else
        c->tick++;
    if (expevt == 0x140) {
        reset(c, "TLB multiple hit", expevt);
    } else if (c->sr & SR_BL) {
        char why[96];
        snprintf(why, sizeof why, "exception 0x%03x with SR.BL=1 (VBR 0x%08x, TEA 0x%08x)", expevt, c->vbr, c->tea);
        reset(c, why, 0x020);
    } else {
        enter(c, c->in_slot ? c->unit_pc : c->pc, offset, offset == 0x400 ? c->charge_tlb : c->charge_general);
        c->expevt = expevt;
        if (c->timed)
            c->tick += offset == 0x400 ? TIME_TLB_ENTRY : TIME_EXCEPTION_ENTRY;
    }
    longjmp(c->trapped, 1);
}

void raise_address(core *c, uint32_t vaddr, enum access kind)
{
    c->tea = vaddr;
    c->pteh = (c->pteh & 0x3ff) | (vaddr & 0xfffffc00);
    raise_exception(c, kind == WRITE ? 0x100 : 0x0e0, 0x100);
}

/* Interrupt entry; the boundary it is taken at is c->pc. */
void enter_interrupt(core *c)
{
    c->intevt = c->irq_code;
    c->sleeping = false;
    if (c->timed) {
        c->pipe.issued = c->pipe.now - 1; /* between units */
        c->tick += pipeline_drain(&c->pipe, 0) + TIME_INTERRUPT_ENTRY;
    }
    enter(c, c->pc, 0x600, c->charge_interrupt);
    if (c->cpuopm & CPUOPM_INTMU) {
        uint32_t level = c->irq_level > 15 ? 15 : (uint32_t)c->irq_level;
        c->sr = (c->sr & ~SR_IMASK) | level << 4;
    }
    c->attention = c->irq_level > 0;
}

/* Back to the start of the unit whose access failed; of a pair, of its instruction. */
void bus_error(core *c)
{
    c->instructions -= c->in_slot; /* the branch counted */
    c->tick = c->timed ? c->start_tick : c->unit_tick;
    c->pc = c->unit_pc;
    c->in_slot = false;
    c->stop = STOP_ERROR;
    longjmp(c->trapped, 1);
}
