"""Every register of the devices, typed by hand: not from the tables under test.

Sources: addresses and widths of Linux 6.1 (setup-sh7780.c, sh-sci.h, sh_tmu.c, board-sh2007.c, freq.h) and of
facts/linux-guest.md and facts/spumone-and-rtos.md; reset values and bits of public SH7780 descriptions.

A row: name, address, size, reset value, bits that writing changes, kind of access. Kinds: rw; ro; set (1 sets);
clear NAME (1 clears NAME, reads 0); key (only with 0xA5 in 31:24); tx and rx (FIFO ends); zero (writing 0
clears, after reading 1, and there is nothing to clear at reset).
"""

INTC = [
    ("ICR0", 0xFFD00000, 4, 0x00000000, 0x43E00000, "rw"),
    ("INTPRI", 0xFFD00010, 4, 0x00000000, 0xFFFFFFFF, "rw"),
    ("ICR1", 0xFFD0001C, 4, 0x00000000, 0xFFFF0000, "rw"),
    ("INTREQ", 0xFFD00024, 4, 0x00000000, 0, "zero"),
    ("INTMSK0", 0xFFD00044, 4, 0xFF000000, 0xFF000000, "set"),
    ("INTMSK1", 0xFFD00048, 4, 0xC0000000, 0xC0000000, "set"),
    ("INTMSKCLR0", 0xFFD00064, 4, 0x00000000, 0xFF000000, "clear INTMSK0"),
    ("INTMSKCLR1", 0xFFD00068, 4, 0x00000000, 0xC0000000, "clear INTMSK1"),
    ("NMIFCR", 0xFFD000C0, 4, 0x00000000, 0, "ro"),
    ("USERIMASK", 0xFFD30000, 4, 0x00000000, 0x000000F0, "key"),
    ("INT2PRI0", 0xFFD40000, 4, 0x00000000, 0x1F1F1F1F, "rw"),  # TMU0 TMU1 TMU2 TICPI
    ("INT2PRI1", 0xFFD40004, 4, 0x00000000, 0x1F1F1F1F, "rw"),  # TMU3 TMU4 TMU5 RTC
    ("INT2PRI2", 0xFFD40008, 4, 0x00000000, 0x1F1F1F00, "rw"),  # SCIF0 SCIF1 WDT
    ("INT2PRI3", 0xFFD4000C, 4, 0x00000000, 0x1F1F1F00, "rw"),  # HUDI DMAC0 DMAC1
    ("INT2PRI4", 0xFFD40010, 4, 0x00000000, 0x1F1F1F1F, "rw"),  # CMT HAC PCISERR PCIINTA
    ("INT2PRI5", 0xFFD40014, 4, 0x00000000, 0x1F1F1F1F, "rw"),  # PCIINTB PCIINTC PCIINTD PCIC5
    ("INT2PRI6", 0xFFD40018, 4, 0x00000000, 0x1F1F1F1F, "rw"),  # SIOF HSPI MMCIF SSI
    ("INT2PRI7", 0xFFD4001C, 4, 0x00000000, 0x1F1F0000, "rw"),  # FLCTL GPIO
    ("INT2A0", 0xFFD40030, 4, 0x00000000, 0, "ro"),
    ("INT2A1", 0xFFD40034, 4, 0x00000000, 0, "ro"),
    ("INT2MSKR", 0xFFD40038, 4, 0x03FFF3BF, 0x03FFF3BF, "set"),
    ("INT2MSKCR", 0xFFD4003C, 4, 0x00000000, 0x03FFF3BF, "clear INT2MSKR"),
    ("INT2B0", 0xFFD40040, 4, 0x00000000, 0, "ro"),
    ("INT2B1", 0xFFD40044, 4, 0x00000000, 0, "ro"),
    ("INT2B2", 0xFFD40048, 4, 0x00000000, 0, "ro"),
    ("INT2B3", 0xFFD4004C, 4, 0x00000000, 0, "ro"),
    ("INT2B4", 0xFFD40050, 4, 0x00000000, 0, "ro"),
    ("INT2B5", 0xFFD40054, 4, 0x00000000, 0, "ro"),
    ("INT2B6", 0xFFD40058, 4, 0x00000000, 0, "ro"),
    ("INT2B7", 0xFFD4005C, 4, 0x00000000, 0, "ro"),
    ("INTMSK2", 0xFFD40080, 4, 0xFFFEFFFE, 0xFFFEFFFE, "set"),
    ("INTMSKCLR2", 0xFFD40084, 4, 0x00000000, 0xFFFEFFFE, "clear INTMSK2"),
]

