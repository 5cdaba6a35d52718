// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "simulator.h"

#include "records.h"

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct machine *m = ctx;
	int err;

	books = books && m->level != LEVEL_COUNTERS;
	machine_sample(m, exact || books, &out->sample);
	if (!books)
		return 0;
	err = records_draw(m);
	records_balance(m, &out->balance);
	out->books = &m->records.snapshot;
	return err;
}

static int set_level(void *ctx, enum level level, struct source_level *out)
{
	struct machine *m = ctx;

	machine_track(m, level);
	out->level = level;
	machine_sample(m, true, &out->base);
	return 0;
}

/* Plain references are not simulated. */
static int look_out(void *ctx, bool *done, uint64_t *folios)
{
	(void)ctx;
	*done = false;
	*folios = 0;
	return 0;
}

static int track_references(void *ctx, bool on, struct source_references *out)
{
	(void)ctx;
	out->on = on;
	return 0;
}

static int references(void *ctx, const struct snapshot **out)
{
	struct machine *m = ctx;

	m->records.snapshot.nr_pages = 0;
	*out = &m->records.snapshot;
	return 0;
}

const struct source simulator_source = {
	.look = look,
	.set_level = set_level,
	.look_out = look_out,
	.track_references = track_references,
	.references = references,
};
