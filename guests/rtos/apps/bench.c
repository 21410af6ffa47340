/* Known paths through the kernel, for bench/rtos.py, which watches when the marks are passed. The program measures
 * nothing itself. A mark is a label: it costs no instruction. At those of INTERRUPT it raises RXI; the instruction before pairs
 * with none, so that the interrupt is taken at the label and returns to it. */
#include "bench.h"

#include "sh7780.h"

#define ROUNDS 4 /* the first meets cold caches */
#define MARK(name) __asm__ volatile(".global mark_" #name "\nmark_" #name ":" : : : "memory")

#define INTERRUPT(name) \
    do { \
        UW sr; \
        __asm__ volatile("stc sr, %0\n.global mark_irq_" #name "\nmark_irq_" #name ":" : "=r"(sr) : : "memory"); \
    } while (0)

static void (*volatile in_handler)(void);
static T_MSG message;
static volatile UINT between; /* written between marks that would lie at one address */

void interrupt_handler(void)
{
    SCIF0_FSR &= ~(FSR_RDF | FSR_DR); /* takes the request back */
    in_handler();
    MARK(handler_end);
}

static void nothing(void)
{
}

static void signals(void)
{
    MARK(isig_sem);
    isig_sem(SEM_HAND);
}

static void raises(void)
{
    iras_tex(TSK_MAIN, 1);
}

void exception_routine(TEXPTN texptn, VP_INT exinf)
{
    MARK(routine);
    (void)exinf;
    between = texptn;
    MARK(routine_end);
}

void short_task(VP_INT exinf)
{
    MARK(short_task);
    between = (UINT)exinf;
    MARK(short_task_end);
}

void high_task(VP_INT exinf)
{
    FLGPTN pattern;
    VP_INT data;
    T_MSG *got;
    (void)exinf;
    for (;;) {
        wai_sem(SEM_HAND);
        MARK(sem_taken);
        wai_sem(SEM_HAND);
        MARK(sem_from_handler);
        wai_flg(FLG_HAND, 1, TWF_ORW, &pattern);
        MARK(flg_met);
        rcv_dtq(DTQ_HAND, &data);
        MARK(dtq_received);
        rcv_mbx(MBX_HAND, &got);
        MARK(mbx_received);
        slp_tsk();
        MARK(woken);
    }
}

void main_task(VP_INT exinf)
{
    VP_INT data;
    VP block;
    (void)exinf;
    console_receive();
    ena_tex();
    for (UINT round = 0; round < ROUNDS; round++) {
        MARK(sig_sem);
        sig_sem(SEM_HAND);
        MARK(sig_sem_end);
        in_handler = signals;
        INTERRUPT(signals);
        in_handler = nothing;
        MARK(set_flg);
        set_flg(FLG_HAND, 1);
        MARK(snd_dtq);
        snd_dtq(DTQ_HAND, 0);
        MARK(snd_mbx);
        snd_mbx(MBX_HAND, &message);
        MARK(wup_tsk);
        wup_tsk(TSK_HIGH);
        MARK(act_tsk);
        act_tsk(TSK_SHORT);
        MARK(act_tsk_end);
        sig_sem(SEM_FREE);
        MARK(sig_sem_free_end);
        wai_sem(SEM_FREE);
        MARK(wai_sem_free_end);
        snd_dtq(DTQ_FREE, 0);
        MARK(snd_dtq_free_end);
        rcv_dtq(DTQ_FREE, &data);
        MARK(rcv_dtq_free_end);
        get_mpf(MPF_FREE, &block);
        MARK(get_mpf_end);
        rel_mpf(MPF_FREE, block);
        MARK(rel_mpf_end);
        ras_tex(TSK_SELF, 1);
        MARK(ras_tex_end);
        between = round;
        INTERRUPT(plain);
        in_handler = raises;
        INTERRUPT(raises);
    }
    MARK(done);
    slp_tsk();
}
