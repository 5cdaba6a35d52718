// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../render/flame.h"
#include "../render/json.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static json_t *event(struct state *s, const char *type)
{
	struct render r;

	state_render(s, &r);
	return json_event(&r, type, now_ns());
}

static json_t *time_of(int64_t ms)
{
	char text[32];

	render_real_time(ms * 1000000, text);
	return json_string(text);
}

static char *print(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));

	json_decref(o);
	return text;
}

/* One line, as the commands print it. */
static int finish(json_t *o, struct body *out)
{
	char *text = print(o), *line;
	size_t size;

	if (!text)
		return -ENOMEM;
	size = strlen(text);
	line = realloc(text, size + 2);
	if (!line) {
		free(text);
		return -ENOMEM;
	}
	memcpy(line + size, "\n", 2);
	*out = (struct body){line, size + 1};
	return 0;
}

/* ---- status --------------------------------------------------------------------------- */

static json_t *lost_object(const struct facts *f)
{
	json_t *o = json_object();

	for (const struct json_loss *row = json_losses; row->name; row++)
		json_object_set_new(o, row->name, json_integer((json_int_t)f->lost[row->stat]));
	json_object_set_new(o, "runs_missed", json_integer((json_int_t)f->runs_missed));
	json_object_set_new(o, "reports_no_memory", json_integer((json_int_t)f->events_lost));
	return o;
}

int api_status(struct state *s, struct body *out)
{
	struct facts f;
	json_t *o = event(s, "status");

	state_facts(s, &f);
	json_object_set_new(o, "version", json_string(PINLEAK_VERSION));
	json_object_set_new(o, "since", time_of(f.since_ms));
	json_object_set_new(o, "interval_s", json_real((double)f.interval_ns / 1e9));
	json_object_set_new(o, "looks", json_integer((json_int_t)f.looks));
	json_object_set_new(o, "last_look", f.looks ? time_of(f.last_ms) : json_null());
	json_object_set_new(o, "level", json_string(level_name(f.level)));
	json_object_set_new(o, "tracking_refused", json_boolean(f.refused));
	json_object_set_new(o, "outstanding", json_integer(f.acquired - f.released));
	json_object_set_new(o, "memory_total", json_integer((json_int_t)f.memory_total));
	json_object_set_new(o, "memory_available", json_integer((json_int_t)f.memory_available));
	json_object_set_new(o, "suspicions", json_integer((json_int_t)f.suspicions));
	json_object_set_new(o, "incidents", json_integer(f.nr_incidents));
	json_object_set_new(o, "lost", lost_object(&f));
	json_object_set_new(o, "cost", json_cost(&f.cost));
	json_object_set_new(o, "last_event", json_integer((json_int_t)state_last_event(s)));
	return finish(o, out);
}

/* ---- samples -------------------------------------------------------------------------- */

static json_t *shares_array(const struct curve_point *p, const struct facts *f)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < p->nr_shares; i++)
		json_array_append_new(a, json_pack("{s:o, s:I}", "driver",
						   json_text_or_null(
							   f->drivers[p->shares[i].driver].name),
						   "bytes", (json_int_t)p->shares[i].bytes));
	return a;
}

static json_t *point_object(const struct curve_point *p, const struct facts *f)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:s, s:o}", "time", time_of(p->time_ms),
			 "outstanding", (json_int_t)p->last, "low", (json_int_t)p->low, "high",
			 (json_int_t)p->high, "memory_available", (json_int_t)p->available, "level",
			 level_name(p->level), "drivers", shares_array(p, f));
}

int api_samples(struct state *s, int64_t since_ms, struct body *out)
{
	struct curve_point *points;
	struct facts f;
	uint32_t step_s;
	json_t *o, *a;
	size_t nr;
	int err = state_points(s, since_ms, &points, &nr, &step_s);

	if (err)
		return err;
	state_facts(s, &f); /* after the points, so that their drivers are there */
	o = event(s, "samples");
	json_object_set_new(o, "step_s", json_integer(step_s));
	json_object_set_new(o, "memory_total", json_integer((json_int_t)f.memory_total));
	a = json_array();
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(a, point_object(&points[i], &f));
	json_object_set_new(o, "samples", a);
	free(points);
	return finish(o, out);
}

/* ---- drivers and incidents ------------------------------------------------------------ */

