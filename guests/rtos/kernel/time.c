/* System time, the time queue and the tick from TMU3 (uITRON4.0 4.5.1). TMU3 counts Pck/4 = 25/3 MHz, 48 CPU
 * ticks a count, so 5 ms is no whole number of counts: a tick is rounded up, and one tick in 30 is shorter by
 * what the others gained (10 counts, 1.2 us). That costs two writes in 30 ticks and time does not drift. */
#include "impl.h"

#define CYCLE 30
#define TICK_COUNTS ((25000u * TIC_NUME / TIC_DENO + 2) / 3)
#define SHORT_COUNTS (TICK_COUNTS * (1 - CYCLE) + 25000u * TIC_NUME / TIC_DENO * CYCLE / 3)

SYSTIM now;

static SYSTIM offset; /* system time less now */
static QUEUE events;  /* in the order of due */

void event_at(EVENT *event, SYSTIM due)
{
    QUEUE *place = events.next;
    event->due = due;
    while (place != &events && (W)(((EVENT *)place)->due - due) <= 0)
        place = place->next;
    queue_insert(place, &event->link);
}

void event_after(EVENT *event, RELTIM after)
{
    event_at(event, now + after + TIC_NUME / TIC_DENO); /* the tick in progress does not count */
}

void event_cancel(EVENT *event)
{
    queue_remove(&event->link);
}

static void tick_handler(void)
{
    static UINT phase;
    TMU3_TCR = TCR_UNIE; /* clears UNF */
    phase = phase == CYCLE ? 1 : phase + 1;
    if (phase == 1)
        TMU3_TCOR = SHORT_COUNTS - 1; /* loaded by the next underflow: for the tick after this one */
    else if (phase == 2)
        TMU3_TCOR = TICK_COUNTS - 1;
    isig_tim();
}

void time_init(void)
{
    now = offset = 0;
    queue_init(&events);
    interrupt_define(INTNO_TMU3, tick_handler);
    TMU345_TSTR &= ~TSTR_STR3;
    TMU3_TCOR = TMU3_TCNT = TICK_COUNTS - 1;
    TMU3_TCR = TCR_UNIE;
    TMU345_TSTR |= TSTR_STR3;
}

ER isig_tim(void)
{
    if (!HANDLER_CONTEXT)
        return E_CTX;
    UW sr = lock();
    now += TIC_NUME / TIC_DENO;
    while (!queue_empty(&events) && (W)(((EVENT *)events.next)->due - now) <= 0) {
        EVENT *event = (EVENT *)events.next;
        queue_remove(&event->link);
        event->run(event->argument, sr);
    }
    unlock(sr);
    return E_OK;
}

ER set_tim(SYSTIM *p_systim)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    UW sr = lock();
    offset = *p_systim - now;
    unlock(sr);
    return E_OK;
}

ER get_tim(SYSTIM *p_systim)
{
    if (!TASK_CONTEXT)
        return E_CTX;
    UW sr = lock();
    *p_systim = now + offset;
    unlock(sr);
    return E_OK;
}

/* Microseconds since the start, for measuring: never back, and not moved by set_tim. A tick that is due but not
 * yet taken counts; one lost, as interrupts were shut out for more than a tick, makes the time stand for as long. */
ER vxget_tim(SYSUTIM *p_sysutim)
{
    static SYSUTIM latest;
    UW sr = lock();
    UW left = TMU3_TCNT, passed = now * 1000;
    if (TMU3_TCR & TCR_UNF) {
        left = TMU3_TCNT; /* of the next tick for certain */
        passed += 1000 * TIC_NUME / TIC_DENO;
    }
    passed += (TICK_COUNTS - 1 - left) * 3 / 25; /* the shorter tick begins 10 counts late, not ends early */
    if ((W)(passed - latest) > 0)
        latest = passed;
    *p_sysutim = latest;
    unlock(sr);
    return E_OK;
}
