/* Generated from cpu_node/timing.py by `python -m cpu_node.timing header`; do not edit. */
enum {
    TIME_LINE_FILL = 50,
    TIME_WRITE_BACK = 20,
    TIME_PREFETCH = 4,
    TIME_UNCACHED_READ = 40,
    TIME_UNCACHED_WRITE = 10,
    TIME_MMIO_READ = 74,
    TIME_MMIO_WRITE = 32,
    TIME_REGISTER = 4,
    TIME_EXCEPTION_ENTRY = 13,
    TIME_TLB_ENTRY = 13,
    TIME_INTERRUPT_ENTRY = 39,
};
/* By FPSCR.PR and latency class (LAT_), ticks. */
static const uint8_t time_latency[2][20] = {
    {0, 0, 1, 1, 3, 0, 2, 3, 3, 3, 2, 3, 4, 2, 3, 3, 20, 5, 7, 6},
    {0, 0, 1, 1, 3, 0, 2, 3, 3, 3, 2, 3, 4, 2, 5, 3, 36, 5, 7, 6},
};
static const uint8_t time_fe_busy[2][20] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 1, 3, 4},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 3, 1, 3, 4},
};
