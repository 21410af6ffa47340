/* Mailboxes: snd_mbx rcv_mbx prcv_mbx trcv_mbx. Timeouts and E_RLWAI are in waits.c. */
#include "selftest.h"

static T_MSG_PRI messages[4];

static T_MSG *message(INT i, PRI priority)
{
    messages[i].msgpri = priority;
    return &messages[i].msgque;
}

static void fifo_job(INT self)
{
    T_MSG *got = NULL;
    result[self] = rcv_mbx(MBX_FIFO, &got);
    received[self] = got;
}

static void pri_job(INT self)
{
    T_MSG *got = NULL;
    result[self] = trcv_mbx(MBX_PRI, &got, 1000);
    received[self] = got;
}

/* The number of the next message in MBX_PRI, or -1. */
static INT next(void)
{
    T_MSG *got;
    return prcv_mbx(MBX_PRI, &got) == E_OK ? (T_MSG_PRI *)got - messages : -1;
}

void test_mailbox(void)
{
    T_MSG *got = NULL;
    CALL(prcv_mbx, (MBX_FIFO, &got), E_TMOUT, "empty");
    for (INT i = 0; i < 3; i++)
        snd_mbx(MBX_FIFO, message(i, 0));
    CALL(snd_mbx, (MBX_FIFO, message(3, 99)), E_OK, "TA_MFIFO has no priorities");
    CALL(rcv_mbx, (MBX_FIFO, &got), E_OK, "a message");
    SEEN(rcv_mbx, "TA_MFIFO: the first sent", got, &messages[0]);
    CALL(prcv_mbx, (MBX_FIFO, &got), E_OK, "a message");
    SEEN(prcv_mbx, "TA_MFIFO: the second", got, &messages[1]);
    CALL(trcv_mbx, (MBX_FIFO, &got, 5), E_OK, "a message");
    SEEN(trcv_mbx, "TA_MFIFO: the third", got, &messages[2]);
    rcv_mbx(MBX_FIFO, &got);
    SEEN(rcv_mbx, "TA_MFIFO: the last", got, &messages[3]);
    SEEN(prcv_mbx, "the box is empty", prcv_mbx(MBX_FIFO, &got), E_TMOUT);
    snd_mbx(MBX_FIFO, message(2, 0));
    prcv_mbx(MBX_FIFO, &got);
    SEEN(snd_mbx, "into a box emptied before", got, &messages[2]);

    snd_mbx(MBX_PRI, message(0, 3));
    snd_mbx(MBX_PRI, message(1, 1));
    snd_mbx(MBX_PRI, message(2, 3));
    CALL(snd_mbx, (MBX_PRI, message(3, 2)), E_OK, "TA_MPRI");
    SEEN(snd_mbx, "TA_MPRI: the highest first", next(), 1);
    SEEN(snd_mbx, "TA_MPRI: then the next", next(), 3);
    SEEN(snd_mbx, "TA_MPRI: of equals the first sent", next(), 0);
    SEEN(snd_mbx, "TA_MPRI: the last", next(), 2);
    SEEN(snd_mbx, "TA_MPRI: and no more", next(), -1);
    CALL(snd_mbx, (MBX_PRI, message(0, 0)), E_PAR, "priority 0");
    CALL(snd_mbx, (MBX_PRI, message(0, 5)), E_PAR, "priority above maxmpri");
    CALL(snd_mbx, (NO_ID, message(0, 1)), E_ID, "above the highest");
    CALL(rcv_mbx, (0, &got), E_ID, "0");
    CALL(prcv_mbx, (NO_ID, &got), E_ID, "above the highest");
    CALL(trcv_mbx, (-1, &got, 5), E_ID, "negative");

    start(TSK_HIGH2, fifo_job);
    start(TSK_HIGH, fifo_job);
    CALL(snd_mbx, (MBX_FIFO, message(1, 0)), E_OK, "to a waiting task");
    SEEN(rcv_mbx, "TA_TFIFO: who came first", received[2], &messages[1]);
    SEEN(rcv_mbx, "TA_TFIFO: not who is higher", result[1], 1);
    snd_mbx(MBX_FIFO, message(2, 0));
    SEEN(rcv_mbx, "TA_TFIFO: then the other", received[1], &messages[2]);
    start(TSK_HIGH2, pri_job);
    start(TSK_HIGH, pri_job);
    snd_mbx(MBX_PRI, message(3, 4));
    SEEN(trcv_mbx, "TA_TPRI: who is higher", received[1], &messages[3]);
    SEEN(trcv_mbx, "TA_TPRI: not who came first", result[2], 1);
    snd_mbx(MBX_PRI, message(0, 4));
    SEEN(trcv_mbx, "TA_TPRI: then the other", received[2], &messages[0]);
}
