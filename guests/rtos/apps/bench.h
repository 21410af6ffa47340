/* Names of bench.c that its static API file uses. */
#ifndef BENCH_H
#define BENCH_H

#include "kernel.h"

void main_task(VP_INT exinf);
void high_task(VP_INT exinf);
void short_task(VP_INT exinf);
void exception_routine(TEXPTN texptn, VP_INT exinf);
void interrupt_handler(void);

#endif
