// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "core/errors.h"
#include "core/gate.h"
#include "core/units.h"
#include "render/render.h"
#include "session.h"

#define STATUS_LEFT   99	/* pins were left behind */
#define LOOK_NS	      200000000 /* between two looks at the books */
#define LOOK_MAX_NS   UINT64_C(2000000000)
#define LOOK_SHARE    9	 /* a look is followed by a pause of so many times its length */
#define HOLDERS_SHOWN 16 /* of those who hold pins at the end */

enum {
	OPT_GRACE,
	OPT_LEVEL,
	OPT_REFERENCES,
	OPT_ALLOW,
	OPT_ERROR_EXITCODE,
	OPT_JSON,
	OPT_OUTPUT,
	OPT_JUNIT,
	OPT_QUIET,
	OPT_TABLE_SIZE,
	OPT_OMIT_HOOK,
};

static const struct option_row options[] = {
	[OPT_GRACE] = {"grace", "TIME",
		       "how long a driver may take to release after its\n"
		       "file was closed and its process ended [2s]",
		       NULL},
	[OPT_LEVEL] = {"level", "LEVEL",
		       "light: a hook a call; deep: a hook a pin; unless\n"
		       "given, deep, or light where deep cannot be had",
		       "light deep"},
	[OPT_REFERENCES] = {"references", NULL,
			    "also find plain references that are left behind\n"
			    "(get_user_pages without put_page)",
			    NULL},
	[OPT_ALLOW] = {"allow", "DRIVER=PINS", "tolerate so many leaked pins of a driver", NULL},
	[OPT_ERROR_EXITCODE] = {"error-exitcode", "N",
				"exit status when a driver leaks, 1 to 255 [99]", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line", NULL},
	[OPT_OUTPUT] = {"output", "FILE", "report there instead of standard error", NULL},
	[OPT_JUNIT] = {"junit", "FILE", "also write JUnit's XML there", NULL},
	[OPT_QUIET] = {"quiet", NULL, "say nothing unless a driver leaks", NULL},
	[OPT_TABLE_SIZE] = {SESSION_TABLE_SIZE},
	[OPT_OMIT_HOOK] = {SESSION_OMIT_HOOK},
	{0},
};

struct settings {
	struct monitor_config monitor;
	bool level_given; /* nothing less will do */
	uint64_t leak_status;
	bool json;
	bool quiet;
	const char *output, *junit; /* NULL: none */
	char *const *command;
};

struct run {
	struct settings set;
	struct render render;
	const struct reporter *to;
	FILE *junit;
	struct session session;
	struct gate gate;
	struct child child;
	sigset_t signals;
	uint64_t begin_ns, end_ns; /* of the command */
	char refusal[256];	   /* why a level cannot be had, "" */
	bool incomplete;
	bool interrupted;
	int err; /* of the tracking */
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_allowance(const struct command *self, const struct option_row *row,
			 const char *value, struct gate *g)
{
	int err = gate_allow(g, value);

	if (!err)
		return STATUS_OK;
	if (err == -EINVAL)
		return option_bad(self, row, value, "a driver and a number of pins, like leaky=4");
	fprintf(stderr, "pinleak: %s\n", strerror(-err));
	return STATUS_CANNOT;
}

static int set_level(const struct command *self, const struct option_row *row, const char *value,
		     struct settings *s)
{
	s->level_given = true;
	return session_set_level(self, row, value, &s->monitor);
}

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct run *r = ctx;
	const struct option_row *row = &options[option];
	struct settings *s = &r->set;

	switch (option) {
	case OPT_GRACE:
		return option_duration(self, row, value, 0, &s->monitor.grace_ns);
	case OPT_LEVEL:
		return set_level(self, row, value, s);
	case OPT_REFERENCES:
		r->set.monitor.references = true;
		return STATUS_OK;
	case OPT_ALLOW:
		return set_allowance(self, row, value, &r->gate);
	case OPT_ERROR_EXITCODE:
		return option_number(self, row, value, 1, 255, &s->leak_status);
	case OPT_JSON:
		s->json = true;
		return STATUS_OK;
	case OPT_OUTPUT:
		s->output = value;
		return STATUS_OK;
	case OPT_JUNIT:
		s->junit = value;
		return STATUS_OK;
	case OPT_QUIET:
		s->quiet = true;
		return STATUS_OK;
	case OPT_TABLE_SIZE:
		return session_set_table_size(self, row, value, &r->session.live.config);
	default:
		return session_set_omit(self, row, value, &r->session.live.config);
	}
}

/* STATUS_OK and *done when there is nothing left to do. */
static int parse(const struct command *self, int argc, char **argv, struct run *r, bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status;

	r->session.live.config.follow = true;
	r->set = (struct settings){
		.leak_status = STATUS_LEFT,
		.monitor = {.track = TRACK_ALWAYS,
			    .lowest = LEVEL_DEEP,
			    .grace_ns = 2000000000,
			    .tree_only = true,
			    .detect = detect_defaults},
	};
	status = options_all(&o, set_option, r, done);
	if (status || *done)
		return status;
	*done = o.at == argc;
	if (*done)
		return usage_error(self, ERROR_INVALID_PARAMETER, "which command is to be run?");
	r->set.command = argv + o.at;
	return STATUS_OK;
}

/* ---- output --------------------------------------------------------------------------- */

static int open_outputs(const struct command *self, struct run *r)
{
	FILE *to = r->set.output ? command_output(r->set.output, 0666) : stderr;

	if (!to)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "--output %s: %s", r->set.output,
				   strerror(errno));
	render_here(&r->render, to);
	r->to = r->set.json ? &json_reporter : &text_reporter;
	r->junit = r->set.junit ? command_output(r->set.junit, 0666) : NULL;
	if (r->set.junit && !r->junit)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "--junit %s: %s", r->set.junit,
				   strerror(errno));
	return STATUS_OK;
}

