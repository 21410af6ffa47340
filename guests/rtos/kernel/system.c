/* Start of the kernel, the idle loop, faults, and the calls that manage the system state (uITRON4.0 4.7). */
#include "impl.h"

#ifdef SPUMONE
#include "spumone.h"
#endif

#ifdef SPUMONE
#define IMASK_FLOOR (spm_query(SPM_Q_CEILING) << 4) /* up to there are the other guests' levels */
#else
#define IMASK_FLOOR 0
#endif

static UW handler_sr; /* SR before iloc_cpu, else 0: a handler does not unlock what it found locked */

static inline void set_vbr(const void *base)
{
#ifdef SPUMONE
    spm_set_vbr(base);
#else
    __asm__ volatile("ldc %0, vbr" : : "r"(base));
#endif
}

/* Waits for interrupts above SR.IMASK and takes them, SR.BL being set: none can slip in before the sleep. Nothing of
 * the registers is worth keeping but R15 and SR. */
static inline void __attribute__((noreturn)) wait_for_interrupts(void)
{
#ifdef SPUMONE
    spm_wait();
#else
    for (;;)
        __asm__ volatile("sleep" : : : "memory");
#endif
}

void idle(void)
{
    set_sr(sr_task); /* what came while the kernel was locked need not wait for the way into sleep and back */
    set_sr(sr_task | SR_BL);
    wait_for_interrupts();
}

void halt(void)
{
    set_sr(SR_MD | SR_BL | SR_IMASK);
    wait_for_interrupts();
}

/* entry.S comes here with SR = MD, BL, IMASK=15, register bank 0 and .bss zero. */
void kernel_start(void)
{
    interrupt_nest = 1; /* initialisation is no task: service calls answer E_CTX */
    set_vbr(vectors);
    set_sr(SR_LOCKED);
    sr_task = SR_MD | IMASK_FLOOR;
    console_init();
    interrupt_init();
    semaphore_init();
    eventflag_init();
    dataqueue_init();
    mailbox_init();
    mempool_init();
    task_init();
    for (INT i = 0; i < att_count; i++)
        att_ini[i].routine(att_ini[i].exinf);
    time_init();
    cyclic_init();
    interrupt_nest = 0;
    dispatch_away();
}

void fault_report(UW expevt, UW spc, UW pr, UW sp)
{
    panic("exception EXPEVT 0x%x SPC 0x%x PR 0x%x SP 0x%x", expevt, spc, pr, sp);
}

static ER rotate(PRI tskpri)
{
    if (tskpri == TPRI_SELF && !in_handler())
        tskpri = runtsk->priority;
    if (tskpri < TMIN_TPRI || tskpri > TMAX_TPRI)
        return E_PAR;
    UW sr = lock();
    rotate_ready(tskpri);
    return finish(sr, E_OK);
}

ER rot_rdq(PRI tskpri)
{
    return TASK_CONTEXT ? rotate(tskpri) : E_CTX;
}

ER irot_rdq(PRI tskpri)
{
    return HANDLER_CONTEXT ? rotate(tskpri) : E_CTX;
}

ER get_tid(ID *p_tskid)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    *p_tskid = runtsk - task_cb + 1;
    return E_OK;
}

ER iget_tid(ID *p_tskid)
{
    if (!HANDLER_CONTEXT)
        return E_CTX;
    *p_tskid = runtsk ? runtsk - task_cb + 1 : TSK_NONE;
    return E_OK;
}

ER loc_cpu(void)
{
    if (in_handler())
        return E_CTX;
    lock();
    return E_OK;
}

ER unl_cpu(void)
{
    if (in_handler())
        return E_CTX;
    unlock(runtsk->sr);
    return E_OK;
}

ER iloc_cpu(void)
{
    if (!in_handler())
        return E_CTX;
    if (!cpu_locked())
        handler_sr = lock();
    return E_OK;
}

ER iunl_cpu(void)
{
    if (!in_handler())
        return E_CTX;
    if (cpu_locked() && handler_sr) {
        UW sr = handler_sr;
        handler_sr = 0;
        unlock(sr);
    }
    return E_OK;
}

ER dis_dsp(void)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    dspdis = 1;
    return E_OK;
}

ER ena_dsp(void)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    UW sr = lock();
    dspdis = 0;
    return finish(sr, E_OK);
}

ER chg_ipm(IPM ipm)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (ipm > TMAX_IPM)
        return E_PAR;
    UW sr = SR_MD | ipm << 4;
    lock();
    runtsk->sr = sr > sr_task ? sr : sr_task;
    unlock(runtsk->sr);
    return E_OK;
}

ER get_ipm(IPM *p_ipm)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    *p_ipm = (get_sr() & SR_IMASK) >> 4;
    return E_OK;
}

BOOL sns_ctx(void)
{
    return in_handler();
}

BOOL sns_loc(void)
{
    return cpu_locked();
}

BOOL sns_dsp(void)
{
    return dspdis != 0;
}

BOOL sns_dpn(void)
{
    return in_handler() || cpu_locked() || dspdis;
}
