// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "core/errors.h"
#include "core/monitor.h"
#include "core/units.h"
#include "kernel/ground.h"
#include "kernel/tracker.h"
#include "kernel/vmstat.h"
#include "render/render.h"

enum {
	OPT_INTERVAL,
	OPT_FOR,
	OPT_TRACK,
	OPT_LEVEL,
	OPT_GRACE,
	OPT_SETTLE,
	OPT_TABLE_SIZE,
	OPT_JSON,
	OPT_SAMPLES,
	OPT_OMIT_HOOK,
};

static const struct option_row options[] = {
	[OPT_INTERVAL] = {"interval", "TIME", "between two looks at the counters [1s]", NULL},
	[OPT_FOR] = {"for", "TIME", "end after so long [never]", NULL},
	[OPT_TRACK] = {"track", "WHEN",
		       "auto: when pins do not come back [auto]\n"
		       "always: from the beginning; never: counters only",
		       "auto always never"},
	[OPT_LEVEL] = {"level", "LEVEL",
		       "level that tracking begins with [light]\n"
		       "light: a hook a call; deep: a hook a pin",
		       "light deep"},
	[OPT_GRACE] = {"grace", "TIME",
		       "how long a driver may take to release after its\n"
		       "file was closed and its process ended [2s]",
		       NULL},
	[OPT_SETTLE] = {"settle", "TIME", "tracking goes off when nothing is new [60s]", NULL},
	[OPT_TABLE_SIZE] = {"table-size", "N",
			    "folios to keep records of [by memory: 65,536\n"
			    "to 131,072], 300 bytes each",
			    NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line, samples too", NULL},
	[OPT_SAMPLES] = {"samples", NULL, "print every sample", NULL},
	[OPT_OMIT_HOOK] = {"omit-hook", "FUNCTION",
			   "leave a hook out, to see that the audit notices", NULL},
	{0},
};

struct settings {
	uint64_t interval_ns;
	uint64_t for_ns; /* 0: for ever */
	struct monitor_config monitor;
	struct tracker_config tracker;
	bool json;
	bool samples;
};

struct watch {
	struct settings set;
	struct render render;
	struct vmstat *counters;
	struct monitor *monitor;
	struct tracker *tracker; /* NULL until it is needed */
	struct ground ground;
	struct sample sample;
};

/* ---- the command line ----------------------------------------------------------------- */

static int bad_value(const struct command *self, const char *option, const char *value,
		     const char *expected)
{
	return usage_error(self, ERROR_INVALID_PARAMETER, "--%s %s: expected %s", option, value,
			   expected);
}

static int set_duration(const struct command *self, const char *option, const char *value,
			uint64_t least, uint64_t *out)
{
	uint64_t ns;

	if (units_duration(value, &ns) || ns < least)
		return bad_value(self, option, value,
				 least > 1 ? "a time of at least 10ms, like 1s or 250ms"
					   : "a time, like 1s, 250ms or 5m");
	*out = ns;
	return 0;
}

/* One of the words of the option's row; their number into *out. */
static int set_choice(const struct command *self, const struct option_row *row, const char *value,
		      unsigned *out)
{
	const char *at = row->choices;

	for (unsigned i = 0; *at; i++) {
		size_t len = strcspn(at, " ");

		if (strlen(value) == len && !strncmp(at, value, len)) {
			*out = i;
			return 0;
		}
		at += len + (at[len] == ' ');
	}
	return bad_value(self, row->name, value, row->choices);
}

static int set_option(const struct command *self, int option, const char *value, struct settings *s)
{
	const char *name = options[option].name;
	unsigned choice = 0;
	uint64_t n = 0;
	int err = 0;

	switch (option) {
	case OPT_INTERVAL:
		return set_duration(self, name, value, 10000000, &s->interval_ns);
	case OPT_FOR:
		return set_duration(self, name, value, 1, &s->for_ns);
	case OPT_GRACE:
		return set_duration(self, name, value, 0, &s->monitor.grace_ns);
	case OPT_SETTLE:
		return set_duration(self, name, value, 1, &s->monitor.settle_ns);
	case OPT_TRACK:
		err = set_choice(self, &options[option], value, &choice);
		s->monitor.track = choice;
		return err;
	case OPT_LEVEL:
		err = set_choice(self, &options[option], value, &choice);
		s->monitor.lowest = LEVEL_LIGHT + choice;
		return err;
	case OPT_TABLE_SIZE:
		if (units_number(value, 16, 1 << 26, &n))
			return bad_value(self, name, value, "a number from 16 to 67108864");
		s->tracker.table_size = (uint32_t)n;
		return 0;
	case OPT_JSON:
		s->json = true;
		return 0;
	case OPT_SAMPLES:
		s->samples = true;
		return 0;
	default:
		if (!plan_knows(value))
			return bad_value(self, name, value, "a function that doctor lists");
		s->tracker.omit = value;
		return 0;
	}
}

/* STATUS_OK and *done when there is nothing left to do. */
static int parse(const struct command *self, int argc, char **argv, struct settings *s, bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int got, status;

	*s = (struct settings){
		.interval_ns = 1000000000,
		.monitor = {.track = TRACK_AUTO,
			    .lowest = LEVEL_LIGHT,
			    .grace_ns = 2000000000,
			    .settle_ns = 60000000000},
	};
	*done = true;
	while ((got = options_next(&o)) >= 0) {
		status = set_option(self, got, o.value, s);
		if (status)
			return status;
	}
	if (got == OPTIONS_HELP) {
		command_help(self, stdout);
		return STATUS_OK;
	}
	if (got == OPTIONS_ERROR)
		return STATUS_USAGE;
	if (o.at < argc)
		return usage_error(self, ERROR_INVALID_PARAMETER, "%s: watch takes options only",
				   argv[o.at]);
	*done = false;
	return STATUS_OK;
}

/* ---- levels --------------------------------------------------------------------------- */

static int why_not(struct watch *w, int err, const char **why)
{
	if (w->tracker && *tracker_error(w->tracker))
		*why = tracker_error(w->tracker);
	else if (w->ground.why[0])
		*why = w->ground.why;
	else
		*why = err == -ENOTSUP ? "the BTF of this kernel lacks what pinleak needs"
				       : strerror(-err);
	return err;
}

/* Brings the level about and proves that its hooks see what the kernel counts. */
static int raise_level(struct watch *w, enum level level)
{
	struct calibration shots[CALIBRATIONS];
	size_t nr;
	int err = 0;

	if (w->ground.why[0])
		return -EPERM;
	if (!w->tracker)
		err = tracker_create(&w->set.tracker, &w->tracker);
	if (!err)
		err = tracker_set_level(w->tracker, level);
	if (!err)
		err = tracker_calibrate(w->tracker, w->counters, true, shots, &nr);
	return err;
}

static int change_level(struct watch *w)
{
	enum level from = w->tracker ? tracker_level(w->tracker) : LEVEL_COUNTERS;
	enum level to = monitor_wanted(w->monitor);
	const char *why;
	int err;

	if (to == from)
		return 0;
	err = to == LEVEL_COUNTERS ? tracker_set_level(w->tracker, to) : raise_level(w, to);
	if (!err) {
		monitor_level_is(w->monitor,
				 to == LEVEL_COUNTERS ? &w->sample : tracker_base(w->tracker), to,
				 monitor_reason(w->monitor));
		return 0;
	}
	why_not(w, err, &why);
	monitor_level_failed(w->monitor, w->sample.now_ns, to, why);
	if (!w->tracker || tracker_level(w->tracker) == from)
		return 0;
	/* The audit refused the level: what went before goes on. */
	err = tracker_set_level(w->tracker, from);
	if (!err && from != LEVEL_COUNTERS)
		err = tracker_rebalance(w->tracker, w->counters);
	return err;
}

/* ---- the loop ------------------------------------------------------------------------- */

static int step(struct watch *w)
{
	const struct snapshot *books = NULL;
	struct balance balance = {0};
	int err;

	if (w->tracker && tracker_level(w->tracker) != LEVEL_COUNTERS) {
		err = tracker_balance(w->tracker, w->counters, &w->sample, &balance);
		if (!err)
			err = tracker_books(w->tracker, &books);
	} else {
		err = vmstat_read(w->counters, monitor_wants_exact(w->monitor), &w->sample);
	}
	if (!err)
		err = monitor_step(w->monitor, &w->sample, books, books ? &balance : NULL);
	return err;
}

static void add_ns(struct timespec *t, uint64_t ns)
{
	ns += (uint64_t)t->tv_nsec;
	t->tv_sec += (time_t)(ns / 1000000000);
	t->tv_nsec = (long)(ns % 1000000000);
}

static int64_t ns_until(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (t->tv_sec - now.tv_sec) * INT64_C(1000000000) + t->tv_nsec - now.tv_nsec;
}

/* True when a signal asks to end. A look that came late does not make the next one early. */
static bool sleep_until(const sigset_t *signals, struct timespec *next, uint64_t interval)
{
	int64_t left = ns_until(next);
	struct timespec wait = {0};

	if (left > 0)
		add_ns(&wait, (uint64_t)left);
	else
		add_ns(next, (uint64_t)-left / interval * interval);
	return sigtimedwait(signals, NULL, &wait) > 0;
}

static int loop(struct watch *w)
{
	struct timespec next, end;
	sigset_t signals;
	int err;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
	clock_gettime(CLOCK_MONOTONIC, &next);
	end = next;
	add_ns(&end, w->set.for_ns);
	do {
		err = step(w);
		if (!err)
			err = change_level(w);
		add_ns(&next, w->set.interval_ns);
		if (w->set.for_ns && ns_until(&end) < ns_until(&next))
			next = end;
	} while (!err && !ferror(w->render.to) &&
		 !sleep_until(&signals, &next, w->set.interval_ns) &&
		 (!w->set.for_ns || ns_until(&end) > 0));
	return err ? err : step(w);
}

static void announce(const struct watch *w)
{
	char memory[UNITS_ROOM];

	if (w->set.json)
		return;
	fprintf(w->render.to, "pinleak watches %s of memory, kernel %s; Ctrl-C ends\n",
		units_bytes((double)w->sample.memory_total, memory), w->render.kernel);
	fflush(w->render.to);
}

/* No tracking, but the counters can be had: say so and go on, unless tracking was asked for. */
static int check_ground(struct watch *w)
{
	ground_survey(&w->ground);
	if (!w->ground.why[0] || w->set.monitor.track == TRACK_NEVER)
		return STATUS_OK;
	fprintf(stderr, "pinleak: no tracking here\n");
	render_wrap(stderr, 2, w->ground.why);
	render_wrap(stderr, 2, w->ground.todo);
	if (w->set.monitor.track == TRACK_ALWAYS || !w->ground.counters)
		return STATUS_CANNOT;
	fprintf(stderr, "  going on with the counters alone: leaks are noticed, no driver named\n");
	return STATUS_OK;
}

static int finish(struct watch *w, int err)
{
	if (err) {
		fprintf(stderr, "pinleak: %s\n",
			w->tracker && *tracker_error(w->tracker) ? tracker_error(w->tracker)
								 : strerror(-err));
		return STATUS_CANNOT;
	}
	monitor_finish(w->monitor, w->sample.now_ns);
	if (monitor_leaking(w->monitor))
		return STATUS_LEAK;
	return monitor_is_blind(w->monitor) ? STATUS_CANNOT : STATUS_OK;
}

static int watch(struct watch *w)
{
	int status = check_ground(w), err;

	if (status)
		return status;
	err = vmstat_open(&w->counters);
	if (!err)
		err = vmstat_read(w->counters, false, &w->sample);
	if (err) {
		fprintf(stderr, "pinleak: the kernel's pin counters: %s\n", strerror(-err));
		return STATUS_CANNOT;
	}
	w->monitor = monitor_create(&w->set.monitor, w->set.json ? &json_reporter : &text_reporter,
				    &w->render);
	if (!w->monitor)
		return finish(w, -ENOMEM);
	announce(w);
	return finish(w, loop(w));
}

static int run(const struct command *self, int argc, char **argv)
{
	struct watch w = {0};
	bool done;
	int status = parse(self, argc, argv, &w.set, &done);

	if (done)
		return status;
	render_here(&w.render, stdout);
	w.render.samples = w.set.samples;
	status = watch(&w);
	monitor_destroy(w.monitor);
	tracker_destroy(w.tracker);
	vmstat_close(w.counters);
	return status;
}

const struct command watch_command = {
	.name = "watch",
	.brief = "watch for leaks; track and name the driver when there is one",
	.usage = "[OPTION...]",
	.about = "Watches the kernel's counters of pinned pages. When pins do not come back it\n"
		 "switches tracking on by itself, proves the leak page by page, names the driver,\n"
		 "and switches tracking off again when the matter is settled.\n",
	.options = options,
	.more = "levels:\n"
		"  counters  nothing is attached; costs nothing\n"
		"  light     a hook on each call that pins\n"
		"  deep      a hook on each pin and release, when the books do not balance\n"
		"\n"
		"exit status: 0 no leak, 1 a driver leaks, 2 wrong usage,\n"
		"             3 tracking was needed and this machine cannot\n",
	.examples = "  pinleak watch                        until Ctrl-C, tracking when needed\n"
		    "  pinleak watch --for 10m --json       for a script\n"
		    "  pinleak watch --track always         track from the beginning\n",
	.run = run,
};
