/* Generated code: x86-64 for hot runs of SH-4A instructions (docs/explanation/core-tiers.md).
 *
 * A block is a run of instructions from a branch target on, past branches that are not taken, within one page.
 * Ten guest registers live in host registers, the same in every block, so that blocks jump to each other without
 * moving anything. Whatever is rare (exceptions, the bus, a store into code) leaves the block at the start of the unit
 * that met it, with nothing of that unit done, and the interpreter executes it: generated code never raises. */
#include "jit_parts.h"

#include <stdlib.h>

#ifndef __x86_64__
bool jit_open(core *c) { (void)c; return false; }
void jit_close(core *c) { (void)c; }
void jit_reset(core *c) { (void)c; }
void jit_restart(core *c) { (void)c; }
void jit_compile(core *c, struct insn *i, uint32_t pc) { (void)c; (void)pc; i->heat = NEVER_HOT; }
bool jit_run(core *c, const struct insn *i) { (void)c; (void)i; return false; }
const struct insn *jit_original(core *c, const struct insn *i) { (void)c; return i; }
void jit_kill_line(core *c, uint32_t page, unsigned line) { (void)c; (void)page; (void)line; }
void jit_code_page(core *c) { (void)c; }
void jit_unmap(core *c) { (void)c; }
bool jit_slots(core *c) { (void)c; return true; }
void jit_unmap_slot(core *c, unsigned slot) { (void)c; (void)slot; }
void jit_unmap_page(core *c, uint32_t vaddr) { (void)c; (void)vaddr; }
#else

#include <immintrin.h>
#include <sys/mman.h>

#define HOLD 3            /* taken branches, 2 at least, that the interpreter sees after a unit it had to execute:
                           * loops that poll a device are its, for it can skip them */

_Thread_local const uint8_t *pin = fast_pins;

/* Called by generated code. None of these raises; nonzero: the interpreter must execute this unit. */

static void forget(struct jit *j, unsigned slot, int kind)
{
    for (int k = 0; k < j->filled_count[slot][kind]; k++)
        for (int t = 0; t < 4; t++)
            j->table[slot][t >> 1][t & 1][j->filled[slot][kind][k]] = 0;
    j->filled_count[slot][kind] = 0;
}

static void remember(core *c, uint32_t vaddr, unsigned access, uint8_t *host_page)
{
    struct jit *j = c->jit;
    uint32_t page = vaddr >> 12;
    int kind = !(vaddr >= 0x80000000 && vaddr < 0xc0000000);
    if (j->filled_count[c->slot][kind] == FILLED)
        forget(j, c->slot, kind);
    j->filled[c->slot][kind][j->filled_count[c->slot][kind]++] = page;
    j->table[c->slot][c->sr & SR_MD ? 1 : 0][access][page] = (uint64_t)host_page - (vaddr & ~0xfffu);
}

static uint32_t fill(core *c, uint32_t vaddr, unsigned size, unsigned kind)
{
    MARK(ROW_MEMORY);
    uint32_t p, ptel;
    bool whole;
    if (vaddr & (size - 1) || !translate_access(c, vaddr, (enum access)kind, &p, &whole, &ptel) || !whole)
        return 1;
    uint32_t offset = p - c->ram_base;
    if (kind == WRITE && c->has_code[offset >> 12])
        return 1;
    if (c->timed) { /* what is remembered is looked up in the cache */
        enum memory memory = memory_kind(c, vaddr, ptel, false);
        if (memory == UNCACHED || (kind == WRITE && memory != COPY_BACK))
            return 1;
    }
    remember(c, vaddr, kind, c->ram + (offset & ~0xfffu));
    return 0;
}

static uint32_t store_slowly(core *c, uint32_t vaddr, uint32_t value, unsigned size)
{
    MARK(ROW_MEMORY);
    uint32_t p, ptel;
    bool whole;
    if (vaddr & (size - 1) || !translate_access(c, vaddr, WRITE, &p, &whole, &ptel))
        return 1;
    uint32_t offset = p - c->ram_base;
    const struct code_page *page = c->code[offset >> 12];
    if (page && page->line[(offset & 0xfff) >> 5])
        return 1;
    memcpy(c->ram + offset, &value, size);
    if (whole && !page)
        remember(c, vaddr, WRITE, c->ram + (offset & ~0xfffu));
    return 0;
}

