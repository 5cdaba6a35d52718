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
#include "kernel/kept.h"
#include "kernel/quota.h"
#include "limiter.h"
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
	OPT_ALLOW_WRITE,
	OPT_INTERVAL,
	OPT_FOR,
	OPT_PIN,
	OPT_UNPIN,
	OPT_LIST,
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
	[OPT_ALLOW_WRITE] = {"allow-write", NULL,
			     "never refuse write(), though it pins: for drivers\n"
			     "that release by it as well",
			     NULL},
	[OPT_INTERVAL] = {"interval", "TIME", "between two looks [1s]", NULL},
	[OPT_FOR] = {"for", "TIME", "end after so long [never]", NULL},
	[OPT_PIN] = {"pin", NULL,
		     "keep the limit when pinleak has ended, which it does\n"
		     "at once; needs --enforce",
		     NULL},
	[OPT_UNPIN] = {"unpin", NULL, "remove the limit that DRIVER is pinned to", NULL},
	[OPT_LIST] = {"list", NULL, "show the limits that are pinned", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object a line", NULL},
	{0},
};

struct limit_line {
	const char *driver, *amount;
	enum quota_unit unit;
	bool json, exempts;
	uint32_t given; /* options, by their bits */
	uint64_t for_ns;
	struct limiter_settings set;
};

/* ---- options -------------------------------------------------------------------------- */

static int set_amount(const struct command *self, struct limit_line *l, int option,
		      const char *value)
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

static int set_exempt(const struct command *self, struct limit_line *l, int option,
		      const char *value)
{
	struct barrier_exempt *e = &l->set.exempt;
	uint64_t pid;
	int status;

	l->exempts = true;
	switch (option) {
	case OPT_EXEMPT_COMM:
		return exempt_comm(self, e, value);
	case OPT_EXEMPT_CGROUP:
		return exempt_cgroup(self, e, value);
	case OPT_ALLOW_WRITE:
		e->writes = true;
		return STATUS_OK;
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
	struct limit_line *l = ctx;
	unsigned way;
	int status;

	l->given |= 1U << option;
	switch (option) {
	case OPT_PAGES:
	case OPT_BYTES:
	case OPT_SHARE:
		return set_amount(self, l, option, value);
	case OPT_ENFORCE:
		l->set.enforce = true;
		return STATUS_OK;
	case OPT_BY:
		status = option_choice(self, &options[option], value, &way);
		l->set.any_way = !status && !way;
		l->set.way = !status && way ? BARRIER_LSM + way - 1 : BARRIER_LSM;
		l->exempts = true;
		return status;
	case OPT_INTERVAL:
		return option_duration(self, &options[option], value, 10000000,
				       &l->set.interval_ns);
	case OPT_FOR:
		return option_duration(self, &options[option], value, 1, &l->for_ns);
	case OPT_JSON:
		l->json = true;
		return STATUS_OK;
	case OPT_PIN:
	case OPT_UNPIN:
	case OPT_LIST:
		return STATUS_OK;
	default:
		return set_exempt(self, l, option, value);
	}
}

static bool is_given(const struct limit_line *l, int option)
{
	return l->given & 1U << option;
}

/* Whether the options go together that are about limits that are pinned. */
static int check_pinned(const struct command *self, const struct limit_line *l)
{
	const uint32_t list = 1U << OPT_LIST, unpin = 1U << OPT_UNPIN;

	if (l->given & list && (l->driver || l->given & ~(list | 1U << OPT_JSON)))
		return usage_error(
			self, ERROR_INVALID_PARAMETER,
			"--list shows all that are pinned: nothing goes with it but --json");
	if (l->given & unpin && l->given != unpin)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--unpin DRIVER: no other option goes with it");
	if (!is_given(l, OPT_PIN))
		return STATUS_OK;
	if (!l->set.enforce)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--pin needs --enforce: nobody would be told");
	if (is_given(l, OPT_FOR) || is_given(l, OPT_INTERVAL))
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--pin: such a limit has neither an end nor looks");
	if (is_given(l, OPT_EXEMPT_PID))
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--pin: another process may get the number of --exempt-pid");
	return STATUS_OK;
}

static int check_amount(const struct command *self, struct limit_line *l)
{
	uint32_t page;
	uint64_t memory = quota_memory(&page);

	if (!l->amount)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "how much? one of --pages, --bytes and --share is needed");
	if (quota_pages(l->unit, l->amount, memory, page, &l->set.pages))
		return option_bad(self, &options[OPT_PAGES + (int)l->unit], l->amount,
				  "at least a page, and no more than there is memory");
	if (l->exempts && !l->set.enforce)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "without --enforce nobody is refused, and nobody is exempt");
	return STATUS_OK;
}

