/* Self test: every service call of the kernel, its normal case and its errors, in tasks, in a handler, with
 * the CPU locked and with dispatching disabled. Each failed check is a line; the last line is the count. */
#include "selftest.h"

#define NO_ID 99
#define IS(expression, expected) check(#expression, (INT)(expression), (INT)(expected))

static UINT passed, failed;
static volatile INT result[5];     /* of a helper's last wait */
static volatile VP_INT received[5];
static void (*volatile job[5])(INT self); /* what a helper does when it is activated */
static void (*volatile action)(void);     /* done once in the cyclic handler */
static volatile UINT cycles, cycle_exinf;
static volatile UINT order;               /* helpers append their number: 0x12 is helper 1, then 2 */
static volatile INT init_exinf, init_context, init_result;

static void check(const char *expression, INT got, INT expected)
{
    if (got == expected) {
        passed++;
        return;
    }
    failed++;
    print("FAIL %s: %d, not %d\r\n", expression, got, expected);
}

void init_routine(VP_INT exinf)
{
    init_exinf = (INT)exinf;
    init_context = sns_ctx();
    init_result = act_tsk(TSK_LOW);
}

void helper_task(VP_INT exinf)
{
    INT self = (INT)exinf;
    order = order << 4 | self;
    if (job[self])
        job[self](self);
}

void count_handler(VP_INT exinf)
{
    cycle_exinf = (UINT)exinf;
    cycles++;
}

void action_handler(VP_INT exinf)
{
    void (*todo)(void) = action;
    (void)exinf;
    if (todo) {
        todo();
        action = NULL;
    }
}

/* Runs a function in the cyclic handler; the main task waits for it. */
static void in_a_handler(void (*todo)(void))
{
    action = todo;
    while (action)
        dly_tsk(1);
}

/* Starts helper ID, which does f. One above the main task has run when this returns. */
static void start(ID id, void (*f)(INT))
{
    job[id - 1] = f;
    result[id - 1] = 1;
    IS(act_tsk(id), E_OK);
}

static void helper_sleep(INT self) { result[self] = slp_tsk(); }
static void helper_sleep_15(INT self) { result[self] = tslp_tsk(15); }
static void helper_delay(INT self) { result[self] = dly_tsk(15); }
static void helper_sem_fifo(INT self) { result[self] = wai_sem(SEM_FIFO); }
static void helper_sem_pri(INT self) { result[self] = wai_sem(SEM_PRI); }
static void helper_sem_15(INT self) { result[self] = twai_sem(SEM_PRI, 15); }
static void helper_send(INT self) { result[self] = snd_dtq(DTQ_TWO, (VP_INT)(0x100 + self)); }
static void helper_send_none(INT self) { result[self] = snd_dtq(DTQ_NONE, (VP_INT)(0x200 + self)); }
static void helper_send_pri(INT self) { result[self] = snd_dtq(DTQ_PRI, (VP_INT)(0x300 + self)); }

static void helper_flg(INT self)
{
    FLGPTN pattern = 0;
    result[self] = wai_flg(FLG_CLR, 3, TWF_ANDW, &pattern);
    received[self] = (VP_INT)pattern;
}

static void helper_flg_or(INT self)
{
    FLGPTN pattern = 0;
    result[self] = wai_flg(FLG_MANY, 6, TWF_ORW, &pattern);
    received[self] = (VP_INT)pattern;
}

static void helper_receive(INT self)
{
    VP_INT data = 0;
    result[self] = rcv_dtq(self == 1 ? DTQ_TWO : DTQ_NONE, &data);
    received[self] = data;
}

static void test_start(void)
{
    ID id = 0;
    IS(init_exinf, 42);
    IS(init_context, TRUE);
    IS(init_result, E_CTX);
    IS(get_tid(&id), E_OK);
    IS(id, TSK_MAIN);
    IS(sns_ctx(), FALSE);
    IS(sns_loc(), FALSE);
    IS(sns_dsp(), FALSE);
    IS(sns_dpn(), FALSE);
}

