/* MMU, store queues and the core's own registers in P4. The UTLB translates data and fetches; the ITLB
 * arrays are storage kept coherent by TI and associative writes (docs/reference/semantics.md). */
#include "core.h"
#include "jit.h"

#include <string.h>

void mmu_flush(core *c)
{
    MARK(ROW_TLB);
    c->count.tlb_flushes++;
    for (int k = 0; k < 3; k++)
        memset(c->soft[k].tag, 0, sizeof c->soft[k].tag);
    c->fetch_tag = NO_PAGE;
    c->effects++;
    jit_unmap(c);
}

static uint32_t page_mask(uint32_t data)
{
    switch (data & (PTEL_SZ1 | PTEL_SZ0)) {
    case 0: return 0xfffffc00;
    case PTEL_SZ0: return 0xfffff000;
    case PTEL_SZ1: return 0xffff0000;
    default: return 0xfff00000;
    }
}

/* Index of the UTLB entry that translates vaddr, -1 none, -2 several. *near: how many translate anything in
 * its 4 KB page. */
static int search(const core *c, uint32_t vaddr, int *near)
{
    bool any_asid = (c->mmucr & 0x100) && (c->sr & SR_MD);
    int hit = -1;
    *near = 0;
    for (int i = 0; i < 64; i++) {
        const struct tlb_entry *e = &c->utlb[i];
        if (!(e->data & PTEL_V) || ((e->vpn ^ vaddr) & page_mask(e->data) & 0xfffff000))
            continue;
        if (!(e->data & PTEL_SH) && !any_asid && (e->vpn ^ c->pteh) & 0xff)
            continue;
        (*near)++;
        if ((e->vpn ^ vaddr) & page_mask(e->data))
            continue;
        if (hit >= 0)
            return -2;
        hit = i;
    }
    return hit;
}

static void __attribute__((noreturn)) tlb_exception(core *c, uint32_t vaddr, uint32_t expevt, uint32_t offset)
{
    BLAME(c, deopts_tlb);
    c->count.tlb_exceptions++;
    c->tea = vaddr;
    if (expevt != 0x140) /* a multiple hit resets, and leaves it */
        c->pteh = (c->pteh & 0x3ff) | (vaddr & 0xfffffc00);
    raise_exception(c, expevt, offset);
}

/* *whole: the 4 KB page of vaddr has this one translation, by the PTEL *ptel. */
static uint32_t utlb_translate(core *c, uint32_t vaddr, enum access kind, bool *whole, uint32_t *ptel)
{
    int near, i = search(c, vaddr, &near);
    if (i == -2)
        tlb_exception(c, vaddr, 0x140, 0x100);
    if (i < 0)
        tlb_exception(c, vaddr, kind == WRITE ? 0x060 : 0x040, 0x400);
    const struct tlb_entry *e = &c->utlb[i];
    unsigned pr = e->data >> 5 & 3;
    bool user = !(c->sr & SR_MD);
    if (kind == WRITE) {
        if (!(pr & 1) || (user && pr != 3))
            tlb_exception(c, vaddr, 0x0c0, 0x100);
        if (!(e->data & PTEL_D))
            tlb_exception(c, vaddr, 0x080, 0x100);
    } else if (user && pr < 2) {
        tlb_exception(c, vaddr, 0x0a0, 0x100);
    }
    uint32_t mask = page_mask(e->data);
    *whole = near == 1 && mask <= 0xfffff000;
    *ptel = e->data;
    return (e->data & 0x1fffffff & mask) | (vaddr & ~mask);
}

/* For operations on the caches: no exception, protection is not looked at. False: no single translation. *ptel is
 * that of the UTLB, and means nothing elsewhere. */
bool translate_for_cache(const core *c, uint32_t v, uint32_t *p, uint32_t *ptel)
{
    *ptel = 0;
    if (v >= 0xe0000000 || (v >= 0x80000000 && !(c->sr & SR_MD)))
        return false;
    if ((v >= 0x80000000 && v < 0xc0000000) || !(c->mmucr & 1)) {
        *p = v & 0x1fffffff;
        return true;
    }
    int near, i = search(c, v, &near);
    if (i < 0)
        return false;
    uint32_t mask = page_mask(c->utlb[i].data);
    *ptel = c->utlb[i].data;
    *p = (*ptel & 0x1fffffff & mask) | (v & ~mask);
    return true;
}

