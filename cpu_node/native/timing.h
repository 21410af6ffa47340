/* timing = "sh4a": the pipeline and the tags of the caches (docs/reference/timing.md).
 *
 * The pipeline is a plain struct, and what is done to it here depends on nothing else: the interpreter steps it
 * as instructions execute; a code generator may step a copy ahead of time. One unit is, in this order:
 *
 *     pipeline_issue   an instruction: when it issues
 *     (it executes; stalls go to core.tick, not to the pipeline)
 *     pipeline_mark    when what it wrote is ready
 *     pipeline_pairs   whether the next one is its second
 *     pipeline_advance or pipeline_drain   the unit ends: ticks that it took
 *
 * Times are ticks of the pipeline's own clock, which begins anew at 0 with each drain: at the latest at the next
 * page, so that it stays small. */
#ifndef COSIM_TIMING_H
#define COSIM_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "isa.h" /* PIPE_ LAT_ USE_ */
#include "timing_parameters.h"

struct core;

/* Bits of the tracked results, in the order of the snapshot. */
enum { AT_R = 0, AT_T = 16, AT_PR, AT_GBR, AT_MAC, AT_FPUL, AT_FPSCR, AT_XF, AT_FR, TRACKED = AT_FR + 16 };

/* What one instruction takes: from the table, its register numbers and FPSCR. */
struct use {
    uint64_t reads, writes; /* writes of latency 0, and those at once, are never waited for: not here */
    uint8_t pipe, latency, fe;
    uint8_t kind;
};
enum { K_ILLEGAL = 1, K_BRANCH = 2, K_DIVIDER = 4, K_MULTIPLIER = 8, K_MOVUA = 16, K_DRAINS = 32 };

struct pipeline {
    int32_t now;    /* the clock at the begin of the unit; with a pair open, at the end of its first */
    int32_t issued; /* the last instruction did */
    int32_t target; /* where a branch was taken: its target issues then at the earliest; -1: none was */
    int32_t divider, fe, ls; /* free again */
    uint64_t pending;        /* results whose time below counts; it may have passed */
    int32_t ready[TRACKED];
    uint32_t fetched, fetched_bytes; /* virtual address; 32, 4 or 0 bytes from it were fetched last */
    bool open;                       /* the second of a pair is due, in the tick before `now` */
};

void timing_init(void);

/* By opcode; register numbers come in by shifting rn rm wn by n and m. */
extern struct use_row {
    uint64_t reads, writes;
    uint8_t rn, rm, wn;
    uint8_t pipe, latency, kind; /* latency: its class, LAT_ */
    bool fpu;
    uint32_t fpu_reads, fpu_writes; /* USE_ of FPU registers */
} use_rows[];
uint64_t fpu_uses(uint32_t uses, unsigned n, unsigned m, uint32_t fpscr);

/* What the instruction takes that op, n and m say, under an FPSCR. */
static inline struct use use_of(unsigned op, unsigned n, unsigned m, uint32_t fpscr)
{
    const struct use_row *r = &use_rows[op];
    bool pr = fpscr >> 19 & 1;
    struct use u = {
        .reads = r->reads | (uint64_t)r->rn << n | (uint64_t)r->rm << m,
        .writes = r->writes | (uint64_t)r->wn << n,
        .pipe = r->pipe,
        .latency = time_latency[pr][r->latency],
        .fe = time_fe_busy[pr][r->latency],
        .kind = r->kind,
    };
    if (__builtin_expect(r->fpu, 0)) {
        u.reads |= fpu_uses(r->fpu_reads, n, m, fpscr);
        u.writes |= fpu_uses(r->fpu_writes, n, m, fpscr);
    }
    return u;
}

static inline bool pipeline_fetched(const struct pipeline *p, uint32_t pc)
{
    return (pc ^ p->fetched) < p->fetched_bytes;
}

/* It issues at `earliest` or as soon after as all that it needs is ready. */
static inline void pipeline_issue(struct pipeline *p, const struct use *u, int32_t earliest)
{
    int32_t t = earliest;
    if ((u->pipe == PIPE_LS || u->pipe == PIPE_AND) && p->ls > t)
        t = p->ls;
    if (u->fe && p->fe > t)
        t = p->fe;
    if (u->kind & K_DIVIDER && p->divider > t)
        t = p->divider;
    for (uint64_t wait = u->reads & p->pending; wait; wait &= wait - 1) {
        int32_t r = p->ready[__builtin_ctzll(wait)];
        t = r > t ? r : t;
    }
    p->issued = t;
}

