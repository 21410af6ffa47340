/* Two tasks pass the CPU to and fro through service calls, while characters on SCIF0, at any instruction, raise a task
 * exception of both and send a word each. tests/rtos sweeps the characters over a turn and reads the counters: nothing
 * may be lost, come twice, or disturb the registers and results of what it interrupts. */
#include "storm.h"

#include "sh7780.h"

volatile UINT storm_turns, storm_errors, storm_line, storm_words; /* storm_line: of the last error */
volatile UINT storm_seen[2][8]; /* of each task: how often each bit of a pattern came */

void storm_init(VP_INT exinf)
{
    (void)exinf;
    console_receive();
}

#define expect(got, expected) count_error((got) == (expected), __LINE__)
static void count_error(BOOL right, UINT line)
{
    if (!right) {
        storm_errors++;
        storm_line = line;
    }
}

/* A character is the number of a bit. */
void rx_handler(void)
{
    UINT bit = SCIF0_RDR & 7;
    SCIF0_FSR &= ~(FSR_RDF | FSR_DR);
    expect(iras_tex(TSK_MAIN, 1u << bit), E_OK);
    expect(iras_tex(TSK_HIGH, 1u << bit), E_OK);
    expect(ipsnd_dtq(DTQ_RX, (VP_INT)bit), E_OK);
}

/* Waits too when a character raised it, so that what it interrupts is switched away in the middle: the main task for a
 * tick, the higher one for a task between them, so that the main task does not overtake it. */
void exception_routine(TEXPTN texptn, VP_INT exinf)
{
    for (UINT bit = 0; bit < 8; bit++)
        if (texptn & 1u << bit)
            storm_seen[(UINT)exinf][bit]++;
    expect(sns_tex(), TRUE);
    expect(sns_loc() || sns_ctx(), FALSE);
    if (texptn >= 0x100 || sns_dsp())
        return;
    if (exinf) {
        expect(wup_tsk(TSK_BETWEEN), E_OK);
        expect(slp_tsk(), E_OK);
    } else {
        expect(tslp_tsk(1), E_TMOUT);
    }
}

void between_task(VP_INT exinf)
{
    (void)exinf;
    for (;;) {
        expect(slp_tsk(), E_OK);
        expect(wup_tsk(TSK_HIGH), E_OK);
    }
}

void high_task(VP_INT exinf)
{
    VP_INT word;
    (void)exinf;
    expect(ena_tex(), E_OK);
    for (UINT turn = 0;; turn++) {
        expect(wai_sem(SEM_HAND), E_OK);
        expect(rcv_dtq(DTQ_HAND, &word), E_OK);
        expect((UINT)word, turn);
        while (prcv_dtq(DTQ_RX, &word) == E_OK)
            storm_words++;
    }
}

/* The label where a turn begins, for a breakpoint. */
static __attribute__((noinline)) void storm_turn(void)
{
    __asm__ volatile("" : : : "memory");
}

void main_task(VP_INT exinf)
{
    (void)exinf;
    expect(ena_tex(), E_OK);
    for (UINT turn = 0;; turn++) {
        VP block = NULL;
        UINT sum = turn;
        storm_turn();
        storm_turns = turn;
        expect(sig_sem(SEM_HAND), E_OK);
        expect(get_mpf(MPF_ONE, &block), E_OK);
        expect(dis_dsp(), E_OK);
        expect(snd_dtq(DTQ_HAND, (VP_INT)turn), E_CTX);
        expect(psnd_dtq(DTQ_HAND, (VP_INT)turn), E_OK);
        for (UINT i = 0; i < 8; i++)
            sum += i;
        expect(ena_dsp(), E_OK);
        expect(dis_tex(), E_OK);
        expect(rel_mpf(MPF_ONE, block), E_OK);
        expect(ena_tex(), E_OK);
        expect(loc_cpu(), E_OK);
        expect(unl_cpu(), E_OK);
        expect(ras_tex(TSK_SELF, 0x100), E_OK);
        expect(sum, turn + 28);
        expect(sns_dsp() || sns_loc() || sns_tex(), FALSE);
    }
}
