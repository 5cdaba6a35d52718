// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/grow.h"

const int64_t series_width[SERIES_TIERS] = {1000, 60000, 3600000};

void series_free(struct series *s)
{
	free(s->points);
	*s = (struct series){0};
}

void series_clear(struct series *s)
{
	s->nr = 0;
}

/*
 * From the end: what is added to has mostly been added to last. Not far, so that a long time
 * without writing costs no more: of two points of the same time the database makes one.
 */
static struct series_point *find(struct series *s, int tier, int64_t at, const char *name)
{
	size_t end = s->nr > SERIES_COARSE ? s->nr - SERIES_COARSE : 0;

	for (size_t i = s->nr; i-- > end;) {
		struct series_point *p = &s->points[i];

		if (p->at == at && p->tier == tier && !strcmp(p->name, name))
			return p;
	}
	return NULL;
}

static int point_at(struct series *s, int tier, int64_t at, const char *name,
		    struct series_point **out)
{
	int err;

	*out = find(s, tier, at, name);
	if (*out)
		return 0;
	if (s->nr >= (size_t)(tier ? SERIES_ROOM : SERIES_ROOM - SERIES_COARSE)) {
		s->lost++;
		return -ENOMEM;
	}
	err = grow((void **)&s->points, &s->room, s->nr, sizeof(*s->points));
	if (err) {
		s->lost++;
		return err;
	}
	*out = &s->points[s->nr++];
	**out = (struct series_point){.tier = tier, .at = at};
	snprintf((*out)->name, sizeof((*out)->name), "%s", name);
	return 0;
}

static void add_value(struct series_value *v, uint64_t n, int64_t value)
{
	if (!n || value < v->least)
		v->least = value;
	if (!n || value > v->most)
		v->most = value;
	v->sum += (double)value;
}

/* Towards the past, before 1970 too. */
static int64_t begin_of(int64_t at, int64_t width)
{
	int64_t in = at % width;

	return at - (in < 0 ? in + width : in);
}

int series_add(struct series *s, const char *name, int64_t at, const int64_t *values, size_t nr)
{
	struct series_point *p;
	char known[SERIES_NAME];
	int err = 0, failed;

	snprintf(known, sizeof(known), "%s", name);
	for (int tier = SERIES_TIERS; tier--;) { /* the coarse ones are worth more */
		failed = point_at(s, tier, begin_of(at, series_width[tier]), known, &p);
		if (failed) {
			err = failed;
			continue;
		}
		for (size_t i = 0; i < nr && i < SERIES_VALUES; i++)
			add_value(&p->value[i], p->n, values[i]);
		p->n++;
	}
	return err;
}
