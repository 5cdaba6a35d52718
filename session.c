// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/survey.h"
#include "render/render.h"

#define LOOKOUT_FIRST_NS 60000000000ULL

/* ---- life ----------------------------------------------------------------------------- */

bool session_may_track(struct session *s)
{
	ground_survey(&s->ground);
	if (!s->ground.why[0])
		return true;
	fprintf(stderr, "pinleak: no tracking here\n");
	render_wrap(stderr, 2, s->ground.why);
	render_wrap(stderr, 2, s->ground.todo);
	return false;
}

int session_open(struct session *s, const struct monitor_config *config, const struct reporter *to,
		 void *ctx)
{
	int err = vmstat_open(&s->counters);

	if (!err)
		err = vmstat_read(s->counters, false, &s->sample);
	if (err) {
		fprintf(stderr, "pinleak: the kernel's pin counters: %s\n", strerror(-err));
		return err;
	}
	/* A start is slow enough: the first look for plain references comes a little later. */
	s->lookout.last_ns = s->sample.now_ns - s->lookout_ns +
			     (s->lookout_ns < LOOKOUT_FIRST_NS ? s->lookout_ns : LOOKOUT_FIRST_NS);
	s->monitor = monitor_create(config, to, ctx);
	if (s->monitor)
		return 0;
	fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
	return -ENOMEM;
}

void session_close(struct session *s)
{
	monitor_destroy(s->monitor);
	tracker_destroy(s->tracker);
	tracker_destroy(s->getters);
	lookout_close(&s->lookout);
	vmstat_close(s->counters);
}

const char *session_error(const struct session *s, int err)
{
	if (s->tracker && *tracker_error(s->tracker))
		return tracker_error(s->tracker);
	return strerror(-err);
}

/* ---- levels --------------------------------------------------------------------------- */

enum level session_level(const struct session *s)
{
	return s->tracker ? tracker_level(s->tracker) : LEVEL_COUNTERS;
}

static const char *why_not(const struct session *s, int err)
{
	if (s->tracker && *tracker_error(s->tracker))
		return tracker_error(s->tracker);
	if (s->ground.why[0])
		return s->ground.why;
	return err == -ENOTSUP ? "the BTF of this kernel lacks what pinleak needs" : strerror(-err);
}

/* Brings the level about and proves that its hooks see what the kernel counts. */
static int raise_level(struct session *s, enum level level)
{
	struct calibration shots[CALIBRATIONS];
	size_t nr;
	int err = 0;

	if (s->ground.why[0])
		return -EPERM;
	if (!s->tracker)
		err = tracker_create(&s->config, &s->tracker);
	if (!err)
		err = tracker_set_level(s->tracker, level);
	if (!err)
		err = tracker_calibrate(s->tracker, s->counters, true, shots, &nr);
	return err;
}

/* What the books begin with. Without it they are as good, only nobody knows of what was before. */
static void take_census(struct session *s)
{
	struct census_sum pinned;

	monitor_pinned(s->monitor, survey_sum(&pinned) ? NULL : &pinned);
}

int session_change_level(struct session *s)
{
	enum level from = session_level(s), to = monitor_wanted(s->monitor);
	int err;

	if (to == from)
		return 0;
	if (from == LEVEL_COUNTERS && !s->ground.why[0])
		take_census(s); /* before the hooks are in: the time it takes is not theirs */
	err = to == LEVEL_COUNTERS ? tracker_set_level(s->tracker, to) : raise_level(s, to);
	if (!err) {
		monitor_level_is(s->monitor,
				 to == LEVEL_COUNTERS ? &s->sample : tracker_base(s->tracker), to,
				 monitor_reason(s->monitor));
		return 0;
	}
	monitor_level_failed(s->monitor, s->sample.now_ns, to, why_not(s, err));
	if (session_level(s) == from)
		return 0;
	/* The audit refused the level: what went before goes on. */
	err = tracker_set_level(s->tracker, from);
	if (!err && from != LEVEL_COUNTERS)
		err = tracker_rebalance(s->tracker, s->counters);
	return err;
}

/* ---- plain references ------------------------------------------------------------------- */

static void drop_getters(struct session *s)
{
	tracker_destroy(s->getters);
	s->getters = NULL;
}

static void track_getters(struct session *s)
{
	struct tracker_config config = {.references = true,
					.table_size = s->config.table_size,
					.follow = s->config.follow};
	int err = s->ground.why[0] ? -EPERM : tracker_create(&config, &s->getters);

	if (!err)
		err = tracker_set_level(s->getters, LEVEL_LIGHT);
	if (!err)
		err = tracker_try_references(s->getters);
	if (!err) {
		monitor_references_are(s->monitor, s->sample.now_ns, true);
		return;
	}
	monitor_references_failed(s->monitor, s->sample.now_ns,
				  s->getters && *tracker_error(s->getters)
					  ? tracker_error(s->getters)
					  : strerror(-err));
	drop_getters(s);
}

/* What cannot be looked at now is looked at the next time. */
static void look_out(struct session *s)
{
	uint64_t folios;
	bool done;

	if (!s->lookout_ns || s->ground.why[0] ||
	    !lookout_is_due(&s->lookout, s->sample.now_ns, s->lookout_ns, s->grace_ns))
		return;
	if (!lookout_look(&s->lookout, s->sample.now_ns, &done, &folios) && done)
		monitor_unexplained(s->monitor, s->sample.now_ns, folios);
}

int session_references(struct session *s)
{
	const struct snapshot *books;
	int err;

	look_out(s);
	if (monitor_wants_references(s->monitor) && !s->getters)
		track_getters(s);
	if (!s->getters)
		return 0;
	if (!monitor_wants_references(s->monitor)) {
		drop_getters(s);
		monitor_references_are(s->monitor, s->sample.now_ns, false);
		return 0;
	}
	err = tracker_books(s->getters, &books);
	if (!err)
		err = lookout_clear(&s->lookout, books);
	return err ? err : monitor_step_references(s->monitor, books);
}

/* ---- a look, and waiting for the next ------------------------------------------------- */

int session_step(struct session *s)
{
	const struct snapshot *books = NULL;
	struct balance balance = {0};
	int err;

	if (session_level(s) != LEVEL_COUNTERS) {
		err = tracker_balance(s->tracker, s->counters, &s->sample, &balance);
		if (!err)
			err = tracker_books(s->tracker, &books);
	} else {
		err = vmstat_read(s->counters, monitor_wants_exact(s->monitor), &s->sample);
	}
	if (!err)
		err = monitor_step(s->monitor, &s->sample, books, books ? &balance : NULL);
	return err;
}

void session_add_ns(struct timespec *t, uint64_t ns)
{
	ns += (uint64_t)t->tv_nsec;
	t->tv_sec += (time_t)(ns / 1000000000);
	t->tv_nsec = (long)(ns % 1000000000);
}

static int64_t in_ns(const struct timespec *t)
{
	return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

uint64_t session_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)in_ns(&now);
}

int64_t session_ns_until(const struct timespec *t)
{
	return in_ns(t) - (int64_t)session_now_ns();
}

int session_wait(const sigset_t *signals, const struct timespec *until)
{
	int64_t left = session_ns_until(until);
	struct timespec wait = {0};
	int signal;

	if (left > 0)
		session_add_ns(&wait, (uint64_t)left);
	signal = sigtimedwait(signals, NULL, &wait);
	return signal > 0 ? signal : 0;
}
