// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <signal.h>

#include "core/errors.h"
#include "core/units.h"
#include "playback.h"
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
	bool json;
	bool samples;
	const char *store;
	struct render render;
	struct tee tee;
	struct keeping keeping;
	struct playback playback;
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
	return STATUS_OK;
}

/* ---- the replay ----------------------------------------------------------------------- */

static int play(struct replay_command *c)
{
	struct conductor *conductor = &c->playback.conductor;
	int err;

	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
	if (!c->json)
		render_begin(&c->render, conductor->last.memory_total);
	do {
		err = conductor_step(conductor);
		keeping_check(&c->keeping);
	} while (!err && !ferror(c->render.to));
	if (ferror(c->render.to))
		return watch_status(conductor->monitor);
	return playback_finish(&c->playback, &c->render, err);
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
	units_clean(replay_header(c->playback.replay)->version,
		    sizeof(replay_header(c->playback.replay)->version), version, sizeof(version));
	return keeping_open(&c->keeping, self, c->store, &limits, &run, false, &c->render, &c->tee);
}

static int show_all(struct replay_command *c)
{
	struct tee_end head = tee_head(&c->tee);
	int status = playback_begin(&c->playback, &c->render, head.to, head.ctx);

	return status ? status : play(c);
}

static int show(struct replay_command *c, const struct command *self)
{
	struct render *r = &c->render;
	int status;

	render_here(r, stdout);
	r->samples = c->samples;
	playback_identify(&c->playback, r);
	status = begin_history(c, self); /* what is printed is kept already */
	tee_add(&c->tee, c->json ? &json_reporter : &text_reporter, r);
	if (!status)
		status = show_all(c);
	keeping_close(&c->keeping, replay_state(c->playback.replay) == REPLAY_WHOLE);
	return status;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct replay_command c = {0};
	bool done;
	int status = parse(self, argc, argv, &c, &done);

	if (done)
		return status;
	status = playback_open(&c.playback, self, c.path);
	if (!status)
		status = show(&c, self);
	playback_close(&c.playback);
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
