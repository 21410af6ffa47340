/* Task exceptions: ras_tex iras_tex dis_tex ena_tex sns_tex, and when the routine runs. */
#include "selftest.h"

static volatile UINT seen;      /* the patterns of the routine's calls, one a byte, the last lowest */
static volatile UINT depth, deepest;
static volatile VP_INT exinf_seen;
static void (*volatile todo)(TEXPTN pattern); /* what the routine does besides */

void exception_routine(TEXPTN texptn, VP_INT exinf)
{
    seen = seen << 8 | texptn;
    exinf_seen = exinf;
    if (++depth > deepest)
        deepest = depth;
    if (todo)
        todo(texptn);
    depth--;
}

static void expect(void (*what)(TEXPTN))
{
    seen = deepest = 0;
    todo = what;
}

static volatile INT in_routine[4];

static void senses(TEXPTN pattern)
{
    (void)pattern;
    in_routine[0] = sns_ctx();
    in_routine[1] = sns_tex();
    in_routine[2] = sns_loc();
    in_routine[3] = sns_dsp();
}

static void raises(TEXPTN pattern)
{
    if (pattern == 8)
        in_routine[0] = ras_tex(TSK_SELF, 0x10);
}

static void nests(TEXPTN pattern)
{
    if (pattern == 0x20) {
        ena_tex();
        in_routine[0] = ras_tex(TSK_SELF, 0x40);
        in_routine[1] = seen;
    }
}

static void waits(TEXPTN pattern)
{
    FLGPTN got;
    VP block;
    (void)pattern;
    in_routine[0] = tslp_tsk(5);
    in_routine[1] = twai_flg(FLG_CLR, 0xf0, TWF_ORW, &got, 5);
    pget_mpf(MPF_PRI, &block);
    rel_mpf(MPF_PRI, block);
}

static void disables(TEXPTN pattern)
{
    (void)pattern;
    dis_dsp();
    start(TSK_HIGH2, NULL);
    in_routine[0] = order;
}

static void enables(TEXPTN pattern)
{
    (void)pattern;
    ena_dsp();
}

static void locks(TEXPTN pattern)
{
    (void)pattern;
    loc_cpu();
}

static void raises_mask(TEXPTN pattern)
{
    (void)pattern;
    chg_ipm(13);
}

static void ends(TEXPTN pattern)
{
    (void)pattern;
    ext_tsk();
}

static void enabled_sleep_job(INT self)
{
    result[self] = sns_tex();
    ena_tex();
    result[self] = slp_tsk();
}

static void flag_job(INT self)
{
    FLGPTN pattern = 0;
    ena_tex();
    result[self] = wai_flg(FLG_MANY, 0x80, TWF_ORW, &pattern);
    received[self] = (VP_INT)pattern;
}

static void unable_job(INT self)
{
    CALL(dis_tex, (), E_OBJ, "no routine");
    CALL(ena_tex, (), E_OBJ, "no routine");
    SEEN(sns_tex, "no routine", sns_tex(), TRUE);
    result[self] = slp_tsk();
}

static volatile BOOL go;

/* Values in registers over a long loop, which a task exception on the way must not change. */
static UINT busy(void)
{
    UINT a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;
    while (!go) {
        a += b; b ^= c; c += d; d ^= e; e += f; f ^= a;
        f ^= a; e -= f; d ^= e; c -= d; b ^= c; a -= b;
    }
    return a | b << 4 | c << 8 | d << 12 | e << 16 | f << 20;
}

static void busy_job(INT self)
{
    ena_tex();
    result[self] = busy();
    order = seen;
}

static void to_interrupted(void)
{
    CALL(iras_tex, (TSK_MAIN, 1), E_OK, "of the interrupted task");
    CALL(iras_tex, (TSK_MAIN, 2), E_OK, "again, before it has run");
    SEEN(iras_tex, "the routine has not run", seen, 0);
    SEEN(sns_tex, "in a handler: of the interrupted task", sns_tex(), FALSE);
    iwup_tsk(TSK_HIGH);
    go = TRUE;
}

