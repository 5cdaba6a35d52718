// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* How good the monitor's decisions are, by simulated machines. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "card.h"
#include "crew.h"
#include "score.h"

#define DAYS_A_YEAR 365.25
#define BENCH_DAYS  10
#define BENCH_SITES 4

struct settings {
	uint64_t seed;
	double years, days;
	uint32_t jobs;
	uint32_t rounds;       /* of all leaks */
	int64_t machine, leak; /* only this one; -1: all */
	bool verbose;
	const char *output, *json, *battery; /* NULL: none */
};

enum {
	OPT_SEED = 1,
	OPT_YEARS,
	OPT_DAYS,
	OPT_JOBS,
	OPT_ROUNDS,
	OPT_MACHINE,
	OPT_LEAK,
	OPT_VERBOSE,
	OPT_OUTPUT,
	OPT_JSON,
	OPT_BATTERY,
	OPT_HELP
};

static const struct option options[] = {
	{"seed", required_argument, NULL, OPT_SEED},
	{"years", required_argument, NULL, OPT_YEARS},
	{"days", required_argument, NULL, OPT_DAYS},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{"rounds", required_argument, NULL, OPT_ROUNDS},
	{"machine", required_argument, NULL, OPT_MACHINE},
	{"leak", required_argument, NULL, OPT_LEAK},
	{"verbose", no_argument, NULL, OPT_VERBOSE},
	{"output", required_argument, NULL, OPT_OUTPUT},
	{"json", required_argument, NULL, OPT_JSON},
	{"battery", required_argument, NULL, OPT_BATTERY},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static const char help[] =
	"usage: scorecard [OPTION...]\n"
	"\n"
	"  --seed N       what all chance comes from [729]\n"
	"  --years N      machine-years without a leak [100]\n"
	"  --days N       each machine is watched for so long [30]\n"
	"  --rounds N     of all leaks [2]\n"
	"  --jobs N       processes [2]\n"
	"  --output FILE  the card, in Markdown [standard output]\n"
	"  --json FILE    the numbers\n"
	"  --battery FILE what runs in guests came to, one JSON object a line\n"
	"  --machine N    only this machine without a leak, and what becomes of it\n"
	"  --leak N       only this leak\n"
	"  --verbose      with one of these: what the monitor says\n";

/* ---- the command line ----------------------------------------------------------------- */

static bool to_number(const char *text, double low, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	return !errno && end != text && !*end && *out >= low;
}

static bool set_number(struct settings *s, int option, const char *text)
{
	double x;

	if (!to_number(text, option == OPT_JOBS ? 1 : 0, &x))
		return false;
	switch (option) {
	case OPT_SEED:
		s->seed = strtoull(text, NULL, 0);
		return true;
	case OPT_YEARS:
		s->years = x;
		return true;
	case OPT_DAYS:
		s->days = x;
		return true;
	case OPT_JOBS:
		s->jobs = (uint32_t)x;
		return true;
	case OPT_ROUNDS:
		s->rounds = (uint32_t)x;
		return true;
	case OPT_MACHINE:
		s->machine = (int64_t)x;
		return true;
	default:
		s->leak = (int64_t)x;
		return true;
	}
}

static bool set_option(struct settings *s, int option, const char *text)
{
	switch (option) {
	case OPT_VERBOSE:
		s->verbose = true;
		return true;
	case OPT_OUTPUT:
		s->output = text;
		return true;
	case OPT_JSON:
		s->json = text;
		return true;
	case OPT_BATTERY:
		s->battery = text;
		return true;
	default:
		return set_number(s, option, text);
	}
}

/* What there is to do; or *status, and false. */
static bool parse(int argc, char **argv, struct settings *s, int *status)
{
	int option;

	*status = 2;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			*status = 0;
			return false;
		}
		if (option == '?')
			return false;
		if (!set_option(s, option, optarg)) {
			fprintf(stderr, "scorecard: bad number: %s\n", optarg);
			return false;
		}
	}
	if (optind < argc)
		fprintf(stderr, "scorecard: what is %s?\n", argv[optind]);
	return optind == argc;
}

/* ---- one machine ---------------------------------------------------------------------- */

static void show_machine(const struct exam *e)
{
	const struct machine_plan *m = &e->machine;

	printf("%.1f GiB, %u processors, %.2g of the acquisitions lost\n",
	       (double)m->memory / (UINT64_C(1) << 30), m->cpus, m->lost);
	for (uint32_t i = 0; i < m->nr_sites; i++)
		printf("  driver%u: %s\n", i, i || !m->leak.kind ? load_name(e->load[i]) : "leaks");
	if (m->leak.kind)
		printf("  %s, %s, after %.0f s; file open for %.0f s\n", exam_rates[e->rate].name,
		       exam_kind_name(e->kind), m->leak.start_s, m->habit[0].session);
}

static int run_one(const struct settings *s)
{
	static struct machine machine;
	struct outcome out;
	struct exam e;
	int err;

	if (s->machine >= 0)
		exam_innocent(s->seed, (uint64_t)s->machine, s->days, &e);
	else
		exam_leak(s->seed, (uint64_t)s->leak, s->days, &e);
	e.watch.verbose = s->verbose;
	show_machine(&e);
	err = exam_run(&e, &machine, &out);
	printf("%.1f days, %.1f h tracked, %.1f h of it deep; %u suspicions, %u false accusations, "
	       "%u held\n",
	       out.seconds / 86400, out.tracked / 3600, out.deep / 3600, out.suspicions,
	       out.false_accusations, out.held);
	if (e.machine.leak.kind)
		printf("suspected after %.0f s, found after %.0f s, held after %.0f s; %.3g lost\n",
		       out.suspected, out.found, out.held_at, out.lost);
	return err;
}

