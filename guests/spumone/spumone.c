/* SPUMONE's calls and the lives of guests. All of it runs with SR.BL=1 on SPUMONE's stack: short, no exceptions. */
#include "spumone.h"
#include "calls.h"

VCPU *routes[CODES] __attribute__((aligned(32))); /* owner by INTEVT / 0x20 */

struct report spm_report;
static unsigned char told[CODES]; /* interrupts that were reported already */

void tell(enum told what, const VCPU *v, unsigned long value, unsigned long pc)
{
    spm_report.what = what;
    spm_report.guest = v->index;
    spm_report.value = value;
    spm_report.pc = pc;
    spm_tell();
}

VCPU *at(unsigned long index)
{
    return (VCPU *)(vcpus + (MAX_GUESTS - spm_table.guests + index) * VCPU_SIZE + VCPU_BELOW);
}

static const struct source *source_of(unsigned long intevt)
{
    unsigned int k = intevt & 0x1f || intevt >> 5 >= CODES ? SOURCES : source_index[intevt >> 5];
    return k < SOURCES ? &sources[k] : 0;
}

/* Bits of INT2MSKR and INTMSK0; read back, so that it holds when this returns. */
static void mask(unsigned long int2, unsigned long irq)
{
    if (int2) {
        REG32(INT2MSKR) = int2;
        (void)REG32(INT2MSKR);
    }
    if (irq) {
        REG32(INTMSK0) = irq;
        (void)REG32(INTMSK0);
    }
}

/* Lets come what was masked until the guest runs. */
static void unmask(VCPU *v)
{
    if (v->held_int2)
        REG32(INT2MSKCR) = v->held_int2;
    if (v->held_irq)
        REG32(INTMSKCLR0) = v->held_irq;
    v->held = v->held_int2 = v->held_irq = 0;
    v->flags &= ~GUEST_HELD;
}

/* Guests ---------------------------------------------------------------------------------------------------------- */

/* As `resume` is to find it. What is kept of other registers is 0 from power on; spm_loader clears them. */
static void prepare(VCPU *v)
{
    const struct guest *g = &spm_table.guest[v->index];
    unsigned long *kept = (unsigned long *)v;
    v->fpscr = 0x00040001;
    v->fpul = v->mmucr = v->ttb = v->ptel = v->pteh = 0;
    v->r[0] = v->r[1] = v->r[2] = v->r[3] = v->code = 0;
    v->held = v->held_int2 = v->held_irq = 0;
    v->general = v->tlb = (unsigned long)spm_no_vectors;
    v->interrupt = (unsigned long)spm_no_interrupts;
    v->deaf = WAKE_DEAF;
    v->flags = g->flags & (GUEST_FPU | GUEST_MMU);
    kept[KEPT_SR] = g->sr;
    kept[KEPT_PC] = g->entry;
    v->wake = WAKE_READY;
}

void spm_main(void)
{
    for (char *p = __bss_start; p < __bss_end; p++)
        *p = 0;
    nobody.wake = WAKE_READY;
    nobody.index = NOBODY;
    console.wake = WAKE_READY;
    for (unsigned long k = 0; k < spm_table.guests; k++) {
        at(k)->index = k;
        prepare(at(k));
    }
    for (unsigned int code = 0; code < CODES; code++) {
        const struct source *s = source_of(code << 5);
        VCPU *owner = routes[code] = spm_table.owner[code] == NOBODY     ? &nobody
                                     : spm_table.owner[code] == CONSOLE ? &console
                                                                        : at(spm_table.owner[code]);
        if (s) {
            owner->lines_int2 |= s->int2;
            owner->lines_irq |= s->irq;
        }
    }
    first = current = at(0);
    floor = spm_table.serial ? (spm_table.serial_level - 1) << 4 | 3 : 0xf3;
    serial_init();
    elect();
}