/* What the caches do with RAM at a virtual address, of a translation by *ptel where the MMU is on. */
enum memory memory_kind(const core *c, uint32_t v, uint32_t ptel, bool fetch)
{
    bool p1 = v >= 0x80000000 && v < 0xa0000000, mapped = c->mmucr & 1 && !p1;
    if (!(c->ccr & (fetch ? CCR_ICE : CCR_OCE)) || (v >= 0xa0000000 && v < 0xc0000000) || v >= 0xe0000000 ||
        (mapped && !(ptel & PTEL_C)))
        return UNCACHED;
    return (p1 ? !(c->ccr & CCR_CB) : mapped ? ptel & PTEL_WT : c->ccr & CCR_WT) ? WRITE_THROUGH : COPY_BACK;
}

static uint32_t area7(uint32_t p, bool *control)
{
    if (p >= 0x1c000000) {
        *control = true;
        return p | 0xe0000000;
    }
    return p;
}

/* Physical address of an aligned access; *control: a P4 address, not memory. Raises. */
uint32_t translate(core *c, uint32_t v, enum access kind, bool *control)
{
    uint32_t p, ptel = 0;
    bool whole = true;
    *control = false;
    MARK(ROW_TLB);
    c->count.translations++;
    if (v >= 0x80000000 && !(c->sr & SR_MD)) {
        if ((v & 0xfc000000) == 0xe0000000 && kind != FETCH && !(c->mmucr & 0x200)) {
            *control = true;
            return v;
        }
        raise_address(c, v, kind);
    }
    if (v >= 0xe0000000) {
        if (kind == FETCH)
            raise_address(c, v, kind);
        *control = true;
        return v;
    }
    if (v >= 0x80000000 && v < 0xc0000000) {
        p = v & 0x1fffffff;
    } else if (!(c->mmucr & 1)) {
        p = v & 0x1fffffff;
    } else {
        p = area7(utlb_translate(c, v, kind, &whole, &ptel), control);
    }
    if (c->timed) { /* remembered is then what the inline check of load() and store() may serve */
        c->memory = memory_kind(c, v, ptel, kind == FETCH);
        whole &= kind == WRITE ? c->memory == COPY_BACK : c->memory != UNCACHED;
    }
    /* Remember whole 4 KB pages of RAM for the fast path. */
    if (whole && !*control && in_ram(c, p) && !c->hook && own_page(c, kind, p)) {
        unsigned slot = v >> 12 & (SOFT - 1);
        c->soft[kind].tag[slot] = (v & ~0xfffu) | c->soft_key;
        c->soft[kind].host[slot] = c->ram + ((p - c->ram_base) & ~0xfffu);
    }
    return p;
}

/* As translate, but says no where that would raise or does not end in the running guest's RAM. *whole: so does its whole 4 KB page. */
bool translate_access(const core *c, uint32_t v, enum access kind, uint32_t *paddr, bool *whole, uint32_t *ptel)
{
    *whole = true;
    *ptel = 0;
    if (v >= 0x80000000 && !(c->sr & SR_MD))
        return false;
    if (v >= 0xe0000000)
        return false;
    if ((v >= 0x80000000 && v < 0xc0000000) || !(c->mmucr & 1)) {
        *paddr = v & 0x1fffffff;
        return in_ram(c, *paddr) && own_page(c, kind, *paddr);
    }
    int near, i = search(c, v, &near);
    if (i < 0)
        return false;
    const struct tlb_entry *e = &c->utlb[i];
    unsigned pr = e->data >> 5 & 3;
    bool user = !(c->sr & SR_MD);
    if (kind == WRITE ? !(pr & 1) || (user && pr != 3) || !(e->data & PTEL_D) : user && pr < 2)
        return false;
    uint32_t mask = page_mask(e->data);
    *ptel = e->data;
    *whole = near == 1 && mask <= 0xfffff000;
    *paddr = (e->data & 0x1fffffff & mask) | (v & ~mask);
    return in_ram(c, *paddr) && own_page(c, kind, *paddr);
}

/* Forget what was remembered of an entry's pages. */
static void forget_pages(core *c, const struct tlb_entry *e)
{
    uint32_t bytes = ~page_mask(e->data) + 1;
    if (!(e->data & PTEL_V))
        return;
    if (bytes > 0x10000) {
        mmu_flush(c);
        return;
    }
    uint32_t v = e->vpn & page_mask(e->data) & ~0xfffu;
    for (uint32_t n = bytes > PAGE ? bytes / PAGE : 1; n > 0; n--, v += PAGE) {
        for (int k = 0; k < 3; k++)
            c->soft[k].tag[v >> 12 & (SOFT - 1)] = 0;
        jit_unmap_page(c, v);
    }
    c->fetch_tag = NO_PAGE;
    c->effects++;
}

