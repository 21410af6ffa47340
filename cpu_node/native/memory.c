/* Accesses off the fast path: alignment, translation, registers, leases, the bus and the test hook. */
#include "core.h"

#include <string.h>

/* Ask the test hook; true: it served the access. */
bool ask_hook(core *c, const char *kind, uint32_t paddr, unsigned size, uint32_t *value)
{
    if (!c->hook)
        return false;
    c->effects++; /* no iteration is skipped: the hook sees each access */
    MARK(ROW_BUS);
    PyObject *got = PyObject_CallFunction(c->hook, "sIII", kind, paddr, size, *value);
    if (!got)
        bus_error(c);
    bool served = got != Py_None;
    if (served)
        *value = (uint32_t)PyLong_AsUnsignedLongMask(got);
    Py_DECREF(got);
    if (PyErr_Occurred())
        bus_error(c);
    return served;
}

/* An access that left RAM. */
static void time_outside(core *c, int32_t ticks)
{
    if (c->timed) {
        c->tick += ticks;
        c->outside = true;
    }
}

static uint32_t truncate_to(uint32_t v, unsigned size) { return size == 4 ? v : size == 2 ? v & 0xffff : v & 0xff; }

static bool leased(core *c, uint32_t paddr, unsigned size, uint32_t *value)
{
    int64_t t = c->unit_tick;
    for (int k = 0; k < c->lease_count; k++) {
        struct lease *l = &c->lease[k];
        if (l->addr != paddr || l->size != size || t >= l->expires || !l->segments || t < l->segment[0].from)
            continue;
        int s = 0;
        while (s + 1 < l->segments && l->segment[s + 1].from <= t)
            s++;
        if (c->barred_count && in_ranges(c->barred, c->barred_count, paddr))
            return false;
        const struct segment *g = &l->segment[s];
        int64_t v = g->value, end = s + 1 < l->segments ? l->segment[s + 1].from : l->expires;
        if (g->step_ticks) {
            v += g->step * ((t - g->from) / g->step_ticks);
            end = t; /* not constant: no loop that reads it is skipped */
        }
        *value = truncate_to((uint32_t)v, size);
        l->seen |= *value;
        l->seen_tick = t;
        l->count++;
        c->leased_reads++;
        BLAME(c, deopts_lease);
        if (end < c->loop_limit)
            c->loop_limit = end;
        return true;
    }
    return false;
}

uint32_t bus_read(core *c, uint32_t paddr, unsigned size)
{
    uint32_t value = 0;
    if (leased(c, paddr, size, &value))
        return value;
    MARK(ROW_BUS);
    BLAME(c, deopts_bus);
    c->count.bus_reads++;
    c->effects++;
    if (!c->bus || c->bus == Py_None)
        return 0;
    PyObject *got = PyObject_CallMethod(c->bus, "read", "LII", (long long)c->unit_tick, paddr, size);
    if (!got)
        bus_error(c);
    value = (uint32_t)PyLong_AsUnsignedLongMask(got);
    Py_DECREF(got);
    if (PyErr_Occurred())
        bus_error(c);
    return truncate_to(value, size);
}

void bus_write(core *c, uint32_t paddr, unsigned size, uint32_t value)
{
    MARK(ROW_BUS);
    BLAME(c, deopts_bus);
    c->count.bus_writes++;
    c->effects++;
    if (!c->bus || c->bus == Py_None)
        return;
    PyObject *got =
        PyObject_CallMethod(c->bus, "write", "LIII", (long long)c->unit_tick, paddr, size, truncate_to(value, size));
    if (!got)
        bus_error(c);
    Py_DECREF(got);
}

uint32_t load_slow(core *c, uint32_t v, unsigned size)
{
    bool control;
    uint32_t value = 0;
    if (v & (size - 1))
        raise_address(c, v, READ);
    MARK(ROW_MEMORY);
    c->count.slow_accesses++;
    uint32_t p = translate(c, v, READ, &control);
    if (ask_hook(c, "read", p, size, &value))
        return truncate_to(value, size);
    if (control && internal_read(c, p, size, &value)) {
        time_outside(c, p < 0xe4000000 ? 0 : TIME_REGISTER); /* store queues: none */
        return truncate_to(value, size);
    }
    if (!control && in_ram(c, p)) {
        if (c->timed)
            time_ram(c, v, p, false);
        if (!is_own(c, READ, p) && trespass(c, READ, v, p))
            return 0;
        memcpy(&value, c->ram + (p - c->ram_base), size);
        return value;
    }
    time_outside(c, TIME_MMIO_READ);
    return bus_read(c, p, size);
}

void store_slow(core *c, uint32_t v, unsigned size, uint32_t value)
{
    bool control;
    if (v & (size - 1))
        raise_address(c, v, WRITE);
    MARK(ROW_MEMORY);
    c->count.slow_accesses++;
    uint32_t p = translate(c, v, WRITE, &control);
    value = truncate_to(value, size);
    if (ask_hook(c, "write", p, size, &value))
        return;
    if (control && internal_write(c, p, size, value)) {
        time_outside(c, p < 0xe4000000 ? 0 : TIME_REGISTER);
        return;
    }
    if (!control && in_ram(c, p)) {
        if (c->timed)
            time_ram(c, v, p, true);
        if (!is_own(c, WRITE, p) && trespass(c, WRITE, v, p))
            return;
        memcpy(c->ram + (p - c->ram_base), &value, size);
        if (c->has_code[(p - c->ram_base) >> 12])
            code_invalidate(c, p, size);
        return;
    }
    time_outside(c, TIME_MMIO_WRITE);
    bus_write(c, p, size, value);
}

/* Instruction word off the fast path. *in_ram: it may be kept decoded at *paddr. Raises. */
uint16_t fetch_word(core *c, uint32_t v, uint32_t *paddr, bool *kept)
{
    bool control;
    uint32_t value = 0;
    if (v & 1)
        raise_address(c, v, FETCH);
    uint32_t p = *paddr = translate(c, v, FETCH, &control);
    *kept = false;
    c->fetch_paddr = p;
    c->fetch_source = FROM_HOOK;
    if (ask_hook(c, "fetch", p, 2, &value))
        return (uint16_t)value;
    c->fetch_source = !control && in_ram(c, p) ? FROM_RAM : FROM_BUS;
    if (!control && in_ram(c, p)) {
        *kept = !c->hook && is_own(c, FETCH, p);
        if (!is_own(c, FETCH, p))
            trespass(c, FETCH, v, p);
        uint16_t word;
        memcpy(&word, c->ram + (p - c->ram_base), 2);
        return word;
    }
    return (uint16_t)bus_read(c, p, 2);
}

/* Drop leases on first..last; what they served stays known for take_lease_reads. */
void drop_leases(core *c, uint32_t first, uint32_t last)
{
    int kept = 0;
    for (int k = 0; k < c->lease_count; k++) {
        struct lease *l = &c->lease[k];
        if (l->addr < first || l->addr > last) {
            c->lease[kept++] = *l;
            continue;
        }
        if (l->count) {
            PyObject *row = Py_BuildValue("(IILL)", l->addr, l->seen, (long long)l->seen_tick, (long long)l->count);
            PyList_Append(c->seen, row);
            Py_DECREF(row);
        }
        PyMem_Free(l->segment);
        c->effects++; /* what loops read may differ now */
    }
    c->lease_count = kept;
}
