/* From SH-4A instructions to x86-64: what a block holds, when its instructions issue (timed), and its code. */
#include "jit_parts.h"

#ifdef __x86_64__

#define STEPS 256         /* instructions of a block */
#define COLDS (8 * STEPS)  /* a branch with a timed access in its slot, which stands twice, has 15 */
#define ROOM (STEPS * 512) /* bytes that the longest block may need */

static const struct { uint32_t reads, writes; } uses[] = {
    {0, 0},
#define X(name, mask, match, flags, pipe, latency, reads, writes, at_once) {reads, (writes) | (at_once)},
#include "isa.h"
#undef X
};

enum end { END_NEXT, END_BRANCH, END_STOP }; /* goes on at the next address; a branch; the interpreter's turn */

struct step {
    struct insn i;
    uint32_t pc;
    int32_t at;    /* ticks from the block's start to that of its unit; of a pair's second, to the end of the first */
    int32_t taken; /* and to the end of it, where a branch is taken */
    bool keeps;    /* first of a pair, whose stalls the begin of the unit must be known without */
    bool looks_up; /* the instruction cache: it lies in another line than the one before */
};

struct cold {
    enum { COLD_FILL, COLD_STORE, COLD_CACHE, COLD_CODE, COLD_FP, COLD_DEOPT, COLD_EXIT } kind;
    uint8_t *from[2];
    uint8_t *back;
    int step;
    unsigned size, access, reg;
    uint32_t target; /* where an exit leads; the address of a COLD_CACHE or COLD_CODE; the word of a COLD_FP */
    int32_t refund, executed;
};

struct tr {
    core *c;
    struct jit *j;
    uint8_t *p;
    struct block *b;
    uint32_t key;      /* as it is at this point of the block */
    bool timed;
    struct step step[STEPS + 1];
    int steps;
    enum end end;
    uint32_t next;     /* address behind the last step */
    int32_t cost, at_end; /* ticks of the longest way through, and to the end of the last step */
    int now;           /* step being translated */
    int unit;          /* its unit's first step */
    uint32_t ptel;     /* of the translation of the block's page */
    uint16_t word;     /* of the instruction being translated */
    int cc;            /* host condition that equals T, or -1 */
    uint16_t known;    /* guest registers of known value */
    uint32_t value[16];
    struct cold cold[COLDS];
    int colds;
};

static bool is_branch(const struct insn *i) { return i->flags & F_BRANCH; }
static bool is_conditional(unsigned op) { return op == OP_bt || op == OP_bf || op == OP_bts || op == OP_bfs; }

static bool is_fp_arithmetic(unsigned op)
{
    switch (op) {
    case OP_fadd: case OP_fsub: case OP_fmul: case OP_fdiv: case OP_fcmpeq: case OP_fcmpgt: case OP_fmac: case OP_fsqrt:
    case OP_float: case OP_ftrc: case OP_fcnvds: case OP_fcnvsd: case OP_fipr: case OP_ftrv: case OP_fsrra:
    case OP_fsca:
        return true;
    }
    return false;
}

/* Can it be generated, in this mode? What is not here is the interpreter's. */
static bool can(const core *c, const struct insn *i, uint32_t pc, uint32_t key)
{
    if (key & KEY_TIMED)
        switch (i->op) {
        case OP_movca: case OP_pref: case OP_prefi: case OP_icbi: case OP_ocbi: case OP_ocbp: case OP_ocbwb:
            return false;
        }
    if (i->flags & (F_ILLEGAL | F_MARKED) || (i->flags & F_PRIV && !(key & KEY_MD)) ||
        (i->flags & F_FPU && key & KEY_FD))
        return false;
    bool wide = key & KEY_PR;
    if (is_fp_arithmetic(i->op)) {
        if (key & KEY_ENABLES)
            return false;
        switch (i->op) {
        case OP_fmac: case OP_fipr: case OP_ftrv: case OP_fsrra: case OP_fsca: return !wide;
        case OP_fcnvds: case OP_fcnvsd: return wide;
        case OP_fsqrt: case OP_float: case OP_ftrc: return !wide || !(i->n & 1);
        default: return !wide || !((i->n | i->m) & 1);
        }
    }
    switch (i->op) {
    case OP_fldi0: case OP_fldi1: case OP_frchg: return !wide;
    case OP_movco: case OP_tasb: case OP_macl: case OP_macw: case OP_andb_gbr: case OP_orb_gbr: case OP_xorb_gbr:
    case OP_rte: case OP_trapa: case OP_sleep: case OP_ldtlb: case OP_ldc_sr: case OP_ldcl_sr: case OP_stcl_sr:
    case OP_lds_fpscr: case OP_ldsl_fpscr: case OP_sts_fpscr: case OP_stsl_fpscr:
        return false;
    case OP_ldc_vbr: case OP_ldcl_vbr:
        return may_set_vbr(c, pc);
    }
    return true;
}

static bool touches_memory(const struct insn *i)
{
    switch (i->op) {
    case OP_movw_pc: case OP_movl_pc: /* a literal of the next page may not be there */
    case OP_movb_load ... OP_movca: case OP_tstb_gbr: case OP_pref:
    case OP_ldcl_gbr: case OP_ldcl_vbr: case OP_ldcl_ssr: case OP_ldcl_spc: case OP_ldcl_sgr: case OP_ldcl_dbr:
    case OP_ldcl_bank: case OP_stcl_gbr: case OP_stcl_vbr: case OP_stcl_ssr: case OP_stcl_spc: case OP_stcl_sgr:
    case OP_stcl_dbr: case OP_stcl_bank: case OP_ldsl_mach: case OP_ldsl_macl: case OP_ldsl_pr: case OP_stsl_mach:
    case OP_stsl_macl: case OP_stsl_pr: case OP_ldsl_fpul: case OP_stsl_fpul: case OP_fmov_load: case OP_fmov_lr0:
    case OP_fmov_inc: case OP_fmov_store: case OP_fmov_dec: case OP_fmov_sr0:
        return true;
    }
    return false;
}

/* Does an iteration of a short loop change a register that it reads, or memory? If not, it waits for something
 * outside: the interpreter can skip such a loop. */
static bool makes_progress(const struct tr *t)
{
    uint32_t written = 0, read_first = 0;
    bool r[16] = {false}, w[16] = {false};
    for (int k = 0; k < t->steps; k++) {
        const struct insn *i = &t->step[k].i;
        uint32_t reads = uses[i->op].reads, writes = uses[i->op].writes;
        if (i->flags & F_FPU || (touches_memory(i) && !(writes & (USE_N | USE_R0 | USE_T))))
            return true;
        read_first |= reads & ~written & ~7u;
        written |= writes & ~7u;
        unsigned named[3] = {i->n, i->m, 0};
        for (int o = 0; o < 3; o++)
            if (reads & 1u << o && !w[named[o]])
                r[named[o]] = true;
        for (int o = 0; o < 3; o++)
            if (writes & 1u << o)
                w[named[o]] = true;
    }
    for (int k = 0; k < 16; k++)
        if (r[k] && w[k])
            return true;
    return read_first & written;
}

static struct insn decoded(const uint8_t *page, uint32_t pc)
{
    uint16_t word;
    struct insn i;
    memcpy(&word, page + (pc & 0xfff), 2);
    decode(word, &i);
    return i;
}

/* The last step that is not a slot. */
static const struct step *last_step(const struct tr *t)
{
    const struct step *last = &t->step[t->steps - 1];
    return t->steps > 1 && last[-1].i.flags & F_DELAYED ? last - 1 : last;
}

/* Does the block end with a branch to its own start? */
static bool loops(const struct tr *t)
{
    const struct step *last = last_step(t);
    return t->end == END_BRANCH && (is_conditional(last->i.op) || last->i.op == OP_bra) &&
           last->pc + (uint32_t)last->i.imm == t->b->vpc;
}

