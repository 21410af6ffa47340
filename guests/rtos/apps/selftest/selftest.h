/* The self test's frame: items, helper tasks, and the names its static API file uses. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "kernel.h"
#include "sh7780.h"

#define NO_ID 99

/* An item: `call CODE what: ok`, or what it got instead. CALL is a call and what it returns; SEEN is what a call that
 * went well has brought about. */
#define CALL(call, arguments, code, what) item(#call, #code, what, call arguments, code)
#define SEEN(call, what, got, expected) item(#call, "E_OK", what, (INT)(got), (INT)(expected))
void item(const char *call, const char *code, const char *what, INT got, INT expected);

/* Helper tasks, by the number that is their exinf: 1 TSK_HIGH, 2 TSK_HIGH2, 3 TSK_SAME, 4 TSK_LOW. */
extern volatile INT result[5];         /* of a helper's last call; 1 until it returns */
extern volatile VP_INT received[5];
extern volatile UINT order;            /* helpers append their number when they start: 0x12 is helper 1, then 2 */
void start(ID id, void (*job)(INT self)); /* activates a helper, which does job; one above main has run on return */
void sleep_job(INT self);              /* result is that of slp_tsk */
void in_a_handler(void (*todo)(void)); /* runs it in a cyclic handler, while the main task waits */
extern void (*volatile action)(void);  /* the same without waiting: done in the next tick, then NULL */
extern void (*volatile transmit_action)(void); /* done in the SCIF0 transmit handler, level 12; see interrupts.c */

/* The groups, each in the file of its name. */
void test_api(void);
void test_contexts(void);
void test_waits(void);
void test_task(void);
void test_sync(void);
void test_taskexc(void);
void test_semaphore(void);
void test_eventflag(void);
void test_dataqueue(void);
void test_mailbox(void);
void test_mempool(void);
void test_time(void);
void test_system(void);
void test_exceptions(void);
void test_interrupts(void);

/* What the static API file names. */
extern UW low_stack[256];
extern VP_INT dtq_buffer[1];
extern UW mpf_area[4];
void main_task(VP_INT exinf);
void helper_task(VP_INT exinf);
void exception_routine(TEXPTN texptn, VP_INT exinf);
void count_handler(VP_INT exinf);
void action_handler(VP_INT exinf);
void transmit_handler(void);
void trap_handler(EXCINF *frame);
void address_handler(EXCINF *frame);
void init_routine(VP_INT exinf);

#endif
