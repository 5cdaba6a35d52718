// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY  86400.0
#define YEAR (365.25 * DAY)

/* ---- numbers -------------------------------------------------------------------------- */

static json_t *number_or_null(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *ratio(double part, double whole)
{
	return number_or_null(whole > 0 ? part / whole : NAN);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The array is sorted. */
static json_t *quantile(double *x, size_t nr, double share)
{
	size_t at = (size_t)ceil(share * (double)nr);

	qsort(x, nr, sizeof(*x), compare);
	return nr ? json_real(x[at ? at - 1 : 0]) : json_null();
}

/* ---- innocents ------------------------------------------------------------------------ */

struct innocence {
	uint64_t machines;
	double seconds, tracked, deep;
	uint64_t suspicions, false_accusations, held;
};

static void add_innocent(struct innocence *sum, const struct outcome *o)
{
	sum->machines++;
	sum->seconds += o->seconds;
	sum->tracked += o->tracked;
	sum->deep += o->deep;
	sum->suspicions += o->suspicions;
	sum->false_accusations += o->false_accusations;
	sum->held += o->held;
}

static json_t *innocent_row(const char *load, const struct innocence *i)
{
	return json_pack("{s:s, s:I, s:f, s:I, s:o, s:o, s:o, s:I, s:o}", "load", load, "machines",
			 (json_int_t)i->machines, "years", i->seconds / YEAR, "false_accusations",
			 (json_int_t)i->false_accusations, "suspicions_a_day",
			 ratio((double)i->suspicions * DAY, i->seconds), "tracked",
			 ratio(i->tracked, i->seconds), "deep", ratio(i->deep, i->seconds), "held",
			 (json_int_t)i->held, "held_a_day",
			 ratio((double)i->held * DAY, i->seconds));
}

static void list_accusations(const struct exam *e, uint64_t number, const struct outcome *o,
			     json_t *list)
{
	for (uint32_t i = 0; i < o->false_accusations && i < ACCUSED_MAX; i++)
		json_array_append_new(list,
				      json_pack("{s:I, s:s, s:f, s:f}", "machine",
						(json_int_t)number, "load",
						load_name(e->load[o->accused[i]]), "day",
						o->accused_at[i] / DAY, "lost", e->machine.lost));
}

json_t *score_innocents(const struct score *s)
{
	struct innocence all = {0}, several = {0}, alone[LOADS] = {0};
	json_t *rows = json_array(), *accusations = json_array();

	for (uint64_t k = 0; k < s->nr_innocents; k++) {
		const struct outcome *o = &s->innocents[k];
		struct exam e;

		exam_innocent(s->seed, k, s->days, &e);
		add_innocent(&all, o);
		add_innocent(e.nr_loads == 1 ? &alone[e.load[0]] : &several, o);
		list_accusations(&e, k, o, accusations);
	}
	for (int i = 0; i < LOADS; i++)
		json_array_append_new(rows, innocent_row(load_name((enum load)i), &alone[i]));
	json_array_append_new(rows, innocent_row("2 to 8 of them", &several));
	json_array_append_new(rows, innocent_row("all", &all));
	return json_pack("{s:f, s:f, s:o, s:o}", "years", all.seconds / YEAR, "days", s->days,
			 "rows", rows, "accusations", accusations);
}

/* ---- leaks ---------------------------------------------------------------------------- */

/* Which leaks a row is about. */
struct slice {
	const char *name;
	bool (*has)(const struct exam *e, uint32_t at);
	uint32_t at;
};

struct detection {
	uint64_t runs, suspected, provable, found, held, innocents;
	double *suspicion_s, *verdict_s, *lost; /* of those found */
};

static bool is_provable(const struct exam *e)
{
	return e->kind != EXAM_OPEN;
}

static bool has_rate(const struct exam *e, uint32_t at)
{
	return is_provable(e) && e->rate == at;
}

static bool has_load(const struct exam *e, uint32_t at)
{
	return is_provable(e) && e->background == at;
}

static bool has_size(const struct exam *e, uint32_t at)
{
	return is_provable(e) && e->size == at;
}

static bool has_kind(const struct exam *e, uint32_t at)
{
	return e->kind == at && e->machine.leak.kind != LEAK_ONCE;
}

static bool has_speed(const struct exam *e, uint32_t fast)
{
	return is_provable(e) && !e->machine.lost && exam_is_fast(e) == fast;
}

static bool has_speed_and_losses(const struct exam *e, uint32_t fast)
{
	return is_provable(e) && e->machine.lost && exam_is_fast(e) == fast;
}

static bool has_any(const struct exam *e, uint32_t at)
{
	(void)e;
	(void)at;
	return true;
}

static void add_leak(struct detection *d, const struct outcome *o)
{
	d->runs++;
	d->innocents += o->false_accusations;
	d->held += o->held_at >= 0;
	d->provable += o->provable;
	if (o->suspected >= 0)
		d->suspicion_s[d->suspected++] = o->suspected;
	if (o->found < 0)
		return;
	d->lost[d->found] = o->lost_then;
	d->verdict_s[d->found++] = o->found;
}

static void set_times(json_t *row, const char *what, double *seconds, size_t nr)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_median", what);
	json_object_set_new(row, key, quantile(seconds, nr, 0.5));
	snprintf(key, sizeof(key), "%s_90", what);
	json_object_set_new(row, key, quantile(seconds, nr, 0.9));
}

static json_t *pack_leaks(const char *name, const struct detection *d)
{
	double runs = (double)d->runs, found = (double)d->found;
	json_t *row =
		json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "runs",
			  (json_int_t)d->runs, "suspected", ratio((double)d->suspected, runs),
			  "provable", ratio((double)d->provable, runs), "recall",
			  ratio(found, runs), "recall_of_provable",
			  ratio(found, (double)d->provable), "held", ratio((double)d->held, runs),
			  "precision", ratio(found, found + (double)d->innocents));

	set_times(row, "suspicion_s", d->suspicion_s, d->suspected);
	set_times(row, "verdict_s", d->verdict_s, d->found);
	set_times(row, "lost", d->lost, d->found);
	return row;
}

