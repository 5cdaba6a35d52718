/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Suspicion from the counters alone.
 *
 * I/O in flight makes the number of outstanding pins jump about; a leak lifts its floor, and where
 * a queue is always full its ceiling. So the minimum and the maximum over windows are watched, on
 * several lengths of window at once: short ones for fast leaks, long ones for slow leaks. The last
 * floors (or ceilings, what follows holds for both) of a length are suspicious when
 *
 *   - they rise: of all pairs, no more than one falls (the test of Mann and Kendall; by chance 1
 *     time in 24 for five floors, in 120 for six), and neither the last nor the first is in it;
 *   - by how much they rise, by the median of all slopes (Theil and Sen), is worth it on a machine
 *     with so much memory, and is beyond what the counters may be off;
 *   - and is beyond what has come and gone lately: the deepest fall among the floors kept.
 *
 * Each suspicion costs a time of tracking. When that leads to nothing it is paid from an account
 * of that length of window, which fills again slowly: a load that looks like a leak for ever has
 * pinleak track for a small share of the time only. Thresholds are in struct detect_config.
 */
#ifndef PINLEAK_CORE_DETECT_H
#define PINLEAK_CORE_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#define DETECT_SCALES 7
#define DETECT_FLOORS 6	 /* compared with each other, at most */
#define DETECT_PAST   32 /* floors among which the deepest fall is looked for */

struct detect_config {
	double share;  /* of memory, lost in a day: less is not worth it */
	uint32_t pins; /* nor are fewer, however small the machine */
	double fall;   /* a rise must be so many times the deepest fall */
	double hunts;  /* trackings that may lead to nothing, one after the other */
	double pause;  /* one more after so many times the time that one takes */
};

extern const struct detect_config detect_defaults;

/*
 * Takes "KEY=VALUE[,KEY=VALUE...]", the keys being share (a percentage, with or without %), pins,
 * fall, hunts and pause. -EINVAL, and the config is as it was.
 */
int detect_configure(struct detect_config *config, const char *text)
	__attribute__((warn_unused_result));

/* A length of window, how many floors are compared, and how many times config.pins it takes. */
struct detect_scale {
	uint64_t ns;
	uint32_t floors;
	uint32_t pins;
};

extern const struct detect_scale detect_scales[DETECT_SCALES];

enum detect_side { DETECT_FLOOR, DETECT_CEILING, DETECT_SIDES };

/* Both sides of a window. */
struct detect_floor {
	int64_t pins[DETECT_SIDES];
	uint64_t ns;  /* when its window ended */
	uint32_t lag; /* pins by which it may be off */
};

struct detect_window {
	struct detect_floor floor; /* so far */
	uint64_t begin_ns;
	bool open; /* something is in it */
	uint32_t nr;
	uint32_t next; /* place of the next in the ring */
	struct detect_floor past[DETECT_PAST];
};

/* Of a length of window. */
struct detect_account {
	double hunts; /* trackings that may still lead to nothing */
	uint64_t paid_ns;
	int64_t vain; /* the greatest rise that led to nothing */
};

struct detect {
	struct detect_config config;
	struct detect_window window[DETECT_SCALES];
	struct detect_account account[DETECT_SCALES];
	struct detect_window sink; /* of pins released beyond those taken */
	uint64_t exact_ns;	   /* when the counters were exact last */
	uint64_t curious_ns;	   /* until then exact counters are worth it */
	bool started, moving;
};

/* A reading of the counters. */
struct detect_sample {
	uint64_t now_ns;
	int64_t floor; /* outstanding pins: the fewest since the last sample; may be negative */
	int64_t top;   /* and those at the sample itself */
	uint32_t lag;  /* pins by which that may be off; 0: exact */
	uint64_t memory_pages;
	bool moving;  /* pins were taken since the last sample */
	bool tracked; /* tracking is on: it costs nothing more */
};

struct detect_suspicion {
	uint32_t scale; /* which of detect_scales */
	int64_t rise;	/* pins, over the floors; below zero: more are released than taken */
	double pins_per_s;
	uint64_t span_ns;
	uint64_t hunt_ns; /* so long tracking should take to see it again */
};

void detect_init(struct detect *d, const struct detect_config *config);

/* The next suspicion needs a rise of its own. What is known of the noise and the accounts stay. */
void detect_reset(struct detect *d);

/*
 * Takes a sample. True, and *out is filled, when a window has just ended that makes the rise
 * suspicious, or has sunk below zero: more pins were released than were ever taken.
 */
bool detect_take(struct detect *d, const struct detect_sample *s, struct detect_suspicion *out);

/* The tracking that a suspicion called for has found something: it costs nothing. */
void detect_was_right(struct detect *d, const struct detect_suspicion *s);

/* It has not, in so long: what it took beyond hunt_ns is to be paid as well. */
void detect_was_wrong(struct detect *d, const struct detect_suspicion *s, uint64_t ns);

/*
 * Has the floor, or the ceiling, risen from one of the shortest windows to the next, twice, by what
 * a suspicion asks for? Often without a leak: it says no more than that a suspicion may come in
 * some seconds.
 */
bool detect_is_stirring(const struct detect *d);

/* Are exact counters worth their price now? */
bool detect_is_curious(const struct detect *d);

#endif
