/* Names of selftest.c that its static API file uses. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "kernel.h"

void main_task(VP_INT exinf);
void helper_task(VP_INT exinf);
void count_handler(VP_INT exinf);
void action_handler(VP_INT exinf);
void init_routine(VP_INT exinf);

#endif
