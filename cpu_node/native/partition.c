/* What the running guest has no part in: RAM outside its partition, register blocks of another guest.
 *
 * Of such RAM no page is remembered: neither by load(), store() and fetch() nor by generated code, so that each access
 * takes the slow way and is noted here. A change of the guest forgets what was remembered for the one before. */
#include "core.h"
#include "jit.h"

#include <string.h>

/* Code of SPUMONE, run through P1 or P2 in a guest's place: vectors on their way to the guest's, the loader. */
static bool by_trusted(const core *c)
{
    return c->unit_pc >= 0x80000000 && c->unit_pc < 0xc0000000 && trusted(c, c->unit_pc & 0x1fffffff);
}

/* An access to RAM outside the partition; for a fetch v is its PC. True: it is to be refused. */
bool trespass(core *c, enum access kind, uint32_t v, uint32_t p)
{
    uint32_t pc = kind == FETCH ? v : c->unit_pc;
    if (kind != FETCH && by_trusted(c))
        return false;
    c->effects++; /* no iteration is skipped: each counts */
    struct trespass *row = c->last_trespass;
    if (!row || row->pc != pc || row->kind != kind || (row->paddr ^ p) & ~0xfffu) {
        int k = 0;
        while (k < c->trespass_count &&
               (c->trespass[k].pc != pc || c->trespass[k].kind != kind || (c->trespass[k].paddr ^ p) & ~0xfffu))
            k++;
        if (k == TRESPASSES) {
            c->trespass_more++;
            return c->refuse;
        }
        row = c->last_trespass = &c->trespass[k];
        if (k == c->trespass_count) {
            c->trespass_count++;
            *row = (struct trespass){.tick = c->unit_tick, .pc = pc, .vaddr = v, .paddr = p, .kind = kind};
        }
    }
    row->count++;
    return c->refuse;
}

static void forget(core *c)
{
    for (int k = 0; k < 3; k++)
        memset(c->soft[k].tag, 0, sizeof c->soft[k].tag);
    c->fetch_tag = NO_PAGE;
    c->effects++;
    jit_unmap_all(c);
}

void set_own(core *c, struct range own)
{
    if (own.first == c->own.first && own.last == c->own.last)
        return;
    c->own = own;
    forget(c);
    int k = 0;
    while (k < c->partition_count && memcmp(c->partition + k, &own, sizeof own))
        k++;
    if (k < c->partition_count || !is_watched(c))
        return;
    /* Blocks that were linked within a partition that this one overlaps may lead out of this one. */
    bool overlaps = c->partition_count == RANGES;
    for (k = 0; k < c->partition_count; k++)
        overlaps |= own.first <= c->partition[k].last && c->partition[k].first <= own.last;
    if (overlaps) {
        jit_reset(c);
        c->partition_count = 0;
    }
    c->partition[c->partition_count++] = own;
}

void set_trusted(core *c, const struct range *ranges, int count)
{
    memcpy(c->trusted, ranges, sizeof *ranges * (size_t)count);
    c->trusted_count = count;
    forget(c);
    jit_reset(c);
}
