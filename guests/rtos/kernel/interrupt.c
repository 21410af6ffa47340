/* Interrupt handlers by INTEVT code, and the SH7780 lines that are this guest's: SCIF0 and TMU3. Only their
 * fields of the INTC are touched, and only at the start: INT2PRI2 is shared with the other guest's SCIF1. */
#include "impl.h"

/* Defined in entry.S and read by it at (INTEVT >> 5) * 8. */
extern struct {
    void (*handler)(void);
    UW sr;
} interrupt_table[128];

static const struct {
    INHNO first, last; /* INTEVT codes of the line */
    UW priority_register, shift, unmask;
    UINT level; /* INT2PRI, 5 bits; the CPU sees half of it */
} lines[] = {
    {INTNO_SCIF0_ERI, INTNO_SCIF0_TXI, 0xffd40008, 24, INT2_SCIF0, 24},
    {INTNO_TMU3, INTNO_TMU3, 0xffd40004, 24, INT2_TMU345, 22},
};

static void unexpected(void)
{
    panic("interrupt without a handler: INTEVT 0x%x", REG32(CCN_INTEVT));
}

void interrupt_define(INHNO code, void (*handler)(void))
{
    for (UINT i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (code < lines[i].first || code > lines[i].last)
            continue;
        UW level = lines[i].level, old = REG32(lines[i].priority_register);
        if ((level / 2 << 4) <= (sr_task & SR_IMASK))
            panic("interrupt 0x%x has level %u, not above the floor, %u", code, level / 2, (sr_task & SR_IMASK) >> 4);
        interrupt_table[code >> 5].handler = handler;
        interrupt_table[code >> 5].sr = SR_MD | level / 2 << 4;
        REG32(lines[i].priority_register) = (old & ~(0x1ful << lines[i].shift)) | level << lines[i].shift;
        INT2MSKCR = lines[i].unmask;
        return;
    }
    panic("no line for interrupt 0x%x", code);
}

void interrupt_init(void)
{
    for (INT i = 0; i < 128; i++) {
        interrupt_table[i].handler = unexpected;
        interrupt_table[i].sr = SR_LOCKED;
    }
    for (INT i = 0; i < inh_count; i++)
        interrupt_define(inh_ini[i].code, inh_ini[i].handler);
}
