/* Bare program: prints one line over SCIF0 by polling, then sleeps for good. First bring-up of a machine. */
#include "sh7780.h"

static void put(char c)
{
    while (!(SCIF0_FSR & FSR_TDFE))
        ;
    SCIF0_TDR = c;
    SCIF0_FSR &= ~(FSR_TDFE | FSR_TEND); /* a flag clears when 0 is written after 1 was read */
}

int main(void)
{
    SCIF0_SCR = 0;
    SCIF0_FCR = FCR_TFRST | FCR_RFRST;
    SCIF0_SMR = 0;
    SCIF0_BRR = BRR_115200;
    SCIF0_FCR = 0;
    SCIF0_SCR = SCR_TE;
    for (const char *s = "hello: SH-4A is running\r\n"; *s; s++)
        put(*s);
    while (!(SCIF0_FSR & FSR_TEND))
        ;
    return 0;
}
