/* Semaphores (uITRON4.0 4.4.1). */
#include "impl.h"

void semaphore_init(void)
{
    for (INT i = 0; i < sem_count; i++) {
        queue_init(&sem_cb[i].object.waiting);
        sem_cb[i].count = sem_ini[i].initial;
    }
}

static ER signal(ID semid)
{
    if (semid < 1 || semid > sem_count)
        return E_ID;
    SEM *sem = &sem_cb[semid - 1];
    ER result = E_OK;
    UW sr = lock();
    if (!queue_empty(&sem->object.waiting))
        wait_end((TASK *)sem->object.waiting.next, E_OK);
    else if (sem->count < sem_ini[semid - 1].maximum)
        sem->count++;
    else
        result = E_QOVR;
    return finish(sr, result);
}

ER sig_sem(ID semid)
{
    return TASK_CONTEXT ? signal(semid) : E_CTX;
}

ER isig_sem(ID semid)
{
    return HANDLER_CONTEXT ? signal(semid) : E_CTX;
}

ER twai_sem(ID semid, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (semid < 1 || semid > sem_count)
        return E_ID;
    if (bad_timeout(tmout))
        return E_PAR;
    SEM *sem = &sem_cb[semid - 1];
    UW sr = lock();
    if (sem->count) {
        sem->count--;
        unlock(sr);
        return E_OK;
    }
    if (tmout == TMO_POL) {
        unlock(sr);
        return E_TMOUT;
    }
    wait_start(WAIT_OBJECT, &sem->object, sem_ini[semid - 1].attribute & TA_TPRI, tmout);
    return wait_here(sr);
}

ER wai_sem(ID semid)
{
    return twai_sem(semid, TMO_FEVR);
}

ER pol_sem(ID semid)
{
    return twai_sem(semid, TMO_POL);
}