/* Instructions of the block from pc on. False: none. */
static bool collect(struct tr *t, uint32_t pc, const uint8_t *page)
{
    uint32_t key = t->key;
    int32_t at_tick = 0;
    t->steps = 0;
    t->end = END_NEXT;
    t->next = pc;
    while (t->steps < STEPS - 2) {
        struct step *s = &t->step[t->steps], *slot = s + 1;
        if ((pc ^ t->b->vpc) & ~0xfffu)
            break; /* another page */
        s->i = decoded(page, pc);
        for (int k = 0; k < t->c->breakpoint_count; k++)
            if (t->c->breakpoints[k] == pc)
                s->i.flags |= F_MARKED;
        if (!can(t->c, &s->i, pc, key)) {
            t->end = END_STOP;
            break;
        }
        s->pc = pc;
        s->at = at_tick;
        bool delayed = s->i.flags & F_DELAYED;
        if (delayed) {
            if (((pc + 2) ^ t->b->vpc) & ~0xfffu) {
                t->end = END_STOP;
                break;
            }
            slot->i = decoded(page, pc + 2);
            if (slot->i.flags & (F_BRANCH | F_NOSLOT) || !can(t->c, &slot->i, pc, key) || slot->i.op == OP_fschg ||
                slot->i.op == OP_fpchg) {
                t->end = END_STOP;
                break;
            }
            slot->pc = pc + 2;
            slot->at = at_tick;
            t->steps++;
        }
        t->steps++;
        at_tick += delayed ? 2 : 1;
        s->taken = at_tick;
        if (s->i.op == OP_fschg)
            key ^= KEY_SZ;
        if (s->i.op == OP_fpchg)
            key ^= KEY_PR;
        pc += delayed ? 4 : 2;
        t->next = pc;
        /* Timed, what is pending goes with a branch that is not taken: the block goes on there. */
        if (is_branch(&s->i) && (!is_conditional(s->i.op) || (s->i.imm <= 0 && !t->timed))) {
            t->end = END_BRANCH;
            break;
        }
    }
    t->cost = t->at_end = at_tick;
    return t->steps > 0;
}

/* What of FPSCR decides which results an instruction takes. */
static uint32_t fpscr_of(uint32_t key) { return (key & KEY_PR ? FPSCR_PR : 0) | (key & KEY_SZ ? FPSCR_SZ : 0); }

/* Timed: when each step issues, as the interpreter would find out (run.c with TIMED), from a fresh pipeline on. *before
 * becomes the pipeline as it is before step `want`, a boundary or the middle of a pair. */
static void schedule(struct tr *t, const uint8_t *page, int want, struct pipeline *before)
{
    struct pipeline p = {0}, way;
    uint32_t key = t->b->key;
    int k = 0;
    bool second = false;
    pipeline_fresh(&p);
    t->cost = 0;
    for (; k < t->steps; k++) {
        struct step *s = &t->step[k], *slot = s + 1;
        uint32_t fpscr = fpscr_of(key);
        struct use use = use_of(s->i.op, s->i.n, s->i.m, fpscr);
        s->at = p.now;
        s->keeps = false;
        if (k == want)
            *before = p;
        s->looks_up = !pipeline_fetched(&p, s->pc);
        p.fetched = s->pc & ~31u;
        p.fetched_bytes = 32;
        if (second)
            p.issued = p.now - 1;
        else
            pipeline_issue(&p, &use, p.now);
        if (is_branch(&s->i)) {
            int32_t target = p.issued + use.latency;
            pipeline_mark(&p, &use);
            if (s->i.flags & F_DELAYED) {
                struct use next = use_of(slot->i.op, slot->i.n, slot->i.m, fpscr);
                slot->looks_up = !pipeline_fetched(&p, slot->pc);
                p.fetched = slot->pc & ~31u;
                slot->keeps = false;
                if (second || !(slot->pc & 31) || !pipeline_pairs(&p, &use, &next))
                    pipeline_issue(&p, &next, p.issued + 1);
                pipeline_mark(&p, &next);
                k++;
            }
            p.open = false;
            way = p;
            s->taken = p.now + pipeline_drain(&way, target);
            if (s->taken > t->cost)
                t->cost = s->taken;
            second = false;
        } else {
            pipeline_mark(&p, &use);
            if (s->i.op == OP_fschg)
                key ^= KEY_SZ;
            if (s->i.op == OP_fpchg)
                key ^= KEY_PR;
            uint32_t pc = s->pc + 2;
            if (!second && pc & 31 && use.pipe != PIPE_AND) {
                struct insn n = decoded(page, pc);
                struct use next = use_of(n.op, n.n, n.m, fpscr_of(key));
                if (pipeline_pairs(&p, &use, &next)) {
                    pipeline_advance(&p);
                    /* The slot of a branch may access the bus; before a second behind the block a breakpoint may stop. */
                    s->keeps = touches_memory(&s->i) && (is_branch(&n) || k + 1 == t->steps);
                    p.open = second = true;
                    continue;
                }
            }
            second = p.open = false;
        }
        uint32_t next = t->step[k].pc + 2;
        if (next & 0xfff) {
            pipeline_advance(&p);
        } else { /* the next page */
            way = p;
            p.now += pipeline_drain(&way, 0);
        }
    }
    if (k == want)
        *before = p;
    if (p.now > t->cost)
        t->cost = p.now;
    t->at_end = p.now;
}

/* The page's lines that the block depends on. */
static void depends(struct tr *t, uint32_t pc)
{
    unsigned line = (pc & 0xfff) >> 5;
    t->b->lines[line >> 6] |= (uint64_t)1 << (line & 63);
    t->c->code[t->b->page]->line[line] = 1;
}

static struct cold *add_cold(struct tr *t, int kind)
{
    if (t->colds == COLDS)
        Py_FatalError("native core: a block with more ways out than there is room for");
    struct cold *x = &t->cold[t->colds++];
    *x = (struct cold){.kind = kind, .step = t->unit, .target = t->word};
    return x;
}

/* The jump at `site` leaves the block before a step, for the interpreter. */
static void leave_before(struct tr *t, int step, uint8_t *site)
{
    struct cold *x = add_cold(t, COLD_DEOPT);
    x->step = step;
    x->from[0] = site;
}

static void deopt_if(struct tr *t, unsigned cc) { leave_before(t, t->unit, jcc(&t->p, cc)); }

static void get(struct tr *t, unsigned host, unsigned n) { mov_load(&t->p, host, G(n)); }
static void put(struct tr *t, unsigned n, unsigned host)
{
    if (pin[n] != host)
        mov_store(&t->p, G(n), host);
}
/* A host register that holds guest n: its own, or `scratch`. */
static unsigned held(struct tr *t, unsigned n, unsigned scratch)
{
    if (pin[n] != NONE)
        return pin[n];
    get(t, scratch, n);
    return scratch;
}
static unsigned target_of(unsigned n) { return pin[n] != NONE ? pin[n] : RAX; }

/* Is T of this step looked at by anything before it is written again? */
static bool t_needed(const struct tr *t)
{
    if (t->now != t->unit)
        return true; /* a slot: its way may be out of the block */
    for (int k = t->now + 1; k < t->steps; k++) {
        const struct insn *i = &t->step[k].i;
        if (is_branch(i) || touches_memory(i) || uses[i->op].reads & USE_T || t->step[k].looks_up)
            return true;
        if (uses[i->op].writes & USE_T)
            return false;
    }
    return true;
}

/* T is the host's condition cc now. */
static void set_t(struct tr *t, unsigned cc)
{
    if (!t_needed(t))
        return;
    setcc(&t->p, cc, FIELD(t));
    t->cc = (int)cc;
}

static void carry_is_t(struct tr *t) { emit_carry(&t->p); }

/* eax = guest n + disp */
static void address(struct tr *t, unsigned n, int32_t disp)
{
    if (pin[n] != NONE && disp) {
        enc(&t->p, 0, 0, 0x8d, RAX, at(pin[n], disp));
    } else {
        get(t, RAX, n);
        if (disp)
            alu_imm(&t->p, ADD, in_reg(RAX), disp);
    }
}

/* rcx = host address of the page of eax, less its virtual one; leaves by a cold path where there is none. The caller
 * then accesses [rcx + rax]. */
