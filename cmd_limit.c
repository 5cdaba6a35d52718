// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "command.h"
#include "core/errors.h"
#include "core/quota.h"
#include "core/units.h"
#include "kernel/barrier.h"
#include "kernel/quota.h"
#include "render/quota.h"
#include "session.h"

enum {
	OPT_PAGES,
	OPT_BYTES,
	OPT_SHARE,
	OPT_ENFORCE,
	OPT_BY,
	OPT_EXEMPT_PID,
	OPT_EXEMPT_COMM,
	OPT_EXEMPT_CGROUP,
	OPT_ALLOW_IOCTL,
	OPT_REFUSE_IOCTL,
	OPT_INTERVAL,
	OPT_FOR,
	OPT_JSON,
};

static const struct option_row options[] = {
	[OPT_PAGES] = {"pages", "N", "the limit, in pages", NULL},
	[OPT_BYTES] = {"bytes", "SIZE", "the limit, in bytes, like 64MiB", NULL},
	[OPT_SHARE] = {"share", "PERCENT", "the limit, as a share of memory, like 5%", NULL},
	[OPT_ENFORCE] = {"enforce", NULL,
			 "refuse calls once the limit is reached; else who\n"
			 "goes beyond is told, and nobody is refused",
			 NULL},
	[OPT_BY] = {"by", "WAY",
		    "auto: what works here [auto]\n"
		    "lsm: BPF among the security modules\n"
		    "modify: a program that changes their answer",
		    "auto lsm modify"},
	[OPT_EXEMPT_PID] = {"exempt-pid", "PID", "never refuse this process (several times)", NULL},
	[OPT_EXEMPT_COMM] = {"exempt-comm", "NAME", "never refuse processes of this name", NULL},
	[OPT_EXEMPT_CGROUP] = {"exempt-cgroup", "PATH", "never refuse this control group (v2)",
			       NULL},
	[OPT_ALLOW_IOCTL] = {"allow-ioctl", "NR",
			     "never refuse this ioctl, though it pins;\n"
			     "its whole number, like 0x4c05",
			     NULL},
	[OPT_REFUSE_IOCTL] = {"refuse-ioctl", "NR",
			      "refuse this ioctl at the limit, though it also\n"
			      "releases, or a kernel thread pins for it",
			      NULL},
	[OPT_INTERVAL] = {"interval", "TIME", "between two looks [1s]", NULL},
	[OPT_FOR] = {"for", "TIME", "end after so long [never]", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line", NULL},
	{0},
};

#define ROOM_LESS   65536	  /* folios of other drivers */
#define ROOM_MOST   (1 << 20)	  /* 350 MiB of kernel memory */
#define STALE_NS    5000000000ULL /* nothing is refused when no look was for so long, */
#define STALE_LOOKS 5		  /* and so many more were due */

struct limiter {
	/* settings */
	const char *driver_text, *amount;
	enum quota_unit unit;
	bool enforce, json, any_way, exempts;
	enum barrier_way way;
	struct barrier_exempt exempt;
	uint64_t interval_ns, for_ns;
	/* at work */
	char driver[PL_MODNAME];
	struct render render;
	struct quota_report report;
	const struct quota_reporter *to;
	struct session session;
	struct barrier *barrier;
	struct quota_told told;
	struct quota_crossings crossings;
	struct quota_learned learned;
	struct quota_kinds kinds;
	struct pl_quota quota; /* at the last look */
	struct balance balance;
	bool unloaded, crossed;
	uint64_t began_ns;
};

/* ---- options -------------------------------------------------------------------------- */

static int set_amount(const struct command *self, struct limiter *l, int option, const char *value)
{
	if (l->amount)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--%s: one of --pages, --bytes and --share, once",
				   options[option].name);
	l->amount = value;
	l->unit = option == OPT_PAGES	? QUOTA_PAGES
		  : option == OPT_BYTES ? QUOTA_BYTES
					: QUOTA_SHARE;
	return STATUS_OK;
}

static int too_many(const struct command *self, int option)
{
	return usage_error(self, ERROR_INVALID_PARAMETER, "--%s is given too often",
			   options[option].name);
}

static int exempt_comm(const struct command *self, struct barrier_exempt *e, const char *value)
{
	size_t len = strlen(value);

	if (!len || len >= PL_COMM)
		return option_bad(self, &options[OPT_EXEMPT_COMM], value,
				  "the name of a process, 1 to 15 bytes");
	if (e->nr_commands == PL_EXEMPTIONS)
		return too_many(self, OPT_EXEMPT_COMM);
	memcpy(e->commands[e->nr_commands++].comm, value, len);
	return STATUS_OK;
}