/* Timed: an access that the line used last in its set does not serve. Ticks of stall; -1: too many, leave. */
static int32_t look_in_cache(core *c, uint32_t vaddr, uint32_t paddr, uint32_t store, int32_t budget)
{
    if (budget < TIME_LINE_FILL + TIME_WRITE_BACK)
        return -1; /* the horizon may come within the stall */
    return cache_access(c, &c->operand, vaddr, paddr, store, TIME_LINE_FILL);
}

/* The same for a fetch: only a line that is there, since a stall belongs to a unit that has begun. */
static uint32_t look_for_code(core *c, uint32_t vaddr, uint32_t paddr)
{
    const uint32_t *way = c->instruction.way[cache_set(vaddr)];
    for (int k = 0; k < 4; k++)
        if (way[k] == cache_tag(paddr)) {
            cache_access(c, &c->instruction, vaddr, paddr, false, 0);
            return 0;
        }
    return 1;
}

static void fp_slowly(core *c, uint32_t word)
{
    struct insn i;
    decode((uint16_t)word, &i);
    fpu_quick(c, &i);
}

/* Code and blocks */

static struct insn *entry_at(core *c, uint32_t pc)
{
    if ((pc & 0xfffff001) == c->fetch_tag)
        return &c->fetch_base[(pc & 0xfff) >> 1];
    uint32_t p, ptel;
    bool whole;
    if (c->trap_page && pc <= c->trap_last && pc >= c->trap_first)
        return NULL;
    if (pc & 1 || !translate_access(c, pc, FETCH, &p, &whole, &ptel) || !whole)
        return NULL;
    if (c->timed && memory_kind(c, pc, ptel, true) == UNCACHED)
        return NULL;
    struct code_page *page = c->code[(p - c->ram_base) >> 12];
    return page ? &page->insn[(p & 0xfff) >> 1] : NULL;
}

int find_block(core *c, uint32_t pc, uint32_t key)
{
    const struct insn *i = entry_at(c, pc);
    if (!i || i->op != OP_COMPILED)
        return -1;
    int k = i->imm;
    while (k >= 0 && (c->jit->blocks[k].vpc != pc || c->jit->blocks[k].key != key))
        k = c->jit->blocks[k].next_here;
    return k;
}

const struct insn *jit_original(core *c, const struct insn *i) { return &c->jit->blocks[i->imm].original; }

static struct jump *jump_of(struct jit *j, uint32_t pc) { return &j->jumps[(pc >> 5 & 0xf80) | (pc >> 1 & 0x7f)]; }
static void clear_jumps(struct jump *jump, int n)
{
    for (int k = 0; k < n; k++)
        jump[k] = (struct jump){.vpc = 1}; /* no address of an instruction */
}

static bool is_fresh(const struct pipeline *p)
{
    return !p->now && !p->pending && !p->fetched_bytes && !p->open && !p->divider && !p->fe && !p->ls;
}

/* Why generated code was left: block k comes next, none where negative. */
static void count_exit(core *c, int k)
{
    if (c->hold) {
        c->count.deopts++;
        c->deopt_tick = c->tick;
        c->blamed = NULL;
    } else if (k < 0) {
        c->count.exits_cold++;
    } else if (c->until - c->tick < c->jit->blocks[k].cost) {
        c->count.exits_horizon++;
    } else {
        c->count.exits_step++;
    }
}

bool jit_run(core *c, const struct insn *i)
{
    struct jit *j = c->jit;
    uint32_t key = key_now(c);
    if (c->hold || c->hook || !c->hot)
        return false;
    int k = find_block(c, c->pc, key);
    if (k < 0) {
        if (++j->blocks[i->imm].misses == 64)
            jit_compile(c, (struct insn *)i, c->pc);
        return false;
    }
    if (c->until - c->tick < j->blocks[k].cost || (c->timed && !is_fresh(&c->pipe)))
        return false;
    uint64_t (*enter)(core *, const uint8_t *, int32_t);
    memcpy(&enter, &j->enter, sizeof enter);
    MARK(ROW_GENERATED);
    unsigned host = _mm_getcsr();
    c->effects++;
    for (;;) {
        const struct block *b = &j->blocks[k];
        unsigned csr = 0x1f80 | (key & KEY_RM ? 0x6000 : 0) | (key & KEY_DN ? 0x40 : 0);
        _mm_setcsr(csr);
        int64_t left = c->until - c->tick;
        int32_t budget = left > 1 << 30 ? 1 << 30 : (int32_t)left;
        uint64_t out = enter(c, b->code, budget);
        if (_mm_getcsr() & 0x20)
            c->fpscr |= 4;
        if (c->fp_op)
            fp_settle(c);
        int64_t executed = c->timed ? c->executed : budget - c->budget, began = c->tick;
        c->tick += budget - c->budget;
        c->instructions += executed;
        c->generated += executed;
        if (c->timed) {
            c->executed = 0;
            if (out == EXIT_DEOPT || out == EXIT_STEP)
                stand(c, began + budget);
        }
        if (out == EXIT_DEOPT) {
            c->hold = HOLD;
            break;
        }
        if (out == EXIT_STEP) {
            c->resume = 2;
            break;
        }
        key = key_now(c);
        k = find_block(c, c->pc, key);
        if (k < 0) {
            c->resume = out == EXIT_PLAIN ? 2 : 0;
            break;
        }
        if (c->until - c->tick < j->blocks[k].cost)
            break;
        if (out) {
            reach((uint8_t *)out, j->blocks[k].code);
        } else {
            *jump_of(j, c->pc) = (struct jump){c->pc, key, j->blocks[k].code};
        }
    }
    _mm_setcsr(host);
    count_exit(c, k);
    return true;
}

