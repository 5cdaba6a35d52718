// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "watch.h"

#include <signal.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/errors.h"
#include "core/units.h"
#include "core/words.h"
#include "journal.h"
#include "kernel/rights.h"
#include "render/inspect.h"

#define USUAL_CONFIG "/etc/pinleak.conf"

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
	OPT_LIMIT,
	OPT_STORE,
	OPT_STORE_SIZE,
	OPT_STORE_AGE,
	OPT_JOURNAL,
	OPT_ON_VERDICT,
	OPT_CONFIG,
	OPT_CHECK_CONFIG,
	OPT_LISTEN,
	OPT_TOKEN_FILE,
	OPT_ALLOW_HOST,
	OPT_OMIT_HOOK,
};

const struct option_row watch_options[] = {
	[OPT_INTERVAL] = {SESSION_INTERVAL},
	[OPT_FOR] = {"for", "TIME", "end after so long [never]", NULL},
	[OPT_TRACK] = {"track", "WHEN",
		       "auto: when pins do not come back [auto]\n"
		       "always: from the beginning; never: counters only",
		       "auto always never"},
	[OPT_LEVEL] = {SESSION_LEVEL},
	[OPT_GRACE] = {SESSION_GRACE},
	[OPT_SETTLE] = {"settle", "TIME", "tracking goes off when nothing is new [60s]", NULL},
	[OPT_REFERENCES] = {"references", "TIME",
			    "between two looks for plain references that are\n"
			    "left behind (get_user_pages); 0: none [10m]",
			    NULL},
	[OPT_DETECT] = {"detect", "SETTINGS",
			"when a rise is suspicious; see pinleak-watch(1)\n"
			"[share=0.02%,pins=16,fall=1.5,hunts=4,pause=100]",
			NULL},
	[OPT_TABLE_SIZE] = {SESSION_TABLE_SIZE},
	[OPT_JSON] = {"json", NULL, "one JSON object a line, samples too", NULL},
	[OPT_SAMPLES] = {"samples", NULL, "print every sample", NULL},
	[OPT_NO_INSPECT] = {"no-inspect", NULL,
			    "do not look at a driver that is accused: its log,\n"
			    "parameters, devices, limits and version",
			    NULL},
	[OPT_LIMIT] = {"limit", "LIMIT",
		       "DRIVER:PAGES[:enforce]: hold a driver to so many\n"
		       "pages, as `pinleak limit` does; at level deep from\n"
		       "the beginning, whatever --track and --level say;\n"
		       "for each driver once, eight at most",
		       NULL, .several = true},
	[OPT_STORE] = {"store", "FILE",
		       "keep a history in FILE, see pinleak-report(1)\n"
		       "[none; history.db in $STATE_DIRECTORY if set]",
		       NULL},
	[OPT_STORE_SIZE] = {"store-size", "MIB", "the history has this size at most [64]", NULL},
	[OPT_STORE_AGE] = {"store-age", "TIME", "and this age [365d]", NULL},
	[OPT_JOURNAL] = {"journal", NULL,
			 "send verdicts to the journal, as is done anyway where\n"
			 "systemd sends the output there",
			 NULL},
	[OPT_ON_VERDICT] = {"on-verdict", "COMMAND",
			    "run COMMAND on each new verdict; it reads the\n"
			    "verdict's JSON as its input; no shell",
			    NULL},
	[OPT_CONFIG] = {"config", "FILE",
			"read options from FILE, lines of KEY = VALUE;\n"
			"SIGHUP reads it again",
			NULL, .apart = true},
	[OPT_CHECK_CONFIG] = {"check-config", NULL,
			      "read the configuration [/etc/pinleak.conf], say\n"
			      "what is wrong with it, and end",
			      NULL, .apart = true},
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
			    NULL, .several = true},
	[OPT_OMIT_HOOK] = {SESSION_OMIT_HOOK},
	{0},
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_command(const struct command *self, const struct option_row *row, const char *value,
		       struct watch_settings *s)
{
	char **words;

	if (words_split(value, &words))
		return option_bad(self, row, value, "a command and its arguments, quotes closed");
	free(s->on_verdict);
	s->on_verdict = words;
	return 0;
}

/* When it looks, and how it tracks. */
static int set_tracking(const struct command *self, int option, const char *value,
			struct watch_settings *s)
{
	const struct option_row *row = &watch_options[option];

