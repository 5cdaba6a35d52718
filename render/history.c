// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "history.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../core/errors.h"
#include "../core/units.h"

#define COLUMNS 64 /* of the chart */
#define ROWS	8
#define SHOWN	10 /* gaps, and steps of a course; the last ones */

/* ---- members -------------------------------------------------------------------------- */

const char *history_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

double history_number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

int64_t history_integer(const json_t *o, const char *key)
{
	double n = history_number(o, key), most = 9e18;

	return (int64_t)(n > most ? most : n < -most ? -most : n);
}

int64_t history_time(const json_t *o, const char *key)
{
	struct tm tm = {0};

	if (!strptime(history_text(o, key), "%Y-%m-%dT%H:%M:%S", &tm))
		return 0;
	return (int64_t)timegm(&tm) * 1000;
}

json_t *history_sites(const json_t *incidents)
{
	json_t *all = json_array(), *incident, *site;
	size_t i, k;

	json_array_foreach(incidents, i, incident)
	{
		const json_t *verdict = json_object_get(incident, "verdict");

		json_array_foreach(json_object_get(verdict, "sites"), k, site)
		{
			json_t *copy = json_is_object(site) ? json_copy(site) : NULL;

			json_object_set(copy, "driver", json_object_get(incident, "driver"));
			json_array_append_new(all, copy);
		}
	}
	return all;
}

/* A name from the file, to be shown. */
#define CLEAN 200
static const char *clean(const json_t *o, const char *key, char *out)
{
	const char *text = history_text(o, key);

	units_clean(text, strlen(text), out, CLEAN);
	return out;
}

/* The same into a column of so many bytes. */
static const char *column(const json_t *o, const char *key, size_t width, char *out)
{
	const char *text = history_text(o, key);

	units_clean(text, strlen(text), out, width + 1);
	return out;
}

