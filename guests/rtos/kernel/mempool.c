/* Memory pools of blocks of one size (uITRON4.0 4.6.1). What is free is written beside the blocks, not in them: a task
 * that writes past its block cannot harm the kernel, and a block given back twice is told. */
#include "impl.h"

void mempool_init(void)
{
    for (INT i = 0; i < mpf_count; i++) {
        queue_init(&mpf_cb[i].object.waiting);
        for (UINT block = 0; block < mpf_ini[i].count; block++)
            mpf_ini[i].next[block] = block + 2;
        mpf_ini[i].next[mpf_ini[i].count - 1] = 0;
        mpf_cb[i].free = 1;
    }
}

ER tget_mpf(ID mpfid, VP *p_blk, TMO tmout)
{
    if (tmout == TMO_POL ? !TASK_CONTEXT : !MAY_WAIT)
        return E_CTX;
    if (mpfid < 1 || mpfid > mpf_count)
        return E_ID;
    if (bad_timeout(tmout))
        return E_PAR;
    MPF *mpf = &mpf_cb[mpfid - 1];
    const MPF_INI *ini = &mpf_ini[mpfid - 1];
    TASK *self = runtsk;
    ER result = E_OK;
    UW sr = lock();
    if (mpf->free) {
        UINT block = mpf->free - 1;
        mpf->free = ini->next[block];
        ini->next[block] = BLOCK_TAKEN;
        *p_blk = ini->blocks + block * ini->size;
    } else if (tmout == TMO_POL) {
        result = E_TMOUT;
    } else {
        wait_start(WAIT_OBJECT, &mpf->object, ini->attribute & TA_TPRI, tmout);
        result = wait_here(sr);
        if (result == E_OK)
            *p_blk = self->data;
        return result;
    }
    unlock(sr);
    return result;
}

ER get_mpf(ID mpfid, VP *p_blk)
{
    return tget_mpf(mpfid, p_blk, TMO_FEVR);
}

ER pget_mpf(ID mpfid, VP *p_blk)
{
    return tget_mpf(mpfid, p_blk, TMO_POL);
}

ER rel_mpf(ID mpfid, VP blk)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    if (mpfid < 1 || mpfid > mpf_count)
        return E_ID;
    MPF *mpf = &mpf_cb[mpfid - 1];
    const MPF_INI *ini = &mpf_ini[mpfid - 1];
    UW offset = (char *)blk - ini->blocks;
    UINT block = (unsigned long long)offset * ini->reciprocal >> 32; /* exact for a block: a pool is below 16 MB */
    if (block >= ini->count || block * ini->size != offset)
        return E_PAR;
    UW sr = lock();
    if (ini->next[block] != BLOCK_TAKEN) {
        unlock(sr);
        return E_PAR;
    }
    if (!queue_empty(&mpf->object.waiting)) {
        TASK *waiting = (TASK *)mpf->object.waiting.next;
        waiting->data = blk;
        wait_end(waiting, E_OK);
    } else {
        ini->next[block] = mpf->free;
        mpf->free = block + 1;
    }
    return finish(sr, E_OK);
}
