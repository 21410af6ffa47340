/* Fixed memory pools: get_mpf pget_mpf tget_mpf rel_mpf. Timeouts and E_RLWAI are in waits.c. */
#include "selftest.h"

static void two_job(INT self)
{
    VP block = NULL;
    result[self] = get_mpf(MPF_TWO, &block);
    received[self] = block;
}

static void pri_job(INT self)
{
    VP block = NULL;
    result[self] = tget_mpf(MPF_PRI, &block, 1000);
    received[self] = block;
}

void test_mempool(void)
{
    VP a = NULL, b = NULL, c = NULL;
    CALL(get_mpf, (MPF_TWO, &a), E_OK, "a block");
    CALL(pget_mpf, (MPF_TWO, &b), E_OK, "a block");
    SEEN(pget_mpf, "blocks lie apart by their size in words", (char *)b - (char *)a, 12);
    SEEN(get_mpf, "blocks are aligned", (UW)a & 3, 0);
    CALL(pget_mpf, (MPF_TWO, &c), E_TMOUT, "none left");
    for (INT i = 0; i < 3; i++)
        ((UW *)a)[i] = ((UW *)b)[i] = 0xffffffff;
    CALL(rel_mpf, (MPF_TWO, (char *)a + 4), E_PAR, "inside a block");
    CALL(rel_mpf, (MPF_TWO, (char *)b + 12), E_PAR, "behind the pool");
    CALL(rel_mpf, (MPF_TWO, (char *)a - 12), E_PAR, "before the pool");
    CALL(rel_mpf, (MPF_TWO, NULL), E_PAR, "NULL");
    CALL(rel_mpf, (MPF_TWO, mpf_area), E_PAR, "of another pool");
    CALL(rel_mpf, (MPF_TWO, a), E_OK, "a block");
    CALL(rel_mpf, (MPF_TWO, a), E_PAR, "given back already");
    CALL(tget_mpf, (MPF_TWO, &c, 5), E_OK, "a block");
    SEEN(rel_mpf, "the block is got again", c, a);
    CALL(get_mpf, (NO_ID, &c), E_ID, "above the highest");
    CALL(pget_mpf, (0, &c), E_ID, "0");
    CALL(tget_mpf, (-1, &c, 5), E_ID, "negative");
    CALL(rel_mpf, (NO_ID, a), E_ID, "above the highest");
    start(TSK_HIGH2, two_job);
    start(TSK_HIGH, two_job);
    CALL(rel_mpf, (MPF_TWO, b), E_OK, "to a waiting task");
    SEEN(get_mpf, "TA_TFIFO: who came first", received[2], b);
    SEEN(get_mpf, "TA_TFIFO: not who is higher", result[1], 1);
    rel_mpf(MPF_TWO, a);
    SEEN(get_mpf, "TA_TFIFO: then the other", received[1], a);
    SEEN(rel_mpf, "a block of a task that ended", rel_mpf(MPF_TWO, a), E_OK);
    SEEN(rel_mpf, "by another task", rel_mpf(MPF_TWO, b), E_OK);
    pget_mpf(MPF_PRI, &a);
    start(TSK_HIGH2, pri_job);
    start(TSK_HIGH, pri_job);
    rel_mpf(MPF_PRI, a);
    SEEN(tget_mpf, "TA_TPRI: who is higher", received[1], a);
    SEEN(tget_mpf, "TA_TPRI: not who came first", result[2], 1);
    rel_mpf(MPF_PRI, a);
    SEEN(tget_mpf, "TA_TPRI: then the other", received[2], a);
    rel_mpf(MPF_PRI, a);
    SEEN(rel_mpf, "all blocks are back", pget_mpf(MPF_PRI, &b), E_OK);
    rel_mpf(MPF_PRI, b);
}