static void actions_task(void)
{
    ID id = 0;
    PRI priority;
    IS(iact_tsk(TSK_LOW), E_OK);
    IS(iact_tsk(NO_ID), E_ID);
    IS(iact_tsk(0), E_ID);
    IS(act_tsk(TSK_LOW), E_CTX);
    IS(can_act(TSK_LOW), E_CTX);
    IS(ter_tsk(TSK_LOW), E_CTX);
    IS(chg_pri(TSK_LOW, 3), E_CTX);
    IS(get_pri(TSK_LOW, &priority), E_CTX);
    IS(iget_tid(&id), E_OK);
    IS(id, TSK_NONE); /* the main task waits in dly_tsk, nobody runs */
    IS(get_tid(&id), E_CTX);
}

static void test_task(void)
{
    PRI priority = 0;
    order = 0;
    start(TSK_LOW, NULL);
    IS(order, 0); /* lower: has not run */
    IS(act_tsk(TSK_LOW), E_OK);
    IS(can_act(TSK_LOW), 1);
    IS(can_act(TSK_LOW), 0);
    for (INT i = 0; i < TMAX_ACTCNT; i++)
        act_tsk(TSK_LOW);
    IS(act_tsk(TSK_LOW), E_QOVR);
    IS(can_act(TSK_LOW), TMAX_ACTCNT);
    IS(chg_pri(TSK_LOW, 7), E_OK); /* now above: runs at once */
    IS(order, 4);
    IS(get_pri(TSK_LOW, &priority), E_OBJ);
    IS(chg_pri(TSK_LOW, 7), E_OBJ);
    IS(chg_pri(TSK_MAIN, 0x11), E_PAR);
    IS(chg_pri(TSK_MAIN, -1), E_PAR);
    IS(chg_pri(NO_ID, 3), E_ID);
    IS(chg_pri(TSK_SELF, 9), E_OK);
    IS(get_pri(TSK_SELF, &priority), E_OK);
    IS(priority, 9);
    IS(chg_pri(TSK_SELF, TPRI_INI), E_OK);
    IS(get_pri(TSK_MAIN, &priority), E_OK);
    IS(priority, 8);
    IS(get_pri(NO_ID, &priority), E_ID);
    IS(act_tsk(NO_ID), E_ID);
    IS(act_tsk(-1), E_ID);
    IS(can_act(NO_ID), E_ID);
    start(TSK_HIGH, helper_sleep);
    IS(act_tsk(TSK_HIGH), E_OK); /* queued: starts again after ter_tsk */
    IS(ter_tsk(TSK_HIGH), E_OK);
    IS(ter_tsk(TSK_HIGH), E_OK);
    IS(ter_tsk(TSK_HIGH), E_OBJ);
    IS(ter_tsk(TSK_MAIN), E_ILUSE);
    IS(ter_tsk(NO_ID), E_ID);
    order = 0;
    start(TSK_LOW, NULL);
    IS(ter_tsk(TSK_LOW), E_OK); /* while ready */
    dly_tsk(1);
    IS(order, 0);
    IS(iact_tsk(TSK_LOW), E_CTX);
    in_a_handler(actions_task);
    dly_tsk(1);
    IS(order, 4);
}

static void actions_sync(void)
{
    IS(iwup_tsk(TSK_HIGH), E_OK);
    IS(iwup_tsk(NO_ID), E_ID);
    IS(iwup_tsk(TSK_LOW), E_OBJ);
    IS(irel_wai(TSK_HIGH2), E_OK);
    IS(irel_wai(TSK_HIGH2), E_OBJ);
    IS(irel_wai(NO_ID), E_ID);
    IS(wup_tsk(TSK_HIGH), E_CTX);
    IS(rel_wai(TSK_HIGH), E_CTX);
    IS(slp_tsk(), E_CTX);
    IS(tslp_tsk(5), E_CTX);
    IS(dly_tsk(5), E_CTX);
    IS(can_wup(TSK_HIGH), E_CTX);
    IS(sus_tsk(TSK_LOW), E_CTX);
    IS(rsm_tsk(TSK_LOW), E_CTX);
    IS(frsm_tsk(TSK_LOW), E_CTX);
}

