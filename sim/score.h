/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What an examination comes to, as JSON: rows and totals. */
#ifndef PINLEAK_SIM_SCORE_H
#define PINLEAK_SIM_SCORE_H

#include <jansson.h>

#include "exam.h"

struct score {
	uint64_t seed;
	double days; /* a machine is watched for */
	uint64_t nr_innocents, nr_leaks;
	const struct outcome *innocents, *leaks;
};

/* New references, or NULL: out of memory. */
json_t *score_innocents(const struct score *s);
json_t *score_leaks(const struct score *s);
json_t *score_forecasts(const struct score *s);

/*
 * What runs in guests came to: a file of one object a line, as {"type": "battery", "kernel": "...",
 * "load": "...", "leak": "..." or null, "suspected_s": 1.5 or null, "verdict_s": 2.5 or null,
 * "right": true, "accused_innocent": 0}. NULL when it cannot be read; *line is the bad one, or 0.
 */
json_t *score_battery(const char *path, size_t *line);

#endif
