// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "core/errors.h"
#include "playback.h"
#include "render/tee.h"
#include "session.h"
#include "top.h"
#include "watch.h"

enum {
	OPT_ONCE,
	OPT_JSON,
	OPT_FOR,
	OPT_SORT,
	OPT_NO_COLOR,
	OPT_REPLAY,
	OPT_SPEED,
	OPT_INTERVAL,
	OPT_TRACK,
	OPT_LEVEL,
	OPT_GRACE,
	OPT_TABLE_SIZE,
};

static const struct option_row options[] = {
	[OPT_ONCE] = {"once", NULL, "print one table and end; needs no terminal", NULL},
	[OPT_JSON] = {"json", NULL, "with --once: one JSON object", NULL},
	[OPT_FOR] = {"for", "TIME", "end after so long [never]", NULL},
	[OPT_SORT] = {"sort", "COLUMN", "what comes first [bytes]",
		      "bytes pins leaked rate age name"},
	[OPT_NO_COLOR] = {"no-color", NULL, "text only; as NO_COLOR in the environment", NULL},
	[OPT_REPLAY] = {"replay", "FILE", "show a recording instead of this machine", NULL},
	[OPT_SPEED] = {"speed", "N", "so many times as fast as it was recorded [1]", NULL},
	[OPT_INTERVAL] = {SESSION_INTERVAL},
	[OPT_TRACK] = {"track", "WHEN",
		       "always: from the beginning [always]\n"
		       "auto: when pins do not come back; never: counters",
		       "auto always never"},
	[OPT_LEVEL] = {SESSION_LEVEL},
	[OPT_GRACE] = {SESSION_GRACE},
	[OPT_TABLE_SIZE] = {SESSION_TABLE_SIZE},
	{0},
};

struct top_command {
	struct top top;
	struct monitor_config monitor;
	const char *replay; /* a path */
	const char *live;   /* an option that only a live kernel has, as given */
	uint64_t speed;
	bool once;
	bool json;
	struct tee tee;
	struct render feed; /* of the JSON */
	json_t *drivers;    /* the last such object */
	struct session session;
	struct playback playback;
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_live(const struct command *self, int option, const char *value,
		    struct top_command *c)
{
	const struct option_row *row = &options[option];

	c->live = row->name;
	switch (option) {
	case OPT_INTERVAL:
		return session_set_interval(self, row, value, &c->top.interval_ns);
	case OPT_TRACK:
		return session_set_track(self, row, value, &c->monitor);
	case OPT_LEVEL:
		return session_set_level(self, row, value, &c->monitor);
	case OPT_GRACE:
		return session_set_grace(self, row, value, &c->monitor);
	default:
		return session_set_table_size(self, row, value, &c->session.live.config);
	}
}

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct top_command *c = ctx;
	const struct option_row *row = &options[option];
	unsigned choice = 0;
	int status;

	switch (option) {
	case OPT_ONCE:
		c->once = true;
		return STATUS_OK;
	case OPT_JSON:
		c->json = true;
		return STATUS_OK;
	case OPT_FOR:
		return option_duration(self, row, value, 1, &c->top.for_ns);
	case OPT_SORT:
		status = option_choice(self, row, value, &choice);
		c->top.screen.sort = choice;
		return status;
	case OPT_NO_COLOR:
		c->top.colour = false;
		return STATUS_OK;
	case OPT_REPLAY:
		c->replay = value;
		return STATUS_OK;
	case OPT_SPEED:
		return option_number(self, row, value, 1, 1000000, &c->speed);
	default:
		return set_live(self, option, value, c);
	}
}

/* Options that do not go together. */
static int check(const struct command *self, const struct top_command *c)
{
	if (c->json && !c->once)
		return usage_error(self, ERROR_INVALID_PARAMETER, "--json goes with --once only");
	if (c->speed && !c->replay)
		return usage_error(self, ERROR_INVALID_PARAMETER, "--speed is of a --replay");
	if (c->replay && c->live)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--%s is not of a --replay: what was recorded is shown",
				   c->live);
	if (c->replay && !strcmp(c->replay, "-") && !c->once)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--replay -: keys come from there; with --once it may be read");
	return STATUS_OK;
}

static int parse(const struct command *self, int argc, char **argv, struct top_command *c,
		 bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status = options_all(&o, set_option, c, done);

	if (*done || status)
		return status;
	status = options_only(&o);
	return status ? status : check(self, c);
}

/* ---- what is shown -------------------------------------------------------------------- */

static void keep_drivers(void *taker, json_t *o)
{
	struct top_command *c = taker;

	if (strcmp(json_string_value(json_object_get(o, "type")), "drivers"))
		return;
	json_decref(c->drivers);
	c->drivers = json_incref(o);
}