static void test_sync(void)
{
    SYSTIM before, after;
    start(TSK_HIGH, helper_sleep);
    IS(result[1], 1); /* sleeps */
    IS(wup_tsk(TSK_HIGH), E_OK);
    IS(result[1], E_OK);
    IS(wup_tsk(TSK_HIGH), E_OBJ);
    IS(wup_tsk(NO_ID), E_ID);
    IS(wup_tsk(TSK_SELF), E_OK);
    IS(slp_tsk(), E_OK);
    for (INT i = 0; i < TMAX_WUPCNT; i++)
        wup_tsk(TSK_MAIN);
    IS(wup_tsk(TSK_MAIN), E_QOVR);
    IS(can_wup(TSK_SELF), TMAX_WUPCNT);
    IS(can_wup(TSK_SELF), 0);
    IS(can_wup(NO_ID), E_ID);
    IS(can_wup(TSK_LOW), E_OBJ);
    IS(tslp_tsk(TMO_POL), E_TMOUT);
    IS(tslp_tsk(-2), E_PAR);
    get_tim(&before);
    IS(tslp_tsk(20), E_TMOUT);
    get_tim(&after);
    IS(after - before >= 20 && after - before <= 30, TRUE);
    get_tim(&before);
    IS(dly_tsk(10), E_OK);
    get_tim(&after);
    IS(after - before >= 10 && after - before <= 20, TRUE);
    IS(dly_tsk(0xffffffff), E_PAR);
    start(TSK_HIGH, helper_sleep_15);
    dly_tsk(30);
    IS(result[1], E_TMOUT);
    start(TSK_HIGH, helper_sleep_15);
    IS(wup_tsk(TSK_HIGH), E_OK); /* cancels the timeout */
    IS(result[1], E_OK);
    start(TSK_HIGH, helper_delay);
    IS(wup_tsk(TSK_HIGH), E_OK); /* counted, does not end dly_tsk */
    IS(result[1], 1);
    IS(can_wup(TSK_HIGH), 1);
    IS(rel_wai(TSK_HIGH), E_OK);
    IS(result[1], E_RLWAI);
    IS(rel_wai(TSK_HIGH), E_OBJ);
    IS(rel_wai(TSK_MAIN), E_OBJ);
    IS(rel_wai(NO_ID), E_ID);

    start(TSK_HIGH, helper_sleep);
    IS(sus_tsk(TSK_HIGH), E_OK);
    IS(sus_tsk(TSK_HIGH), E_OK);
    IS(wup_tsk(TSK_HIGH), E_OK);
    IS(result[1], 1); /* not waiting, but suspended */
    IS(rsm_tsk(TSK_HIGH), E_OK);
    IS(result[1], 1); /* twice suspended */
    IS(rsm_tsk(TSK_HIGH), E_OK);
    IS(result[1], E_OK);
    IS(rsm_tsk(TSK_HIGH), E_OBJ);
    IS(sus_tsk(TSK_HIGH), E_OBJ);
    start(TSK_HIGH, helper_sleep);
    for (INT i = 0; i < TMAX_SUSCNT; i++)
        sus_tsk(TSK_HIGH);
    IS(sus_tsk(TSK_HIGH), E_QOVR);
    IS(frsm_tsk(TSK_HIGH), E_OK);
    IS(frsm_tsk(TSK_HIGH), E_OBJ);
    IS(result[1], 1);
    IS(wup_tsk(TSK_HIGH), E_OK);
    IS(result[1], E_OK);
    IS(rsm_tsk(NO_ID), E_ID);
    IS(rsm_tsk(TSK_SELF), E_ID);
    IS(frsm_tsk(NO_ID), E_ID);
    IS(sus_tsk(NO_ID), E_ID);
    order = 0;
    start(TSK_LOW, NULL);
    IS(sus_tsk(TSK_LOW), E_OK);
    dly_tsk(1);
    IS(order, 0); /* ready, but suspended */
    IS(rsm_tsk(TSK_LOW), E_OK);
    dly_tsk(1);
    IS(order, 4);
    IS(iwup_tsk(TSK_HIGH), E_CTX);
    IS(irel_wai(TSK_HIGH), E_CTX);
    start(TSK_HIGH, helper_sleep);
    start(TSK_HIGH2, helper_sleep);
    in_a_handler(actions_sync);
    IS(result[1], E_OK);
    IS(result[2], E_RLWAI);
}