static json_t *leak_row(const struct score *s, const struct slice *slice)
{
	double *room = calloc(3 * s->nr_leaks + 1, sizeof(*room));
	struct detection d = {.suspicion_s = room,
			      .verdict_s = room + s->nr_leaks,
			      .lost = room + 2 * s->nr_leaks};
	json_t *row;

	if (!room)
		return NULL;
	for (uint64_t k = 0; k < s->nr_leaks; k++) {
		struct exam e;

		exam_leak(s->seed, k, s->days, &e);
		if (!e.hopeless && slice->has(&e, slice->at))
			add_leak(&d, &s->leaks[k]);
	}
	row = pack_leaks(slice->name, &d);
	free(room);
	return row;
}

static json_t *leak_rows(const struct score *s, const struct slice *slices, size_t nr)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(rows, leak_row(s, &slices[i]));
	return rows;
}

static json_t *wrong_leaks(const struct score *s)
{
	json_t *list = json_array();

	for (uint64_t k = 0; k < s->nr_leaks; k++) {
		struct exam e;

		exam_leak(s->seed, k, s->days, &e);
		list_accusations(&e, k, &s->leaks[k], list);
	}
	return list;
}

json_t *score_leaks(const struct score *s)
{
	static const struct slice total[] = {
		{"more than 0.1 % of the memory a day", has_speed, true},
		{"the same, and events are lost", has_speed_and_losses, true},
		{"less", has_speed, false},
		{"the same, and events are lost", has_speed_and_losses, false},
		{"all", has_any, 0},
	};
	struct slice rates[EXAM_RATES], loads[EXAM_LOADS], sizes[EXAM_SIZES], kinds[EXAM_KINDS];

	for (uint32_t i = 0; i < EXAM_RATES; i++)
		rates[i] = (struct slice){exam_rates[i].name, has_rate, i};
	for (uint32_t i = 0; i < EXAM_LOADS; i++)
		loads[i] = (struct slice){exam_load_name(i), has_load, i};
	for (uint32_t i = 0; i < EXAM_SIZES; i++)
		sizes[i] = (struct slice){exam_sizes[i].name, has_size, i};
	for (uint32_t i = 0; i < EXAM_KINDS; i++)
		kinds[i] = (struct slice){exam_kind_name(i), has_kind, i};
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "totals",
			 leak_rows(s, total, sizeof(total) / sizeof(*total)), "by_rate",
			 leak_rows(s, rates, EXAM_RATES), "by_load",
			 leak_rows(s, loads, EXAM_LOADS), "by_size",
			 leak_rows(s, sizes, EXAM_SIZES), "by_kind",
			 leak_rows(s, kinds, EXAM_KINDS), "accusations", wrong_leaks(s));
}