void ldtlb(core *c)
{
    MARK(ROW_TLB);
    unsigned urc = c->mmucr >> 10 & 63, urb = c->mmucr >> 18 & 63;
    forget_pages(c, &c->utlb[urc]);
    c->utlb[urc].vpn = c->pteh & 0xfffffcff;
    c->utlb[urc].data = c->ptel & 0x1ffffdff;
    forget_pages(c, &c->utlb[urc]);
    c->fetch_tag = NO_PAGE;
    c->effects++;
    urc = (urc + 1) & 63;
    if (urb && urc == urb)
        urc = 0;
    c->mmucr = (c->mmucr & ~0xfc00u) | urc << 10;
}

static void set_mmucr(core *c, uint32_t v)
{
    if (v & 4) { /* TI */
        for (int i = 0; i < 64; i++)
            c->utlb[i].data &= ~(uint32_t)PTEL_V;
        for (int i = 0; i < 4; i++)
            c->itlb[i].data &= ~(uint32_t)PTEL_V;
    }
    c->mmucr = v & 0xfcfcff81;
    mmu_flush(c);
}

static uint32_t tlb_address_word(const struct tlb_entry *e, bool dirty)
{
    return (e->vpn & 0xfffffcff) | (e->data & PTEL_V) | (dirty && e->data & PTEL_D ? 0x200 : 0);
}

static void utlb_address_write(core *c, uint32_t addr, uint32_t v)
{
    uint32_t flags = (v & 0x100) | (v & 0x200 ? PTEL_D : 0);
    if (addr & 0x80) { /* associative: VPN of the data, ASID of PTEH */
        bool any_asid = (c->mmucr & 0x100) && (c->sr & SR_MD);
        for (int i = 0; i < 64; i++) {
            struct tlb_entry *e = &c->utlb[i];
            if ((e->data & PTEL_V) && !((e->vpn ^ v) & page_mask(e->data)) &&
                ((e->data & PTEL_SH) || any_asid || !((e->vpn ^ c->pteh) & 0xff)))
                e->data = (e->data & ~(uint32_t)(PTEL_V | PTEL_D)) | flags;
        }
        for (int i = 0; i < 4; i++)
            if (!((c->itlb[i].vpn ^ v) & page_mask(c->itlb[i].data)))
                c->itlb[i].data = (c->itlb[i].data & ~(uint32_t)PTEL_V) | (v & 0x100);
    } else {
        struct tlb_entry *e = &c->utlb[addr >> 8 & 63];
        e->vpn = v & 0xfffffcff;
        e->data = (e->data & ~(uint32_t)(PTEL_V | PTEL_D)) | flags;
    }
    mmu_flush(c);
}

static uint32_t *own_register(core *c, uint32_t addr, uint32_t *mask)
{
    *mask = 0xffffffff;
    switch (addr) {
    case 0xff000000: *mask = 0xfffffcff; return &c->pteh;
    case 0xff000004: *mask = 0x1ffffdff; return &c->ptel;
    case 0xff000008: return &c->ttb;
    case 0xff00000c: return &c->tea;
    case 0xff000010: return &c->mmucr;
    case 0xff00001c: *mask = 0x8107; return &c->ccr;
    case 0xff000020: *mask = 0x3fc; return &c->tra;
    case 0xff000024: *mask = 0xfff; return &c->expevt;
    case 0xff000028: *mask = 0x3fff; return &c->intevt;
    case 0xff000038: *mask = 0x1c; return &c->qacr[0];
    case 0xff00003c: *mask = 0x1c; return &c->qacr[1];
    case 0xff000070: return &c->pascr;
    case 0xff000074: return &c->ramcr;
    case 0xff000078: return &c->irmcr;
    case 0xff2f0000: return &c->cpuopm;
    case 0xff2f0004: return &c->expmask;
    case 0xff200600: return &c->ccmfr;
    case 0xff200620: return &c->cbcr;
    }
    if (addr >= 0xff200000 && addr < 0xff200040) /* UBC, both channels: kept, without effect */
        return &c->ubc[addr >> 2 & 15];
    return NULL;
}

/* The core's own part of P4. False: not mine, ask the bus. */
bool internal_read(core *c, uint32_t addr, unsigned size, uint32_t *value)
{
    BLAME(c, deopts_register);
    uint32_t mask, *reg;
    (void)size;
    *value = 0;
    if (addr < 0xe4000000) {
        *value = c->sq[addr >> 5 & 1][addr >> 2 & 7];
        return true;
    }
    switch (addr >> 24) {
    case 0xf0: case 0xf4:
        if (c->timed)
            *value = cache_array_read(addr >> 24 == 0xf0 ? &c->instruction : &c->operand, addr);
        return true;
    case 0xf1: case 0xf5:
        return true;
    case 0xf2:
        *value = tlb_address_word(&c->itlb[addr >> 8 & 3], false);
        return true;
    case 0xf3:
        *value = addr & 0x800000 ? 0 : c->itlb[addr >> 8 & 3].data;
        return true;
    case 0xf6:
        *value = tlb_address_word(&c->utlb[addr >> 8 & 63], true);
        return true;
    case 0xf7:
        *value = addr & 0x800000 ? 0 : c->utlb[addr >> 8 & 63].data;
        return true;
    }
    switch (addr) {
    case 0xff000030: *value = 0x10200a03; return true; /* PVR of an SH7780 */
    case 0xff000040: *value = 0x30440000; return true; /* CVR: 32 KB + 32 KB, 4-way */
    case 0xff000044: *value = 0x00000003; return true; /* PRR */
    }
    if ((reg = own_register(c, addr, &mask))) {
        *value = *reg;
        return true;
    }
    return false;
}

