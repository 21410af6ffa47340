/* The demonstration: a job every 10 ms (symbol periodic_job), a serial receive interrupt (serial_rx_handler,
 * whose first instruction ends a latency sample), and tasks that a semaphore, an event flag and a data queue
 * tie together. Says "rtos: ready", then a status line a second. With LATE the job overruns on purpose. */
#include "demo.h"

#include "sh7780.h"

static volatile UINT periodic_count, rx_count;
static volatile UINT collected;
static volatile char rx_last;

void demo_init(VP_INT exinf)
{
    (void)exinf;
    console_receive();
}

#ifdef SHARED_SERIAL

/* Cyclic handler, 5 ms: a character at a time, as from RXI. What comes faster waits in SPUMONE and at its sender. */
void console_job(VP_INT exinf)
{
    (void)exinf;
    if (console_read((char *)&rx_last, 1)) {
        rx_count++;
        iwup_tsk(TSK_ECHO);
    }
}

#else

/* RXI: one character is in the FIFO or more (RTRG = 1); RDF rises again while any is left. */
void serial_rx_handler(void)
{
    rx_last = SCIF0_RDR;
    SCIF0_FSR &= ~(FSR_RDF | FSR_DR);
    rx_count++;
    iwup_tsk(TSK_ECHO);
}

#endif

#ifdef LATE
/* Every 50th job takes some 11 ms (4,400,000 instructions) and so misses the start of the next. */
static void overrun(void)
{
    if (periodic_count % 50 == 0)
        for (UINT i = 0; i < 1100000; i++)
            __asm__ volatile("nop\n\tnop");
}
#endif

/* Cyclic handler, 10 ms. */
void periodic_job(VP_INT exinf)
{
    (void)exinf;
    periodic_count++;
    if (periodic_count % 10 == 0)
        ipsnd_dtq(DTQ_JOBS, (VP_INT)periodic_count);
    if (periodic_count % 100 == 0)
        iset_flg(FLG_SECOND, 1);
#ifdef LATE
    overrun();
#endif
}

void collect_task(VP_INT exinf)
{
    VP_INT count;
    (void)exinf;
    while (rcv_dtq(DTQ_JOBS, &count) == E_OK)
        collected++;
}

void echo_task(VP_INT exinf)
{
    (void)exinf;
    while (slp_tsk() == E_OK) {
        if (rx_last == 'p') { /* asked: the counters at once */
            wai_sem(SEM_CONSOLE);
            print("rtos: periodic=%u rx=%u\r\n", periodic_count, rx_count);
            sig_sem(SEM_CONSOLE);
        }
    }
}

void status_task(VP_INT exinf)
{
    FLGPTN pattern;
    (void)exinf;
    wai_sem(SEM_CONSOLE);
    print("rtos: ready\r\n");
    sig_sem(SEM_CONSOLE);
    for (UINT second = 1; wai_flg(FLG_SECOND, 1, TWF_ORW, &pattern) == E_OK; second++) {
        wai_sem(SEM_CONSOLE);
        print("rtos: t=%u s periodic=%u rx=%u q=%u\r\n", second, periodic_count, rx_count, collected);
        sig_sem(SEM_CONSOLE);
    }
}
