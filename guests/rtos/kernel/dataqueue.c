/* Data queues of one word (uITRON4.0 4.4.3). Senders wait only while the buffer is full, receivers only while
 * it is empty, so one wait queue serves both; with capacity 0 sender and receiver meet. */
#include "impl.h"

void dataqueue_init(void)
{
    for (INT i = 0; i < dtq_count; i++) {
        queue_init(&dtq_cb[i].object.waiting);
        dtq_cb[i].count = dtq_cb[i].first = 0;
    }
}

/* First task that waits to do kind, or NULL. */
static TASK *waiting(DTQ *dtq, enum wait_kind kind)
{
    TASK *task = (TASK *)dtq->object.waiting.next;
    return !queue_empty(&dtq->object.waiting) && task->wait_kind == kind ? task : NULL;
}

static void put(DTQ *dtq, const DTQ_INI *ini, VP_INT data)
{
    UINT place = dtq->first + dtq->count++;
    ini->buffer[place < ini->capacity ? place : place - ini->capacity] = data;
}

static VP_INT take(DTQ *dtq, const DTQ_INI *ini)
{
    VP_INT data = ini->buffer[dtq->first];
    if (++dtq->first == ini->capacity)
        dtq->first = 0;
    dtq->count--;
    return data;
}

/* Sends if that needs no waiting; FALSE if it does. */
static BOOL send_now(DTQ *dtq, const DTQ_INI *ini, VP_INT data)
{
    TASK *receiver = waiting(dtq, WAIT_RECEIVE);
    if (receiver) {
        receiver->data = data;
        wait_end(receiver, E_OK);
        return TRUE;
    }
    if (dtq->count == ini->capacity)
        return FALSE;
    put(dtq, ini, data);
    return TRUE;
}

static ER send_or_fail(ID dtqid, VP_INT data)
{
    if (dtqid < 1 || dtqid > dtq_count)
        return E_ID;
    UW sr = lock();
    return finish(sr, send_now(&dtq_cb[dtqid - 1], &dtq_ini[dtqid - 1], data) ? E_OK : E_TMOUT);
}

static ER send_by_force(ID dtqid, VP_INT data)
{
    if (dtqid < 1 || dtqid > dtq_count)
        return E_ID;
    DTQ *dtq = &dtq_cb[dtqid - 1];
    const DTQ_INI *ini = &dtq_ini[dtqid - 1];
    if (ini->capacity == 0)
        return E_ILUSE;
    UW sr = lock();
    if (!send_now(dtq, ini, data)) {
        take(dtq, ini);
        put(dtq, ini, data);
    }
    return finish(sr, E_OK);
}

ER tsnd_dtq(ID dtqid, VP_INT data, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (dtqid < 1 || dtqid > dtq_count)
        return E_ID;
    if (bad_timeout(tmout))
        return E_PAR;
    DTQ *dtq = &dtq_cb[dtqid - 1];
    UW sr = lock();
    if (send_now(dtq, &dtq_ini[dtqid - 1], data))
        return finish(sr, E_OK);
    if (tmout == TMO_POL) {
        unlock(sr);
        return E_TMOUT;
    }
    runtsk->data = data;
    wait_start(WAIT_SEND, &dtq->object, dtq_ini[dtqid - 1].attribute & TA_TPRI, tmout);
    return wait_here(sr);
}

ER snd_dtq(ID dtqid, VP_INT data)
{
    return tsnd_dtq(dtqid, data, TMO_FEVR);
}

ER psnd_dtq(ID dtqid, VP_INT data)
{
    return tsnd_dtq(dtqid, data, TMO_POL);
}

ER ipsnd_dtq(ID dtqid, VP_INT data)
{
    return HANDLER_CONTEXT ? send_or_fail(dtqid, data) : E_CTX;
}

ER fsnd_dtq(ID dtqid, VP_INT data)
{
    return TASK_CONTEXT ? send_by_force(dtqid, data) : E_CTX;
}

ER ifsnd_dtq(ID dtqid, VP_INT data)
{
    return HANDLER_CONTEXT ? send_by_force(dtqid, data) : E_CTX;
}

ER trcv_dtq(ID dtqid, VP_INT *p_data, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (dtqid < 1 || dtqid > dtq_count)
        return E_ID;
    if (bad_timeout(tmout))
        return E_PAR;
    DTQ *dtq = &dtq_cb[dtqid - 1];
    const DTQ_INI *ini = &dtq_ini[dtqid - 1];
    TASK *self = runtsk;
    UW sr = lock();
    TASK *sender = waiting(dtq, WAIT_SEND);
    if (dtq->count) {
        *p_data = take(dtq, ini);
        if (sender) {
            put(dtq, ini, sender->data);
            wait_end(sender, E_OK);
        }
        return finish(sr, E_OK);
    }
    if (sender) {
        *p_data = sender->data;
        wait_end(sender, E_OK);
        return finish(sr, E_OK);
    }
    if (tmout == TMO_POL) {
        unlock(sr);
        return E_TMOUT;
    }
    wait_start(WAIT_RECEIVE, &dtq->object, FALSE, tmout); /* receivers in the order of arrival */
    ER result = wait_here(sr);
    if (result == E_OK)
        *p_data = self->data;
    return result;
}

ER rcv_dtq(ID dtqid, VP_INT *p_data)
{
    return trcv_dtq(dtqid, p_data, TMO_FEVR);
}

ER prcv_dtq(ID dtqid, VP_INT *p_data)
{
    return trcv_dtq(dtqid, p_data, TMO_POL);
}