/* Sentences between the JSON would break it. */
static bool may_talk(const struct run *r)
{
	return !(r->set.json && r->render.to == stderr);
}

/* May what accuses nobody be told? */
static bool may_tell(const struct run *r)
{
	return r->set.json || r->set.output || !r->set.quiet;
}

/* Closes a file of ours. A report that cannot be written is no success. */
static int close_output(FILE *f, const char *path, int status)
{
	bool bad;

	if (!f || f == stderr)
		return status;
	bad = ferror(f);
	bad |= fclose(f) != 0;
	if (!bad)
		return status;
	fprintf(stderr, "pinleak: %s could not be written\n", path);
	return status ? status : STATUS_CANNOT;
}

/* ---- what the monitor tells ----------------------------------------------------------- */

static void on_sample(void *ctx, const struct report_sample *s)
{
	(void)ctx, (void)s; /* five a second are of no use to anybody */
}

static void on_suspicion(void *ctx, const struct report_suspicion *s)
{
	struct run *r = ctx;

	r->to->suspicion(&r->render, s);
}

static void on_state(void *ctx, const struct report_state *s)
{
	struct run *r = ctx;

	if (r->set.json)
		r->to->state(&r->render, s);
	if (s->from == s->to)
		snprintf(r->refusal, sizeof(r->refusal), "%s", s->reason);
}

/* The whole verdict in text, for JUnit; NULL when there is no memory for it. */
static char *verdict_text(const struct run *r, const struct report_verdict *v)
{
	struct report_verdict whole = *v;
	struct render to_memory = r->render;
	char *text = NULL;
	size_t size;

	whole.update = false;
	to_memory.colour = false;
	to_memory.to = open_memstream(&text, &size);
	if (!to_memory.to)
		return NULL;
	text_reporter.verdict(&to_memory, &whole);
	fclose(to_memory.to);
	return text;
}

