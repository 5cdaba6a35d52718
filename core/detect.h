/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Suspicion from the counters alone.
 *
 * I/O in flight makes the number of outstanding pins jump about; a leak lifts its floor. So the
 * minimum over windows is watched, on several lengths of window at once: short ones for fast
 * leaks, long ones for slow leaks.
 */
#ifndef PINLEAK_CORE_DETECT_H
#define PINLEAK_CORE_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#define DETECT_SCALES 4
#define DETECT_FLOORS 5 /* this many floors in a row, each above the one before, are suspicious */

/* A length of window, in samples, and the least rise over DETECT_FLOORS that counts, in pins. */
struct detect_scale {
	uint32_t samples;
	int64_t rise;
};

extern const struct detect_scale detect_scales[DETECT_SCALES];

struct detect_window {
	int64_t floor; /* so far */
	uint32_t seen; /* samples in it */
	uint32_t nr;   /* floors kept, newest last */
	int64_t floors[DETECT_FLOORS];
	uint64_t ends_ns[DETECT_FLOORS];
};

struct detect {
	struct detect_window window[DETECT_SCALES];
	struct detect_window sink; /* of pins released beyond those taken */
};

struct detect_suspicion {
	uint32_t scale; /* which of detect_scales */
	int64_t rise;	/* pins, over the floors kept; below zero: more are released than taken */
	double pins_per_s;
	uint64_t span_ns;
};

void detect_reset(struct detect *d);

/*
 * Takes the outstanding pins (acquired - released; may be negative) at a time. True, and *out is
 * filled, when a window has just ended that makes the rise suspicious, or has sunk below zero: more
 * pins were released than were ever taken.
 */
bool detect_sample(struct detect *d, uint64_t now_ns, int64_t outstanding,
		   struct detect_suspicion *out);

/* Has the floor of the shortest windows risen at least once? Then exact counters are worth it. */
bool detect_is_curious(const struct detect *d);

/* Pins between the two last floors of the shortest window; 0 before there are two. */
int64_t detect_last_rise(const struct detect *d);

#endif