static int exempt_cgroup(const struct command *self, struct barrier_exempt *e, const char *value)
{
	struct statfs fs;
	int fd;

	if (e->nr_cgroups == PL_CGROUPS)
		return too_many(self, OPT_EXEMPT_CGROUP);
	fd = open(value, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "--exempt-cgroup %s: %s", value,
				   strerror(errno));
	e->cgroups[e->nr_cgroups++] = fd;
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return option_bad(self, &options[OPT_EXEMPT_CGROUP], value,
				  "a directory of cgroup v2, below /sys/fs/cgroup");
	return STATUS_OK;
}

static int order_ioctl(const struct command *self, struct barrier_exempt *e, int option,
		       const char *value)
{
	uint8_t order = option == OPT_REFUSE_IOCTL ? PL_REFUSE : PL_ALLOW;
	uint32_t command;

	if (e->nr_ioctls == PL_EXEMPTIONS)
		return too_many(self, option);
	if (units_code(value, &command))
		return option_bad(self, &options[option], value,
				  "the number of an ioctl, like 0x4c05");
	for (size_t i = 0; i < e->nr_ioctls; i++)
		if (e->ioctls[i].command == command && e->ioctls[i].order != order)
			return usage_error(self, ERROR_INVALID_PARAMETER,
					   "ioctl 0x%x: to be refused, or allowed?", command);
	e->ioctls[e->nr_ioctls].command = command;
	e->ioctls[e->nr_ioctls++].order = order;
	return STATUS_OK;
}

static int set_exempt(const struct command *self, struct limiter *l, int option, const char *value)
{
	struct barrier_exempt *e = &l->exempt;
	uint64_t pid;
	int status;

	l->exempts = true;
	switch (option) {
	case OPT_EXEMPT_COMM:
		return exempt_comm(self, e, value);
	case OPT_EXEMPT_CGROUP:
		return exempt_cgroup(self, e, value);
	case OPT_EXEMPT_PID:
		if (e->nr_pids == PL_EXEMPTIONS)
			return too_many(self, option);
		status = option_number(self, &options[option], value, 1, 1 << 22, &pid);
		e->pids[e->nr_pids++] = (uint32_t)pid;
		return status;
	default:
		return order_ioctl(self, e, option, value);
	}
}

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct limiter *l = ctx;
	unsigned way;
	int status;

	switch (option) {
	case OPT_PAGES:
	case OPT_BYTES:
	case OPT_SHARE:
		return set_amount(self, l, option, value);
	case OPT_ENFORCE:
		l->enforce = true;
		return STATUS_OK;
	case OPT_BY:
		status = option_choice(self, &options[option], value, &way);
		l->any_way = !status && !way;
		l->way = !status && way ? BARRIER_LSM + way - 1 : BARRIER_LSM;
		l->exempts = true;
		return status;
	case OPT_INTERVAL:
		return option_duration(self, &options[option], value, 10000000, &l->interval_ns);
	case OPT_FOR:
		return option_duration(self, &options[option], value, 1, &l->for_ns);
	case OPT_JSON:
		l->json = true;
		return STATUS_OK;
	default:
		return set_exempt(self, l, option, value);
	}
}

static int check_amount(const struct command *self, struct limiter *l)
{
	struct quota_report *q = &l->report;

	q->page = (uint32_t)sysconf(_SC_PAGESIZE);
	q->memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * q->page;
	if (!l->amount)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "how much? one of --pages, --bytes and --share is needed");
	if (quota_pages(l->unit, l->amount, q->memory, q->page, &q->limit))
		return option_bad(self, &options[OPT_PAGES + (int)l->unit], l->amount,
				  "at least a page, and no more than there is memory");
	if (l->exempts && !l->enforce)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "without --enforce nobody is refused, and nobody is exempt");
	return STATUS_OK;
}

static int check_driver(const struct command *self, struct limiter *l)
{
	int err;

	if (!l->driver_text)
		return usage_error(self, ERROR_INVALID_PARAMETER, "which DRIVER?");
	err = quota_driver(l->driver_text, l->driver);
	if (err == -ENOENT)
		return usage_error(self, ERROR_FILE_NOT_FOUND,
				   "no driver %s is loaded: lsmod lists them", l->driver_text);
	if (!err)
		return STATUS_OK;
	fprintf(stderr, "pinleak: %s is built into the kernel: only modules can have a limit\n",
		l->driver);
	return STATUS_CANNOT;
}