/* The instruction that issued has ended. */
static inline void pipeline_mark(struct pipeline *p, const struct use *u)
{
    p->pending &= ~u->reads; /* they were waited for */
    for (uint64_t left = u->writes; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        int32_t r = p->issued + u->latency;
        if (!(p->pending >> k & 1) || p->ready[k] < r)
            p->ready[k] = r;
    }
    p->pending |= u->writes;
    if (u->fe)
        p->fe = p->issued + u->fe;
    if (u->kind & (K_DIVIDER | K_MOVUA)) {
        if (u->kind & K_DIVIDER)
            p->divider = p->issued + u->latency;
        else
            p->ls = p->issued + 2;
    }
}

/* The instruction `second`, next in the line of `first` that has just issued, can issue in the same tick. */
static inline bool pipeline_pairs(const struct pipeline *p, const struct use *first, const struct use *second)
{
    int32_t t = p->issued;
    if (first->pipe == PIPE_AND || second->pipe == PIPE_AND || (first->pipe == second->pipe && first->pipe != PIPE_OR))
        return false;
    if (second->kind & K_ILLEGAL || first->kind & second->kind & K_MULTIPLIER)
        return false;
    if (p->ls > t && !(first->kind & K_MOVUA)) /* of a MOVUA before */
        return false;
    if ((second->fe && p->fe > t) || (second->kind & K_DIVIDER && p->divider > t))
        return false;
    for (uint64_t wait = second->reads & p->pending; wait; wait &= wait - 1)
        if (p->ready[__builtin_ctzll(wait)] > t)
            return false;
    return true;
}

/* A unit, or the first of a pair, has ended; ticks. */
static inline int32_t pipeline_advance(struct pipeline *p)
{
    int32_t ticks = p->issued + 1 - p->now;
    p->now = p->issued + 1;
    return ticks;
}

/* Nothing pending, no pair open, no line fetched, without a tick. */
static inline void pipeline_fresh(struct pipeline *p)
{
    p->now = p->divider = p->fe = p->ls = 0;
    p->issued = p->target = -1;
    p->pending = 0;
    p->fetched = p->fetched_bytes = 0;
    p->open = false;
}

/* A unit has ended after which all that is pending is waited for, and for `earliest`; ticks. */
static inline int32_t pipeline_drain(struct pipeline *p, int32_t earliest)
{
    int32_t end = p->issued + 1 > earliest ? p->issued + 1 : earliest;
    for (uint64_t wait = p->pending; wait; wait &= wait - 1) {
        int32_t r = p->ready[__builtin_ctzll(wait)];
        end = r > end ? r : end;
    }
    end -= p->now;
    pipeline_fresh(p);
    return end;
}

/* Tags, by set (bits 12:5 of the virtual address), ways in the order of use: way 0 was used last. A word is the
 * physical address in bits 31:10, LINE_U dirty, LINE_V valid.
 *
 * For the check in line: `read[set]` equals the tag of way 0 with LINE_V (dirty or not) while it is valid, `write[set]`
 * while it is dirty too. A load, or a store in copy-back memory, that finds its tag there changes nothing. */
#define SETS 256
enum { LINE_V = 1, LINE_U = 2 };
struct cache {
    uint32_t read[SETS], write[SETS], way[SETS][4];
};
static inline unsigned cache_set(uint32_t vaddr) { return vaddr >> 5 & (SETS - 1); }
static inline uint32_t cache_tag(uint32_t paddr) { return (paddr & 0xfffffc00) | LINE_V; }

/* The other hits, and misses: ticks of stall. Ways move, the line comes in. */
int32_t cache_access(struct core *c, struct cache *cache, uint32_t vaddr, uint32_t paddr, bool dirty, int32_t fill);
void cache_clear(struct cache *cache); /* as new: all words 0 */
void cache_load_words(struct cache *cache, const uint32_t *words, uint32_t mask);
void cache_invalidate(struct core *c, struct cache *cache);
uint32_t cache_array_read(const struct cache *cache, uint32_t addr);
void cache_array_write(struct core *c, struct cache *cache, uint32_t addr, uint32_t value);
void cache_operation(struct core *c, unsigned op, uint32_t vaddr); /* OCBI OCBP OCBWB ICBI PREF PREFI */

/* What memory an address is, by CCR and the translation. */
enum memory { UNCACHED, WRITE_THROUGH, COPY_BACK };

/* One access to RAM by a load or a store, translated as c->memory says. */
void time_ram(struct core *c, uint32_t vaddr, uint32_t paddr, bool store);
void time_fetch_slow(struct core *c, uint32_t pc);

#endif