static void kill(core *c, int index)
{
    MARK(ROW_TRANSLATING);
    c->count.blocks_dropped++;
    struct jit *j = c->jit;
    struct block *b = &j->blocks[index];
    uint8_t *p = b->code;
    reach(jmp(&p), b->dead);
    struct insn *entry = b->entry;
    b->entry = NULL;
    if (entry->op != OP_COMPILED)
        return;
    int32_t *at_entry = &entry->imm;
    int k = *at_entry;
    if (k == index) {
        if (b->next_here >= 0) {
            *at_entry = b->next_here;
        } else {
            *entry = b->original;
            entry->heat = 0;
        }
        return;
    }
    while (j->blocks[k].next_here != index)
        k = j->blocks[k].next_here;
    j->blocks[k].next_here = b->next_here;
}

void jit_kill_line(core *c, uint32_t page, unsigned line)
{
    struct jit *j = c->jit;
    if (!j || j->in_page[page] < 0)
        return;
    int *link = &j->in_page[page];
    bool any = false;
    while (*link >= 0) {
        struct block *b = &j->blocks[*link];
        if (b->lines[line >> 6] >> (line & 63) & 1) {
            kill(c, *link);
            *link = b->next_in_page;
            any = true;
        } else {
            link = &b->next_in_page;
        }
    }
    if (any) {
        clear_jumps(j->jumps, JUMPS);
        struct kills *k = &j->kills[page];
        k->count = c->tick - k->last < CALM ? k->count + 1 : 1;
        k->last = c->tick;
    }
}

void jit_reset(core *c)
{
    struct jit *j = c->jit;
    if (!j)
        return;
    for (int k = 0; k < j->block_count; k++)
        if (j->blocks[k].entry && j->blocks[k].entry->op == OP_COMPILED) {
            *j->blocks[k].entry = j->blocks[k].original;
            j->blocks[k].entry->heat = 0;
        }
    j->block_count = 0;
    j->code = j->start;
    clear_jumps(j->jumps, JUMPS);
    for (uint32_t page = 0; page < c->ram_size >> 12; page++)
        j->in_page[page] = -1;
    memset(j->kills, 0, (c->ram_size >> 12) * sizeof *j->kills);
}

static void emit_thunks(struct jit *j, bool timed);

void jit_restart(core *c)
{
    if (!c->jit)
        return;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        for (int kind = 0; kind < 2; kind++)
            forget(c->jit, slot, kind);
    jit_reset(c);
    emit_thunks(c->jit, c->timed);
}

void jit_code_page(core *c)
{
    struct jit *j = c->jit;
    for (int s = 0; j && s < 2 * SLOTS; s++)
        for (int k = 0; k < j->filled_count[s >> 1][s & 1]; k++)
            for (int mode = 0; mode < 2; mode++)
                j->table[s >> 1][mode][WRITE][j->filled[s >> 1][s & 1][k]] = 0;
}

void jit_unmap(core *c)
{
    struct jit *j = c->jit;
    if (!j)
        return;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        forget(j, slot, 1);
    clear_jumps(j->jumps, JUMPS);
}

void jit_unmap_slot(core *c, unsigned slot)
{
    if (!c->jit)
        return;
    forget(c->jit, slot, 0);
    forget(c->jit, slot, 1);
    clear_jumps(c->jit->jumps, JUMPS);
}

