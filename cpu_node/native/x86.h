/* x86-64 instructions as bytes. One encoder serves all: prefix, REX, opcode, ModRM, SIB, displacement. */
#ifndef COSIM_X86_H
#define COSIM_X86_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NONE = 255 };
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

/* An operand: a register, or memory at base + index * 2^scale + disp. */
struct opd {
    uint8_t reg, base, index, scale;
    int32_t disp;
};
static inline struct opd in_reg(unsigned reg) { return (struct opd){(uint8_t)reg, NONE, NONE, 0, 0}; }
static inline struct opd at(unsigned base, int32_t disp) { return (struct opd){NONE, (uint8_t)base, NONE, 0, disp}; }
static inline struct opd at_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (struct opd){NONE, (uint8_t)base, (uint8_t)index, (uint8_t)scale, disp};
}
static inline bool is_reg(struct opd o) { return o.reg != NONE; }

static inline void put8(uint8_t **p, unsigned v) { *(*p)++ = (uint8_t)v; }
static inline void put32(uint8_t **p, uint32_t v)
{
    memcpy(*p, &v, 4);
    *p += 4;
}
static inline void put64(uint8_t **p, uint64_t v)
{
    memcpy(*p, &v, 8);
    *p += 8;
}

enum { WIDE = 1, BYTE = 2 }; /* 64-bit operands; byte registers (SIL and so on need a REX) */

/* `op`: up to three opcode bytes, 0x0f included; `prefix`: 0, 0x66, 0xf2 or 0xf3. */
static inline void enc(uint8_t **p, unsigned prefix, unsigned how, unsigned op, unsigned reg, struct opd o)
{
    unsigned rm = is_reg(o) ? o.reg : o.base, rex = 0;
    if (prefix)
        put8(p, prefix);
    rex |= how & WIDE ? 8 : 0;
    rex |= reg & 8 ? 4 : 0;
    rex |= rm != NONE && rm & 8 ? 1 : 0;
    rex |= !is_reg(o) && o.index != NONE && o.index & 8 ? 2 : 0;
    if (rex || (how & BYTE && (reg >= 4 || (is_reg(o) && o.reg >= 4))))
        put8(p, 0x40 | rex);
    if (op > 0xffff)
        put8(p, op >> 16);
    if (op > 0xff)
        put8(p, op >> 8);
    put8(p, op);
    reg = (reg & 7) << 3;
    if (is_reg(o)) {
        put8(p, 0xc0 | reg | (rm & 7));
        return;
    }
    unsigned index = o.index == NONE ? 4u : o.index & 7u;
    if (o.base == NONE) { /* index * scale + disp32 */
        put8(p, reg | 4);
        put8(p, (unsigned)o.scale << 6 | index << 3 | 5);
        put32(p, (uint32_t)o.disp);
        return;
    }
    unsigned mod = o.disp == 0 && (rm & 7) != 5 ? 0 : o.disp >= -128 && o.disp < 128 ? 1 : 2;
    if (o.index != NONE || (rm & 7) == 4) {
        put8(p, mod << 6 | reg | 4);
        put8(p, (unsigned)o.scale << 6 | index << 3 | (rm & 7));
    } else {
        put8(p, mod << 6 | reg | (rm & 7));
    }
    if (mod == 1)
        put8(p, (unsigned)o.disp);
    else if (mod == 2)
        put32(p, (uint32_t)o.disp);
}

/* op r/m, imm with the short form where it fits (opcodes 81/83); `digit` chooses add or adc sbb and sub xor cmp. */
enum { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP };
static inline void alu_imm(uint8_t **p, unsigned digit, struct opd o, int32_t imm)
{
    if (imm >= -128 && imm < 128) {
        enc(p, 0, 0, 0x83, digit, o);
        put8(p, (unsigned)imm);
    } else {
        enc(p, 0, 0, 0x81, digit, o);
        put32(p, (uint32_t)imm);
    }
}
/* op r/m, reg */
static inline void alu(uint8_t **p, unsigned digit, struct opd to, unsigned from)
{
    enc(p, 0, 0, digit << 3 | 1, from, to);
}
/* op reg, r/m */
static inline void alu_from(uint8_t **p, unsigned digit, unsigned to, struct opd from)
{
    enc(p, 0, 0, digit << 3 | 3, to, from);
}
static inline void mov_load(uint8_t **p, unsigned reg, struct opd from) { enc(p, 0, 0, 0x8b, reg, from); }
static inline void mov_store(uint8_t **p, struct opd to, unsigned reg) { enc(p, 0, 0, 0x89, reg, to); }
static inline void mov_imm(uint8_t **p, struct opd to, uint32_t v)
{
    enc(p, 0, 0, 0xc7, 0, to);
    put32(p, v);
}
/* digit: 0 rol, 1 ror, 2 rcl, 3 rcr, 4 shl, 5 shr, 7 sar */
static inline void shift_imm(uint8_t **p, unsigned digit, struct opd o, unsigned by)
{
    enc(p, 0, 0, by == 1 ? 0xd1 : 0xc1, digit, o);
    if (by != 1)
        put8(p, by);
}
static inline void shift_cl(uint8_t **p, unsigned digit, struct opd o) { enc(p, 0, 0, 0xd3, digit, o); }
static inline void setcc(uint8_t **p, unsigned cc, struct opd o) { enc(p, 0, BYTE, 0x0f90 | cc, 0, o); }

/* Jumps with 32-bit distance; they return where the distance lies. */
static inline uint8_t *jcc(uint8_t **p, unsigned cc)
{
    put8(p, 0x0f);
    put8(p, 0x80 | cc);
    put32(p, 0);
    return *p - 4;
}
static inline uint8_t *jmp(uint8_t **p)
{
    put8(p, 0xe9);
    put32(p, 0);
    return *p - 4;
}
static inline uint8_t *call(uint8_t **p)
{
    put8(p, 0xe8);
    put32(p, 0);
    return *p - 4;
}
static inline void reach(uint8_t *distance, const uint8_t *target)
{
    int32_t v = (int32_t)(target - (distance + 4));
    memcpy(distance, &v, 4);
}

#endif
