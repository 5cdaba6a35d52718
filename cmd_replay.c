// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "core/errors.h"
#include "core/units.h"
#include "store/chunks.h"
#include "watch.h"

enum { OPT_JSON, OPT_SAMPLES, OPT_STORE };

static const struct option_row options[] = {
	[OPT_JSON] = {"json", NULL, "one JSON object a line, samples too", NULL},
	[OPT_SAMPLES] = {"samples", NULL, "print every sample", NULL},
	[OPT_STORE] = {"store", "FILE", "keep a history in FILE, see pinleak-report(1)", NULL},
	{0},
};

struct replay_command {
	const char *path;
	char name[256]; /* of it, for people */
	bool json;
	bool samples;
	const char *store;
	struct render render;
	struct tee tee;
	struct keeping keeping;
	struct replay *replay;
	struct conductor conductor;
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct replay_command *c = ctx;

	(void)self;
	if (option == OPT_STORE)
		c->store = value;
	else
		*(option == OPT_JSON ? &c->json : &c->samples) = true;
	return STATUS_OK;
}

static int parse(const struct command *self, int argc, char **argv, struct replay_command *c,
		 bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status = options_all(&o, set_option, c, done);

	if (status || *done)
		return status;
	*done = o.at + 1 != o.argc;
	if (*done)
		return usage_error(self, ERROR_INVALID_PARAMETER, "%s",
				   o.at == o.argc ? "the FILE to replay is missing"
						  : "one FILE, after the options");
	c->path = argv[o.at];
	units_clean(c->path, strlen(c->path), c->name, sizeof(c->name));
	return STATUS_OK;
}

/* ---- the end -------------------------------------------------------------------------- */

/* What was read has been judged, and a leak in it is one. */
static int finish_damaged(const struct replay_command *c)
{
	uint64_t offset;
	const char *why = replay_error(c->replay, &offset);

	fprintf(stderr, "pinleak: %s: damaged at byte %" PRIu64 ": %s\n  all before it was shown\n",
		c->name, offset, why);
	return monitor_leaking(c->conductor.monitor) ? STATUS_LEAK : STATUS_CANNOT;
}

static int finish_differing(const struct replay_command *c)
{
	char clock[RENDER_CLOCK];

	render_clock(&c->render, c->conductor.last.now_ns, clock);
	fprintf(stderr,
		"pinleak: this pinleak decides otherwise from %s on\n"
		"  it is %s, the recording was made by %s: replay it with that one\n",
		clock, PINLEAK_VERSION, replay_header(c->replay)->version);
	return STATUS_CANNOT;
}

static int finish(struct replay_command *c, int err)
{
	struct monitor *m = c->conductor.monitor;
	enum replay_state state = replay_state(c->replay);

	if (state == REPLAY_RUNS) { /* the monitor is what failed */
		fprintf(stderr, "pinleak: %s\n", strerror(-err));
		return STATUS_CANNOT;
	}
	if (state == REPLAY_FAILED) {
		fprintf(stderr, "pinleak: %s\n", replay_end(c->replay)->why);
		return STATUS_CANNOT;
	}
	if (c->conductor.last.now_ns !=
	    replay_header(c->replay)->first.now_ns) /* a look was shown */
		monitor_finish(m, c->conductor.last.now_ns);
	switch (state) {
	case REPLAY_DAMAGED:
		return finish_damaged(c);
	case REPLAY_DIFFERS:
		return finish_differing(c);
	default:
		return watch_status(m);
	}
}

/* ---- the replay ----------------------------------------------------------------------- */

static int play(struct replay_command *c)
{
	int err;

	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
	if (!c->json)
		render_begin(&c->render, c->conductor.last.memory_total);
	do {
		err = conductor_step(&c->conductor);
		keeping_check(&c->keeping);
	} while (!err && !ferror(c->render.to));
	if (ferror(c->render.to))
		return watch_status(c->conductor.monitor);
	return finish(c, err);
}