void jit_unmap_page(core *c, uint32_t vaddr)
{
    struct jit *j = c->jit;
    if (!j)
        return;
    for (int s = 0; s < SLOTS; s++)
        for (int t = 0; t < 4; t++)
            j->table[s][t >> 1][t & 1][vaddr >> 12] = 0;
    clear_jumps(jump_of(j, vaddr & ~0xfffu), 128);
}

/* Opening */

static void emit_pins(uint8_t **p, bool load, bool all)
{
    for (unsigned n = 0; n < 16; n++)
        if (pin[n] != NONE && (all || !IS_SAVED(pin[n]))) {
            if (load)
                mov_load(p, pin[n], word_of(offsetof(core, r), n));
            else
                mov_store(p, word_of(offsetof(core, r), n), pin[n]);
        }
}

static void emit_call(uint8_t **p, void (*function)(void))
{
    put8(p, 0x48); /* mov rax, imm64 */
    put8(p, 0xb8);
    put64(p, (uint64_t)(uintptr_t)function);
    put8(p, 0xff); /* call rax */
    put8(p, 0xd0);
}

static void emit_core_pointer(uint8_t **p) { enc(p, 0, WIDE, 0x8d, RDI, at(RBP, -BIAS)); }

static const uint8_t saved[] = {RBX, RBP, R12, R13, R14, R15};

static void push(uint8_t **p, unsigned reg)
{
    if (reg & 8)
        put8(p, 0x41);
    put8(p, 0x50 | (reg & 7));
}
static void pop(uint8_t **p, unsigned reg)
{
    if (reg & 8)
        put8(p, 0x41);
    put8(p, 0x58 | (reg & 7));
}
static void stack(uint8_t **p, int by)
{
    enc(p, 0, WIDE, 0x83, by < 0 ? SUB : ADD, in_reg(RSP));
    put8(p, (unsigned)(by < 0 ? -by : by));
}

/* A thunk that calls a C function: the guest registers that it may change are in the core meanwhile. */
static void emit_begin(uint8_t **p)
{
    stack(p, -8);
    emit_pins(p, false, false);
}
static void emit_function(uint8_t **p, void (*function)(void))
{
    emit_core_pointer(p);
    emit_call(p, function);
    emit_pins(p, true, false);
    stack(p, 8);
}

