/* The Python type `Core` (interface: docs/reference/core.md). */
#include "core.h"
#include "jit.h"
#include "structmember.h"

#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

static PyObject *stop_type;
#define SELF core *c = (core *)self
#define STATE_WORDS 79
#define HOT 10 /* arrivals at a branch target after which code is generated */

/* PyErr_Format knows no %llx before Python 3.12. */
static PyObject *error(PyObject *type, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    PyErr_SetString(type, text);
    return NULL;
}

/* The state in STATE_NAMES order; checked against cosim/state.py by a test. */
static void gather(core *c, uint32_t *s)
{
    uint32_t rest[] = {c->pc, c->pr, get_sr(c), c->gbr, c->vbr, c->ssr, c->spc, c->sgr, c->dbr, c->mach, c->macl,
                       c->fpscr, c->fpul};
    uint32_t last[] = {c->pteh, c->ptel, c->ttb, c->tea, c->mmucr, c->pascr, c->ccr, c->tra, c->expevt, c->intevt};
    memcpy(s, c->r, 64);
    memcpy(s + 16, c->bank, 32);
    memcpy(s + 24, rest, sizeof rest);
    memcpy(s + 37, c->fr, 64);
    memcpy(s + 53, c->xf, 64);
    memcpy(s + 69, last, sizeof last);
}

static void scatter(core *c, const uint32_t *s)
{
    uint32_t *rest[] = {&c->pc, &c->pr, NULL, &c->gbr, &c->vbr, &c->ssr, &c->spc, &c->sgr, &c->dbr, &c->mach, &c->macl,
                        NULL, &c->fpul};
    uint32_t *last[] = {&c->pteh, &c->ptel, &c->ttb, &c->tea, &c->mmucr, &c->pascr, &c->ccr, &c->tra, &c->expevt,
                        &c->intevt};
    set_sr(c, s[26]);
    set_fpscr(c, s[35]);
    bool other_caching = c->timed && s[75] != c->ccr;
    bool other_space = (s[69] ^ c->pteh) & 0xff || s[73] != c->mmucr || other_caching;
    memcpy(c->r, s, 64);
    memcpy(c->bank, s + 16, 32);
    for (int k = 0; k < 13; k++)
        if (rest[k])
            *rest[k] = s[24 + k];
    memcpy(c->fr, s + 37, 64);
    memcpy(c->xf, s + 53, 64);
    for (int k = 0; k < 10; k++)
        *last[k] = s[69 + k];
    if (other_space)
        mmu_flush(c);
    if (other_caching)
        jit_restart(c);
    c->ll = 0; /* another context: no MOVCO of the one before succeeds */
    c->effects++;
    c->passed_tick = -1;
    pipeline_fresh(&c->pipe);
}

static PyObject *names; /* cosim.state.STATE_NAMES */

static PyObject *core_state(PyObject *self, PyObject *unused)
{
    SELF;
    uint32_t s[STATE_WORDS];
    PyObject *d = PyDict_New();
    (void)unused;
    gather(c, s);
    for (int k = 0; d && k < STATE_WORDS; k++) {
        PyObject *v = PyLong_FromUnsignedLong(s[k]);
        PyDict_SetItem(d, PyTuple_GET_ITEM(names, k), v);
        Py_DECREF(v);
    }
    return d;
}

static PyObject *core_set_state(PyObject *self, PyObject *arg)
{
    SELF;
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    uint32_t s[STATE_WORDS], given[STATE_WORDS];
    bool is_given[STATE_WORDS] = {false};
    if (!PyDict_Check(arg))
        return PyErr_Format(PyExc_TypeError, "set_state takes a dict of register names and 32-bit values");
    while (PyDict_Next(arg, &pos, &key, &value)) {
        Py_ssize_t k = PySequence_Index(names, key);
        if (k < 0) {
            PyErr_Clear();
            return PyErr_Format(PyExc_KeyError, "no register %R in the state", key);
        }
        given[k] = (uint32_t)PyLong_AsUnsignedLongMask(value);
        is_given[k] = true;
        if (PyErr_Occurred())
            return NULL;
    }
    /* SR and FPSCR first: they choose which bank the other names mean. */
    if (is_given[26])
        set_sr(c, given[26]);
    if (is_given[35])
        set_fpscr(c, given[35]);
    gather(c, s);
    for (int k = 0; k < STATE_WORDS; k++)
        if (is_given[k] && k != 26 && k != 35)
            s[k] = given[k];
    scatter(c, s);
    Py_RETURN_NONE;
}

static PyObject *core_state_bytes(PyObject *self, PyObject *unused)
{
    SELF;
    uint32_t s[STATE_WORDS];
    (void)unused;
    gather(c, s);
    return PyBytes_FromStringAndSize((char *)s, sizeof s);
}

