// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../core/errors.h"
#include "../core/units.h"
#include "chart.h"
#include "flame.h"
#include "history.h"
#include "svg.h"

#define STEP_MOST INT64_C(1000000000) /* s */
#define CHARTS	  6		      /* of drivers, those with most bytes */

/* Nothing is fetched and nothing runs: the policy holds also what would slip through. */
static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<style>\n"
	":root{--ink:#1c2128;--paper:#fff;--line:#d0d7de;--soft:#57606a;--bad:#b3261e}\n"
	"@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#11161c;--line:#30363d;"
	"--soft:#9aa4af;--bad:#ff8a80}}\n"
	"body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:76rem;margin:0 auto;padding:1rem}\n"
	"svg{max-width:100%;height:auto}\n"
	".wide{overflow-x:auto}\n"
	"table{border-collapse:collapse;width:100%}\n"
	"th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);"
	"white-space:nowrap}\n"
	"td.n,th.n{text-align:right}\n"
	"pre{overflow-x:auto;border-left:3px solid var(--line);padding-left:.8rem}\n"
	".critical{color:var(--bad);font-weight:bold}\n"
	".soft,caption{color:var(--soft)}\n"
	"summary{cursor:pointer}\n"
	"</style>\n";

static void text(FILE *to, const char *s)
{
	svg_text(to, s, SIZE_MAX);
}

static void cell(FILE *to, const char *s)
{
	fputs("<td>", to);
	text(to, s);
	fputs("</td>", to);
}

static void cell_count(FILE *to, const json_t *o, const char *key)
{
	char out[UNITS_ROOM];

	fprintf(to, "<td class=\"n\">%s</td>", units_count(history_integer(o, key), out));
}

static void cell_bytes(FILE *to, const json_t *o, const char *key)
{
	char out[UNITS_ROOM];

	fprintf(to, "<td class=\"n\">%s</td>", units_bytes(history_number(o, key), out));
}

/* ---- charts --------------------------------------------------------------------------- */

/* The points of a driver, or of the machine when it is NULL; those of a key as values. */
static size_t fill_points(const json_t *rows, const char *driver, const char *key,
			  struct chart_point *out)
{
	char least[32], mean[32], most[32];
	const json_t *o;
	size_t nr = 0, i;

	snprintf(least, sizeof(least), "%s_min", key);
	snprintf(mean, sizeof(mean), "%s_mean", key);
	snprintf(most, sizeof(most), "%s_max", key);
	json_array_foreach(rows, i, o) if (!driver || !strcmp(history_text(o, "name"), driver))
		out[nr++] = (struct chart_point){.at = history_time(o, "time"),
						 .least = history_number(o, least),
						 .mean = history_number(o, mean),
						 .most = history_number(o, most)};
	return nr;
}

static int draw_chart(FILE *to, struct chart c, const json_t *rows, const char *driver,
		      const char *key)
{
	struct chart_point *points = calloc(json_array_size(rows) + 1, sizeof(*points));

	if (!points)
		return -ENOMEM;
	c.nr = fill_points(rows, driver, key, points);
	c.points = points;
	chart_svg(to, &c);
	free(points);
	return 0;
}

static size_t fill_marks(const json_t *history, struct chart_mark *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(history, "incidents"), i, o) out[i] =
		(struct chart_mark){history_time(o, "first"), history_text(o, "driver")};
	return json_array_size(json_object_get(history, "incidents"));
}

static struct chart chart_of(const json_t *history)
{
	return (struct chart){.from = history_time(history, "from"),
			      .to = history_time(history, "to"),
			      .step = history_integer(history, "step_s") % STEP_MOST * 1000};
}

static int machine_chart(FILE *to, const json_t *history)
{
	size_t nr = json_array_size(json_object_get(history, "incidents"));
	struct chart_mark *marks = calloc(nr + 1, sizeof(*marks));
	struct chart c = chart_of(history);
	int err = marks ? 0 : -ENOMEM;

	if (!err) {
		c.title = "Outstanding pins";
		c.nr_marks = fill_marks(history, marks);
		c.marks = marks;
		fputs("<h2>Outstanding pins</h2>\n<p class=\"soft\">By the kernel's counters: mean, "
		      "least and most. A mark is a new incident. Times are UTC; in the text of an "
		      "incident they are those of the place where this page was made.</p>\n",
		      to);
		err = draw_chart(to, c, json_object_get(history, "points"), NULL, "pins");
	}
	free(marks);
	return err;
}

/* A chart for each of the drivers whose points come first, which are those of the first look. */
static int driver_charts(FILE *to, const json_t *history)
{
	const json_t *rows = json_object_get(history, "driver_points"), *o;
	const char *shown[CHARTS];
	struct chart c = chart_of(history);
	size_t nr = 0, i, k;
	int err = 0;

	c.bytes = true;
	json_array_foreach(rows, i, o)
	{
		const char *name = history_text(o, "name");

		for (k = 0; k < nr && strcmp(shown[k], name) != 0; k++)
			;
		if (k < nr || nr == CHARTS || err)
			continue;
		shown[nr++] = name;
		c.title = *name ? name : "all other drivers";
		fputs("<h2>Unmovable by ", to);
		text(to, c.title);
		fputs("</h2>\n", to);
		err = draw_chart(to, c, rows, name, "bytes");
	}
	return err;
}

/* ---- incidents ------------------------------------------------------------------------ */

