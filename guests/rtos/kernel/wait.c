/* Waiting: one way in, one way out, whatever is waited for; the timeout is an event of time.c. */
#include "impl.h"

static void timed_out(void *task, UW sr)
{
    (void)sr;
    TASK *waiting = task;
    waiting->timed = FALSE;
    wait_end(waiting, waiting->wait_kind == WAIT_DELAY ? E_OK : E_TMOUT);
}

static void enqueue(TASK *task)
{
    QUEUE *head = &task->object->waiting, *place = head;
    if (task->by_priority)
        for (place = head->next; place != head; place = place->next)
            if (((TASK *)place)->priority > task->priority)
                break;
    queue_insert(place, &task->link);
}

void wait_start(enum wait_kind kind, OBJECT *object, BOOL by_priority, TMO tmout)
{
    TASK *task = runtsk;
    leave_ready(task);
    task->state = WAITING;
    task->wait_kind = kind;
    task->by_priority = by_priority;
    task->object = object;
    if (object)
        enqueue(task);
    task->timed = tmout != TMO_FEVR;
    if (task->timed) {
        task->timeout.run = timed_out;
        task->timeout.argument = task;
        event_after(&task->timeout, (RELTIM)tmout);
    }
}

void wait_requeue(TASK *task)
{
    queue_remove(&task->link);
    enqueue(task);
}

void wait_end(TASK *task, ER result)
{
    if (task->object)
        queue_remove(&task->link);
    if (task->timed)
        event_cancel(&task->timeout);
    task->object = NULL;
    task->timed = FALSE;
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
