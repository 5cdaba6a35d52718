// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <signal.h>

#include "core/errors.h"
#include "playback.h"
#include "watch.h"

enum { OPT_JSON, OPT_SAMPLES };

static const struct option_row options[] = {
	[OPT_JSON] = {"json", NULL, "one JSON object a line, samples too", NULL},
	[OPT_SAMPLES] = {"samples", NULL, "print every sample", NULL},
	{0},
};

struct replay_command {
	const char *path;
	bool json;
	bool samples;
	struct render render;
	struct playback playback;
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct replay_command *c = ctx;

	(void)self, (void)value;
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
	do
		err = conductor_step(conductor);
	while (!err && !ferror(c->render.to));
	if (ferror(c->render.to))
		return watch_status(conductor->monitor);
	return playback_finish(&c->playback, &c->render, err);
}

static int show(struct replay_command *c)
{
	struct render *r = &c->render;
	int status;

	render_here(r, stdout);
	r->samples = c->samples;
	status = playback_begin(&c->playback, r, c->json ? &json_reporter : &text_reporter, r);
	return status ? status : play(c);
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
		status = show(&c);
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
		    "  zstd -dc leaks.zst | pinleak replay -\n",
	.run = run,
};