static PyObject *core_set_state_bytes(PyObject *self, PyObject *arg)
{
    SELF;
    char *p;
    Py_ssize_t n;
    uint32_t s[STATE_WORDS];
    if (PyBytes_AsStringAndSize(arg, &p, &n))
        return NULL;
    if (n != sizeof s)
        return PyErr_Format(PyExc_ValueError, "state of %zd bytes: expected %zu", n, sizeof s);
    memcpy(s, p, sizeof s);
    scatter(c, s);
    c->ll = 0; /* another context: its MOVLI reservation is gone */
    Py_RETURN_NONE;
}

static bool range_ok(core *c, unsigned long long paddr, unsigned long long n)
{
    if (paddr >= c->ram_base && n <= c->ram_size && paddr - c->ram_base <= c->ram_size - n)
        return true;
    error(PyExc_ValueError, "physical 0x%llx+0x%llx is outside RAM 0x%x..0x%llx", paddr, n, c->ram_base,
                 (unsigned long long)c->ram_base + c->ram_size - 1);
    return false;
}

static PyObject *core_read(PyObject *self, PyObject *args)
{
    SELF;
    unsigned long long paddr, n;
    if (!PyArg_ParseTuple(args, "KK", &paddr, &n) || !range_ok(c, paddr, n))
        return NULL;
    return PyBytes_FromStringAndSize((char *)c->ram + (paddr - c->ram_base), (Py_ssize_t)n);
}

static PyObject *core_write(PyObject *self, PyObject *args)
{
    SELF;
    unsigned long long paddr;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "Ky*", &paddr, &data))
        return NULL;
    if (!range_ok(c, paddr, (unsigned long long)data.len)) {
        PyBuffer_Release(&data);
        return NULL;
    }
    memcpy(c->ram + (paddr - c->ram_base), data.buf, (size_t)data.len);
    if (data.len)
        code_invalidate(c, (uint32_t)paddr, (uint32_t)data.len);
    c->effects++;
    PyBuffer_Release(&data);
    Py_RETURN_NONE;
}

static PyObject *make_stop(core *c)
{
    static const char *const reasons[] = {"step", "horizon", "interrupt", "trap", "breakpoint", "sleep", "reset",
                                         "vbr", "error"};
    if (c->stop == STOP_ERROR)
        return NULL; /* the callback's exception is set */
    return PyObject_CallFunction(stop_type, "sLIs", reasons[c->stop], (long long)c->tick, c->pc, c->detail);
}

static PyObject *guarded_run(core *c, int64_t until, bool single)
{
    if (c->running)
        return PyErr_Format(PyExc_RuntimeError, "run() or step() in a callback of the same core");
    c->running = true;
    MARK(ROW_RUN);
    (c->timed ? run_timed : run)(c, until, single);
    c->running = false;
    c->left_tick = c->tick;
    return make_stop(c);
}

static PyObject *core_run(PyObject *self, PyObject *args, PyObject *kw)
{
    SELF;
    static char *kwlist[] = {"until", NULL};
    long long until;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "L", kwlist, &until))
        return NULL;
    return guarded_run(c, until, false);
}

static PyObject *core_step(PyObject *self, PyObject *unused)
{
    SELF;
    (void)unused;
    return guarded_run(c, c->tick + 1, true);
}

static PyObject *core_limit(PyObject *self, PyObject *arg)
{
    SELF;
    long long t = PyLong_AsLongLong(arg);
    if (t == -1 && PyErr_Occurred())
        return NULL;
    if (t < c->until)
        c->until = t;
    Py_RETURN_NONE;
}

static PyObject *core_set_irq(PyObject *self, PyObject *args)
{
    SELF;
    if (!PyArg_ParseTuple(args, "iI", &c->irq_level, &c->irq_code))
        return NULL;
    c->attention = c->irq_level > 0 || c->sleeping;
    c->effects++;
    Py_RETURN_NONE;
}

static PyObject *core_accept(PyObject *self, PyObject *unused)
{
    SELF;
    (void)unused;
    enter_interrupt(c);
    Py_RETURN_NONE;
}