static void on_verdict(void *ctx, const struct report_verdict *v)
{
	struct run *r = ctx;
	struct gate_leak *leak;

	r->to->verdict(&r->render, v);
	if (gate_verdict(&r->gate, v->finding, v->plain, &leak)) {
		r->err = -ENOMEM;
		return;
	}
	if (!r->junit)
		return;
	free(leak->text);
	leak->text = verdict_text(r, v);
}

static void on_held(void *ctx, const struct report_held *h)
{
	struct run *r = ctx;

	if (h->holding->owner->owner.tree && may_tell(r))
		r->to->held(&r->render, h);
}

static void on_loss(void *ctx, const struct report_loss *l)
{
	struct run *r = ctx;

	if (may_tell(r))
		r->to->loss(&r->render, l);
}

static void on_summary(void *ctx, const struct report_summary *s)
{
	struct run *r = ctx;

	gate_end(&r->gate, s);
	r->incomplete = s->loss && loss_any(s->loss);
	if (r->set.json)
		r->to->summary(&r->render, s);
}

static void on_references(void *ctx, const struct report_references *s)
{
	struct run *r = ctx;

	if (r->set.json)
		r->to->references(&r->render, s);
	if (!s->on)
		snprintf(r->refusal, sizeof(r->refusal), "%s", s->reason);
}

static void on_limit(void *ctx, const struct report_limit *l)
{
	struct run *r = ctx;

	if (may_tell(r))
		r->to->limit(&r->render, l);
}

static const struct reporter gatekeeper = {
	.sample = on_sample,
	.suspicion = on_suspicion,
	.state = on_state,
	.verdict = on_verdict,
	.held = on_held,
	.loss = on_loss,
	.summary = on_summary,
	.references = on_references,
	.limit = on_limit,
};

/* ---- tracking ------------------------------------------------------------------------- */

/* The command was not run: the reports say why. */
static int give_up(struct run *r, const char *why, int status)
{
	struct report_run run = {.now_ns = session_now_ns(),
				 .command = r->set.command,
				 .trouble = why,
				 .level = r->session.conductor.level,
				 .status = -1,
				 .gate = &r->gate,
				 .exit_status = status};

	if (r->set.json)
		render_run_json(&r->render, &run);
	if (r->junit)
		render_run_junit(&r->render, r->junit, &run);
	return status;
}

/* The level, or the next lower one unless just this was asked for. */
static int begin_tracking(struct run *r)
{
	struct conductor *c = &r->session.conductor;
	enum level wanted = LEVEL_COUNTERS;
	int err = conductor_look(c);

	while (!err && (wanted = monitor_wanted(c->monitor)) != c->level) {
		err = conductor_change_level(c);
		if (r->set.level_given && c->level != wanted)
			break;
	}
	if (!err)
		err = conductor_references(c);
	if (err)
		snprintf(r->refusal, sizeof(r->refusal), "%s", live_error(&r->session.live, err));
	if (err || c->level != wanted || wanted == LEVEL_COUNTERS ||
	    (r->set.monitor.references && !c->references)) {
		fprintf(stderr, "pinleak: the command was not run: %s\n", r->refusal);
		return give_up(r, r->refusal, STATUS_CANNOT);
	}
	if (r->refusal[0] && may_talk(r) && !r->set.quiet)
		fprintf(stderr, "pinleak: %s; so level %s\n", r->refusal, level_name(wanted));
	return STATUS_OK;
}

static int step(struct run *r)
{
	struct conductor *c = &r->session.conductor;
	int err = conductor_step(c);

	if (!err && c->level == LEVEL_COUNTERS)
		err = -ENOTSUP; /* neither the new level nor the old one could be had */
	return err;
}

