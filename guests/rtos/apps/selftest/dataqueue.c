/* Data queues: snd_dtq psnd_dtq ipsnd_dtq tsnd_dtq fsnd_dtq ifsnd_dtq rcv_dtq prcv_dtq trcv_dtq. Timeouts and E_RLWAI
 * are in waits.c. */
#include "selftest.h"

static void send_job(INT self) { result[self] = snd_dtq(DTQ_TWO, (VP_INT)(0x100 + self)); }
static void send_none_job(INT self) { result[self] = snd_dtq(DTQ_NONE, (VP_INT)(0x200 + self)); }
static void send_pri_job(INT self) { result[self] = tsnd_dtq(DTQ_PRI, (VP_INT)(0x300 + self), 1000); }

static void receive_job(INT self)
{
    VP_INT data = 0;
    result[self] = rcv_dtq(self == 1 ? DTQ_TWO : DTQ_NONE, &data);
    received[self] = data;
}

static void handler(void)
{
    CALL(ipsnd_dtq, (DTQ_TWO, (VP_INT)1), E_OK, "to a waiting task");
    CALL(ipsnd_dtq, (DTQ_TWO, (VP_INT)2), E_OK, "into the queue");
    ipsnd_dtq(DTQ_TWO, (VP_INT)3);
    CALL(ipsnd_dtq, (DTQ_TWO, (VP_INT)4), E_TMOUT, "full");
    CALL(ifsnd_dtq, (DTQ_TWO, (VP_INT)5), E_OK, "full: pushes the oldest out");
    CALL(ifsnd_dtq, (DTQ_NONE, (VP_INT)5), E_ILUSE, "no room at all");
    CALL(ipsnd_dtq, (NO_ID, (VP_INT)1), E_ID, "above the highest");
    CALL(ifsnd_dtq, (NO_ID, (VP_INT)1), E_ID, "above the highest");
}

void test_dataqueue(void)
{
    VP_INT data = 0;
    CALL(prcv_dtq, (DTQ_TWO, &data), E_TMOUT, "empty");
    CALL(snd_dtq, (DTQ_TWO, (VP_INT)1), E_OK, "into the queue");
    CALL(psnd_dtq, (DTQ_TWO, (VP_INT)2), E_OK, "into the queue");
    CALL(psnd_dtq, (DTQ_TWO, (VP_INT)3), E_TMOUT, "full");
    CALL(fsnd_dtq, (DTQ_TWO, (VP_INT)3), E_OK, "full: pushes the oldest out");
    start(TSK_HIGH, send_job);
    SEEN(snd_dtq, "full: waits", result[1], 1);
    CALL(rcv_dtq, (DTQ_TWO, &data), E_OK, "from the queue");
    SEEN(fsnd_dtq, "the oldest is gone", data, 2);
    SEEN(snd_dtq, "the waiting word moves in", result[1], E_OK);
    CALL(trcv_dtq, (DTQ_TWO, &data, 5), E_OK, "from the queue");
    SEEN(trcv_dtq, "in the order sent", data, 3);
    CALL(prcv_dtq, (DTQ_TWO, &data), E_OK, "from the queue");
    SEEN(prcv_dtq, "the word that waited last", data, 0x101);
    SEEN(prcv_dtq, "the queue is empty", prcv_dtq(DTQ_TWO, &data), E_TMOUT);
    CALL(snd_dtq, (NO_ID, data), E_ID, "above the highest");
    CALL(psnd_dtq, (NO_ID, data), E_ID, "above the highest");
    CALL(tsnd_dtq, (NO_ID, data, 5), E_ID, "above the highest");
    CALL(fsnd_dtq, (NO_ID, data), E_ID, "above the highest");
    CALL(fsnd_dtq, (DTQ_NONE, data), E_ILUSE, "no room at all");
    CALL(rcv_dtq, (NO_ID, &data), E_ID, "above the highest");
    CALL(prcv_dtq, (0, &data), E_ID, "0");
    CALL(trcv_dtq, (-1, &data, 5), E_ID, "negative");
    start(TSK_HIGH, receive_job);
    CALL(tsnd_dtq, (DTQ_TWO, (VP_INT)9, 5), E_OK, "to a waiting task");
    SEEN(rcv_dtq, "waited and has the word", received[1], 9);
    CALL(psnd_dtq, (DTQ_NONE, (VP_INT)1), E_TMOUT, "no room, none waits");
    start(TSK_HIGH2, receive_job);
    CALL(psnd_dtq, (DTQ_NONE, (VP_INT)11), E_OK, "no room: sender meets receiver");
    SEEN(rcv_dtq, "no room: has the word", received[2], 11);
    start(TSK_HIGH, send_none_job);
    CALL(prcv_dtq, (DTQ_NONE, &data), E_OK, "no room: receiver meets sender");
    SEEN(prcv_dtq, "no room: the word", data, 0x201);
    SEEN(snd_dtq, "no room: the sender returns", result[1], E_OK);
    start(TSK_HIGH, send_none_job);
    rel_wai(TSK_HIGH);
    SEEN(rel_wai, "the word of a released sender is gone", prcv_dtq(DTQ_NONE, &data), E_TMOUT);
    snd_dtq(DTQ_PRI, (VP_INT)1);
    start(TSK_HIGH2, send_pri_job);
    start(TSK_HIGH, send_pri_job);
    rcv_dtq(DTQ_PRI, &data);
    rcv_dtq(DTQ_PRI, &data);
    SEEN(tsnd_dtq, "TA_TPRI: the higher sender first", data, 0x301);
    rcv_dtq(DTQ_PRI, &data);
    SEEN(tsnd_dtq, "TA_TPRI: then the other", data, 0x302);
    start(TSK_HIGH, receive_job);
    in_a_handler(handler);
    SEEN(ipsnd_dtq, "the receiver has the word", received[1], 1);
    rcv_dtq(DTQ_TWO, &data);
    SEEN(ifsnd_dtq, "the oldest is gone", data, 3);
    rcv_dtq(DTQ_TWO, &data);
    SEEN(ifsnd_dtq, "the newest is there", data, 5);
}
