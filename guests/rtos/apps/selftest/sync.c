/* Synchronisation of a task: slp_tsk tslp_tsk wup_tsk iwup_tsk can_wup rel_wai irel_wai sus_tsk rsm_tsk frsm_tsk dly_tsk.
 * Timeouts and E_RLWAI of the waits are in waits.c. */
#include "selftest.h"

static void handler(void)
{
    CALL(iwup_tsk, (TSK_HIGH), E_OK, "sleeping");
    CALL(iwup_tsk, (TSK_MAIN), E_OK, "not sleeping: counted");
    for (INT i = 1; i < TMAX_WUPCNT; i++)
        iwup_tsk(TSK_MAIN);
    CALL(iwup_tsk, (TSK_MAIN), E_QOVR, "above TMAX_WUPCNT");
    CALL(iwup_tsk, (NO_ID), E_ID, "above the highest");
    CALL(iwup_tsk, (TSK_SELF), E_ID, "TSK_SELF");
    CALL(iwup_tsk, (TSK_LOW), E_OBJ, "dormant");
    CALL(irel_wai, (TSK_HIGH2), E_OK, "waiting");
    CALL(irel_wai, (TSK_HIGH2), E_OBJ, "not waiting");
    CALL(irel_wai, (NO_ID), E_ID, "above the highest");
}

static void delay_job(INT self)
{
    result[self] = dly_tsk(15);
}

static void suspend_job(INT self)
{
    result[self] = sus_tsk(TSK_SELF);
}

static void sleep_15_job(INT self)
{
    result[self] = tslp_tsk(15);
}

