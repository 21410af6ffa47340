/* A guest that does what its script says: raises lines, idles, masks, calls, ends others. Everything happens in program
 * order, so what it logs is the same whatever a path takes. Every switch away and back is checked to have kept the
 * registers. */
#include "spumone.h"

#define WORD(a) (*(volatile unsigned long *)(a))
#define RAISE 0xffcc0000
#define DROP 0xffcc0004
#define INTEVT 0xff000028
#define ORDER WORD(0xa8f00000) /* one count for all guests' logs */

#define UNMASK 0xffd4003c

enum op { END, RAISE_LINES, IDLE, IMASK, ROUTE, QUERY, BLOCKED, CALL, IDLE_RACE, RESTART, STOP, VBR, DEAF, CRASH, WAIT };

/* Outside the image: it survives a restart. The first four are filled before the start. */
struct board {
    struct {
        unsigned char op, a;
        unsigned short b;
    } script[256];
    unsigned char reply[64]; /* what the n-th interrupt raises */
    unsigned long uses_fpu, own, lines_of[128]; /* mask bits to open; DROP bit by INTEVT / 0x20 */
    unsigned long starts, logged, interrupts, bare;
    struct {
        unsigned long order, what, value;
    } log[4096];
};
#define G (*(struct board *)(BASE + 0x00800000))

extern char vectors[];
/* storm.S: 0, or which register has changed. */
unsigned long checked_store(unsigned long address, unsigned long value, unsigned long pattern, unsigned long fpu);
unsigned long checked_idle(unsigned long pattern, unsigned long bl);
void wait(void);  /* a wait call; what it does not keep is kept here */
void bank1(void); /* R4-R7 of bank 1 as start left them */

static void note(unsigned long what, unsigned long value)
{
    unsigned long n = G.logged++ & 4095;
    G.log[n].order = ORDER++;
    G.log[n].what = what;
    G.log[n].value = value;
}

static unsigned long get_sr(void)
{
    unsigned long sr;
    __asm__ volatile("stc sr,%0" : "=r"(sr));
    return sr;
}

static void set_sr(unsigned long sr)
{
    __asm__ volatile("ldc %0,sr" ::"r"(sr) : "memory");
}

/* Called with BL=0, IMASK at the interrupt's level, which is what SR.IMASK was on entry. */
void interrupt(unsigned long intevt, unsigned long entry_sr, unsigned long ssr)
{
    if (G.bare) /* a wait call has not kept them */
        bank1();
    G.bare = 0;
    note(1, intevt | (entry_sr & 0xf0) << 12 | (ssr & 0xf0) << 20);
    WORD(DROP) = G.lines_of[intevt >> 5];
    unsigned long raised = G.reply[G.interrupts++ & 63];
    if (raised) {
        unsigned long changed = checked_store(RAISE, raised, 0x51000000 + G.logged, 0);
        if (changed)
            note(9, changed);
    }
    note(2, intevt);
}

void main(void)
{
    note(10, G.starts++);
    G.bare = 0;
    note(3, spm_set_vbr(vectors));
    WORD(UNMASK) = G.own; /* a restart has masked them */
    for (unsigned int k = 0; k < 256; k++) {
        unsigned long a = G.script[k].a, b = G.script[k].b, changed = 0, pattern = 0x11000000 + (k << 8);
        switch (G.script[k].op) {
        case END:
            for (;;)
                if (a) {
                    G.bare = 1;
                    wait();
                } else {
                    spm_idle();
                }
        case RAISE_LINES:
            changed = checked_store(RAISE, b, pattern, G.uses_fpu);
            break;
        case IDLE:
            changed = checked_idle(pattern, 0);
            note(4, k);
            break;
        case IMASK:
            set_sr((get_sr() & ~0xf0ul) | a << 4);
            note(5, a);
            break;
        case ROUTE:
            note(6, spm_route(b, a));
            break;
        case QUERY:
            note(6, spm_query(a));
            break;
        case BLOCKED: /* with BL=1 nothing comes; all of it does at the end */
            set_sr(get_sr() | 0x10000000);
            changed = checked_store(RAISE, b, pattern, G.uses_fpu);
            note(7, b);
            set_sr(get_sr() & ~0x10000000ul);
            break;
        case CALL:
            note(6, ((long (*)(void))(SPM_PAGE + b))());
            break;
        case IDLE_RACE: /* what was raised before the call is not slept on */
            set_sr(get_sr() | 0x10000000);
            WORD(RAISE) = b;
            changed = checked_idle(pattern, 0x10000000);
            set_sr(get_sr() & ~0x10000000ul);
            note(4, k);
            break;
        case RESTART: /* of itself or one above: once */
            if (a <= spm_query(SPM_Q_SELF) && G.starts > 1)
                break;
            note(6, spm_restart(a));
            break;
        case STOP:
            note(6, spm_stop(a));
            break;
        case VBR:
            note(6, spm_set_vbr((void *)((unsigned long)b << 16)));
            break;
        case DEAF: { /* a while with all masked */
            unsigned long sr = get_sr();
            set_sr(sr | 0xf0);
            changed = checked_store(RAISE, b, pattern, G.uses_fpu);
            note(6, spm_query(a));
            note(11, b);
            set_sr(sr);
            break;
        }
        case WAIT:
            G.bare = 1;
            wait();
            note(4, k);
            break;
        case CRASH: /* once: the CPU resets */
            if (G.starts == 1) {
                note(12, k);
                set_sr(get_sr() | 0x10000000);
                __asm__ volatile("trapa #1");
            }
            break;
        }
        if (changed)
            note(8, changed);
    }
    for (;;)
        spm_idle();
}