int api_drivers(struct state *s, struct body *out)
{
	struct text *t = state_drivers(s);
	char *line = t ? malloc(t->size + 2) : NULL;

	if (line) {
		memcpy(line, t->data, t->size);
		memcpy(line + t->size, "\n", 2);
		*out = (struct body){line, t->size + 1};
	}
	text_drop(t);
	return t && !line ? -ENOMEM : 0;
}

static void fill_incident(json_t *o, const struct incident *i)
{
	json_object_set_new(o, "id", json_integer((json_int_t)i->id));
	json_object_set_new(o, "first", time_of(i->first_ms));
	json_object_set_new(o, "last", time_of(i->last_ms));
	json_object_set_new(o, "verdicts", json_integer((json_int_t)i->verdicts));
	json_object_set_new(o, "driver", json_text_or_null(i->driver));
	json_object_set_new(o, "kind", json_string(blame_kind_name(i->kind)));
	json_object_set_new(o, "evidence", json_string(evidence_name(i->evidence)));
	json_object_set_new(o, "severity", json_string(severity_name(i->severity)));
	json_object_set_new(o, "at_rest", json_boolean(i->at_rest));
	json_object_set_new(o, "pins", json_integer(i->plain ? 0 : (json_int_t)i->pins));
	json_object_set_new(o, "references", json_integer(i->plain ? (json_int_t)i->pins : 0));
	json_object_set_new(o, "bytes", json_integer((json_int_t)i->bytes));
}

int api_incidents(struct state *s, struct body *out)
{
	struct incident all[STATE_INCIDENTS];
	size_t nr = state_incidents(s, all);
	json_t *o = event(s, "incidents"), *a = json_array(), *row;

	for (size_t i = 0; i < nr; i++) {
		row = json_object();
		fill_incident(row, &all[i]);
		json_array_append_new(a, row);
		incident_drop(&all[i]);
	}
	json_object_set_new(o, "incidents", a);
	return finish(o, out);
}

/* An object, taken apart again; NULL: there is none, or no memory. */
static json_t *object_of(const struct text *t)
{
	return t ? json_loadb(t->data, t->size, 0, NULL) : NULL;
}

int api_incident(struct state *s, uint64_t id, struct body *out)
{
	struct incident i;
	json_t *o, *verdict, *diagnosis;

	if (!state_incident(s, id, &i))
		return 0;
	verdict = object_of(i.verdict);
	diagnosis = object_of(i.diagnosis);
	incident_drop(&i);
	if (!verdict) {
		json_decref(diagnosis);
		return -ENOMEM;
	}
	o = event(s, "live_incident");
	fill_incident(o, &i);
	json_object_set_new(o, "verdict", verdict);
	json_object_set_new(o, "inspect", diagnosis ? diagnosis : json_null());
	return finish(o, out);
}

/* The sites of a verdict do not name the driver, which is that of all of them. */
static void name_driver(json_t *sites, const char *driver)
{
	json_t *site;
	size_t i;

	json_array_foreach(sites, i, site)
		json_object_set_new(site, "driver", json_text_or_null(driver));
}

static int draw(json_t *sites, const char *driver, struct body *out)
{
	FILE *to = open_memstream(&out->data, &out->size);
	int err;

	if (!to)
		return -ENOMEM;
	err = flame_svg(to, sites, driver);
	if (fclose(to) && !err)
		err = -ENOMEM;
	if (err) {
		free(out->data);
		out->data = NULL;
	}
	return err;
}

int api_flame(struct state *s, uint64_t id, struct body *out)
{
	struct incident i;
	json_t *verdict, *sites;
	int err;

	if (!state_incident(s, id, &i))
		return 0;
	verdict = object_of(i.verdict);
	incident_drop(&i);
	sites = json_object_get(verdict, "sites");
	if (!sites) {
		json_decref(verdict);
		return -ENOMEM;
	}
	name_driver(sites, i.driver);
	err = draw(sites, i.driver, out);
	json_decref(verdict);
	return err;
}

char *api_gap(struct state *s, uint64_t missed)
{
	json_t *o = event(s, "gap");

	json_object_set_new(o, "missed",
			    missed == STATE_UNKNOWN ? json_null()
						    : json_integer((json_int_t)missed));
	return print(o);
}