/* Looks at the books, and says when to look again. What goes wrong is kept for the end. */
static void look(struct run *r, struct timespec *next)
{
	uint64_t began = session_now_ns(), pause;

	if (!r->err)
		r->err = step(r);
	pause = (session_now_ns() - began) * LOOK_SHARE;
	pause = pause < LOOK_NS ? LOOK_NS : pause > LOOK_MAX_NS ? LOOK_MAX_NS : pause;
	clock_gettime(CLOCK_MONOTONIC, next);
	session_add_ns(next, pause);
}

/*
 * SIGINT and SIGQUIT come from the terminal, which sends them to the command as well. What is
 * sent to one process is passed on; the child is not reaped yet, so the number is still its own.
 */
static void handle(struct run *r, int signal)
{
	if (signal == SIGTERM || signal == SIGHUP)
		kill(r->child.pid, signal);
}

static void attend(struct run *r)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!child_has_ended(&r->child)) {
		int signal = session_wait(&r->signals, &next);

		if (signal)
			handle(r, signal);
		else
			look(r, &next);
	}
	r->end_ns = session_now_ns();
}

static bool is_settled(const struct run *r)
{
	const struct monitor *m = r->session.conductor.monitor;
	uint64_t now = r->session.conductor.last.now_ns;

	return gate_is_settled(monitor_ledger(m), 0, r->end_ns, now) &&
	       gate_is_settled(monitor_references(m), monitor_open_references(m), r->end_ns, now);
}

/* The pins that are left get their grace time; a signal ends that. */
static void wait_for_releases(struct run *r)
{
	struct timespec next;

	look(r, &next);
	while (!r->err && !is_settled(r) && !r->interrupted) {
		int signal = session_wait(&r->signals, &next);

		r->interrupted = signal && signal != SIGCHLD;
		if (!signal)
			look(r, &next);
	}
}

/* ---- the end -------------------------------------------------------------------------- */

static void tell_holders(struct run *r)
{
	const struct ledger *l = monitor_ledger(r->session.conductor.monitor);
	uint64_t memory = r->session.conductor.last.memory_total;
	uint32_t told = 0;

	for (size_t i = 0; i < l->nr_holdings && told < HOLDERS_SHOWN; i++) {
		struct report_held h = {.now_ns = r->session.conductor.last.now_ns,
					.holding = &l->holdings[i],
					.rise = (int64_t)l->holdings[i].pins,
					.share = severity_share(l->holdings[i].bytes, memory),
					.remains = true};

		if (!l->holdings[i].owner->owner.tree)
			continue;
		on_held(r, &h);
		told++;
	}
}

/* Proved, and yet told to nobody: pins that no hook saw could explain it. */
static uint64_t untold(const struct run *r)
{
	uint64_t proved = monitor_ledger(r->session.conductor.monitor)->proved;

	for (size_t i = 0; i < r->gate.nr_leaks; i++)
		if (!r->gate.leaks[i].plain)
			proved -= r->gate.leaks[i].remaining < proved ? r->gate.leaks[i].remaining
								      : proved;
	return proved;
}

static int exit_status(const struct run *r)
{
	if (gate_is_shut(&r->gate))
		return (int)r->set.leak_status;
	if (r->err)
		return STATUS_CANNOT;
	return r->child.signal ? CHILD_KILLED + r->child.signal : r->child.status;
}

static void report(struct run *r, const struct report_run *run)
{
	if (r->set.json)
		render_run_json(&r->render, run);
	else if (r->set.output)
		render_run_text(r->render.to, run);
	if (may_talk(r) && (!r->set.quiet || gate_is_shut(&r->gate)))
		render_run_text(stderr, run);
	if (r->junit)
		render_run_junit(&r->render, r->junit, run);
}