static struct cold *look_up(struct tr *t, unsigned size, unsigned access, int kind)
{
    struct cold *x = add_cold(t, kind);
    uint8_t *again = t->p;
    mov_load(&t->p, RCX, in_reg(RAX));
    shift_imm(&t->p, 5, in_reg(RCX), 12);
    uint64_t *table = t->j->table[t->key / KEY_SLOT][t->key & KEY_MD ? 1 : 0][access];
    enc(&t->p, 0, WIDE, 0x8b, RCX, at_index(NONE, RCX, 3, (int32_t)(intptr_t)table));
    if (size > 1) {
        enc(&t->p, 0, BYTE, 0xf6, 0, in_reg(RAX)); /* test al, size - 1 */
        put8(&t->p, size - 1);
        x->from[1] = jcc(&t->p, CC_NE);
    }
    enc(&t->p, 0, WIDE, 0x85, RCX, in_reg(RCX));
    x->from[0] = jcc(&t->p, CC_E);
    x->back = again;
    x->size = size;
    x->access = access;
    if (t->timed) { /* is its line the one used last in its set? */
        enc(&t->p, 0, 0, 0x8d, TAG, at_index(RCX, RAX, 0, 0)); /* the low half of RAM's host addresses is physical */
        alu_imm(&t->p, AND, in_reg(TAG), (int32_t)0xfffffc00);
        alu_imm(&t->p, OR, in_reg(TAG), LINE_V);
        mov_load(&t->p, SET, in_reg(RAX));
        shift_imm(&t->p, 5, in_reg(SET), 5);
        enc(&t->p, 0, BYTE, 0x0fb6, SET, in_reg(SET));
        size_t tags = access == WRITE ? offsetof(core, operand.write) : offsetof(core, operand.read);
        enc(&t->p, 0, 0, 0x3b, TAG, at_index(RBP, SET, 2, (int32_t)tags - BIAS));
        struct cold *y = add_cold(t, COLD_CACHE);
        y->from[0] = jcc(&t->p, CC_NE);
        y->access = access;
        y->back = t->p;
    }
    return x;
}

#define THERE at_index(RCX, RAX, 0, 0)

/* Host register `to` = the value at eax, sign-extended. */
static void load_to(struct tr *t, unsigned to, unsigned size)
{
    look_up(t, size, READ, COLD_FILL);
    if (size == 4)
        mov_load(&t->p, to, THERE);
    else
        enc(&t->p, 0, 0, size == 2 ? 0x0fbf : 0x0fbe, to, THERE);
}

/* Guest n = the value at eax. */
static void load_guest(struct tr *t, unsigned n, unsigned size)
{
    load_to(t, target_of(n), size);
    put(t, n, target_of(n));
}

/* Host register `from` to eax, which stays. */
static void store_from(struct tr *t, unsigned from, unsigned size)
{
    struct cold *x = look_up(t, size, WRITE, t->timed ? COLD_FILL : COLD_STORE);
    x->reg = from;
    if (size == 1)
        enc(&t->p, 0, BYTE, 0x88, from, THERE);
    else
        enc(&t->p, size == 2 ? 0x66 : 0, 0, 0x89, from, THERE);
    if (!t->timed)
        x->back = t->p;
}

/* guest n = guest n op guest m */
static void two(struct tr *t, unsigned digit, unsigned n, unsigned m)
{
    if (is_reg(G(n)) && !is_reg(G(m)))
        alu_from(&t->p, digit, pin[n], G(m));
    else
        alu(&t->p, digit, G(n), held(t, m, RAX));
}

/* Conditions of guest n compared with, or tested against, guest m. */
static void compare(struct tr *t, unsigned n, unsigned m, unsigned cc)
{
    two(t, CMP, n, m);
    set_t(t, cc);
}

/* guest n shifted by guest m, whose value may be known; `right`: the host's shift of that direction. */
static void shift_dynamic(struct tr *t, unsigned n, unsigned m, bool known, unsigned right)
{
    if (known) {
        int32_t by = (int32_t)t->value[m];
        if (by >= 0) {
            if (by & 31)
                shift_imm(&t->p, 4, G(n), (unsigned)by & 31);
        } else if (by & 31) {
            shift_imm(&t->p, right, G(n), 32 - ((unsigned)by & 31));
        } else {
            shift_imm(&t->p, right, G(n), 1);
            shift_imm(&t->p, right, G(n), 31);
        }
        return;
    }
    get(t, RCX, m);
    get(t, RAX, n);
    enc(&t->p, 0, 0, 0x85, RCX, in_reg(RCX));
    uint8_t *negative = jcc(&t->p, CC_S);
    shift_cl(&t->p, 4, in_reg(RAX));
    uint8_t *done = jmp(&t->p);
    reach(negative, t->p);
    enc(&t->p, 0, 0, 0xf7, 2, in_reg(RCX)); /* by 32 - (x & 31): by one and by ~x & 31 */
    shift_imm(&t->p, right, in_reg(RAX), 1);
    shift_cl(&t->p, right, in_reg(RAX));
    reach(done, t->p);
    put(t, n, RAX);
}

static void fp_call(struct tr *t, const struct insn *i)
{
    mov_imm(&t->p, in_reg(RAX), i->word);
    reach(call(&t->p), t->j->fp_thunk);
}

/* Must what this operation leaves in FPSCR.cause be known? Not where another follows before any way out. */
static bool cause_needed(const struct tr *t)
{
    if (t->now != t->unit)
        return true;
    for (int k = t->now + 1; k < t->steps; k++) {
        if (is_branch(&t->step[k].i) || touches_memory(&t->step[k].i) || t->step[k].looks_up)
            return true;
        if (is_fp_arithmetic(t->step[k].i.op))
            return false;
    }
    return true;
}

static void fp_note(struct tr *t, const struct insn *i)
{
    mov_imm(&t->p, FIELD(fp_op), i->word | (t->key & KEY_PR ? 0x10000u : 0));
}

enum { MOVSS_LOAD = 0x0f10, MOVSS_STORE = 0x0f11 };

/* The halves of a pair change places: a double's high word is in the even register. */
static void turn(struct tr *t, unsigned host)
{
    enc(&t->p, 0, WIDE, 0xc1, 0, in_reg(host)); /* rol 32 */
    put8(&t->p, 32);
}

/* xmm reg = a double in a register pair */
static void load_pair(struct tr *t, unsigned xmm, unsigned n, struct opd note, bool keep)
{
    enc(&t->p, 0, WIDE, 0x8b, RAX, FR(n));
    turn(t, RAX);
    if (keep)
        enc(&t->p, 0, WIDE, 0x89, RAX, note);
    enc(&t->p, 0x66, WIDE, 0x0f6e, xmm, in_reg(RAX));
}

static struct cold *check_single(struct tr *t) /* xmm0, also in eax: leaves unless surely a normal number */
{
    enc(&t->p, 0x66, 0, 0x0f7e, 0, in_reg(RAX));
    /* exponents 2 to 253: others may be tiny or an overflow */
    enc(&t->p, 0, 0, 0x8d, RCX, at_index(RAX, RAX, 0, -0x2000000));
    alu_imm(&t->p, CMP, in_reg(RCX), (int32_t)0xfc000000);
    struct cold *x = add_cold(t, COLD_FP);
    x->from[0] = jcc(&t->p, CC_AE);
    return x;
}

static struct cold *check_double(struct tr *t) /* xmm0, also in rax */
{
    enc(&t->p, 0x66, WIDE, 0x0f7e, 0, in_reg(RAX));
    enc(&t->p, 0, WIDE, 0x8b, RCX, in_reg(RAX));
    enc(&t->p, 0, WIDE, 0xc1, 5, in_reg(RCX));
    put8(&t->p, 52);
    alu_imm(&t->p, AND, in_reg(RCX), 0x7ff);
    alu_imm(&t->p, SUB, in_reg(RCX), 2);
    alu_imm(&t->p, CMP, in_reg(RCX), 0x7fb);
    struct cold *x = add_cold(t, COLD_FP);
    x->from[0] = jcc(&t->p, CC_A);
    return x;
}

static void put_pair(struct tr *t, unsigned n) /* rax */
{
    turn(t, RAX);
    enc(&t->p, 0, WIDE, 0x89, RAX, FR(n));
}

/* Arithmetic on the host's unit. Its results are those of the SH where operands and result are normal numbers; all
 * else is done again by fpu.c. Inexact is gathered in MXCSR, the last operation is noted: jit_run settles both. */