static void emit_thunks(struct jit *j, bool timed)
{
    uint8_t *p = j->memory;
    pin = timed ? timed_pins : fast_pins;
    j->enter = p; /* (core, code, budget) */
    for (unsigned k = 0; k < sizeof saved; k++)
        push(&p, saved[k]);
    stack(&p, -8);
    enc(&p, 0, WIDE, 0x8d, RBP, at(RDI, BIAS));
    enc(&p, 0, WIDE, 0x8b, RAX, in_reg(RSI));
    mov_load(&p, BUDGET, in_reg(RDX));
    emit_pins(&p, true, true);
    put8(&p, 0xff); /* jmp rax */
    put8(&p, 0xe0);
    j->leave = p;
    emit_pins(&p, false, true);
    mov_store(&p, FIELD(budget), BUDGET);
    stack(&p, 8);
    for (unsigned k = sizeof saved; k-- > 0;)
        pop(&p, saved[k]);
    put8(&p, 0xc3);

    j->fill_thunk = p; /* eax address, ecx size | access << 8; not zero: leave */
    emit_begin(&p);
    mov_store(&p, FIELD(jit_scratch), RAX);
    mov_store(&p, FIELD(jit_value), RDX);
    mov_load(&p, RSI, in_reg(RAX));
    enc(&p, 0, BYTE, 0x0fb6, RDX, in_reg(RCX));
    shift_imm(&p, 5, in_reg(RCX), 8);
    emit_function(&p, (void (*)(void))fill);
    mov_load(&p, RCX, in_reg(RAX));
    mov_load(&p, RAX, FIELD(jit_scratch));
    mov_load(&p, RDX, FIELD(jit_value));
    enc(&p, 0, 0, 0x85, RCX, in_reg(RCX));
    put8(&p, 0xc3);

    j->store_thunk = p; /* eax address, edx value, ecx size | access << 8 */
    emit_begin(&p);
    mov_store(&p, FIELD(jit_scratch), RAX);
    mov_load(&p, RSI, in_reg(RAX));
    enc(&p, 0, BYTE, 0x0fb6, RCX, in_reg(RCX));
    emit_function(&p, (void (*)(void))store_slowly);
    mov_load(&p, RCX, in_reg(RAX));
    mov_load(&p, RAX, FIELD(jit_scratch));
    enc(&p, 0, 0, 0x85, RCX, in_reg(RCX));
    put8(&p, 0xc3);

    j->cache_thunk = p; /* eax address, rcx + rax the host's, r13 store; to r12 the stall, and its sign */
    emit_begin(&p);
    mov_store(&p, FIELD(jit_scratch), RAX);
    mov_store(&p, FIELD(jit_value), RDX);
    enc(&p, 0, WIDE, 0x89, RCX, FIELD(jit_host));
    enc(&p, 0, 0, 0x8d, RDX, at_index(RCX, RAX, 0, 0));
    mov_load(&p, RSI, in_reg(RAX));
    mov_load(&p, RCX, in_reg(SET));
    mov_load(&p, R8, in_reg(BUDGET));
    emit_function(&p, (void (*)(void))look_in_cache);
    mov_load(&p, TAG, in_reg(RAX));
    mov_load(&p, RAX, FIELD(jit_scratch));
    mov_load(&p, RDX, FIELD(jit_value));
    enc(&p, 0, WIDE, 0x8b, RCX, FIELD(jit_host));
    enc(&p, 0, 0, 0x85, TAG, in_reg(TAG));
    put8(&p, 0xc3);

    j->code_thunk = p; /* eax address, ecx physical; not zero: leave */
    emit_begin(&p);
    mov_load(&p, RSI, in_reg(RAX));
    mov_load(&p, RDX, in_reg(RCX));
    emit_function(&p, (void (*)(void))look_for_code);
    enc(&p, 0, 0, 0x85, RAX, in_reg(RAX));
    put8(&p, 0xc3);

    j->fp_thunk = p; /* eax instruction word */
    emit_begin(&p);
    mov_load(&p, RSI, in_reg(RAX));
    emit_function(&p, (void (*)(void))fp_slowly);
    put8(&p, 0xc3);

    j->div1_thunk = p; /* eax dividend step, edx divisor; run.c's div1 */
    push(&p, RBX);
    emit_carry(&p);
    shift_imm(&p, 2, in_reg(RAX), 1); /* x = a << 1 | T; carry: a's top bit */
    setcc(&p, CC_B, FIELD(jit_scratch));
    mov_load(&p, RBX, FIELD(sr));
    mov_load(&p, RCX, in_reg(RBX));
    shift_imm(&p, 5, in_reg(RCX), 8);
    enc(&p, 0, BYTE, 0xf6, 0, in_reg(RCX)); /* test cl, 3: even parity where Q = M */
    put8(&p, 3);
    uint8_t *equal = jcc(&p, CC_P);
    alu(&p, ADD, in_reg(RAX), RDX);
    uint8_t *done = jmp(&p);
    reach(equal, p);
    alu(&p, SUB, in_reg(RAX), RDX);
    reach(done, p);
    setcc(&p, CC_B, in_reg(RCX));
    enc(&p, 0, BYTE, 0x32, RCX, FIELD(jit_scratch)); /* xor cl: top bit ^ carry = Q ^ M */
    enc(&p, 0, BYTE, 0x0fb6, RCX, in_reg(RCX));
    mov_load(&p, RDX, in_reg(RCX));
    alu_imm(&p, XOR, in_reg(RDX), 1);
    mov_store(&p, FIELD(t), RDX);
    shift_imm(&p, 4, in_reg(RCX), 8);
    mov_load(&p, RDX, in_reg(RBX));
    shift_imm(&p, 5, in_reg(RDX), 1);
    alu_imm(&p, AND, in_reg(RDX), SR_Q);
    alu(&p, XOR, in_reg(RCX), RDX);
    alu_imm(&p, AND, in_reg(RBX), ~SR_Q);
    alu(&p, OR, in_reg(RBX), RCX);
    mov_store(&p, FIELD(sr), RBX);
    pop(&p, RBX);
    put8(&p, 0xc3);

    j->div0s_thunk = p; /* eax dividend, edx divisor */
    mov_load(&p, RCX, FIELD(sr));
    alu_imm(&p, AND, in_reg(RCX), ~(SR_Q | SR_M));
    shift_imm(&p, 5, in_reg(RAX), 31);
    shift_imm(&p, 5, in_reg(RDX), 31);
    shift_imm(&p, 4, in_reg(RAX), 8);
    alu(&p, OR, in_reg(RCX), RAX);
    shift_imm(&p, 5, in_reg(RAX), 8);
    alu(&p, XOR, in_reg(RAX), RDX);
    mov_store(&p, FIELD(t), RAX);
    shift_imm(&p, 4, in_reg(RDX), 9);
    alu(&p, OR, in_reg(RCX), RDX);
    mov_store(&p, FIELD(sr), RCX);
    put8(&p, 0xc3);

    j->indirect = p; /* eax target, edx key */
    mov_store(&p, FIELD(jit_scratch), RDX);
    mov_load(&p, RCX, in_reg(RAX));
    mov_load(&p, RDX, in_reg(RAX));
    shift_imm(&p, 5, in_reg(RCX), 5);
    shift_imm(&p, 5, in_reg(RDX), 1);
    alu_imm(&p, AND, in_reg(RCX), 0xf80);
    alu_imm(&p, AND, in_reg(RDX), 0x7f);
    alu(&p, OR, in_reg(RCX), RDX);
    shift_imm(&p, 4, in_reg(RCX), 4);
    int32_t jumps = (int32_t)(intptr_t)j->jumps;
    alu_from(&p, CMP, RAX, at(RCX, jumps));
    uint8_t *other = jcc(&p, CC_NE);
    mov_load(&p, RDX, at(RCX, jumps + 4));
    alu_from(&p, CMP, RDX, FIELD(jit_scratch));
    uint8_t *mode = jcc(&p, CC_NE);
    enc(&p, 0, 0, 0xff, 4, at(RCX, jumps + 8));
    reach(other, p);
    reach(mode, p);
    mov_store(&p, FIELD(pc), RAX);
    alu(&p, XOR, in_reg(RAX), RAX);
    reach(jmp(&p), j->leave);
    j->code = j->start = p;
}