static void actions_semaphore(void)
{
    IS(isig_sem(SEM_PRI), E_OK); /* to the waiting helper */
    IS(isig_sem(SEM_PRI), E_OK);
    IS(isig_sem(SEM_PRI), E_QOVR);
    IS(isig_sem(NO_ID), E_ID);
    IS(sig_sem(SEM_PRI), E_CTX);
    IS(wai_sem(SEM_PRI), E_CTX);
    IS(pol_sem(SEM_PRI), E_CTX);
    IS(twai_sem(SEM_PRI, 5), E_CTX);
}

static void test_semaphore(void)
{
    IS(pol_sem(SEM_FIFO), E_OK);
    IS(pol_sem(SEM_FIFO), E_TMOUT);
    IS(sig_sem(SEM_FIFO), E_OK);
    IS(sig_sem(SEM_FIFO), E_OK);
    IS(sig_sem(SEM_FIFO), E_QOVR);
    IS(wai_sem(SEM_FIFO), E_OK);
    IS(twai_sem(SEM_FIFO, 5), E_OK);
    IS(twai_sem(SEM_FIFO, 5), E_TMOUT);
    IS(twai_sem(SEM_FIFO, -2), E_PAR);
    IS(sig_sem(NO_ID), E_ID);
    IS(wai_sem(0), E_ID);
    IS(pol_sem(NO_ID), E_ID);
    IS(twai_sem(NO_ID, 5), E_ID);
    start(TSK_HIGH2, helper_sem_fifo);
    start(TSK_HIGH, helper_sem_fifo);
    IS(sig_sem(SEM_FIFO), E_OK);
    IS(result[2], E_OK); /* who came first */
    IS(result[1], 1);
    IS(rel_wai(TSK_HIGH), E_OK);
    IS(result[1], E_RLWAI);
    start(TSK_HIGH2, helper_sem_pri);
    start(TSK_HIGH, helper_sem_pri);
    IS(sig_sem(SEM_PRI), E_OK);
    IS(result[1], E_OK); /* the higher */
    IS(result[2], 1);
    start(TSK_HIGH, helper_sem_pri);
    IS(chg_pri(TSK_HIGH2, 3), E_OK); /* overtakes in the queue */
    IS(sig_sem(SEM_PRI), E_OK);
    IS(result[2], E_OK);
    IS(result[1], 1);
    IS(ter_tsk(TSK_HIGH), E_OK); /* leaves the queue */
    IS(sig_sem(SEM_PRI), E_OK);
    IS(pol_sem(SEM_PRI), E_OK);
    start(TSK_HIGH, helper_sem_15);
    dly_tsk(30);
    IS(result[1], E_TMOUT);
    IS(isig_sem(SEM_PRI), E_CTX);
    start(TSK_HIGH, helper_sem_15);
    in_a_handler(actions_semaphore);
    IS(result[1], E_OK);
    IS(pol_sem(SEM_PRI), E_OK);
    IS(pol_sem(SEM_PRI), E_TMOUT);
}

static void actions_eventflag(void)
{
    FLGPTN pattern;
    IS(iset_flg(FLG_CLR, 3), E_OK);
    IS(iset_flg(NO_ID, 3), E_ID);
    IS(set_flg(FLG_CLR, 3), E_CTX);
    IS(clr_flg(FLG_CLR, 3), E_CTX);
    IS(wai_flg(FLG_CLR, 3, TWF_ORW, &pattern), E_CTX);
    IS(pol_flg(FLG_CLR, 3, TWF_ORW, &pattern), E_CTX);
    IS(twai_flg(FLG_CLR, 3, TWF_ORW, &pattern, 5), E_CTX);
}

