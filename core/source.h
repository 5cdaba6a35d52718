/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Where what is judged comes from: the live kernel, a recording, or a simulation.
 *
 * A source does what it is asked to and says what came of it; it decides nothing. All functions
 * must be there. They return -errno when the source itself is broken, which ends the session,
 * and -ENODATA when there is nothing more; what a machine cannot do is an answer, not an error.
 */
#ifndef PINLEAK_CORE_SOURCE_H
#define PINLEAK_CORE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"
#include "snapshot.h"

#define SOURCE_WHY 256 /* bytes of a reason, for people */

/*
 * One look. What it points to belongs to the source and lives until the next look. The sample is
 * the source's to fill, all of it; the rest is NULL and zero before.
 */
struct source_look {
	struct sample sample;
	const struct snapshot *books; /* NULL: not looked, or nothing is tracked */
	struct balance balance;	      /* with books only */
};

/* What became of a level that was asked for. */
struct source_level {
	enum level level;   /* that is on now */
	bool refused;	    /* it cannot be had; level is what went before, or less */
	struct sample base; /* read when the hooks were in place */
	bool pinned_known;
	struct census_sum pinned; /* on the whole machine, before the hooks were put in */
	char why[SOURCE_WHY];	  /* refused: for people */
};

struct source_references {
	bool on;
	char why[SOURCE_WHY]; /* they cannot be tracked: for people; "" else */
};

struct source {
	/* Exact: collect the processors' remainders first. Books: read them, above counters. */
	int (*look)(void *ctx, bool exact, bool books, struct source_look *out);
	int (*set_level)(void *ctx, enum level level, struct source_level *out);
	/* Looks for plain references that nothing explains, when it is time; else *done is no. */
	int (*look_out)(void *ctx, bool *done, uint64_t *folios);
	int (*track_references)(void *ctx, bool on, struct source_references *out);
	int (*references)(void *ctx, const struct snapshot **out);
};

#endif
