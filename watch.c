// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "watch.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/units.h"
#include "diagnoser.h"
#include "render/inspect.h"

enum {
	OPT_INTERVAL,
	OPT_FOR,
	OPT_TRACK,
	OPT_LEVEL,
	OPT_GRACE,
	OPT_SETTLE,
	OPT_REFERENCES,
	OPT_DETECT,
	OPT_TABLE_SIZE,
	OPT_JSON,
	OPT_SAMPLES,
	OPT_NO_INSPECT,
	OPT_LISTEN,
	OPT_TOKEN_FILE,
	OPT_ALLOW_HOST,
	OPT_OMIT_HOOK,
};

const struct option_row watch_options[] = {
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
		       "file was closed and its process ended [30s; 75s\n"
		       "for one or two processes, 4s for many]",
		       NULL},
	[OPT_SETTLE] = {"settle", "TIME", "tracking goes off when nothing is new [60s]", NULL},
	[OPT_REFERENCES] = {"references", "TIME",
			    "between two looks for plain references that are\n"
			    "left behind (get_user_pages); 0: none [10m]",
			    NULL},
	[OPT_DETECT] = {"detect", "SETTINGS",
			"when a rise is suspicious; see pinleak-watch(1)\n"
			"[share=0.02%,pins=16,fall=1.5,hunts=4,pause=100]",
			NULL},
	[OPT_TABLE_SIZE] = {"table-size", "N",
			    "folios to keep records of [by memory: 65,536\n"
			    "to 131,072], 300 bytes each",
			    NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line, samples too", NULL},
	[OPT_SAMPLES] = {"samples", NULL, "print every sample", NULL},
	[OPT_NO_INSPECT] = {"no-inspect", NULL,
			    "do not look at a driver that is accused: its log,\n"
			    "parameters, devices, limits and version",
			    NULL},
	[OPT_LISTEN] = {"listen", "ADDRESS",
			"serve page, metrics and API there, at a port like\n" WATCH_LISTEN
			"; see pinleak-serve(1)",
			NULL},
	[OPT_TOKEN_FILE] = {"token-file", "FILE",
			    "who reads must know the token in it; needed to\n"
			    "listen beyond this machine",
			    NULL},
	[OPT_ALLOW_HOST] = {"allow-host", "NAME",
			    "serve by this name of the machine as well; may be\n"
			    "given several times",
			    NULL},
	[OPT_OMIT_HOOK] = {"omit-hook", "FUNCTION",
			   "leave a hook out, to see that the audit notices", NULL},
	{0},
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct watch_settings *s = ctx;
	const struct option_row *row = &watch_options[option];
	unsigned choice = 0;
	uint64_t n = 0;
	int err = 0;

	switch (option) {
	case OPT_INTERVAL:
		return option_duration(self, row, value, 10000000, &s->interval_ns);
	case OPT_FOR:
		return option_duration(self, row, value, 1, &s->for_ns);
	case OPT_GRACE:
		s->monitor.few_ns = s->monitor.many_ns = 0; /* this, and for all the same */
		return option_duration(self, row, value, 0, &s->monitor.grace_ns);
	case OPT_SETTLE:
		return option_duration(self, row, value, 1, &s->monitor.settle_ns);
	case OPT_REFERENCES:
		return option_duration(self, row, value, 0, &s->references_ns);
	case OPT_DETECT:
		if (detect_configure(&s->monitor.detect, value))
			return option_bad(self, row, value,
					  "KEY=NUMBER,... of share, pins, fall, hunts and pause");
		return 0;
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
	case OPT_NO_INSPECT:
		s->no_inspect = true;
		return 0;
	case OPT_SAMPLES:
		s->samples = true;
		return 0;
	case OPT_LISTEN:
		return serving_listen(self, row, value, &s->serving);
	case OPT_TOKEN_FILE:
		s->serving.token_file = value;
		return 0;
	case OPT_ALLOW_HOST:
		return serving_allow(self, row, value, &s->serving);
	default:
		if (!plan_knows(value))
			return option_bad(self, row, value, "a function that doctor lists");
		s->tracker.omit = value;
		return 0;
	}
}

int watch_parse(struct options *o, struct watch_settings *s, const char *listen, bool *done)
{
	int status;

	*s = (struct watch_settings){
		.interval_ns = 1000000000,
		.references_ns = 600000000000,
		.monitor = monitor_defaults(),
	};
	s->serving.on = listen && !listen_parse(listen, &s->serving.at);
	status = options_all(o, set_option, s, done);
	if (status || *done)
		return status;
	status = serving_check(o->command, &s->serving);
	*done = status != STATUS_OK;
	return status;
}

/* ---- the recording -------------------------------------------------------------------- */

/* What is watched now is what the recording begins with. */
static void begin_recording(struct watch *w)
{
	struct conductor *c = &w->session.conductor;
	struct recording_header h = {.real_offset = w->render.real_offset,
				     .config = w->set.monitor,
				     .first = c->last};

	if (!w->recorder)
		return;
	snprintf(h.version, sizeof(h.version), "%s", PINLEAK_VERSION);
	memcpy(h.host, w->render.host, sizeof(h.host));
	memcpy(h.kernel, w->render.kernel, sizeof(h.kernel));
	recorder_begin(w->recorder, &h);
	c->source = &recorder_source;
	c->ctx = w->recorder;
}

