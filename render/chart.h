/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A chart of a value over time, in SVG, for a page. */
#ifndef PINLEAK_RENDER_CHART_H
#define PINLEAK_RENDER_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Times are in ms since 1970. */
struct chart_point {
	int64_t at; /* where its step begins */
	double least;
	double mean;
	double most;
};

struct chart_mark {
	int64_t at;
	const char *label;
};

struct chart {
	const char *title;
	int64_t from;
	int64_t to;
	int64_t step;			  /* of the points; where there is none, nothing is drawn */
	const struct chart_point *points; /* in their order */
	size_t nr;
	const struct chart_mark *marks;
	size_t nr_marks;
	bool bytes; /* the values are */
};

/* One <svg>: the mean as a line in the band of least and most. Lines and texts are currentColor. */
void chart_svg(FILE *to, const struct chart *c);

#endif