/* Below 2 GB; NULL where there is no room. */
static uint8_t *low_memory(size_t bytes)
{
    for (uintptr_t place = 0x10000000; place + bytes < 0x80000000; place += MEMORY) {
        void *got = mmap((void *)place, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == (void *)place)
            return got;
        if (got != MAP_FAILED) /* a kernel that takes the place for a hint */
            munmap(got, bytes);
    }
    return NULL;
}

static void set_tables(struct jit *j, unsigned slot, uint8_t *memory)
{
    for (size_t t = 0; t < 4; t++)
        j->table[slot][t >> 1][t & 1] = (uint64_t *)memory + t * PAGES;
}

bool jit_slots(core *c)
{
    struct jit *j = c->jit;
    if (!j || j->more)
        return true;
    j->more = low_memory((SLOTS - 1) * TABLES);
    if (!j->more)
        return false;
    jit_restart(c); /* code may be there with the one slot's tables */
    for (unsigned slot = 1; slot < SLOTS; slot++)
        set_tables(j, slot, j->more + (slot - 1) * TABLES);
    return true;
}

bool jit_open(core *c)
{
    uint8_t *m = low_memory(MEMORY); /* 40 MB a core, of which little is ever touched */
    if (!m)
        return false;
    _Static_assert(sizeof(struct jump) == 16, "the jump table is indexed by shifts");
    struct jit *j = calloc(1, sizeof *j);
    uint32_t pages = c->ram_size >> 12;
    if (!j || mprotect(m, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        free(j);
        munmap(m, MEMORY);
        return false;
    }
    j->memory = m;
    j->code = j->start = m;
    j->end = m + CODE_BYTES;
    j->jumps = (struct jump *)(m + CODE_BYTES);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        set_tables(j, slot, m + CODE_BYTES + JUMPS * sizeof(struct jump));
    j->blocks = calloc(BLOCKS, sizeof *j->blocks);
    j->in_page = malloc(pages * sizeof *j->in_page);
    j->kills = calloc(pages, sizeof *j->kills);
    c->jit = j;
    if (!j->blocks || !j->in_page || !j->kills) {
        jit_close(c);
        return false;
    }
    c->host_fma = __builtin_cpu_supports("fma");
    jit_restart(c);
    return true;
}

void jit_close(core *c)
{
    struct jit *j = c->jit;
    if (!j)
        return;
    munmap(j->memory, MEMORY);
    if (j->more)
        munmap(j->more, (SLOTS - 1) * TABLES);
    free(j->blocks);
    free(j->in_page);
    free(j->kills);
    free(j);
    c->jit = NULL;
}
#endif
