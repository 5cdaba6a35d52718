// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "core/errors.h"
#include "core/units.h"
#include "kernel/ground.h"
#include "kernel/survey.h"
#include "kernel/verify.h"
#include "kernel/vmstat.h"
#include "render/census.h"

#define BAR 32 /* columns of the progress bar */

enum { OPT_BY, OPT_PID, OPT_FOLIOS, OPT_VERIFY, OPT_GRACE, OPT_FAIL, OPT_JSON };

static const struct option_row options[] = {
	[OPT_BY] = {"by", "WHAT", "one table only, and all of it",
		    "driver site process object mapping cgroup size node zone"},
	[OPT_PID] = {"pid", "PID", "only what this process has mapped", NULL},
	[OPT_FOLIOS] = {"folios", NULL, "each pinned folio, one JSON object a line", NULL},
	[OPT_VERIFY] = {"verify", NULL,
			"compare the records of the pinleak that tracks with\n"
			"the page structures, twice",
			NULL},
	[OPT_GRACE] = {"grace", "TIME", "between two looks at what nobody maps [2s]", NULL},
	[OPT_FAIL] = {"fail", NULL, "exit with 1 when something is found to be leaked", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object; with --folios it comes last", NULL},
	{0},
};

struct census_command {
	enum census_by by; /* CENSUS_BYS: the usual tables */
	bool folios, verify, fail, json;
	struct render render;
	struct survey survey;
	struct census_report report;
	struct agreement agreement;
	struct timespec began;
	bool bar; /* a progress bar is on the terminal */
};

/* ---- progress --------------------------------------------------------------------------- */

static double seconds_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) * 1e-9;
}

/* Only for somebody who looks, and who has nothing else to look at. */
static bool wants_bar(const struct census_command *c)
{
	return isatty(STDERR_FILENO) && !(c->folios && isatty(STDOUT_FILENO));
}

/* Only beyond two seconds. All of it fits on a line of 80 columns, or it could not be wiped off. */
static int show_progress(void *ctx, uint64_t done, uint64_t all)
{
	struct census_command *c = ctx;
	int full = all ? (int)(done * BAR / all) : BAR;

	if (!c->bar && (seconds_since(&c->began) < 2 || !wants_bar(c)))
		return 0;
	c->bar = true;
	fprintf(stderr, "\rpinleak: looking at page structures [%-*.*s] %3d %%", BAR, full,
		"################################", all ? (int)(done * 100 / all) : 100);
	return 0;
}

static void clear_progress(const struct census_command *c)
{
	if (c->bar)
		fprintf(stderr, "\r%79s\r", "");
}

/* ---- the census ------------------------------------------------------------------------- */

static int show_folio(void *ctx, const struct census_entry *e)
{
	struct census_command *c = ctx;

	render_folio_json(&c->render, &c->report, e);
	return ferror(c->render.to) ? -EPIPE : 0;
}

static int read_counters(struct census_report *r)
{
	struct vmstat *v;
	struct sample s;
	int err = vmstat_open(&v);

	if (err)
		return err;
	err = vmstat_read(v, true, &s);
	vmstat_close(v);
	if (err)
		return err;
	r->outstanding = s.acquired - s.released;
	r->memory = s.memory_total;
	r->now_ns = s.now_ns;
	return 0;
}

/* Nobody to verify is an answer too. */
static int verify(struct census_command *c)
{
	int err = verify_running(&c->survey.scan, &c->agreement);

	if (!err)
		c->report.agreement = &c->agreement;
	else if (err == -ENOENT)
		fprintf(stderr, "pinleak: nothing to verify: no pinleak tracks now\n");
	return err == -ENOENT ? 0 : err;
}

/* Only a process's own pages are asked for with --pid, and those are mapped. */
static int look_again(struct census_command *c)
{
	int err = c->survey.pid ? -ENOENT : survey_look_again(&c->survey);

	if (!err)
		c->report.second = &c->survey.second;
	return err == -ENOENT ? 0 : err;
}

static int look(struct census_command *c)
{
	struct survey *s = &c->survey;
	int err = survey_open(s);

	c->report.tracked = s->tracked.s != NULL;
	c->report.pid = s->pid;
	s->ctx = c;
	s->plain = !s->pid;
	s->progress = show_progress;
	s->folio = c->folios ? show_folio : NULL;
	c->report.census = &s->census;
	c->report.label = survey_label;
	c->report.ctx = s;
	clock_gettime(CLOCK_MONOTONIC, &c->began);
	if (!err)
		err = read_counters(&c->report);
	if (!err)
		err = survey_look(s);
	clear_progress(c);
	if (!err && c->verify)
		err = verify(c);
	if (!err)
		err = look_again(c);
	c->report.seconds = s->seconds;
	c->report.looked = s->scan.looked;
	c->report.holes = s->scan.holes;
	c->report.holders = s->holder_list;
	c->report.nr_holders = s->nr_holders;
	for (int by = 0; by < CENSUS_BYS; by++)
		census_sort(&s->census.by[by]);
	return err;
}

