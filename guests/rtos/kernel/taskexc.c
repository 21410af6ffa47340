/* Task exceptions (uITRON4.0 4.3). The routine runs in its task when one is pending, exceptions are enabled, the task
 * is running and the CPU is not locked. Only the task itself can end that condition. So whoever brings it about for a
 * task that does not execute turns aside where that task goes on, and no dispatch and no interrupt has to look. */
#include "impl.h"

/* Dispatching disabled, IMASK and the answer of the wait that the routine may have come into are kept. */
void exception_deliver(void)
{
    TASK *self = runtsk;
    ER result = self->result;
    FLGPTN pattern = self->pattern;
    VP_INT data = self->data;
    UW disabled = dspdis, sr = self->sr;
    do {
        TEXPTN exceptions = self->exceptions;
        self->exceptions = 0;
        self->exceptions_on = FALSE;
        unlock(sr);
        self->ini->exception(exceptions, self->ini->exinf);
        lock();
        self->sr = sr;
        dspdis = disabled;
        if (runtsk != schedtsk && !dspdis)
            dispatch();
        self->exceptions_on = TRUE;
    } while (self->exceptions);
    self->result = result;
    self->pattern = pattern;
    self->data = data;
}

/* The task has lost the CPU: before it goes on at its resume address, it comes to resume_exception. */
static void turn_stopped(TASK *task)
{
    UW *sp = task->sp;
    *--sp = (UW)task->resume;
    task->sp = sp;
    task->resume = resume_exception;
}

/* The running task is interrupted: a second frame below its own makes the outermost exit return to
 * return_exception, which returns by the first. */
static void turn_interrupted(void)
{
    EXCINF *frame = --interrupted_frame;
    frame->spc = (UW)return_exception;
    frame->ssr = SR_LOCKED;
}

static ER raise(ID tskid, TEXPTN rasptn, BOOL self_allowed)
{
    TASK *task;
    if (task_of(tskid, self_allowed, &task) != E_OK)
        return E_ID;
    if (rasptn == 0)
        return E_PAR;
    UW sr = lock();
    ER result = E_OK;
    if (task->state == DORMANT || !task->ini->exception) {
        result = E_OBJ;
    } else if (!task->exceptions_on || task->exceptions) {
        task->exceptions |= rasptn; /* ena_tex sees to it, or it is on the way already */
    } else {
        task->exceptions = rasptn;
        if (task != runtsk)
            turn_stopped(task);
        else if (in_handler())
            turn_interrupted();
        else
            exception_deliver();
    }
    unlock(sr);
    return result;
}

ER ras_tex(ID tskid, TEXPTN rasptn)
{
    return TASK_CONTEXT ? raise(tskid, rasptn, TRUE) : E_CTX;
}

ER iras_tex(ID tskid, TEXPTN rasptn)
{
    return HANDLER_CONTEXT ? raise(tskid, rasptn, FALSE) : E_CTX;
}

ER dis_tex(void)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (!runtsk->ini->exception)
        return E_OBJ;
    runtsk->exceptions_on = FALSE;
    return E_OK;
}

ER ena_tex(void)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (!runtsk->ini->exception)
        return E_OBJ;
    UW sr = lock();
    runtsk->exceptions_on = TRUE;
    if (runtsk->exceptions)
        exception_deliver();
    unlock(sr);
    return E_OK;
}

BOOL sns_tex(void)
{
    return !runtsk || !runtsk->exceptions_on;
}
