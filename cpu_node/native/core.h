/* State of the native SH-4A core and what its parts need of each other.
 *
 * A decoded-cache interpreter, and above it code generated for what is hot (jit.c). Each physical 4 KB page of RAM
 * that runs code has an array of decoded instructions; a store into a 32-byte line that was decoded drops that
 * line's entries. Semantics are written by hand here and, independently, in cpu_node/python_core.
 * docs/reference/semantics.md fixes the points that may be settled differently. Timing is "fast", one tick an
 * instruction, or the model of timing.h: what TIMED makes different is compiled twice (run_timed.c, fpu_timed.c). */
#ifndef COSIM_CORE_H
#define COSIM_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "profile.h"
#include "timing.h"

#define NEVER ((int64_t)1 << 62)

enum { SR_T = 1, SR_S = 2, SR_Q = 0x100, SR_M = 0x200, SR_FD = 0x8000 };
#define SR_MD 0x40000000u
#define SR_RB 0x20000000u
#define SR_BL 0x10000000u
#define SR_MASK 0x700083f3u
#define SR_IMASK 0xf0u
#define CPUOPM_INTMU 8u /* the name is read, the position remembered: docs/reference/semantics.md */

#define FPSCR_RM 3u
#define FPSCR_DN 0x40000u
#define FPSCR_PR 0x80000u
#define FPSCR_SZ 0x100000u
#define FPSCR_FR 0x200000u
#define FPSCR_MASK 0x003fffffu

enum op {
    OP_illegal = 0,
#define X(name, mask, match, flags, ...) OP_##name,
#include "isa.h"
#undef X
    OP_COUNT
};
enum { F_PRIV = 1, F_BRANCH = 2, F_DELAYED = 4, F_FPU = 8, F_NOSLOT = 16, F_ILLEGAL = 32, F_MARKED = 64 };
#define F_LOOK (F_PRIV | F_FPU | F_ILLEGAL | F_MARKED) /* checks before execution, outside a slot too */

/* One decoded instruction. */
struct insn {
    uint16_t op;
    uint16_t word;
    uint8_t n, m;
    uint8_t flags; /* F_MARKED: a breakpoint may lie here, look at the set */
    uint8_t heat;  /* arrivals by a taken branch */
    int32_t imm;
};
#define NOT_DECODED OP_COUNT
#define OP_COMPILED (OP_COUNT + 1) /* generated code starts here: jit.c's block `imm` */
#define NEVER_HOT 255
#define NO_PAGE 0xffffffffu /* equals no masked pc */
#define PAGE 4096u
#define INSNS_PER_PAGE (PAGE / 2)

struct code_page {
    struct insn insn[INSNS_PER_PAGE];
    uint8_t line[PAGE / 32]; /* decoded lines */
};

struct tlb_entry {
    uint32_t vpn;  /* PTEH: VPN and ASID */
    uint32_t data; /* PTEL */
};
enum { CCR_OCE = 1, CCR_WT = 2, CCR_CB = 4, CCR_OCI = 8, CCR_ICE = 0x100, CCR_ICI = 0x800 };
enum { PTEL_WT = 1, PTEL_SH = 2, PTEL_D = 4, PTEL_C = 8, PTEL_SZ0 = 0x10, PTEL_SZ1 = 0x80, PTEL_V = 0x100 };

enum access { READ, WRITE, FETCH, FPU };

/* Software TLB: one way, per kind of access; host pointer minus virtual address. */
#define SOFT 1024
struct soft {
    uint32_t tag[SOFT]; /* virtual page | soft_key of the mode it was translated in; 0 invalid */
    uint8_t *host[SOFT];
};

struct segment {
    int64_t from;
    int64_t value, step_ticks, step;
};
struct lease {
    uint32_t addr, size;
    int64_t expires;
    uint32_t seen;
    int64_t seen_tick, count;
    int segments;
    struct segment *segment;
};

/* Accesses of one kind by one instruction to one page of RAM that is not the running guest's. */
#define TRESPASSES 256
struct trespass {
    int64_t tick, count; /* of the first */
    uint32_t pc, vaddr, paddr;
    enum access kind;
};
struct range {
    uint32_t first, last;
};
#define RANGES 64
#define SLOTS 3

