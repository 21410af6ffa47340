/* Waiting: one way in, one way out, whatever is waited for; the timeout is an event of time.c. */
#include "impl.h"

static void timed_out(void *task)
{
    TASK *waiting = task;
    waiting->timed = FALSE;
    wait_end(waiting, waiting->wait_kind == WAIT_DELAY ? E_OK : E_TMOUT);
}

void wait_start(enum wait_kind kind, OBJECT *object, BOOL by_priority, TMO tmout)
{
    TASK *task = runtsk;
    leave_ready(task);
    task->state = WAITING;
    task->wait_kind = kind;
    task->by_priority = by_priority;
    task->queued = object != NULL;
    if (object) {
        QUEUE *place = &object->waiting;
        if (by_priority)
            for (place = place->next; place != &object->waiting; place = place->next)
                if (((TASK *)place)->priority > task->priority)
                    break;
        queue_insert(place, &task->link);
    }
    task->timed = tmout != TMO_FEVR;
    if (task->timed) {
        task->timeout.run = timed_out;
        task->timeout.argument = task;
        event_after(&task->timeout, (RELTIM)tmout);
    }
}

void wait_end(TASK *task, ER result)
{
    if (task->queued)
        queue_remove(&task->link);
    if (task->timed)
        event_cancel(&task->timeout);
    task->queued = task->timed = FALSE;
    task->result = result;
    if (task->state & SUSPENDED)
        task->state = SUSPENDED;
    else
        make_ready(task);
}

ER wait_here(UW sr)
{
    TASK *self = runtsk;
    dispatch();
    unlock(sr);
    return self->result;
}
