/* System state: rot_rdq irot_rdq get_tid iget_tid loc_cpu iloc_cpu unl_cpu iunl_cpu dis_dsp ena_dsp sns_ctx sns_loc sns_dsp
 * sns_dpn chg_ipm get_ipm. */
#include "selftest.h"

static void handler(void)
{
    ID id = NO_ID;
    SEEN(sns_ctx, "in a handler", sns_ctx(), TRUE);
    SEEN(sns_dpn, "in a handler", sns_dpn(), TRUE);
    SEEN(sns_loc, "in a handler", sns_loc(), FALSE);
    SEEN(sns_dsp, "in a handler", sns_dsp(), FALSE);
    CALL(irot_rdq, (8), E_OK, "none ready");
    CALL(irot_rdq, (TPRI_SELF), E_PAR, "TPRI_SELF");
    CALL(irot_rdq, (TMAX_TPRI + 1), E_PAR, "above TMAX_TPRI");
    CALL(iget_tid, (&id), E_OK, "while idle");
    SEEN(iget_tid, "while idle: TSK_NONE", id, TSK_NONE);
    CALL(iloc_cpu, (), E_OK, "unlocked");
    SEEN(iloc_cpu, "the CPU is locked", sns_loc(), TRUE);
    CALL(iloc_cpu, (), E_OK, "locked already");
    CALL(iunl_cpu, (), E_OK, "locked");
    SEEN(iunl_cpu, "the CPU is not locked", sns_loc(), FALSE);
    CALL(iunl_cpu, (), E_OK, "not locked");
}

static volatile ID interrupted;

static void while_main_runs(void)
{
    ID id = TSK_NONE;
    iget_tid(&id);
    irot_rdq(8);
    interrupted = id;
}

static void ipm_job(INT self)
{
    IPM ipm = 99;
    get_ipm(&ipm);
    result[self] = ipm;
    slp_tsk();
}

void test_system(void)
{
    ID id = 0;
    IPM lowest = 99, ipm = 99;
    order = 0;
    start(TSK_SAME, NULL);
    SEEN(act_tsk, "of equal priority goes behind", order, 0);
    CALL(rot_rdq, (TPRI_SELF), E_OK, "TPRI_SELF");
    SEEN(rot_rdq, "TPRI_SELF lets the next run", order, 3);
    start(TSK_SAME, NULL);
    CALL(rot_rdq, (8), E_OK, "the caller's priority");
    SEEN(rot_rdq, "lets the next run", order, 0x33);
    CALL(rot_rdq, (3), E_OK, "none ready");
    CALL(rot_rdq, (TMAX_TPRI + 1), E_PAR, "above TMAX_TPRI");
    CALL(rot_rdq, (-1), E_PAR, "negative");
    CALL(get_tid, (&id), E_OK, "in a task");
    SEEN(get_tid, "answers the ID", id, TSK_MAIN);
    SEEN(sns_ctx, "in a task", sns_ctx(), FALSE);
    SEEN(sns_loc, "in a task", sns_loc(), FALSE);
    SEEN(sns_dsp, "in a task", sns_dsp(), FALSE);
    SEEN(sns_dpn, "in a task", sns_dpn(), FALSE);

    order = 0;
    CALL(dis_dsp, (), E_OK, "enabled");
    CALL(dis_dsp, (), E_OK, "disabled already");
    SEEN(sns_dsp, "disabled", sns_dsp(), TRUE);
    SEEN(sns_dpn, "disabled", sns_dpn(), TRUE);
    start(TSK_HIGH, NULL);
    SEEN(dis_dsp, "a higher task does not run", order, 0);
    dis_dsp();
    loc_cpu();
    unl_cpu();
    SEEN(unl_cpu, "leaves dispatching disabled", sns_dsp(), TRUE);
    CALL(ena_dsp, (), E_OK, "disabled");
    SEEN(ena_dsp, "the higher task runs", order, 1);
    SEEN(ena_dsp, "enabled", sns_dsp(), FALSE);
    CALL(ena_dsp, (), E_OK, "enabled already");

    CALL(loc_cpu, (), E_OK, "unlocked");
    SEEN(sns_loc, "locked", sns_loc(), TRUE);
    SEEN(sns_dpn, "locked", sns_dpn(), TRUE);
    CALL(loc_cpu, (), E_OK, "locked already");
    SEEN(loc_cpu, "is not nested", unl_cpu() == E_OK && !sns_loc(), TRUE);
    CALL(unl_cpu, (), E_OK, "not locked");
    loc_cpu();
    CALL(unl_cpu, (), E_OK, "locked");

    CALL(get_ipm, (&lowest), E_OK, "the lowest");
    CALL(chg_ipm, (13), E_OK, "raised");
    get_ipm(&ipm);
    SEEN(get_ipm, "raised", ipm, 13);
    SEEN(chg_ipm, "does not lock the CPU", sns_loc(), FALSE);
    start(TSK_HIGH, ipm_job);
    SEEN(chg_ipm, "another task has its own", result[1], lowest);
    wup_tsk(TSK_HIGH);
    get_ipm(&ipm);
    SEEN(chg_ipm, "is the caller's when it runs again", ipm, 13);
    loc_cpu();
    unl_cpu();
    get_ipm(&ipm);
    SEEN(unl_cpu, "keeps what chg_ipm has set", ipm, 13);
    CALL(chg_ipm, (TMAX_IPM + 1), E_PAR, "above TMAX_IPM");
    CALL(chg_ipm, (0), E_OK, "0");
    get_ipm(&ipm);
    SEEN(chg_ipm, "0 is the lowest there is", ipm, lowest);

    in_a_handler(handler);
    order = 0;
    start(TSK_SAME, NULL);
    interrupted = TSK_NONE;
    action = while_main_runs;
    while (interrupted == TSK_NONE)
        ;
    SEEN(iget_tid, "the interrupted task", interrupted, TSK_MAIN);
    SEEN(irot_rdq, "lets the next run on return", order, 3);
}
