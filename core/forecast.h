/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * How fast memory is lost, and how long it lasts, each with the interval it lies in.
 *
 * A leak is mostly a heap of accidents: each bad call forgets some pages. So the time since the
 * first loss is cut into blocks; how much they differ tells how far the mean may be trusted.
 */
#ifndef PINLEAK_CORE_FORECAST_H
#define PINLEAK_CORE_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_CONFIDENCE 0.9 /* of the intervals */
#define FORECAST_BLOCKS	    32	/* kept; when there are more, each two become one */
#define FORECAST_RISES	    6	/* looks that found more lost, before there are intervals */

struct forecast_block {
	double bytes; /* lost in it */
	double seconds;
};

/* {0} is ready to use. */
struct forecast {
	bool begun;
	uint64_t last_ns;
	uint64_t lost;	    /* bytes, at the last look */
	uint64_t available; /* bytes of memory, then; 0: not known */
	uint32_t nr;
	struct forecast_block block[FORECAST_BLOCKS];
	struct forecast_block open; /* the one that has not ended */
	double length;		    /* seconds that make a block */
	uint32_t looks, rises;
	double least; /* bytes, the smallest rise between two looks */
	/* sums over the looks, of what was lost since the one before and of the time between them
	 */
	double bytes2, bytes_seconds, seconds2;
	double noise2; /* of changes of the available memory that are not the leak's */
};

/* Negative: not known. A high end that is not known may be never. */
struct forecast_range {
	double low, likely, high;
};

struct forecast_outlook {
	struct forecast_range rate;	  /* bytes a second */
	struct forecast_range exhaustion; /* seconds until the available memory is used up */
};

/*
 * One look: bytes that are lost at that time, in all. It begins with the first that finds some;
 * how long the time between two looks is does not matter.
 */
void forecast_look(struct forecast *f, uint64_t now_ns, uint64_t lost, uint64_t available);

/* What is to be expected if the leak goes on as it did. */
struct forecast_outlook forecast_tell(const struct forecast *f);

#endif
