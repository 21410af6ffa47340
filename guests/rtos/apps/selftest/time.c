/* Time and cyclic handlers: set_tim get_tim isig_tim vxget_tim sta_cyc stp_cyc. */
#include "selftest.h"

static volatile UINT cycles, in_cycle;

void count_handler(VP_INT exinf)
{
    received[0] = exinf;
    in_cycle = sns_ctx() << 1 | sns_loc();
    cycles++;
}

static void handler(void)
{
    SYSUTIM before, after;
    CALL(isig_tim, (), E_OK, "inside a tick");
    CALL(vxget_tim, (&before), E_OK, "in a handler");
    for (INT i = 0; i < 100; i++)
        vxget_tim(&after);
    SEEN(vxget_tim, "moves within a tick", after - before > 1 && after - before < 1000, TRUE);
}

/* Whether a thousand readings never go back, and by how much they move at most. */
static BOOL rises(SYSUTIM *most)
{
    SYSUTIM last, next;
    *most = 0;
    vxget_tim(&last);
    for (INT i = 0; i < 1000; i++) {
        vxget_tim(&next);
        if ((W)(next - last) < 0)
            return FALSE;
        if (next - last > *most)
            *most = next - last;
        last = next;
    }
    return TRUE;
}

void test_time(void)
{
    SYSTIM time = 1000000, later;
    SYSUTIM before, after, most;
    CALL(set_tim, (&time), E_OK, "to a million");
    CALL(get_tim, (&time), E_OK, "a million");
    SEEN(get_tim, "the time set", time >= 1000000 && time <= 1000005, TRUE);
    get_tim(&time);
    dly_tsk(20);
    get_tim(&later);
    SEEN(get_tim, "goes on", later - time >= 20 && later - time <= 30, TRUE);

    CALL(vxget_tim, (&before), E_OK, "in a task");
    dly_tsk(20);
    vxget_tim(&after);
    SEEN(vxget_tim, "microseconds of dly_tsk(20)", after - before >= 20000 && after - before <= 30000, TRUE);
    for (INT i = 0; i < 20; i++)
        if (!rises(&most) || most > 200)
            break;
    SEEN(vxget_tim, "never goes back, nor jumps over a tick", most <= 200, TRUE);
    time = 5;
    set_tim(&time);
    vxget_tim(&before);
    SEEN(vxget_tim, "is not moved by set_tim", before - after < 1000000, TRUE);
    dly_tsk(1);
    loc_cpu();
    BOOL back = FALSE;
    CALL(vxget_tim, (&before), E_OK, "with the CPU locked");
    after = before;
    for (INT i = 0; i < 1400; i++) { /* 10 us each or more: over a tick that is due, and one that is lost */
        SYSUTIM last = after;
        for (volatile INT wait = 0; wait < 600; wait++)
            ;
        vxget_tim(&after);
        back |= (W)(after - last) < 0;
    }
    unl_cpu();
    SEEN(vxget_tim, "goes on over a tick not taken", after - before >= 6000, TRUE);
    SEEN(vxget_tim, "never goes back over a lost one", back, FALSE);

    cycles = 0;
    CALL(sta_cyc, (CYC_COUNT), E_OK, "stopped");
    dly_tsk(100);
    SEEN(sta_cyc, "called each 10 ms", cycles >= 9 && cycles <= 11, TRUE);
    SEEN(CRE_CYC, "the handler has its exinf", received[0], 7);
    SEEN(CRE_CYC, "and is a handler, the CPU not locked", in_cycle, 2);
    CALL(stp_cyc, (CYC_COUNT), E_OK, "started");
    CALL(stp_cyc, (CYC_COUNT), E_OK, "stopped already");
    cycles = 0;
    dly_tsk(30);
    SEEN(stp_cyc, "called no more", cycles, 0);
    sta_cyc(CYC_COUNT);
    dly_tsk(5);
    CALL(sta_cyc, (CYC_COUNT), E_OK, "again: the period begins anew");
    dly_tsk(5);
    SEEN(sta_cyc, "again: not called at the old time", cycles, 0);
    stp_cyc(CYC_COUNT);
    CALL(sta_cyc, (NO_ID), E_ID, "above the highest");
    CALL(stp_cyc, (0), E_ID, "0");
    get_tim(&time);
    in_a_handler(handler);
    get_tim(&later);
    SEEN(isig_tim, "the time goes on by a tick", later - time >= 10, TRUE);
}
