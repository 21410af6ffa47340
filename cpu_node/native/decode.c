/* Words to decoded instructions, by the table generated from cpu_node/isa.py. */
#include "core.h"
#include "jit.h"

#include <stdlib.h>
#include <string.h>

static const struct row {
    const char *name;
    uint16_t mask, match;
    uint8_t flags;
} rows[] = {
    {"illegal", 0, 0, F_ILLEGAL},
#define X(name, mask, match, flags, ...) {#name, mask, match, flags},
#include "isa.h"
#undef X
};

static uint8_t op_of[65536];

void decode_init(void)
{
    _Static_assert(OP_COUNT <= 256, "op_of is 8 bits wide");
    for (unsigned op = 1; op < OP_COUNT; op++)
        for (unsigned word = 0; word < 65536; word++)
            if ((word & rows[op].mask) == rows[op].match)
                op_of[word] = (uint8_t)op;
}

const char *op_name(unsigned op) { return op < OP_COUNT ? rows[op].name : "?"; }

void decode(uint16_t w, struct insn *i)
{
    i->op = op_of[w];
    i->word = w;
    i->n = w >> 8 & 15;
    i->m = w >> 4 & 15;
    i->flags = rows[i->op].flags;
    i->heat = 0;
    switch (w >> 12) {
    case 0xa:
    case 0xb:
        i->imm = ((int32_t)((uint32_t)w << 20) >> 20) * 2 + 4;
        break;
    case 0x8:
        i->imm = (w >> 8 & 15) < 8 ? (w & 15) : (int8_t)w;
        if (i->op == OP_bf || i->op == OP_bt || i->op == OP_bfs || i->op == OP_bts)
            i->imm = (int8_t)w * 2 + 4;
        break;
    case 0xe:
    case 0x7:
        i->imm = (int8_t)w;
        break;
    case 0x9:
    case 0xc:
    case 0xd:
        i->imm = w & 255;
        break;
    default:
        i->imm = w & 15;
    }
}

struct insn *code_at(core *c, uint32_t paddr)
{
    uint32_t off = paddr - c->ram_base, page = off >> 12;
    struct code_page *p = c->code[page];
    if (!p) {
        p = c->code[page] = malloc(sizeof *p);
        if (!p)
            Py_FatalError("native core: no memory for decoded code");
        for (unsigned k = 0; k < INSNS_PER_PAGE; k++)
            p->insn[k] = (struct insn){.op = NOT_DECODED};
        memset(p->line, 0, sizeof p->line);
        c->has_code[page] = 1;
        jit_code_page(c);
    }
    return &p->insn[(off & (PAGE - 1)) / 2];
}

/* A store hit `bytes` from paddr in a page that holds decoded code. */
void code_invalidate(core *c, uint32_t paddr, uint32_t bytes)
{
    uint32_t first = (paddr - c->ram_base) / 32, last = (paddr - c->ram_base + bytes - 1) / 32;
    for (uint32_t line = first; line <= last; line++) {
        struct code_page *p = c->code[line / 128];
        if (!p || !p->line[line % 128])
            continue;
        BLAME(c, deopts_code);
        jit_kill_line(c, line / 128, line % 128);
        for (unsigned k = 0; k < 16; k++)
            p->insn[line % 128 * 16 + k].op = NOT_DECODED;
        p->line[line % 128] = 0;
    }
}

/* Decode everything anew. The pages stay: an instruction of one may be executing. */
void code_forget(core *c)
{
    jit_reset(c);
    for (uint32_t page = 0; page < c->ram_size >> 12; page++)
        if (c->code[page])
            code_invalidate(c, c->ram_base + page * PAGE, PAGE);
    c->effects++;
}
