/* What instructions take (from the table in isa.h), and the tags of the caches. */
#include "core.h"

#include <string.h>

struct use_row use_rows[OP_COUNT];

#define FPU_USES (USE_FN | USE_FM | USE_PN | USE_PM | USE_SN | USE_SM | USE_DN | USE_VN | USE_VM)

/* The tracked results that have no number. */
static uint64_t fixed(uint32_t uses)
{
    static const struct { uint32_t use; unsigned at; } names[] = {
        {USE_R0, AT_R}, {USE_T, AT_T}, {USE_GBR, AT_GBR}, {USE_MAC, AT_MAC}, {USE_PR, AT_PR}, {USE_FPUL, AT_FPUL},
        {USE_FPSCR, AT_FPSCR}, {USE_XF, AT_XF}, {USE_FR0, AT_FR},
    };
    uint64_t bits = 0;
    for (unsigned k = 0; k < sizeof names / sizeof *names; k++)
        if (uses & names[k].use)
            bits |= 1ull << names[k].at;
    return bits;
}

uint64_t fpu_uses(uint32_t uses, unsigned n, unsigned m, uint32_t fpscr)
{
    bool pr = fpscr & FPSCR_PR, sz = fpscr & FPSCR_SZ;
    uint64_t bits = 0;
#define FR(k, mask) ((uint64_t)(mask) << (AT_FR + (k)))
    if (uses & USE_FN || (uses & USE_PN && !pr) || (uses & USE_SN && !sz))
        bits |= FR(n, 1);
    if (uses & USE_FM || (uses & USE_PM && !pr) || (uses & USE_SM && !sz))
        bits |= FR(m, 1);
    if (uses & USE_DN || (uses & USE_PN && pr))
        bits |= FR(n & 14, 3);
    if (uses & USE_PM && pr)
        bits |= FR(m & 14, 3);
    if (uses & USE_SN && sz)
        bits |= n & 1 ? 1ull << AT_XF : FR(n, 3);
    if (uses & USE_SM && sz)
        bits |= m & 1 ? 1ull << AT_XF : FR(m, 3);
    if (uses & USE_VN)
        bits |= FR(n & 12, 15);
    if (uses & USE_VM)
        bits |= FR((n & 3) << 2, 15);
#undef FR
    return bits;
}

void timing_init(void)
{
    static const struct { uint8_t pipe, latency; uint32_t reads, writes; uint8_t flags; } table[] = {
        {PIPE_EX, LAT_ALU, 0, 0, F_ILLEGAL},
#define X(name, mask, match, flags, pipe, latency, reads, writes, at_once) {pipe, latency, reads, writes, flags},
#include "isa.h"
#undef X
    };
    for (unsigned op = 0; op < OP_COUNT; op++) {
        struct use_row *r = &use_rows[op];
        r->pipe = table[op].pipe;
        r->latency = table[op].latency;
        r->reads = fixed(table[op].reads);
        r->rn = !!(table[op].reads & USE_N);
        r->rm = !!(table[op].reads & USE_M);
        r->fpu_reads = table[op].reads & FPU_USES;
        if (time_latency[0][r->latency] || time_latency[1][r->latency]) {
            r->writes = fixed(table[op].writes);
            r->wn = !!(table[op].writes & USE_N); /* no result is named by m */
            r->fpu_writes = table[op].writes & FPU_USES;
        }
        r->fpu = r->fpu_reads | r->fpu_writes;
        r->kind = (table[op].flags & F_ILLEGAL ? K_ILLEGAL : 0) | (table[op].flags & F_BRANCH ? K_BRANCH : 0) |
                  (r->latency == LAT_FDIV ? K_DIVIDER : 0) |
                  (r->latency == LAT_MUL || r->latency == LAT_DMUL ? K_MULTIPLIER : 0);
    }
    use_rows[OP_movua].kind |= K_MOVUA;
    use_rows[OP_movua_inc].kind |= K_MOVUA;
    use_rows[OP_ldc_sr].kind |= K_DRAINS;
    use_rows[OP_ldcl_sr].kind |= K_DRAINS;
    use_rows[OP_ldtlb].kind |= K_DRAINS;
    use_rows[OP_sleep].kind |= K_DRAINS;
}

/* Tags */

static void refresh(struct cache *cache, unsigned set)
{
    uint32_t first = cache->way[set][0], tag = first & ~(uint32_t)LINE_U;
    cache->read[set] = first & LINE_V ? tag : 0;
    cache->write[set] = first & LINE_V && first & LINE_U ? tag : 0;
}

/* The way that holds a line, or -1. */
static int find(const struct cache *cache, unsigned set, uint32_t paddr)
{
    for (int k = 0; k < 4; k++)
        if ((cache->way[set][k] & ~(uint32_t)LINE_U) == cache_tag(paddr))
            return k;
    return -1;
}

/* Way k was used last now, and holds `word`. */
static void use_way(struct cache *cache, unsigned set, int k, uint32_t word)
{
    uint32_t *way = cache->way[set];
    memmove(way + 1, way, sizeof *way * (size_t)k);
    way[0] = word;
    refresh(cache, set);
}

