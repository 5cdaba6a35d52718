// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <signal.h>
#include <time.h>

#include "command.h"
#include "core/errors.h"
#include "core/units.h"
#include "render/render.h"
#include "session.h"

enum {
	OPT_INTERVAL,
	OPT_FOR,
	OPT_TRACK,
	OPT_LEVEL,
	OPT_GRACE,
	OPT_SETTLE,
	OPT_REFERENCES,
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
	[OPT_REFERENCES] = {"references", "TIME",
			    "between two looks for plain references that are\n"
			    "left behind (get_user_pages); 0: none [10m]",
			    NULL},
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
	uint64_t references_ns;
	struct monitor_config monitor;
	struct tracker_config tracker;
	bool json;
	bool samples;
};

struct watch {
	struct settings set;
	struct render render;
	struct session session;
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct settings *s = ctx;
	const struct option_row *row = &options[option];
	unsigned choice = 0;
	uint64_t n = 0;
	int err = 0;

	switch (option) {
	case OPT_INTERVAL:
		return option_duration(self, row, value, 10000000, &s->interval_ns);
	case OPT_FOR:
		return option_duration(self, row, value, 1, &s->for_ns);
	case OPT_GRACE:
		return option_duration(self, row, value, 0, &s->monitor.grace_ns);
	case OPT_SETTLE:
		return option_duration(self, row, value, 1, &s->monitor.settle_ns);
	case OPT_REFERENCES:
		return option_duration(self, row, value, 0, &s->references_ns);
	case OPT_TRACK:
		err = option_choice(self, row, value, &choice);
		s->monitor.track = choice;
		return err;
	case OPT_LEVEL:
		err = option_choice(self, row, value, &choice);
		s->monitor.lowest = LEVEL_LIGHT + choice;
		return err;
	case OPT_TABLE_SIZE:
		err = option_number(self, row, value, 16, 1 << 26, &n);
		s->tracker.table_size = (uint32_t)n;
		return err;
	case OPT_JSON:
		s->json = true;
		return 0;
	case OPT_SAMPLES:
		s->samples = true;
		return 0;
	default:
		if (!plan_knows(value))
			return option_bad(self, row, value, "a function that doctor lists");
		s->tracker.omit = value;
		return 0;
	}
}

/* STATUS_OK and *done when there is nothing left to do. */
static int parse(const struct command *self, int argc, char **argv, struct settings *s, bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status;

	*s = (struct settings){
		.interval_ns = 1000000000,
		.references_ns = 600000000000,
		.monitor = {.track = TRACK_AUTO,
			    .lowest = LEVEL_LIGHT,
			    .grace_ns = 2000000000,
			    .settle_ns = 60000000000},
	};
	status = options_all(&o, set_option, s, done);
	if (status || *done)
		return status;
	status = options_only(&o);
	*done = status != STATUS_OK;
	return status;
}

/* ---- the loop ------------------------------------------------------------------------- */

/* True when a signal asks to end. A look that came late does not make the next one early. */
static bool sleep_until(const sigset_t *signals, struct timespec *next, uint64_t interval)
{
	int64_t late = -session_ns_until(next);

	if (late > 0)
		session_add_ns(next, (uint64_t)late / interval * interval);
	return session_wait(signals, next);
}

static int loop(struct watch *w)
{
	struct conductor *c = &w->session.conductor;
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
	session_add_ns(&end, w->set.for_ns);
	do {
		err = conductor_step(c);
		session_add_ns(&next, w->set.interval_ns);
		if (w->set.for_ns && session_ns_until(&end) < session_ns_until(&next))
			next = end;
	} while (!err && !ferror(w->render.to) &&
		 !sleep_until(&signals, &next, w->set.interval_ns) &&
		 (!w->set.for_ns || session_ns_until(&end) > 0));
	return err ? err : conductor_look(c);
}

static void announce(const struct watch *w)
{
	char memory[UNITS_ROOM];

	if (w->set.json)
		return;
	fprintf(w->render.to, "pinleak watches %s of memory, kernel %s; Ctrl-C ends\n",
		units_bytes((double)w->session.conductor.last.memory_total, memory),
		w->render.kernel);
	fflush(w->render.to);
}

/* No tracking, but the counters can be had: say so and go on, unless tracking was asked for. */
static int check_ground(struct watch *w)
{
	if (w->set.monitor.track == TRACK_NEVER || session_may_track(&w->session))
		return STATUS_OK;
	if (w->set.monitor.track == TRACK_ALWAYS || !w->session.live.ground.counters)
		return STATUS_CANNOT;
	fprintf(stderr, "  going on with the counters alone: leaks are noticed, no driver named\n");
	return STATUS_OK;
}

static int finish(struct watch *w, int err)
{
	const struct conductor *c = &w->session.conductor;

	if (err) {
		fprintf(stderr, "pinleak: %s\n", live_error(&w->session.live, err));
		return STATUS_CANNOT;
	}
	monitor_finish(c->monitor, c->last.now_ns);
	if (monitor_leaking(c->monitor))
		return STATUS_LEAK;
	return monitor_is_blind(c->monitor) ? STATUS_CANNOT : STATUS_OK;
}

static int watch(struct watch *w)
{
	int status = check_ground(w);

	if (status)
		return status;
	if (session_open(&w->session, &w->set.monitor,
			 w->set.json ? &json_reporter : &text_reporter, &w->render))
		return STATUS_CANNOT;
	if (w->set.monitor.track == TRACK_AUTO)
		live_prepare(&w->session.live);
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
	w.session.live.config = w.set.tracker;
	w.session.live.lookout_ns = w.set.monitor.track == TRACK_NEVER ? 0 : w.set.references_ns;
	w.session.live.grace_ns = w.set.monitor.grace_ns;
	status = watch(&w);
	session_close(&w.session);
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