/* DRIVER may stand before the options, after them, and between them. */
static int parse(struct options *o, struct limiter *l, bool *done)
{
	int status;

	do {
		status = options_all(o, set_option, l, done);
		if (status || *done)
			return status;
		if (o->at == o->argc)
			break;
		if (l->driver_text)
			return usage_error(o->command, ERROR_INVALID_PARAMETER,
					   "%s: there is one DRIVER", o->argv[o->at]);
		l->driver_text = o->argv[o->at++];
	} while (o->at < o->argc);
	status = check_amount(o->command, l);
	return status ? status : check_driver(o->command, l);
}

/* ---- the start ------------------------------------------------------------------------ */

/* Each page of the limit may be a folio of its own. */
static uint32_t room_for(uint64_t pages)
{
	return pages + ROOM_LESS < ROOM_MOST ? (uint32_t)pages + ROOM_LESS : ROOM_MOST;
}

static int count(struct limiter *l)
{
	struct live *live = &l->session.live;
	struct source_level level = {0};
	int err = live_open(live);

	if (!err)
		err = live_source.set_level(live, LEVEL_DEEP, &level);
	if (err || level.refused) {
		fprintf(stderr, "pinleak: the driver's pins cannot be counted: %s\n",
			err ? strerror(-err) : level.why);
		return STATUS_CANNOT;
	}
	err = quota_begin(live->tracker, l->driver, l->report.limit,
			  STALE_NS + STALE_LOOKS * l->interval_ns);
	if (!err)
		return STATUS_OK;
	fprintf(stderr, "pinleak: where %s has its code is not to be found: %s\n", l->driver,
		strerror(-err));
	return STATUS_CANNOT;
}

static int refuse(struct limiter *l)
{
	struct tracker *t = l->session.live.tracker;
	char why[2][BARRIER_WHY] = {"", ""};
	enum barrier_way way = l->way;
	int err;

	err = barrier_open(way, t, &l->exempt, &l->barrier, why[0]);
	if (err && l->any_way) {
		way = BARRIER_MODIFY;
		err = barrier_open(way, t, &l->exempt, &l->barrier, why[1]);
	}
	if (!err) {
		l->report.way = barrier_way_name(way);
		return STATUS_OK;
	}
	fprintf(stderr, "pinleak: this kernel lets nobody refuse a driver's calls\n");
	for (size_t i = 0; i < 2; i++)
		if (why[i][0])
			render_wrap(stderr, 2, why[i]);
	fprintf(stderr, "  what works: an audit (without --enforce)\n");
	return STATUS_CANNOT;
}

/* ---- the loop ------------------------------------------------------------------------- */

static void tell(struct limiter *l, const struct snapshot *books)
{
	for (size_t i = 0; i < l->crossings.nr; i++) {
		const struct pl_crossing *c = &l->crossings.of[i];
		struct quota_report_crossing told = {.of = &l->report, .crossing = c};
		struct snap_owner by;

		l->crossed = true;
		if (!quota_take(&l->told, c))
			continue;
		quota_process(c, &by);
		told.by = &by;
		told.pins = quota_pins_of(books, l->driver, c->tgid, c->start_ns);
		l->to->crossing(&l->render, &told);
	}
}

static void tell_kind(struct limiter *l, const struct quota_kind *k)
{
	struct quota_report_kind told = {.of = &l->report,
					 .kind = k,
					 .refused = quota_answer(&k->habit) == QUOTA_REFUSED};

	for (size_t i = 0; i < l->exempt.nr_ioctls && k->kind.call == PL_CALL_IOCTL; i++)
		if (l->exempt.ioctls[i].command == k->kind.command) {
			told.ordered = true;
			told.refused = l->exempt.ioctls[i].order == PL_REFUSE;
		}
	l->to->kind(&l->render, &told);
}

static int learn(struct limiter *l)
{
	int err = quota_kinds(l->session.live.tracker, &l->kinds);

	for (size_t i = 0; i < l->kinds.nr; i++)
		if (quota_learn(&l->learned, &l->kinds.of[i]))
			tell_kind(l, &l->kinds.of[i]);
	return err;
}