static int fail(struct census_command *c, int err)
{
	struct ground ground;

	ground_survey(&ground);
	fprintf(stderr, "pinleak: no census here\n");
	render_wrap(stderr, 2,
		    ground.why[0]		  ? ground.why
		    : survey_error(&c->survey)[0] ? survey_error(&c->survey)
						  : strerror(-err));
	render_wrap(stderr, 2, ground.todo);
	return STATUS_CANNOT;
}

/* ---- the command line ------------------------------------------------------------------- */

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct census_command *c = ctx;
	unsigned by = 0;
	uint64_t n = 0;
	int status;

	switch (option) {
	case OPT_BY:
		status = option_choice(self, &options[option], value, &by);
		c->by = (enum census_by)by;
		return status;
	case OPT_PID:
		status = option_number(self, &options[option], value, 1, 1 << 22, &n);
		c->survey.pid = (uint32_t)n;
		return status;
	case OPT_FOLIOS:
		c->folios = true;
		return STATUS_OK;
	case OPT_VERIFY:
		c->verify = true;
		return STATUS_OK;
	case OPT_GRACE:
		return option_duration(self, &options[option], value, 0, &c->survey.grace_ns);
	case OPT_FAIL:
		c->fail = true;
		return STATUS_OK;
	default:
		c->json = true;
		return STATUS_OK;
	}
}

static int parse(const struct command *self, int argc, char **argv, struct census_command *c,
		 bool *done)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	int status;

	status = options_all(&o, set_option, c, done);
	if (status || *done)
		return status;
	status = options_only(&o);
	*done = status != STATUS_OK;
	if (!status && c->folios && c->verify && !c->json) {
		*done = true;
		status = usage_error(
			self, ERROR_INVALID_PARAMETER,
			"--folios lists and --verify compares: with --json both, else one");
	}
	return status;
}

/* Who has ended meanwhile is not there either. */
static int check_process(const struct command *self, uint32_t pid)
{
	uint32_t process = pid ? survey_process(pid) : pid;

	if (process == pid)
		return STATUS_OK;
	if (!process)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--pid %" PRIu32 ": there is no such process", pid);
	return usage_error(self, ERROR_INVALID_PARAMETER,
			   "--pid %" PRIu32 ": a thread of process %" PRIu32, pid, process);
}

static bool finds_leak(const struct census_report *r)
{
	return r->second && (census_is_orphaned(r->second) || census_is_unexplained(r->second));
}

static int run(const struct command *self, int argc, char **argv)
{
	struct census_command c = {.by = CENSUS_BYS, .survey.grace_ns = 2000000000};
	bool done;
	int status = parse(self, argc, argv, &c, &done), err;

	if (!done)
		status = check_process(self, c.survey.pid);
	if (done || status)
		return status;
	render_here(&c.render, stdout);
	err = look(&c);
	if (err)
		status = fail(&c, err);
	else if (c.json)
		render_census_json(&c.render, &c.report);
	else if (!c.folios)
		render_census_text(&c.render, &c.report, c.by);
	if (!status && c.fail && finds_leak(&c.report))
		status = STATUS_LEAK;
	survey_close(&c.survey);
	return status;
}

const struct command census_command = {
	.name = "census",
	.brief = "find every page that is pinned now, with no tracing before it",
	.usage = "[OPTION...]",
	.about = "Walks all page structures of the machine and adds up what is pinned now, also\n"
		 "what was pinned before pinleak started: by driver where that is known, by\n"
		 "process, by object. Attaches nothing and changes nothing.\n",
	.options = options,
	.more = "tables (without --by: the first rows of driver, process and object):\n"
		"  driver     that pinned: known of what a pinleak that tracks has recorded, and\n"
		"             of what io_uring, udmabuf and AF_XDP list in their own structures\n"
		"  site       function through which it pinned, by the same records\n"
		"  process    that has it mapped; mapping: the same, with the addresses\n"
		"  object     file, memfd or kind of memory; cgroup: that is charged for it\n"
		"  size, node, zone   of the folio\n"
		"\n"
		"What no process maps is looked at twice. If no open file could hold it any\n"
		"more, it is leaked (error 729), though nobody watched when it was pinned.\n"
		"\n"
		"exit status: 0 done, 1 with --fail: something is leaked, 2 wrong usage,\n"
		"             3 this machine cannot\n",
	.examples =
		"  pinleak census                  what is pinned, and whose it is\n"
		"  pinleak census --by object      all objects with pinned pages\n"
		"  pinleak census --pid 1234       what one process has mapped of it\n"
		"  pinleak census --fail --json    for a script: status 1 if something is leaked\n",
	.run = run,
};