static PyObject *core_set_vectors(PyObject *self, PyObject *args)
{
    SELF;
    PyObject *base;
    long long g = 0, t = 0, i = 0;
    if (!PyArg_ParseTuple(args, "O|LLL", &base, &g, &t, &i))
        return NULL;
    c->vectored = base != Py_None;
    if (c->vectored)
        c->vector_base = (uint32_t)PyLong_AsUnsignedLongMask(base);
    c->charge_general = g;
    c->charge_tlb = t;
    c->charge_interrupt = i;
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *core_set_trap_page(PyObject *self, PyObject *args)
{
    SELF;
    PyObject *object;
    unsigned long first = 1, last = 0;
    if (!PyArg_ParseTuple(args, "O|k", &object, &last))
        return NULL;
    if (object != Py_None) {
        first = PyLong_AsUnsignedLongMask(object);
        if (PyErr_Occurred())
            return NULL;
        if (first & 0xfff || (last & 0xfff) != 0xfff || first > last)
            return error(PyExc_ValueError, "trap page 0x%lx..0x%lx: expected whole 4 KB pages", first, last);
    }
    c->trap_page = object != Py_None;
    c->trap_first = (uint32_t)first;
    c->trap_last = (uint32_t)last;
    jit_reset(c); /* nothing may jump there any more */
    c->fetch_tag = NO_PAGE;
    c->effects++;
    Py_RETURN_NONE;
}

static PyObject *core_set_breakpoints(PyObject *self, PyObject *arg)
{
    SELF;
    PyObject *list = PySequence_List(arg);
    if (!list)
        return NULL;
    int count = (int)PyList_GET_SIZE(list);
    uint32_t *addresses = malloc(sizeof(uint32_t) * (size_t)(count + 1));
    for (int k = 0; addresses && k < count; k++)
        addresses[k] = (uint32_t)PyLong_AsUnsignedLongMask(PyList_GET_ITEM(list, k));
    Py_DECREF(list);
    if (!addresses || PyErr_Occurred()) {
        free(addresses);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    free(c->breakpoints);
    c->breakpoints = addresses;
    c->breakpoint_count = count;
    code_forget(c);
    Py_RETURN_NONE;
}

static PyObject *core_add_leases(PyObject *self, PyObject *arg)
{
    SELF;
    PyObject *rows = PySequence_List(arg);
    if (!rows)
        return NULL;
    int count = (int)PyList_GET_SIZE(rows);
    c->lease = PyMem_Realloc(c->lease, sizeof(struct lease) * (size_t)(c->lease_count + count + 1));
    for (int k = 0; k < count; k++) {
        struct lease l = {0};
        long long expires;
        PyObject *segments, *fast;
        PyObject *lease = PySequence_Tuple(PyList_GET_ITEM(rows, k));
        bool ok = lease && PyArg_ParseTuple(lease, "IILO", &l.addr, &l.size, &expires, &segments);
        fast = ok ? PySequence_Fast(segments, "segments of a lease are a list") : NULL;
        Py_XDECREF(lease);
        if (!fast)
            goto bad;
        l.expires = expires;
        l.segments = (int)PySequence_Fast_GET_SIZE(fast);
        l.segment = PyMem_Malloc(sizeof(struct segment) * (size_t)(l.segments + 1));
        for (int s = 0; s < l.segments; s++) {
            long long f, v, st, d;
            PyObject *row = PySequence_Tuple(PySequence_Fast_GET_ITEM(fast, s));
            if (!row || !PyArg_ParseTuple(row, "LLLL", &f, &v, &st, &d)) {
                Py_XDECREF(row);
                Py_DECREF(fast);
                PyMem_Free(l.segment);
                goto bad;
            }
            Py_DECREF(row);
            l.segment[s] = (struct segment){f, v, st, d};
        }
        Py_DECREF(fast);
        c->lease[c->lease_count++] = l;
    }
    c->effects++;
    Py_DECREF(rows);
    Py_RETURN_NONE;
bad:
    Py_DECREF(rows);
    return NULL;
}

static PyObject *core_set_leases(PyObject *self, PyObject *arg)
{
    drop_leases((core *)self, 0, 0xffffffff);
    return core_add_leases(self, arg);
}

static PyObject *core_drop_leases(PyObject *self, PyObject *args)
{
    SELF;
    unsigned first, last;
    if (!PyArg_ParseTuple(args, "II", &first, &last))
        return NULL;
    drop_leases(c, first, last);
    Py_RETURN_NONE;
}

static PyObject *core_take_lease_reads(PyObject *self, PyObject *unused)
{
    SELF;
    (void)unused;
    PyObject *seen = c->seen;
    for (int k = 0; k < c->lease_count; k++) {
        struct lease *l = &c->lease[k];
        if (!l->count)
            continue;
        PyObject *row = Py_BuildValue("(IILL)", l->addr, l->seen, (long long)l->seen_tick, (long long)l->count);
        PyList_Append(seen, row);
        Py_DECREF(row);
        l->seen = 0;
        l->count = 0;
    }
    c->seen = PyList_New(0);
    return seen;
}

/* (first, last) of a sequence. */
static bool read_range(PyObject *arg, struct range *to)
{
    PyObject *pair = PySequence_Tuple(arg);
    if (!pair)
        return false;
    if (PyArg_ParseTuple(pair, "II", &to->first, &to->last) && to->first > to->last)
        error(PyExc_ValueError, "range 0x%x..0x%x: its last address lies before its first", to->first, to->last);
    Py_DECREF(pair);
    return !PyErr_Occurred();
}

/* Rows (first, last) of a sequence; their number, or -1. */
static int read_ranges(PyObject *arg, struct range *to)
{
    PyObject *list = PySequence_List(arg);
    if (!list)
        return -1;
    Py_ssize_t count = PyList_GET_SIZE(list), k = 0;
    if (count > RANGES)
        error(PyExc_ValueError, "%zd ranges: %d at most", count, RANGES);
    else
        while (k < count && read_range(PyList_GET_ITEM(list, k), to + k))
            k++;
    Py_DECREF(list);
    return PyErr_Occurred() ? -1 : (int)count;
}

static PyObject *core_set_partition(PyObject *self, PyObject *args)
{
    SELF;
    PyObject *own, *barred = NULL;
    struct range now = {0, 0xffffffff}, ranges[RANGES];
    int count = 0, no_fpu = 0;
    if (!PyArg_ParseTuple(args, "O|Op", &own, &barred, &no_fpu) ||
        (own != Py_None && !read_range(own, &now)) ||
        (barred && (count = read_ranges(barred, ranges)) < 0))
        return NULL;
    memcpy(c->barred, ranges, sizeof *ranges * (size_t)count);
    c->barred_count = count;
    c->no_fpu = no_fpu;
    c->effects++;
    set_own(c, now);
    Py_RETURN_NONE;
}

static PyObject *core_set_trusted(PyObject *self, PyObject *arg)
{
    SELF;
    struct range ranges[RANGES];
    int count = read_ranges(arg, ranges);
    if (count < 0)
        return NULL;
    set_trusted(c, ranges, count);
    Py_RETURN_NONE;
}

static PyObject *core_take_trespasses(PyObject *self, PyObject *unused)
{
    SELF;
    static const char *const kinds[] = {"read", "write", "fetch", "fpu"};
    (void)unused;
    PyObject *rows = PyList_New(c->trespass_count);
    for (int k = 0; rows && k < c->trespass_count; k++) {
        const struct trespass *t = &c->trespass[k];
        PyObject *row = Py_BuildValue("(LsIIIL)", (long long)t->tick, kinds[t->kind], t->pc, t->vaddr, t->paddr,
                                      (long long)t->count);
        if (!row)
            Py_CLEAR(rows);
        else
            PyList_SET_ITEM(rows, k, row);
    }
    PyObject *out = rows ? Py_BuildValue("(NL)", rows, (long long)c->trespass_more) : NULL;
    if (out) {
        c->trespass_count = 0;
        c->trespass_more = 0;
        c->last_trespass = NULL;
    }
    return out;
}

static PyObject *core_ram_sha256(PyObject *self, PyObject *unused)
{
    SELF;
    (void)unused;
    PyObject *hashlib = PyImport_ImportModule("hashlib");
    PyObject *view = PyMemoryView_FromMemory((char *)c->ram, c->ram_size, PyBUF_READ);
    PyObject *h = hashlib && view ? PyObject_CallMethod(hashlib, "sha256", "O", view) : NULL;
    PyObject *digest = h ? PyObject_CallMethod(h, "digest", NULL) : NULL;
    Py_XDECREF(hashlib);
    Py_XDECREF(view);
    Py_XDECREF(h);
    return digest;
}

/* Registers beyond the state, in snapshots. */
static uint32_t **extras(core *c, int *count)
{
    static _Thread_local uint32_t *list[64];
    int k = 0;
    uint32_t *one[] = {&c->qacr[0], &c->qacr[1], &c->ramcr, &c->irmcr, &c->cpuopm, &c->expmask, &c->cbcr, &c->ccmfr, &c->ll};
    for (unsigned j = 0; j < sizeof one / sizeof *one; j++)
        list[k++] = one[j];
    for (int j = 0; j < 16; j++)
        list[k++] = &c->ubc[j];
    for (int j = 0; j < 16; j++)
        list[k++] = &c->sq[j >> 3][j & 7];
    *count = k;
    return list;
}

static PyObject *tlb_rows(struct tlb_entry *e, int n)
{
    PyObject *rows = PyList_New(n);
    for (int k = 0; k < n; k++)
        PyList_SET_ITEM(rows, k, Py_BuildValue("[II]", e[k].vpn, e[k].data));
    return rows;
}

/* The model's state in a form that every core takes: docs/reference/timing.md. */
static PyObject *timing_snapshot(const core *c)
{
    const struct pipeline *p = &c->pipe;
    const int32_t busy[] = {p->divider, p->fe, p->ls};
    PyObject *ready = PyList_New(TRACKED), *units = PyList_New(3);
    for (int k = 0; k < TRACKED; k++) {
        int32_t left = p->pending >> k & 1 ? p->ready[k] - p->now : 0;
        PyList_SET_ITEM(ready, k, PyLong_FromLong(left > 0 ? left : 0));
    }
    for (int k = 0; k < 3; k++)
        PyList_SET_ITEM(units, k, PyLong_FromLong(busy[k] > p->now ? busy[k] - p->now : 0));
    return Py_BuildValue("{s:s,s:N,s:N,s:[II],s:L,s:y#,s:y#}", "model", "sh4a", "ready", ready, "busy", units, "fetched",
                         p->fetched, p->fetched_bytes, "open", (long long)(p->open ? c->tick - c->unit_tick : 0),
                         "instruction", (char *)c->instruction.way, (Py_ssize_t)sizeof c->instruction.way, "operand",
                         (char *)c->operand.way, (Py_ssize_t)sizeof c->operand.way);
}

/* An item of the snapshot's `timing`. */
static PyObject *timing_item(PyObject *d, const char *key)
{
    PyObject *item = PyDict_GetItemString(d, key);
    if (!item)
        PyErr_Format(PyExc_KeyError, "snapshot lacks timing.%s", key);
    return item;
}

static bool numbers(PyObject *d, const char *key, int n, long long *out)
{
    PyObject *list = timing_item(d, key), *items = list ? PySequence_Fast(list, "snapshot: numbers are in lists") : NULL;
    if (!items)
        return false;
    if (PySequence_Fast_GET_SIZE(items) != n)
        PyErr_Format(PyExc_ValueError, "snapshot: %zd of timing.%s; expected %d", PySequence_Fast_GET_SIZE(items), key, n);
    for (int k = 0; k < n && !PyErr_Occurred(); k++)
        out[k] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(items, k));
    Py_DECREF(items);
    return !PyErr_Occurred();
}

static const uint32_t *tag_words(PyObject *d, const char *key)
{
    char *raw;
    Py_ssize_t n;
    PyObject *item = timing_item(d, key);
    if (!item || PyBytes_AsStringAndSize(item, &raw, &n))
        return NULL;
    if (n != 16 * SETS) {
        PyErr_Format(PyExc_ValueError, "snapshot: %zd of timing.%s; expected %d", n, key, 16 * SETS);
        return NULL;
    }
    return (const uint32_t *)(const void *)raw;
}

struct timing_state {
    long long ready[TRACKED], busy[3], fetched[2], open;
    const uint32_t *instruction, *operand;
};

static bool read_timing(PyObject *d, struct timing_state *t)
{
    PyObject *item;
    if (!PyDict_Check(d)) {
        PyErr_Format(PyExc_ValueError, "snapshot: timing is %R; expected None or a dict", d);
        return false;
    }
    if (!(item = timing_item(d, "model")))
        return false;
    if (!PyUnicode_Check(item) || PyUnicode_CompareWithASCIIString(item, "sh4a")) {
        PyErr_Format(PyExc_ValueError, "snapshot: timing of model %R; expected 'sh4a'", item);
        return false;
    }
    if (!(item = timing_item(d, "open")))
        return false;
    t->open = PyLong_AsLongLong(item);
    return !PyErr_Occurred() && numbers(d, "ready", TRACKED, t->ready) && numbers(d, "busy", 3, t->busy) &&
           numbers(d, "fetched", 2, t->fetched) && (t->instruction = tag_words(d, "instruction")) &&
           (t->operand = tag_words(d, "operand"));
}

/* Another timing starts with empty caches and a fresh pipeline; the same one goes on as it is. */
static void choose_timing(core *c, bool timed)
{
    if (timed == c->timed)
        return;
    c->timed = timed;
    pipeline_fresh(&c->pipe);
    cache_clear(&c->instruction);
    cache_clear(&c->operand);
    mmu_flush(c);   /* timed, only what is cached is remembered */
    code_forget(c); /* generated code is that of one timing */
    jit_restart(c);
    c->resume = 0;
}

static void set_timing(core *c, const struct timing_state *t)
{
    struct pipeline *p = &c->pipe;
    for (int k = 0; k < TRACKED; k++)
        if ((p->ready[k] = (int32_t)t->ready[k]) > 0)
            p->pending |= 1ull << k;
    p->divider = (int32_t)t->busy[0];
    p->fe = (int32_t)t->busy[1];
    p->ls = (int32_t)t->busy[2];
    p->fetched = (uint32_t)t->fetched[0];
    p->fetched_bytes = (uint32_t)t->fetched[1];
    p->open = t->open > 0;
    c->unit_tick = c->tick - t->open;
    cache_load_words(&c->instruction, t->instruction, 0xfffffc00 | LINE_V);
    cache_load_words(&c->operand, t->operand, 0xfffffc00 | LINE_V | LINE_U);
}

static PyObject *core_snapshot(PyObject *self, PyObject *unused)
{
    SELF;
    int n;
    uint32_t **x = extras(c, &n);
    PyObject *list = PyList_New(n);
    for (int k = 0; k < n; k++)
        PyList_SET_ITEM(list, k, PyLong_FromUnsignedLong(*x[k]));
    PyObject *d = Py_BuildValue("{s:N,s:N,s:N,s:N,s:L,s:L,s:L,s:L,s:O}", "state", core_state_bytes(self, unused), "utlb",
                         tlb_rows(c->utlb, 64), "itlb", tlb_rows(c->itlb, 4), "extras", list, "tick",
                         (long long)c->tick, "instructions", (long long)c->instructions, "skipped",
                         (long long)c->skipped, "sleep_ticks", (long long)c->sleep_ticks, "sleeping",
                         c->sleeping ? Py_True : Py_False);
    if (d && c->timed) {
        PyObject *timing = timing_snapshot(c);
        if (!timing || PyDict_SetItemString(d, "timing", timing))
            Py_CLEAR(d);
        Py_XDECREF(timing);
    }
    return d;
}

static bool set_tlb(struct tlb_entry *e, int n, PyObject *rows)
{
    for (int k = 0; k < n; k++) {
        PyObject *row = PySequence_GetItem(rows, k), *pair = row ? PySequence_Tuple(row) : NULL;
        bool ok = pair && PyArg_ParseTuple(pair, "II", &e[k].vpn, &e[k].data);
        Py_XDECREF(row);
        Py_XDECREF(pair);
        if (!ok)
            return false;
    }
    return true;
}

static PyObject *core_restore(PyObject *self, PyObject *d)
{
    SELF;
    int n;
    uint32_t **x = extras(c, &n);
    const char *const need[] = {"state", "utlb", "itlb", "extras", "tick", "instructions", "skipped", "sleep_ticks", "sleeping"};
    PyObject *v[9];
    for (int k = 0; k < 9; k++)
        if (!PyDict_Check(d) || !(v[k] = PyDict_GetItemString(d, need[k])))
            return PyErr_Format(PyExc_KeyError, "snapshot lacks %s", need[k]);
    const int rows[] = {64, 4, n};
    for (int k = 0; k < 3; k++) {
        Py_ssize_t have = PySequence_Size(v[1 + k]);
        if (have < 0)
            return NULL;
        if (have != rows[k])
            return PyErr_Format(PyExc_ValueError, "snapshot: %zd rows of %s; expected %d", have, need[1 + k], rows[k]);
    }
    PyObject *timing = PyDict_GetItemString(d, "timing");
    struct timing_state t;
    bool timed = timing && timing != Py_None;
    if (timed && !read_timing(timing, &t))
        return NULL;
    PyObject *done = core_set_state_bytes(self, v[0]);
    if (!done)
        return NULL;
    Py_DECREF(done);
    mmu_flush(c); /* also where a row is wrong */
    if (!set_tlb(c->utlb, 64, v[1]) || !set_tlb(c->itlb, 4, v[2]))
        return NULL;
    for (int k = 0; k < n; k++) {
        PyObject *item = PySequence_GetItem(v[3], k);
        if (!item)
            return NULL;
        *x[k] = (uint32_t)PyLong_AsUnsignedLongMask(item);
        Py_DECREF(item);
    }
    c->tick = PyLong_AsLongLong(v[4]);
    c->instructions = PyLong_AsLongLong(v[5]);
    c->skipped = PyLong_AsLongLong(v[6]);
    c->sleep_ticks = PyLong_AsLongLong(v[7]);
    c->sleeping = PyObject_IsTrue(v[8]);
    c->attention = c->sleeping || c->irq_level > 0;
    choose_timing(c, timed);
    if (timed)
        set_timing(c, &t);
    mmu_flush(c);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"state", core_state, METH_NOARGS, "Registers by name."},
    {"set_state", core_set_state, METH_O, "Set registers by name; sr and fpscr first."},
    {"state_bytes", core_state_bytes, METH_NOARGS, "Registers as little-endian words in STATE_NAMES order."},
    {"set_state_bytes", core_set_state_bytes, METH_O, "Inverse of state_bytes."},
    {"read", core_read, METH_VARARGS, "read(paddr, n): bytes of RAM."},
    {"write", core_write, METH_VARARGS, "write(paddr, data): RAM."},
    {"run", (PyCFunction)(void (*)(void))core_run, METH_VARARGS | METH_KEYWORDS, "run(until): Stop."},
    {"step", core_step, METH_NOARGS, "One unit: Stop."},
    {"limit", core_limit, METH_O, "Lower the horizon of the run in progress."},
    {"set_irq", core_set_irq, METH_VARARGS, "set_irq(level, intevt): highest pending request."},
    {"accept", core_accept, METH_NOARGS, "Interrupt entry."},
    {"set_vectors", core_set_vectors, METH_VARARGS, "set_vectors(base, general, tlb, interrupt)."},
    {"set_trap_page", core_set_trap_page, METH_VARARGS, "set_trap_page(first, last)."},
    {"set_breakpoints", core_set_breakpoints, METH_O, "Replace the set of breakpoints."},
    {"set_leases", core_set_leases, METH_O, "Replace the lease table."},
    {"add_leases", core_add_leases, METH_O, "Add rows to the lease table."},
    {"drop_leases", core_drop_leases, METH_VARARGS, "drop_leases(first, last)."},
    {"take_lease_reads", core_take_lease_reads, METH_NOARGS, "Served reads since the last call."},
    {"set_partition", core_set_partition, METH_VARARGS, "set_partition(own, barred, no_fpu): what the running guest may touch."},
    {"set_trusted", core_set_trusted, METH_O, "Physical ranges of code that may touch everything and set VBR."},
    {"take_trespasses", core_take_trespasses, METH_NOARGS, "(rows, more) since the last call."},
    {"ram_sha256", core_ram_sha256, METH_NOARGS, "Digest of RAM."},
    {"snapshot", core_snapshot, METH_NOARGS, "Portable state without RAM."},
    {"restore", core_restore, METH_O, "Inverse of snapshot."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"instructions", T_LONGLONG, offsetof(core, instructions), READONLY, "executed"},
    {"skipped", T_LONGLONG, offsetof(core, skipped), READONLY, "skipped by loop skipping"},
    {"leased_reads", T_LONGLONG, offsetof(core, leased_reads), READONLY, "reads served by leases"},
    {"sleep_ticks", T_LONGLONG, offsetof(core, sleep_ticks), READONLY, "ticks asleep"},
    {"unit_tick", T_LONGLONG, offsetof(core, unit_tick), READONLY, "start tick of the unit being executed"},
    {"sr", T_UINT, offsetof(core, sr), READONLY, "SR but for T"},
    {"unit_pc", T_UINT, offsetof(core, unit_pc), READONLY, "start of the unit being executed"},
    {"hot", T_INT, offsetof(core, hot), 0, "arrivals after which code is generated; 0: never"},
    {"generated", T_LONGLONG, offsetof(core, generated), READONLY, "instructions that generated code executed"},
    {"skip_loops", T_BOOL, offsetof(core, skip_loops), 0, "skip loops that change nothing"},
    {"refuse", T_BOOL, offsetof(core, refuse), 0, "accesses outside the partition do nothing"},
    {"bus", T_OBJECT, offsetof(core, bus), 0, "object with read and write"},
    {"profile", T_OBJECT, offsetof(core, profile), 0, "cpu_node.profile.Profile of this core"},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *get_sleeping(PyObject *self, void *u) { (void)u; return PyBool_FromLong(((core *)self)->sleeping); }

static int set_sleeping(PyObject *self, PyObject *v, void *u)
{
    SELF;
    (void)u;
    if (!v) {
        PyErr_SetString(PyExc_TypeError, "sleeping cannot be deleted");
        return -1;
    }
    c->sleeping = PyObject_IsTrue(v) > 0;
    c->attention = c->sleeping || c->irq_level > 0;
    return 0;
}

static PyObject *get_hook(PyObject *self, void *u)
{
    SELF;
    (void)u;
    PyObject *h = c->hook ? c->hook : Py_None;
    Py_INCREF(h);
    return h;
}

static int set_hook(PyObject *self, PyObject *v, void *u)
{
    SELF;
    (void)u;
    PyObject *old = c->hook;
    c->hook = v == Py_None ? NULL : v; /* deleted: none */
    Py_XINCREF(c->hook);
    Py_XDECREF(old);
    mmu_flush(c); /* every access goes the slow way while a hook is set */
    return 0;
}

static PyObject *get_tick(PyObject *self, void *u) { (void)u; return PyLong_FromLongLong(((core *)self)->tick); }

static int set_tick(PyObject *self, PyObject *v, void *u)
{
    SELF;
    (void)u;
    if (!v) {
        PyErr_SetString(PyExc_TypeError, "tick cannot be deleted");
        return -1;
    }
    int64_t tick = PyLong_AsLongLong(v);
    if (tick == -1 && PyErr_Occurred())
        return -1;
    if (tick != c->tick)
        pipeline_fresh(&c->pipe); /* another context, or time that something else took */
    c->tick = tick;
    return 0;
}

static PyObject *get_timing(PyObject *self, void *u)
{
    (void)u;
    return PyUnicode_FromString(((core *)self)->timed ? "sh4a" : "fast");
}

static int set_timing_model(PyObject *self, PyObject *v, void *u)
{
    SELF;
    (void)u;
    bool timed = v && PyUnicode_Check(v) && !PyUnicode_CompareWithASCIIString(v, "sh4a");
    if (!timed && !(v && PyUnicode_Check(v) && !PyUnicode_CompareWithASCIIString(v, "fast"))) {
        PyErr_Format(PyExc_ValueError, "no timing %R: timings are \"fast\" and \"sh4a\"", v ? v : Py_None);
        return -1;
    }
    if (c->running) {
        PyErr_SetString(PyExc_RuntimeError, "timing set in a callback: set it between runs");
        return -1;
    }
    choose_timing(c, timed);
    return 0;
}

static PyObject *get_generates(PyObject *self, void *u) { (void)u; return PyBool_FromLong(((core *)self)->jit != NULL); }

static PyObject *get_counters(PyObject *self, void *u) { (void)u; return counters_dict(&((core *)self)->count); }
static PyObject *get_in_pair(PyObject *self, void *u) { (void)u; return PyBool_FromLong(((core *)self)->pipe.open); }

static PyGetSetDef getset[] = {
    {"tick", get_tick, set_tick, "CPU clocks", NULL},
    {"timing", get_timing, set_timing_model, "\"fast\" or \"sh4a\"", NULL},
    {"in_pair", get_in_pair, NULL, "stopped between the two instructions of a pair", NULL},
    {"counters", get_counters, NULL, "what its slow paths have done so far, by name", NULL},
    {"generates", get_generates, NULL, "this host has a code generator; False: all is interpreted", NULL},
    {"sleeping", get_sleeping, set_sleeping, "a SLEEP waits for an interrupt", NULL},
    {"hook", get_hook, set_hook, "None or callable(kind, paddr, size, value)", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* RAM, zero, at a host address whose low half is the physical one: generated code gets the tag of a cache line
 * that way. NULL: no memory. */
static uint8_t *make_ram(uint32_t base, size_t size)
{
    for (uint64_t high = 0x1000; high < 0x3000; high++) {
        void *p = mmap((void *)(uintptr_t)(high << 32 | base), size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (p == (void *)(uintptr_t)(high << 32 | base))
            return p;
        if (p != MAP_FAILED) /* a kernel that takes the place for a hint */
            munmap(p, size);
    }
    return NULL;
}

static int core_init(PyObject *self, PyObject *args, PyObject *kw)
{
    SELF;
    (void)kw;
    unsigned long long base, size;
    if (!PyArg_ParseTuple(args, "KK", &base, &size))
        return -1;
    if (c->ram) {
        PyErr_SetString(PyExc_RuntimeError, "a core is initialised once");
        return -1;
    }
    if (base & 0xfff || size & 0xfff || !size || size > 0x1c000000 || base > 0x1c000000 - size) {
        error(PyExc_ValueError, "RAM 0x%llx+0x%llx: expected whole 4 KB pages below physical 0x1c000000", base, size);
        return -1;
    }
    c->ram_base = (uint32_t)base;
    c->ram_size = (uint32_t)size;
    c->ram = make_ram((uint32_t)base, size);
    c->code = calloc(size >> 12, sizeof *c->code);
    c->has_code = calloc(size >> 12, 1);
    c->seen = PyList_New(0);
    c->own.last = 0xffffffff;
    c->skip_loops = true;
    c->passed_tick = -1;
    c->deopt_tick = -1;
    c->loop_limit = NEVER;
    if (!c->ram || !c->code || !c->has_code || !c->seen) {
        PyErr_NoMemory();
        return -1;
    }
    pipeline_fresh(&c->pipe);
    if (!jit_open(c)) { /* no room: cores that are not used any more may wait for the collector */
        PyGC_Collect();
        jit_open(c);
    }
    c->hot = HOT;
    c->fill = TIME_LINE_FILL;
    reset(c, "power on", 0);
    c->stop = STOP_NONE;
    return 0;
}

/* A bus holds its core as a rule: the cycle is the collector's. */
static int core_traverse(PyObject *self, visitproc visit, void *arg)
{
    SELF;
    Py_VISIT(c->bus);
    Py_VISIT(c->hook);
    Py_VISIT(c->profile);
    return 0;
}

static int core_clear(PyObject *self)
{
    SELF;
    Py_CLEAR(c->bus);
    Py_CLEAR(c->hook);
    Py_CLEAR(c->profile);
    return 0;
}

static void core_dealloc(PyObject *self)
{
    SELF;
    PyObject_GC_UnTrack(self);
    if (c->weak)
        PyObject_ClearWeakRefs(self);
    jit_close(c);
    for (uint32_t page = 0; c->code && page < c->ram_size >> 12; page++)
        free(c->code[page]);
    if (c->seen)
        drop_leases(c, 0, 0xffffffff);
    PyMem_Free(c->lease);
    if (c->ram)
        munmap(c->ram, c->ram_size);
    free(c->code);
    free(c->has_code);
    free(c->breakpoints);
    Py_XDECREF(c->seen);
    Py_XDECREF(c->bus);
    Py_XDECREF(c->hook);
    Py_XDECREF(c->profile);
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject core_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cpu_node._native.Core",
    .tp_basicsize = sizeof(core),
    .tp_weaklistoffset = offsetof(core, weak),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "SH-4A core in C. Core(ram_base, ram_size), both in bytes.",
    .tp_new = PyType_GenericNew,
    .tp_init = core_init,
    .tp_dealloc = core_dealloc,
    .tp_traverse = core_traverse,
    .tp_clear = core_clear,
    .tp_methods = methods,
    .tp_members = members,
    .tp_getset = getset,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", "The native SH-4A core.", -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *m = PyModule_Create(&module), *state = PyImport_ImportModule("cosim.state");
    if (!m || !state || PyType_Ready(&core_type) < 0 || profile_open(m) < 0)
        return NULL;
    stop_type = PyObject_GetAttrString(state, "Stop");
    names = PyObject_GetAttrString(state, "STATE_NAMES");
    Py_DECREF(state);
    if (!stop_type || !names)
        return NULL;
    if (PyTuple_GET_SIZE(names) != STATE_WORDS) {
        PyErr_Format(PyExc_ImportError, "cosim.state names %zd registers, the native core %d: rebuild it",
                     PyTuple_GET_SIZE(names), STATE_WORDS);
        return NULL;
    }
    decode_init();
    timing_init();
    Py_INCREF(&core_type);
    PyModule_AddObject(m, "Core", (PyObject *)&core_type);
    return m;
}
