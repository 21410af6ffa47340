/* Mailboxes (uITRON4.0 4.4.4): messages stay the sender's memory and are linked by their heads, in the order of
 * arrival or of their priority, and then of arrival. */
#include "impl.h"

void mailbox_init(void)
{
    for (INT i = 0; i < mbx_count; i++) {
        queue_init(&mbx_cb[i].object.waiting);
        mbx_cb[i].first = NULL;
    }
}

static PRI priority(const T_MSG *message)
{
    return ((const T_MSG_PRI *)message)->msgpri;
}

ER snd_mbx(ID mbxid, T_MSG *pk_msg)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (mbxid < 1 || mbxid > mbx_count)
        return E_ID;
    MBX *mbx = &mbx_cb[mbxid - 1];
    const MBX_INI *ini = &mbx_ini[mbxid - 1];
    BOOL by_priority = ini->attribute & TA_MPRI;
    if (by_priority && (priority(pk_msg) < TMIN_MPRI || priority(pk_msg) > ini->highest))
        return E_PAR;
    UW sr = lock();
    if (!queue_empty(&mbx->object.waiting)) {
        TASK *receiver = (TASK *)mbx->object.waiting.next;
        receiver->data = pk_msg;
        wait_end(receiver, E_OK);
    } else {
        T_MSG **place = &mbx->first;
        if (by_priority)
            while (*place && priority(*place) <= priority(pk_msg))
                place = &(*place)->next;
        else if (mbx->first)
            place = &mbx->last->next;
        pk_msg->next = *place;
        *place = pk_msg;
        if (!pk_msg->next)
            mbx->last = pk_msg;
    }
    return finish(sr, E_OK);
}

ER trcv_mbx(ID mbxid, T_MSG **ppk_msg, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (mbxid < 1 || mbxid > mbx_count)
        return E_ID;
    if (bad_timeout(tmout))
        return E_PAR;
    MBX *mbx = &mbx_cb[mbxid - 1];
    TASK *self = runtsk;
    ER result = E_OK;
    UW sr = lock();
    if (mbx->first) {
        *ppk_msg = mbx->first;
        mbx->first = mbx->first->next;
    } else if (tmout == TMO_POL) {
        result = E_TMOUT;
    } else {
        wait_start(WAIT_OBJECT, &mbx->object, mbx_ini[mbxid - 1].attribute & TA_TPRI, tmout);
        result = wait_here(sr);
        if (result == E_OK)
            *ppk_msg = self->data;
        return result;
    }
    unlock(sr);
    return result;
}

ER rcv_mbx(ID mbxid, T_MSG **ppk_msg)
{
    return trcv_mbx(mbxid, ppk_msg, TMO_FEVR);
}

ER prcv_mbx(ID mbxid, T_MSG **ppk_msg)
{
    return trcv_mbx(mbxid, ppk_msg, TMO_POL);
}
