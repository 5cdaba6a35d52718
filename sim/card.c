// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "card.h"

enum cell { CELL_TEXT, CELL_COUNT, CELL_NUMBER, CELL_SHARE, CELL_TIME, CELL_FACTOR, CELL_BOOL };

struct column {
	const char *key, *title;
	enum cell cell;
};

/* ---- tables --------------------------------------------------------------------------- */

static void write_time(FILE *to, double seconds)
{
	if (seconds < 120)
		fprintf(to, "%.0f s", seconds);
	else if (seconds < 2 * 3600)
		fprintf(to, "%.0f min", seconds / 60);
	else if (seconds < 2 * 86400)
		fprintf(to, "%.1f h", seconds / 3600);
	else
		fprintf(to, "%.1f d", seconds / 86400);
}

static void write_cell(FILE *to, const json_t *value, enum cell cell)
{
	double x = json_number_value(value);

	if (!value || json_is_null(value))
		fprintf(to, "–");
	else if (cell == CELL_TEXT)
		fprintf(to, "%s", json_string_value(value));
	else if (cell == CELL_COUNT)
		fprintf(to, "%.0f", x);
	else if (cell == CELL_NUMBER)
		fprintf(to, "%.3g", x);
	else if (cell == CELL_SHARE)
		fprintf(to, x > 0 && x < 0.01 ? "%.2g %%" : "%.1f %%", x * 100);
	else if (cell == CELL_TIME)
		write_time(to, x);
	else if (cell == CELL_FACTOR)
		fprintf(to, "%.2f", x);
	else
		fprintf(to, "%s", json_is_true(value) ? "yes" : "no");
}

static void write_table(FILE *to, const struct column *columns, const json_t *rows)
{
	const struct column *c;
	const json_t *row;
	size_t i;

	for (c = columns; c->key; c++)
		fprintf(to, "| %s ", c->title);
	fprintf(to, "|\n");
	for (c = columns; c->key; c++)
		fprintf(to, c->cell == CELL_TEXT ? "|---" : "|--:");
	fprintf(to, "|\n");
	json_array_foreach(rows, i, row)
	{
		for (c = columns; c->key; c++) {
			fprintf(to, "| ");
			write_cell(to, json_object_get(row, c->key), c->cell);
			fprintf(to, " ");
		}
		fprintf(to, "|\n");
	}
	fprintf(to, "\n");
}

/* ---- the parts ------------------------------------------------------------------------ */

static void write_accusations(FILE *to, const json_t *list, const char *option)
{
	static const struct column columns[] = {
		{"machine", "machine", CELL_COUNT},
		{"load", "accused load", CELL_TEXT},
		{"day", "day", CELL_NUMBER},
		{"lost", "events lost", CELL_SHARE},
		{0},
	};

	if (!json_array_size(list))
		return;
	fprintf(to,
		"False accusations; `build/sim/scorecard --seed SEED --%s NUMBER --verbose` shows "
		"each:\n\n",
		option);
	write_table(to, columns, list);
}

static void write_innocents(FILE *to, const json_t *part)
{
	static const struct column columns[] = {
		{"load", "load", CELL_TEXT},
		{"years", "machine-years", CELL_NUMBER},
		{"false_accusations", "false accusations", CELL_COUNT},
		{"suspicions_a_day", "suspicions a day", CELL_NUMBER},
		{"tracked", "time tracked", CELL_SHARE},
		{"deep", "of it deep", CELL_SHARE},
		{"held_a_day", "`held` a day", CELL_NUMBER},
		{0},
	};

	fprintf(to,
		"## Innocent loads\n\n"
		"%.3g machine-years without a leak, machines of 4 GiB to 1 TiB and 2 to 256\n"
		"processors, each watched for %.3g days, a fifth of them with lost events. Each verdict\n"
		"is a false accusation. A load by itself on a machine, and several on one:\n\n",
		json_number_value(json_object_get(part, "years")),
		json_number_value(json_object_get(part, "days")));
	write_table(to, columns, json_object_get(part, "rows"));
	write_accusations(to, json_object_get(part, "accusations"), "machine");
}

static void write_leak_table(FILE *to, const json_t *part, const char *key, const char *title)
{
	const struct column columns[] = {
		{"name", title, CELL_TEXT},
		{"runs", "runs", CELL_COUNT},
		{"suspected", "suspected", CELL_SHARE},
		{"provable", "provable", CELL_SHARE},
		{"recall_of_provable", "of these found", CELL_SHARE},
		{"recall", "of all found", CELL_SHARE},
		{"precision", "precision", CELL_SHARE},
		{"held", "told as `held`", CELL_SHARE},
		{"suspicion_s_median", "to suspicion, median", CELL_TIME},
		{"suspicion_s_90", "90th", CELL_TIME},
		{"verdict_s_median", "to verdict, median", CELL_TIME},
		{"verdict_s_90", "90th", CELL_TIME},
		{"lost_median", "memory lost by then", CELL_SHARE},
		{"lost_90", "90th", CELL_SHARE},
		{0},
	};

	write_table(to, columns, json_object_get(part, key));
}