static void incident_table(FILE *to, const json_t *incidents)
{
	const json_t *o;
	size_t i;

	fputs("<h2>Incidents</h2>\n", to);
	if (!json_array_size(incidents)) {
		fputs("<p>No driver was found to leak.</p>\n", to);
		return;
	}
	fputs("<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">id</th><th>first seen</th>"
	      "<th>last seen</th><th>driver</th><th>evidence</th><th>severity</th>"
	      "<th class=\"n\">pins</th><th class=\"n\">unmovable</th></tr></thead>\n<tbody>\n",
	      to);
	json_array_foreach(incidents, i, o)
	{
		fprintf(to, "<tr><td class=\"n\"><a href=\"#i%.0f\">%.0f</a></td>",
			history_number(o, "id"), history_number(o, "id"));
		cell(to, history_text(o, "first"));
		cell(to, history_text(o, "last"));
		cell(to, history_text(o, "driver"));
		cell(to, history_text(o, "evidence"));
		fprintf(to, "<td%s>",
			strcmp(history_text(o, "severity"), "critical") ? ""
									: " class=\"critical\"");
		text(to, history_text(o, "severity"));
		fputs("</td>", to);
		cell_count(to, o, "pins");
		cell_bytes(to, o, "bytes");
		fputs("</tr>\n", to);
	}
	fputs("</tbody></table></div>\n", to);
}

static void course_table(FILE *to, const json_t *incident)
{
	const json_t *o;
	size_t i;

	fputs("<details><summary>its course</summary><div class=\"wide\"><table>\n<thead><tr>"
	      "<th>time</th><th>evidence</th><th>severity</th><th class=\"n\">pins</th>"
	      "<th class=\"n\">unmovable</th></tr></thead>\n<tbody>\n",
	      to);
	json_array_foreach(json_object_get(incident, "course"), i, o)
	{
		fputs("<tr>", to);
		cell(to, history_text(o, "time"));
		cell(to, history_text(o, "evidence"));
		cell(to, history_text(o, "severity"));
		cell_count(to, o, "pins");
		cell_bytes(to, o, "bytes");
		fputs("</tr>\n", to);
	}
	fputs("</tbody></table></div></details>\n", to);
}

/* As pinleak report ID prints it, and the picture of its call paths. */
static int incident_part(FILE *to, const json_t *incident)
{
	const json_t *verdict = json_object_get(incident, "verdict");
	char *said = NULL;
	size_t size = 0;
	struct render r = {.to = open_memstream(&said, &size)};
	json_t *one = json_pack("[O]", incident), *sites = history_sites(one);
	int err;

	if (r.to)
		render_incident_text(&r, incident);
	if (!r.to || fclose(r.to) || !sites) {
		err = -ENOMEM;
	} else {
		fprintf(to, "<section id=\"i%.0f\">\n<h2>Incident %.0f: ",
			history_number(incident, "id"), history_number(incident, "id"));
		text(to, history_text(incident, "driver"));
		fputs("</h2>\n<pre>", to);
		text(to, said);
		fputs("</pre>\n", to);
		course_table(to, incident);
		err = json_array_size(json_object_get(verdict, "sites"))
			      ? flame_svg(to, sites, "Call paths by unmovable memory")
			      : 0;
		fputs("</section>\n", to);
	}
	json_decref(one);
	json_decref(sites);
	free(said);
	return err;
}

/* ---- the page ------------------------------------------------------------------------- */

static void run_table(FILE *to, const json_t *history)
{
	const json_t *o;
	size_t i;

	fputs("<h2>Runs</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>from</th><th>to</th>"
	      "<th>ended well</th><th>pinleak</th><th>host</th><th>kernel</th>"
	      "<th class=\"n\">memory</th><th class=\"n\">not stored</th></tr></thead>\n<tbody>\n",
	      to);
	json_array_foreach(json_object_get(history, "runs"), i, o)
	{
		fputs("<tr>", to);
		cell(to, history_text(o, "began"));
		cell(to, history_text(o, "ended"));
		cell(to, json_is_true(json_object_get(o, "clean")) ? "yes" : "no");
		cell(to, history_text(o, "version"));
		cell(to, history_text(o, "host"));
		cell(to, history_text(o, "kernel"));
		cell_bytes(to, o, "memory_total");
		cell_count(to, o, "lost");
		fputs("</tr>\n", to);
	}
	fputs("</tbody></table></div>\n", to);
}

int render_history_page(FILE *to, const json_t *history, const json_t *incidents)
{
	const json_t *runs = json_object_get(history, "runs"), *incident;
	const char *host = history_text(json_array_get(runs, json_array_size(runs) - 1), "host");
	size_t i;
	int err;

	fputs(head, to);
	fputs("<title>pinleak: ", to);
	text(to, host);
	fputs("</title>\n</head>\n<body>\n<h1>Pinned memory of ", to);
	text(to, host);
	fputs("</h1>\n<p class=\"soft\">", to);
	text(to, history_text(history, "from"));
	fputs(" to ", to);
	text(to, history_text(history, "to"));
	fputs("</p>\n", to);
	incident_table(to, json_object_get(history, "incidents"));
	err = machine_chart(to, history);
	if (!err)
		err = driver_charts(to, history);
	json_array_foreach(incidents, i, incident) if (!err) err = incident_part(to, incident);
	run_table(to, history);
	fputs("</body>\n</html>\n", to);
	return err;
}
