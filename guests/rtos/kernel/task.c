/* Tasks: states, the ready queue, activation and priorities (uITRON4.0 4.1). Ready tasks are in one ring a
 * priority with a bit map of the filled ones. */
#include "impl.h"

static QUEUE ready[TMAX_TPRI + 1];
static UW ready_map; /* bit n: ready[n] is not empty */

static INT lowest_bit(UW map)
{
    INT bit = 0;
    if (!(map & 0xff))
        map >>= 8, bit = 8;
    while (!(map & 1))
        map >>= 1, bit++;
    return bit;
}

static void choose(void)
{
    schedtsk = ready_map ? (TASK *)ready[lowest_bit(ready_map)].next : NULL;
}

void make_ready(TASK *task)
{
    task->state = RUNNABLE;
    queue_insert(&ready[task->priority], &task->link);
    ready_map |= 1ul << task->priority;
    if (!schedtsk || task->priority < schedtsk->priority)
        schedtsk = task;
}

void leave_ready(TASK *task)
{
    queue_remove(&task->link);
    if (queue_empty(&ready[task->priority]))
        ready_map &= ~(1ul << task->priority);
    if (task == schedtsk)
        choose();
}

void set_priority(TASK *task, PRI priority)
{
    if (task->state == RUNNABLE) {
        leave_ready(task);
        task->priority = priority;
        make_ready(task);
    } else {
        task->priority = priority;
        if (task->object && task->by_priority)
            wait_requeue(task);
    }
}

void rotate_ready(PRI priority)
{
    QUEUE *head = &ready[priority];
    if (!queue_empty(head)) {
        QUEUE *first = head->next;
        queue_remove(first);
        queue_insert(head, first);
        choose();
    }
}

/* A task begins here, locked, on its fresh stack. */
static void first_run(void)
{
    unlock(sr_task);
    runtsk->ini->entry(runtsk->ini->exinf);
    ext_tsk();
}

static void activate(TASK *task)
{
    task->priority = task->ini->priority;
    task->wakeups = task->suspensions = 0;
    task->exceptions_on = FALSE;
    task->exceptions = 0;
    task->sr = sr_task;
    task->object = NULL;
    task->timed = FALSE;
    task->sp = task->ini->stack + task->ini->stack_size;
    task->resume = first_run;
    make_ready(task);
}

static void stop(TASK *task)
{
    task->state = DORMANT;
    if (task->activations) {
        task->activations--;
        activate(task);
    }
}

void task_init(void)
{
    for (INT priority = 0; priority <= TMAX_TPRI; priority++)
        queue_init(&ready[priority]);
    for (INT i = 0; i < task_count; i++) {
        task_cb[i].ini = &task_ini[i];
        task_cb[i].state = DORMANT;
        task_cb[i].activations = 0;
        if (task_ini[i].attribute & TA_ACT)
            activate(&task_cb[i]);
    }
}

ER task_of(ID id, BOOL self_allowed, TASK **task)
{
    if (id == TSK_SELF && self_allowed && !in_handler()) {
        *task = runtsk;
        return E_OK;
    }
    if (id < 1 || id > task_count)
        return E_ID;
    *task = &task_cb[id - 1];
    return E_OK;
}

static ER activate_or_count(ID tskid, BOOL self_allowed)
{
    TASK *task;
    ER result = task_of(tskid, self_allowed, &task);
    if (result != E_OK)
        return result;
    UW sr = lock();
    if (task->state == DORMANT)
        activate(task);
    else if (task->activations < TMAX_ACTCNT)
        task->activations++;
    else
        result = E_QOVR;
    return finish(sr, result);
}

ER act_tsk(ID tskid)
{
    return TASK_CONTEXT ? activate_or_count(tskid, TRUE) : E_CTX;
}

ER iact_tsk(ID tskid)
{
    return HANDLER_CONTEXT ? activate_or_count(tskid, FALSE) : E_CTX;
}

ER_UINT can_act(ID tskid)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, TRUE, &task) != E_OK)
        return E_ID;
    UW sr = lock();
    ER_UINT count = task->activations;
    task->activations = 0;
    unlock(sr);
    return count;
}

void ext_tsk(void)
{
    if (in_handler())
        panic("ext_tsk in a handler");
    lock(); /* also ends loc_cpu and dis_dsp */
    dspdis = 0;
    leave_ready(runtsk);
    stop(runtsk);
    dispatch_away();
}

ER ter_tsk(ID tskid)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, FALSE, &task) != E_OK)
        return E_ID;
    if (task == runtsk)
        return E_ILUSE;
    UW sr = lock();
    if (task->state == DORMANT) {
        unlock(sr);
        return E_OBJ;
    }
    if (task->state & WAITING)
        wait_end(task, E_OK); /* the result is never seen */
    if (task->state == RUNNABLE)
        leave_ready(task);
    stop(task);
    return finish(sr, E_OK);
}

ER chg_pri(ID tskid, PRI tskpri)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, TRUE, &task) != E_OK)
        return E_ID;
    if (tskpri != TPRI_INI && (tskpri < TMIN_TPRI || tskpri > TMAX_TPRI))
        return E_PAR;
    UW sr = lock();
    if (task->state == DORMANT) {
        unlock(sr);
        return E_OBJ;
    }
    set_priority(task, tskpri == TPRI_INI ? task->ini->priority : tskpri);
    return finish(sr, E_OK);
}

ER get_pri(ID tskid, PRI *p_tskpri)
{
    TASK *task;
    if (!TASK_CONTEXT)
        return E_CTX;
    if (task_of(tskid, TRUE, &task) != E_OK)
        return E_ID;
    UW sr = lock();
    ER result = task->state == DORMANT ? E_OBJ : E_OK;
    if (result == E_OK)
        *p_tskpri = task->priority;
    unlock(sr);
    return result;
}
