/* System time, the time queue and the tick from TMU3 (uITRON4.0 4.5.1). TMU3 counts Pck/4, 48 CPU ticks a
 * count; a period of 41,667 counts is 2,000,016 ticks, 8 ppm longer than the nominal 5 ms. */
#include "impl.h"

#define TICK_COUNTS (25000000u * TIC_NUME / TIC_DENO / 3000) /* Pck/4 = 25/3 MHz */

SYSTIM now;
UW tick_sr;

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
    TMU3_TCR = TCR_UNIE; /* clears UNF */
    isig_tim();
}

void time_init(void)
{
    now = offset = 0;
    queue_init(&events);
    interrupt_define(INTNO_TMU3, tick_handler);
    TMU345_TSTR &= ~TSTR_STR3;
    TMU3_TCOR = TMU3_TCNT = TICK_COUNTS;
    TMU3_TCR = TCR_UNIE;
    TMU345_TSTR |= TSTR_STR3;
}

ER isig_tim(void)
{
    if (!HANDLER_CONTEXT)
        return E_CTX;
    tick_sr = lock();
    now += TIC_NUME / TIC_DENO;
    while (!queue_empty(&events) && (W)(((EVENT *)events.next)->due - now) <= 0) {
        EVENT *event = (EVENT *)events.next;
        queue_remove(&event->link);
        event->run(event->argument);
    }
    unlock(tick_sr);
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
