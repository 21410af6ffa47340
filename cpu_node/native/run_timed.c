/* The interpreter with the timing model. */
#define TIMED
#define run run_timed
#include "run.c"