static void test_eventflag(void)
{
    FLGPTN pattern = 0;
    IS(pol_flg(FLG_MANY, 0x30, TWF_ORW, &pattern), E_OK);
    IS(pattern, 0x10); /* from the configuration */
    IS(pol_flg(FLG_MANY, 0x30, TWF_ANDW, &pattern), E_TMOUT);
    IS(clr_flg(FLG_MANY, 0), E_OK);
    IS(pol_flg(FLG_MANY, 0x30, TWF_ORW, &pattern), E_TMOUT);
    IS(twai_flg(FLG_MANY, 1, TWF_ORW, &pattern, 5), E_TMOUT);
    IS(pol_flg(FLG_MANY, 0, TWF_ORW, &pattern), E_PAR);
    IS(pol_flg(FLG_MANY, 1, 4, &pattern), E_PAR);
    IS(twai_flg(FLG_MANY, 1, TWF_ORW, &pattern, -2), E_PAR);
    IS(set_flg(NO_ID, 1), E_ID);
    IS(clr_flg(NO_ID, 1), E_ID);
    IS(wai_flg(NO_ID, 1, TWF_ORW, &pattern), E_ID);
    IS(pol_flg(0, 1, TWF_ORW, &pattern), E_ID);
    start(TSK_HIGH, helper_flg);
    IS(pol_flg(FLG_CLR, 1, TWF_ORW, &pattern), E_ILUSE); /* TA_WSGL */
    IS(set_flg(FLG_CLR, 1), E_OK);
    IS(result[1], 1); /* one of two bits */
    IS(set_flg(FLG_CLR, 6), E_OK);
    IS(result[1], E_OK);
    IS(received[1], 7);
    IS(pol_flg(FLG_CLR, 7, TWF_ORW, &pattern), E_TMOUT); /* TA_CLR */
    start(TSK_HIGH, helper_flg_or);
    start(TSK_HIGH2, helper_flg_or);
    IS(set_flg(FLG_MANY, 4), E_OK);
    IS(result[1], E_OK); /* both: TA_WMUL */
    IS(result[2], E_OK);
    IS(received[2], 4);
    IS(wai_flg(FLG_MANY, 4, TWF_ANDW, &pattern), E_OK);
    IS(clr_flg(FLG_MANY, ~4u), E_OK);
    IS(iset_flg(FLG_CLR, 1), E_CTX);
    start(TSK_HIGH, helper_flg);
    in_a_handler(actions_eventflag);
    IS(result[1], E_OK);
    IS(received[1], 3);
}

static void actions_dataqueue(void)
{
    VP_INT data;
    IS(ipsnd_dtq(DTQ_TWO, (VP_INT)1), E_OK); /* to the waiting helper */
    IS(ipsnd_dtq(DTQ_TWO, (VP_INT)2), E_OK);
    IS(ipsnd_dtq(DTQ_TWO, (VP_INT)3), E_OK);
    IS(ipsnd_dtq(DTQ_TWO, (VP_INT)4), E_TMOUT);
    IS(ifsnd_dtq(DTQ_TWO, (VP_INT)5), E_OK); /* pushes 2 out */
    IS(ifsnd_dtq(DTQ_NONE, (VP_INT)5), E_ILUSE);
    IS(ipsnd_dtq(NO_ID, (VP_INT)1), E_ID);
    IS(ifsnd_dtq(NO_ID, (VP_INT)1), E_ID);
    IS(snd_dtq(DTQ_TWO, (VP_INT)1), E_CTX);
    IS(psnd_dtq(DTQ_TWO, (VP_INT)1), E_CTX);
    IS(tsnd_dtq(DTQ_TWO, (VP_INT)1, 5), E_CTX);
    IS(fsnd_dtq(DTQ_TWO, (VP_INT)1), E_CTX);
    IS(rcv_dtq(DTQ_TWO, &data), E_CTX);
    IS(prcv_dtq(DTQ_TWO, &data), E_CTX);
    IS(trcv_dtq(DTQ_TWO, &data, 5), E_CTX);
}

