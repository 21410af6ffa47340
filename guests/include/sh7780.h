/* Registers of the SH7780 that the RTOS and the bare programs use (P4 addresses), and their bits.
 * Source: facts of Linux 6.1 arch/sh (setup-sh7780.c) and drivers/tty/serial/sh-sci; only SCIF0, TMU3, INTC. */
#ifndef SH7780_H
#define SH7780_H

#define SR_MD 0x40000000
#define SR_RB 0x20000000
#define SR_BL 0x10000000
#define SR_IMASK 0x000000f0

#define CCN_CCR 0xff00001c
#define CCN_EXPEVT 0xff000024
#define CCN_INTEVT 0xff000028

#ifndef __ASSEMBLER__

#define REG8(address) (*(volatile unsigned char *)(address))
#define REG16(address) (*(volatile unsigned short *)(address))
#define REG32(address) (*(volatile unsigned long *)(address))

/* SCIF0. Bit rate = Pck / (32 * (BRR + 1)) with SMR.CKS = 0 and Pck = 33.33 MHz:
 * BRR 8 gives 115,741 bit/s, 0.5 % above 115,200. */
#define SCIF0_SMR REG16(0xffe00000)
#define SCIF0_BRR REG8(0xffe00004)
#define SCIF0_SCR REG16(0xffe00008)
#define SCIF0_TDR REG8(0xffe0000c)
#define SCIF0_FSR REG16(0xffe00010)
#define SCIF0_RDR REG8(0xffe00014)
#define SCIF0_FCR REG16(0xffe00018)
#define SCIF0_TFDR REG16(0xffe0001c) /* characters in the transmit FIFO */
#define SCIF0_RFDR REG16(0xffe00020) /* characters in the receive FIFO */
#define SCIF0_LSR REG16(0xffe00028)
#define SCIF_FIFO 16 /* characters a FIFO holds at least: larger ones of the family work too */
#define BRR_115200 8
#define SCR_RIE 0x40
#define SCR_TE 0x20
#define SCR_RE 0x10
#define FSR_ER 0x80
#define FSR_TEND 0x40
#define FSR_TDFE 0x20
#define FSR_BRK 0x10
#define FSR_RDF 0x02
#define FSR_DR 0x01
#define LSR_ORER 0x01
#define FCR_TFRST 0x04
#define FCR_RFRST 0x02

/* TMU3: counts down at Pck/4 (48 CPU ticks), reloads TCOR at underflow. */
#define TMU345_TSTR REG8(0xffdc0004)
#define TMU3_TCOR REG32(0xffdc0008)
#define TMU3_TCNT REG32(0xffdc000c)
#define TMU3_TCR REG16(0xffdc0010)
#define TSTR_STR3 0x01
#define TCR_UNF 0x100
#define TCR_UNIE 0x20

/* INTC: 5-bit levels in bytes, most significant first; the CPU sees level/2. */
#define INT2PRI1 REG32(0xffd40004) /* TMU3 TMU4 TMU5 RTC */
#define INT2PRI2 REG32(0xffd40008) /* SCIF0 SCIF1 WDT */
#define INT2MSKR REG32(0xffd40038)
#define INT2MSKCR REG32(0xffd4003c) /* writing 1 clears the mask bit */
#define INT2_TMU345 0x02
#define INT2_SCIF0 0x08

#endif

/* INTEVT codes. */
#define INTNO_TMU3 0xe00
#define INTNO_SCIF0_ERI 0x700
#define INTNO_SCIF0_RXI 0x720
#define INTNO_SCIF0_BRI 0x740
#define INTNO_SCIF0_TXI 0x760

#endif
