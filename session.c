// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "render/render.h"

/* ---- options -------------------------------------------------------------------------- */

int session_set_interval(const struct command *c, const struct option_row *row, const char *value,
			 uint64_t *ns)
{
	return option_duration(c, row, value, 10000000, ns);
}

int session_set_track(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to)
{
	unsigned choice = 0;
	int status = option_choice(c, row, value, &choice);

	to->track = choice;
	return status;
}

int session_set_level(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to)
{
	unsigned choice = 0;
	int status = option_choice(c, row, value, &choice);

	to->lowest = LEVEL_LIGHT + choice;
	return status;
}

int session_set_grace(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to)
{
	to->few_ns = to->many_ns = 0; /* this, and for all the same */
	return option_duration(c, row, value, 0, &to->grace_ns);
}

int session_set_table_size(const struct command *c, const struct option_row *row, const char *value,
			   struct tracker_config *to)
{
	uint64_t n = 0;
	int status = option_number(c, row, value, 16, 1 << 26, &n);

	to->table_size = (uint32_t)n;
	return status;
}

int session_set_omit(const struct command *c, const struct option_row *row, const char *value,
		     struct tracker_config *to)
{
	if (!plan_knows(value))
		return option_bad(c, row, value, "a function that doctor lists");
	to->omit = value;
	return STATUS_OK;
}

/* ---- life ----------------------------------------------------------------------------- */

bool session_may_track(struct session *s)
{
	const struct ground *g = &s->live.ground;

	ground_survey(&s->live.ground);
	if (!g->why[0])
		return true;
	fprintf(stderr, "pinleak: no tracking here\n");
	render_wrap(stderr, 2, g->why);
	render_wrap(stderr, 2, g->todo);
	return false;
}

int session_ground(struct session *s, enum track track)
{
	if (track == TRACK_NEVER || session_may_track(s))
		return STATUS_OK;
	if (track == TRACK_ALWAYS || !s->live.ground.counters)
		return STATUS_CANNOT;
	fprintf(stderr, "  going on with the counters alone: leaks are noticed, no driver named\n");
	return STATUS_OK;
}

int session_open(struct session *s, const struct monitor_config *config, const struct reporter *to,
		 void *ctx)
{
	int err = live_open(&s->live);

	if (err) {
		fprintf(stderr, "pinleak: the kernel's pin counters: %s\n", strerror(-err));
		return err;
	}
	s->conductor = (struct conductor){.source = &live_source,
					  .ctx = &s->live,
					  .monitor = monitor_create(config, to, ctx),
					  .last = s->live.sample};
	if (s->conductor.monitor)
		return 0;
	fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
	return -ENOMEM;
}

void session_close(struct session *s)
{
	monitor_destroy(s->conductor.monitor);
	live_close(&s->live);
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

/* So many glances at the counters from one look to the next. */
#define GLANCES	     10
#define GLANCE_PAUSE 50000000 /* ns between two of them, at least */

uint64_t session_glance_pause(uint64_t interval_ns)
{
	uint64_t share = interval_ns / GLANCES;

	return share > GLANCE_PAUSE ? share : GLANCE_PAUSE;
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