static int look(struct limiter *l)
{
	struct live *live = &l->session.live;
	struct source_look seen = {0};
	/* Before the books, which so have the pins of whoever crossed. */
	int err = quota_crossings(live->tracker, &l->crossings);

	if (!err)
		err = live_source.look(live, true, true, &seen);
	if (err)
		return err;
	l->quota = *tracker_quota(live->tracker);
	l->balance = seen.balance;
	l->report.now_ns = seen.sample.now_ns;
	l->unloaded = quota_unloaded(seen.books, l->driver);
	tell(l, seen.books);
	return l->enforce ? learn(l) : 0;
}

static int loop(struct limiter *l)
{
	struct timespec next, end;
	sigset_t signals;
	int err;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen by ferror() */
	clock_gettime(CLOCK_MONOTONIC, &end);
	session_add_ns(&end, l->for_ns);
	do {
		render_set_clock(&l->render, NULL);
		err = look(l);
		clock_gettime(CLOCK_MONOTONIC, &next);
		session_add_ns(&next, l->interval_ns);
		if (l->for_ns && session_ns_until(&end) < session_ns_until(&next))
			next = end;
	} while (!err && !l->unloaded && !ferror(l->render.to) && !session_wait(&signals, &next) &&
		 (!l->for_ns || session_ns_until(&end) > 0));
	return err || l->unloaded ? err : look(l);
}

static int finish(struct limiter *l, int err)
{
	struct quota_report_end e = {.of = &l->report,
				     .quota = &l->quota,
				     .seconds = (double)(l->report.now_ns - l->began_ns) * 1e-9,
				     .unloaded = l->unloaded,
				     .crossed = l->crossed,
				     .unseen = l->balance.unseen};

	if (err) {
		fprintf(stderr, "pinleak: the limit ends: %s\n", live_error(&l->session.live, err));
		return STATUS_CANNOT;
	}
	l->to->end(&l->render, &e);
	if (l->unloaded)
		return STATUS_CANNOT;
	return l->crossed ? STATUS_LEAK : STATUS_OK;
}

static int limit(struct limiter *l)
{
	int status = session_may_track(&l->session) ? STATUS_OK : STATUS_CANNOT;

	render_here(&l->render, stdout);
	l->to = l->json ? &quota_json : &quota_text;
	l->report.driver = l->driver;
	l->report.room = room_for(l->report.limit);
	l->session.live.config.quota = true;
	l->session.live.config.table_size = (uint32_t)l->report.room;
	if (!status)
		status = count(l);
	if (!status && l->enforce)
		status = refuse(l);
	if (status)
		return status;
	l->report.now_ns = l->began_ns = session_now_ns();
	l->to->begin(&l->render, &l->report);
	return finish(l, loop(l));
}

static void close_cgroups(struct limiter *l)
{
	for (size_t i = 0; i < l->exempt.nr_cgroups; i++)
		close(l->exempt.cgroups[i]);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct limiter *l = calloc(1, sizeof(*l));
	bool done = false;
	int status;

	if (!l) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		return STATUS_CANNOT;
	}
	l->interval_ns = 1000000000;
	l->any_way = true;
	status = parse(&o, l, &done);
	if (!status && !done)
		status = limit(l);
	barrier_close(l->barrier);
	session_close(&l->session);
	close_cgroups(l);
	free(l);
	return status;
}

const struct command limit_command = {
	.name = "limit",
	.brief = "hold a driver to a number of pinned pages: tell, or refuse",
	.usage = "DRIVER --pages N [OPTION...]",
	.about = "Counts the pages that one driver (a module) has pinned and not released, from\n"
		 "now on. Who takes it beyond the limit is told. With --enforce, ioctl(), write()\n"
		 "and mmap() of its devices fail with ENOMEM while the limit is reached, if calls\n"
		 "of their kind are seen to pin; close(), munmap() and kinds seen to release\n"
		 "never do.\n"
		 "The limit ends with pinleak, however that ends.\n",
	.options = options,
	.more = "exit status: 0 the limit held, 1 it was crossed or calls were refused,\n"
		"             2 wrong usage, or no such driver, 3 this machine or kernel cannot,\n"
		"             or the driver was unloaded\n",
	.examples = "  pinleak limit vivid --pages 1000            tell who goes beyond\n"
		    "  pinleak limit vivid --share 5% --enforce    refuse what goes beyond\n",
	.run = run,
};