bool internal_write(core *c, uint32_t addr, unsigned size, uint32_t v)
{
    BLAME(c, deopts_register);
    uint32_t mask, *reg;
    (void)size;
    if (c->barred_count && core_trespass(c, addr, v))
        return true;
    if (addr < 0xe4000000) {
        c->sq[addr >> 5 & 1][addr >> 2 & 7] = v;
        return true;
    }
    switch (addr >> 24) {
    case 0xf0: case 0xf4:
        if (c->timed)
            cache_array_write(c, addr >> 24 == 0xf0 ? &c->instruction : &c->operand, addr, v);
        return true;
    case 0xf1: case 0xf5:
        return true;
    case 0xf2: {
        struct tlb_entry *e = &c->itlb[addr >> 8 & 3];
        e->vpn = v & 0xfffffcff;
        e->data = (e->data & ~(uint32_t)PTEL_V) | (v & 0x100);
        return true;
    }
    case 0xf3:
        if (!(addr & 0x800000))
            c->itlb[addr >> 8 & 3].data = v & 0x1ffffdff;
        return true;
    case 0xf6:
        utlb_address_write(c, addr, v);
        return true;
    case 0xf7:
        if (!(addr & 0x800000))
            c->utlb[addr >> 8 & 63].data = v & 0x1ffffdff;
        mmu_flush(c);
        return true;
    }
    if (addr == 0xff000030 || addr == 0xff000040 || addr == 0xff000044)
        return true; /* read only */
    if (addr == 0xff000010) {
        set_mmucr(c, v);
        return true;
    }
    if ((reg = own_register(c, addr, &mask))) {
        if (addr == 0xff000000 && (*reg ^ v) & 0xff)
            mmu_flush(c); /* another ASID */
        *reg = v & mask;
        if (addr == 0xff00001c && c->timed) {
            if (v & CCR_OCI)
                cache_invalidate(c, &c->operand);
            if (v & CCR_ICI)
                cache_invalidate(c, &c->instruction);
            mmu_flush(c); /* only what is cached is remembered */
            jit_restart(c);
        }
        c->effects++;
        return true;
    }
    return false;
}

/* PREF of a store queue address: 32 bytes to memory or to a device. */
void store_queue_flush(core *c, uint32_t v)
{
    BLAME(c, deopts_register);
    unsigned q = v >> 5 & 1;
    uint32_t p;
    bool control = false;
    v &= ~31u;
    if (c->mmucr & 1) {
        bool whole;
        uint32_t ptel;
        p = area7(utlb_translate(c, v, WRITE, &whole, &ptel), &control);
    } else {
        p = (v & 0x03ffffe0) | (c->qacr[q] & 0x1c) << 24;
    }
    c->effects++;
    if (c->timed) {
        c->tick += TIME_WRITE_BACK;
        c->outside = true;
    }
    if (c->hook) {
        for (unsigned k = 0; k < 8; k++) {
            uint32_t a = p + 4 * k, word = c->sq[q][k];
            if (ask_hook(c, "write", a, 4, &word))
                continue;
            if (in_ram(c, a)) {
                if (!is_own(c, WRITE, a) && trespass(c, WRITE, v + 4 * k, a))
                    continue;
                memcpy(c->ram + (a - c->ram_base), &word, 4);
                if (c->has_code[(a - c->ram_base) >> 12])
                    code_invalidate(c, a, 4);
            } else {
                bus_write(c, a, 4, word);
            }
        }
    } else if (in_ram(c, p)) {
        if (!is_own(c, WRITE, p) && trespass(c, WRITE, v, p))
            return;
        memcpy(c->ram + (p - c->ram_base), c->sq[q], 32);
        if (c->has_code[(p - c->ram_base) >> 12])
            code_invalidate(c, p, 32);
    } else {
        for (unsigned k = 0; k < 8; k++)
            bus_write(c, p + 4 * k, 4, c->sq[q][k]);
    }
}
