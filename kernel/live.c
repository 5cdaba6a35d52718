// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "survey.h"

#define MOVING		 256 /* pins taken from one look to the next: worth a glance in between */
#define LOOKOUT_FIRST_NS 60000000000ULL
#define FORESEEN_NS	 600000000000ULL
#define URGENT		 (-20) /* nice */

/* ---- life ----------------------------------------------------------------------------- */

int live_open(struct live *l)
{
	int err = vmstat_open(&l->counters);

	if (!err)
		err = vmstat_read(l->counters, false, &l->sample);
	if (err)
		return err;
	/* A start is slow enough: the first look for plain references comes a little later. */
	l->lookout.last_ns = l->sample.now_ns - l->lookout_ns +
			     (l->lookout_ns < LOOKOUT_FIRST_NS ? l->lookout_ns : LOOKOUT_FIRST_NS);
	return 0;
}

void live_close(struct live *l)
{
	tracker_destroy(l->tracker);
	tracker_destroy(l->getters);
	lookout_close(&l->lookout);
	vmstat_close(l->counters);
}

const char *live_error(const struct live *l, int err)
{
	if (l->tracker && *tracker_error(l->tracker))
		return tracker_error(l->tracker);
	return strerror(-err);
}

void live_prepare(struct live *l)
{
	if (!l->ground.why[0] && !l->tracker)
		tracker_create(&l->config, &l->tracker);
}

/* ---- haste ---------------------------------------------------------------------------- */

/*
 * The verifier's work is seconds under emulation, and a minute on a machine whose processors are
 * all taken: whatever leaks meanwhile has no name. Reading the books takes a moment, and seconds
 * there, for which a verdict is late. Without CAP_SYS_NICE it is not to be helped. Returns what to
 * go back to.
 */
static int hurry(void)
{
	int before = getpriority(PRIO_PROCESS, 0);

	setpriority(PRIO_PROCESS, 0, before < URGENT ? before : URGENT);
	return before;
}

static void hurry_no_more(int before)
{
	setpriority(PRIO_PROCESS, 0, before);
}

/* ---- levels --------------------------------------------------------------------------- */

static enum level level_of(const struct live *l)
{
	return l->tracker ? tracker_level(l->tracker) : LEVEL_COUNTERS;
}

static const char *why_not(const struct live *l, int err)
{
	if (l->tracker && *tracker_error(l->tracker))
		return tracker_error(l->tracker);
	if (l->ground.why[0])
		return l->ground.why;
	return err == -ENOTSUP ? "the BTF of this kernel lacks what pinleak needs" : strerror(-err);
}

/* Brings the level about and proves that its hooks see what the kernel counts. */
static int raise_level(struct live *l, enum level level)
{
	struct calibration shots[CALIBRATIONS];
	size_t nr;
	int err = 0;

	if (l->ground.why[0])
		return -EPERM;
	if (!l->tracker)
		err = tracker_create(&l->config, &l->tracker);
	if (!err)
		err = tracker_set_level(l->tracker, level);
	if (!err)
		err = tracker_calibrate(l->tracker, l->counters, true, shots, &nr);
	return err;
}

/* The audit refused the level: what went before goes on. */
static int go_back(struct live *l, enum level level)
{
	int err = tracker_set_level(l->tracker, level);

	if (!err && level != LEVEL_COUNTERS)
		err = tracker_rebalance(l->tracker, l->counters);
	return err;
}

static int change_level(struct live *l, enum level to, struct source_level *out)
{
	enum level from = level_of(l);
	int err;

	err = to == LEVEL_COUNTERS ? tracker_set_level(l->tracker, to) : raise_level(l, to);
	out->level = level_of(l);
	if (!err) {
		if (to == LEVEL_COUNTERS)
			return 0;
		/* When the hooks are in: what is leaked while the census walks is seen. */
		if (from == LEVEL_COUNTERS)
			out->pinned_known = !survey_sum(&out->pinned);
		out->base = *tracker_base(l->tracker);
		return 0;
	}
	out->refused = true;
	snprintf(out->why, sizeof(out->why), "%s", why_not(l, err));
	err = out->level == from ? 0 : go_back(l, from);
	out->level = level_of(l);
	return err;
}

static int set_level(void *ctx, enum level to, struct source_level *out)
{
	struct live *l = ctx;
	int before = hurry(), err = change_level(l, to, out);

	l->foreseen = false; /* what was loaded is in use now, or has gone */
	hurry_no_more(before);
	return err;
}