static void write_leaks(FILE *to, const json_t *part)
{
	fprintf(to,
		"## Leaks\n\n"
		"One driver leaks, others beside it do not. Watched until 3 %% of the memory is lost, for\n"
		"30 days at most and five minutes at least; leaks that take all memory within 20 s are\n"
		"left out. *Found*: the right driver is named. *Provable*: a process that leaked ended, or\n"
		"a call failed, 45 s before the end at least; the grace time is 30 s, or 75 s, or 4 s, as\n"
		"few or many processes left something. While the file stays open nothing can be proved:\n"
		"such leaks can be told as `held` only, and count in the rows *all* and *file open* alone;\n"
		"else no process loses more than 0.5 %% of the memory, if it lives for more than five\n"
		"seconds. Where events are lost, pins that no hook saw might rightly hold what looks\n"
		"leaked: a verdict is held back until there are more of them.\n\n");
	write_leak_table(to, part, "totals", "leak loses");
	write_leak_table(to, part, "by_rate", "rate");
	write_leak_table(to, part, "by_load", "beside it");
	write_leak_table(to, part, "by_size", "machine");
	write_leak_table(to, part, "by_kind", "leak");
	write_accusations(to, json_object_get(part, "accusations"), "leak");
}

static void write_forecasts(FILE *to, const json_t *part)
{
	static const struct column columns[] = {
		{"name", "forecast", CELL_TEXT},
		{"forecasts", "told", CELL_COUNT},
		{"rate_error_median", "rate wrong by, median factor", CELL_FACTOR},
		{"rate_error_90", "90th", CELL_FACTOR},
		{"gone_error_median", "end of memory wrong by", CELL_FACTOR},
		{"intervals", "with interval", CELL_COUNT},
		{"rate_within", "true rate in it", CELL_SHARE},
		{"gone_within", "true end in it", CELL_SHARE},
		{0},
	};

	fprintf(to,
		"## Forecasts\n\n"
		"Of verdicts that tell a rate; the truth should lie within the interval in 90 %%.\n\n");
	write_table(to, columns, part);
}

static void write_battery(FILE *to, const json_t *part)
{
	static const struct column columns[] = {
		{"kernel", "kernel", CELL_TEXT},
		{"load", "load", CELL_TEXT},
		{"leak", "leak", CELL_TEXT},
		{"suspected_s", "to suspicion", CELL_TIME},
		{"verdict_s", "to verdict", CELL_TIME},
		{"right", "right", CELL_BOOL},
		{"accused_innocent", "innocents accused", CELL_COUNT},
		{0},
	};
	const json_t *totals = json_object_get(part, "totals");

	fprintf(to,
		"## On real kernels\n\n%.0f runs with %.0f leaks: %.0f found, %.0f innocent drivers "
		"accused.\n\n",
		json_number_value(json_object_get(totals, "runs")),
		json_number_value(json_object_get(totals, "leaks")),
		json_number_value(json_object_get(totals, "found")),
		json_number_value(json_object_get(totals, "accused_innocent")));
	write_table(to, columns, json_object_get(part, "rows"));
}

static void write_head(FILE *to, const json_t *score)
{
	fprintf(to,
		"# Score card\n\n"
		"Written by `build/sim/scorecard --seed %.0f --years %g --days %g --rounds %.0f`, not to\n"
		"be edited: pinleak %s, %s.\n"
		"What the monitor decides about simulated machines, held against the truth that only the\n"
		"simulator knows; the same seed gives the same card. A sample costs %.0f ns while nothing\n"
		"is suspected, the simulator's part included.\n\n",
		json_number_value(json_object_get(score, "seed")),
		json_number_value(json_object_get(score, "years")),
		json_number_value(json_object_get(score, "days")),
		json_number_value(json_object_get(score, "rounds")),
		json_string_value(json_object_get(score, "version")),
		json_string_value(json_object_get(score, "date")),
		json_number_value(json_object_get(score, "ns_a_sample")));
}

void card_write(FILE *to, const json_t *score)
{
	static const struct {
		const char *key;
		void (*write)(FILE *to, const json_t *part);
	} parts[] = {{"innocents", write_innocents},
		     {"leaks", write_leaks},
		     {"forecasts", write_forecasts},
		     {"battery", write_battery}};

	write_head(to, score);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const json_t *part = json_object_get(score, parts[i].key);

		if (part)
			parts[i].write(to, part);
	}
}