/* Kept is only what was asked to be kept: $STATE_DIRECTORY is for what happens now. */
static int begin_history(struct replay_command *c, const struct command *self)
{
	const struct history_limits limits = history_defaults();
	char version[64];
	const struct history_run run = {.version = version,
					.host = c->render.host,
					.kernel = c->render.kernel};

	if (!c->store)
		return STATUS_OK;
	units_clean(replay_header(c->replay)->version, sizeof(replay_header(c->replay)->version),
		    version, sizeof(version));
	return keeping_open(&c->keeping, self, c->store, &limits, &run, &c->render, &c->tee);
}

static int show_all(struct replay_command *c)
{
	const struct recording_header *h = replay_header(c->replay);
	struct tee_end head = tee_head(&c->tee);
	int status;

	c->conductor = (struct conductor){.source = &replay_source,
					  .ctx = c->replay,
					  .monitor = monitor_create(&h->config, head.to, head.ctx),
					  .last = h->first};
	if (!c->conductor.monitor) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		return STATUS_CANNOT;
	}
	status = play(c);
	monitor_destroy(c->conductor.monitor);
	return status;
}

static int show(struct replay_command *c, const struct command *self)
{
	const struct recording_header *h = replay_header(c->replay);
	struct render *r = &c->render;
	int status;

	render_here(r, stdout);
	r->samples = c->samples;
	r->real_offset = h->real_offset;
	units_clean(h->host, sizeof(h->host), r->host, sizeof(r->host));
	units_clean(h->kernel, sizeof(h->kernel), r->kernel, sizeof(r->kernel));
	status = begin_history(c, self); /* what is printed is kept already */
	tee_add(&c->tee, c->json ? &json_reporter : &text_reporter, r);
	if (!status)
		status = show_all(c);
	keeping_close(&c->keeping, replay_state(c->replay) == REPLAY_WHOLE);
	return status;
}

static int refuse(const struct replay_command *c, int err, uint32_t version)
{
	if (err == -EPROTONOSUPPORT)
		fprintf(stderr,
			"pinleak: %s: a recording of format version %" PRIu32
			"; pinleak %s reads version %d\n"
			"  replay it with the pinleak that made it, or a later one\n",
			c->name, version, PINLEAK_VERSION, CHUNKS_VERSION);
	else
		fprintf(stderr, "pinleak: %s: %s\n", c->name,
			err == -EBADMSG ? "no recording, or its beginning is damaged"
					: strerror(-err));
	return STATUS_CANNOT;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct replay_command c = {0};
	uint32_t version = 0;
	bool done;
	int status = parse(self, argc, argv, &c, &done), err;
	FILE *from;

	if (done)
		return status;
	from = strcmp(c.path, "-") ? fopen(c.path, "re") : stdin;
	if (!from)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "%s: %s", c.path, strerror(errno));
	err = replay_open(from, REPLAY_ROOM, &version, &c.replay);
	status = err ? refuse(&c, err, version) : show(&c, self);
	replay_close(c.replay);
	if (from != stdin)
		fclose(from);
	return status;
}

const struct command replay_command = {
	.name = "replay",
	.brief = "show what a recording shows, decided anew",
	.usage = "[OPTION...] FILE",
	.about = "Shows the detector what `pinleak record` has kept in FILE (-: standard input),\n"
		 "as fast as it can, and prints what was printed then: the same verdicts, at\n"
		 "the same times. Needs neither that machine nor that kernel, nor root.\n",
	.options = options,
	.more = "exit status: 0 no leak, 1 a driver leaks, 2 wrong usage, 3 the recording cannot\n"
		"             be read (to its end, and no driver leaks in what was read), this\n"
		"             pinleak decides otherwise, or tracking was needed and not had\n",
	.examples = "  pinleak replay leak.rec\n"
		    "  pinleak replay --json leak.rec | jq 'select(.type == \"verdict\")'\n"
		    "  pinleak replay --store leaks.db leak.rec\n"
		    "  zstd -dc leaks.zst | pinleak replay -\n",
	.run = run,
};