TMU = [
    ("TOCR", 0xFFD80000, 1, 0x00, 0x01, "rw"),
    ("TSTR0", 0xFFD80004, 1, 0x00, 0x07, "rw"),
    ("TCOR0", 0xFFD80008, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT0", 0xFFD8000C, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR0", 0xFFD80010, 2, 0x0000, 0x003F, "rw"),
    ("TCOR1", 0xFFD80014, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT1", 0xFFD80018, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR1", 0xFFD8001C, 2, 0x0000, 0x003F, "rw"),
    ("TCOR2", 0xFFD80020, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT2", 0xFFD80024, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR2", 0xFFD80028, 2, 0x0000, 0x003F, "rw"),
    ("TCPR2", 0xFFD8002C, 4, 0x00000000, 0, "ro"),
    ("TSTR1", 0xFFDC0004, 1, 0x00, 0x07, "rw"),
    ("TCOR3", 0xFFDC0008, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT3", 0xFFDC000C, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR3", 0xFFDC0010, 2, 0x0000, 0x003F, "rw"),
    ("TCOR4", 0xFFDC0014, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT4", 0xFFDC0018, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR4", 0xFFDC001C, 2, 0x0000, 0x003F, "rw"),
    ("TCOR5", 0xFFDC0020, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCNT5", 0xFFDC0024, 4, 0xFFFFFFFF, 0xFFFFFFFF, "rw"),
    ("TCR5", 0xFFDC0028, 2, 0x0000, 0x003F, "rw"),
]

SCIF0 = [
    ("SMR", 0xFFE00000, 2, 0x0000, 0x007B, "rw"),
    ("BRR", 0xFFE00004, 1, 0xFF, 0xFF, "rw"),
    ("SCR", 0xFFE00008, 2, 0x0000, 0x00FB, "rw"),
    ("FTDR", 0xFFE0000C, 1, 0xFF, 0, "tx"),
    ("FSR", 0xFFE00010, 2, 0x0060, 0, "zero"),
    ("FRDR", 0xFFE00014, 1, 0x00, 0, "rx"),
    ("FCR", 0xFFE00018, 2, 0x0000, 0x07FF, "rw"),
    ("TFDR", 0xFFE0001C, 2, 0x0000, 0, "ro"),
    ("RFDR", 0xFFE00020, 2, 0x0000, 0, "ro"),
    ("SPTR", 0xFFE00024, 2, 0x0001, 0x00FE, "rw"),  # SPB2DT reads the RxD pin: 1, an idle line
    ("LSR", 0xFFE00028, 2, 0x0000, 0, "zero"),
    ("RER", 0xFFE0002C, 2, 0x0000, 0, "ro"),
]
SCIF1 = [
    ("SMR", 0xFFE10000, 2, 0x0000, 0x007B, "rw"),
    ("BRR", 0xFFE10004, 1, 0xFF, 0xFF, "rw"),
    ("SCR", 0xFFE10008, 2, 0x0000, 0x00FB, "rw"),
    ("FTDR", 0xFFE1000C, 1, 0xFF, 0, "tx"),
    ("FSR", 0xFFE10010, 2, 0x0060, 0, "zero"),
    ("FRDR", 0xFFE10014, 1, 0x00, 0, "rx"),
    ("FCR", 0xFFE10018, 2, 0x0000, 0x07FF, "rw"),
    ("TFDR", 0xFFE1001C, 2, 0x0000, 0, "ro"),
    ("RFDR", 0xFFE10020, 2, 0x0000, 0, "ro"),
    ("SPTR", 0xFFE10024, 2, 0x0001, 0x00FE, "rw"),  # SPB2DT reads the RxD pin: 1, an idle line
    ("LSR", 0xFFE10028, 2, 0x0000, 0, "zero"),
    ("RER", 0xFFE1002C, 2, 0x0000, 0, "ro"),
]

CPG = [
    # IFC 24 = 0: PLL/2; SHwy 22:20 = 2: PLL/4; BFC 18:16 = 3: PLL/8; PFC 1:0 = 1: PLL/24 = 33.33 MHz
    ("FRQCR", 0xFFC80000, 4, 0x00230001, 0, "ro"),
    ("PLLCR", 0xFFC80024, 4, 0x00000000, 0x00000002, "rw"),
    ("MSTPCR0", 0xFFC80030, 4, 0x00000000, 0xFFFFFFFF, "rw"),
    ("MSTPCR1", 0xFFC80034, 4, 0x00000000, 0xFFFFFFFF, "rw"),
]

BSC = [
    ("BCR", 0xFF801000, 4, 0x00000000, 0xFFFFFFFF, "rw"),
    ("CS0BCR", 0xFF802000, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS0WCR", 0xFF802008, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS1BCR", 0xFF802010, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS1WCR", 0xFF802018, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS2BCR", 0xFF802020, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS2WCR", 0xFF802028, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS4BCR", 0xFF802040, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS4WCR", 0xFF802048, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS5BCR", 0xFF802050, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS5WCR", 0xFF802058, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS5PCR", 0xFF802070, 4, 0x77000000, 0xFFFFFFFF, "rw"),
    ("CS6BCR", 0xFF802060, 4, 0x77777770, 0xFFFFFFFF, "rw"),
    ("CS6WCR", 0xFF802068, 4, 0x7777770F, 0xFFFFFFFF, "rw"),
    ("CS6PCR", 0xFF802080, 4, 0x77000000, 0xFFFFFFFF, "rw"),
]
