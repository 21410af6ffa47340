/* Event flags (uITRON4.0 4.4.2). */
#include "impl.h"

void eventflag_init(void)
{
    for (INT i = 0; i < flg_count; i++) {
        queue_init(&flg_cb[i].object.waiting);
        flg_cb[i].pattern = flg_ini[i].initial;
    }
}

static BOOL met(FLGPTN pattern, FLGPTN wanted, MODE mode)
{
    return mode & TWF_ORW ? (pattern & wanted) != 0 : (pattern & wanted) == wanted;
}

static ER set(ID flgid, FLGPTN setptn)
{
    if (flgid < 1 || flgid > flg_count)
        return E_ID;
    FLG *flg = &flg_cb[flgid - 1];
    UW sr = lock();
    flg->pattern |= setptn;
    QUEUE *entry = flg->object.waiting.next;
    while (entry != &flg->object.waiting) {
        TASK *task = (TASK *)entry;
        entry = entry->next;
        if (met(flg->pattern, task->pattern, task->mode)) {
            task->pattern = flg->pattern;
            wait_end(task, E_OK);
            if (flg_ini[flgid - 1].attribute & TA_CLR) {
                flg->pattern = 0;
                break;
            }
        }
    }
    return finish(sr, E_OK);
}

ER set_flg(ID flgid, FLGPTN setptn)
{
    return TASK_CONTEXT ? set(flgid, setptn) : E_CTX;
}

ER iset_flg(ID flgid, FLGPTN setptn)
{
    return HANDLER_CONTEXT ? set(flgid, setptn) : E_CTX;
}

ER clr_flg(ID flgid, FLGPTN clrptn)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (flgid < 1 || flgid > flg_count)
        return E_ID;
    UW sr = lock();
    flg_cb[flgid - 1].pattern &= clrptn;
    unlock(sr);
    return E_OK;
}

ER twai_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (flgid < 1 || flgid > flg_count)
        return E_ID;
    if (waiptn == 0 || wfmode > TWF_ORW || bad_timeout(tmout))
        return E_PAR;
    FLG *flg = &flg_cb[flgid - 1];
    ATR attribute = flg_ini[flgid - 1].attribute;
    TASK *self = runtsk;
    ER result = E_OK;
    UW sr = lock();
    if (!(attribute & TA_WMUL) && !queue_empty(&flg->object.waiting)) {
        result = E_ILUSE;
    } else if (met(flg->pattern, waiptn, wfmode)) {
        *p_flgptn = flg->pattern;
        if (attribute & TA_CLR)
            flg->pattern = 0;
    } else if (tmout == TMO_POL) {
        result = E_TMOUT;
    } else {
        self->pattern = waiptn;
        self->mode = wfmode;
        wait_start(WAIT_OBJECT, &flg->object, attribute & TA_TPRI, tmout);
        result = wait_here(sr);
        if (result == E_OK)
            *p_flgptn = self->pattern;
        return result;
    }
    unlock(sr);
    return result;
}

ER wai_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn)
{
    return twai_flg(flgid, waiptn, wfmode, p_flgptn, TMO_FEVR);
}

ER pol_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn)
{
    return twai_flg(flgid, waiptn, wfmode, p_flgptn, TMO_POL);
}