	switch (option) {
	case OPT_INTERVAL:
		return session_set_interval(self, row, value, &s->interval_ns);
	case OPT_FOR:
		return option_duration(self, row, value, 1, &s->for_ns);
	case OPT_TRACK:
		return session_set_track(self, row, value, &s->monitor);
	case OPT_LEVEL:
		return session_set_level(self, row, value, &s->monitor);
	case OPT_GRACE:
		return session_set_grace(self, row, value, &s->monitor);
	case OPT_SETTLE:
		return option_duration(self, row, value, 1, &s->monitor.settle_ns);
	case OPT_REFERENCES:
		return option_duration(self, row, value, 0, &s->references_ns);
	case OPT_DETECT:
		if (detect_configure(&s->monitor.detect, value))
			return option_bad(self, row, value,
					  "KEY=NUMBER,... of share, pins, fall, hunts and pause");
		return 0;
	case OPT_TABLE_SIZE:
		return session_set_table_size(self, row, value, &s->tracker);
	default:
		return session_set_omit(self, row, value, &s->tracker);
	}
}

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct watch_settings *s = ctx;
	const struct option_row *row = &watch_options[option];
	uint64_t n = 0;
	int err = 0;

	switch (option) {
	case OPT_JSON:
		s->json = true;
		return 0;
	case OPT_NO_INSPECT:
		s->no_inspect = true;
		return 0;
	case OPT_SAMPLES:
		s->samples = true;
		return 0;
	case OPT_LIMIT:
		return limiting_set(self, row, value, &s->limit);
	case OPT_STORE:
		s->store = value;
		return 0;
	case OPT_STORE_SIZE:
		err = option_number(self, row, value, 1, 1 << 20, &n);
		s->limits.bytes = n << 20;
		return err;
	case OPT_STORE_AGE:
		err = option_duration(self, row, value, 1000000000, &n);
		history_limit_age(&s->limits, (int64_t)(n / 1000000));
		return err;
	case OPT_JOURNAL:
		if (!journal_known())
			return usage_error(self, ERROR_INVALID_PARAMETER,
					   "this pinleak was built without libsystemd");
		s->journal = true;
		return 0;
	case OPT_ON_VERDICT:
		return set_command(self, row, value, s);
	case OPT_CONFIG:
		s->config_path = value;
		return 0;
	case OPT_CHECK_CONFIG:
		s->check_config = true;
		return 0;
	case OPT_LISTEN:
		return serving_listen(self, row, value, &s->serving);
	case OPT_TOKEN_FILE:
		s->serving.token_file = value;
		return 0;
	case OPT_ALLOW_HOST:
		return serving_allow(self, row, value, &s->serving);
	default:
		return set_tracking(self, option, value, s);
	}
}

static struct watch_settings defaults(const struct options *line, const char *listen)
{
	struct watch_settings s = {
		.interval_ns = 1000000000,
		.references_ns = 600000000000,
		.monitor = monitor_defaults(),
		.limits = history_defaults(),
		.listen = listen,
		.line = *line,
	};

	s.serving.on = listen && !listen_parse(listen, &s.serving.at);
	return s;
}

/*
 * The file's settings, and the command line's over them, which are known to be right. The usual
 * file need not be there.
 */
static int read_config(struct config *config, struct watch_settings *s)
{
	struct options line = s->line;
	const char *path = s->config_path;
	bool may_lack = !strcmp(path, USUAL_CONFIG) && !s->check_config, done;
	int err;

	config->path = path;
	free(s->on_verdict);
	*s = defaults(&line, s->listen);
	err = config_read(config, line.command, set_option, s);
	if (err && !(err == -ENOENT && may_lack))
		return usage_error(line.command,
				   err == -ENOENT ? ERROR_FILE_NOT_FOUND : ERROR_INVALID_PARAMETER,
				   "%s: %s", path, strerror(-err));
	if (config->wrong)
		return STATUS_USAGE;
	s->limit.given = false; /* those of the command line win */
	return options_all(&line, set_option, s, &done);
}

/* After the last option: do they fit together? */
static int check_settings(const struct command *self, struct watch_settings *s)
{
	if (s->limit.nr && s->monitor.track == TRACK_NEVER)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--limit needs hooks in the kernel: not with --track never");
	return serving_check(self, &s->serving);
}

