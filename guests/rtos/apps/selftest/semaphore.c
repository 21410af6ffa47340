/* Semaphores: sig_sem isig_sem wai_sem pol_sem twai_sem. Timeouts and E_RLWAI are in waits.c. */
#include "selftest.h"

static void fifo_job(INT self) { result[self] = wai_sem(SEM_FIFO); }
static void pri_job(INT self) { result[self] = wai_sem(SEM_PRI); }
static void timed_job(INT self) { result[self] = twai_sem(SEM_PRI, 15); }

static void handler(void)
{
    CALL(isig_sem, (SEM_PRI), E_OK, "to a waiting task");
    CALL(isig_sem, (SEM_PRI), E_OK, "counted");
    CALL(isig_sem, (SEM_PRI), E_QOVR, "above maxsem");
    CALL(isig_sem, (NO_ID), E_ID, "above the highest");
}

void test_semaphore(void)
{
    CALL(pol_sem, (SEM_FIFO), E_OK, "takes one");
    CALL(pol_sem, (SEM_FIFO), E_TMOUT, "none left");
    CALL(sig_sem, (SEM_FIFO), E_OK, "counted");
    sig_sem(SEM_FIFO);
    CALL(sig_sem, (SEM_FIFO), E_QOVR, "above maxsem");
    CALL(wai_sem, (SEM_FIFO), E_OK, "takes one");
    CALL(twai_sem, (SEM_FIFO, 5), E_OK, "takes one");
    CALL(sig_sem, (NO_ID), E_ID, "above the highest");
    CALL(wai_sem, (0), E_ID, "0");
    CALL(pol_sem, (NO_ID), E_ID, "above the highest");
    CALL(twai_sem, (NO_ID, 5), E_ID, "above the highest");
    dis_dsp();
    CALL(pol_sem, (SEM_FIFO), E_TMOUT, "with dispatching disabled");
    ena_dsp();
    start(TSK_HIGH2, fifo_job);
    start(TSK_HIGH, fifo_job);
    CALL(sig_sem, (SEM_FIFO), E_OK, "to a waiting task");
    SEEN(wai_sem, "TA_TFIFO: who came first", result[2], E_OK);
    SEEN(wai_sem, "TA_TFIFO: not who is higher", result[1], 1);
    ter_tsk(TSK_HIGH);
    start(TSK_HIGH2, pri_job);
    start(TSK_HIGH, pri_job);
    sig_sem(SEM_PRI);
    SEEN(wai_sem, "TA_TPRI: who is higher", result[1], E_OK);
    SEEN(wai_sem, "TA_TPRI: not who came first", result[2], 1);
    start(TSK_HIGH, pri_job);
    chg_pri(TSK_HIGH2, 3);
    sig_sem(SEM_PRI);
    SEEN(chg_pri, "overtakes in a queue with TA_TPRI", result[2], E_OK);
    SEEN(chg_pri, "who is overtaken waits on", result[1], 1);
    ter_tsk(TSK_HIGH);
    sig_sem(SEM_PRI);
    SEEN(ter_tsk, "takes the task out of the queue", pol_sem(SEM_PRI), E_OK);
    start(TSK_HIGH, pri_job);
    sus_tsk(TSK_HIGH);
    sig_sem(SEM_PRI);
    SEEN(wai_sem, "a suspended task takes it too", pol_sem(SEM_PRI), E_TMOUT);
    rsm_tsk(TSK_HIGH);
    SEEN(wai_sem, "and returns when resumed", result[1], E_OK);
    start(TSK_HIGH, timed_job);
    sig_sem(SEM_PRI);
    SEEN(twai_sem, "returns with the signal", result[1], E_OK);
    start(TSK_HIGH, timed_job);
    in_a_handler(handler);
    SEEN(isig_sem, "the task returns", result[1], E_OK);
    SEEN(isig_sem, "one counted", pol_sem(SEM_PRI), E_OK);
    SEEN(isig_sem, "and no more", pol_sem(SEM_PRI), E_TMOUT);
}