static int check_driver(const struct command *self, struct limit_line *l)
{
	int err;

	if (!l->driver)
		return usage_error(self, ERROR_INVALID_PARAMETER, "which DRIVER?");
	err = quota_name(l->driver, strlen(l->driver), l->set.driver);
	if (!err && !is_given(l, OPT_UNPIN))
		err = quota_driver(l->set.driver);
	if (!err)
		return STATUS_OK;
	if (err != -ENOTSUP)
		return usage_error(self, ERROR_FILE_NOT_FOUND,
				   "no driver %s is loaded: lsmod lists them", l->driver);
	fprintf(stderr, "pinleak: %s is built into the kernel: only modules can have a limit\n",
		l->set.driver);
	return STATUS_CANNOT;
}

/* DRIVER may stand before the options, after them, and between them. */
static int parse(struct options *o, struct limit_line *l, bool *done)
{
	int status;

	do {
		status = options_all(o, set_option, l, done);
		if (status || *done)
			return status;
		if (o->at == o->argc)
			break;
		if (l->driver)
			return usage_error(o->command, ERROR_INVALID_PARAMETER,
					   "%s: there is one DRIVER", o->argv[o->at]);
		l->driver = o->argv[o->at++];
	} while (o->at < o->argc);
	status = check_pinned(o->command, l);
	if (!status && !is_given(l, OPT_UNPIN) && !is_given(l, OPT_LIST))
		status = check_amount(o->command, l);
	return status || is_given(l, OPT_LIST) ? status : check_driver(o->command, l);
}

/* ---- while it lasts ------------------------------------------------------------------- */

static int loop(const struct limit_line *line, struct limiter *l, struct render *r)
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
	session_add_ns(&end, line->for_ns);
	do {
		render_set_clock(r, NULL);
		err = limiter_look(l);
		clock_gettime(CLOCK_MONOTONIC, &next);
		session_add_ns(&next, line->set.interval_ns);
		if (line->for_ns && session_ns_until(&end) < session_ns_until(&next))
			next = end;
	} while (!err && !limiter_is_over(l) && !ferror(r->to) && !session_wait(&signals, &next) &&
		 (!line->for_ns || session_ns_until(&end) > 0));
	return err;
}

static int limit_with(const struct limit_line *line, struct limiter *l)
{
	struct render render;
	int status;

	render_here(&render, stdout);
	limiter_add(l, line->json ? &quota_json : &quota_text, &render);
	status = limiter_begin(l, &line->set);
	if (status)
		return status;
	if (!is_given(line, OPT_PIN))
		return limiter_end(l, loop(line, l, &render));
	status = limiter_keep(l);
	if (!status && !line->json)
		printf("  pinned: it stays until pinleak limit %s --unpin\n", line->set.driver);
	return status;
}

/* ---- limits that are pinned ----------------------------------------------------------- */

/* May one be pinned? Asked before the programs are loaded. */
static int may_pin(const char *driver)
{
	switch (kept_check(driver)) {
	case 0:
		return STATUS_OK;
	case -EEXIST:
		fprintf(stderr,
			"pinleak: a limit on %s is pinned already: pinleak limit --list shows it,\n"
			"  pinleak limit %s --unpin removes it\n",
			driver, driver);
		return STATUS_CANNOT;
	default:
		fprintf(stderr, "pinleak: there is no BPF file system to pin a limit in\n"
				"  what works: mount -t bpf bpf " KEPT_FS "\n");
		return STATUS_CANNOT;
	}
}

