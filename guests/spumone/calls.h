/* What the C files of SPUMONE and its paths (spumone.S) share. */
#ifndef CALLS_H
#define CALLS_H

#include "layout.h"
#include "vcpu.h"

#define REG32(address) (*(volatile unsigned long *)(address))
#define CCN_MMUCR 0xff000010
#define CCN_EXPEVT 0xff000024
#define MMUCR_TI 4
#define SR_MD 0x40000000
#define INT2PRI2 0xffd40008
#define INTMSK1 0xffd00048
#define VECTORS 0x700 /* bytes from a vector base */

typedef struct vcpu VCPU;

/* spumone.S */
extern VCPU *current, *fpu_holder, *mmu_holder, *first, *fpscr_lost;
extern VCPU nobody, console; /* own what no guest does, and the lines of the serial device that is SPUMONE's */
extern unsigned long floor;  /* V_WAKE above which interrupts come while no guest that waits asks for less */
extern char __bss_start[], __bss_end[];
extern char vcpus[];
extern unsigned long call_frame[]; /* PR, SR, R15 of the guest in a call */
extern const struct table spm_table; /* filled by the launcher; see hypervisor_node/layout.py */
void elect(void) __attribute__((noreturn));
void spm_leave(void) __attribute__((noreturn));
void spm_tell(void);
void spm_loader(void);
void spm_no_vectors(void), spm_no_interrupts(void);

/* What the monitor reads when spm_tell is called. */
enum told { TOLD_REFUSED = 1, TOLD_INSIDE, TOLD_UNROUTED, TOLD_NO_VECTORS, TOLD_FAULT, TOLD_CRASH, TOLD_RESTART,
            TOLD_STOP, TOLD_LOST, TOLD_MMU_LOST, TOLD_FPSCR_LOST };
struct report {
    unsigned long what, guest, value, pc;
};
void tell(enum told what, const VCPU *v, unsigned long value, unsigned long pc);
VCPU *at(unsigned long index);

/* serial.c */
void serial_init(void);
void serial_interrupt(void);

#endif
