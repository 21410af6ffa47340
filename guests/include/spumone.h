/* SPUMONE's call page, ABI version 1: what a guest (C or assembly) calls. The only header that is this ABI.
 *
 * Entry n lies at SPM_PAGE + 16*n and is called as an ordinary C function: arguments r4..r7, result r0, PR as
 * jsr leaves it, every other register preserved. SR.BL may be 0 or 1 and IMASK anything; privileged mode
 * only. Call through P1 as given: the page works with the MMU on, and a fetch of it through another segment
 * is ordinary memory, never a call. Errors are negative. An entry without a function answers SPM_ENOSYS. */
#ifndef SPUMONE_H
#define SPUMONE_H

#define SPM_ABI_VERSION 1

#define SPM_PAGE 0x8ffff000
#define SPM_STRIDE 16
#define SPM_SET_VBR 0x8ffff000 /* entry 0 */
#define SPM_IDLE 0x8ffff010    /* entry 1 */
#define SPM_ROUTE 0x8ffff020   /* entry 2 */
#define SPM_QUERY 0x8ffff030   /* entry 3 */

#define SPM_EPERM (-1)   /* the line is routed to another guest */
#define SPM_EINVAL (-22) /* unknown INTEVT code or question */
#define SPM_ENOSYS (-38) /* no such entry */

/* Questions of spm_query. */
#define SPM_Q_VERSION 0  /* SPM_ABI_VERSION */
#define SPM_Q_SELF 1     /* own guest index, from 0 */
#define SPM_Q_GUESTS 2   /* number of guests */
#define SPM_Q_PRIORITY 3 /* own priority */
#define SPM_Q_CEILING 4  /* ceiling IMASK level of the priority partition, 0 = partition off */

#ifndef __ASSEMBLER__

/* Registers the guest's vector base, instead of `ldc Rn, vbr`. Returns 0. */
static inline long spm_set_vbr(const void *vbr)
{
    return ((long (*)(const void *))SPM_SET_VBR)(vbr);
}

/* Exactly SLEEP at the call site: waits until an interrupt of this guest is pending with a level above its
 * SR.IMASK (SR.BL is ignored) and takes it, SPC being the return address; meanwhile lower guests run. */
static inline long spm_idle(void)
{
    return ((long (*)(void))SPM_IDLE)();
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

#endif
#endif