static void fp_arithmetic(struct tr *t, const struct insn *i)
{
    bool wide = t->key & KEY_PR, keep = cause_needed(t);
    unsigned n = i->n, m = i->m, prefix = wide ? 0xf2 : 0xf3, op = 0;
    struct cold *x = NULL;
    switch (i->op) {
    case OP_fadd: op = 0x0f58; break;
    case OP_fmul: op = 0x0f59; break;
    case OP_fsub: op = 0x0f5c; break;
    case OP_fdiv: op = 0x0f5e; break;
    case OP_fsqrt: op = 0x0f51; m = n; break;
    case OP_fcmpeq: case OP_fcmpgt: op = 0x0f2e; break;
    case OP_float:
        enc(&t->p, prefix, 0, 0x0f2a, 0, FIELD(fpul));
        if (keep) {
            mov_load(&t->p, RAX, FIELD(fpul));
            enc(&t->p, 0, WIDE, 0x89, RAX, FIELD(fp_a));
            fp_note(t, i);
        }
        if (wide) {
            enc(&t->p, 0x66, WIDE, 0x0f7e, 0, in_reg(RAX));
            put_pair(t, n);
        } else {
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 0, FR(n));
        }
        return;
    case OP_fcnvds:
        load_pair(t, 0, n, FIELD(fp_a), keep);
        if (keep)
            fp_note(t, i);
        enc(&t->p, 0xf2, 0, 0x0f5a, 0, in_reg(0));
        x = check_single(t);
        mov_store(&t->p, FIELD(fpul), RAX);
        x->back = t->p;
        return;
    case OP_fcnvsd:
        mov_load(&t->p, RAX, FIELD(fpul));
        if (keep) {
            enc(&t->p, 0, WIDE, 0x89, RAX, FIELD(fp_a));
            fp_note(t, i);
        }
        enc(&t->p, 0x66, 0, 0x0f6e, 0, in_reg(RAX));
        x = check_single(t);
        enc(&t->p, 0xf3, 0, 0x0f5a, 0, in_reg(0));
        enc(&t->p, 0x66, WIDE, 0x0f7e, 0, in_reg(RAX));
        put_pair(t, n);
        x->back = t->p;
        return;
    case OP_fmac:
        if (!t->c->host_fma) {
            fp_call(t, i);
            return;
        }
        enc(&t->p, 0xf3, 0, MOVSS_LOAD, 0, FR(n));
        enc(&t->p, 0xf3, 0, MOVSS_LOAD, 1, FR(0));
        enc(&t->p, 0xf3, 0, MOVSS_LOAD, 2, FR(m));
        if (keep) {
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 1, FIELD(fp_a));
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 2, FIELD(fp_b));
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 0, FIELD(fp_c));
            fp_note(t, i);
        }
        put32(&t->p, 0xb971e2c4); /* vfmadd231ss xmm0, xmm1, xmm2 */
        put8(&t->p, 0xc2);
        x = check_single(t);
        enc(&t->p, 0xf3, 0, MOVSS_STORE, 0, FR(n));
        x->back = t->p;
        return;
    default:
        fp_call(t, i);
        return;
    }
    if (wide) {
        load_pair(t, 0, n, FIELD(fp_a), keep);
        load_pair(t, 1, m, FIELD(fp_b), keep);
    } else {
        enc(&t->p, 0xf3, 0, MOVSS_LOAD, 0, FR(n));
        enc(&t->p, 0xf3, 0, MOVSS_LOAD, 1, FR(m));
        if (keep) {
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 0, FIELD(fp_a));
            enc(&t->p, 0xf3, 0, MOVSS_STORE, 1, FIELD(fp_b));
        }
    }
    if (keep)
        fp_note(t, i);
    if (op == 0x0f2e) { /* T is false for NaNs, by the slow way, since they may be invalid */
        enc(&t->p, wide ? 0x66 : 0, 0, op, 0, in_reg(1));
        x = add_cold(t, COLD_FP);
        x->from[0] = jcc(&t->p, CC_P);
        setcc(&t->p, i->op == OP_fcmpeq ? CC_E : CC_A, FIELD(t));
        x->back = t->p;
        return;
    }
    enc(&t->p, prefix, 0, op, 0, in_reg(1));
    x = wide ? check_double(t) : check_single(t);
    if (wide)
        put_pair(t, n);
    else
        enc(&t->p, 0xf3, 0, MOVSS_STORE, 0, FR(n));
    x->back = t->p;
}

/* FMOV of two registers: an odd number names the other bank's pair. */
static struct opd pair_of(unsigned n) { return n & 1 ? XF(n & 14) : FR(n); }

static void fp_move(struct tr *t, const struct insn *i)
{
    bool two = t->key & KEY_SZ, turned = t->key & KEY_PR;
    unsigned n = i->n, m = i->m, width = two ? WIDE : 0;
    struct opd to = two ? pair_of(n) : FR(n), from = two ? pair_of(m) : FR(m);
    switch (i->op) {
    case OP_fmov:
        enc(&t->p, 0, width, 0x8b, RAX, from);
        enc(&t->p, 0, width, 0x89, RAX, to);
        return;
    case OP_fmov_load: case OP_fmov_inc: case OP_fmov_lr0:
        address(t, m, 0);
        if (i->op == OP_fmov_lr0)
            alu_from(&t->p, ADD, RAX, G(0));
        look_up(t, two ? 8 : 4, READ, COLD_FILL);
        enc(&t->p, 0, width, 0x8b, RAX, THERE);
        if (two && turned)
            turn(t, RAX);
        enc(&t->p, 0, width, 0x89, RAX, to);
        if (i->op == OP_fmov_inc)
            alu_imm(&t->p, ADD, G(m), two ? 8 : 4);
        return;
    default:
        address(t, n, i->op == OP_fmov_dec ? (two ? -8 : -4) : 0);
        if (i->op == OP_fmov_sr0)
            alu_from(&t->p, ADD, RAX, G(0));
        if (two) { /* never into a page with code: the interpreter's */
            look_up(t, 8, WRITE, COLD_FILL);
            enc(&t->p, 0, WIDE, 0x8b, RDX, from);
            if (turned)
                turn(t, RDX);
            enc(&t->p, 0, WIDE, 0x89, RDX, THERE);
        } else {
            mov_load(&t->p, RDX, from);
            store_from(t, RDX, 4);
        }
        if (i->op == OP_fmov_dec)
            put(t, n, RAX);
    }
}

/* Control and system registers that are plain words; 0: not one of them. */
static size_t plain_register(const struct insn *i)
{
    switch (i->op) {
    case OP_ldc_gbr: case OP_ldcl_gbr: case OP_stc_gbr: case OP_stcl_gbr: return offsetof(core, gbr);
    case OP_ldc_vbr: case OP_ldcl_vbr: case OP_stc_vbr: case OP_stcl_vbr: return offsetof(core, vbr);
    case OP_ldc_ssr: case OP_ldcl_ssr: case OP_stc_ssr: case OP_stcl_ssr: return offsetof(core, ssr);
    case OP_ldc_spc: case OP_ldcl_spc: case OP_stc_spc: case OP_stcl_spc: return offsetof(core, spc);
    case OP_ldc_sgr: case OP_ldcl_sgr: case OP_stc_sgr: case OP_stcl_sgr: return offsetof(core, sgr);
    case OP_ldc_dbr: case OP_ldcl_dbr: case OP_stc_dbr: case OP_stcl_dbr: return offsetof(core, dbr);
    case OP_ldc_bank: case OP_ldcl_bank: case OP_stc_bank: case OP_stcl_bank:
        return offsetof(core, bank) + 4 * (i->m & 7);
    case OP_lds_mach: case OP_ldsl_mach: case OP_sts_mach: case OP_stsl_mach: return offsetof(core, mach);
    case OP_lds_macl: case OP_ldsl_macl: case OP_sts_macl: case OP_stsl_macl: return offsetof(core, macl);
    case OP_lds_pr: case OP_ldsl_pr: case OP_sts_pr: case OP_stsl_pr: return offsetof(core, pr);
    case OP_lds_fpul: case OP_ldsl_fpul: case OP_sts_fpul: case OP_stsl_fpul: return offsetof(core, fpul);
    }
    return 0;
}