struct listing {
	struct render render;
	bool json;
	size_t nr;
};

static int show(void *ctx, const struct quota_kept *k)
{
	struct listing *l = ctx;
	const char *way = barrier_way_name(k->quota.way);
	uint32_t page;

	quota_memory(&page);
	(l->json ? quota_kept_json : quota_kept_text)(&l->render, k, way, page);
	l->nr++;
	return 0;
}

static int failed(const char *what, int err)
{
	fprintf(stderr, "pinleak: %s: %s%s\n", what, strerror(-err),
		err == -EACCES || err == -EPERM ? "; be root" : "");
	return STATUS_CANNOT;
}

static int list(const struct limit_line *line)
{
	struct listing l = {.json = line->json};
	int err;

	render_here(&l.render, stdout);
	err = kept_each(show, &l);
	if (err == -EPROTO)
		return failed("a limit was pinned by another version of pinleak", err);
	if (err)
		return failed(KEPT_ROOT, err);
	if (!l.nr && !l.json)
		printf("no limit is pinned\n");
	return STATUS_OK;
}

static int unpin(const struct command *self, const struct limit_line *line)
{
	int err = kept_remove(line->set.driver);

	if (err == -ENOENT)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "no limit on %s is pinned",
				   line->driver);
	return err ? failed(KEPT_ROOT, err) : STATUS_OK;
}

/* ---- the command ---------------------------------------------------------------------- */

static int limit(const struct limit_line *line)
{
	struct session session = {0};
	struct limiter *l;
	int status;

	if (!session_may_track(&session) || (is_given(line, OPT_PIN) && may_pin(line->set.driver)))
		return STATUS_CANNOT;
	l = limiter_create(&session.live.ground);
	if (!l) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		return STATUS_CANNOT;
	}
	status = limit_with(line, l);
	limiter_destroy(l);
	return status;
}

static void close_cgroups(const struct barrier_exempt *e)
{
	for (size_t i = 0; i < e->nr_cgroups; i++)
		close(e->cgroups[i]);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct limit_line line = {.set = {.interval_ns = 1000000000, .any_way = true}};
	bool done = false;
	int status = parse(&o, &line, &done);

	if (!status && !done)
		status = is_given(&line, OPT_LIST)    ? list(&line)
			 : is_given(&line, OPT_UNPIN) ? unpin(self, &line)
						      : limit(&line);
	close_cgroups(&line.set.exempt);
	return status;
}

const struct command limit_command = {
	.name = "limit",
	.brief = "hold a driver to a number of pinned pages: tell, or refuse",
	.usage = "DRIVER --pages N [OPTION...] | DRIVER --unpin | --list",
	.about = "Counts the pages that one driver (a module) has pinned and not released, from\n"
		 "now on. Who takes it beyond the limit is told. With --enforce, ioctl(), write()\n"
		 "and mmap() of its devices fail with ENOMEM while the limit is reached, if calls\n"
		 "of their kind are seen to pin; close(), munmap() and kinds seen to release\n"
		 "never do.\n"
		 "The limit ends with pinleak, however that ends, unless it is pinned.\n",
	.options = options,
	.more = "exit status: 0 the limit held, 1 it was crossed or calls were refused,\n"
		"             2 wrong usage, or no such driver, 3 this machine or kernel cannot,\n"
		"             or the driver was unloaded\n",
	.examples = "  pinleak limit vivid --pages 1000            tell who goes beyond\n"
		    "  pinleak limit vivid --share 5% --enforce    refuse what goes beyond\n"
		    "  pinleak limit vivid --share 5% --enforce --pin    and stay so\n",
	.run = run,
};