static void to_waiting(void)
{
    CALL(iras_tex, (TSK_MAIN, 4), E_OK, "of a waiting task");
    CALL(iras_tex, (TSK_LOW, 1), E_OBJ, "dormant");
    CALL(iras_tex, (TSK_HIGH2, 1), E_OBJ, "no routine");
    CALL(iras_tex, (TSK_MAIN, 0), E_PAR, "pattern 0");
    CALL(iras_tex, (NO_ID, 1), E_ID, "above the highest");
    CALL(iras_tex, (TSK_SELF, 1), E_ID, "TSK_SELF");
    SEEN(sns_tex, "in a handler while idle", sns_tex(), TRUE);
}

static void sees_order_job(INT self)
{
    slp_tsk();
    result[self] = seen;
}

static void errors(void)
{
    CALL(ras_tex, (TSK_LOW, 1), E_OBJ, "dormant");
    CALL(ras_tex, (TSK_MAIN, 0), E_PAR, "pattern 0");
    CALL(ras_tex, (NO_ID, 1), E_ID, "above the highest");
    start(TSK_HIGH2, unable_job);
    CALL(ras_tex, (TSK_HIGH2, 1), E_OBJ, "no routine");
    wup_tsk(TSK_HIGH2);
}

static void of_the_caller(void)
{
    IPM before, after;
    expect(senses);
    SEEN(sns_tex, "disabled", sns_tex(), TRUE);
    CALL(ras_tex, (TSK_SELF, 1), E_OK, "disabled");
    CALL(ras_tex, (TSK_MAIN, 2), E_OK, "disabled, another pattern");
    SEEN(ras_tex, "disabled: the routine has not run", seen, 0);
    CALL(ena_tex, (), E_OK, "with a pattern pending");
    SEEN(ena_tex, "the routine ran once with all bits", seen, 3);
    SEEN(ena_tex, "exceptions are enabled after it", sns_tex(), FALSE);
    SEEN(DEF_TEX, "the routine has the task's exinf", exinf_seen, 0);
    SEEN(DEF_TEX, "the routine is in task context", in_routine[0], FALSE);
    SEEN(DEF_TEX, "exceptions are disabled in it", in_routine[1], TRUE);
    SEEN(DEF_TEX, "the CPU is not locked in it", in_routine[2], FALSE);
    CALL(ena_tex, (), E_OK, "enabled already");
    expect(NULL);
    CALL(ras_tex, (TSK_SELF, 4), E_OK, "enabled");
    SEEN(ras_tex, "enabled: the routine runs at once", seen, 4);
    CALL(dis_tex, (), E_OK, "enabled");
    SEEN(dis_tex, "disabled", sns_tex(), TRUE);
    ras_tex(TSK_SELF, 5);
    SEEN(dis_tex, "the routine does not run", seen, 4);
    ena_tex();
    SEEN(dis_tex, "until ena_tex", seen, 0x405);

    expect(raises);
    ras_tex(TSK_SELF, 8);
    SEEN(ras_tex, "inside the routine: it runs again", seen, 0x810);
    SEEN(ras_tex, "inside the routine: not nested", deepest, 1);
    expect(nests);
    ras_tex(TSK_SELF, 0x20);
    SEEN(ena_tex, "inside the routine: nested at once", in_routine[1], 0x2040);
    SEEN(ena_tex, "inside the routine: two deep", deepest, 2);
    SEEN(ena_tex, "inside the routine: enabled after it", sns_tex(), FALSE);
    expect(waits);
    ras_tex(TSK_SELF, 1);
    SEEN(DEF_TEX, "the routine may wait", in_routine[0], E_TMOUT);

    dis_dsp();
    expect(senses);
    ras_tex(TSK_SELF, 1);
    SEEN(ras_tex, "runs with dispatching disabled", seen, 1);
    SEEN(sns_dsp, "is so in the routine", in_routine[3], TRUE);
    expect(enables);
    ras_tex(TSK_SELF, 1);
    SEEN(DEF_TEX, "after it dispatching is disabled again", sns_dsp(), TRUE);
    ena_dsp();
    expect(disables);
    order = 0;
    ras_tex(TSK_SELF, 1);
    SEEN(dis_dsp, "in the routine: no dispatch", in_routine[0], 0);
    SEEN(DEF_TEX, "after it dispatching is enabled again", sns_dsp(), FALSE);
    SEEN(DEF_TEX, "after it the higher task has run", order, 2);
    expect(locks);
    ras_tex(TSK_SELF, 1);
    SEEN(DEF_TEX, "after it the CPU is not locked", sns_loc(), FALSE);
    expect(raises_mask);
    get_ipm(&before);
    ras_tex(TSK_SELF, 1);
    get_ipm(&after);
    SEEN(DEF_TEX, "after it the mask is as before", after, before);
}

