/* Self test in the manner of the certification tests of uITRON: for each service call its normal operation and each
 * error it returns, an item a line on the console, and the count in the last. Items are printed after each group, so
 * that printing, which waits, does not disturb what is tested. */
#include "selftest.h"

#define ITEMS 256 /* of a group, at most */

static struct {
    const char *call, *code, *what;
    INT got, expected;
} items[ITEMS];
static UINT count;
static void (*volatile jobs[5])(INT self);

volatile INT result[5];
volatile VP_INT received[5];
volatile UINT order;
void (*volatile action)(void);

void item(const char *call, const char *code, const char *what, INT got, INT expected)
{
    if (count == ITEMS)
        return; /* the last line tells */
    items[count].call = call;
    items[count].code = code;
    items[count].what = what;
    items[count].got = got;
    items[count++].expected = expected;
}

void helper_task(VP_INT exinf)
{
    INT self = (INT)exinf;
    order = order << 4 | self;
    if (jobs[self])
        jobs[self](self);
}

void start(ID id, void (*job)(INT self))
{
    jobs[id - 1] = job;
    result[id - 1] = 1;
    ER answer = act_tsk(id);
    if (answer != E_OK)
        item("act_tsk", "E_OK", "of a helper that has ended", answer, E_OK);
}

void sleep_job(INT self)
{
    result[self] = slp_tsk();
}

void action_handler(VP_INT exinf)
{
    void (*todo)(void) = action;
    (void)exinf;
    action = NULL;
    if (todo)
        todo();
}

void in_a_handler(void (*todo)(void))
{
    action = todo;
    while (action)
        dly_tsk(1);
}

static const struct {
    const char *name;
    void (*test)(void);
} groups[] = {
    {"static API", test_api},
    {"contexts", test_contexts},
    {"waits", test_waits},
    {"task", test_task},
    {"synchronisation", test_sync},
    {"task exception", test_taskexc},
    {"semaphore", test_semaphore},
    {"event flag", test_eventflag},
    {"data queue", test_dataqueue},
    {"mailbox", test_mailbox},
    {"fixed pool", test_mempool},
    {"time", test_time},
    {"system", test_system},
    {"CPU exception", test_exceptions},
    {"interrupt", test_interrupts},
};

void main_task(VP_INT exinf)
{
    UINT passed = 0, failed = 0;
    (void)exinf;
    for (UINT g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        count = 0;
        groups[g].test();
        print("# %s\r\n", groups[g].name);
        if (count == ITEMS) {
            print("FAIL: more than %d items\r\n", ITEMS - 1);
            failed++;
        }
        for (UINT i = 0; i < count; i++) {
            BOOL ok = items[i].got == items[i].expected;
            print("%s %s %s: ", items[i].call, items[i].code, items[i].what);
            if (ok)
                print("ok\r\n");
            else
                print("FAIL, got %d, not %d\r\n", items[i].got, items[i].expected);
            passed += ok;
            failed += !ok;
        }
    }
    print("selftest: %u passed, %u failed\r\n", passed, failed);
}
