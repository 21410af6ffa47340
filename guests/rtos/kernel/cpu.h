/* The CPU as the kernel sees it: SR, the interrupt mask floor, locking, and the entry points of entry.S. */
#ifndef CPU_H
#define CPU_H

#include "itron.h"
#include "sh7780.h"

#ifdef SPUMONE
#define IMASK_FLOOR 0x70 /* SPUMONE's partition ceiling, 7: levels below are the other guests' */
#else
#define IMASK_FLOOR 0x00
#endif

#define SR_TASK (SR_MD | IMASK_FLOOR) /* tasks run privileged, in register bank 0 */
#define SR_LOCKED (SR_MD | SR_IMASK)

static inline UW get_sr(void)
{
    UW sr;
    __asm__ volatile("stc sr, %0" : "=r"(sr) : : "memory");
    return sr;
}

static inline void set_sr(UW sr)
{
    __asm__ volatile("ldc %0, sr" : : "r"(sr) : "memory");
}

/* Shuts every interrupt out (the kernel's critical section, and loc_cpu); returns SR for unlock. */
static inline UW lock(void)
{
    UW sr = get_sr();
    set_sr(sr | SR_IMASK);
    return sr;
}

static inline void unlock(UW sr)
{
    set_sr(sr);
}

/* entry.S */
extern const char vectors[];      /* base of the exception vectors */
extern UW interrupt_nest;         /* handlers in progress; 0 in a task or the idle loop */
extern char interrupt_stack_end[];
void dispatch(void);              /* saves the running task (locked) and goes to schedtsk; returns locked */
void dispatch_away(void) __attribute__((noreturn)); /* the same without saving */

#endif
