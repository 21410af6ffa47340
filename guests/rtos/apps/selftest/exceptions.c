/* CPU exceptions: the handlers of DEF_EXC, in tasks, in handlers, with the CPU locked; what they may call. */
#include "selftest.h"

static void (*volatile on_trap)(EXCINF *frame);
static volatile INT context[3], called;
static volatile UW expevt;

void trap_handler(EXCINF *frame)
{
    expevt = REG32(CCN_EXPEVT);
    context[0] = sns_ctx();
    context[1] = sns_loc();
    context[2] = sns_dpn();
    called++;
    if (on_trap)
        on_trap(frame);
}

/* The load is done another way: R0 gets a value, and the instruction is passed over. */
void address_handler(EXCINF *frame)
{
    expevt = REG32(CCN_EXPEVT);
    frame->r[0] = 0x1234;
    frame->spc += 2;
}

/* TRAPA with two numbers in R0 and R1; R0 as it is after. Other registers must be kept. */
static INT trap(INT first, INT second)
{
    register INT r0 __asm__("r0") = first;
    register INT r1 __asm__("r1") = second;
    __asm__ volatile("trapa #5" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void adds(EXCINF *frame)
{
    frame->r[0] += frame->r[1];
}

static void wakes(EXCINF *frame)
{
    (void)frame;
    CALL(iwup_tsk, (TSK_HIGH), E_OK, "in an exception handler");
    SEEN(DEF_EXC, "no dispatch inside", result[1], 1);
}

static void wakes_locked(EXCINF *frame)
{
    (void)frame;
    CALL(iwup_tsk, (TSK_HIGH), E_CTX, "in an exception handler with the CPU locked");
    iloc_cpu();
    CALL(iunl_cpu, (), E_OK, "in an exception handler that found the CPU locked");
    SEEN(iunl_cpu, "leaves it locked", sns_loc(), TRUE);
}

static void raises(EXCINF *frame)
{
    (void)frame;
    CALL(iras_tex, (TSK_MAIN, 0x77), E_OK, "in an exception handler");
    received[3] = 0;
}

static void routine_job(INT self)
{
    (void)self;
    ena_tex();
    trap(1, 2);
    slp_tsk();
}

static void raises_low(EXCINF *frame)
{
    (void)frame;
    iras_tex(TSK_HIGH, 0x55);
}

static void handler(void)
{
    on_trap = adds;
    SEEN(DEF_EXC, "inside a handler", trap(30, 12), 42);
    SEEN(DEF_EXC, "inside a handler: goes on in it", sns_ctx() && !sns_loc(), TRUE);
}

static INT misaligned(void)
{
    register INT r0 __asm__("r0");
    __asm__ volatile("mov.l @%1, %0" : "=r"(r0) : "r"(0x8e000001));
    return r0;
}

void test_exceptions(void)
{
    on_trap = adds;
    called = 0;
    SEEN(DEF_EXC, "the handler reads and writes the frame", trap(40, 2), 42);
    SEEN(DEF_EXC, "it is called once", called, 1);
    SEEN(DEF_EXC, "by its EXPEVT", expevt, 0x160);
    SEEN(DEF_EXC, "is a handler", context[0], TRUE);
    SEEN(DEF_EXC, "has the CPU not locked", context[1], FALSE);
    SEEN(DEF_EXC, "dispatching is pending", context[2], TRUE);
    SEEN(DEF_EXC, "the task goes on", sns_ctx() || sns_loc() || sns_dpn(), FALSE);
    SEEN(DEF_EXC, "another exception, another handler", misaligned(), 0x1234);
    SEEN(DEF_EXC, "address error", expevt, 0x0e0);
    on_trap = wakes;
    start(TSK_HIGH, sleep_job);
    trap(1, 2);
    SEEN(DEF_EXC, "the return dispatches", result[1], E_OK);
    on_trap = wakes;
    start(TSK_HIGH, sleep_job);
    dis_dsp();
    trap(1, 2);
    SEEN(DEF_EXC, "not with dispatching disabled", result[1], 1);
    ena_dsp();
    SEEN(DEF_EXC, "but with ena_dsp", result[1], E_OK);
    on_trap = wakes_locked;
    start(TSK_HIGH, sleep_job);
    loc_cpu();
    trap(1, 2);
    SEEN(DEF_EXC, "a locked CPU is so in the handler", context[1], TRUE);
    SEEN(DEF_EXC, "and after it", sns_loc(), TRUE);
    unl_cpu();
    wup_tsk(TSK_HIGH);
    on_trap = raises;
    ena_tex();
    trap(1, 2);
    SEEN(DEF_EXC, "iras_tex of the task: the routine runs", sns_tex(), FALSE);
    dis_tex();
    on_trap = raises_low;
    start(TSK_HIGH, routine_job);
    SEEN(DEF_EXC, "and the task goes on behind it", wup_tsk(TSK_HIGH), E_OK);
    in_a_handler(handler);
}
