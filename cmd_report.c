// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "core/errors.h"
#include "core/units.h"
#include "keeping.h"
#include "render/flame.h"
#include "render/history.h"
#include "store/past.h"

#define WHOLE 50 /* incidents, the newest, that a page or a picture is made of */

enum { OPT_SINCE, OPT_JSON, OPT_HTML, OPT_SVG, OPT_STORE };

static const struct option_row options[] = {
	[OPT_SINCE] = {"since", "TIME", "of the last TIME only, like 2d [all there is]", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line", NULL},
	[OPT_HTML] = {"html", NULL, "a page that needs no other file", NULL},
	[OPT_SVG] = {"svg", NULL, "a flame graph: call paths by unmovable memory", NULL},
	[OPT_STORE] = {"store", "FILE",
		       "the history [history.db in $STATE_DIRECTORY, or in\n"
		       "/var/lib/pinleak]",
		       NULL},
	{0},
};

struct report_command {
	enum { SHOW_TEXT, SHOW_JSON, SHOW_HTML, SHOW_SVG } how;
	uint64_t since_ns; /* 0: all */
	const char *store;
	bool one;   /* incident */
	int64_t id; /* of it; 0: the last */
	char path[PATH_MAX];
	struct database db;
	struct render render;
};

/* ---- the command line ----------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct report_command *c = ctx;

	switch (option) {
	case OPT_SINCE:
		return option_duration(self, &options[option], value, 1, &c->since_ns);
	case OPT_STORE:
		c->store = value;
		return STATUS_OK;
	default:
		c->how = option == OPT_JSON ? SHOW_JSON : option == OPT_HTML ? SHOW_HTML : SHOW_SVG;
		return STATUS_OK;
	}
}

static int parse_what(const struct command *self, const char *what, struct report_command *c)
{
	uint64_t id = 0;

	c->one = strcmp(what, "list") != 0;
	if (!c->one || !strcmp(what, "last"))
		return STATUS_OK;
	if (units_number(what, 1, INT64_MAX, &id))
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "%s: expected the number of an incident, last or list", what);
	c->id = (int64_t)id;
	return STATUS_OK;
}

static int parse(const struct command *self, int argc, char **argv, struct report_command *c,
		 bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status = options_all(&o, set_option, c, done);

	if (status || *done)
		return status;
	*done = true;
	if (o.at + 1 < argc)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "%s: one ID, last or list, after the options", argv[o.at + 1]);
	status = o.at < argc ? parse_what(self, argv[o.at], c) : STATUS_OK;
	*done = status != STATUS_OK;
	return status;
}

/* ---- the history ---------------------------------------------------------------------- */

static int fail(const struct command *self, const struct report_command *c, int err)
{
	char name[256];

	units_clean(c->path, sizeof(c->path), name, sizeof(name));
	switch (err) {
	case -ENOENT:
		return usage_error(self, ERROR_FILE_NOT_FOUND,
				   "%s: there is no history; watch --store keeps one", name);
	case -EMEDIUMTYPE:
		return usage_error(self, ERROR_INVALID_PARAMETER, "%s is no history", name);
	case -EACCES:
		return usage_error(self, ERROR_FILE_NOT_FOUND, "%s: %s", name, strerror(-err));
	case -EPROTONOSUPPORT:
		fprintf(stderr,
			"pinleak: %s: a history of version %d; pinleak %s reads version %d\n"
			"  read it with the pinleak that keeps it, or a later one\n",
			name, c->db.version, PINLEAK_VERSION, history_kind.nr_steps);
		return STATUS_CANNOT;
	case -EBADMSG:
		fprintf(stderr,
			"pinleak: %s: the history is damaged\n"
			"  the next pinleak watch that writes to it sets it aside\n",
			name);
		return STATUS_CANNOT;
	default:
		fprintf(stderr, "pinleak: %s: %s\n", name, strerror(-err));
		return STATUS_CANNOT;
	}
}

static int64_t since(const struct report_command *c)
{
	return c->since_ns ? ((int64_t)time(NULL) - (int64_t)(c->since_ns / 1000000000)) * 1000 : 0;
}

/* The newest incidents of a history, whole. */
static int collect(const struct report_command *c, const json_t *history, json_t **out)
{
	const json_t *rows = json_object_get(history, "incidents"), *row;
	json_t *all = json_array(), *incident;
	size_t i;
	int err = 0;

	json_array_foreach(rows, i, row)
	{
		if (i == WHOLE || err)
			break;
		err = past_incident(c->db.sql, (int64_t)history_number(row, "id"), &incident);
		if (!err)
			json_array_append_new(all, incident);
		else if (err == -ENOENT) /* it has just been removed */
			err = 0;
	}
	*out = all;
	return err;
}

static void print(FILE *to, const json_t *o)
{
	json_dumpf(o, to, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', to);
}

static int show_svg(FILE *to, const json_t *incidents)
{
	json_t *sites = history_sites(incidents);
	int err = flame_svg(to, sites, "Call paths by unmovable memory");

	json_decref(sites);
	return err;
}

static int show(const struct report_command *c, const json_t *history, const json_t *incidents)
{
	FILE *to = c->render.to;
	const json_t *o;
	size_t i;

	switch (c->how) {
	case SHOW_HTML:
		return render_history_page(to, history, incidents);
	case SHOW_SVG:
		return show_svg(to, incidents);
	case SHOW_JSON:
		json_array_foreach(incidents, i, o) print(to, o);
		if (!c->one)
			print(to, history);
		return 0;
	default:
		if (c->one)
			render_incident_text(&c->render, json_array_get(incidents, 0));
		else
			render_history_text(&c->render, history);
		return 0;
	}
}

static int report_one(const struct command *self, const struct report_command *c)
{
	json_t *incident = NULL, *history = NULL, *incidents;
	int err = past_incident(c->db.sql, c->id, &incident);

	if (err == -ENOENT)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "there is no %s",
				   c->id ? "such incident" : "incident in this history");
	if (!err && c->how == SHOW_HTML)
		err = past_history(c->db.sql, since(c), &history);
	incidents = json_pack("[o]", incident);
	if (!err)
		err = show(c, history, incidents);
	json_decref(incidents);
	json_decref(history);
	return err ? fail(self, c, err) : STATUS_OK;
}

static int report_all(const struct command *self, const struct report_command *c)
{
	json_t *history = NULL, *incidents = NULL;
	int err = past_history(c->db.sql, since(c), &history);

	if (!err)
		err = collect(c, history, &incidents);
	if (!err)
		err = show(c, history, incidents);
	json_decref(history);
	json_decref(incidents);
	return err ? fail(self, c, err) : STATUS_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct report_command c = {.db.lock = -1};
	bool done;
	int status = parse(self, argc, argv, &c, &done), err = 0;

	if (done)
		return status;
	if (c.store)
		snprintf(c.path, sizeof(c.path), "%s", c.store);
	else
		err = keeping_home(c.path);
	render_here(&c.render, stdout);
	if (!err)
		err = database_open_to_read(&c.db, c.path, &history_kind);
	if (err)
		status = fail(self, &c, err);
	else
		status = c.one ? report_one(self, &c) : report_all(self, &c);
	database_close(&c.db);
	return status;
}

const struct command report_command = {
	.name = "report",
	.brief = "tell what was watched, from the history",
	.usage = "[OPTION...] [ID|last|list]",
	.about = "Reads the history that `pinleak watch --store` keeps: the incidents, how many\n"
		 "pages were pinned over time, and when nobody watched. With the number of an\n"
		 "incident, or `last`: all about it, and its course.\n",
	.options = options,
	.more = "exit status: 0 done, 2 wrong usage, no such history or incident,\n"
		"             3 the history cannot be read\n",
	.examples = "  pinleak report                            what there is\n"
		    "  pinleak report last                       the last incident, in full\n"
		    "  pinleak report --since 2d --html >x.html  a page to send\n"
		    "  pinleak report --svg 3 >x.svg             whose call paths\n",
	.run = run,
};