static int check_config(const struct config *config, int status)
{
	if (status == STATUS_OK)
		printf("%s: %u settings, nothing wrong\n", config->path, config->settings);
	return status;
}

int watch_parse(struct options *o, struct watch *w, const char *listen, bool *done)
{
	struct watch_settings *s = &w->set;
	bool check;
	int status;

	*s = defaults(o, listen);
	status = options_all(o, set_option, s, done);
	check = s->check_config;
	if (check && !s->config_path)
		s->config_path = USUAL_CONFIG;
	if (!status && !*done && s->config_path)
		status = read_config(&w->config, s);
	if (!status && !*done)
		status = check_settings(o->command, s);
	if (!status && !*done && !check)
		return STATUS_OK;
	if (!status && !*done)
		status = check_config(&w->config, status);
	*done = true;
	free(s->on_verdict);
	config_free(&w->config);
	return status;
}

/* ---- reading the configuration again -------------------------------------------------- */

static bool same_times(const struct monitor_config *a, const struct monitor_config *b)
{
	return a->grace_ns == b->grace_ns && a->few_ns == b->few_ns && a->many_ns == b->many_ns &&
	       a->settle_ns == b->settle_ns;
}

static bool same_detection(const struct detect_config *a, const struct detect_config *b)
{
	return a->share == b->share && a->pins == b->pins && a->fall == b->fall &&
	       a->hunts == b->hunts && a->pause == b->pause;
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool same_store(const struct watch_settings *a, const struct watch_settings *b)
{
	return same_text(a->store, b->store) && !memcmp(&a->limits, &b->limits, sizeof(a->limits));
}

static bool same_serving(const struct serving_settings *a, const struct serving_settings *b)
{
	bool same = a->on == b->on && same_text(a->token_file, b->token_file) &&
		    same_text(a->token, b->token) && !memcmp(&a->at, &b->at, sizeof(a->at)) &&
		    a->nr_hosts == b->nr_hosts;

	for (unsigned i = 0; same && i < a->nr_hosts; i++)
		same = same_text(a->hosts[i], b->hosts[i]);
	return same;
}

/* What was settled at the beginning: the books, the detection and the output go on as they are. */
static bool needs_start(const struct watch *w, const struct watch_settings *to)
{
	const struct watch_settings *s = &w->set;

	if (w->recorder && !same_times(&s->monitor, &to->monitor)) /* its head tells them */
		return true;
	return s->monitor.track != to->monitor.track || s->monitor.lowest != to->monitor.lowest ||
	       !same_detection(&s->monitor.detect, &to->monitor.detect) || s->json != to->json ||
	       s->for_ns != to->for_ns || s->no_inspect != to->no_inspect ||
	       s->tracker.table_size != to->tracker.table_size ||
	       s->tracker.omit != to->tracker.omit || !same_store(s, to) ||
	       !same_serving(&s->serving, &to->serving);
}

/* What may change at any time. */
static void apply(struct watch *w, const struct watch_settings *s)
{
	w->render.samples = s->samples;
	w->session.live.lookout_ns = s->monitor.track == TRACK_NEVER ? 0 : s->references_ns;
	w->alerts.journal = s->journal || journal_is_ours();
	w->alerts.courier.command = s->on_verdict;
}

static void apply_again(struct watch *w, struct watch_settings *to)
{
	struct watch_settings *s = &w->set;
	bool later = needs_start(w, to);

	free(s->on_verdict);
	s->on_verdict = to->on_verdict;
	s->interval_ns = to->interval_ns;
	s->references_ns = to->references_ns;
	s->samples = to->samples;
	s->journal = to->journal;
	s->limit = to->limit;
	apply(w, s);
	limiting_apply(&w->limiting, &s->limit, s->interval_ns);
	if (!w->recorder) {
		s->monitor.grace_ns = to->monitor.grace_ns;
		s->monitor.few_ns = to->monitor.few_ns;
		s->monitor.many_ns = to->monitor.many_ns;
		s->monitor.settle_ns = to->monitor.settle_ns;
		w->session.live.grace_ns = s->monitor.grace_ns;
		monitor_set_times(w->session.conductor.monitor, &s->monitor);
	}
	fprintf(stderr, "pinleak: %s was read again%s\n", w->config.path,
		later ? "; some of it needs a new start" : "");
}

static void reload(struct watch *w)
{
	struct watch_settings again = {.line = w->set.line,
				       .listen = w->set.listen,
				       .config_path = w->set.config_path};

	service_reloading();
	if (!read_config(&w->config, &again) && !check_settings(again.line.command, &again)) {
		apply_again(w, &again);
	} else {
		free(again.on_verdict);
		fprintf(stderr, "pinleak: the settings stay as they were\n");
	}
	service_reloaded();
}

/* ---- what is kept ---------------------------------------------------------------------- */

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

/* The boot's id, or NULL: by it two runs are known to be of one boot. */
static const char *read_boot(char *out, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char *got = f ? fgets(out, (int)size, f) : NULL;

	if (f)
		fclose(f);
	if (got)
		out[strcspn(out, "\n")] = '\0';
	return got;
}

static int begin_history(struct watch *w, const struct command *self)
{
	char boot[64];
	const struct history_run run = {.version = PINLEAK_VERSION,
					.host = w->render.host,
					.kernel = w->render.kernel,
					.boot = read_boot(boot, sizeof(boot))};

	int status = keeping_open(&w->keeping, self, w->set.store, &w->set.limits, &run, true,
				  &w->render, &w->tee);

	if (status != STATUS_CANNOT)
		return status;
	fprintf(stderr, "  going on without a history%s\n",
		w->keeping.history ? " until it can be had" : "");
	return STATUS_OK;
}

static void end_recording(struct watch *w, int err)
{
	if (!w->recorder)
		return;
	recorder_end(w->recorder, err, err ? live_error(&w->session.live, err) : "");
	check_recording(w);
}

/* ---- the loop ------------------------------------------------------------------------- */

/* Until then at most nobody else needs us: neither the service manager nor a command that runs. */
static void cut_short(const struct watch *w, struct timespec *until)
{
	uint64_t due = courier_due_ns(&w->alerts.courier), now = session_now_ns(),
		 pause = w->service.pause_ns ? w->service.pause_ns : UINT64_MAX;

	if (due != UINT64_MAX && due - now < pause) /* wraps when it is overdue: caught below */
		pause = due - now;
	if (due < now)
		pause = 0;
	if (session_ns_until(until) > 0 && (uint64_t)session_ns_until(until) > pause) {
		clock_gettime(CLOCK_MONOTONIC, until);
		session_add_ns(until, pause);
	}
}

/* Waits; meanwhile does what cannot wait. True when a signal asks to end. */
static bool wait_alive(struct watch *w, const sigset_t *signals, const struct timespec *until)
{
	int signal;

	do {
		struct timespec first = *until;

		cut_short(w, &first);
		signal = session_wait(signals, &first);
		if (signal == SIGHUP)
			reload(w);
		courier_tend(&w->alerts.courier);
		service_alive(&w->service);
	} while (signal != SIGINT && signal != SIGTERM && session_ns_until(until) > 0);
	return signal == SIGINT || signal == SIGTERM;
}

/* Waits with glances in between. */
static bool wait_glancing(struct watch *w, const sigset_t *signals, const struct timespec *next)
{
	uint64_t pause = session_glance_pause(w->set.interval_ns);
	bool over = false;

	while (!over && w->session.live.moving && session_ns_until(next) > (int64_t)pause) {
		struct timespec glance;

		clock_gettime(CLOCK_MONOTONIC, &glance);
		session_add_ns(&glance, pause);
		over = wait_alive(w, signals, &glance);
		live_glance(&w->session.live, monitor_wants_exact(w->session.conductor.monitor));
	}
	return over || wait_alive(w, signals, next);
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

/* What asks for something is waited for from now on. */
static void block_signals(const struct watch *w, sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGCHLD);
	if (w->config.path) /* else it means that the terminal has gone */
		sigaddset(signals, SIGHUP);
	sigprocmask(SIG_BLOCK, signals, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, the status of a command would be lost */
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
}

static void diagnose_accused(struct watch *w)
{
	while (diagnoser_next(&w->diagnoser, &w->tee))
		service_alive(&w->service);
}

/*
 * What is told from now on has the time of the day as it is now. But a recording has one offset for
 * all of it, so that its replay prints the same.
 */
static void follow_clock(struct watch *w)
{
	int64_t step;

	if (w->recorder || !render_set_clock(&w->render, &step))
		return;
	w->keeping.render.real_offset = w->render.real_offset;
	w->alerts.render.real_offset = w->render.real_offset;
	serving_set_clock(&w->serving, &w->render, step);
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
		follow_clock(w);
		err = conductor_step(c);
		check_recording(w);
		keeping_check(&w->keeping);
		if (!err)
			service_looked(&w->service, c);
		limiting_look(&w->limiting);
		diagnose_accused(w);
		live_foresee(&w->session.live, monitor_is_stirring(c->monitor));
		session_add_ns(&next, w->set.interval_ns);
		if (w->set.for_ns && session_ns_until(&end) < session_ns_until(&next))
			next = end;
	} while (!err && !ferror(w->render.to) && !sleep_until(w, signals, &next) &&
		 (!w->set.for_ns || session_ns_until(&end) > 0));
	service_stopping(&w->service);
	err = err ? err : conductor_look_last(c);
	diagnose_accused(w);
	limiting_end(&w->limiting);
	return err;
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
	if (!err)
		monitor_finish(c->monitor, c->last.now_ns);
	courier_end(&w->alerts.courier);
	if (err) {
		fprintf(stderr, "pinleak: %s\n", live_error(&w->session.live, err));
		return STATUS_CANNOT;
	}
	status = watch_status(c->monitor);
	if (status == STATUS_OK && (w->recording_failed || limiting_failed(&w->limiting)))
		return STATUS_CANNOT;
	return status;
}

static int watch_to_the_end(struct watch *w, const sigset_t *signals)
{
	int err = loop(w, signals), status = finish(w, err);

	keeping_close(&w->keeping, !err);
	return status;
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
	if (w->keeping.history)
		tee_add(&w->tee, &json_diagnosis, &w->keeping.render);
	tee_add(&w->tee, &diagnoser_reporter, &w->diagnoser);
}

/* Whoever is told of verdicts in JSON is told of the limits as well. */
static void begin_limits(struct watch *w)
{
	w->limiting.ground = &w->session.live.ground;
	if (!w->set.quiet)
		limiting_add(&w->limiting, w->set.json ? &quota_json : &quota_text, &w->render);
	if (w->keeping.history)
		limiting_add(&w->limiting, &quota_json, &w->keeping.render);
	if (w->serving.state)
		limiting_add(&w->limiting, &quota_json, state_teller(w->serving.state));
	limiting_apply(&w->limiting, &w->set.limit, w->set.interval_ns);
}

static int watch_here(struct watch *w, const struct command *self)
{
	struct tee_end head;
	sigset_t signals;
	int status = session_ground(&w->session, w->set.monitor.track);

	if (!status)
		status = begin_history(w, self); /* what is printed is kept already */
	if (!status)
		status = serving_start(&w->serving, &w->set.serving, &w->render, w->set.interval_ns,
				       &w->tee);
	if (status)
		return status;
	if (!w->set.quiet)
		tee_add(&w->tee, w->set.json ? &json_reporter : &text_reporter, &w->render);
	if (w->alerts.journal || w->alerts.courier.command || w->config.path)
		alerts_add(&w->alerts, &w->render, &w->tee);
	diagnose(w);
	head = tee_head(&w->tee);
	if (session_open(&w->session, &w->set.monitor, head.to, head.ctx))
		return STATUS_CANNOT;
	if (w->set.monitor.track == TRACK_AUTO)
		live_prepare(&w->session.live);
	block_signals(w, &signals);
	tell_beginning(w);
	begin_limits(w);
	begin_recording(w);
	return watch_to_the_end(w, &signals);
}

/* Before there are other threads, each of which has capabilities of its own. */
static void drop_rights(void)
{
	int err = rights_drop();

	if (err)
		fprintf(stderr, "pinleak: keeps all capabilities: %s\n", strerror(-err));
}

int watch(const struct command *self, struct watch *w)
{
	int status;

	drop_rights();
	render_here(&w->render, stdout);
	service_begin(&w->service);
	apply(w, &w->set);
	w->session.live.config = w->set.tracker;
	w->session.live.grace_ns = w->set.monitor.grace_ns;
	status = watch_here(w, self);
	serving_stop(&w->serving);
	keeping_close(&w->keeping, false); /* unless it is already */
	session_close(&w->session);
	free(w->set.on_verdict);
	config_free(&w->config);
	return status;
}
