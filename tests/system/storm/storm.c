/* A guest that does what its script says: raises lines, idles, masks, calls. Everything happens in program order, so
 * what it logs is the same whatever a path takes. Every switch away and back is checked to have kept the registers. */
#include "spumone.h"

#define WORD(a) (*(volatile unsigned long *)(a))
#define RAISE 0xffcc0000
#define DROP 0xffcc0004
#define INTEVT 0xff000028
#define ORDER WORD(0xa8f00000) /* one count for all guests' logs */

enum op { END, RAISE_LINES, IDLE, IMASK, ROUTE, QUERY, BLOCKED, CALL, IDLE_RACE, RESTART, STOP, VBR };

struct {
    unsigned char op, a;
    unsigned short b;
} script[256];
unsigned char reply[64]; /* what the n-th interrupt raises */
unsigned long uses_fpu, lines_of[128]; /* DROP bit by INTEVT / 0x20 */
struct {
    unsigned long order, what, value;
} log[1024];
unsigned long logged, interrupts;

extern char vectors[];
/* storm.S: 0, or which register has changed. */
unsigned long checked_store(unsigned long address, unsigned long value, unsigned long pattern, unsigned long fpu);
unsigned long checked_idle(unsigned long pattern, unsigned long bl);

static void note(unsigned long what, unsigned long value)
{
    log[logged & 1023].order = ORDER++;
    log[logged & 1023].what = what;
    log[logged++ & 1023].value = value;
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
    note(1, intevt | (entry_sr & 0xf0) << 12 | (ssr & 0xf0) << 20);
    WORD(DROP) = lines_of[intevt >> 5];
    if (reply[interrupts & 63]) {
        unsigned long changed = checked_store(RAISE, reply[interrupts++ & 63], 0x51000000 + logged, 0);
        if (changed)
            note(9, changed);
    } else {
        interrupts++;
    }
    note(2, intevt);
}

void main(void)
{
    note(3, spm_set_vbr(vectors));
    for (unsigned int k = 0; k < 256; k++) {
        unsigned long a = script[k].a, b = script[k].b, changed = 0, pattern = 0x11000000 + (k << 8);
        switch (script[k].op) {
        case END:
            for (;;)
                spm_idle();
        case RAISE_LINES:
            changed = checked_store(RAISE, b, pattern, uses_fpu);
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
            changed = checked_store(RAISE, b, pattern, uses_fpu);
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
        case RESTART:
            note(6, spm_restart(a));
            break;
        case STOP:
            note(6, spm_stop(a));
            break;
        case VBR:
            note(6, spm_set_vbr((void *)((unsigned long)b << 16)));
            break;
        }
        if (changed)
            note(8, changed);
    }
    for (;;)
        spm_idle();
}
