/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The samples of a watch, in rings: each look, each minute, each hour. What has fallen out of one
 * is in the next, as the lowest, the highest and the last of its time. Bounded, whatever happens.
 */
#ifndef PINLEAK_SERVE_CURVE_H
#define PINLEAK_SERVE_CURVE_H

#include <stddef.h>
#include <stdint.h>

#define CURVE_LOOKS   1800	  /* half an hour, at one a second */
#define CURVE_MINUTES 1440	  /* a day */
#define CURVE_HOURS   2160	  /* ninety days */
#define CURVE_MOST    CURVE_HOURS /* points of a range */
#define CURVE_SHARES  8		  /* drivers told apart in one point; the others are in the sum */

/* What a driver has made unmovable, in bytes. */
struct curve_share {
	uint32_t driver; /* a number that the user knows */
	uint64_t bytes;
};

struct curve_point {
	int64_t time_ms; /* since 1970: of its beginning; of a look: when it was */
	int64_t last;	 /* pins outstanding */
	int64_t low;
	int64_t high;
	uint64_t available; /* bytes of memory; the least */
	uint32_t level;	    /* the highest */
	uint32_t nr_shares; /* the last ones, and how many there are */
	struct curve_share shares[CURVE_SHARES];
};

struct curve;

struct curve *curve_create(void); /* NULL: out of memory */
void curve_destroy(struct curve *s);

/* One look; low and high are its own. One that is older than the last is taken to be as old. */
void curve_add(struct curve *s, const struct curve_point *look);

/* The clock was set: all that there is was so many ms later, or earlier. */
void curve_shift(struct curve *s, int64_t ms);

/*
 * The points since a time, oldest first: the finest ones that reach back so far, or those that
 * reach farthest. *step_s is 0 (looks), 60 or 3600. Returns how many there are; `first` is for
 * curve_at().
 */
struct curve_range {
	uint32_t step_s;
	size_t first;
	size_t nr;
};
struct curve_range curve_since(const struct curve *s, int64_t since_ms);
const struct curve_point *curve_at(const struct curve *s, const struct curve_range *r, size_t i);

#endif