/* ---- all of them ---------------------------------------------------------------------- */

static int watch_innocent(void *ctx, uint64_t number, void *result)
{
	static struct machine machine;
	const struct settings *s = ctx;
	struct exam e;

	exam_innocent(s->seed, number, s->days, &e);
	return exam_run(&e, &machine, result);
}

static int watch_leak(void *ctx, uint64_t number, void *result)
{
	static struct machine machine;
	const struct settings *s = ctx;
	struct exam e;

	exam_leak(s->seed, number, s->days, &e);
	return exam_run(&e, &machine, result);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What a sample costs while nothing is suspected. */
static double bench(const struct settings *s)
{
	static struct machine machine;
	struct exam e = {.machine = {.memory = UINT64_C(64) << 30, .cpus = 16, .available = 0.5},
			 .watch = {.config = monitor_defaults(), .seconds = BENCH_DAYS * 86400.0}};
	struct outcome out;
	struct dice d;
	double began;

	dice_seed(&d, s->seed, 0);
	e.machine.nr_sites = BENCH_SITES;
	e.watch.config.track = TRACK_NEVER;
	for (uint32_t i = 0; i < BENCH_SITES; i++)
		load_habit((enum load)i, e.machine.memory, &d, &e.machine.habit[i]);
	began = cpu_ns();
	return exam_run(&e, &machine, &out) ? -1 : (cpu_ns() - began) / out.seconds;
}

static int write_json(const char *path, const json_t *score)
{
	return path && json_dump_file(score, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) ? -EIO
											    : 0;
}

static int write_card(const char *path, const json_t *score)
{
	FILE *to = path ? fopen(path, "we") : stdout;
	int err;

	if (!to)
		return -errno;
	card_write(to, score);
	err = ferror(to) ? -EIO : 0;
	if (path && fclose(to))
		err = -errno;
	return err;
}

static json_t *head(const struct settings *s)
{
	char date[16];
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	return json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:I, s:f}", "type", "scorecard", "version",
			 PINLEAK_VERSION, "date", date, "seed", (json_int_t)s->seed, "years",
			 s->years, "days", s->days, "rounds", (json_int_t)s->rounds, "ns_a_sample",
			 bench(s));
}

/* Before all the rest, which takes its time. */
static int read_battery(const struct settings *s, json_t **out)
{
	size_t line;

	*out = s->battery ? score_battery(s->battery, &line) : NULL;
	if (*out || !s->battery)
		return 0;
	fprintf(stderr,
		line ? "scorecard: %s: line %zu is no result of the battery\n"
		     : "scorecard: %s cannot be read\n",
		s->battery, line);
	return -EINVAL;
}

static int add_parts(const struct score *score, json_t *all)
{
	int err = 0;

	if (score->nr_innocents)
		err = json_object_set_new(all, "innocents", score_innocents(score));
	if (score->nr_leaks)
		err = err || json_object_set_new(all, "leaks", score_leaks(score)) ||
		      json_object_set_new(all, "forecasts", score_forecasts(score));
	return err ? -ENOMEM : 0;
}

static int write_score(const struct settings *s, const struct score *score, json_t *battery)
{
	json_t *all = head(s);
	int err = all ? add_parts(score, all) : -ENOMEM;

	if (!err && battery)
		err = json_object_set(all, "battery", battery) ? -ENOMEM : 0;
	if (!err)
		err = write_json(s->json, all);
	if (!err)
		err = write_card(s->output, all);
	json_decref(all);
	return err;
}

static int run_all(struct settings *s, json_t *battery)
{
	struct crew innocents = {s->jobs, "machines", watch_innocent, s, sizeof(struct outcome)};
	struct crew leaks = {s->jobs, "leaks", watch_leak, s, sizeof(struct outcome)};
	struct score score = {.seed = s->seed, .days = s->days};
	void *innocent_results = NULL, *leak_results = NULL;
	int err = 0;

	score.nr_innocents = (uint64_t)ceil(s->years * DAYS_A_YEAR / s->days);
	score.nr_leaks = (uint64_t)s->rounds * EXAM_LEAKS;
	if (score.nr_innocents)
		err = crew_do(&innocents, score.nr_innocents, &innocent_results);
	if (!err && score.nr_leaks)
		err = crew_do(&leaks, score.nr_leaks, &leak_results);
	score.innocents = innocent_results;
	score.leaks = leak_results;
	if (!err)
		err = write_score(s, &score, battery);
	if (innocent_results)
		crew_free(&innocents, score.nr_innocents, innocent_results);
	if (leak_results)
		crew_free(&leaks, score.nr_leaks, leak_results);
	return err;
}

int main(int argc, char **argv)
{
	struct settings s = {.seed = 729,
			     .years = 100,
			     .days = 30,
			     .jobs = 2,
			     .rounds = 2,
			     .machine = -1,
			     .leak = -1};
	json_t *battery;
	int status, err;

	if (!parse(argc, argv, &s, &status))
		return status;
	if (read_battery(&s, &battery))
		return 1;
	err = s.machine >= 0 || s.leak >= 0 ? run_one(&s) : run_all(&s, battery);
	json_decref(battery);
	if (err)
		fprintf(stderr, "scorecard: %s\n", strerror(-err));
	return err ? 1 : 0;
}
