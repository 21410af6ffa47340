/* The interpreter: unit boundaries, fetch, and the integer and system instructions.
 *
 * A unit is one instruction, or a delayed branch with its slot. Everything that comes from outside
 * (horizon, interrupts, calls into the trap page, breakpoints) is looked at between units only. */
#include "core.h"
#include "jit.h"

#include <string.h>

static bool acceptable(const core *c)
{
    if (!c->irq_level || (c->sr & SR_BL && !c->sleeping))
        return false;
    return c->irq_level > (int)(c->sr >> 4 & 15);
}

static const struct insn *fetch_slow(core *c, uint32_t pc)
{
    uint32_t paddr;
    bool kept;
    uint16_t word = fetch_word(c, pc, &paddr, &kept);
    if (!kept) {
        decode(word, &c->scratch);
        return &c->scratch;
    }
    struct insn *i = code_at(c, paddr);
    if (i->op == NOT_DECODED) {
        decode(word, i);
        for (int k = 0; k < c->breakpoint_count; k++)
            if (!((c->breakpoints[k] ^ pc) & 0x3fe))
                i->flags |= F_MARKED;
        c->code[(paddr - c->ram_base) >> 12]->line[(paddr & 0xfff) >> 5] = 1;
    }
    /* 1 KB pages are not cached by page: the next instruction may lie elsewhere. */
    bool calls = c->trap_page && (pc & ~0xfffu) <= c->trap_last && pc >= (c->trap_first & ~0xfffu);
    /* Nor is the page of calls: each arrival there is looked at. */
    if (!calls && c->soft[FETCH].tag[pc >> 12 & (SOFT - 1)] == ((pc & ~0xfffu) | c->soft_key)) {
        c->fetch_tag = pc & ~0xfffu;
        c->fetch_base = c->code[(paddr - c->ram_base) >> 12]->insn;
        c->fetch_page = paddr & ~0xfffu;
    }
    return i;
}

static inline const struct insn *fetch_entry(core *c, uint32_t pc)
{
    if (__builtin_expect((pc & 0xfffff001) == c->fetch_tag, 1)) {
        const struct insn *i = &c->fetch_base[(pc & 0xfff) >> 1];
        if (__builtin_expect(i->op != NOT_DECODED, 1))
            return i;
    }
    return fetch_slow(c, pc);
}

/* The instruction, also where generated code begins. */
static inline const struct insn *fetch(core *c, uint32_t pc)
{
    const struct insn *i = fetch_entry(c, pc);
#ifdef TIMED
    if (i->op == OP_COMPILED)
        i = jit_original(c, i);
#endif
    return i;
}

#ifdef TIMED
/* The look-up that goes with a fetch, right after it. */
static inline void time_fetch(core *c, uint32_t pc)
{
    if (__builtin_expect(!pipeline_fetched(&c->pipe, pc), 0))
        time_fetch_slow(c, pc);
}
#endif

/* A breakpoint that was not reported yet lies at pc, where F_MARKED says that one may. */
static bool at_breakpoint(core *c)
{
    bool passed = c->passed_pc == c->pc && c->passed_tick == c->tick;
    for (int k = 0; k < c->breakpoint_count && !passed; k++)
        if (c->breakpoints[k] == c->pc) {
            c->passed_pc = c->pc;
            c->passed_tick = c->tick;
            c->effects++; /* no loop is skipped over a breakpoint */
            c->stop = STOP_BREAKPOINT;
            return true;
        }
    return false;
}

static void save_loop_state(const core *c, uint32_t *s)
{
    memcpy(s, c->r, 64);
    uint32_t rest[12] = {get_sr(c), c->pr, c->gbr, c->mach, c->macl, c->fpul, c->fpscr,
                         c->fr[0], c->fr[1], c->ssr, c->spc, c->ll};
    memcpy(s + 16, rest, sizeof rest);
}

/* At a taken short backward branch. Where an iteration changed nothing, the next ones will not either,
 * until something outside changes: skip as many as end by then. FPU registers beyond fr1 cannot change
 * without an FPU instruction, which counts as an effect. */
static void loop_arrival(core *c)
{
    if (c->loop_target == c->pc && c->loop_effects == c->effects) {
        uint32_t now[28];
        save_loop_state(c, now);
        if (!memcmp(now, c->loop_state, sizeof now)) {
            int64_t ticks = c->tick - c->loop_tick, bound = c->until < c->loop_limit ? c->until : c->loop_limit;
            int64_t k = ticks > 0 && bound > c->tick ? (bound - c->tick) / ticks : 0;
            c->skipped += k * (c->instructions - c->loop_instructions);
            c->tick += k * ticks;
        }
    }
    c->loop_target = c->pc;
    c->loop_effects = c->effects;
    c->loop_tick = c->tick;
    c->loop_instructions = c->instructions;
    c->loop_limit = NEVER;
    save_loop_state(c, c->loop_state);
}

static void illegal_instruction(core *c)
{
    raise_exception(c, c->in_slot ? 0x1a0 : 0x180, 0x100);
}

/* General and slot illegal instructions, FPU disable: looked at before execution. */
static inline void check_legal(core *c, const struct insn *i)
{
    if (__builtin_expect(i->flags, 0)) {
        if (i->flags & F_ILLEGAL)
            illegal_instruction(c);
        if (c->in_slot && i->flags & (F_BRANCH | F_NOSLOT))
            raise_exception(c, 0x1a0, 0x100);
        if (i->flags & F_PRIV && !(c->sr & SR_MD))
            illegal_instruction(c);
        if (i->flags & F_FPU && c->sr & SR_FD)
            raise_exception(c, c->in_slot ? 0x820 : 0x800, 0x100);
        if (i->flags & F_FPU && c->no_fpu)
            trespass(c, FPU, 0, 0);
    }
}

