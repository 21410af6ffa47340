/* Every waiting call in the helper TSK_HIGH: released by rel_wai, by its timeout, and a timeout that is none. */
#include "selftest.h"

static volatile TMO timeout; /* of the timed calls below */
static VP out;

/* None of these can be served: SEM_PRI is 0, FLG_CLR too, DTQ_NONE has no room, MBX_FIFO no message, MPF_PRI no block. */
#define WAITS(X) \
    X(FALSE, slp_tsk, ()) X(TRUE, tslp_tsk, (timeout)) X(FALSE, dly_tsk, (1000)) \
    X(FALSE, wai_sem, (SEM_PRI)) X(TRUE, twai_sem, (SEM_PRI, timeout)) \
    X(FALSE, wai_flg, (FLG_CLR, 1, TWF_ORW, (FLGPTN *)&out)) \
    X(TRUE, twai_flg, (FLG_CLR, 1, TWF_ORW, (FLGPTN *)&out, timeout)) \
    X(FALSE, snd_dtq, (DTQ_NONE, 0)) X(TRUE, tsnd_dtq, (DTQ_NONE, 0, timeout)) \
    X(FALSE, rcv_dtq, (DTQ_NONE, &out)) X(TRUE, trcv_dtq, (DTQ_NONE, &out, timeout)) \
    X(FALSE, rcv_mbx, (MBX_FIFO, (T_MSG **)&out)) X(TRUE, trcv_mbx, (MBX_FIFO, (T_MSG **)&out, timeout)) \
    X(FALSE, get_mpf, (MPF_PRI, &out)) X(TRUE, tget_mpf, (MPF_PRI, &out, timeout))

#define THUNK(timed, call, arguments) static void call##_job(INT self) { result[self] = call arguments; }
WAITS(THUNK)

static const struct {
    BOOL timed;
    const char *name;
    void (*job)(INT);
} waits[] = {
#define ROW(timed, call, arguments) {timed, #call, call##_job},
    WAITS(ROW)
};

void test_waits(void)
{
    VP block;
    PRI priority;
    pget_mpf(MPF_PRI, &block);
    for (UINT i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        const char *name = waits[i].name;
        timeout = 1000;
        start(TSK_HIGH, waits[i].job);
        item(name, "E_OK", "waits", result[1], 1);
        rel_wai(TSK_HIGH);
        item(name, "E_RLWAI", "by rel_wai", result[1], E_RLWAI);
        start(TSK_HIGH, waits[i].job);
        ter_tsk(TSK_HIGH);
        item(name, "E_OK", "ended while it waits", get_pri(TSK_HIGH, &priority), E_OBJ);
        if (!waits[i].timed)
            continue;
        timeout = 10;
        start(TSK_HIGH, waits[i].job);
        dly_tsk(5);
        item(name, "E_TMOUT", "not before the time", result[1], 1);
        dly_tsk(15);
        item(name, "E_TMOUT", "after the time", result[1], E_TMOUT);
        timeout = TMO_POL;
        start(TSK_HIGH, waits[i].job);
        item(name, "E_TMOUT", "at once with TMO_POL", result[1], E_TMOUT);
        timeout = TMAX_RELTIM;
        start(TSK_HIGH, waits[i].job);
        dly_tsk(10);
        item(name, "E_OK", "waits on with TMAX_RELTIM", result[1], 1);
        rel_wai(TSK_HIGH);
        timeout = TMO_FEVR - 1;
        start(TSK_HIGH, waits[i].job);
        item(name, "E_PAR", "below TMO_FEVR", result[1], E_PAR);
        timeout = 0x7fffffff;
        start(TSK_HIGH, waits[i].job);
        item(name, "E_PAR", "above TMAX_RELTIM", result[1], E_PAR);
    }
    rel_mpf(MPF_PRI, block);
}
