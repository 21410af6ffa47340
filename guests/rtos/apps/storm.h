/* Names of storm.c that its static API file uses. */
#ifndef STORM_H
#define STORM_H

#include "kernel.h"

void storm_init(VP_INT exinf);
void main_task(VP_INT exinf);
void high_task(VP_INT exinf);
void between_task(VP_INT exinf);
void exception_routine(TEXPTN texptn, VP_INT exinf);
void rx_handler(void);

#endif