static inline uint32_t sx8(uint32_t v) { return (uint32_t)(int8_t)v; }
static inline uint32_t sx16(uint32_t v) { return (uint32_t)(int16_t)v; }

static void div1(core *c, unsigned m, unsigned n)
{
    uint32_t old_q = !!(c->sr & SR_Q), mm = !!(c->sr & SR_M), a = c->r[n], b = c->r[m], q = a >> 31;
    uint32_t x = a << 1 | c->t, y;
    bool carry;
    if (old_q == mm) {
        y = x - b;
        carry = y > x;
    } else {
        y = x + b;
        carry = y < x;
    }
    c->r[n] = y;
    q = q ^ mm ^ (uint32_t)carry;
    c->sr = (c->sr & ~(uint32_t)SR_Q) | (q ? SR_Q : 0);
    c->t = q == mm;
}

static void mac_long(core *c, unsigned m, unsigned n)
{
    int32_t a = (int32_t)load(c, c->r[n], 4);
    uint32_t rn = c->r[n] + 4, rm = m == n ? rn : c->r[m];
    int32_t b = (int32_t)load(c, rm, 4);
    c->r[n] = rn;
    c->r[m] = (m == n ? rn : c->r[m]) + 4;
    int64_t acc = (int64_t)((uint64_t)c->mach << 32 | c->macl), product = (int64_t)a * b;
    if (c->sr & SR_S) { /* 48-bit saturation */
        const int64_t top = 0x00007fffffffffff, bottom = -0x0000800000000000;
        int64_t sum;
        if (__builtin_add_overflow(acc, product, &sum)) /* both have one sign */
            sum = acc;
        acc = sum > top ? top : sum < bottom ? bottom : sum;
    } else {
        acc = (int64_t)((uint64_t)acc + (uint64_t)product);
    }
    c->mach = (uint32_t)((uint64_t)acc >> 32);
    c->macl = (uint32_t)acc;
}

static void mac_word(core *c, unsigned m, unsigned n)
{
    int32_t a = (int16_t)load(c, c->r[n], 2);
    uint32_t rn = c->r[n] + 2, rm = m == n ? rn : c->r[m];
    int32_t b = (int16_t)load(c, rm, 2);
    c->r[n] = rn;
    c->r[m] = (m == n ? rn : c->r[m]) + 2;
    int64_t product = (int64_t)a * b;
    if (c->sr & SR_S) { /* MACL saturates to 32 bits; MACH becomes 1 then, else it stays */
        int64_t sum = (int64_t)(int32_t)c->macl + product;
        if (sum != (int32_t)sum) {
            c->mach = 1;
            sum = sum > 0 ? INT32_MAX : INT32_MIN;
        }
        c->macl = (uint32_t)sum;
    } else {
        uint64_t acc = ((uint64_t)c->mach << 32 | c->macl) + (uint64_t)product;
        c->mach = (uint32_t)(acc >> 32);
        c->macl = (uint32_t)acc;
    }
}

static void shad(core *c, unsigned m, unsigned n)
{
    int32_t by = (int32_t)c->r[m];
    if (by >= 0)
        c->r[n] <<= by & 31;
    else if (by & 31)
        c->r[n] = (uint32_t)((int32_t)c->r[n] >> (32 - (by & 31)));
    else
        c->r[n] = (int32_t)c->r[n] < 0 ? 0xffffffff : 0;
}

static void shld(core *c, unsigned m, unsigned n)
{
    int32_t by = (int32_t)c->r[m];
    if (by >= 0)
        c->r[n] <<= by & 31;
    else if (by & 31)
        c->r[n] >>= 32 - (by & 31);
    else
        c->r[n] = 0;
}

static uint32_t load_unaligned(core *c, uint32_t v)
{
    if (!(v & 3))
        return load(c, v, 4);
    uint32_t value = 0;
    for (unsigned k = 0; k < 4; k++)
        value |= load(c, v + k, 1) << 8 * k;
    return value;
}

/* Control registers by number in LDC/STC words (bits 7:4), those without bank. */
static void ldc(core *c, unsigned op, unsigned m, uint32_t v)
{
    switch (op) {
    case OP_ldc_gbr: case OP_ldcl_gbr: c->gbr = v; break;
    case OP_ldc_vbr: case OP_ldcl_vbr: set_vbr(c, v); break;
    case OP_ldc_ssr: case OP_ldcl_ssr: c->ssr = v; break; /* RTE masks it */
    case OP_ldc_spc: case OP_ldcl_spc: c->spc = v; break;
    case OP_ldc_sgr: case OP_ldcl_sgr: c->sgr = v; break;
    case OP_ldc_dbr: case OP_ldcl_dbr: c->dbr = v; break;
    case OP_ldc_sr: case OP_ldcl_sr: set_sr(c, v); break;
    case OP_ldc_bank: case OP_ldcl_bank: c->bank[m & 7] = v; break;
    case OP_lds_mach: case OP_ldsl_mach: c->mach = v; break;
    case OP_lds_macl: case OP_ldsl_macl: c->macl = v; break;
    case OP_lds_pr: case OP_ldsl_pr: c->pr = v; break;
    case OP_lds_fpul: case OP_ldsl_fpul: c->fpul = v; break;
    case OP_lds_fpscr: case OP_ldsl_fpscr: set_fpscr(c, v); break;
    }
    c->effects++;
}

