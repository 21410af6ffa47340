/* The CPU as the kernel sees it: SR, locking, and the entry points of entry.S. */
#ifndef CPU_H
#define CPU_H

#include "itron.h"
#include "sh7780.h"

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
extern EXCINF *interrupted_frame; /* of the task or idle loop that handlers interrupt */
void dispatch(void);              /* saves the running task (locked) and goes to schedtsk; returns locked */
void dispatch_away(void) __attribute__((noreturn)); /* the same without saving */
void resume_exception(void);      /* where a stopped task goes on that has a task exception first (taskexc.c) */
void return_exception(void);      /* the same for one that an interrupt has stopped */

#endif
