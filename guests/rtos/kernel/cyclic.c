/* Cyclic handlers (uITRON4.0 4.5.2). They run in the tick's handler with the CPU unlocked, at its level. */
#include "impl.h"

static void run(void *argument, UW sr)
{
    CYC *cyc = argument;
    const CYC_INI *ini = &cyc_ini[cyc - cyc_cb];
    event_at(&cyc->event, cyc->event.due + ini->period);
    unlock(sr);
    ini->handler(ini->exinf);
    lock();
}

void cyclic_init(void)
{
    for (INT i = 0; i < cyc_count; i++) {
        cyc_cb[i].event.run = run;
        cyc_cb[i].event.argument = &cyc_cb[i];
        cyc_cb[i].started = (cyc_ini[i].attribute & TA_STA) != 0;
        if (cyc_cb[i].started)
            event_at(&cyc_cb[i].event, now + cyc_ini[i].phase);
    }
}

static ER control(ID cycid, BOOL start)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (cycid < 1 || cycid > cyc_count)
        return E_ID;
    CYC *cyc = &cyc_cb[cycid - 1];
    UW sr = lock();
    if (cyc->started)
        event_cancel(&cyc->event);
    cyc->started = start;
    if (start)
        event_after(&cyc->event, cyc_ini[cycid - 1].period);
    unlock(sr);
    return E_OK;
}

ER sta_cyc(ID cycid)
{
    return control(cycid, TRUE);
}

ER stp_cyc(ID cycid)
{
    return control(cycid, FALSE);
}