static uint32_t stc(const core *c, const struct insn *i)
{
    switch (i->op) {
    case OP_stc_gbr: case OP_stcl_gbr: return c->gbr;
    case OP_stc_vbr: case OP_stcl_vbr: return c->vbr;
    case OP_stc_ssr: case OP_stcl_ssr: return c->ssr;
    case OP_stc_spc: case OP_stcl_spc: return c->spc;
    case OP_stc_sgr: case OP_stcl_sgr: return c->sgr;
    case OP_stc_dbr: case OP_stcl_dbr: return c->dbr;
    case OP_stc_sr: case OP_stcl_sr: return get_sr(c);
    case OP_stc_bank: case OP_stcl_bank: return c->bank[i->m & 7];
    case OP_sts_mach: case OP_stsl_mach: return c->mach;
    case OP_sts_macl: case OP_stsl_macl: return c->macl;
    case OP_sts_pr: case OP_stsl_pr: return c->pr;
    case OP_sts_fpul: case OP_stsl_fpul: return c->fpul;
    default: return c->fpscr;
    }
}

/* Accesses may drop the decoded line of the running instruction: its op is not looked at after one. */
static uint32_t gbr_logic(unsigned op, uint32_t u, uint32_t v)
{
    return op == OP_andb_gbr ? v & u : op == OP_orb_gbr ? v | u : v ^ u;
}

#define R c->r
#define N i->n
#define M i->m
#define IMM i->imm
#ifndef TIMED
#define COUNT (c->tick++, c->instructions++)
#define TAKEN ((void)0)
#define FETCH_SLOT i = fetch(c, c->pc)
#define DELAYED_IF(condition, to) DELAYED((condition) ? (to) : c->pc + 4)
#define CACHE_OPERATION ((void)0) /* decoded code follows stores: nothing is ever stale */
#define FPU_EXECUTE fpu_execute
#else
#define FPU_EXECUTE fpu_execute_timed
#define DELAYED_IF(condition, to) do { \
        if (condition) \
            DELAYED(to); \
        target = c->pc + 4; /* not taken, also where the target is the same */ \
        goto delayed; \
    } while (0)
#define CACHE_OPERATION cache_operation(c, i->op, R[N])
/* The slot issues in the tick of its branch where it may pair with it, else after it. */
#define FETCH_SLOT do { \
        c->pipe.issued++; /* where it cannot be fetched */ \
        i = fetch(c, c->pc); \
        time_fetch(c, c->pc); \
        struct use slot = use_of(i->op, i->n, i->m, c->fpscr); \
        c->pipe.issued--; \
        if (!(kept && c->pc & 31 && pipeline_pairs(&c->pipe, &use, &slot))) \
            pipeline_issue(&c->pipe, &slot, c->pipe.issued + 1); \
        use = slot; \
    } while (0)
#define COUNT (c->instructions++, pipeline_mark(&c->pipe, &use))
#define TAKEN (c->pipe.target = c->pipe.issued + use.latency)
#endif
#define DELAYED(to) do { target = (to); TAKEN; goto delayed; } while (0)
#define BRANCH(to) do { target = (to); TAKEN; goto taken; } while (0)

#ifndef TIMED
/* Where nothing but the next instruction of this page is to be looked at, go to it straight from the one before:
 * each has a jump of its own, which the host predicts better than one for all. Else by the boundary. */
#define DISPATCH do { \
        if (__builtin_expect(c->stop | single | c->attention | (c->tick >= c->until), 0) || \
            __builtin_expect((c->pc & 0xfffff001) != c->fetch_tag, 0)) \
            goto ended; \
        i = &c->fetch_base[(c->pc & 0xfff) >> 1]; \
        if (__builtin_expect(i->flags & F_LOOK, 0)) \
            goto boundary; \
        c->unit_tick = c->tick; \
        c->unit_pc = c->pc; \
        goto *label[i->op]; \
    } while (0)
/* The same at the target of a taken branch, which may have become hot. */
#define DISPATCH_ARRIVED do { \
        if (__builtin_expect(c->stop | single | c->attention | (c->tick >= c->until), 0) || \
            __builtin_expect((c->pc & 0xfffff001) != c->fetch_tag, 0)) { \
            arrived = true; \
            goto ended; \
        } \
        i = &c->fetch_base[(c->pc & 0xfff) >> 1]; \
        if (__builtin_expect(i->flags & F_LOOK, 0)) { \
            arrived = true; \
            goto boundary; \
        } \
        c->unit_tick = c->tick; \
        c->unit_pc = c->pc; \
        count_arrival(c, i); \
        goto *label[i->op]; \
    } while (0)
#define NEXT do { \
        COUNT; \
        if (__builtin_expect(c->in_slot, 0)) \
            goto slot_done; \
        c->pc += 2; \
        DISPATCH; \
    } while (0)
#else
#define NEXT goto done
#define DISPATCH goto ended
#define DISPATCH_ARRIVED do { arrived = true; goto ended; } while (0)
#endif

static inline void count_arrival(core *c, const struct insn *i)
{
    struct insn *at = (struct insn *)i;
    if (c->hold)
        c->hold--;
    if (at->heat < c->hot) { /* NEVER_HOT is more than that */
        if (++at->heat == c->hot && at->op < NOT_DECODED)
            jit_compile(c, at, c->pc);
    }
}