/* Its sources are masked, and the FPU and the MMU are nobody's if they were its own. */
static void end(VCPU *v)
{
    mask(v->lines_int2, v->lines_irq);
    if (fpu_holder == v)
        fpu_holder = 0;
    if (mmu_holder == v) {
        mmu_holder = 0;
        REG32(CCN_MMUCR) = MMUCR_TI;
    }
    v->wake = WAKE_STOPPED;
    v->held = v->held_int2 = v->held_irq = 0;
    v->flags &= ~(GUEST_HELD | GUEST_DEAD | GUEST_ANEW);
}

/* Its image is copied again by spm_loader, which runs in its place, at its priority, interrupts open. */
static void start_again(VCPU *v)
{
    const struct guest *g = &spm_table.guest[v->index];
    unsigned long *kept = (unsigned long *)v;
    end(v);
    prepare(v);
    kept[KEPT_PC] = (unsigned long)spm_loader;
    kept[KEPT_SR] = SR_MD;
    kept[KEPT_R4_BANK0] = (unsigned long)g->segment;
    kept[KEPT_R5_BANK0] = g->entry;
    kept[KEPT_R6_BANK0] = g->sr;
}

/* Its sources being masked, it is to be started again when its turn comes. */
static void anew(VCPU *v)
{
    v->flags = (v->flags & ~GUEST_DEAD) | GUEST_ANEW;
    v->wake = WAKE_READY;
}

/* A guest that cannot go on: started again where that is wanted, possible, and it got so far as to give its vectors
 * since it was started last. */
static void end_of(VCPU *v, enum told what, unsigned long value, unsigned long pc)
{
    const struct guest *g = &spm_table.guest[v->index];
    tell(what, v, value, pc);
    if (g->flags & GUEST_RESTART && g->segments && !v->deaf) {
        anew(v);
        tell(TOLD_RESTART, v, 0, 0);
    } else {
        end(v);
        tell(TOLD_STOP, v, 0, 0);
    }
}

/* An exception of a guest that gave no vectors. */
void spm_fault(void)
{
    unsigned long spc;
    __asm__("stc spc, %0" : "=r"(spc));
    end_of(current, TOLD_FAULT, REG32(CCN_EXPEVT), spc);
    elect();
}

/* The CPU was reset: an exception of the current guest with SR.BL=1, or two entries of the TLB that match. What the
 * guests above wait for is to come in soon: so this says only who is dead, and `resume` has spm_reap do the rest.
 * MMUCR is 0 now, so a guest other than the current one whose MMU registers were in the CPU cannot go on either. FPSCR
 * is 0x40001, which is what such a guest has as a rule: it goes on, and this is told. */
void spm_crashed(void)
{
    VCPU *holder = mmu_holder;
    current->flags |= GUEST_DEAD;
    current->code = REG32(CCN_EXPEVT);
    mask(current->lines_int2, current->lines_irq);
    fpscr_lost = fpu_holder;
    if (holder && holder != current) {
        holder->flags |= GUEST_DEAD;
        holder->code = 0;
        holder->wake = WAKE_READY;
        mask(holder->lines_int2, holder->lines_irq);
    }
    elect();
}

/* It is the turn of a guest that is dead, or to be started again. In steps: each is over soon, and interrupts are let in
 * before the next. */
void spm_reap(void)
{
    VCPU *v = current;
    unsigned long expevt = v->code; /* 0: it had the MMU when another reset the CPU */
    if (v->flags & GUEST_ANEW)
        start_again(v);
    else {
        end_of(v, expevt ? TOLD_CRASH : TOLD_MMU_LOST, expevt, 0);
        if (expevt && fpscr_lost && fpscr_lost != v)
            tell(TOLD_FPSCR_LOST, fpscr_lost, 0, 0);
    }
    elect();
}

/* Interrupts ------------------------------------------------------------------------------------------------------ */