void live_foresee(struct live *l, bool stirring)
{
	if (!l->tracker || level_of(l) != LEVEL_COUNTERS)
		return;
	if (stirring)
		l->stirred_ns = l->sample.now_ns;
	if (stirring && !l->foreseen) {
		int before = hurry();

		tracker_load(l->tracker);
		hurry_no_more(before);
		l->foreseen = true; /* or it cannot be had: not to be tried each second */
	} else if (l->foreseen && l->sample.now_ns >= l->stirred_ns + FORESEEN_NS) {
		tracker_unload(l->tracker);
		l->foreseen = false;
	}
}

/* ---- plain references ------------------------------------------------------------------- */

static void drop_getters(struct live *l)
{
	tracker_destroy(l->getters);
	l->getters = NULL;
}

static int track_references(void *ctx, bool on, struct source_references *out)
{
	struct live *l = ctx;
	struct tracker_config config = {.references = true,
					.table_size = l->config.table_size,
					.follow = l->config.follow};
	int err;

	if (!on) {
		drop_getters(l);
		return 0;
	}
	err = l->ground.why[0] ? -EPERM : tracker_create(&config, &l->getters);
	if (!err)
		err = tracker_set_level(l->getters, LEVEL_LIGHT);
	if (!err)
		err = tracker_try_references(l->getters);
	out->on = !err;
	if (!err)
		return 0;
	snprintf(out->why, sizeof(out->why), "%s",
		 l->getters && *tracker_error(l->getters) ? tracker_error(l->getters)
							  : strerror(-err));
	drop_getters(l);
	return 0;
}

/* What cannot be looked at now is looked at the next time. */
static int look_out(void *ctx, bool *done, uint64_t *folios)
{
	struct live *l = ctx;

	*done = false;
	if (l->lookout_ns && !l->ground.why[0] &&
	    lookout_is_due(&l->lookout, l->sample.now_ns, l->lookout_ns, l->grace_ns) &&
	    lookout_look(&l->lookout, l->sample.now_ns, done, folios))
		*done = false;
	return 0;
}

static int references(void *ctx, const struct snapshot **out)
{
	struct live *l = ctx;
	int err = tracker_books(l->getters, out);

	return err ? err : lookout_clear(&l->lookout, *out);
}

/* ---- glances -------------------------------------------------------------------------- */

void live_glance(struct live *l, bool exact)
{
	int64_t outstanding;

	if (vmstat_glance(l->counters, exact, &outstanding))
		return; /* the next look will say why */
	if (!l->glanced || outstanding < l->lowest)
		l->lowest = outstanding;
	l->glanced = true;
}

static void tell_glances(struct live *l, int64_t acquired_before)
{
	int64_t outstanding = l->sample.acquired - l->sample.released;

	if (l->glanced && l->lowest < outstanding)
		l->sample.below = outstanding - l->lowest;
	l->glanced = false;
	l->moving = l->sample.acquired - acquired_before > MOVING;
}

/* ---- a look --------------------------------------------------------------------------- */

static void read_cost(const struct live *l, struct cost *out)
{
	struct rusage used;

	*out = (struct cost){0};
	if (!getrusage(RUSAGE_SELF, &used)) {
		out->cpu_ms = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
			      (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
		out->memory = (uint64_t)used.ru_maxrss * 1024; /* kilobytes: getrusage(2) */
	}
	if (l->tracker)
		tracker_cost(l->tracker, out);
	if (l->getters)
		tracker_cost(l->getters, out);
}

static int look_at_books(struct live *l, struct source_look *out)
{
	int before = hurry();
	int err = tracker_balance(l->tracker, l->counters, &l->sample, &out->balance);

	if (!err)
		err = tracker_books(l->tracker, &out->books);
	hurry_no_more(before);
	return err;
}

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct live *l = ctx;
	int64_t before = l->sample.acquired;
	int err;

	if (level_of(l) == LEVEL_COUNTERS || !books)
		err = vmstat_read(l->counters, exact, &l->sample);
	else
		err = look_at_books(l, out);
	tell_glances(l, before);
	read_cost(l, &l->sample.cost);
	out->sample = l->sample;
	return err;
}

const struct source live_source = {
	.look = look,
	.set_level = set_level,
	.look_out = look_out,
	.track_references = track_references,
	.references = references,
};