enum stop { STOP_NONE, STOP_HORIZON, STOP_INTERRUPT, STOP_TRAP, STOP_BREAKPOINT, STOP_SLEEP, STOP_RESET, STOP_VBR,
            STOP_ERROR };

typedef struct core {
    PyObject_HEAD
    /* registers of the running context first: the interpreter touches them most */
    uint32_t r[16];
    uint32_t pc, pr, sr, gbr;
    uint32_t t; /* SR.T; what sr has in its place does not count */
    uint32_t mach, macl;
    uint32_t fr[16], xf[16], fpscr, fpul;
    uint32_t bank[8];
    uint32_t vbr, ssr, spc, sgr, dbr;
    uint32_t pteh, ptel, ttb, tea, mmucr, pascr, ccr, tra, expevt, intevt;
    uint32_t qacr[2], ramcr, irmcr, cpuopm, expmask, ubc[16], cbcr, ccmfr;
    uint32_t sq[2][8];
    uint32_t ll; /* MOVLI reservation */
    struct tlb_entry utlb[64], itlb[4];

    int64_t tick, left_tick, until, instructions, skipped, leased_reads, sleep_ticks;
    int64_t unit_tick; /* start of the unit being executed */
    bool sleeping;
    int irq_level;
    uint32_t irq_code;
    bool attention; /* something other than the budget to look at before the next unit */

    uint32_t unit_pc;  /* of the branch when in its slot */
    bool in_slot;
    uint32_t slot_target;
    jmp_buf trapped;   /* exceptions leave the instruction by this */
    enum stop stop;
    bool running;
    char detail[256];

    bool vectored;
    uint32_t vector_base;
    int64_t charge_general, charge_tlb, charge_interrupt;
    bool trap_page;
    uint32_t trap_first, trap_last;
    uint32_t *breakpoints;
    int breakpoint_count;
    uint32_t passed_pc;
    int64_t passed_tick;

    uint32_t ram_base, ram_size;
    uint8_t *ram;
    struct code_page **code; /* per RAM page */
    uint8_t *has_code;       /* per RAM page: stores must look */
    struct soft soft[3];
    uint32_t soft_key; /* 1 user, 3 privileged, slot << 2: a change of mode or guest needs no flush */
    struct insn *fetch_base; /* decoded page of the current fetch page, or NULL */
    uint32_t fetch_tag; /* virtual page, or NO_PAGE */
    struct insn scratch; /* decoded, but not kept */
    uint32_t fetch_page; /* physical page of fetch_tag */
    uint32_t fetch_paddr; /* of the last fetch off the fast path, and what served it */
    enum { FROM_RAM, FROM_BUS, FROM_HOOK } fetch_source;

    struct lease *lease;
    int lease_count;
    PyObject *seen; /* reads served by leases that have been replaced */

    struct range own; /* physical: what the running guest may touch; everything where nothing is watched */
    /* Pages and code are remembered by slot: 0 for all of RAM, the others shared by the partitions that there were,
     * which are disjoint. */
    struct range partition[RANGES];
    int partition_count;
    unsigned slot, in_slot_now[SLOTS]; /* of the partition; 1 + the partition that a slot remembers for, 0: none */
    struct range trusted[RANGES], barred[RANGES]; /* SPUMONE's code; registers that are not this guest's: no leases of them
                                                      serve it, and writes of those in the core are noted */
    int trusted_count, barred_count;
    bool guards_vbr; /* code that is not SPUMONE's may not set VBR: the run stops there */
    bool no_fpu; /* the running guest has none: the registers are another guest's, and each use is noted */
    bool refuse; /* what is not its own is not written, and reads as 0 */
    struct trespass trespass[TRESPASSES], *last_trespass;
    int trespass_count;
    int64_t trespass_more; /* that found no room */

    bool skip_loops;
    uint64_t effects; /* stores, bus accesses, exceptions: anything that makes an iteration unique */
    uint32_t loop_target;
    uint64_t loop_effects;
    int64_t loop_tick, loop_instructions, loop_limit;
    uint32_t loop_state[16 + 12];

    PyObject *bus, *hook;

    struct jit *jit; /* NULL: no generated code */
    int hot;         /* arrivals after which code is generated; 0: never */
    int hold;        /* taken branches for which the interpreter keeps the turn */
    int resume;      /* units until one counts as arrived at: the interpreter does what could not be generated */
    bool host_fma;
    int64_t generated; /* instructions that generated code executed */
    int32_t budget;  /* ticks that generated code left over */
    uint32_t jit_scratch, jit_value;
    uint64_t jit_host;
    int64_t executed;  /* timed: instructions, since generated code was entered */
    uint32_t left_block, left_step; /* timed: where it was left, but at its end */
    int32_t unit_budget; /* timed: at the begin of a pair whose first may stall */
    uint32_t fp_op;  /* last FPU operation of generated code whose cause is not in FPSCR yet, and its operands */
    uint64_t fp_a, fp_b, fp_c;
    uint32_t fp_v[20];

    /* timing = "sh4a" */
    bool timed;
    bool outside;       /* this unit made an access beyond RAM: what a callback did counts before the next one */
    enum memory memory; /* that the last translation led to */
    int32_t fill;       /* a line that an access brings in costs this: MOVCA fetches nothing */
    int64_t start_tick; /* where an instruction starts that a callback may undo: unit_tick, or its pair's middle */
    struct pipeline pipe;
    struct cache instruction, operand;

    PyObject *profile, *weak; /* cpu_node.profile.Profile, which refers to this core weakly */
    struct counters count;
    int64_t deopt_tick, *blamed; /* at which generated code left a unit undone; the counter of its cause, if known */
} core;