/* ---- forecasts ------------------------------------------------------------------------ */

struct foresight {
	uint64_t nr, nr_rates, right_rates, nr_gone, right_gone;
	double *rate_error, *gone_error; /* as factors, at least 1 */
};

static bool is_within(double x, double low, double high)
{
	return low <= x && x <= high;
}

static double factor(double a, double b)
{
	return a > b ? a / b : b / a;
}

static void add_forecast(struct foresight *sum, const struct foretold *f)
{
	sum->rate_error[sum->nr] = factor(f->rate, f->true_rate);
	sum->gone_error[sum->nr++] =
		f->gone > 0 && f->true_gone > 0 ? factor(f->gone, f->true_gone) : INFINITY;
	if (f->rate_low >= 0 && f->rate_high >= 0) {
		sum->nr_rates++;
		sum->right_rates += is_within(f->true_rate, f->rate_low, f->rate_high);
	}
	if (f->gone_low >= 0 && f->gone_high >= 0) {
		sum->nr_gone++;
		sum->right_gone += is_within(f->true_gone, f->gone_low, f->gone_high);
	}
}

static json_t *forecast_row(const struct score *s, const char *name, bool first)
{
	size_t room = s->nr_leaks * FORECASTS_MAX + 1;
	double *errors = calloc(2 * room, sizeof(*errors));
	struct foresight sum = {.rate_error = errors, .gone_error = errors + room};
	json_t *row;

	if (!errors)
		return NULL;
	for (uint64_t k = 0; k < s->nr_leaks; k++)
		for (uint32_t i = !first; i < s->leaks[k].nr_forecasts && (!i || !first); i++)
			add_forecast(&sum, &s->leaks[k].forecast[i]);
	row = json_pack("{s:s, s:I, s:o, s:o, s:I, s:o, s:o, s:o}", "name", name, "forecasts",
			(json_int_t)sum.nr, "rate_error_median",
			quantile(sum.rate_error, sum.nr, 0.5), "gone_error_median",
			quantile(sum.gone_error, sum.nr, 0.5), "intervals",
			(json_int_t)sum.nr_rates, "rate_within",
			ratio((double)sum.right_rates, (double)sum.nr_rates), "gone_within",
			ratio((double)sum.right_gone, (double)sum.nr_gone), "rate_error_90",
			quantile(sum.rate_error, sum.nr, 0.9));
	free(errors);
	return row;
}

json_t *score_forecasts(const struct score *s)
{
	return json_pack("[o, o]", forecast_row(s, "the first of a leak", true),
			 forecast_row(s, "later ones", false));
}

/* ---- the battery in guests ------------------------------------------------------------- */

static bool is_true(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

static json_t *battery_totals(const json_t *rows)
{
	json_int_t leaks = 0, found = 0, innocents = 0;
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		leaks += json_is_string(json_object_get(row, "leak"));
		found += json_is_string(json_object_get(row, "leak")) && is_true(row, "right");
		innocents += json_integer_value(json_object_get(row, "accused_innocent"));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}", "runs",
			 (json_int_t)json_array_size(rows), "leaks", leaks, "found", found,
			 "accused_innocent", innocents, "recall",
			 ratio((double)found, (double)leaks), "precision",
			 ratio((double)found, (double)(found + innocents)));
}

static json_t *read_rows(FILE *f, size_t *line)
{
	json_t *rows = json_array();
	char *text = NULL;
	size_t room = 0;

	for (*line = 1; getline(&text, &room, f) >= 0; (*line)++) {
		json_t *row = json_loads(text, 0, NULL);
		const char *type = json_string_value(json_object_get(row, "type"));

		if (!type || strcmp(type, "battery")) {
			json_decref(row);
			json_decref(rows);
			free(text);
			return NULL;
		}
		json_array_append_new(rows, row);
	}
	free(text);
	*line = 0;
	return rows;
}

json_t *score_battery(const char *path, size_t *line)
{
	FILE *f = fopen(path, "re");
	json_t *rows = NULL, *totals;

	*line = 0;
	if (f) {
		rows = read_rows(f, line);
		fclose(f);
	}
	if (!rows)
		return NULL;
	totals = battery_totals(rows);
	return json_pack("{s:o, s:o}", "rows", rows, "totals", totals);
}