/* "2026-11-23 16:37:09", local time. */
static const char *when(const json_t *o, const char *key, char *out)
{
	time_t seconds = (time_t)(history_time(o, key) / 1000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(out, UNITS_ROOM, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

static const char *bytes(const json_t *o, const char *key, char *out)
{
	return units_bytes(history_number(o, key), out);
}

static const char *count(const json_t *o, const char *key, char *out)
{
	return units_count(history_integer(o, key), out);
}

/* ---- the chart ------------------------------------------------------------------------ */

struct columns {
	int64_t from;
	int64_t to;
	double value[COLUMNS];
	bool known[COLUMNS];
	bool marked[COLUMNS];
	double most;
};

static int column_of(const struct columns *c, int64_t at)
{
	int64_t span = c->to - c->from + 1;

	if (at < c->from || at > c->to)
		return -1;
	return (int)((at - c->from) * COLUMNS / span);
}

static void fill_columns(struct columns *c, const json_t *history)
{
	const json_t *o;
	size_t i;
	int at;

	json_array_foreach(json_object_get(history, "points"), i, o)
	{
		double pins = history_number(o, "pins_max");

		at = column_of(c, history_time(o, "time"));
		if (at < 0)
			continue;
		if (!c->known[at] || pins > c->value[at])
			c->value[at] = pins;
		c->known[at] = true;
		if (pins > c->most)
			c->most = pins;
	}
	json_array_foreach(json_object_get(history, "incidents"), i, o)
	{
		at = column_of(c, history_time(o, "first"));
		if (at >= 0)
			c->marked[at] = true;
	}
}

static void draw_row(FILE *to, const struct columns *c, int row)
{
	char left[UNITS_ROOM] = "", line[COLUMNS + 1];
	int end = 0;

	for (int i = 0; i < COLUMNS; i++) {
		double height = c->most > 0 ? c->value[i] / c->most * ROWS : 0;

		line[i] = c->known[i] && height > row ? '#' : ' ';
		if (line[i] == '#')
			end = i + 1;
	}
	line[end] = '\0';
	if (row == ROWS - 1)
		units_count(c->most < 9e18 ? (int64_t)c->most : INT64_MAX, left);
	fprintf(to, "%12s |%s\n", left, line);
}

static void draw_axis(FILE *to, const struct columns *c)
{
	char line[COLUMNS + 1];
	int end = 0;

	for (int i = 0; i < COLUMNS; i++) {
		line[i] = c->known[i] ? '-' : ' ';
		if (c->known[i])
			end = i + 1;
	}
	line[end] = '\0';
	fprintf(to, "%12s +%s\n", "0", line);
	end = 0;
	for (int i = 0; i < COLUMNS; i++) {
		line[i] = c->marked[i] ? '^' : ' ';
		if (c->marked[i])
			end = i + 1;
	}
	line[end] = '\0';
	if (end)
		fprintf(to, "%14s%s\n", "", line);
}

static void draw_chart(FILE *to, const json_t *history)
{
	struct columns c = {.from = history_time(history, "from"),
			    .to = history_time(history, "to")};
	char step[UNITS_ROOM];

	fill_columns(&c, history);
	fprintf(to, "\noutstanding pins, the most of %s a column; ^ a new incident\n",
		units_seconds((double)(c.to - c.from) / 1000 / COLUMNS, step));
	for (int row = ROWS; row--;)
		draw_row(to, &c, row);
	draw_axis(to, &c);
}

/* ---- the history ---------------------------------------------------------------------- */

static void show_span(FILE *to, const json_t *h)
{
	const json_t *runs = json_object_get(h, "runs");
	size_t nr = json_array_size(runs);
	const json_t *last = json_array_get(runs, nr - 1);
	char host[CLEAN], kernel[CLEAN], from[UNITS_ROOM], end[UNITS_ROOM];
	double lost = 0;

	fprintf(to, "history of %s, kernel %s\n", clean(last, "host", host),
		clean(last, "kernel", kernel));
	fprintf(to, "  from %s to %s, %zu run%s of pinleak\n", when(h, "from", from),
		when(h, "to", end), nr, nr == 1 ? "" : "s");
	for (size_t i = 0; i < nr; i++)
		lost += history_number(json_array_get(runs, i), "lost");
	if (lost > 0)
		fprintf(to, "  %.0f points and events could not be stored\n", lost);
	if (!json_is_true(json_object_get(last, "clean")))
		fputs("  the last run goes on, or did not end as it should\n", to);
}

static void show_incidents(FILE *to, const json_t *h)
{
	const json_t *rows = json_object_get(h, "incidents"), *o;
	char last[UNITS_ROOM], driver[CLEAN], evidence[CLEAN], severity[CLEAN];
	char pins[UNITS_ROOM], size[UNITS_ROOM];
	double all = history_number(h, "incidents_total");
	size_t i;

	if (!json_array_size(rows)) {
		fputs("no driver was found to leak\n", to);
		return;
	}
	fprintf(to, "\n%4s %-16s %-16s %-13s %-8s %7s %9s\n", "id", "last seen", "driver",
		"evidence", "severity", "pins", "lost");
	json_array_foreach(rows, i, o)
		fprintf(to, "%4.0f %-16.16s %-16s %-13s %-8s %7s %9s\n", history_number(o, "id"),
			when(o, "last", last), column(o, "driver", 16, driver),
			column(o, "evidence", 13, evidence), column(o, "severity", 8, severity),
			count(o, "pins", pins), bytes(o, "bytes", size));
	if (all > (double)json_array_size(rows))
		fprintf(to, "  and %.0f older ones\n", all - (double)json_array_size(rows));
}

static void show_gaps(FILE *to, const json_t *h)
{
	const json_t *rows = json_object_get(h, "gaps");
	size_t nr = json_array_size(rows);
	char from[UNITS_ROOM], end[UNITS_ROOM], span[UNITS_ROOM];

	if (nr)
		fputs("\nnot watched:\n", to);
	if (nr > SHOWN)
		fprintf(to, "  %zu times before\n", nr - SHOWN);
	for (size_t i = nr > SHOWN ? nr - SHOWN : 0; i < nr; i++) {
		const json_t *o = json_array_get(rows, i);

		fprintf(to, "  %s to %s (%s)%s\n", when(o, "from", from), when(o, "to", end),
			units_seconds(history_number(o, "ms") / 1000, span),
			json_is_true(json_object_get(o, "clean")) ? "" : ", ended badly");
	}
}

static void show_losses(FILE *to, const json_t *h)
{
	const json_t *rows = json_object_get(h, "losses");
	size_t nr = json_array_size(rows);
	char last[UNITS_ROOM];

	if (nr)
		fprintf(to,
			"\n%zu report%s of losses by the tracking, the last at %s\n"
			"  what was lost: pinleak report --json | jq .losses\n",
			nr, nr == 1 ? "" : "s", when(json_array_get(rows, nr - 1), "time", last));
}

void render_history_text(const struct render *r, const json_t *history)
{
	if (!json_array_size(json_object_get(history, "runs"))) {
		fputs("nothing was watched in this time\n", r->to);
		return;
	}
	show_span(r->to, history);
	show_incidents(r->to, history);
	draw_chart(r->to, history);
	show_gaps(r->to, history);
	show_losses(r->to, history);
	if (json_array_size(json_object_get(history, "incidents")))
		fputs("\nall about one: pinleak report ID\n", r->to);
}

/* ---- an incident ---------------------------------------------------------------------- */

static void show_sites(FILE *to, const json_t *verdict)
{
	const json_t *site, *frame;
	char frame_text[CLEAN], pins[UNITS_ROOM], size[UNITS_ROOM];
	size_t i, k;

	json_array_foreach(json_object_get(verdict, "sites"), i, site)
	{
		fprintf(to, "  path     %s pins, %s:\n", count(site, "pins", pins),
			bytes(site, "bytes", size));
		json_array_foreach(json_object_get(site, "stack"), k, frame)
		{
			const char *text = json_string_value(frame);

			units_clean(text ? text : "?", text ? strlen(text) : 1, frame_text, CLEAN);
			fprintf(to, "      %s\n", frame_text);
		}
	}
}

static void show_whose(FILE *to, const json_t *verdict)
{
	const json_t *o;
	char name[CLEAN];
	size_t i;

	json_array_foreach(json_object_get(verdict, "processes"), i, o)
		fprintf(to, "  process  %s (pid %.0f, %s)\n", clean(o, "comm", name),
			history_number(o, "pid"),
			json_is_true(json_object_get(o, "alive")) ? "alive" : "gone");
	json_array_foreach(json_object_get(verdict, "devices"), i, o)
		fprintf(to, "  device   %s\n", clean(o, "node", name));
}

static void show_forecast(FILE *to, const json_t *verdict)
{
	char text[UNITS_ROOM];

	if (json_is_number(json_object_get(verdict, "rate_bytes_per_s")))
		fprintf(to, "  rate     %s a second\n", bytes(verdict, "rate_bytes_per_s", text));
	if (json_is_number(json_object_get(verdict, "exhaustion_s")))
		fprintf(to, "  left     memory runs out in %s\n",
			units_seconds(history_number(verdict, "exhaustion_s"), text));
}

static void show_proof(FILE *to, const json_t *verdict)
{
	const json_t *p = json_object_get(verdict, "proof");
	char level[CLEAN], reread[UNITS_ROOM], missed[UNITS_ROOM], whose[UNITS_ROOM];

	if (!p)
		return;
	fprintf(to, "  proof    %s page structures read again, all still pinned\n",
		count(p, "reread", reread));
	fprintf(to, "           level %s; pins unseen %s, without an owner %s\n",
		clean(p, "level", level), count(p, "missed", missed),
		count(p, "unattributed", whose));
}

static void show_course(FILE *to, const json_t *incident)
{
	const json_t *course = json_object_get(incident, "course");
	char at[UNITS_ROOM], pins[UNITS_ROOM], size[UNITS_ROOM], evidence[CLEAN], severity[CLEAN];
	size_t nr = json_array_size(course);

	fprintf(to, "\n  %-19s %10s %10s  %-13s %s\n", "course", "pins", "lost", "evidence",
		"severity");
	if (nr > SHOWN)
		fprintf(to, "  %zu times before\n", nr - SHOWN);
	for (size_t i = nr > SHOWN ? nr - SHOWN : 0; i < nr; i++) {
		const json_t *o = json_array_get(course, i);

		fprintf(to, "  %-19s %10s %10s  %-13s %s\n", when(o, "time", at),
			count(o, "pins", pins), bytes(o, "bytes", size),
			clean(o, "evidence", evidence), clean(o, "severity", severity));
	}
}

void render_incident_text(const struct render *r, const json_t *incident)
{
	const json_t *v = json_object_get(incident, "verdict");
	char a[CLEAN], b[CLEAN], first[UNITS_ROOM], last[UNITS_ROOM], pins[UNITS_ROOM];
	char size[UNITS_ROOM];

	fprintf(r->to, "incident %.0f of %s, kernel %s\n", history_number(incident, "id"),
		clean(v, "host", a), clean(v, "kernel", b));
	render_error(r, ERROR_DRIVERS_LEAKING_LOCKED_PAGES);
	fprintf(r->to, "  driver   %s %s\n", clean(incident, "kind", a),
		clean(incident, "driver", b));
	fprintf(r->to, "  evidence %s\n", clean(incident, "evidence", a));
	fprintf(r->to, "  cause    %s; severity %s\n", clean(incident, "cause", a),
		clean(incident, "severity", b));
	fprintf(r->to, "  seen     %s to %s\n", when(incident, "first", first),
		when(incident, "last", last));
	fprintf(r->to, "  leaked   %s %s: %s cannot be moved or freed\n",
		count(incident, "pins", pins),
		json_is_true(json_object_get(incident, "references")) ? "references" : "pins",
		bytes(incident, "bytes", size));
	if (history_number(v, "wrong_releases") > 0)
		fprintf(r->to, "  wrong    %s releases of pins that were not there\n",
			count(v, "wrong_releases", pins));
	show_forecast(r->to, v);
	show_whose(r->to, v);
	show_sites(r->to, v);
	show_proof(r->to, v);
	if (json_is_true(json_object_get(incident, "cut")))
		fputs("           the verdict was too large to be stored whole\n", r->to);
	show_course(r->to, incident);
}