/* decode.c */
void decode_init(void);
void decode(uint16_t word, struct insn *out);
struct insn *code_at(core *c, uint32_t paddr); /* decoded entry, NULL outside RAM */
void code_invalidate(core *c, uint32_t paddr, uint32_t bytes);
void code_forget(core *c);
const char *op_name(unsigned op);

/* exceptions.c */
void raise_exception(core *c, uint32_t expevt, uint32_t offset) __attribute__((noreturn));
void raise_address(core *c, uint32_t vaddr, enum access kind) __attribute__((noreturn));
void enter_interrupt(core *c);
void set_sr(core *c, uint32_t value);
static inline uint32_t get_sr(const core *c) { return (c->sr & ~1u) | c->t; }
void set_fpscr(core *c, uint32_t value);
void reset(core *c, const char *why, uint32_t expevt);
void bus_error(core *c) __attribute__((noreturn)); /* a Python callback raised */

/* mmu.c */
bool ask_hook(core *c, const char *kind, uint32_t paddr, unsigned size, uint32_t *value);
uint32_t translate(core *c, uint32_t vaddr, enum access kind, bool *control);
bool translate_access(const core *c, uint32_t vaddr, enum access kind, uint32_t *paddr, bool *whole, uint32_t *ptel);
void mmu_flush(core *c);
void ldtlb(core *c);
bool internal_read(core *c, uint32_t addr, unsigned size, uint32_t *value);
bool internal_write(core *c, uint32_t addr, unsigned size, uint32_t value);
void store_queue_flush(core *c, uint32_t vaddr);
uint16_t fetch_word(core *c, uint32_t vaddr, uint32_t *paddr, bool *in_ram);
bool translate_for_cache(const core *c, uint32_t vaddr, uint32_t *paddr, uint32_t *ptel);
enum memory memory_kind(const core *c, uint32_t vaddr, uint32_t ptel, bool fetch);


/* memory.c */
uint32_t load_slow(core *c, uint32_t vaddr, unsigned size);
void store_slow(core *c, uint32_t vaddr, unsigned size, uint32_t value);
void bus_write(core *c, uint32_t paddr, unsigned size, uint32_t value);
uint32_t bus_read(core *c, uint32_t paddr, unsigned size);
void drop_leases(core *c, uint32_t first, uint32_t last);
int64_t lease_limit(core *c, int64_t tick);

