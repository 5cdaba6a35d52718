/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The live kernel as a source: counters, levels, books, looks for plain references. */
#ifndef PINLEAK_KERNEL_LIVE_H
#define PINLEAK_KERNEL_LIVE_H

#include "../core/source.h"
#include "ground.h"
#include "lookout.h"
#include "tracker.h"
#include "vmstat.h"

struct live {
	struct tracker_config config; /* set by the user */
	struct ground ground;	      /* surveyed by the user */
	uint64_t lookout_ns; /* set by the user: between looks for plain references; 0: none */
	uint64_t grace_ns;   /* the same: between the two looks of a pair */
	struct vmstat *counters;
	struct tracker *tracker; /* NULL until it is needed */
	struct tracker *getters; /* of plain references; NULL when they are not tracked */
	struct lookout lookout;
	struct sample sample; /* the last one */
	bool foreseen;	      /* tracking may be wanted soon */
	uint64_t stirred_ns;  /* what made it so came last */
	bool moving;	      /* pins were taken between the last two samples */
	bool glanced;
	int64_t lowest; /* outstanding pins at the glances since the last sample */
};

extern const struct source live_source; /* its context: a struct live */

/* Opens the counters and reads them. -errno. */
int live_open(struct live *l);
void live_close(struct live *l);

/*
 * Looks at the counters only, in between: what is outstanding at the worst moment of I/O says
 * little, the fewest pins of several glances say more. The next look tells of them.
 */
void live_glance(struct live *l, bool exact);

/*
 * Finds out what tracking must know of the kernel, before there is any hurry. What fails fails
 * again, and is told, when tracking is wanted.
 */
void live_prepare(struct live *l);

/*
 * After each look: may tracking be wanted soon? Then the programs are loaded, which takes nearly
 * all of the time that tracking needs to begin, and not attached. They go when nothing has stirred
 * for ten minutes: their maps are 20 to 40 MiB. What fails is told when tracking is wanted.
 */
void live_foresee(struct live *l, bool stirring);

/* What went wrong, for people. */
const char *live_error(const struct live *l, int err);

#endif