static void of_others(void)
{
    PRI priority;
    expect(waits);
    start(TSK_HIGH, enabled_sleep_job);
    CALL(ras_tex, (TSK_HIGH, 1), E_OK, "of a waiting task");
    CALL(ras_tex, (TSK_HIGH, 2), E_OK, "of a waiting task, again");
    SEEN(ras_tex, "of a waiting task: it waits on", seen, 0);
    wup_tsk(TSK_HIGH);
    SEEN(ras_tex, "of a waiting task: runs when that ends", seen, 3);
    SEEN(ras_tex, "before the call returns", result[1], TRUE);
    SEEN(DEF_TEX, "the routine has the helper's exinf", exinf_seen, 1);
    dly_tsk(20);
    SEEN(ras_tex, "the wait's result is kept over the routine's", result[1], E_OK);
    start(TSK_HIGH, flag_job);
    ras_tex(TSK_HIGH, 1);
    set_flg(FLG_MANY, 0x81);
    clr_flg(FLG_MANY, 0x10);
    dly_tsk(20);
    SEEN(ras_tex, "the pattern it waited for too", received[1], 0x91);

    expect(NULL);
    start(TSK_HIGH, enabled_sleep_job);
    ras_tex(TSK_HIGH, 1);
    ter_tsk(TSK_HIGH);
    start(TSK_HIGH, enabled_sleep_job);
    SEEN(ter_tsk, "clears pending exceptions", seen, 0);
    ter_tsk(TSK_HIGH);
    result[1] = 1;
    start(TSK_HIGH, enabled_sleep_job);
    SEEN(act_tsk, "exceptions are disabled at the start", result[1], TRUE);
    expect(ends);
    ras_tex(TSK_HIGH, 7);
    wup_tsk(TSK_HIGH);
    SEEN(ext_tsk, "in the routine", get_pri(TSK_HIGH, &priority), E_OBJ);
    depth = 0;

    expect(waits);
    go = FALSE;
    start(TSK_LOW, busy_job);
    dly_tsk(10);
    CALL(ras_tex, (TSK_LOW, 9), E_OK, "of a task that lost the CPU in an interrupt");
    SEEN(ras_tex, "it has not run", seen, 0);
    go = TRUE;
    dly_tsk(40);
    SEEN(ras_tex, "it runs before the task goes on", order, 9);
    SEEN(ras_tex, "the registers are kept", result[4], 0x654321);
}

static void from_handlers(void)
{
    expect(waits);
    start(TSK_HIGH, sees_order_job);
    go = FALSE;
    action = to_interrupted;
    UINT registers = busy();
    SEEN(iras_tex, "runs before the interrupted task goes on", seen, 3);
    SEEN(iras_tex, "once", deepest, 1);
    SEEN(iras_tex, "after a higher task", result[1], 0);
    SEEN(iras_tex, "the registers are kept", registers, 0x654321);
    SEEN(iras_tex, "exceptions are enabled after it", sns_tex(), FALSE);
    expect(NULL);
    start(TSK_HIGH2, sleep_job);
    in_a_handler(to_waiting);
    SEEN(iras_tex, "of a waiting task: runs when that ends", seen, 4);
    wup_tsk(TSK_HIGH2);
    dis_tex();
}

void test_taskexc(void)
{
    errors();
    of_the_caller();
    of_others();
    from_handlers();
}
