// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "curve.h"

#include <stdlib.h>
#include <string.h>

struct ring {
	uint32_t step_s;
	size_t room;
	uint64_t added; /* so far; the last ones are there */
	struct curve_point *points;
};

#define RINGS 3

struct curve {
	struct ring rings[RINGS];
};

static const struct {
	uint32_t step_s;
	size_t room;
} shapes[RINGS] = {{0, CURVE_LOOKS}, {60, CURVE_MINUTES}, {3600, CURVE_HOURS}};

struct curve *curve_create(void)
{
	struct curve *s = calloc(1, sizeof(*s));

	for (size_t i = 0; s && i < RINGS; i++) {
		s->rings[i].step_s = shapes[i].step_s;
		s->rings[i].room = shapes[i].room;
		s->rings[i].points = calloc(shapes[i].room, sizeof(struct curve_point));
		if (!s->rings[i].points) {
			curve_destroy(s);
			s = NULL;
		}
	}
	return s;
}

void curve_destroy(struct curve *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < RINGS; i++)
		free(s->rings[i].points);
	free(s);
}

static struct curve_point *newest(struct ring *r)
{
	return r->added ? &r->points[(r->added - 1) % r->room] : NULL;
}

static void push(struct ring *r, const struct curve_point *p)
{
	r->points[r->added++ % r->room] = *p;
}

/* The looks of the same minute or hour are one point. */
static void merge(struct curve_point *into, const struct curve_point *look)
{
	int64_t time = into->time_ms, low = into->low, high = into->high;
	uint64_t available = into->available;
	uint32_t level = into->level;

	*into = *look;
	into->time_ms = time;
	if (low < into->low)
		into->low = low;
	if (high > into->high)
		into->high = high;
	if (available < into->available)
		into->available = available;
	if (level > into->level)
		into->level = level;
}

static void add(struct ring *r, struct curve_point look)
{
	struct curve_point *last = newest(r);
	int64_t step_ms = r->step_s * INT64_C(1000);

	if (step_ms)
		look.time_ms -= look.time_ms % step_ms;
	if (last && look.time_ms < last->time_ms)
		look.time_ms = last->time_ms;
	if (step_ms && last && look.time_ms == last->time_ms)
		merge(last, &look);
	else
		push(r, &look);
}

void curve_add(struct curve *s, const struct curve_point *look)
{
	for (size_t i = 0; i < RINGS; i++)
		add(&s->rings[i], *look);
}

static size_t held(const struct ring *r)
{
	return r->added < r->room ? (size_t)r->added : r->room;
}

void curve_shift(struct curve *s, int64_t ms)
{
	for (size_t i = 0; i < RINGS; i++)
		for (size_t n = 0; n < held(&s->rings[i]); n++)
			s->rings[i].points[n].time_ms += ms;
}

/* The nth point that is there, the oldest is the first. */
static const struct curve_point *nth(const struct ring *r, size_t n)
{
	return &r->points[(r->added - held(r) + n) % r->room];
}

/* Has all that there ever was since then? */
static int reaches(const struct ring *r, int64_t since_ms)
{
	return r->added <= r->room || nth(r, 0)->time_ms <= since_ms;
}

/* The first point that is not over at that time. */
static size_t find(const struct ring *r, int64_t since_ms)
{
	size_t low = 0, high = held(r);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (nth(r, mid)->time_ms + r->step_s * INT64_C(1000) <
		    since_ms + (r->step_s ? 1 : 0))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct curve_range curve_since(const struct curve *s, int64_t since_ms)
{
	size_t i = 0;
	struct curve_range range;

	while (i < RINGS - 1 && !reaches(&s->rings[i], since_ms))
		i++;
	range.step_s = s->rings[i].step_s;
	range.first = find(&s->rings[i], since_ms);
	range.nr = held(&s->rings[i]) - range.first;
	return range;
}

const struct curve_point *curve_at(const struct curve *s, const struct curve_range *r, size_t i)
{
	size_t ring = 0;

	while (s->rings[ring].step_s != r->step_s)
		ring++;
	return nth(&s->rings[ring], r->first + i);
}
