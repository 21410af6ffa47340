/* Interrupts over one another: the tick at level 11, the SCIF0 transmitter at level 12, raised by asking for it. */
#include "selftest.h"

#define SCR_TIE 0x80
#define LONG_ENOUGH 2000 /* passes of a loop, for an interrupt to be taken */

void (*volatile transmit_action)(void);

static volatile UINT taken, inside, nested_inside;

void transmit_handler(void)
{
    SCIF0_SCR &= ~SCR_TIE;
    if (inside)
        nested_inside++;
    taken++;
    if (transmit_action)
        transmit_action();
}

/* Raises the interrupt; answers how often it was taken by now. */
static UINT raise(void)
{
    taken = 0;
    SCIF0_SCR |= SCR_TIE;
    for (volatile UINT i = 0; i < LONG_ENOUGH && !taken; i++)
        ;
    return taken;
}

static void wake(void)
{
    CALL(iwup_tsk, (TSK_HIGH), E_OK, "in a nested handler");
}

static void again(void)
{
    if (taken == 1) {
        SCIF0_SCR |= SCR_TIE;
        for (volatile UINT i = 0; i < LONG_ENOUGH; i++)
            ;
        SEEN(DEF_INH, "the same level waits for the handler's end", taken, 1);
    }
}

static void tick(void)
{
    inside = 1;
    transmit_action = wake;
    SEEN(DEF_INH, "a higher level nests in a handler", raise(), 1);
    SEEN(DEF_INH, "it ran inside", nested_inside, 1);
    SEEN(DEF_INH, "no dispatch inside", result[1], 1);
    transmit_action = NULL;
    iloc_cpu();
    SEEN(iloc_cpu, "shuts the higher level out", raise(), 0);
    iunl_cpu();
    for (volatile UINT i = 0; i < LONG_ENOUGH && !taken; i++)
        ;
    SEEN(iunl_cpu, "lets it in", taken, 1);
    inside = 0;
}

static void dispatches(void)
{
    iwup_tsk(TSK_HIGH);
}

void test_interrupts(void)
{
    SYSUTIM before, now;
    dly_tsk(10); /* the transmit FIFO runs empty */
    transmit_action = NULL;
    SEEN(DEF_INH, "taken in a task", raise(), 1);
    loc_cpu();
    UINT locked = raise();
    unl_cpu();
    for (volatile UINT i = 0; i < LONG_ENOUGH && !taken; i++)
        ;
    SEEN(loc_cpu, "shuts interrupts out", locked, 0);
    SEEN(unl_cpu, "lets them in", taken, 1);
    chg_ipm(12);
    UINT masked = raise();
    chg_ipm(11);
    for (volatile UINT i = 0; i < LONG_ENOUGH && !taken; i++)
        ;
    SEEN(chg_ipm, "shuts its own level out", masked, 0);
    SEEN(chg_ipm, "lets higher ones in", taken, 1);
    action = again; /* the tick is below */
    vxget_tim(&before);
    do {
        vxget_tim(&now);
    } while (now - before < 6000);
    SEEN(chg_ipm, "shuts lower levels out", action == again, TRUE);
    action = NULL;
    chg_ipm(0);
    transmit_action = again;
    raise();
    for (volatile UINT i = 0; i < LONG_ENOUGH && taken == 1; i++)
        ;
    SEEN(DEF_INH, "and then is taken", taken, 2);
    transmit_action = dispatches;
    start(TSK_HIGH, sleep_job);
    raise();
    SEEN(DEF_INH, "the return dispatches", result[1], E_OK);
    start(TSK_HIGH, sleep_job);
    dis_dsp();
    raise();
    SEEN(DEF_INH, "not with dispatching disabled", result[1], 1);
    ena_dsp();
    SEEN(ena_dsp, "dispatches what a handler has woken", result[1], E_OK);
    start(TSK_HIGH, sleep_job);
    in_a_handler(tick);
    SEEN(DEF_INH, "the outermost return dispatches", result[1], E_OK);
}
