/* SPUMONE's call page, ABI version 2: what a guest (C or assembly) calls. The only header that is this ABI.
 *
 * Entry n lies at SPM_PAGE + 16*n and is called as a C function: arguments r4..r7, result r0; R0-R7, PR, MACH, MACL
 * and T may change, SR and every other register stay. SR.BL may be 0 or 1 and IMASK anything; privileged mode and
 * RB=0. Call through P1 as given: the page works with the MMU on, and a fetch of it through another segment is
 * ordinary memory, never a call. Errors are negative. An entry without a function answers SPM_ENOSYS.
 *
 * A guest's interrupt finds SR.IMASK at the interrupt's level (CPUOPM.INTMU, which a guest leaves as it is). */
#ifndef SPUMONE_H
#define SPUMONE_H

#define SPM_ABI_VERSION 2

#define SPM_PAGE 0x8ffff000
#define SPM_STRIDE 16
#define SPM_SET_VBR 0x8ffff000 /* entry 0 */
#define SPM_IDLE 0x8ffff010    /* entry 1 */
#define SPM_ROUTE 0x8ffff020   /* entry 2 */
#define SPM_QUERY 0x8ffff030   /* entry 3 */
#define SPM_RESTART 0x8ffff040 /* entry 4 */
#define SPM_STOP 0x8ffff050    /* entry 5 */
#define SPM_WAIT 0x8ffff060    /* entry 6 */
#define SPM_WRITE 0x8ffff070   /* entry 7 */
#define SPM_READ 0x8ffff080    /* entry 8 */

#define SPM_EPERM (-1)   /* the line is routed to another guest; the other guest is above */
#define SPM_ENOENT (-2)  /* nothing is kept to start that guest from */
#define SPM_EINVAL (-22) /* unknown INTEVT code, question or guest; vectors outside the guest's memory, P1 or P2 */
#define SPM_ENOSYS (-38) /* no such entry */

/* Questions of spm_query. */
#define SPM_Q_VERSION 0  /* SPM_ABI_VERSION */
#define SPM_Q_SELF 1     /* own guest index, from 0 */
#define SPM_Q_GUESTS 2   /* number of guests */
#define SPM_Q_PRIORITY 3 /* own priority */
#define SPM_Q_CEILING 4  /* ceiling IMASK level of the priority partition, 0 = partition off */

#ifndef __ASSEMBLER__

/* Registers the guest's vector base, instead of `ldc Rn, vbr`. 0 or SPM_EINVAL. */
static inline long spm_set_vbr(const void *vbr)
{
    return ((long (*)(const void *))SPM_SET_VBR)(vbr);
}

/* SLEEP at the call site: waits until an interrupt of this guest is pending with a level above its SR.IMASK (SR.BL is
 * ignored) and takes it, SPC being the return address; meanwhile lower guests run. TRA, EXPEVT, TEA may change. */
static inline void spm_idle(void)
{
    ((void (*)(void))SPM_IDLE)();
}

/* The same for an idle loop that has nothing to lose: of the registers only R15, SR and PC are kept, so an interrupt
 * finds its way back sooner. Calls again and again; handlers may leave it for good. */
static inline void __attribute__((noreturn)) spm_wait(void)
{
    __asm__ volatile("1:\tmov.l\t2f, r0\n\tjsr\t@r0\n\t nop\n\tbra\t1b\n\t nop\n\t.balign\t4\n2:\t.long\t%O0"
                     : : "i"(SPM_WAIT) : "memory");
    __builtin_unreachable();
}

/* Claims (on=1) or releases (on=0) the interrupt line of an INTEVT code. 0, SPM_EINVAL or SPM_EPERM. */
static inline long spm_route(unsigned long intevt, unsigned long on)
{
    return ((long (*)(unsigned long, unsigned long))SPM_ROUTE)(intevt, on);
}

/* Answer to one of the SPM_Q_ questions, or SPM_EINVAL. */
static inline long spm_query(unsigned long what)
{
    return ((long (*)(unsigned long))SPM_QUERY)(what);
}

/* Starts a guest anew from its image: the caller itself (then it does not return) or one of lower priority. Its
 * lines are masked, and it is loaded at its own priority while others run. 0, SPM_EINVAL, SPM_EPERM, SPM_ENOENT. */
static inline long spm_restart(unsigned long guest)
{
    return ((long (*)(unsigned long))SPM_RESTART)(guest);
}

/* The virtual serial device, where SPUMONE has one: puts characters out, or takes those that came in; how many, which
 * may be fewer than size, or 0: ask again later. The memory is the caller's own, in P1 or P2. SPM_EINVAL, or
 * SPM_ENOSYS where there is no such device. */
static inline long spm_write(const void *text, unsigned long size)
{
    return ((long (*)(const void *, unsigned long))SPM_WRITE)(text, size);
}

static inline long spm_read(void *buffer, unsigned long size)
{
    return ((long (*)(void *, unsigned long))SPM_READ)(buffer, size);
}

/* Ends a guest, likewise; spm_restart starts it again. 0, SPM_EINVAL or SPM_EPERM. */
static inline long spm_stop(unsigned long guest)
{
    return ((long (*)(unsigned long))SPM_STOP)(guest);
}

#endif
#endif
