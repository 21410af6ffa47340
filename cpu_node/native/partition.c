/* What the running guest has no part in: RAM outside its partition, register blocks of another guest, registers of the
 * core that are SPUMONE's (VBR) or are switched for others only.
 *
 * Of such RAM no page is remembered: neither by load(), store() and fetch() nor by generated code, so that each access
 * takes the slow way and is noted here. */
#include "core.h"
#include "jit.h"

#include <string.h>

/* Code of SPUMONE, run through P1 or P2 in a guest's place: vectors on their way to the guest's, the loader. */
static bool by_trusted(const core *c, uint32_t pc)
{
    return pc >= 0x80000000 && pc < 0xc0000000 && trusted(c, pc & 0x1fffffff);
}

bool may_set_vbr(const core *c, uint32_t pc) { return !c->guards_vbr || by_trusted(c, pc); }

/* LDC to VBR. A guest that does so takes the interrupts away from SPUMONE: the run stops after this unit. Generated
 * code leaves such an instruction to the interpreter. */
void set_vbr(core *c, uint32_t value)
{
    c->vbr = value;
    if (may_set_vbr(c, c->unit_pc))
        return;
    snprintf(c->detail, sizeof c->detail, "sets VBR to 0x%08x at pc 0x%08x", value, c->unit_pc);
    c->stop = STOP_VBR;
}

/* An access to RAM outside the partition; for a fetch v is its PC. True: it is to be refused. */
bool trespass(core *c, enum access kind, uint32_t v, uint32_t p)
{
    uint32_t pc = kind == FETCH ? v : c->unit_pc;
    if (kind != FETCH && by_trusted(c, c->unit_pc))
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

#define CORE_END 0xff100000 /* registers from here on are devices', which the bus watches */

/* A write of a register in the core that is not the running guest's. Of CCR, only a change of how the caches work counts:
 * each guest may clear them. True: it is to be refused. */
bool core_trespass(core *c, uint32_t addr, uint32_t value)
{
    if (addr >= CORE_END || !in_ranges(c->barred, c->barred_count, addr) ||
        (addr == 0xff00001c && !((value ^ c->ccr) & (CCR_ICE | CCR_OCE | CCR_WT | CCR_CB))))
        return false;
    return trespass(c, WRITE, value, addr);
}

/* What was remembered in a slot. */
static void forget(core *c, unsigned slot)
{
    for (int k = 0; k < 3; k++)
        memset(c->soft[k].tag, 0, sizeof c->soft[k].tag);
    jit_unmap_slot(c, slot);
}

/* Number of a partition; where it overlaps others, code that was linked within one of them may lead out of it, and all
 * begin anew. */
static int number_of(core *c, struct range own)
{
    bool overlaps = false;
    for (int k = 0; k < c->partition_count; k++) {
        if (!memcmp(c->partition + k, &own, sizeof own))
            return k;
        overlaps |= own.first <= c->partition[k].last && c->partition[k].first <= own.last;
    }
    if (overlaps || c->partition_count == RANGES) {
        jit_reset(c);
        c->partition_count = 0;
        memset(c->in_slot_now, 0, sizeof c->in_slot_now);
    }
    c->partition[c->partition_count] = own;
    return c->partition_count++;
}

void set_own(core *c, struct range own)
{
    if (own.first == c->own.first && own.last == c->own.last)
        return;
    c->own = own;
    c->fetch_tag = NO_PAGE;
    c->effects++;
    bool apart = jit_slots(c);
    unsigned what = 0; /* in slot 0, always */
    c->slot = 0;
    if (is_watched(c)) {
        int k = number_of(c, own);
        c->slot = 1 + (unsigned)k % (SLOTS - 1);
        what = (unsigned)k + 1;
    }
    if (c->in_slot_now[c->slot] != what || !apart)
        forget(c, c->slot);
    c->in_slot_now[c->slot] = what;
    c->soft_key = (c->soft_key & 3) | c->slot << 2;
}

void set_trusted(core *c, const struct range *ranges, int count)
{
    memcpy(c->trusted, ranges, sizeof *ranges * (size_t)count);
    c->trusted_count = count;
    c->guards_vbr = true;
    c->fetch_tag = NO_PAGE;
    c->effects++;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        forget(c, slot);
    jit_reset(c);
}
