/* What the process is doing, for a profile: the byte of cosim/activity.py, set where slow paths begin and end. Fast
 * paths keep what run() or jit_run() set. docs/how-to/find-where-time-goes.md. */
#ifndef COSIM_PROFILE_H
#define COSIM_PROFILE_H

#include <Python.h>
#include <stdint.h>

/* cosim.activity.Row */
enum activity {
    ROW_OTHER, ROW_INTERPRETER, ROW_TIMED_INTERPRETER, ROW_GENERATED, ROW_TRANSLATING, ROW_MEMORY, ROW_TLB, ROW_FPU,
    ROW_CACHES, ROW_BUS, ROW_WAITING, ROW_MACHINE, ROW_LAUNCHER,
    ROW_STANDING, ROWS
};
#ifdef TIMED
#define ROW_RUN ROW_TIMED_INTERPRETER
#else
#define ROW_RUN ROW_INTERPRETER
#endif

extern volatile uint8_t *doing __attribute__((visibility("hidden")));

/* To the end of this scope, this is done; then what was done before. A jump to core.trapped ends no scope: run() says
 * there what it does. */
#define MARK(row) __attribute__((cleanup(mark_back))) uint8_t was_doing = *doing; *doing = (row)
static inline void mark_back(const uint8_t *was) { *doing = *was; }

/* Counted always, by core. */
#define COUNTERS(X) \
    X(blocks) X(blocks_dropped) X(exits_cold) X(exits_horizon) X(exits_step) X(deopts) X(deopts_bus) X(deopts_lease) \
    X(deopts_register) X(deopts_tlb) X(deopts_code) X(deopts_cache) X(deopts_uncached) X(slow_accesses) \
    X(bus_reads) X(bus_writes) X(translations) X(tlb_exceptions) X(tlb_flushes) X(fpu_slow)
struct counters {
#define X(name) int64_t name;
    COUNTERS(X)
#undef X
};
PyObject *counters_dict(const struct counters *counters);

/* The unit that generated code left to the interpreter turned out to need this; of several the last counts. */
#define BLAME(c, name) do { \
        if (__builtin_expect((c)->deopt_tick == ((c)->timed ? (c)->start_tick : (c)->unit_tick), 0)) { \
            if ((c)->blamed) \
                --*(c)->blamed; \
            (c)->blamed = &(c)->count.name; \
            ++*(c)->blamed; \
        } \
    } while (0)

int profile_open(PyObject *module); /* adds `sample` and `samples`; -1: an exception is set */

#endif
