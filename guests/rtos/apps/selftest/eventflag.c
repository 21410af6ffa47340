/* Event flags: set_flg iset_flg clr_flg wai_flg pol_flg twai_flg. Timeouts and E_RLWAI are in waits.c. */
#include "selftest.h"

static void clear_job(INT self)
{
    FLGPTN pattern = 0;
    result[self] = wai_flg(FLG_CLR, 3, TWF_ANDW, &pattern);
    received[self] = (VP_INT)pattern;
}

static void many_job(INT self)
{
    FLGPTN pattern = 0;
    result[self] = twai_flg(FLG_MANY, 6, TWF_ORW, &pattern, 1000);
    received[self] = (VP_INT)pattern;
}

static void pri_job(INT self)
{
    FLGPTN pattern = 0;
    result[self] = wai_flg(FLG_PRI, 1, TWF_ORW, &pattern);
}

static void handler(void)
{
    CALL(iset_flg, (FLG_CLR, 3), E_OK, "what is waited for");
    CALL(iset_flg, (NO_ID, 3), E_ID, "above the highest");
}

void test_eventflag(void)
{
    FLGPTN pattern = 0;
    CALL(pol_flg, (FLG_MANY, 0x30, TWF_ORW, &pattern), E_OK, "TWF_ORW, one of two bits");
    SEEN(pol_flg, "answers the pattern", pattern, 0x10);
    CALL(pol_flg, (FLG_MANY, 0x30, TWF_ANDW, &pattern), E_TMOUT, "TWF_ANDW, one of two bits");
    CALL(clr_flg, (FLG_MANY, 0), E_OK, "all bits");
    CALL(pol_flg, (FLG_MANY, 0x30, TWF_ORW, &pattern), E_TMOUT, "no bit");
    CALL(pol_flg, (FLG_MANY, 0, TWF_ORW, &pattern), E_PAR, "waits for no bit");
    CALL(wai_flg, (FLG_MANY, 0, TWF_ORW, &pattern), E_PAR, "waits for no bit");
    CALL(twai_flg, (FLG_MANY, 0, TWF_ORW, &pattern, 5), E_PAR, "waits for no bit");
    CALL(pol_flg, (FLG_MANY, 1, 4, &pattern), E_PAR, "unknown mode");
    CALL(wai_flg, (FLG_MANY, 1, 2, &pattern), E_PAR, "unknown mode");
    CALL(twai_flg, (FLG_MANY, 1, 2, &pattern, 5), E_PAR, "unknown mode");
    CALL(set_flg, (NO_ID, 1), E_ID, "above the highest");
    CALL(clr_flg, (NO_ID, 1), E_ID, "above the highest");
    CALL(wai_flg, (NO_ID, 1, TWF_ORW, &pattern), E_ID, "above the highest");
    CALL(pol_flg, (0, 1, TWF_ORW, &pattern), E_ID, "0");
    CALL(twai_flg, (-1, 1, TWF_ORW, &pattern, 5), E_ID, "negative");
    start(TSK_HIGH, clear_job);
    CALL(pol_flg, (FLG_CLR, 1, TWF_ORW, &pattern), E_ILUSE, "TA_WSGL, another waits");
    CALL(wai_flg, (FLG_CLR, 1, TWF_ORW, &pattern), E_ILUSE, "TA_WSGL, another waits");
    CALL(twai_flg, (FLG_CLR, 1, TWF_ORW, &pattern, 5), E_ILUSE, "TA_WSGL, another waits");
    CALL(set_flg, (FLG_CLR, 1), E_OK, "one of two bits");
    SEEN(wai_flg, "TWF_ANDW waits for both", result[1], 1);
    CALL(set_flg, (FLG_CLR, 6), E_OK, "the other");
    SEEN(wai_flg, "TWF_ANDW returns with both", result[1], E_OK);
    SEEN(wai_flg, "answers the whole pattern", received[1], 7);
    SEEN(wai_flg, "TA_CLR clears all bits", pol_flg(FLG_CLR, 7, TWF_ORW, &pattern), E_TMOUT);
    start(TSK_HIGH, many_job);
    start(TSK_HIGH2, many_job);
    set_flg(FLG_MANY, 4);
    SEEN(twai_flg, "TA_WMUL releases the first", result[1], E_OK);
    SEEN(twai_flg, "TA_WMUL and the second", result[2], E_OK);
    SEEN(twai_flg, "answers the pattern", received[2], 4);
    CALL(wai_flg, (FLG_MANY, 4, TWF_ANDW, &pattern), E_OK, "there already");
    CALL(clr_flg, (FLG_MANY, ~4u), E_OK, "one bit");
    start(TSK_HIGH2, pri_job);
    start(TSK_HIGH, pri_job);
    set_flg(FLG_PRI, 1);
    SEEN(set_flg, "TA_TPRI and TA_CLR: the higher", result[1], E_OK);
    SEEN(set_flg, "TA_TPRI and TA_CLR: not the first", result[2], 1);
    set_flg(FLG_PRI, 1);
    start(TSK_HIGH, clear_job);
    in_a_handler(handler);
    SEEN(iset_flg, "the task returns", result[1], E_OK);
    SEEN(iset_flg, "with the pattern", received[1], 3);
}
