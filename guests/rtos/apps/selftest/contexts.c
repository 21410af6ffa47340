/* Every service call in each context where it answers E_CTX. */
#include "selftest.h"

enum { TASK, WAIT, HANDLER, TASK_OR_LOCKED, HANDLER_OR_LOCKED }; /* as in kernel.h */

static VP out; /* what the calls would write to */
static T_MSG message;

#define CALLS(X) \
    X(TASK, act_tsk, (TSK_LOW)) X(HANDLER, iact_tsk, (TSK_LOW)) X(TASK, can_act, (TSK_LOW)) \
    X(TASK, ter_tsk, (TSK_LOW)) X(TASK, chg_pri, (TSK_MAIN, 8)) X(TASK, get_pri, (TSK_MAIN, (PRI *)&out)) \
    X(WAIT, slp_tsk, ()) X(WAIT, tslp_tsk, (5)) X(TASK, wup_tsk, (TSK_LOW)) X(HANDLER, iwup_tsk, (TSK_LOW)) \
    X(TASK, can_wup, (TSK_MAIN)) X(TASK, rel_wai, (TSK_LOW)) X(HANDLER, irel_wai, (TSK_LOW)) \
    X(TASK, sus_tsk, (TSK_LOW)) X(TASK, rsm_tsk, (TSK_LOW)) X(TASK, frsm_tsk, (TSK_LOW)) X(WAIT, dly_tsk, (1)) \
    X(TASK, ras_tex, (TSK_MAIN, 1)) X(HANDLER, iras_tex, (TSK_MAIN, 1)) X(TASK, dis_tex, ()) X(TASK, ena_tex, ()) \
    X(TASK, sig_sem, (SEM_PRI)) X(HANDLER, isig_sem, (SEM_PRI)) X(WAIT, wai_sem, (SEM_FIFO)) \
    X(TASK, pol_sem, (SEM_FIFO)) X(WAIT, twai_sem, (SEM_FIFO, 5)) \
    X(TASK, set_flg, (FLG_CLR, 1)) X(HANDLER, iset_flg, (FLG_CLR, 1)) X(TASK, clr_flg, (FLG_CLR, 0)) \
    X(WAIT, wai_flg, (FLG_MANY, 0x10, TWF_ORW, (FLGPTN *)&out)) \
    X(TASK, pol_flg, (FLG_MANY, 0x10, TWF_ORW, (FLGPTN *)&out)) \
    X(WAIT, twai_flg, (FLG_MANY, 0x10, TWF_ORW, (FLGPTN *)&out, 5)) \
    X(WAIT, snd_dtq, (DTQ_TWO, 0)) X(TASK, psnd_dtq, (DTQ_TWO, 0)) X(HANDLER, ipsnd_dtq, (DTQ_TWO, 0)) \
    X(WAIT, tsnd_dtq, (DTQ_TWO, 0, 5)) X(TASK, fsnd_dtq, (DTQ_TWO, 0)) X(HANDLER, ifsnd_dtq, (DTQ_TWO, 0)) \
    X(WAIT, rcv_dtq, (DTQ_TWO, &out)) X(TASK, prcv_dtq, (DTQ_TWO, &out)) X(WAIT, trcv_dtq, (DTQ_TWO, &out, 5)) \
    X(TASK, snd_mbx, (MBX_FIFO, &message)) X(WAIT, rcv_mbx, (MBX_FIFO, (T_MSG **)&out)) \
    X(TASK, prcv_mbx, (MBX_FIFO, (T_MSG **)&out)) X(WAIT, trcv_mbx, (MBX_FIFO, (T_MSG **)&out, 5)) \
    X(WAIT, get_mpf, (MPF_TWO, &out)) X(TASK, pget_mpf, (MPF_TWO, &out)) X(WAIT, tget_mpf, (MPF_TWO, &out, 5)) \
    X(TASK, rel_mpf, (MPF_TWO, out)) \
    X(TASK, set_tim, ((SYSTIM *)&out)) X(TASK, get_tim, ((SYSTIM *)&out)) X(HANDLER, isig_tim, ()) \
    X(TASK, sta_cyc, (CYC_COUNT)) X(TASK, stp_cyc, (CYC_COUNT)) \
    X(TASK, rot_rdq, (8)) X(HANDLER, irot_rdq, (8)) X(TASK, get_tid, ((ID *)&out)) X(HANDLER, iget_tid, ((ID *)&out)) \
    X(TASK_OR_LOCKED, loc_cpu, ()) X(HANDLER_OR_LOCKED, iloc_cpu, ()) \
    X(TASK_OR_LOCKED, unl_cpu, ()) X(HANDLER_OR_LOCKED, iunl_cpu, ()) X(TASK, dis_dsp, ()) X(TASK, ena_dsp, ()) \
    X(TASK, chg_ipm, (0)) X(TASK, get_ipm, ((IPM *)&out))

#define THUNK(context, call, arguments) static ER call##_here(void) { return call arguments; }
CALLS(THUNK)

static const struct {
    UINT context;
    const char *name;
    ER (*call)(void);
} calls[] = {
#define ROW(context, call, arguments) {context, #call, call##_here},
    CALLS(ROW)
};
#define COUNT (sizeof calls / sizeof calls[0])

/* Calls in the present context all those that this set of contexts does not allow. */
static void refused(UINT contexts, const char *where)
{
    for (UINT i = 0; i < COUNT; i++)
        if (contexts & 1u << calls[i].context)
            item(calls[i].name, "E_CTX", where, calls[i].call(), E_CTX);
}

#define NOT_IN_HANDLER (1u << TASK | 1u << WAIT | 1u << TASK_OR_LOCKED)
#define NOT_IN_TASK (1u << HANDLER | 1u << HANDLER_OR_LOCKED)

static void handler(void)
{
    refused(NOT_IN_HANDLER, "in a handler");
    iloc_cpu();
    refused(1u << HANDLER, "with the CPU locked");
    iunl_cpu();
}

void test_contexts(void)
{
    refused(NOT_IN_TASK, "in a task");
    dis_dsp();
    refused(1u << WAIT, "with dispatching disabled");
    ena_dsp();
    loc_cpu();
    refused(1u << TASK | 1u << WAIT, "with the CPU locked");
    unl_cpu();
    in_a_handler(handler);
}