void run(core *c, int64_t until, bool single)
{
    static const void *const label[OP_COUNT + 2] = {
        [0 ... OP_COUNT + 1] = &&boundary,
#ifndef TIMED
        [OP_COMPILED] = &&L_compiled,
#endif
        [OP_mov] = &&L_mov, [OP_mov_i] = &&L_mov_i, [OP_mova] = &&L_mova, [OP_movw_pc] = &&L_movw_pc,
        [OP_movl_pc] = &&L_movl_pc, [OP_movb_load] = &&L_movb_load, [OP_movw_load] = &&L_movw_load,
        [OP_movl_load] = &&L_movl_load, [OP_movb_store] = &&L_movb_store, [OP_movw_store] = &&L_movw_store,
        [OP_movl_store] = &&L_movl_store, [OP_movb_inc] = &&L_movb_inc, [OP_movw_inc] = &&L_movw_inc,
        [OP_movl_inc] = &&L_movl_inc, [OP_movb_dec] = &&L_movb_dec, [OP_movw_dec] = &&L_movw_dec,
        [OP_movl_dec] = &&L_movl_dec, [OP_movb_ldisp] = &&L_movb_ldisp, [OP_movw_ldisp] = &&L_movw_ldisp,
        [OP_movl_ldisp] = &&L_movl_ldisp, [OP_movb_sdisp] = &&L_movb_sdisp, [OP_movw_sdisp] = &&L_movw_sdisp,
        [OP_movl_sdisp] = &&L_movl_sdisp, [OP_movb_lr0] = &&L_movb_lr0, [OP_movw_lr0] = &&L_movw_lr0,
        [OP_movl_lr0] = &&L_movl_lr0, [OP_movb_sr0] = &&L_movb_sr0, [OP_movw_sr0] = &&L_movw_sr0,
        [OP_movl_sr0] = &&L_movl_sr0, [OP_movt] = &&L_movt, [OP_swapb] = &&L_swapb, [OP_swapw] = &&L_swapw,
        [OP_xtrct] = &&L_xtrct, [OP_add] = &&L_add, [OP_add_i] = &&L_add_i, [OP_cmpeq_i] = &&L_cmpeq_i,
        [OP_cmpeq] = &&L_cmpeq, [OP_cmphs] = &&L_cmphs, [OP_cmpge] = &&L_cmpge, [OP_cmphi] = &&L_cmphi,
        [OP_cmpgt] = &&L_cmpgt, [OP_cmppz] = &&L_cmppz, [OP_cmppl] = &&L_cmppl, [OP_dt] = &&L_dt,
        [OP_extsb] = &&L_extsb, [OP_extsw] = &&L_extsw, [OP_extub] = &&L_extub, [OP_extuw] = &&L_extuw,
        [OP_mull] = &&L_mull, [OP_neg] = &&L_neg, [OP_sub] = &&L_sub, [OP_and] = &&L_and, [OP_and_i] = &&L_and_i,
        [OP_not] = &&L_not, [OP_or] = &&L_or, [OP_or_i] = &&L_or_i, [OP_tst] = &&L_tst, [OP_tst_i] = &&L_tst_i,
        [OP_xor] = &&L_xor, [OP_xor_i] = &&L_xor_i, [OP_rotcl] = &&L_rotcl, [OP_rotcr] = &&L_rotcr,
        [OP_shad] = &&L_shad, [OP_shld] = &&L_shld, [OP_shar] = &&L_shar, [OP_shlr] = &&L_shlr,
        [OP_shll2] = &&L_shll2, [OP_shll8] = &&L_shll8, [OP_shll16] = &&L_shll16, [OP_shlr2] = &&L_shlr2,
        [OP_shlr8] = &&L_shlr8, [OP_shlr16] = &&L_shlr16, [OP_bf] = &&L_bf, [OP_bt] = &&L_bt, [OP_bfs] = &&L_bfs,
        [OP_bts] = &&L_bts, [OP_bra] = &&L_bra, [OP_braf] = &&L_braf, [OP_jmp] = &&L_jmp, [OP_rts] = &&L_rts,
        [OP_bsr] = &&L_bsr, [OP_bsrf] = &&L_bsrf, [OP_jsr] = &&L_jsr, [OP_shll] = &&L_shll, [OP_shal] = &&L_shll,
    };
    c->until = until;
    c->stop = STOP_NONE;
    c->detail[0] = 0;
    if (c->tick != c->left_tick)
        c->effects++; /* set from outside: the last iteration took longer than it does */
    if (setjmp(c->trapped)) {
        c->in_slot = false;
        c->fill = TIME_LINE_FILL; /* a MOVCA may have failed */
        if (c->stop || single)
            return;
    }
    *doing = ROW_RUN;
    const struct insn *i;
    uint32_t target, x, y;
    bool arrived = false;
#ifdef TIMED
    struct use use, next;
    bool kept, apart; /* apart: each fetch is heard of, by a hook or because the code is not the guest's */
    (void)label;
    c->pipe.target = -1;
    if (c->pipe.open)
        goto second;
#endif
    goto boundary;
    for (;;) {
    ended: /* a unit */
        if (__builtin_expect(c->stop | single, 0))
            return;
    boundary:
        if (c->tick >= c->until) {
            c->stop = STOP_HORIZON;
            return;
        }
        if (__builtin_expect(c->attention, 0)) {
            if (c->resume && !--c->resume) {
                arrived = true;
                c->attention = c->sleeping || c->irq_level > 0;
            }
            if (acceptable(c)) {
                c->stop = STOP_INTERRUPT;
                return;
            }
            if (c->sleeping) {
                c->sleep_ticks += c->until - c->tick;
                c->tick = c->until;
                c->stop = STOP_HORIZON;
                return;
            }
        }
        c->unit_tick = c->tick;
        c->unit_pc = c->pc;
#ifdef TIMED
        c->start_tick = c->tick;
        c->outside = false;
        c->pipe.issued = c->pipe.now; /* where it cannot be fetched */
#endif
        if (__builtin_expect((c->pc & 0xfffff001) != c->fetch_tag, 0)) {
            if (c->trap_page && c->pc >= c->trap_first && c->pc <= c->trap_last && c->sr & SR_MD) {
                c->stop = STOP_TRAP;
                return;
            }
            if (c->breakpoint_count && at_breakpoint(c)) /* also where the fetch will fail, or is not kept */
                return;
        }
        i = fetch_entry(c, c->pc);
        if (__builtin_expect(i->flags & F_MARKED, 0) && at_breakpoint(c))
            return;
#ifdef TIMED
        if (arrived && !single && i != &c->scratch)
            count_arrival(c, i);
        arrived = false;
        if (i->op == OP_COMPILED) {
            if (!single && jit_run(c, i)) {
                arrived = true;
                if (c->resume)
                    c->attention = true;
                if (c->pipe.open) {
                    if (c->breakpoint_count && at_breakpoint(c))
                        return;
                    goto second;
                }
                goto boundary;
            }
            if (i->op == OP_COMPILED) /* still */
                i = jit_original(c, i);
        }
        use = use_of(i->op, i->n, i->m, c->fpscr);
    first: /* of a unit */
        time_fetch(c, c->pc);
        pipeline_issue(&c->pipe, &use, c->pipe.now);
        apart = i == &c->scratch;
        kept = !apart || c->fetch_source == FROM_RAM; /* it may be the first of a pair */
        goto execute;
    second: /* of an open pair */
        c->start_tick = c->tick;
        c->unit_pc = c->pc;
        c->pipe.issued = c->pipe.now; /* where it cannot be fetched any more */
        i = fetch(c, c->pc);
        use = use_of(i->op, i->n, i->m, c->fpscr);
        use.reads = 0; /* its word may have become another: nothing waited for what that reads */
    paired:
        c->pipe.issued = c->pipe.now - 1;
        time_fetch(c, c->pc);
        kept = apart = false; /* there is no third, nor does the slot of a branch pair with it */
#else
        if (arrived) {
            arrived = false;
            if (!single)
                count_arrival(c, i);
        }
#endif
    execute:
        check_legal(c, i);
        switch (i->op) {
#ifndef TIMED
        case OP_COMPILED: L_compiled:
            if (!c->in_slot && !single && jit_run(c, i)) {
                arrived = true;
                if (c->resume)
                    c->attention = true;
                goto boundary;
            }
            if (i->op == OP_COMPILED) /* still */
                i = jit_original(c, i);
            goto execute;
#endif
        case OP_mov: L_mov: R[N] = R[M]; NEXT;
        case OP_mov_i: L_mov_i: R[N] = (uint32_t)IMM; NEXT;
        case OP_mova: L_mova: R[0] = (c->pc & ~3u) + 4 + 4 * ((uint32_t)IMM & 255); NEXT;
        case OP_movw_pc: L_movw_pc: R[N] = sx16(load(c, c->pc + 4 + 2 * (uint32_t)IMM, 2)); NEXT;
        case OP_movl_pc: L_movl_pc: R[N] = load(c, (c->pc & ~3u) + 4 + 4 * (uint32_t)IMM, 4); NEXT;
        case OP_movb_load: L_movb_load: R[N] = sx8(load(c, R[M], 1)); NEXT;
        case OP_movw_load: L_movw_load: R[N] = sx16(load(c, R[M], 2)); NEXT;
        case OP_movl_load: L_movl_load: R[N] = load(c, R[M], 4); NEXT;
        case OP_movb_store: L_movb_store: store(c, R[N], 1, R[M]); NEXT;
        case OP_movw_store: L_movw_store: store(c, R[N], 2, R[M]); NEXT;
        case OP_movl_store: L_movl_store: store(c, R[N], 4, R[M]); NEXT;
        case OP_movb_inc: L_movb_inc: x = sx8(load(c, R[M], 1)); R[M] += 1; R[N] = x; NEXT;
        case OP_movw_inc: L_movw_inc: x = sx16(load(c, R[M], 2)); R[M] += 2; R[N] = x; NEXT;
        case OP_movl_inc: L_movl_inc: x = load(c, R[M], 4); R[M] += 4; R[N] = x; NEXT;
        case OP_movb_dec: L_movb_dec: store(c, R[N] - 1, 1, R[M]); R[N] -= 1; NEXT;
        case OP_movw_dec: L_movw_dec: store(c, R[N] - 2, 2, R[M]); R[N] -= 2; NEXT;
        case OP_movl_dec: L_movl_dec: store(c, R[N] - 4, 4, R[M]); R[N] -= 4; NEXT;
        case OP_movb_ldisp: L_movb_ldisp: R[0] = sx8(load(c, R[M] + (i->word & 15u), 1)); NEXT;
        case OP_movw_ldisp: L_movw_ldisp: R[0] = sx16(load(c, R[M] + 2 * (i->word & 15u), 2)); NEXT;
        case OP_movl_ldisp: L_movl_ldisp: R[N] = load(c, R[M] + 4 * (i->word & 15u), 4); NEXT;
        case OP_movb_sdisp: L_movb_sdisp: store(c, R[M] + (i->word & 15u), 1, R[0]); NEXT;
        case OP_movw_sdisp: L_movw_sdisp: store(c, R[M] + 2 * (i->word & 15u), 2, R[0]); NEXT;
        case OP_movl_sdisp: L_movl_sdisp: store(c, R[N] + 4 * (i->word & 15u), 4, R[M]); NEXT;
        case OP_movb_lr0: L_movb_lr0: R[N] = sx8(load(c, R[M] + R[0], 1)); NEXT;
        case OP_movw_lr0: L_movw_lr0: R[N] = sx16(load(c, R[M] + R[0], 2)); NEXT;
        case OP_movl_lr0: L_movl_lr0: R[N] = load(c, R[M] + R[0], 4); NEXT;
        case OP_movb_sr0: L_movb_sr0: store(c, R[N] + R[0], 1, R[M]); NEXT;
        case OP_movw_sr0: L_movw_sr0: store(c, R[N] + R[0], 2, R[M]); NEXT;
        case OP_movl_sr0: L_movl_sr0: store(c, R[N] + R[0], 4, R[M]); NEXT;
        case OP_movb_lgbr: R[0] = sx8(load(c, c->gbr + (i->word & 255u), 1)); break;
        case OP_movw_lgbr: R[0] = sx16(load(c, c->gbr + 2 * (i->word & 255u), 2)); break;
        case OP_movl_lgbr: R[0] = load(c, c->gbr + 4 * (i->word & 255u), 4); break;
        case OP_movb_sgbr: store(c, c->gbr + (i->word & 255u), 1, R[0]); break;
        case OP_movw_sgbr: store(c, c->gbr + 2 * (i->word & 255u), 2, R[0]); break;
        case OP_movl_sgbr: store(c, c->gbr + 4 * (i->word & 255u), 4, R[0]); break;
        case OP_movua: R[0] = load_unaligned(c, R[N]); break;
        case OP_movua_inc: x = load_unaligned(c, R[N]); R[N] += 4; R[0] = x; break;
        case OP_movli: x = load(c, R[N], 4); c->ll = 1; R[0] = x; break;
        case OP_movco:
            if (c->ll)
                store(c, R[N], 4, R[0]);
            c->t = c->ll;
            c->ll = 0;
            break;
        case OP_movca:
            c->fill = 0;
            store(c, R[N], 4, R[0]);
            c->fill = TIME_LINE_FILL;
            break;
        case OP_movt: L_movt: R[N] = c->t; NEXT;
        case OP_swapb: L_swapb: x = R[M]; R[N] = (x & 0xffff0000) | (x & 255) << 8 | (x >> 8 & 255); NEXT;
        case OP_swapw: L_swapw: R[N] = R[M] << 16 | R[M] >> 16; NEXT;
        case OP_xtrct: L_xtrct: R[N] = R[M] << 16 | R[N] >> 16; NEXT;
        case OP_add: L_add: R[N] += R[M]; NEXT;
        case OP_add_i: L_add_i: R[N] += (uint32_t)IMM; NEXT;
        case OP_addc:
            x = R[N] + R[M];
            y = x + c->t;
            c->t = x < R[N] || y < x;
            R[N] = y;
            break;
        case OP_addv:
            x = R[N] + R[M];
            c->t = (~(R[N] ^ R[M]) & (R[N] ^ x)) >> 31;
            R[N] = x;
            break;
        case OP_cmpeq_i: L_cmpeq_i: c->t = R[0] == (uint32_t)IMM; NEXT;
        case OP_cmpeq: L_cmpeq: c->t = R[N] == R[M]; NEXT;
        case OP_cmphs: L_cmphs: c->t = R[N] >= R[M]; NEXT;
        case OP_cmpge: L_cmpge: c->t = (int32_t)R[N] >= (int32_t)R[M]; NEXT;
        case OP_cmphi: L_cmphi: c->t = R[N] > R[M]; NEXT;
        case OP_cmpgt: L_cmpgt: c->t = (int32_t)R[N] > (int32_t)R[M]; NEXT;
        case OP_cmppz: L_cmppz: c->t = (int32_t)R[N] >= 0; NEXT;
        case OP_cmppl: L_cmppl: c->t = (int32_t)R[N] > 0; NEXT;
        case OP_cmpstr:
            x = R[N] ^ R[M];
            c->t = !(x & 0xff000000) || !(x & 0xff0000) || !(x & 0xff00) || !(x & 0xff);
            break;
        case OP_div1: div1(c, M, N); break;
        case OP_div0s:
            c->sr &= ~(uint32_t)(SR_Q | SR_M);
            c->sr |= (R[N] >> 31 ? SR_Q : 0) | (R[M] >> 31 ? SR_M : 0);
            c->t = (R[N] ^ R[M]) >> 31;
            break;
        case OP_div0u: c->sr &= ~(uint32_t)(SR_Q | SR_M); c->t = 0; break;
        case OP_dmulsl: {
            int64_t p = (int64_t)(int32_t)R[N] * (int32_t)R[M];
            c->mach = (uint32_t)((uint64_t)p >> 32);
            c->macl = (uint32_t)p;
            break;
        }
        case OP_dmulul: {
            uint64_t p = (uint64_t)R[N] * R[M];
            c->mach = (uint32_t)(p >> 32);
            c->macl = (uint32_t)p;
            break;
        }
        case OP_dt: L_dt: R[N]--; c->t = R[N] == 0; NEXT;
        case OP_extsb: L_extsb: R[N] = sx8(R[M]); NEXT;
        case OP_extsw: L_extsw: R[N] = sx16(R[M]); NEXT;
        case OP_extub: L_extub: R[N] = R[M] & 255; NEXT;
        case OP_extuw: L_extuw: R[N] = R[M] & 0xffff; NEXT;
        case OP_macl: mac_long(c, M, N); break;
        case OP_macw: mac_word(c, M, N); break;
        case OP_mull: L_mull: c->macl = R[N] * R[M]; NEXT;
        case OP_mulsw: c->macl = (uint32_t)((int32_t)(int16_t)R[N] * (int16_t)R[M]); break;
        case OP_muluw: c->macl = (R[N] & 0xffff) * (R[M] & 0xffff); break;
        case OP_neg: L_neg: R[N] = 0u - R[M]; NEXT;
        case OP_negc:
            x = 0u - R[M];
            y = x - c->t;
            c->t = 0 < x || x < y;
            R[N] = y;
            break;
        case OP_sub: L_sub: R[N] -= R[M]; NEXT;
        case OP_subc:
            x = R[N] - R[M];
            y = x - c->t;
            c->t = R[N] < x || x < y;
            R[N] = y;
            break;
        case OP_subv:
            x = R[N] - R[M];
            c->t = ((R[N] ^ R[M]) & (R[N] ^ x)) >> 31;
            R[N] = x;
            break;
        case OP_and: L_and: R[N] &= R[M]; NEXT;
        case OP_and_i: L_and_i: R[0] &= (uint32_t)IMM & 255; NEXT;
        case OP_not: L_not: R[N] = ~R[M]; NEXT;
        case OP_or: L_or: R[N] |= R[M]; NEXT;
        case OP_or_i: L_or_i: R[0] |= (uint32_t)IMM & 255; NEXT;
        case OP_tst: L_tst: c->t = !(R[N] & R[M]); NEXT;
        case OP_tst_i: L_tst_i: c->t = !(R[0] & (uint32_t)IMM & 255); NEXT;
        case OP_xor: L_xor: R[N] ^= R[M]; NEXT;
        case OP_xor_i: L_xor_i: R[0] ^= (uint32_t)IMM & 255; NEXT;
        case OP_tstb_gbr: c->t = !(load(c, c->gbr + R[0], 1) & (uint32_t)IMM & 255); break;
        case OP_andb_gbr: case OP_orb_gbr: case OP_xorb_gbr:
            y = i->op;
            x = load(c, c->gbr + R[0], 1);
            store(c, c->gbr + R[0], 1, gbr_logic(y, (uint32_t)IMM & 255, x));
            break;
        case OP_tasb:
            x = load(c, R[N], 1);
            store(c, R[N], 1, x | 0x80);
            c->t = x == 0;
            break;
        case OP_rotl: c->t = R[N] >> 31; R[N] = R[N] << 1 | c->t; break;
        case OP_rotr: c->t = R[N] & 1; R[N] = R[N] >> 1 | c->t << 31; break;
        case OP_rotcl: L_rotcl: x = R[N] >> 31; R[N] = R[N] << 1 | c->t; c->t = x; NEXT;
        case OP_rotcr: L_rotcr: x = R[N] & 1; R[N] = R[N] >> 1 | c->t << 31; c->t = x; NEXT;
        case OP_shad: L_shad: shad(c, M, N); NEXT;
        case OP_shld: L_shld: shld(c, M, N); NEXT;
        case OP_shal: case OP_shll: L_shll: c->t = R[N] >> 31; R[N] <<= 1; NEXT;
        case OP_shar: L_shar: c->t = R[N] & 1; R[N] = (uint32_t)((int32_t)R[N] >> 1); NEXT;
        case OP_shlr: L_shlr: c->t = R[N] & 1; R[N] >>= 1; NEXT;
        case OP_shll2: L_shll2: R[N] <<= 2; NEXT;
        case OP_shll8: L_shll8: R[N] <<= 8; NEXT;
        case OP_shll16: L_shll16: R[N] <<= 16; NEXT;
        case OP_shlr2: L_shlr2: R[N] >>= 2; NEXT;
        case OP_shlr8: L_shlr8: R[N] >>= 8; NEXT;
        case OP_shlr16: L_shlr16: R[N] >>= 16; NEXT;

        case OP_bf: L_bf: if (c->t) NEXT; BRANCH(c->pc + (uint32_t)IMM);
        case OP_bt: L_bt: if (!c->t) NEXT; BRANCH(c->pc + (uint32_t)IMM);
        case OP_bfs: L_bfs: DELAYED_IF(!c->t, c->pc + (uint32_t)IMM);
        case OP_bts: L_bts: DELAYED_IF(c->t, c->pc + (uint32_t)IMM);
        case OP_bra: L_bra: DELAYED(c->pc + (uint32_t)IMM);
        case OP_braf: L_braf: DELAYED(c->pc + 4 + R[N]);
        case OP_bsr: L_bsr: x = c->pc + 4; c->pr = x; DELAYED(c->pc + (uint32_t)IMM);
        case OP_bsrf: L_bsrf: x = c->pc + 4; c->pr = x; DELAYED(x + R[N]);
        case OP_jmp: L_jmp: DELAYED(R[N]);
        case OP_jsr: L_jsr: c->pr = c->pc + 4; DELAYED(R[N]);
        case OP_rts: L_rts: DELAYED(c->pr);
        case OP_rte: /* the slot is fetched with the old SR and executed with the restored one */
            TAKEN;
            COUNT;
            c->slot_target = c->spc;
            c->pc += 2;
            c->in_slot = true;
            FETCH_SLOT;
            set_sr(c, c->ssr);
            c->effects++;
            goto execute;
        case OP_trapa:
            if (c->sr & SR_BL)
                raise_exception(c, 0x160, 0x100);
            c->tra = ((uint32_t)IMM & 255) << 2;
            c->pc += 2; /* SPC is the next instruction */
            raise_exception(c, 0x160, 0x100);

        case OP_clrmac: c->mach = c->macl = 0; break;
        case OP_clrs: c->sr &= ~(uint32_t)SR_S; break;
        case OP_sets: c->sr |= SR_S; break;
        case OP_clrt: c->t = 0; break;
        case OP_sett: c->t = 1; break;
        case OP_nop: case OP_synco: break;
        case OP_icbi: case OP_prefi: case OP_ocbi: case OP_ocbp: case OP_ocbwb: CACHE_OPERATION; break;
        case OP_sleep:
            c->sleeping = c->attention = true;
            c->stop = STOP_SLEEP;
            break;
        case OP_ldtlb: ldtlb(c); break;
        case OP_pref:
            if ((R[N] & 0xfc000000) == 0xe0000000)
                store_queue_flush(c, R[N]);
            else
                CACHE_OPERATION;
            break;
        case OP_ldc_sr: case OP_ldc_gbr: case OP_ldc_vbr: case OP_ldc_ssr: case OP_ldc_spc: case OP_ldc_sgr:
        case OP_ldc_dbr: case OP_ldc_bank: case OP_lds_mach: case OP_lds_macl: case OP_lds_pr: case OP_lds_fpul:
        case OP_lds_fpscr:
            ldc(c, i->op, M, R[N]);
            break;
        case OP_ldcl_sr: case OP_ldcl_gbr: case OP_ldcl_vbr: case OP_ldcl_ssr: case OP_ldcl_spc: case OP_ldcl_sgr:
        case OP_ldcl_dbr: case OP_ldcl_bank: case OP_ldsl_mach: case OP_ldsl_macl: case OP_ldsl_pr:
        case OP_ldsl_fpul: case OP_ldsl_fpscr:
            y = i->op;
            x = load(c, R[N], 4);
            R[N] += 4;
            ldc(c, y, M, x);
            break;
        case OP_stc_sr: case OP_stc_gbr: case OP_stc_vbr: case OP_stc_ssr: case OP_stc_spc: case OP_stc_sgr:
        case OP_stc_dbr: case OP_stc_bank: case OP_sts_mach: case OP_sts_macl: case OP_sts_pr: case OP_sts_fpul:
        case OP_sts_fpscr:
            R[N] = stc(c, i);
            break;
        case OP_stcl_sr: case OP_stcl_gbr: case OP_stcl_vbr: case OP_stcl_ssr: case OP_stcl_spc: case OP_stcl_sgr:
        case OP_stcl_dbr: case OP_stcl_bank: case OP_stsl_mach: case OP_stsl_macl: case OP_stsl_pr:
        case OP_stsl_fpul: case OP_stsl_fpscr:
            store(c, R[N] - 4, 4, stc(c, i));
            R[N] -= 4;
            break;
        default:
            c->effects++;
            FPU_EXECUTE(c, i);
        }
#ifdef TIMED
    done:
#endif
        COUNT;
        if (__builtin_expect(c->in_slot, 0))
            goto slot_done;
        c->pc += 2;
#ifdef TIMED
        /* The next one is its second where both lie in a line, and nothing came from outside in between. */
        if (kept && c->pc & 31 && !(use.kind & K_BRANCH) && use.pipe != PIPE_AND && !c->outside && !c->stop) {
            struct insn ahead;
            if (apart) { /* and heard of when it is made */
                uint16_t word;
                memcpy(&word, c->ram + (c->fetch_paddr + 2 - c->ram_base), 2);
                decode(word, &ahead);
                i = &ahead;
            } else {
                i = fetch(c, c->pc);
            }
            next = use_of(i->op, i->n, i->m, c->fpscr);
            if (pipeline_pairs(&c->pipe, &use, &next)) {
                c->tick += pipeline_advance(&c->pipe);
                c->pipe.open = true;
                if (__builtin_expect(i->flags & F_MARKED || apart, 0) && at_breakpoint(c))
                    return;
                c->start_tick = c->tick;
                c->unit_pc = c->pc;
                if (apart) {
                    i = fetch(c, c->pc);
                    next = use_of(i->op, i->n, i->m, c->fpscr); /* of what it served: */
                    next.reads = 0;                             /* nothing waited for what that reads */
                }
                use = next;
                goto paired;
            }
            /* Else the first of the next unit, straight on where there is nothing else to look at. */
            if (!(i->flags & F_LOOK) && !single && !c->attention && !apart) {
                c->tick += pipeline_advance(&c->pipe);
                if (c->tick >= c->until)
                    goto ended;
                c->start_tick = c->unit_tick = c->tick;
                c->unit_pc = c->pc;
                use = next;
                goto first;
            }
        }
    unit_done:
        c->pipe.open = false;
        if (use.kind & K_DRAINS || !(c->pc & 0xfff)) /* the next page */
            c->tick += pipeline_drain(&c->pipe, 0);
        else
            c->tick += pipeline_advance(&c->pipe);
#endif
        DISPATCH;

    delayed:
        COUNT;
        c->slot_target = target;
        c->pc += 2;
        c->in_slot = true;
        FETCH_SLOT;
        goto execute;

    slot_done:
        c->in_slot = false;
        target = c->slot_target;
        goto arrive;

    taken:
        COUNT;
    arrive:
        x = c->pc; /* of the branch, or of its slot */
        c->pc = target;
#ifdef TIMED
        if (c->pipe.target < 0)
            goto unit_done;
        c->tick += pipeline_drain(&c->pipe, c->pipe.target);
        c->pipe.target = -1;
#endif
        if (x - target <= 64 && c->skip_loops && !single)
            loop_arrival(c);
        DISPATCH_ARRIVED;
    }
}
