/* What the static API has brought about by the time the first task runs, and initialisation routines. */
#include "selftest.h"

UW low_stack[256];
VP_INT dtq_buffer[1];
UW mpf_area[4];

static volatile UINT inits;
static volatile INT init_context, init_result;

void init_routine(VP_INT exinf)
{
    inits = inits << 8 | (UINT)exinf;
    init_context = sns_ctx();
    init_result = iact_tsk(TSK_LOW);
}

static void low_job(INT self)
{
    INT here;
    result[self] = (char *)&here >= (char *)low_stack && (char *)&here < (char *)low_stack + sizeof low_stack;
}

void test_api(void)
{
    ID id = 0;
    PRI priority = 0;
    FLGPTN pattern = 0;
    VP block = NULL;
    SEEN(ATT_INI, "routines in the order of the file, with their exinf", inits, 42 << 8 | 43);
    SEEN(ATT_INI, "is no task context", init_context, TRUE);
    SEEN(ATT_INI, "has the CPU locked", init_result, E_CTX);
    get_tid(&id);
    SEEN(CRE_TSK, "TA_ACT starts the task", id, TSK_MAIN);
    get_pri(TSK_SELF, &priority);
    SEEN(CRE_TSK, "has its priority", priority, 8);
    SEEN(CRE_TSK, "without TA_ACT is dormant", get_pri(TSK_HIGH, &priority), E_OBJ);
    start(TSK_LOW, low_job);
    dly_tsk(5);
    SEEN(CRE_TSK, "runs on the stack given", result[4], TRUE);
    SEEN(DEF_TEX, "exceptions are disabled at the start", sns_tex(), TRUE);
    SEEN(CRE_SEM, "begins with its count", pol_sem(SEM_FIFO), E_OK);
    SEEN(CRE_SEM, "and no more", pol_sem(SEM_FIFO), E_TMOUT);
    sig_sem(SEM_FIFO);
    pol_flg(FLG_MANY, 0xffff, TWF_ORW, &pattern);
    SEEN(CRE_FLG, "begins with its pattern", pattern, 0x10);
    SEEN(CRE_DTQ, "holds its count", psnd_dtq(DTQ_PRI, (VP_INT)5), E_OK);
    SEEN(CRE_DTQ, "and no more", psnd_dtq(DTQ_PRI, (VP_INT)6), E_TMOUT);
    SEEN(CRE_DTQ, "in the memory given", dtq_buffer[0], 5);
    prcv_dtq(DTQ_PRI, &dtq_buffer[0]);
    T_MSG *message;
    SEEN(CRE_MBX, "begins empty", prcv_mbx(MBX_FIFO, &message), E_TMOUT);
    pget_mpf(MPF_PRI, &block);
    SEEN(CRE_MPF, "blocks in the memory given", block, mpf_area);
    SEEN(CRE_MPF, "has its count", pget_mpf(MPF_PRI, &block), E_TMOUT);
    rel_mpf(MPF_PRI, mpf_area);
    SEEN(CRE_CYC, "without TA_STA is stopped", received[0], 0); /* count_handler writes exinf there */
}
