// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Makes /dev/leaky and /dev/second pin pages rightly or wrongly, to order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/mman.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "leaky_ioctl.h"

#define HUGE_SIZE ((size_t)2 << 20)
#define MAX_STEPS 16
#define MAX_PAGES (1UL << 24)

/* From Linux 6.1 on; glibc 2.36 does not name it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { EXIT_USAGE = 2 };

struct shape {
	const char *name;
	enum leaky_shape number;
	int error;		/* what the ioctl has to fail with; 0: succeeds */
	const char *help;
};

static const struct shape shapes[] = {
	{ "use", LEAKY_USE, 0,
	  "pin, and unpin in the same call" },
	{ "hold", LEAKY_HOLD, 0,
	  "register: pin; unpinned by the close, which takes ARG ms (default 0)" },
	{ "async", LEAKY_ASYNC, 0,
	  "register; unpinned ARG ms after the close (default 1000)" },
	{ "unregister", LEAKY_UNREGISTER, 0,
	  "unpin all that this file has registered" },
	{ "get-use", LEAKY_GET_USE, 0,
	  "take plain references, not pins, and drop them in the same call" },
	{ "get-fail", LEAKY_GET_FAIL, EIO,
	  "the same, and then fail with EIO" },
	{ "keep-one", LEAKY_KEEP_ONE, 0,
	  "unpin all but the last ARG pages (default 1)" },
	{ "error", LEAKY_ERROR, EIO,
	  "pin, then fail with EIO and leave ARG pages pinned (default all)" },
	{ "partial", LEAKY_PARTIAL, EFAULT,
	  "half the buffer cannot be pinned; the other half stays pinned" },
	{ "close", LEAKY_CLOSE, 0,
	  "register; the close of the file forgets to unpin" },
	{ "work", LEAKY_WORK, 0,
	  "a kernel worker pins for us, and nothing ever unpins" },
	{ "rmmod", LEAKY_RMMOD, 0,
	  "pinned until the module is unloaded, and not unpinned then" },
	{ "put-page", LEAKY_PUT_PAGE, 0,
	  "release ARG pinned pages by put_page (default 1), unpin the rest" },
	{ "get-leak", LEAKY_GET_LEAK, 0,
	  "take plain references, not pins; leak ARG of them (default all)" },
	{ "double-unpin", LEAKY_DOUBLE_UNPIN, 0,
	  "pin, unpin, and unpin the last ARG pages again (default 1)" },
	{ "unpin-get", LEAKY_UNPIN_GET, 0,
	  "take plain references; unpin ARG of the pages (default all)" },
	{ "unpin-never", LEAKY_UNPIN_NEVER, 0,
	  "unpin ARG pages that were never taken (default all)" },
	{ "subpage", LEAKY_SUBPAGE, 0,
	  "pin all pages but the last, unpin all but the first" },
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define FIRST_GUILTY LEAKY_KEEP_ONE

struct step {
	const struct shape *shape;
	uint64_t arg;
};

/* One device and what to do with it, in order. */
struct target {
	const char *device;
	struct step steps[MAX_STEPS];
	size_t nr_steps;
	int fd;
};

struct options {
	struct target main, also;
	unsigned long pages, times, every_ms, hold_s, stay_s;
	bool huge, thp, shared, no_close;
};

struct buffer {
	char *start;
	size_t page_size, pages;
};

static void __attribute__((noreturn, format(printf, 2, 3)))
die(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("drive: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(status == EXIT_USAGE ? "; try --help\n" : "\n", stderr);
	exit(status);
}

static void print_shapes(bool guilty)
{
	for (size_t i = 0; i < NR_SHAPES; i++) {
		if ((shapes[i].number >= FIRST_GUILTY) == guilty)
			printf("  %-12s %s\n", shapes[i].name, shapes[i].help);
	}
}

static void print_help(void)
{
	puts("usage: drive [OPTION]... SHAPE[:ARG]...\n"
	     "\n"
	     "Opens the device, lets it pin a buffer in the way that SHAPE says, and closes it.\n"
	     "With several shapes, each is done in turn. ARG is the shape's own number.\n"
	     "\n"
	     "Innocent shapes:");
	print_shapes(false);
	puts("\nGuilty shapes; what they leak is gone until the next boot:");
	print_shapes(true);
	puts("\n"
	     "Options:\n"
	     "  --device DEV      the device (default /dev/leaky)\n"
	     "  --also DEV=SHAPE[:ARG]\n"
	     "                    each time, also do SHAPE on DEV with the same buffer\n"
	     "  --pages N         length of the buffer in base pages (default 256)\n"
	     "  --times N         do it N times (default 1)\n"
	     "  --every MS        wait MS milliseconds between the times (default 0)\n"
	     "  --thp             a buffer of transparent huge pages\n"
	     "  --huge            a buffer of hugetlb pages (see /proc/sys/vm/nr_hugepages)\n"
	     "  --shared          shared memory in place of private memory\n"
	     "  --hold S          keep the device open for S seconds before the close\n"
	     "  --stay S          stay alive for S seconds after the close\n"
	     "  --no-close        leave the close to the exit of the process\n"
	     "  --help            show this text\n"
	     "\n"
	     "Prints one line for each device after its close:\n"
	     "  drive: SHAPE device=DEV pages=N times=N leaked=N held=N\n"
	     "where leaked and held are the driver's own counts of pins that nothing will\n"
	     "release, and of pins that will still be released, since it was loaded.\n"
	     "With --hold, a line \"drive: holding pid=N\" comes first, once all is pinned.\n"
	     "\n"
	     "Examples:\n"
	     "  drive --times 100 keep-one           100 pins leaked, one a time\n"
	     "  drive --times 1000 hold unregister   an innocent loop\n"
	     "  drive --stay 60 close                the file is closed, the process lives\n"
	     "  drive --also /dev/second=hold keep-one\n"
	     "                                       two drivers, one buffer, one culprit\n"
	     "\n"
	     "Exit status: 0 done as told; 1 the system or the driver refused; 2 wrong usage.");
}

static unsigned long parse_number(const char *what, const char *text,
				  unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end)
		die(EXIT_USAGE, "%s takes a number, not \"%s\"", what, text);
	if (errno || n < min || n > max)
		die(EXIT_USAGE, "%s takes a number from %lu to %lu, not %s",
		    what, min, max, text);
	return n;
}

static const struct shape *find_shape(const char *name, size_t len)
{
	for (size_t i = 0; i < NR_SHAPES; i++) {
		if (strlen(shapes[i].name) == len &&
		    !strncmp(shapes[i].name, name, len))
			return &shapes[i];
	}
	die(EXIT_USAGE, "no shape is called \"%.*s\"", (int)len, name);
}

static void add_step(struct target *target, const char *text)
{
	size_t len = strcspn(text, ":");
	struct step *step;

	if (target->nr_steps == MAX_STEPS)
		die(EXIT_USAGE, "more than %d shapes", MAX_STEPS);
	step = &target->steps[target->nr_steps++];
	step->shape = find_shape(text, len);
	step->arg = 0;
	if (text[len])
		step->arg = parse_number(step->shape->name, text + len + 1, 1,
					 UINT_MAX);
}

/* DEV=SHAPE[:ARG]; cuts the text in two. */
static void parse_also(struct target *target, char *text)
{
	char *equals = strchr(text, '=');

	if (target->device)
		die(EXIT_USAGE, "--also is given twice");
	if (!equals || equals == text)
		die(EXIT_USAGE, "--also takes DEV=SHAPE, not \"%s\"", text);
	*equals = '\0';
	target->device = text;
	add_step(target, equals + 1);
}

enum option_code {
	OPT_DEVICE = 256, OPT_ALSO, OPT_PAGES, OPT_TIMES, OPT_EVERY, OPT_THP,
	OPT_HUGE, OPT_SHARED, OPT_HOLD, OPT_STAY, OPT_NO_CLOSE, OPT_HELP,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "also", required_argument, NULL, OPT_ALSO },
	{ "pages", required_argument, NULL, OPT_PAGES },
	{ "times", required_argument, NULL, OPT_TIMES },
	{ "every", required_argument, NULL, OPT_EVERY },
	{ "thp", no_argument, NULL, OPT_THP },
	{ "huge", no_argument, NULL, OPT_HUGE },
	{ "shared", no_argument, NULL, OPT_SHARED },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "stay", required_argument, NULL, OPT_STAY },
	{ "no-close", no_argument, NULL, OPT_NO_CLOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void take_option(struct options *o, int code, char *value)
{
	switch (code) {
	case OPT_DEVICE:
		o->main.device = value;
		break;
	case OPT_ALSO:
		parse_also(&o->also, value);
		break;
	case OPT_PAGES:
		o->pages = parse_number("--pages", value, 1, MAX_PAGES);
		break;
	case OPT_TIMES:
		o->times = parse_number("--times", value, 1, UINT_MAX);
		break;
	case OPT_EVERY:
		o->every_ms = parse_number("--every", value, 0, UINT_MAX);
		break;
	case OPT_THP:
		o->thp = true;
		break;
	case OPT_HUGE:
		o->huge = true;
		break;
	case OPT_SHARED:
		o->shared = true;
		break;
	case OPT_HOLD:
		o->hold_s = parse_number("--hold", value, 0, UINT_MAX);
		break;
	case OPT_STAY:
		o->stay_s = parse_number("--stay", value, 0, UINT_MAX);
		break;
	case OPT_NO_CLOSE:
		o->no_close = true;
		break;
	case OPT_HELP:
		print_help();
		exit(EXIT_SUCCESS);
	default:
		/* getopt has said what is wrong. */
		fputs("drive: try --help\n", stderr);
		exit(EXIT_USAGE);
	}
}

static bool has_partial(const struct target *target)
{
	for (size_t i = 0; i < target->nr_steps; i++) {
		if (target->steps[i].shape->number == LEAKY_PARTIAL)
			return true;
	}
	return false;
}

/* The partial shape protects half the buffer, in whole pages of its kind. */
static void check_partial(const struct options *o, size_t page_size)
{
	size_t grain = 2 * (o->huge ? HUGE_SIZE / page_size : 1);

	if (!has_partial(&o->main) && !has_partial(&o->also))
		return;
	if (o->pages % grain)
		die(EXIT_USAGE, "partial needs --pages to be a multiple of %zu",
		    grain);
}

static void parse_options(struct options *o, int argc, char **argv)
{
	int code;

	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take_option(o, code, optarg);
	if (optind == argc)
		die(EXIT_USAGE, "no shape given");
	for (; optind < argc; optind++)
		add_step(&o->main, argv[optind]);
	if (o->huge && o->thp)
		die(EXIT_USAGE, "--huge and --thp exclude each other");
	if (o->also.device && !strcmp(o->also.device, o->main.device))
		die(EXIT_USAGE, "--also takes another device than --device");
	check_partial(o, (size_t)sysconf(_SC_PAGESIZE));
}

/* On a huge page's boundary, which transparent huge pages need. */
static char *map_memory(size_t size, int flags)
{
	char *p = mmap(NULL, size + HUGE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED) {
		p = (char *)(((uintptr_t)p + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
		p = mmap(p, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			 -1, 0);
	}
	if (p == MAP_FAILED)
		die(EXIT_FAILURE, "mapping %zu bytes: %s%s", size,
		    strerror(errno), flags & MAP_HUGETLB ?
		    "; are there hugetlb pages in /proc/sys/vm/nr_hugepages?" :
		    "");
	return p;
}

static struct buffer make_buffer(const struct options *o)
{
	struct buffer b = {
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.pages = o->pages,
	};
	size_t size = b.pages * b.page_size;
	int flags = MAP_ANONYMOUS | (o->shared ? MAP_SHARED : MAP_PRIVATE);

	if (o->huge || o->thp)
		size = (size + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	if (o->huge)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	b.start = map_memory(size, flags);
	if (madvise(b.start, size, o->thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) &&
	    o->thp)
		die(EXIT_FAILURE, "MADV_HUGEPAGE: %s", strerror(errno));
	for (size_t at = 0; at < size; at += b.page_size)
		b.start[at] = 1;
	/* The advice alone may be ignored, and a test would not notice. */
	if (o->thp && madvise(b.start, size, MADV_COLLAPSE))
		die(EXIT_FAILURE, "the kernel gives no transparent huge pages: %s",
		    strerror(errno));
	return b;
}

static void open_device(struct target *target)
{
	target->fd = open(target->device, O_RDWR | O_CLOEXEC);
	if (target->fd < 0)
		die(EXIT_FAILURE, "%s: %s", target->device, strerror(errno));
}

/* The second half of the buffer cannot be pinned while prot is PROT_NONE. */
static void protect_half(const struct buffer *b, int prot)
{
	size_t half = b->pages / 2 * b->page_size;

	if (mprotect(b->start + half, half, prot))
		die(EXIT_FAILURE, "mprotect: %s", strerror(errno));
}

static void run_step(const struct target *target, const struct step *step,
		     const struct buffer *b)
{
	struct leaky_req req = {
		.addr = (uintptr_t)b->start,
		.pages = b->pages,
		.arg = step->arg,
	};
	bool partial = step->shape->number == LEAKY_PARTIAL;
	int error;

	if (partial)
		protect_half(b, PROT_NONE);
	error = ioctl(target->fd, LEAKY_IOC(step->shape->number), &req) ?
			errno : 0;
	if (partial)
		protect_half(b, PROT_READ | PROT_WRITE);
	if (error == step->shape->error)
		return;
	if (error)
		die(EXIT_FAILURE, "%s: %s: %s", target->device,
		    step->shape->name, strerror(error));
	die(EXIT_FAILURE, "%s: %s succeeded, and should have failed with: %s",
	    target->device, step->shape->name, strerror(step->shape->error));
}

static void run_steps(const struct target *target, const struct buffer *b)
{
	for (size_t i = 0; i < target->nr_steps; i++)
		run_step(target, &target->steps[i], b);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec left = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* A counter of the device's module, which is named as the device is. */
static long read_counter(const char *device, const char *counter)
{
	char path[PATH_MAX];
	long value;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
		 basename(device), counter);
	f = fopen(path, "re");
	if (!f)
		die(EXIT_FAILURE, "%s: %s", path, strerror(errno));
	n = fscanf(f, "%ld", &value);
	fclose(f);
	if (n != 1)
		die(EXIT_FAILURE, "%s: not a number", path);
	return value;
}

static void print_result(const struct target *target, const struct options *o)
{
	fputs("drive: ", stdout);
	for (size_t i = 0; i < target->nr_steps; i++)
		printf("%s%s", i ? "," : "", target->steps[i].shape->name);
	printf(" device=%s pages=%lu times=%lu leaked=%ld held=%ld\n",
	       target->device, o->pages, o->times,
	       read_counter(target->device, "leaked"),
	       read_counter(target->device, "held"));
}

static void run_times(const struct options *o, const struct buffer *b)
{
	for (unsigned long i = 0; i < o->times; i++) {
		if (i)
			sleep_ms(o->every_ms);
		run_steps(&o->main, b);
		if (o->also.device)
			run_steps(&o->also, b);
	}
}

static void hold(const struct options *o)
{
	if (!o->hold_s)
		return;
	printf("drive: holding pid=%ld\n", (long)getpid());
	fflush(stdout);
	sleep_ms(o->hold_s * UINT64_C(1000));
}

static void finish(const struct options *o)
{
	if (!o->no_close) {
		close(o->main.fd);
		if (o->also.device)
			close(o->also.fd);
	}
	print_result(&o->main, o);
	if (o->also.device)
		print_result(&o->also, o);
	/* Before --stay, so that a test can tell when the close is done. */
	if (fflush(stdout))
		die(EXIT_FAILURE, "standard output: %s", strerror(errno));
	sleep_ms(o->stay_s * UINT64_C(1000));
}

int main(int argc, char **argv)
{
	struct options o = {
		.main = { .device = "/dev/leaky" },
		.pages = 256,
		.times = 1,
	};
	struct buffer b;

	parse_options(&o, argc, argv);
	b = make_buffer(&o);
	open_device(&o.main);
	if (o.also.device)
		open_device(&o.also);
	run_times(&o, &b);
	hold(&o);
	finish(&o);
	return EXIT_SUCCESS;
}