static void control_move(struct tr *t, const struct insn *i)
{
    unsigned op = i->op;
    struct opd word = word_of(plain_register(i), 0);
    bool to_memory = (op >= OP_stcl_sr && op <= OP_stcl_bank) || op == OP_stsl_mach || op == OP_stsl_macl ||
                     op == OP_stsl_pr || op == OP_stsl_fpul;
    bool to_register = (op >= OP_stc_sr && op <= OP_stc_bank) || op == OP_sts_mach || op == OP_sts_macl ||
                       op == OP_sts_pr || op == OP_sts_fpul;
    if (to_memory) {
        mov_load(&t->p, RDX, word);
        address(t, i->n, -4);
        store_from(t, RDX, 4);
        put(t, i->n, RAX);
    } else if (to_register) {
        mov_load(&t->p, target_of(i->n), word);
        put(t, i->n, target_of(i->n));
    } else {
        unsigned from;
        bool memory = (op >= OP_ldcl_sr && op <= OP_ldcl_bank) || op == OP_ldsl_mach || op == OP_ldsl_macl ||
                      op == OP_ldsl_pr || op == OP_ldsl_fpul;
        if (memory) {
            address(t, i->n, 0);
            load_to(t, RAX, 4);
            alu_imm(&t->p, ADD, G(i->n), 4);
            from = RAX;
        } else {
            from = held(t, i->n, RAX);
        }
        mov_store(&t->p, word, from);
    }
}

/* A literal in the page that the block runs in: the translation that fetched the instruction serves the load as well,
 * and a store to its line drops the block. */
static bool literal(struct tr *t, const struct insn *i, uint32_t addr, unsigned size, const uint8_t *page)
{
    if ((addr ^ t->b->vpc) & ~0xfffu || addr & (size - 1))
        return false;
    uint32_t v = 0;
    memcpy(&v, page + (addr & 0xfff), size);
    if (size == 2)
        v = (uint32_t)(int16_t)v;
    depends(t, addr);
    if (t->timed) {
        uint32_t paddr = t->c->ram_base + t->b->page * PAGE + (addr & 0xfff), set = cache_set(addr);
        if (memory_kind(t->c, addr, t->ptel, false) == UNCACHED)
            return false;
        enc(&t->p, 0, 0, 0x81, CMP, word_of(offsetof(core, operand.read), set));
        put32(&t->p, cache_tag(paddr));
        struct cold *x = add_cold(t, COLD_CACHE);
        x->from[0] = jcc(&t->p, CC_NE);
        x->access = READ;
        x->target = addr;
        x->reg = 1; /* the address is known only here */
        x->back = t->p;
    }
    mov_imm(&t->p, G(i->n), v);
    t->known |= (uint16_t)(1u << i->n);
    t->value[i->n] = v;
    return true;
}

