/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the service manager that started us is told (sd_notify(3)): that the watch has begun, that
 * it is alive, what it sees, that it ends. Nothing where there is none.
 */
#ifndef PINLEAK_SERVICE_H
#define PINLEAK_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conductor.h"

struct service {
	uint64_t pause_ns; /* it is to hear from us so often; 0: it does not care */
	uint64_t told_ns;  /* when it heard from us last, by CLOCK_MONOTONIC */
	bool ready;	   /* and was told so */
};

/* Learns from the environment how often it wants to hear from us. */
void service_begin(struct service *s);

/* After each look: ready after the first one, alive, and one line of what is seen. */
void service_looked(struct service *s, const struct conductor *c);

/* While nothing is looked at; tells it no more often than needed. */
void service_alive(struct service *s);

/* The settings are read anew; that has been done, for better or worse. */
void service_reloading(void);
void service_reloaded(void);

void service_stopping(const struct service *s);

#endif