void test_sync(void)
{
    SYSTIM before, after;
    start(TSK_HIGH, sleep_job);
    CALL(wup_tsk, (TSK_HIGH), E_OK, "sleeping");
    SEEN(slp_tsk, "returns woken", result[1], E_OK);
    CALL(wup_tsk, (TSK_HIGH), E_OBJ, "dormant");
    CALL(wup_tsk, (NO_ID), E_ID, "above the highest");
    CALL(wup_tsk, (TSK_SELF), E_OK, "TSK_SELF, counted");
    CALL(slp_tsk, (), E_OK, "takes a counted wake-up");
    for (INT i = 0; i < TMAX_WUPCNT; i++)
        wup_tsk(TSK_MAIN);
    CALL(wup_tsk, (TSK_MAIN), E_QOVR, "above TMAX_WUPCNT");
    SEEN(can_wup, "answers the count", can_wup(TSK_SELF), TMAX_WUPCNT);
    SEEN(can_wup, "and clears it", can_wup(TSK_MAIN), 0);
    CALL(can_wup, (NO_ID), E_ID, "above the highest");
    CALL(can_wup, (TSK_LOW), E_OBJ, "dormant");
    wup_tsk(TSK_SELF);
    CALL(tslp_tsk, (TMO_POL), E_OK, "takes a counted wake-up");
    CALL(tslp_tsk, (TMO_POL), E_TMOUT, "nothing counted");
    get_tim(&before);
    tslp_tsk(20);
    get_tim(&after);
    SEEN(tslp_tsk, "ends within two ticks of the time", after - before >= 20 && after - before <= 30, TRUE);
    get_tim(&before);
    CALL(dly_tsk, (10), E_OK, "ends");
    get_tim(&after);
    SEEN(dly_tsk, "within two ticks of the time", after - before >= 10 && after - before <= 20, TRUE);
    CALL(dly_tsk, (0), E_OK, "of 0");
    CALL(dly_tsk, (0xffffffff), E_PAR, "above TMAX_RELTIM");
    start(TSK_HIGH, sleep_15_job);
    wup_tsk(TSK_HIGH);
    SEEN(tslp_tsk, "returns woken", result[1], E_OK);
    start(TSK_HIGH, delay_job);
    CALL(wup_tsk, (TSK_HIGH), E_OK, "in dly_tsk: counted");
    SEEN(dly_tsk, "is not ended by wup_tsk", result[1], 1);
    SEEN(can_wup, "of a waiting task", can_wup(TSK_HIGH), 1);
    CALL(rel_wai, (TSK_HIGH), E_OK, "waiting");
    SEEN(rel_wai, "the call returns E_RLWAI", result[1], E_RLWAI);
    CALL(rel_wai, (TSK_HIGH), E_OBJ, "dormant");
    CALL(rel_wai, (TSK_MAIN), E_OBJ, "the caller");
    CALL(rel_wai, (TSK_SELF), E_ID, "TSK_SELF");
    CALL(rel_wai, (NO_ID), E_ID, "above the highest");

    start(TSK_HIGH, sleep_job);
    CALL(sus_tsk, (TSK_HIGH), E_OK, "waiting");
    CALL(sus_tsk, (TSK_HIGH), E_OK, "again: nested");
    wup_tsk(TSK_HIGH);
    SEEN(sus_tsk, "woken it stays suspended", result[1], 1);
    CALL(rel_wai, (TSK_HIGH), E_OBJ, "suspended, not waiting");
    CALL(rsm_tsk, (TSK_HIGH), E_OK, "of two");
    SEEN(rsm_tsk, "one of two is not enough", result[1], 1);
    CALL(rsm_tsk, (TSK_HIGH), E_OK, "the last");
    SEEN(rsm_tsk, "it runs", result[1], E_OK);
    CALL(rsm_tsk, (TSK_HIGH), E_OBJ, "dormant");
    CALL(rsm_tsk, (TSK_LOW), E_OBJ, "not suspended");
    CALL(rsm_tsk, (NO_ID), E_ID, "above the highest");
    CALL(rsm_tsk, (TSK_SELF), E_ID, "TSK_SELF");
    CALL(sus_tsk, (TSK_HIGH), E_OBJ, "dormant");
    CALL(sus_tsk, (NO_ID), E_ID, "above the highest");
    start(TSK_HIGH, sleep_job);
    for (INT i = 0; i < TMAX_SUSCNT; i++)
        sus_tsk(TSK_HIGH);
    CALL(sus_tsk, (TSK_HIGH), E_QOVR, "above TMAX_SUSCNT");
    CALL(frsm_tsk, (TSK_HIGH), E_OK, "of many");
    CALL(frsm_tsk, (TSK_HIGH), E_OBJ, "not suspended");
    SEEN(frsm_tsk, "it waits on", result[1], 1);
    wup_tsk(TSK_HIGH);
    CALL(frsm_tsk, (NO_ID), E_ID, "above the highest");
    CALL(frsm_tsk, (TSK_SELF), E_ID, "TSK_SELF");
    order = 0;
    start(TSK_LOW, NULL);
    CALL(sus_tsk, (TSK_LOW), E_OK, "ready");
    dly_tsk(1);
    SEEN(sus_tsk, "ready it does not run", order, 0);
    rsm_tsk(TSK_LOW);
    dly_tsk(1);
    SEEN(rsm_tsk, "ready it runs", order, 4);
    start(TSK_HIGH, suspend_job);
    SEEN(sus_tsk, "TSK_SELF suspends the caller", result[1], 1);
    rsm_tsk(TSK_HIGH);
    SEEN(sus_tsk, "TSK_SELF returns when resumed", result[1], E_OK);
    dis_dsp();
    CALL(sus_tsk, (TSK_SELF), E_CTX, "the caller with dispatching disabled");
    ena_dsp();
    start(TSK_HIGH, sleep_job);
    start(TSK_HIGH2, sleep_job);
    in_a_handler(handler);
    SEEN(iwup_tsk, "it runs", result[1], E_OK);
    SEEN(iwup_tsk, "counted TMAX_WUPCNT times", can_wup(TSK_SELF), TMAX_WUPCNT);
    SEEN(irel_wai, "the call returns E_RLWAI", result[2], E_RLWAI);
}
