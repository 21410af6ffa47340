/* Generated from hypervisor_node/layout.py by `python -m hypervisor_node.layout`; do not edit. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define TABLE_MAGIC 0x314d5053
#define TABLE_BYTES 1140
#define MAX_GUESTS 8
#define MAX_SEGMENTS 8
#define CODES 128
#define NOBODY 0xff
#define CONSOLE 0xfe
#define GUEST_FPU 1
#define GUEST_MMU 2
#define GUEST_RESTART 8
#define INT2MSKR 0xffd40038
#define INT2MSKCR 0xffd4003c
#define ALL_INT2 0x3bul /* bits of INT2MSKR that are sources' below */
#define INTMSK0 0xffd00044
#define INTMSKCLR0 0xffd00064

#ifndef __ASSEMBLER__

struct segment {
    unsigned long to, from, bytes;
};

struct guest {
    unsigned long priority, entry, sr, flags, memory, size, segments;
    struct segment segment[MAX_SEGMENTS];
};

struct table {
    unsigned long magic, guests, ceiling, serial, serial_level;
    struct guest guest[MAX_GUESTS];
    unsigned char owner[CODES]; /* by INTEVT / 0x20: index of a guest, NOBODY or CONSOLE */
};

/* Interrupt sources: INTEVT, the next one of the same mask bit (a ring), the bit in INT2MSKR or INTMSK0. */
struct source {
    unsigned short code, mate;
    unsigned long int2, irq;
};
#define SOURCES 23
static const struct source sources[SOURCES] = {
    {0x580, 1, 0x1, 0x0}, /* TUNI0 */
    {0x5a0, 2, 0x1, 0x0}, /* TUNI1 */
    {0x5c0, 0, 0x1, 0x0}, /* TUNI2 */
    {0xe00, 4, 0x2, 0x0}, /* TUNI3 */
    {0xe20, 5, 0x2, 0x0}, /* TUNI4 */
    {0xe40, 3, 0x2, 0x0}, /* TUNI5 */
    {0x700, 7, 0x8, 0x0}, /* ERI0 */
    {0x720, 8, 0x8, 0x0}, /* RXI0 */
    {0x740, 9, 0x8, 0x0}, /* BRI0 */
    {0x760, 6, 0x8, 0x0}, /* TXI0 */
    {0xb80, 11, 0x10, 0x0}, /* ERI1 */
    {0xba0, 12, 0x10, 0x0}, /* RXI1 */
    {0xbc0, 13, 0x10, 0x0}, /* BRI1 */
    {0xbe0, 10, 0x10, 0x0}, /* TXI1 */
    {0x560, 14, 0x20, 0x0}, /* ITI */
    {0x240, 15, 0x0, 0x80000000}, /* IRQ0 */
    {0x280, 16, 0x0, 0x40000000}, /* IRQ1 */
    {0x2c0, 17, 0x0, 0x20000000}, /* IRQ2 */
    {0x300, 18, 0x0, 0x10000000}, /* IRQ3 */
    {0x340, 19, 0x0, 0x8000000}, /* IRQ4 */
    {0x380, 20, 0x0, 0x4000000}, /* IRQ5 */
    {0x3c0, 21, 0x0, 0x2000000}, /* IRQ6 */
    {0x200, 22, 0x0, 0x1000000}, /* IRQ7 */
};
/* By INTEVT / 0x20; SOURCES where there is none. */
static const unsigned char source_index[CODES] = {
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23,
    22, 23, 15, 23, 16, 23, 17, 23, 18, 23, 19, 23, 20, 23, 21, 23,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 14, 0, 1, 2, 23,
    23, 23, 23, 23, 23, 23, 23, 23, 6, 7, 8, 9, 23, 23, 23, 23,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 10, 11, 12, 13,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23,
    3, 4, 5, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23,
};

#endif
#endif