/* One instruction that is no branch. */
static void generate(struct tr *t, const struct insn *i, uint32_t pc, const uint8_t *page)
{
    uint8_t **p = &t->p;
    unsigned n = i->n, m = i->m, digit;
    uint32_t u = (uint32_t)i->imm & 255;
    uint16_t known = t->known; /* its own registers change it below */
    t->word = i->word;
    uint32_t writes = uses[i->op].writes;
    if (writes & USE_N)
        t->known &= (uint16_t)~(1u << n);
    if (writes & USE_M)
        t->known &= (uint16_t)~(1u << m);
    if (writes & USE_R0)
        t->known &= (uint16_t)~1u;
    t->cc = -1;
    switch (i->op) {
    case OP_mov:
        if (n != m) {
            if (is_reg(G(n)))
                mov_load(p, pin[n], G(m));
            else
                mov_store(p, G(n), held(t, m, RAX));
        }
        if (known >> m & 1) {
            t->known |= (uint16_t)(1u << n);
            t->value[n] = t->value[m];
        }
        break;
    case OP_mov_i:
        mov_imm(p, G(n), (uint32_t)i->imm);
        t->known |= (uint16_t)(1u << n);
        t->value[n] = (uint32_t)i->imm;
        break;
    case OP_mova: mov_imm(p, G(0), (pc & ~3u) + 4 + 4 * u); break;
    case OP_movw_pc: case OP_movl_pc: {
        unsigned size = i->op == OP_movw_pc ? 2 : 4;
        uint32_t addr = size == 2 ? pc + 4 + 2 * u : (pc & ~3u) + 4 + 4 * u;
        if (literal(t, i, addr, size, page))
            break;
        mov_imm(p, in_reg(RAX), addr);
        load_guest(t, n, size);
        break;
    }
    case OP_movb_load: case OP_movw_load: case OP_movl_load:
        address(t, m, 0);
        load_guest(t, n, 1u << (i->op - OP_movb_load));
        break;
    case OP_movb_store: case OP_movw_store: case OP_movl_store:
        address(t, n, 0);
        store_from(t, held(t, m, RDX), 1u << (i->op - OP_movb_store));
        break;
    case OP_movb_inc: case OP_movw_inc: case OP_movl_inc:
        digit = 1u << (i->op - OP_movb_inc);
        address(t, m, 0);
        load_to(t, n == m ? RAX : target_of(n), digit);
        if (n != m)
            alu_imm(p, ADD, G(m), (int32_t)digit);
        put(t, n, n == m ? RAX : target_of(n));
        break;
    case OP_movb_dec: case OP_movw_dec: case OP_movl_dec:
        digit = 1u << (i->op - OP_movb_dec);
        address(t, n, -(int32_t)digit);
        store_from(t, held(t, m, RDX), digit);
        put(t, n, RAX);
        break;
    case OP_movb_ldisp: address(t, m, i->word & 15); load_guest(t, 0, 1); break;
    case OP_movw_ldisp: address(t, m, 2 * (i->word & 15)); load_guest(t, 0, 2); break;
    case OP_movl_ldisp: address(t, m, 4 * (i->word & 15)); load_guest(t, n, 4); break;
    case OP_movb_sdisp: address(t, m, i->word & 15); store_from(t, held(t, 0, RDX), 1); break;
    case OP_movw_sdisp: address(t, m, 2 * (i->word & 15)); store_from(t, held(t, 0, RDX), 2); break;
    case OP_movl_sdisp: address(t, n, 4 * (i->word & 15)); store_from(t, held(t, m, RDX), 4); break;
    case OP_movb_lr0: case OP_movw_lr0: case OP_movl_lr0:
        address(t, m, 0);
        alu_from(p, ADD, RAX, G(0));
        load_guest(t, n, 1u << (i->op - OP_movb_lr0));
        break;
    case OP_movb_sr0: case OP_movw_sr0: case OP_movl_sr0:
        address(t, n, 0);
        alu_from(p, ADD, RAX, G(0));
        store_from(t, held(t, m, RDX), 1u << (i->op - OP_movb_sr0));
        break;
    case OP_movb_lgbr: case OP_movw_lgbr: case OP_movl_lgbr:
        digit = i->op - OP_movb_lgbr;
        mov_load(p, RAX, FIELD(gbr));
        if (u)
            alu_imm(p, ADD, in_reg(RAX), (int32_t)(u << digit));
        load_guest(t, 0, 1u << digit);
        break;
    case OP_movb_sgbr: case OP_movw_sgbr: case OP_movl_sgbr:
        digit = i->op - OP_movb_sgbr;
        mov_load(p, RAX, FIELD(gbr));
        if (u)
            alu_imm(p, ADD, in_reg(RAX), (int32_t)(u << digit));
        store_from(t, held(t, 0, RDX), 1u << digit);
        break;
    case OP_movua: case OP_movua_inc:
        address(t, n, 0);
        mov_load(p, RCX, in_reg(RAX));
        alu_imm(p, AND, in_reg(RCX), t->timed ? 31 : 0xfff);
        alu_imm(p, CMP, in_reg(RCX), t->timed ? 28 : 0xffc);
        deopt_if(t, CC_A); /* over the end of a page, or a line */
        look_up(t, 1, READ, COLD_FILL);
        mov_load(p, RAX, THERE);
        if (i->op == OP_movua_inc)
            alu_imm(p, ADD, G(n), 4);
        put(t, 0, RAX);
        break;
    case OP_movli:
        address(t, n, 0);
        load_guest(t, 0, 4);
        mov_imm(p, FIELD(ll), 1);
        break;
    case OP_movca: address(t, n, 0); store_from(t, held(t, 0, RDX), 4); break;
    case OP_movt: mov_load(p, RAX, FIELD(t)); put(t, n, RAX); break;
    case OP_swapb:
        get(t, RAX, m);
        enc(p, 0x66, 0, 0xc1, 0, in_reg(RAX));
        put8(p, 8);
        put(t, n, RAX);
        break;
    case OP_swapw: get(t, RAX, m); shift_imm(p, 0, in_reg(RAX), 16); put(t, n, RAX); break;
    case OP_xtrct:
        get(t, RAX, n);
        enc(p, 0, 0, 0x0fac, held(t, m, RCX), in_reg(RAX));
        put8(p, 16);
        put(t, n, RAX);
        break;
    case OP_add: two(t, ADD, n, m); break;
    case OP_add_i: alu_imm(p, ADD, G(n), i->imm); break;
    case OP_addc: carry_is_t(t); two(t, ADC, n, m); set_t(t, CC_B); break;
    case OP_subc: carry_is_t(t); two(t, SBB, n, m); set_t(t, CC_B); break;
    case OP_negc:
        get(t, RAX, m);
        alu(p, XOR, in_reg(RCX), RCX);
        carry_is_t(t);
        alu(p, SBB, in_reg(RCX), RAX);
        put(t, n, RCX);
        set_t(t, CC_B);
        break;
    case OP_addv: two(t, ADD, n, m); set_t(t, CC_O); break;
    case OP_subv: two(t, SUB, n, m); set_t(t, CC_O); break;
    case OP_sub: two(t, SUB, n, m); break;
    case OP_and: two(t, AND, n, m); break;
    case OP_or: two(t, OR, n, m); break;
    case OP_xor: two(t, XOR, n, m); break;
    case OP_and_i: alu_imm(p, AND, G(0), (int32_t)u); break;
    case OP_or_i: alu_imm(p, OR, G(0), (int32_t)u); break;
    case OP_xor_i: alu_imm(p, XOR, G(0), (int32_t)u); break;
    case OP_neg: case OP_not:
        get(t, RAX, m);
        enc(p, 0, 0, 0xf7, i->op == OP_neg ? 3 : 2, in_reg(RAX));
        put(t, n, RAX);
        break;
    case OP_cmpeq_i: alu_imm(p, CMP, G(0), i->imm); set_t(t, CC_E); break;
    case OP_cmpeq: compare(t, n, m, CC_E); break;
    case OP_cmphs: compare(t, n, m, CC_AE); break;
    case OP_cmpge: compare(t, n, m, CC_GE); break;
    case OP_cmphi: compare(t, n, m, CC_A); break;
    case OP_cmpgt: compare(t, n, m, CC_G); break;
    case OP_cmppz: alu_imm(p, CMP, G(n), 0); set_t(t, CC_GE); break;
    case OP_cmppl: alu_imm(p, CMP, G(n), 0); set_t(t, CC_G); break;
    case OP_tst:
        if (is_reg(G(n)))
            enc(p, 0, 0, 0x85, pin[n], G(m));
        else
            enc(p, 0, 0, 0x85, held(t, m, RAX), G(n));
        set_t(t, CC_E);
        break;
    case OP_tst_i:
        enc(p, 0, 0, 0xf7, 0, G(0));
        put32(p, u);
        set_t(t, CC_E);
        break;
    case OP_tstb_gbr:
        mov_load(p, RAX, FIELD(gbr));
        alu_from(p, ADD, RAX, G(0));
        load_to(t, RAX, 1);
        enc(p, 0, 0, 0xf7, 0, in_reg(RAX));
        put32(p, u);
        set_t(t, CC_E);
        break;
    case OP_cmpstr: /* a zero byte in n ^ m */
        get(t, RAX, n);
        alu_from(p, XOR, RAX, G(m));
        enc(p, 0, 0, 0x8d, RCX, at(RAX, -0x01010101));
        enc(p, 0, 0, 0xf7, 2, in_reg(RAX));
        alu(p, AND, in_reg(RCX), RAX);
        enc(p, 0, 0, 0xf7, 0, in_reg(RCX));
        put32(p, 0x80808080);
        set_t(t, CC_NE);
        break;
    case OP_dt: alu_imm(p, SUB, G(n), 1); set_t(t, CC_E); break;
    case OP_div1:
        get(t, RAX, n);
        get(t, RDX, m);
        reach(call(p), t->j->div1_thunk);
        put(t, n, RAX);
        break;
    case OP_div0s:
        get(t, RAX, n);
        get(t, RDX, m);
        reach(call(p), t->j->div0s_thunk);
        break;
    case OP_div0u: alu_imm(p, AND, FIELD(sr), ~(SR_Q | SR_M)); mov_imm(p, FIELD(t), 0); break;
    case OP_dmulsl: case OP_dmulul:
        get(t, RAX, n);
        enc(p, 0, 0, 0xf7, i->op == OP_dmulsl ? 5 : 4, G(m));
        mov_store(p, FIELD(macl), RAX);
        mov_store(p, FIELD(mach), RDX);
        break;
    case OP_mull:
        get(t, RAX, n);
        enc(p, 0, 0, 0x0faf, RAX, G(m));
        mov_store(p, FIELD(macl), RAX);
        break;
    case OP_mulsw: case OP_muluw:
        digit = i->op == OP_mulsw ? 0x0fbf : 0x0fb7;
        enc(p, 0, 0, digit, RAX, G(n));
        enc(p, 0, 0, digit, RCX, G(m));
        enc(p, 0, 0, 0x0faf, RAX, in_reg(RCX));
        mov_store(p, FIELD(macl), RAX);
        break;
    case OP_extsb: enc(p, 0, BYTE, 0x0fbe, target_of(n), G(m)); put(t, n, target_of(n)); break;
    case OP_extub: enc(p, 0, BYTE, 0x0fb6, target_of(n), G(m)); put(t, n, target_of(n)); break;
    case OP_extsw: enc(p, 0, 0, 0x0fbf, target_of(n), G(m)); put(t, n, target_of(n)); break;
    case OP_extuw: enc(p, 0, 0, 0x0fb7, target_of(n), G(m)); put(t, n, target_of(n)); break;
    case OP_rotl: shift_imm(p, 0, G(n), 1); set_t(t, CC_B); break;
    case OP_rotr: shift_imm(p, 1, G(n), 1); set_t(t, CC_B); break;
    case OP_rotcl: carry_is_t(t); shift_imm(p, 2, G(n), 1); set_t(t, CC_B); break;
    case OP_rotcr: carry_is_t(t); shift_imm(p, 3, G(n), 1); set_t(t, CC_B); break;
    case OP_shll: case OP_shal: shift_imm(p, 4, G(n), 1); set_t(t, CC_B); break;
    case OP_shlr: shift_imm(p, 5, G(n), 1); set_t(t, CC_B); break;
    case OP_shar: shift_imm(p, 7, G(n), 1); set_t(t, CC_B); break;
    case OP_shll2: shift_imm(p, 4, G(n), 2); break;
    case OP_shll8: shift_imm(p, 4, G(n), 8); break;
    case OP_shll16: shift_imm(p, 4, G(n), 16); break;
    case OP_shlr2: shift_imm(p, 5, G(n), 2); break;
    case OP_shlr8: shift_imm(p, 5, G(n), 8); break;
    case OP_shlr16: shift_imm(p, 5, G(n), 16); break;
    case OP_shad: case OP_shld: shift_dynamic(t, n, m, known >> m & 1, i->op == OP_shad ? 7 : 5); break;
    case OP_clrmac: mov_imm(p, FIELD(mach), 0); mov_imm(p, FIELD(macl), 0); break;
    case OP_clrs: alu_imm(p, AND, FIELD(sr), ~SR_S); break;
    case OP_sets: alu_imm(p, OR, FIELD(sr), SR_S); break;
    case OP_clrt: mov_imm(p, FIELD(t), 0); break;
    case OP_sett: mov_imm(p, FIELD(t), 1); break;
    case OP_nop: case OP_synco: case OP_prefi: case OP_icbi: case OP_ocbi: case OP_ocbp: case OP_ocbwb: break;
    case OP_pref: /* a store queue's is the interpreter's */
        get(t, RAX, n);
        shift_imm(p, 5, in_reg(RAX), 26);
        alu_imm(p, CMP, in_reg(RAX), 0x38);
        deopt_if(t, CC_E);
        break;
    case OP_stc_sr:
        mov_load(p, RAX, FIELD(sr));
        alu_imm(p, AND, in_reg(RAX), ~1);
        alu_from(p, OR, RAX, FIELD(t));
        put(t, n, RAX);
        break;
    case OP_fldi0: mov_imm(p, FR(n), 0); break;
    case OP_fldi1: mov_imm(p, FR(n), 0x3f800000); break;
    case OP_flds: mov_load(p, RAX, FR(n)); mov_store(p, FIELD(fpul), RAX); break;
    case OP_fsts: mov_load(p, RAX, FIELD(fpul)); mov_store(p, FR(n), RAX); break;
    case OP_fabs: alu_imm(p, AND, FR(n), 0x7fffffff); break;
    case OP_fneg: alu_imm(p, XOR, FR(n), (int32_t)0x80000000); break;
    case OP_fschg: alu_imm(p, XOR, FIELD(fpscr), FPSCR_SZ); t->key ^= KEY_SZ; break;
    case OP_fpchg: alu_imm(p, XOR, FIELD(fpscr), FPSCR_PR); t->key ^= KEY_PR; break;
    case OP_frchg: fp_call(t, i); break;
    case OP_fmov: case OP_fmov_load: case OP_fmov_inc: case OP_fmov_lr0: case OP_fmov_store: case OP_fmov_dec:
    case OP_fmov_sr0:
        fp_move(t, i);
        break;
    default:
        if (is_fp_arithmetic(i->op))
            fp_arithmetic(t, i);
        else
            control_move(t, i);
    }
}

