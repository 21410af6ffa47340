/* Task-dependent synchronisation: sleep, wake-up, release, suspend, delay (uITRON4.0 4.2). */
#include "impl.h"

static ER sleep_for(TMO tmout)
{
    if (!MAY_WAIT)
        return E_CTX;
    if (bad_timeout(tmout))
        return E_PAR;
    UW sr = lock();
    if (runtsk->wakeups) {
        runtsk->wakeups--;
        unlock(sr);
        return E_OK;
    }
    if (tmout == TMO_POL) {
        unlock(sr);
        return E_TMOUT;
    }
    wait_start(WAIT_SLEEP, NULL, FALSE, tmout);
    return wait_here(sr);
}

ER slp_tsk(void)
{
    return sleep_for(TMO_FEVR);
}

ER tslp_tsk(TMO tmout)
{
    return sleep_for(tmout);
}

ER dly_tsk(RELTIM dlytim)
{
    if (!MAY_WAIT)
        return E_CTX;
    if (dlytim > TMAX_RELTIM)
        return E_PAR;
    UW sr = lock();
    wait_start(WAIT_DELAY, NULL, FALSE, (TMO)dlytim);
    return wait_here(sr);
}

static ER wake(ID tskid, BOOL self_allowed)
{
    TASK *task;
    ER result = task_of(tskid, self_allowed, &task);
    if (result != E_OK)
        return result;
    UW sr = lock();
    if (task->state == DORMANT)
        result = E_OBJ;
    else if ((task->state & WAITING) && task->wait_kind == WAIT_SLEEP)
        wait_end(task, E_OK);
    else if (task->wakeups < TMAX_WUPCNT)
        task->wakeups++;
    else
        result = E_QOVR;
    return finish(sr, result);
}

ER wup_tsk(ID tskid)
{
    return TASK_CONTEXT ? wake(tskid, TRUE) : E_CTX;
}

ER iwup_tsk(ID tskid)
{
    return HANDLER_CONTEXT ? wake(tskid, FALSE) : E_CTX;
}

ER_UINT can_wup(ID tskid)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, TRUE, &task) != E_OK)
        return E_ID;
    UW sr = lock();
    ER_UINT count = E_OBJ;
    if (task->state != DORMANT) {
        count = task->wakeups;
        task->wakeups = 0;
    }
    unlock(sr);
    return count;
}

static ER release(ID tskid)
{
    TASK *task;
    if (task_of(tskid, FALSE, &task) != E_OK)
        return E_ID;
    UW sr = lock();
    ER result = E_OBJ;
    if (task->state & WAITING) {
        wait_end(task, E_RLWAI);
        result = E_OK;
    }
    return finish(sr, result);
}

ER rel_wai(ID tskid)
{
    return TASK_CONTEXT ? release(tskid) : E_CTX;
}

ER irel_wai(ID tskid)
{
    return HANDLER_CONTEXT ? release(tskid) : E_CTX;
}

ER sus_tsk(ID tskid)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, TRUE, &task) != E_OK)
        return E_ID;
    if (task == runtsk && dspdis)
        return E_CTX;
    UW sr = lock();
    ER result = E_OK;
    if (task->state == DORMANT) {
        result = E_OBJ;
    } else if (task->suspensions == TMAX_SUSCNT) {
        result = E_QOVR;
    } else if (task->suspensions++ == 0) {
        if (task->state == RUNNABLE) {
            leave_ready(task);
            task->state = SUSPENDED;
        } else {
            task->state |= SUSPENDED;
        }
    }
    return finish(sr, result);
}

static ER resume(ID tskid, BOOL force)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, FALSE, &task) != E_OK)
        return E_ID;
    UW sr = lock();
    ER result = E_OBJ;
    if (task->state & SUSPENDED) {
        result = E_OK;
        if (force || task->suspensions == 1) {
            task->suspensions = 0;
            if (task->state & WAITING)
                task->state = WAITING;
            else
                make_ready(task);
        } else {
            task->suspensions--;
        }
    }
    return finish(sr, result);
}

ER rsm_tsk(ID tskid)
{
    return resume(tskid, FALSE);
}

ER frsm_tsk(ID tskid)
{
    return resume(tskid, TRUE);
}