static void test_dataqueue(void)
{
    VP_INT data = 0;
    IS(prcv_dtq(DTQ_TWO, &data), E_TMOUT);
    IS(trcv_dtq(DTQ_TWO, &data, 5), E_TMOUT);
    IS(trcv_dtq(DTQ_TWO, &data, -2), E_PAR);
    IS(snd_dtq(DTQ_TWO, (VP_INT)1), E_OK);
    IS(psnd_dtq(DTQ_TWO, (VP_INT)2), E_OK);
    IS(psnd_dtq(DTQ_TWO, (VP_INT)3), E_TMOUT);
    IS(tsnd_dtq(DTQ_TWO, (VP_INT)3, 5), E_TMOUT);
    IS(tsnd_dtq(DTQ_TWO, (VP_INT)3, -2), E_PAR);
    IS(fsnd_dtq(DTQ_TWO, (VP_INT)3), E_OK); /* pushes 1 out */
    start(TSK_HIGH, helper_send);           /* waits: full */
    IS(result[1], 1);
    IS(rcv_dtq(DTQ_TWO, &data), E_OK);
    IS(data, 2);
    IS(result[1], E_OK); /* its word has moved in */
    IS(trcv_dtq(DTQ_TWO, &data, 5), E_OK);
    IS(data, 3);
    IS(prcv_dtq(DTQ_TWO, &data), E_OK);
    IS(data, 0x101);
    IS(prcv_dtq(DTQ_TWO, &data), E_TMOUT);
    IS(snd_dtq(NO_ID, data), E_ID);
    IS(psnd_dtq(NO_ID, data), E_ID);
    IS(fsnd_dtq(NO_ID, data), E_ID);
    IS(fsnd_dtq(DTQ_NONE, data), E_ILUSE);
    IS(rcv_dtq(NO_ID, &data), E_ID);
    IS(prcv_dtq(0, &data), E_ID);
    start(TSK_HIGH, helper_receive);
    IS(snd_dtq(DTQ_TWO, (VP_INT)9), E_OK);
    IS(received[1], 9);
    IS(psnd_dtq(DTQ_NONE, (VP_INT)1), E_TMOUT);
    start(TSK_HIGH2, helper_receive); /* capacity 0: sender and receiver meet */
    IS(psnd_dtq(DTQ_NONE, (VP_INT)11), E_OK);
    IS(received[2], 11);
    start(TSK_HIGH, helper_send_none);
    IS(prcv_dtq(DTQ_NONE, &data), E_OK);
    IS(data, 0x201);
    IS(result[1], E_OK);
    start(TSK_HIGH, helper_send_none);
    IS(rel_wai(TSK_HIGH), E_OK);
    IS(result[1], E_RLWAI);
    IS(prcv_dtq(DTQ_NONE, &data), E_TMOUT); /* its word went with it */
    IS(snd_dtq(DTQ_PRI, (VP_INT)1), E_OK);
    start(TSK_HIGH2, helper_send_pri);
    start(TSK_HIGH, helper_send_pri);
    IS(rcv_dtq(DTQ_PRI, &data), E_OK);
    IS(rcv_dtq(DTQ_PRI, &data), E_OK);
    IS(data, 0x301); /* the higher sender first */
    IS(rcv_dtq(DTQ_PRI, &data), E_OK);
    IS(data, 0x302);
    IS(ipsnd_dtq(DTQ_TWO, data), E_CTX);
    IS(ifsnd_dtq(DTQ_TWO, data), E_CTX);
    start(TSK_HIGH, helper_receive);
    in_a_handler(actions_dataqueue);
    IS(received[1], 1);
    IS(rcv_dtq(DTQ_TWO, &data), E_OK);
    IS(data, 3);
    IS(rcv_dtq(DTQ_TWO, &data), E_OK);
    IS(data, 5);
}

static void actions_time(void)
{
    SYSTIM time;
    IS(get_tim(&time), E_CTX);
    IS(set_tim(&time), E_CTX);
    IS(sta_cyc(CYC_COUNT), E_CTX);
    IS(stp_cyc(CYC_COUNT), E_CTX);
}

static void test_time(void)
{
    SYSTIM time = 1000000;
    IS(set_tim(&time), E_OK);
    IS(get_tim(&time), E_OK);
    IS(time >= 1000000 && time <= 1000005, TRUE);
    IS(isig_tim(), E_CTX);
    cycles = 0;
    IS(sta_cyc(CYC_COUNT), E_OK);
    dly_tsk(100);
    IS(cycles >= 9 && cycles <= 11, TRUE);
    IS(cycle_exinf, 7);
    IS(stp_cyc(CYC_COUNT), E_OK);
    IS(stp_cyc(CYC_COUNT), E_OK);
    cycles = 0;
    dly_tsk(30);
    IS(cycles, 0);
    IS(sta_cyc(CYC_COUNT), E_OK);
    dly_tsk(5);
    IS(sta_cyc(CYC_COUNT), E_OK); /* starts its period anew */
    IS(stp_cyc(CYC_COUNT), E_OK);
    IS(sta_cyc(NO_ID), E_ID);
    IS(stp_cyc(0), E_ID);
    in_a_handler(actions_time);
}