/* May a jump to this address lie in the code? Only where its translation cannot change while this block's holds. */
static bool linkable(const core *c, const struct block *b, uint32_t target)
{
    if (!((target ^ b->vpc) & ~0xfffu))
        return true;
    /* SPUMONE's code runs for every guest, and what it goes to need not be this guest's. */
    return target >= 0x80000000 && target < 0xc0000000 && !trusted(c, c->ram_base + b->page * PAGE);
}

/* Timed: n instructions of the block were executed. */
static void count(struct tr *t, int n)
{
    if (!t->timed || !n)
        return;
    enc(&t->p, 0, WIDE, 0x81, ADD, FIELD(executed));
    put32(&t->p, (uint32_t)n);
}

/* Out of the block to `target`, `spent` ticks after its start, with n of its instructions executed; where cc is not -1,
 * on that condition. */
static void leave_to(struct tr *t, uint32_t target, int32_t spent, int n, int cc)
{
    int32_t refund = t->cost - spent;
    uint8_t *over = NULL;
    if (cc >= 0 && t->timed && target <= t->step[t->now].pc) { /* a loop's way back is not cold */
        over = jcc(&t->p, (unsigned)cc ^ 1);
        cc = -1;
    }
    if (cc < 0) {
        count(t, n);
        if (refund)
            enc(&t->p, 0, 0, 0x8d, BUDGET, at(BUDGET, refund));
        refund = n = 0;
    }
    n = t->timed ? n : 0; /* nothing to count: the jump itself can be linked */
    int to = refund || n || !linkable(t->c, t->b, target) ? -1 : find_block(t->c, target, t->key);
    uint8_t *site = cc < 0 ? jmp(&t->p) : jcc(&t->p, (unsigned)cc);
    if (to >= 0) {
        reach(site, t->j->blocks[to].code);
    } else {
        struct cold *x = add_cold(t, COLD_EXIT);
        x->from[0] = site;
        x->target = target;
        x->refund = refund;
        x->executed = n;
    }
    if (over)
        reach(over, t->p);
}

/* Timed: the line of the instruction at pc must be there. */
static void look_up_code(struct tr *t, uint32_t pc)
{
    uint32_t paddr = t->c->ram_base + t->b->page * PAGE + (pc & 0xfff);
    enc(&t->p, 0, 0, 0x81, CMP, word_of(offsetof(core, instruction.read), cache_set(pc)));
    put32(&t->p, cache_tag(paddr));
    struct cold *x = add_cold(t, COLD_CODE);
    x->from[0] = jcc(&t->p, CC_NE);
    x->target = pc;
    x->back = t->p;
    t->cc = -1;
}

static void generate_slot(struct tr *t, const struct step *slot, const uint8_t *page)
{
    if (t->timed && slot->looks_up)
        look_up_code(t, slot->pc);
    generate(t, &slot->i, slot->pc, page);
}

/* A branch and its slot. */
static void translate_branch(struct tr *t, const struct step *s, const uint8_t *page)
{
    const struct insn *i = &s->i;
    uint32_t pc = s->pc, target = pc + (uint32_t)i->imm;
    bool delayed = i->flags & F_DELAYED;
    const struct step *slot = s + 1;
    int n = t->now + (delayed ? 2 : 1);
    unsigned to = NONE;
    if (is_conditional(i->op)) {
        bool on_t = i->op == OP_bt || i->op == OP_bts;
        int cc = t->cc;
        if (cc < 0) {
            alu_imm(&t->p, CMP, FIELD(t), 0);
            cc = CC_NE;
        }
        cc = on_t ? cc : cc ^ 1;
        if (!delayed) {
            leave_to(t, target, s->taken, n, cc);
            return;
        }
        uint8_t *over = jcc(&t->p, (unsigned)cc ^ 1);
        uint16_t known = t->known;
        uint32_t value[16];
        memcpy(value, t->value, sizeof value);
        t->now++;
        generate_slot(t, slot, page);
        leave_to(t, target, s->taken, n, -1);
        reach(over, t->p);
        t->known = known;
        memcpy(t->value, value, sizeof value);
        generate_slot(t, slot, page);
        t->now--;
        return;
    }
    switch (i->op) {
    case OP_bra: break;
    case OP_bsr: mov_imm(&t->p, FIELD(pr), pc + 4); break;
    case OP_jsr: mov_imm(&t->p, FIELD(pr), pc + 4); /* fall through */
    case OP_jmp: to = i->n; break;
    case OP_bsrf: mov_imm(&t->p, FIELD(pr), pc + 4); /* fall through */
    case OP_braf: to = i->n; break;
    }
    if (to != NONE && t->known >> to & 1) { /* loaded in this block: a target as good as an immediate one */
        target = t->value[to] + (i->op == OP_braf || i->op == OP_bsrf ? pc + 4 : 0);
        to = NONE;
    } else if (to != NONE || i->op == OP_rts) {
        if (i->op == OP_rts)
            mov_load(&t->p, RAX, FIELD(pr));
        else
            get(t, RAX, to);
        if (i->op == OP_braf || i->op == OP_bsrf)
            alu_imm(&t->p, ADD, in_reg(RAX), (int32_t)(pc + 4));
        mov_store(&t->p, FIELD(slot_target), RAX);
        to = 0;
    }
    t->now++;
    generate_slot(t, slot, page);
    t->now--;
    if (to == NONE) {
        leave_to(t, target, s->taken, n, -1);
        return;
    }
    count(t, n);
    if (t->cost != s->taken)
        enc(&t->p, 0, 0, 0x8d, BUDGET, at(BUDGET, t->cost - s->taken));
    mov_load(&t->p, RAX, FIELD(slot_target));
    mov_imm(&t->p, in_reg(RDX), t->key);
    reach(jmp(&t->p), t->j->indirect);
}

/* Timed: the pipeline is as before this step (found out by jit_run). */
static void stand_at(struct tr *t, int step)
{
    if (!t->timed)
        return;
    count(t, step);
    mov_imm(&t->p, FIELD(left_block), (uint32_t)t->j->block_count);
    mov_imm(&t->p, FIELD(left_step), (uint32_t)step);
}

