/* Names of demo.c that the static API file and the measuring tools use. */
#ifndef DEMO_H
#define DEMO_H

#include "kernel.h"

void demo_init(VP_INT exinf);
void serial_rx_handler(void);
void console_job(VP_INT exinf);
void periodic_job(VP_INT exinf);
void status_task(VP_INT exinf);
void collect_task(VP_INT exinf);
void echo_task(VP_INT exinf);

#endif
