/* What jit.c (blocks, and the way in and out) and translate.c (from instructions to host code) share. */
#ifndef COSIM_JIT_PARTS_H
#define COSIM_JIT_PARTS_H

#include "jit.h"
#include "x86.h"

#include <stddef.h>

#define CODE_BYTES (8u << 20)
#define BLOCKS 32768
#define KILLS 50          /* a page whose code was overwritten that often, each time less than CALM ticks after */
#define CALM 4000000      /* the last, is not compiled */
#define FILLED 8192
#define PAGES (1u << 20)
#define JUMPS 4096
#define TABLES (4 * (size_t)PAGES * sizeof(uint64_t))
#define MEMORY (CODE_BYTES + JUMPS * sizeof(struct jump) + TABLES)

/* What generated code depends on beside the address. */
enum { KEY_MD = 1, KEY_FD = 2, KEY_PR = 4, KEY_SZ = 8, KEY_RM = 16, KEY_DN = 32, KEY_ENABLES = 64, KEY_TIMED = 128,
       KEY_SLOT = 256 /* times the slot of the guest's partition */ };

struct block {
    uint8_t *code;
    uint32_t vpc, key;
    int32_t cost;
    uint32_t page;          /* of RAM */
    struct insn *entry, original; /* NULL: it is dead */
    uint8_t *dead;          /* where its entry jumps when it must not run any more */
    uint64_t lines[2];      /* of the page: instructions and literals */
    unsigned misses;        /* arrivals in another mode or at another address */
    int next_here;          /* block of the same entry for another address or mode, or -1 */
    int next_in_page;
};

struct jump {
    uint32_t vpc, key;
    uint8_t *code;
};

struct jit {
    uint8_t *memory;        /* below 2 GB, so that tables are addressed absolutely */
    uint8_t *code, *start, *end; /* free place, first block, end */
    uint8_t *more;          /* tables of the slots from 1 on; NULL: there is one slot */
    /* [slot][user, privileged][read, write]: host address of a 4 KB page minus its virtual one */
    uint64_t *table[SLOTS][2][2];
    struct jump *jumps;
    uint8_t *enter, *leave, *indirect;
    uint8_t *fill_thunk, *store_thunk, *cache_thunk, *code_thunk, *fp_thunk, *div1_thunk, *div0s_thunk;
    struct block *blocks;
    int block_count;
    int *in_page;           /* per RAM page: its blocks */
    struct kills {
        int64_t last;
        int count;
    } *kills;           /* per RAM page */
    uint32_t filled[SLOTS][2][FILLED]; /* pages in the tables: P1 and P2, translated */
    int filled_count[SLOTS][2];
};

/* Guest register to host register, or NONE: in memory. Timed code needs two more for itself. */
static const uint8_t fast_pins[16] = {RSI, RDI,  R8,   R9,   R10,  R11,  RBX,  R12,
                                      R13, NONE, NONE, NONE, NONE, NONE, NONE, R14};
static const uint8_t timed_pins[16] = {RSI,  RDI,  R8,   R9,   R10,  R11,  RBX,  NONE,
                                       NONE, NONE, NONE, NONE, NONE, NONE, NONE, R14};
extern _Thread_local const uint8_t *pin; /* of the core that is worked for */
#define TAG R12 /* timed only */
#define SET R13
#define BUDGET R15
#define IS_SAVED(reg) ((reg) == RBX || (reg) >= R12) /* by C functions */

#define BIAS 128 /* rbp points here into the core: more of it in reach of a byte */
#define FIELD(name) at(RBP, (int32_t)offsetof(core, name) - BIAS)
static inline struct opd word_of(size_t offset, unsigned k) { return at(RBP, (int32_t)(offset + 4 * k) - BIAS); }
static inline struct opd G(unsigned n) { return pin[n] != NONE ? in_reg(pin[n]) : word_of(offsetof(core, r), n); }
static inline struct opd FR(unsigned n) { return word_of(offsetof(core, fr), n); }
static inline struct opd XF(unsigned n) { return word_of(offsetof(core, xf), n); }

static inline uint32_t key_now(const core *c)
{
    uint32_t f = c->fpscr;
    return (c->sr & SR_MD ? KEY_MD : 0) | (c->sr & SR_FD || c->no_fpu ? KEY_FD : 0) | (f & FPSCR_PR ? KEY_PR : 0) |
           (f & FPSCR_SZ ? KEY_SZ : 0) | (f & FPSCR_RM ? KEY_RM : 0) | (f & FPSCR_DN ? KEY_DN : 0) |
           (f & 0xf80 ? KEY_ENABLES : 0) | (c->timed ? KEY_TIMED : 0) |
           c->slot * KEY_SLOT;
}

/* What generated code says when it ends; else the place of a jump that may be reached. */
enum { EXIT_PLAIN, EXIT_DEOPT, EXIT_STEP };

static inline void emit_carry(uint8_t **p) /* host carry = T */
{
    enc(p, 0, 0, 0x0fba, 4, FIELD(t));
    put8(p, 0);
}

int find_block(core *c, uint32_t pc, uint32_t key); /* its index, or -1 */
void stand(core *c, int64_t end);

#endif
