/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Values over time, made coarser: seconds are kept for hours, minutes for days, hours for long.
 * Here is what was added since the last writing; what is written already is merged by the database.
 */
#ifndef PINLEAK_STORE_SERIES_H
#define PINLEAK_STORE_SERIES_H

#include <stddef.h>
#include <stdint.h>

#define SERIES_TIERS  3
#define SERIES_VALUES 3
#define SERIES_NAME   64
#define SERIES_ROOM   4096 /* points at most, a megabyte */
#define SERIES_COARSE 512  /* of them, for minutes and hours alone */

/* ms that a point of each tier stands for: a second, a minute, an hour. */
extern const int64_t series_width[SERIES_TIERS];

/* The least, the sum and the most of n values. */
struct series_value {
	int64_t least;
	int64_t most;
	double sum;
};

struct series_point {
	int tier;
	int64_t at; /* ms since 1970, where it begins */
	char name[SERIES_NAME];
	uint64_t n;
	struct series_value value[SERIES_VALUES];
};

/* {0} is ready to use. */
struct series {
	struct series_point *points;
	size_t nr;
	size_t room;
	uint64_t lost; /* what there was no room for, of each tier */
};

void series_free(struct series *s);

/* Adds values of a name, at a time in ms, to a point of each tier. -ENOMEM: to some of them. */
int series_add(struct series *s, const char *name, int64_t at, const int64_t *values, size_t nr)
	__attribute__((warn_unused_result));

/* They are written. */
void series_clear(struct series *s);

#endif