static int print_json(struct top_command *c)
{
	if (!c->drivers) {
		fprintf(stderr,
			"pinleak: nothing was tracked, so there is nobody to name\n"
			"  --track always tracks from the beginning; pinleak doctor tells if it can\n");
		return STATUS_CANNOT;
	}
	json_dumpf(c->drivers, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	return STATUS_OK;
}

static int print(struct top_command *c)
{
	if (c->json)
		return print_json(c);
	if (!top_print(&c->top))
		return STATUS_OK;
	fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
	return STATUS_CANNOT;
}

/* The looks, on a screen or not. Status; what else there is to say is said at their end. */
static int show(const struct command *self, struct top_command *c)
{
	const char *why;

	if (c->once) {
		top_look(&c->top);
		return STATUS_OK;
	}
	why = top_screen(&c->top);
	if (!why)
		return STATUS_OK;
	return usage_error(self, ERROR_INVALID_PARAMETER, "%s; --once prints one table anywhere",
			   why);
}

/* What is printed once comes after the last decisions, and before what went wrong. */
static int end(struct top_command *c, int status)
{
	int printed = c->once ? print(c) : STATUS_OK;

	fflush(stdout);
	return status == STATUS_OK ? printed : status;
}

/* ---- the two sources ------------------------------------------------------------------ */

static int play(const struct command *self, struct top_command *c, const struct tee_end *to)
{
	int status = playback_open(&c->playback, self, c->replay);

	if (!status)
		status = playback_begin(&c->playback, &c->top.render, to->to, to->ctx);
	if (status)
		return status;
	c->feed.real_offset = c->top.render.real_offset;
	memcpy(c->feed.host, c->top.render.host, sizeof(c->feed.host));
	memcpy(c->feed.kernel, c->top.render.kernel, sizeof(c->feed.kernel));
	c->top.conductor = &c->playback.conductor;
	c->top.speed = c->speed ? c->speed : 1;
	status = show(self, c);
	if (status)
		return status;
	status = c->top.err ? playback_finish(&c->playback, &c->top.render, c->top.err)
			    : watch_status(c->playback.conductor.monitor);
	return end(c, status);
}

static int finish_live(struct top_command *c)
{
	struct conductor *conductor = c->top.conductor;

	if (c->top.err) {
		fprintf(stderr, "pinleak: %s\n", live_error(&c->session.live, c->top.err));
		return STATUS_CANNOT;
	}
	monitor_finish(conductor->monitor, conductor->last.now_ns);
	return end(c, watch_status(conductor->monitor));
}

static int look_here(const struct command *self, struct top_command *c, const struct tee_end *to)
{
	int status = session_ground(&c->session, c->monitor.track);

	if (status)
		return status;
	c->session.live.grace_ns = c->monitor.grace_ns;
	if (session_open(&c->session, &c->monitor, to->to, to->ctx))
		return STATUS_CANNOT;
	c->top.conductor = &c->session.conductor;
	c->top.live = &c->session.live;
	if (c->monitor.track == TRACK_AUTO)
		live_prepare(&c->session.live);
	status = show(self, c);
	return status ? status : finish_live(c);
}

static int run_with(const struct command *self, struct top_command *c)
{
	struct tee_end head;

	tee_add(&c->tee, &board_reporter, &c->top.board);
	if (c->json)
		tee_add(&c->tee, &json_feed, &c->feed);
	head = tee_head(&c->tee);
	return c->replay ? play(self, c, &head) : look_here(self, c, &head);
}

static struct top_command *create(void)
{
	struct top_command *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	render_here(&c->top.render, stdout);
	c->feed = c->top.render;
	c->feed.take = keep_drivers;
	c->feed.taker = c;
	c->monitor = monitor_defaults();
	c->monitor.track = TRACK_ALWAYS;
	c->top.interval_ns = 1000000000;
	c->top.colour = c->top.render.colour;
	c->top.screen.board = &c->top.board;
	c->top.screen.render = &c->top.render;
	c->top.screen.blocks = !strcmp(nl_langinfo(CODESET), "UTF-8");
	c->top.screen.frozen = calloc(1, sizeof(*c->top.screen.frozen));
	if (c->top.screen.frozen)
		return c;
	free(c);
	return NULL;
}

static void destroy(struct top_command *c)
{
	session_close(&c->session);
	playback_close(&c->playback);
	json_decref(c->drivers);
	free(c->top.screen.frozen);
	free(c);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct top_command *c;
	bool done;
	int status;

	setlocale(LC_CTYPE, "");
	c = create();
	if (!c) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		return STATUS_CANNOT;
	}
	status = parse(self, argc, argv, c, &done);
	if (!done && !status)
		status = run_with(self, c);
	destroy(c);
	return status;
}

const struct command top_command = {
	.name = "top",
	.brief = "show live who has what pinned, on the whole screen",
	.usage = "[OPTION...]",
	.about = "Shows the drivers by the memory that their pins make unmovable, with what is\n"
		 "held, what is leaked, how fast it grows, and the call paths behind it. Tracks\n"
		 "from the beginning: it knows what is pinned since then, and nothing before.\n"
		 "? tells the keys, q quits.\n",
	.options = options,
	.more = "exit status: 0 no leak, 1 a driver leaks, 2 wrong usage, or no terminal,\n"
		"             3 this machine cannot track, or the recording cannot be read\n",
	.examples = "  pinleak top                             until q\n"
		    "  pinleak top --once --for 10s            one table of ten seconds\n"
		    "  pinleak top --once --for 10s --json     the same for a script\n"
		    "  pinleak top --replay leak.rec           on any machine\n",
	.run = run,
};
