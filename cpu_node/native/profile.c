/* The sampler: a thread that looks once a millisecond at what the process is doing, and counts.
 *
 * Where the profiled thread has got next to no CPU time since the last look, and says not that it waits, the host ran
 * something else, or it sleeps where nobody thought it would: ROW_STANDING.
 *
 * A thread and no signal: a signal every millisecond would end each wait of ZeroMQ early, whose time-outs would then
 * never come. The thread knows nothing of Python and holds no lock. */
#define PY_SSIZE_T_CLEAN
#include "profile.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#define SHORTEST 500000 /* ns between two looks; */
#define LITTLE 20       /* a part of so many: next to nothing */
#define SPREAD 1000000  /* and as much more by chance, so that nothing periodic is met always or never */

static uint8_t nothing;
volatile uint8_t *doing = &nothing;

static volatile uint64_t seen[ROWS];
static volatile bool sampling;
static pthread_t sampler;
static clockid_t profiled; /* CPU time of the thread that began the profile */

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *look(void *unused)
{
    uint32_t chance = 1;
    int64_t wall = now(CLOCK_MONOTONIC), cpu = now(profiled);
    (void)unused;
    while (sampling) {
        chance = chance * 1664525 + 1013904223;
        struct timespec pause = {0, SHORTEST + (long)((uint64_t)chance * SPREAD >> 32)};
        nanosleep(&pause, NULL);
        uint8_t row = *doing;
        int64_t wall_before = wall, cpu_before = cpu;
        wall = now(CLOCK_MONOTONIC);
        cpu = now(profiled);
        if (row != ROW_WAITING && (cpu - cpu_before) * LITTLE < wall - wall_before)
            row = ROW_STANDING;
        seen[row < ROWS ? row : ROW_OTHER]++;
    }
    return NULL;
}

static PyObject *profile_sample(PyObject *self, PyObject *on)
{
    (void)self;
    int wanted = PyObject_IsTrue(on);
    if (wanted < 0)
        return NULL;
    if (wanted && !sampling) {
        pthread_getcpuclockid(pthread_self(), &profiled);
        sigset_t all, before; /* the process's signals are the main thread's */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        sampling = true;
        int failed = pthread_create(&sampler, NULL, look, NULL);
        sampling = !failed;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed)
            return PyErr_Format(PyExc_OSError, "no thread for the sampler: error %d", failed);
    } else if (!wanted && sampling) {
        sampling = false;
        pthread_join(sampler, NULL); /* at most one pause */
    }
    Py_RETURN_NONE;
}

static PyObject *profile_samples(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyObject *list = PyTuple_New(ROWS);
    for (int k = 0; list && k < ROWS; k++)
        PyTuple_SET_ITEM(list, k, PyLong_FromUnsignedLongLong(seen[k]));
    return list;
}

PyObject *counters_dict(const struct counters *counters)
{
#define X(name) #name,
    static const char *const names[] = {COUNTERS(X)};
#undef X
    PyObject *d = PyDict_New();
    const int64_t *values = (const int64_t *)counters;
    for (size_t k = 0; d && k < sizeof names / sizeof *names; k++) {
        PyObject *v = PyLong_FromLongLong(values[k]);
        PyDict_SetItemString(d, names[k], v);
        Py_DECREF(v);
    }
    return d;
}

int profile_open(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"sample", profile_sample, METH_O, "sample(on): begin or end to look at what the process is doing."},
        {"samples", profile_samples, METH_NOARGS, "Looks that met each row, in this process so far."},
        {NULL, NULL, 0, NULL},
    };
    static Py_buffer now; /* held for ever: the sampler may outlive the interpreter by a moment */
    PyObject *activity = PyImport_ImportModule("cosim.activity");
    PyObject *byte = activity ? PyObject_GetAttrString(activity, "NOW") : NULL;
    PyObject *rows = activity ? PyObject_GetAttrString(activity, "Row") : NULL;
    Py_ssize_t count = rows ? PyObject_Size(rows) : -1;
    int result = count < 0 || !byte || PyObject_GetBuffer(byte, &now, PyBUF_WRITABLE) ? -1 : 0;
    if (!result && count != ROWS) {
        PyErr_Format(PyExc_ImportError, "cosim.activity has %zd rows, the native core %d: rebuild it", count, ROWS);
        result = -1;
    }
    if (!result) {
        doing = now.buf;
        result = PyModule_AddFunctions(module, functions);
    }
    Py_XDECREF(activity);
    Py_XDECREF(byte);
    Py_XDECREF(rows);
    return result;
}