static int finish(struct run *r)
{
	const struct ledger *l = monitor_ledger(r->session.conductor.monitor);
	struct report_run run = {.command = r->set.command, .gate = &r->gate};

	if (r->err) {
		run.trouble = live_error(&r->session.live, r->err);
		fprintf(stderr, "pinleak: tracking broke down: %s\n", run.trouble);
	} else {
		tell_holders(r);
		monitor_finish(r->session.conductor.monitor, r->session.conductor.last.now_ns);
		run.unproved = l->tree_unproved + untold(r);
		run.held = l->tree_held;
	}
	run.now_ns = r->session.conductor.last.now_ns;
	run.level = r->session.conductor.level;
	run.status = r->child.status;
	run.signal = r->child.signal;
	run.seconds = (double)(r->end_ns - r->begin_ns) / 1e9;
	run.incomplete = r->incomplete;
	run.interrupted = r->interrupted;
	run.exit_status = exit_status(r);
	report(r, &run);
	return run.exit_status;
}

/* ---- the run -------------------------------------------------------------------------- */

static int start_command(struct run *r, const struct child_signals *before)
{
	char name[256];
	int err = child_hold(&r->child, r->set.command, before);

	if (!err && !tracker_follows(r->session.live.tracker, (uint32_t)r->child.pid)) {
		child_drop(&r->child);
		err = -ESRCH;
	}
	if (err) {
		fprintf(stderr, "pinleak: the command cannot be followed: %s\n", strerror(-err));
		return give_up(r, "the command cannot be followed", STATUS_CANNOT);
	}
	r->begin_ns = session_now_ns();
	err = child_go(&r->child);
	if (!err)
		return STATUS_OK;
	units_clean(r->set.command[0], strlen(r->set.command[0]), name, sizeof(name));
	fprintf(stderr, "pinleak: %s: %s\n", name, strerror(-err));
	return give_up(r, strerror(-err), err == -ENOENT ? CHILD_NOT_FOUND : CHILD_CANNOT_EXECUTE);
}

static int track_command(struct run *r)
{
	struct child_signals before;
	int status;

	if (!session_may_track(&r->session))
		return give_up(r, r->session.live.ground.why, STATUS_CANNOT);
	if (session_open(&r->session, &r->set.monitor, &gatekeeper, r))
		return give_up(r, "the kernel's pin counters cannot be read", STATUS_CANNOT);
	status = begin_tracking(r);
	if (status)
		return status;
	child_signals(&before, &r->signals);
	status = start_command(r, &before);
	if (status)
		return status;
	attend(r);
	wait_for_releases(r);
	return finish(r);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct run r = {0};
	bool done;
	int status = parse(self, argc, argv, &r, &done);

	if (!done)
		status = open_outputs(self, &r);
	if (!done && !status) {
		status = track_command(&r);
		session_close(&r.session);
	}
	if (r.junit)
		status = close_output(r.junit, r.set.junit, status);
	if (r.render.to)
		status = close_output(r.render.to, r.set.output, status);
	gate_free(&r.gate);
	return status;
}

const struct command run_command = {
	.name = "run",
	.brief = "run a command, and fail when a driver leaks what it pinned",
	.usage = "[OPTION...] [--] COMMAND [ARG...]",
	.about = "Runs a command and tracks what it and all its descendants pin, from the first\n"
		 "instruction on. Fails when pins of theirs are left behind that nobody can\n"
		 "release any more, and names the driver; otherwise the status is the command's.\n",
	.options = options,
	.more = "exit status: the command's own; 128+N when signal N killed it; 127 when it was\n"
		"             not found, 126 when it cannot be executed; else, with a line on\n"
		"             standard error that begins \"pinleak\":\n"
		"             99 (or --error-exitcode) a driver leaks\n"
		"             3 this machine cannot track: the command was not run\n"
		"             2 wrong usage: the command was not run\n",
	.examples = "  pinleak run -- ./test-driver          fail when the driver leaks\n"
		    "  pinleak run --junit leaks.xml -- make check\n"
		    "  pinleak run --allow leaky=4 -- ./test-driver --all\n",
	.run = run,
};