int32_t cache_access(core *c, struct cache *cache, uint32_t v, uint32_t p, bool dirty, int32_t fill)
{
    MARK(ROW_CACHES);
    unsigned set = cache_set(v);
    int k = find(cache, set, p);
    if (k >= 0) {
        use_way(cache, set, k, cache->way[set][k] | (dirty ? LINE_U : 0));
        return 0;
    }
    BLAME(c, deopts_cache);
    for (k = 3; k > 0 && cache->way[set][k] & LINE_V; k--)
        ;
    if (cache->way[set][k] & LINE_V)
        k = 3; /* none invalid: the least recently used gives way */
    uint32_t old = cache->way[set][k];
    use_way(cache, set, k, cache_tag(p) | (dirty ? LINE_U : 0));
    c->effects++;
    return fill + (old & LINE_V && old & LINE_U ? TIME_WRITE_BACK : 0);
}

void cache_clear(struct cache *cache) { memset(cache, 0, sizeof *cache); }

void cache_load_words(struct cache *cache, const uint32_t *words, uint32_t mask)
{
    for (unsigned set = 0; set < SETS; set++) {
        for (unsigned k = 0; k < 4; k++)
            cache->way[set][k] = words[4 * set + k] & mask;
        refresh(cache, set);
    }
}

/* Lines are dropped: V and U go, the order of use and the tags of the ways stay. */
void cache_invalidate(core *c, struct cache *cache)
{
    for (unsigned set = 0; set < SETS; set++) {
        for (unsigned k = 0; k < 4; k++)
            cache->way[set][k] &= ~(uint32_t)(LINE_V | LINE_U);
        refresh(cache, set);
    }
    c->effects++;
}

/* Bits 12:5 of the address are the set, 14:13 the way. */
uint32_t cache_array_read(const struct cache *cache, uint32_t addr) { return cache->way[cache_set(addr)][addr >> 13 & 3]; }

void cache_array_write(core *c, struct cache *cache, uint32_t addr, uint32_t v)
{
    unsigned set = cache_set(addr);
    uint32_t flags = v & LINE_V ? v & (cache == &c->operand ? LINE_V | LINE_U : LINE_V) : 0, p, ptel;
    if (addr & 8 && !translate_for_cache(c, v & 0xfffffc00, &p, &ptel))
        return;
    for (unsigned k = 0; k < 4; k++) {
        uint32_t *way = &cache->way[set][k], tag = *way & 0xfffffc00;
        if (addr & 8 ? !(*way & LINE_V) || tag != (p & 0xfffffc00) : k != (addr >> 13 & 3))
            continue;
        if (*way & LINE_U)
            c->tick += TIME_WRITE_BACK;
        *way = (addr & 8 ? tag : v & 0xfffffc00) | flags;
    }
    refresh(cache, set);
    c->effects++;
}

void cache_operation(core *c, unsigned op, uint32_t v)
{
    uint32_t p, ptel;
    if (!translate_for_cache(c, v, &p, &ptel))
        return;
    bool instruction = op == OP_icbi || op == OP_prefi;
    struct cache *cache = instruction ? &c->instruction : &c->operand;
    if (op == OP_pref || op == OP_prefi) {
        if (in_ram(c, p) && memory_kind(c, v, ptel, instruction) != UNCACHED)
            c->tick += cache_access(c, cache, v, p, false, TIME_PREFETCH);
        return;
    }
    unsigned set = cache_set(v);
    int k = find(cache, set, p);
    if (k < 0)
        return;
    uint32_t *way = &cache->way[set][k], old = *way;
    if (op != OP_ocbi && old & LINE_U)
        c->tick += TIME_WRITE_BACK;
    *way &= ~(uint32_t)(op == OP_ocbwb ? LINE_U : LINE_V | LINE_U);
    refresh(cache, set);
    if (*way != old)
        c->effects++;
}

/* Accesses */

void time_ram(core *c, uint32_t v, uint32_t p, bool store)
{
    BLAME(c, deopts_uncached);
    if (c->memory == UNCACHED) {
        c->tick += store ? TIME_UNCACHED_WRITE : TIME_UNCACHED_READ;
    } else if (store && c->memory == WRITE_THROUGH) {
        unsigned set = cache_set(v);
        int k = find(&c->operand, set, p);
        if (k >= 0)
            use_way(&c->operand, set, k, c->operand.way[set][k]);
        c->tick += TIME_UNCACHED_WRITE;
    } else {
        c->tick += cache_access(c, &c->operand, v, p, store, c->fill);
    }
}

/* The instruction at pc was fetched, and does not lie in what was fetched before. */
void time_fetch_slow(core *c, uint32_t pc)
{
    bool whole = (pc & 0xfffff001) == c->fetch_tag; /* of a page of cached RAM */
    struct pipeline *p = &c->pipe;
    if (whole || (c->fetch_source == FROM_RAM && c->memory != UNCACHED)) {
        uint32_t paddr = whole ? c->fetch_page | (pc & 0xfff) : c->fetch_paddr;
        p->fetched = pc & ~31u;
        p->fetched_bytes = 32;
        c->tick += cache_access(c, &c->instruction, pc, paddr, false, TIME_LINE_FILL);
    } else if (c->fetch_source == FROM_RAM) {
        p->fetched = pc & ~3u;
        p->fetched_bytes = 4;
        c->tick += TIME_UNCACHED_READ;
    } else if (c->fetch_source == FROM_BUS) {
        p->fetched = p->fetched_bytes = 0;
        c->tick += TIME_MMIO_READ;
    }
}