static void check_recording(struct watch *w)
{
	int err = w->recorder ? recorder_error(w->recorder) : 0;

	if (!err || w->recording_failed)
		return;
	w->recording_failed = true;
	fprintf(stderr, "pinleak: the recording ends here, the watch goes on: %s\n",
		strerror(-err));
}

static void end_recording(struct watch *w, int err)
{
	if (!w->recorder)
		return;
	recorder_end(w->recorder, err, err ? live_error(&w->session.live, err) : "");
	check_recording(w);
}

/* ---- the loop ------------------------------------------------------------------------- */

/* So many glances at the counters from one look to the next, while pins come and go. */
#define GLANCES	     10
#define GLANCE_PAUSE 50000000 /* ns between two of them, at least */

/* Waits with glances in between: the number of a signal, or 0. */
static int wait_glancing(struct watch *w, const sigset_t *signals, const struct timespec *next)
{
	uint64_t share = w->set.interval_ns / GLANCES;
	uint64_t pause = share > GLANCE_PAUSE ? share : GLANCE_PAUSE;
	int signal = 0;

	while (!signal && w->session.live.moving && session_ns_until(next) > (int64_t)pause) {
		struct timespec glance;

		clock_gettime(CLOCK_MONOTONIC, &glance);
		session_add_ns(&glance, pause);
		signal = session_wait(signals, &glance);
		live_glance(&w->session.live, monitor_wants_exact(w->session.conductor.monitor));
	}
	return signal ? signal : session_wait(signals, next);
}

/* True when a signal asks to end. A look that came late does not make the next one early. */
static bool sleep_until(struct watch *w, const sigset_t *signals, struct timespec *next)
{
	uint64_t interval = w->set.interval_ns;
	int64_t late = -session_ns_until(next);

	if (late > 0)
		session_add_ns(next, (uint64_t)late / interval * interval);
	return wait_glancing(w, signals, next);
}

/* What asks to end is waited for from now on. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigprocmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
}

static int loop(struct watch *w, const sigset_t *signals)
{
	struct conductor *c = &w->session.conductor;
	struct timespec next, end;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &next);
	end = next;
	session_add_ns(&end, w->set.for_ns);
	do {
		err = conductor_step(c);
		check_recording(w);
		live_foresee(&w->session.live, monitor_is_stirring(c->monitor));
		session_add_ns(&next, w->set.interval_ns);
		if (w->set.for_ns && session_ns_until(&end) < session_ns_until(&next))
			next = end;
	} while (!err && !ferror(w->render.to) && !sleep_until(w, signals, &next) &&
		 (!w->set.for_ns || session_ns_until(&end) > 0));
	return err ? err : conductor_look_last(c);
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

int watch_status(const struct monitor *m)
{
	if (monitor_leaking(m))
		return STATUS_LEAK;
	return monitor_is_blind(m) ? STATUS_CANNOT : STATUS_OK;
}

static int finish(struct watch *w, int err)
{
	const struct conductor *c = &w->session.conductor;
	int status;

	end_recording(w, err);
	if (err) {
		fprintf(stderr, "pinleak: %s\n", live_error(&w->session.live, err));
		return STATUS_CANNOT;
	}
	monitor_finish(c->monitor, c->last.now_ns);
	status = watch_status(c->monitor);
	return status == STATUS_OK && w->recording_failed ? STATUS_CANNOT : status;
}

/* The first lines: nothing but objects on standard output when they are asked for. */
static void tell_beginning(struct watch *w)
{
	if (!w->set.json && !w->set.quiet)
		render_begin(&w->render, w->session.conductor.last.memory_total);
	serving_tell(&w->serving, w->set.json ? stderr : stdout);
}

/* What is recorded holds no diagnosis, so that its replay prints the same. */
static void diagnose(struct watch *w)
{
	if (w->recorder || w->set.no_inspect)
		return;
	if (!w->set.quiet)
		tee_add(&w->tee, w->set.json ? &json_diagnosis : &text_diagnosis, &w->render);
	tee_add(&w->tee, &diagnoser, &w->tee);
}

static int watch_here(struct watch *w)
{
	struct tee_end head;
	sigset_t signals;
	int status = check_ground(w);

	if (!w->set.quiet)
		tee_add(&w->tee, w->set.json ? &json_reporter : &text_reporter, &w->render);
	if (!status)
		status = serving_start(&w->serving, &w->set.serving, &w->render, w->set.interval_ns,
				       &w->tee);
	if (status)
		return status;
	diagnose(w);
	head = tee_head(&w->tee);
	if (session_open(&w->session, &w->set.monitor, head.to, head.ctx))
		return STATUS_CANNOT;
	if (w->set.monitor.track == TRACK_AUTO)
		live_prepare(&w->session.live);
	block_signals(&signals);
	tell_beginning(w);
	begin_recording(w);
	return finish(w, loop(w, &signals));
}

int watch(struct watch *w)
{
	int status;

	render_here(&w->render, stdout);
	w->render.samples = w->set.samples;
	w->session.live.config = w->set.tracker;
	w->session.live.lookout_ns = w->set.monitor.track == TRACK_NEVER ? 0 : w->set.references_ns;
	w->session.live.grace_ns = w->set.monitor.grace_ns;
	status = watch_here(w);
	serving_stop(&w->serving);
	session_close(&w->session);
	return status;
}
