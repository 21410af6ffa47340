/* A guest's CPU. The pointer to one points at its hot words; what a switch saves lies below it, pushed down from it
 * in this order:
 *   kept while it waits:   R15 SR PC DBR GBR R14..R8 R7..R4 of bank 1       (16 words; R0-R3 are hot words)
 *   kept when preempted:   PR MACH MACL R7..R0 of bank 0 EXPEVT TRA TEA     (14 words)
 * An array of them is in the order of priority, so the lower address is the higher guest. */
#ifndef VCPU_H
#define VCPU_H

#define VCPU_SIZE 512  /* bytes from one to the next */
#define VCPU_BELOW 128 /* of which these many lie below the pointer */
#define KEPT_WAITING 64
#define KEPT_PREEMPTED 120

/* Offsets of the hot words. */
#define V_WAKE 0       /* SR.IMASK << 4 | 3 while it waits: a level above it wakes it; else one of the next three */
#define V_HELD 4       /* highest level << 4 | 0 of what is masked until it runs */
#define V_GENERAL 8    /* its vectors: general exceptions, TLB misses, interrupts */
#define V_TLB 12
#define V_INTERRUPT 16
#define V_CODE 20      /* INTEVT >> 3 of the interrupt it entered last */
#define V_R0 24        /* R0-R3 of bank 1 */
#define V_R1 28
#define V_R2 32
#define V_R3 36
#define V_ENTRY_SR 40  /* SR when it enters an interrupt from waiting, but for IMASK */
#define V_FLAGS 44     /* GUEST_FPU, GUEST_MMU: registers to move first if another holds them; GUEST_HELD */
#define V_HELD_INT2 48 /* bits of INT2MSKCR and INTMSKCLR0 that unmask what is held */
#define V_HELD_IRQ 52
#define V_DEAF 56      /* added to V_WAKE: WAKE_DEAF before it gave its vectors */
#define V_INDEX 60
#define V_UNITS 64     /* FPU: FR0-15 and XF0-15, FPSCR, FPUL; MMU: MMUCR TTB PTEL PTEH */
#define V_FPU_END (V_UNITS + 4 * 34)
#define V_MMU_END (V_FPU_END + 4 * 4)

#define WAKE_READY -1        /* it can run */
#define WAKE_STOPPED -2      /* it is not to run */
#define WAKE_DEAF 0x80000000 /* nothing wakes it */
#define GUEST_HELD 4         /* something is masked until it runs */

#ifndef __ASSEMBLER__

struct vcpu {
    unsigned long wake, held, general, tlb, interrupt, code, r[4], entry_sr, flags, held_int2, held_irq, deaf, index;
    unsigned long fr[32], fpscr, fpul, mmucr, ttb, ptel, pteh;
};

/* Words below the pointer. */
enum kept { KEPT_SR = -2, KEPT_PC = -3, KEPT_R6_BANK0 = -21, KEPT_R5_BANK0 = -22, KEPT_R4_BANK0 = -23 };

#endif
#endif
