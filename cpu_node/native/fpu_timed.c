/* The FPU with accesses that are timed. */
#define TIMED
#define fpu_execute fpu_execute_timed
#include "fpu.c"
