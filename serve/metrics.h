/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The facts as Prometheus and OpenMetrics read them. Names and units: docs/metrics.md. */
#ifndef PINLEAK_SERVE_METRICS_H
#define PINLEAK_SERVE_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "state.h"

/* What the server counts of itself. */
#define SERVED_CODES 9
struct served {
	uint64_t by_code[SERVED_CODES]; /* answers, see served_codes */
	uint64_t events_readers;	/* now */
	uint64_t events_dropped;	/* readers that were too slow */
	uint64_t overdue;		/* connections closed as they took too long */
};
extern const unsigned served_codes[SERVED_CODES]; /* the last, 0, is all others */

void metrics_print(FILE *to, const struct facts *f, const struct served *served, bool openmetrics);

#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
