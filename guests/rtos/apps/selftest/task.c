/* Tasks: act_tsk iact_tsk can_act ext_tsk ter_tsk chg_pri get_pri. */
#include "selftest.h"

static void handler(void)
{
    CALL(iact_tsk, (TSK_LOW), E_OK, "of a dormant task");
    CALL(iact_tsk, (NO_ID), E_ID, "above the highest");
    CALL(iact_tsk, (TSK_SELF), E_ID, "TSK_SELF");
    for (INT i = 0; i < TMAX_ACTCNT; i++)
        iact_tsk(TSK_MAIN);
    CALL(iact_tsk, (TSK_MAIN), E_QOVR, "above TMAX_ACTCNT");
}

static void locked_job(INT self)
{
    result[self] = E_OK;
    dis_dsp();
    loc_cpu();
    ext_tsk();
}

static void priority_job(INT self)
{
    PRI priority = 0;
    get_pri(TSK_SELF, &priority);
    result[self] = priority;
    chg_pri(TSK_SELF, 3);
    slp_tsk();
}

void test_task(void)
{
    PRI priority = 0;
    order = 0;
    CALL(act_tsk, (TSK_LOW), E_OK, "of a dormant task");
    SEEN(act_tsk, "a lower one has not run", order, 0);
    CALL(act_tsk, (TSK_LOW), E_OK, "counted");
    SEEN(can_act, "answers the count", can_act(TSK_LOW), 1);
    SEEN(can_act, "and clears it", can_act(TSK_LOW), 0);
    CALL(act_tsk, (TSK_SELF), E_OK, "TSK_SELF, counted");
    SEEN(can_act, "TSK_SELF", can_act(TSK_SELF), 1);
    for (INT i = 0; i < TMAX_ACTCNT; i++)
        act_tsk(TSK_LOW);
    CALL(act_tsk, (TSK_LOW), E_QOVR, "above TMAX_ACTCNT");
    SEEN(can_act, "answers TMAX_ACTCNT", can_act(TSK_LOW), TMAX_ACTCNT);
    CALL(act_tsk, (NO_ID), E_ID, "above the highest");
    CALL(act_tsk, (-1), E_ID, "negative");
    CALL(can_act, (NO_ID), E_ID, "above the highest");

    CALL(chg_pri, (TSK_LOW, 7), E_OK, "of a ready task");
    SEEN(chg_pri, "above the caller it runs at once", order, 4);
    CALL(chg_pri, (TSK_LOW, 7), E_OBJ, "dormant");
    CALL(get_pri, (TSK_LOW, &priority), E_OBJ, "dormant");
    CALL(chg_pri, (TSK_MAIN, TMAX_TPRI + 1), E_PAR, "above TMAX_TPRI");
    CALL(chg_pri, (TSK_MAIN, -1), E_PAR, "negative");
    CALL(chg_pri, (NO_ID, 3), E_ID, "above the highest");
    CALL(chg_pri, (TSK_SELF, 9), E_OK, "TSK_SELF");
    CALL(get_pri, (TSK_SELF, &priority), E_OK, "TSK_SELF");
    SEEN(get_pri, "answers the priority", priority, 9);
    CALL(chg_pri, (TSK_SELF, TPRI_INI), E_OK, "TPRI_INI");
    get_pri(TSK_MAIN, &priority);
    SEEN(chg_pri, "TPRI_INI is that of CRE_TSK", priority, 8);
    CALL(get_pri, (NO_ID, &priority), E_ID, "above the highest");
    order = 0;
    start(TSK_SAME, NULL);
    CALL(chg_pri, (TSK_SELF, 8), E_OK, "to the same");
    SEEN(chg_pri, "to the same goes behind those of it", order, 3);
    start(TSK_HIGH, priority_job);
    ter_tsk(TSK_HIGH);
    start(TSK_HIGH, priority_job);
    SEEN(act_tsk, "begins at its first priority again", result[1], 4);
    ter_tsk(TSK_HIGH);

    start(TSK_HIGH, sleep_job);
    act_tsk(TSK_HIGH);
    CALL(ter_tsk, (TSK_HIGH), E_OK, "waiting");
    SEEN(ter_tsk, "a counted activation starts it again", get_pri(TSK_HIGH, &priority), E_OK);
    CALL(ter_tsk, (TSK_HIGH), E_OK, "without one");
    CALL(ter_tsk, (TSK_HIGH), E_OBJ, "dormant");
    CALL(ter_tsk, (TSK_MAIN), E_ILUSE, "the caller");
    CALL(ter_tsk, (TSK_SELF), E_ID, "TSK_SELF");
    CALL(ter_tsk, (NO_ID), E_ID, "above the highest");
    start(TSK_HIGH, sleep_job);
    sus_tsk(TSK_HIGH);
    CALL(ter_tsk, (TSK_HIGH), E_OK, "waiting and suspended");
    start(TSK_HIGH, sleep_job);
    SEEN(ter_tsk, "what was suspended is so no more", rsm_tsk(TSK_HIGH), E_OBJ);
    wup_tsk(TSK_HIGH);
    order = 0;
    start(TSK_LOW, NULL);
    CALL(ter_tsk, (TSK_LOW), E_OK, "ready");
    dly_tsk(1);
    SEEN(ter_tsk, "it has not run", order, 0);

    order = 0;
    start(TSK_LOW, NULL);
    act_tsk(TSK_LOW);
    dly_tsk(1);
    SEEN(ext_tsk, "a counted activation starts it again", order, 0x44);
    start(TSK_HIGH, locked_job);
    SEEN(ext_tsk, "ends the locked CPU", sns_loc(), FALSE);
    SEEN(ext_tsk, "and disabled dispatching", sns_dsp(), FALSE);
    SEEN(ext_tsk, "leaves the task dormant", get_pri(TSK_HIGH, &priority), E_OBJ);
    order = 0;
    in_a_handler(handler);
    SEEN(iact_tsk, "it has run", order, 4);
    SEEN(iact_tsk, "counted", can_act(TSK_SELF), TMAX_ACTCNT);
}