static void actions_system(void)
{
    IS(sns_ctx(), TRUE);
    IS(sns_dpn(), TRUE);
    IS(sns_loc(), FALSE);
    IS(irot_rdq(8), E_OK);
    IS(irot_rdq(TPRI_SELF), E_PAR);
    IS(irot_rdq(17), E_PAR);
    IS(rot_rdq(8), E_CTX);
    IS(loc_cpu(), E_CTX);
    IS(unl_cpu(), E_CTX);
    IS(dis_dsp(), E_CTX);
    IS(ena_dsp(), E_CTX);
    IS(iloc_cpu(), E_OK);
    IS(sns_loc(), TRUE);
    IS(iloc_cpu(), E_OK);
    IS(iact_tsk(TSK_LOW), E_CTX);
    IS(iwup_tsk(TSK_LOW), E_CTX);
    IS(isig_sem(SEM_PRI), E_CTX);
    IS(iset_flg(FLG_MANY, 1), E_CTX);
    IS(ipsnd_dtq(DTQ_TWO, 0), E_CTX);
    IS(iunl_cpu(), E_OK);
    IS(iunl_cpu(), E_OK);
    IS(sns_loc(), FALSE);
}

static void test_system(void)
{
    ID id;
    order = 0;
    start(TSK_SAME, NULL);
    IS(order, 0); /* beside, behind us */
    IS(rot_rdq(TPRI_SELF), E_OK);
    IS(order, 3);
    start(TSK_SAME, NULL);
    IS(rot_rdq(8), E_OK);
    IS(order, 0x33);
    IS(rot_rdq(3), E_OK); /* nobody there */
    IS(rot_rdq(17), E_PAR);
    IS(rot_rdq(-1), E_PAR);
    IS(irot_rdq(8), E_CTX);
    IS(iget_tid(&id), E_CTX);

    order = 0;
    IS(dis_dsp(), E_OK);
    IS(dis_dsp(), E_OK);
    IS(sns_dsp(), TRUE);
    IS(sns_dpn(), TRUE);
    start(TSK_HIGH, NULL);
    IS(order, 0); /* higher, but dispatching is disabled */
    IS(slp_tsk(), E_CTX);
    IS(dly_tsk(1), E_CTX);
    IS(wai_sem(SEM_FIFO), E_CTX);
    IS(pol_sem(SEM_FIFO), E_TMOUT); /* does not wait: allowed */
    IS(sus_tsk(TSK_SELF), E_CTX);
    IS(ena_dsp(), E_OK);
    IS(order, 1);
    IS(sns_dsp(), FALSE);
    IS(ena_dsp(), E_OK);

    IS(loc_cpu(), E_OK);
    IS(loc_cpu(), E_OK);
    BOOL locked = sns_loc(), pending = sns_dpn();
    ER activated = act_tsk(TSK_HIGH), slept = slp_tsk(), disabled = dis_dsp(), signalled = sig_sem(SEM_FIFO);
    IS(unl_cpu(), E_OK);
    IS(unl_cpu(), E_OK);
    IS(locked, TRUE);
    IS(pending, TRUE);
    IS(activated, E_CTX);
    IS(slept, E_CTX);
    IS(disabled, E_CTX);
    IS(signalled, E_CTX);
    IS(sns_loc(), FALSE);
    IS(iloc_cpu(), E_CTX);
    IS(iunl_cpu(), E_CTX);
    in_a_handler(actions_system);
}

void main_task(VP_INT exinf)
{
    (void)exinf;
    print("selftest: uITRON4.0 calls\r\n");
    test_start();
    test_task();
    test_sync();
    test_semaphore();
    test_eventflag();
    test_dataqueue();
    test_time();
    test_system();
    print("selftest: %u passed, %u failed\r\n", passed, failed);
}