void spm_hold(unsigned long code, VCPU *owner, unsigned long level)
{
    const struct source *s = source_of(code << 3);
    if (owner == &console) {
        serial_interrupt();
        return;
    }
    if (owner == &nobody || owner->deaf) {
        if (!told[code >> 2])
            tell(owner == &nobody ? TOLD_UNROUTED : TOLD_NO_VECTORS, owner, code << 3, 0);
        told[code >> 2] = 1;
    }
    if (!s) { /* of a source that is none of ours: all of those are masked */
        REG32(INT2MSKR) = ~ALL_INT2;
        REG32(INTMSK1) = 0xc0000000;
        (void)REG32(INTMSK1);
        return;
    }
    mask(s->int2, s->irq);
    owner->held_int2 |= s->int2;
    owner->held_irq |= s->irq;
    owner->flags |= GUEST_HELD;
    level &= 0xf0;
    if (level > owner->held)
        owner->held = level;
}

/* Calls ----------------------------------------------------------------------------------------------------------- */

long serve_set_vbr(unsigned long base)
{
    const struct guest *g = &spm_table.guest[current->index];
    if (base & 3 || base >> 30 != 2 || (base & 0x1fffffff) - g->memory > g->size - VECTORS)
        return SPM_EINVAL;
    current->general = base + 0x100;
    current->tlb = base + 0x400;
    current->interrupt = base + 0x600;
    current->deaf = 0;
    unmask(current); /* what came before it could be taken */
    return 0;
}

long serve_route(unsigned long intevt, unsigned long on)
{
    const struct source *s = source_of(intevt);
    VCPU *to = on ? current : &nobody;
    if (!s)
        return SPM_EINVAL;
    const struct source *mate = s;
    do {
        VCPU *owner = routes[mate->code >> 5];
        if (owner != current && owner != &nobody)
            return SPM_EPERM;
        mate = &sources[mate->mate];
    } while (mate != s);
    do {
        routes[mate->code >> 5] = to;
        mate = &sources[mate->mate];
    } while (mate != s);
    if (on) {
        current->lines_int2 |= s->int2;
        current->lines_irq |= s->irq;
    } else {
        current->lines_int2 &= ~s->int2;
        current->lines_irq &= ~s->irq;
        current->held_int2 &= ~s->int2;
        current->held_irq &= ~s->irq;
    }
    if (on && nobody.held_int2 & s->int2) {
        nobody.held_int2 &= ~s->int2;
        REG32(INT2MSKCR) = s->int2;
    }
    if (on && nobody.held_irq & s->irq) {
        nobody.held_irq &= ~s->irq;
        REG32(INTMSKCLR0) = s->irq;
    }
    return 0;
}

long serve_query(unsigned long what)
{
    switch (what) {
    case SPM_Q_VERSION:
        return SPM_ABI_VERSION;
    case SPM_Q_SELF:
        return current->index;
    case SPM_Q_GUESTS:
        return spm_table.guests;
    case SPM_Q_PRIORITY:
        return spm_table.guest[current->index].priority;
    case SPM_Q_CEILING:
        return spm_table.ceiling;
    }
    return SPM_EINVAL;
}

/* 0 if the caller may end that guest: itself, or one below. */
static long below(unsigned long index)
{
    if (index >= spm_table.guests)
        return SPM_EINVAL;
    return at(index) < current ? SPM_EPERM : 0;
}

long serve_restart(unsigned long index)
{
    long error = below(index);
    if (error)
        return error;
    if (!spm_table.guest[index].segments)
        return SPM_ENOENT;
    anew(at(index));
    mask(at(index)->lines_int2, at(index)->lines_irq);
    tell(TOLD_RESTART, at(index), 0, call_frame[0]);
    if (at(index) == current)
        spm_leave();
    return 0;
}

long serve_stop(unsigned long index)
{
    long error = below(index);
    if (error)
        return error;
    end(at(index));
    tell(TOLD_STOP, at(index), 0, call_frame[0]);
    if (at(index) == current)
        spm_leave();
    return 0;
}

long serve_refused(unsigned long number)
{
    tell(TOLD_REFUSED, current, number & 0xff, call_frame[0]);
    return SPM_ENOSYS;
}

long serve_inside(unsigned long number)
{
    tell(TOLD_INSIDE, current, number & 0xff, call_frame[0]);
    return SPM_ENOSYS;
}
