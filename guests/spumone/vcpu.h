/* A guest's CPU. The pointer to one points at its hot words; what a switch saves lies below it, pushed down from it
 * in this order:
 *   kept while it waits:   R15 SR PC DBR GBR R14..R8 R7..R4 of bank 1       (16 words; R0-R3 are hot words)
 *   kept when preempted:   PR MACH MACL R7..R0 of bank 0 EXPEVT TRA TEA     (14 words)
 * A guest that waits with nothing to keep (SPM_WAIT) has R15 SR PC in hot words: one cache line brings it back. An
 * array of them is in the order of priority, so the lower address is the higher guest. */
#ifndef VCPU_H
#define VCPU_H

#define VCPU_SIZE 512  /* bytes from one to the next */
#define VCPU_BELOW 128 /* of which these many lie below the pointer */
#define KEPT_WAITING 64
#define KEPT_PREEMPTED 120

/* Offsets of the hot words. The first line is all that an interrupt needs of a guest that waits with nothing to keep. */
#define V_WAKE 0       /* SR.IMASK << 4 | 3 while it waits: a level above it wakes it; else one of the next three */
#define V_CODE 4       /* INTEVT >> 3 of the interrupt it entered last */
#define V_INTERRUPT 8  /* its vector of interrupts */
#define V_ENTRY_SR 12  /* SR when it enters an interrupt from waiting, but for IMASK */
#define V_FLAGS 16     /* GUEST_FPU, GUEST_MMU: registers to move first if another holds them; _HELD, _BARE */
#define V_R15 20       /* GUEST_BARE: R15, SR and PC */
#define V_SR 24
#define V_PC 28
#define V_R0 32        /* R0-R3 of bank 1 */
#define V_R1 36
#define V_R2 40
#define V_R3 44
#define V_GENERAL 48   /* its vectors of general exceptions and TLB misses */
#define V_TLB 52
#define V_HELD 56      /* highest level << 4 | 0 of what is masked until it runs */
#define V_DEAF 60      /* added to V_WAKE: WAKE_DEAF before it gave its vectors */
#define V_UNITS 64     /* FPU: FR0-15 and XF0-15, FPSCR, FPUL; MMU: MMUCR TTB PTEL PTEH */
#define V_FPU_END (V_UNITS + 4 * 34)
#define V_MMU_END (V_FPU_END + 4 * 4)
#define V_HELD_INT2 V_MMU_END /* bits of INT2MSKCR and INTMSKCLR0 that unmask what is held */
#define V_HELD_IRQ (V_MMU_END + 4)

#define WAKE_READY -1        /* it can run */
#define WAKE_STOPPED -2      /* it is not to run */
#define WAKE_DEAF 0x80000000 /* nothing wakes it */
#define GUEST_HELD 4         /* something is masked until it runs */
#define GUEST_BARE 16        /* it waits or waited with nothing to keep */
#define GUEST_DEAD 32        /* it cannot go on: instead of running, it is ended when its turn comes */
#define GUEST_ANEW 64        /* likewise it is to be started again */

#ifndef __ASSEMBLER__

struct vcpu {
    unsigned long wake, code, interrupt, entry_sr, flags, r15, sr, pc, r[4], general, tlb, held, deaf;
    unsigned long fr[32], fpscr, fpul, mmucr, ttb, ptel, pteh, held_int2, held_irq;
    unsigned long lines_int2, lines_irq; /* bits that mask all its lines */
    unsigned long index;
};

#define AT(offset, field) _Static_assert(__builtin_offsetof(struct vcpu, field) == offset, #field)
AT(V_WAKE, wake);
AT(V_CODE, code);
AT(V_INTERRUPT, interrupt);
AT(V_ENTRY_SR, entry_sr);
AT(V_FLAGS, flags);
AT(V_R15, r15);
AT(V_SR, sr);
AT(V_PC, pc);
AT(V_R0, r);
AT(V_GENERAL, general);
AT(V_TLB, tlb);
AT(V_HELD, held);
AT(V_DEAF, deaf);
AT(V_UNITS, fr);
AT(V_FPU_END, mmucr);
AT(V_HELD_INT2, held_int2);
AT(V_HELD_IRQ, held_irq);
_Static_assert(sizeof(struct vcpu) <= VCPU_SIZE - VCPU_BELOW, "a vCPU is too big");

/* Words below the pointer. */
enum kept { KEPT_SR = -2, KEPT_PC = -3, KEPT_R6_BANK0 = -21, KEPT_R5_BANK0 = -22, KEPT_R4_BANK0 = -23 };

#endif
#endif