static void emit_cold(struct tr *t)
{
    for (int k = 0; k < t->colds; k++) { /* it may add some */
        struct cold *x = &t->cold[k];
        for (int f = 0; f < 2; f++)
            if (x->from[f])
                reach(x->from[f], t->p);
        struct step *s = &t->step[x->step];
        switch (x->kind) {
        case COLD_FILL: case COLD_STORE: {
            if (x->kind == COLD_STORE && x->reg != RDX)
                mov_load(&t->p, RDX, in_reg(x->reg));
            mov_imm(&t->p, in_reg(RCX), x->size | x->access << 8);
            reach(call(&t->p), x->kind == COLD_FILL ? t->j->fill_thunk : t->j->store_thunk);
            leave_before(t, x->step, jcc(&t->p, CC_NE));
            reach(jmp(&t->p), x->back);
            break;
        }
        case COLD_FP:
            mov_imm(&t->p, in_reg(RAX), x->target);
            reach(call(&t->p), t->j->fp_thunk);
            reach(jmp(&t->p), x->back);
            break;
        case COLD_CACHE: { /* eax address, rcx + rax the host's; these and edx must stay */
            if (x->reg) {
                mov_imm(&t->p, in_reg(RAX), x->target);
                mov_imm(&t->p, in_reg(RCX), t->c->ram_base + t->b->page * PAGE - (x->target & ~0xfffu));
            }
            mov_imm(&t->p, in_reg(SET), x->access == WRITE);
            reach(call(&t->p), t->j->cache_thunk);
            leave_before(t, x->step, jcc(&t->p, CC_S));
            alu(&t->p, SUB, in_reg(BUDGET), TAG);
            reach(jmp(&t->p), x->back);
            break;
        }
        case COLD_CODE: {
            mov_imm(&t->p, in_reg(RAX), x->target);
            mov_imm(&t->p, in_reg(RCX), t->c->ram_base + t->b->page * PAGE + (x->target & 0xfff));
            reach(call(&t->p), t->j->code_thunk);
            leave_before(t, x->step, jcc(&t->p, CC_NE));
            reach(jmp(&t->p), x->back);
            break;
        }
        case COLD_DEOPT:
            alu_imm(&t->p, ADD, in_reg(BUDGET), t->cost - s->at);
            mov_imm(&t->p, FIELD(pc), s->pc);
            stand_at(t, x->step);
            mov_imm(&t->p, in_reg(RAX), EXIT_DEOPT);
            reach(jmp(&t->p), t->j->leave);
            break;
        case COLD_EXIT: {
            if (x->refund || x->executed) {
                count(t, x->executed);
                if (x->refund)
                    alu_imm(&t->p, ADD, in_reg(BUDGET), x->refund);
                x->from[0] = jmp(&t->p);
                reach(x->from[0], t->p);
            }
            mov_imm(&t->p, FIELD(pc), x->target);
            bool link = linkable(t->c, t->b, x->target);
            if (link)
                mov_imm(&t->p, in_reg(RAX), (uint32_t)(uintptr_t)x->from[0]);
            else { /* by the table of jumps, which follows changes of the translation */
                mov_imm(&t->p, in_reg(RAX), x->target);
                mov_imm(&t->p, in_reg(RDX), t->key);
            }
            reach(jmp(&t->p), link ? t->j->leave : t->j->indirect);
            break;
        }
        }
    }
}

void jit_compile(core *c, struct insn *i, uint32_t pc)
{
    MARK(ROW_TRANSLATING);
    struct jit *j = c->jit;
    uint32_t paddr, ptel;
    bool whole;
    i->heat = 0; /* where it cannot be now, it may be later */
    if (!j || (pc & ~0xfffu) != c->fetch_tag || c->hook) /* 1 KB pages, the page of calls */
        return;
    if (!translate_access(c, pc, FETCH, &paddr, &whole, &ptel) || !whole ||
        (c->timed && memory_kind(c, pc, ptel, true) == UNCACHED))
        return;
    uint32_t page = (paddr - c->ram_base) >> 12;
    const struct kills *kills = &j->kills[page];
    if (!c->code[page] || c->code[page]->insn != c->fetch_base ||
        (kills->count > KILLS && c->tick - kills->last < CALM))
        return;
    if (j->code + ROOM > j->end || j->block_count == BLOCKS)
        jit_reset(c);
    static _Thread_local struct tr space;
    struct tr *t = &space;
    int index = j->block_count;
    struct block *b = &j->blocks[index];
    *b = (struct block){.code = j->code, .vpc = pc, .key = key_now(c), .page = page, .entry = i, .next_here = -1};
    t->c = c;
    t->j = j;
    t->p = j->code;
    t->b = b;
    t->key = b->key;
    t->timed = c->timed;
    t->ptel = ptel;
    pin = c->timed ? timed_pins : fast_pins;
    t->known = 0;
    t->cc = -1;
    t->colds = 0;
    const uint8_t *ram = c->ram + (size_t)page * PAGE;
    if (!collect(t, pc, ram) || (loops(t) && !makes_progress(t))) {
        i->heat = NEVER_HOT;
        return;
    }
    if (t->timed)
        schedule(t, ram, -1, NULL);
    for (int k = 0; k < t->steps; k++)
        depends(t, t->step[k].pc);
    if (t->end != END_BRANCH && t->next & 0xfff) /* if that becomes something else, the block may too */
        depends(t, t->next);
    b->cost = t->cost;
    enc(&t->p, 0, 0, 0x81, SUB, in_reg(BUDGET));
    put32(&t->p, (uint32_t)t->cost);
    uint8_t *short_of = jcc(&t->p, CC_L);
    for (int k = 0; k < t->steps; k++) {
        struct step *s = &t->step[k];
        t->now = t->unit = k;
        if (t->timed && s->looks_up)
            look_up_code(t, s->pc);
        if (t->timed && s->keeps)
            mov_store(&t->p, FIELD(unit_budget), BUDGET);
        if (is_branch(&s->i)) {
            translate_branch(t, s, ram);
            k += !!(s->i.flags & F_DELAYED);
            t->cc = -1;
        } else {
            generate(t, &s->i, s->pc, ram);
        }
    }
    if (t->end != END_BRANCH || is_conditional(last_step(t)->i.op)) { /* it goes on */
        if (t->end == END_STOP || (t->timed && t->next & 0xfff)) {
            if (t->cost != t->at_end)
                alu_imm(&t->p, ADD, in_reg(BUDGET), t->cost - t->at_end);
            mov_imm(&t->p, FIELD(pc), t->next);
            stand_at(t, t->steps);
            mov_imm(&t->p, in_reg(RAX), t->timed ? EXIT_STEP : EXIT_PLAIN);
            reach(jmp(&t->p), j->leave);
        } else {
            leave_to(t, t->next, t->at_end, t->steps, -1);
        }
    }
    emit_cold(t);
    reach(short_of, t->p);
    alu_imm(&t->p, ADD, in_reg(BUDGET), t->cost);
    b->dead = t->p;
    mov_imm(&t->p, FIELD(pc), pc);
    alu(&t->p, XOR, in_reg(RAX), RAX);
    reach(jmp(&t->p), j->leave);
    j->code = t->p;
    j->block_count++;
    c->count.blocks++;
    if (i->op == OP_COMPILED) {
        b->original = j->blocks[i->imm].original;
        b->next_here = i->imm;
    } else {
        b->original = *i;
    }
    b->next_in_page = j->in_page[page];
    j->in_page[page] = index;
    i->op = OP_COMPILED;
    i->flags &= F_MARKED;
    i->imm = index;
}

/* Timed code was left before a step of a block: the pipeline as it is there, and in a pair the begin of its unit. `end`
 * is the tick that a budget of 0 means. */
void stand(core *c, int64_t end)
{
    MARK(ROW_TRANSLATING);
    static _Thread_local struct tr space;
    struct tr *t = &space;
    struct block *b = &c->jit->blocks[c->left_block];
    const uint8_t *ram = c->ram + (size_t)b->page * PAGE;
    int k = (int)c->left_step;
    t->c = c;
    t->b = b;
    t->key = b->key;
    t->timed = true;
    collect(t, b->vpc, ram);
    schedule(t, ram, k, &c->pipe);
    if (c->pipe.open) {
        const struct step *first = &t->step[k - 1];
        int64_t kept = end - (c->unit_budget + t->cost - first->at);
        c->unit_tick = first->keeps ? kept : c->tick - (c->pipe.now - first->at);
    }
}

#endif