/* partition.c */
bool trespass(core *c, enum access kind, uint32_t v, uint32_t p);
void set_own(core *c, struct range own);
void set_trusted(core *c, const struct range *ranges, int count);
bool core_trespass(core *c, uint32_t addr, uint32_t value);
bool may_set_vbr(const core *c, uint32_t pc);
void set_vbr(core *c, uint32_t value);

/* fpu.c */
void fpu_execute(core *c, const struct insn *i);
void fpu_execute_timed(core *c, const struct insn *i);
void fpu_quick(core *c, const struct insn *i); /* for generated code */
void fp_settle(core *c);

/* run.c */
void run(core *c, int64_t until, bool single);
void run_timed(core *c, int64_t until, bool single);

static inline bool in_ram(const core *c, uint32_t paddr) { return paddr - c->ram_base < c->ram_size; }
static inline bool in_range(const struct range *r, uint32_t p) { return p - r->first <= r->last - r->first; }
static inline bool in_ranges(const struct range *r, int count, uint32_t p)
{
    for (int k = 0; k < count; k++)
        if (in_range(r + k, p))
            return true;
    return false;
}
static inline bool is_watched(const core *c) { return c->own.last - c->own.first != 0xffffffff; }
static inline bool trusted(const core *c, uint32_t p) { return in_ranges(c->trusted, c->trusted_count, p); }
/* May the running guest touch RAM at p? SPUMONE's code it may run and read. */
static inline bool is_own(const core *c, enum access kind, uint32_t p)
{
    return in_range(&c->own, p) || (kind != WRITE && trusted(c, p));
}
/* The whole 4 KB page of p: only then may it be remembered. */
static inline bool own_page(const core *c, enum access kind, uint32_t p)
{
    return is_own(c, kind, p & ~0xfffu) && is_own(c, kind, p | 0xfff);
}

static inline uint32_t load(core *c, uint32_t vaddr, unsigned size)
{
    unsigned slot = vaddr >> 12 & (SOFT - 1);
    if (__builtin_expect(c->soft[READ].tag[slot] == ((vaddr & ~0xfffu) | c->soft_key) && !(vaddr & (size - 1)), 1)) {
        uint8_t *p = c->soft[READ].host[slot] + (vaddr & 0xfff);
#ifdef TIMED /* what is remembered then is cached */
        uint32_t paddr = c->ram_base + (uint32_t)(p - c->ram);
        if (__builtin_expect(c->operand.read[cache_set(vaddr)] != cache_tag(paddr), 0))
            c->tick += cache_access(c, &c->operand, vaddr, paddr, false, TIME_LINE_FILL);
#endif
        return size == 4 ? *(uint32_t *)p : size == 2 ? *(uint16_t *)p : *p;
    }
    return load_slow(c, vaddr, size);
}

static inline void store(core *c, uint32_t vaddr, unsigned size, uint32_t value)
{
    unsigned slot = vaddr >> 12 & (SOFT - 1);
    c->effects++;
    if (__builtin_expect(c->soft[WRITE].tag[slot] == ((vaddr & ~0xfffu) | c->soft_key) && !(vaddr & (size - 1)), 1)) {
        uint8_t *p = c->soft[WRITE].host[slot] + (vaddr & 0xfff);
#ifdef TIMED
        uint32_t paddr = c->ram_base + (uint32_t)(p - c->ram);
        if (__builtin_expect(c->operand.write[cache_set(vaddr)] != cache_tag(paddr), 0))
            c->tick += cache_access(c, &c->operand, vaddr, paddr, true, c->fill);
#endif
        if (size == 4)
            *(uint32_t *)p = value;
        else if (size == 2)
            *(uint16_t *)p = (uint16_t)value;
        else
            *p = (uint8_t)value;
        uint32_t off = (uint32_t)(p - c->ram);
        if (__builtin_expect(c->has_code[off >> 12], 0))
            code_invalidate(c, c->ram_base + off, size);
        return;
    }
    store_slow(c, vaddr, size, value);
}

#endif
