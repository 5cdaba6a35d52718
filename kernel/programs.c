// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "programs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"
#include "fire.h"
#include "ksyms.h"
#include "pinleak.skel.h"
#include "sysfs.h"

#define SPARE_PART   8 /* of the records may be such that have no pins any more */
#define KEEP_NS	     1000000000ULL
#define KEEP_DEEP_NS 10000000000ULL
#define ZONES_MAX    (1 << 20)	/* bytes of /proc/zoneinfo */
#define SIEVE_MAX    (4U << 20) /* bytes: before 6.7 a map's element has at most so many */
/* Pins that are recorded in a second before any are left out: about 1 % of a processor. */
#define RATION_S    1024
#define RATION_MOST 16384 /* saved up */
#define HOUR_NS	    3600000000000ULL

int programs_fail(struct programs *ps, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ps->error, sizeof(ps->error), format, args);
	va_end(args);
	return err;
}

/* ---- loading -------------------------------------------------------------------------- */

static const struct {
	const char *function;
	int number;
} exit_syscalls[] = {
	{"__x64_sys_ioctl", SYS_ioctl},
	{"__x64_sys_setsockopt", SYS_setsockopt},
	{"__x64_sys_io_uring_register", SYS_io_uring_register},
	{"__x64_sys_write", SYS_write},
};

/* System calls whose file descriptor is their first argument; mmap's is the fifth. */
static const int file_syscalls[] = {
	SYS_ioctl,    SYS_read,	      SYS_write,      SYS_pread64,	     SYS_pwrite64,
	SYS_readv,    SYS_writev,     SYS_preadv,     SYS_pwritev,	     SYS_preadv2,
	SYS_pwritev2, SYS_setsockopt, SYS_sendmsg,    SYS_recvmsg,	     SYS_sendto,
	SYS_recvfrom, SYS_bind,	      SYS_getsockopt, SYS_io_uring_register,
};

static void fill_rodata(struct programs *ps, const struct programs_room *room)
{
	struct pinleak_bpf__rodata *ro = ps->skel->rodata;

	ro->layout = ps->plan->layout;
	ro->follows = room->processes > 0;
	ro->limits = room->quota;
	ro->own_tgid = (uint32_t)getpid();
	ro->plain = ps->plan->references;
	ro->thins = room->groups > 0;
	ro->nr_groups = room->groups;
	for (size_t i = 0; i < ps->plan->nr; i++) {
		const struct plan_entry *e = &ps->plan->entries[i];

		if (e->slot < 0)
			continue;
		ro->hooks[e->slot] = e->hook;
		if (e->role == PLAN_API && !e->probed)
			ro->hooks[e->slot - PL_API_EXIT + PL_API_ENTER] = e->hook;
		for (size_t k = 0; k < sizeof(exit_syscalls) / sizeof(*exit_syscalls); k++)
			if (!strcmp(exit_syscalls[k].function, e->function))
				ro->syscall_exit_seen[exit_syscalls[k].number] = 1;
	}
	for (size_t i = 0; i < sizeof(file_syscalls) / sizeof(*file_syscalls); i++)
		ro->syscall_file_arg[file_syscalls[i]] = 1;
	ro->syscall_file_arg[SYS_mmap] = 5;
}

static struct bpf_program *program_of(struct programs *ps, int slot)
{
	static const char *const names[] = {"api_exit_", "api_enter_", "acquire_", "release_",
					    "sys_exit_"};
	char name[32];

	snprintf(name, sizeof(name), "%s%d", names[slot / PL_PER_KIND], slot % PL_PER_KIND);
	return bpf_object__find_program_by_name(ps->skel->obj, name);
}

/* Adds a program that knows its target. */
static void add_program(struct programs *ps, struct bpf_program *program, enum level level)
{
	bpf_program__set_autoload(program, true);
	ps->hooked[ps->nr_hooked++] =
		(__typeof__(ps->hooked[0])){.program = program, .level = level};
}

static int add_hook(struct programs *ps, struct bpf_program *program, const char *function,
		    enum level level)
{
	int err = program ? bpf_program__set_attach_target(program, 0, function) : -ENOENT;

	if (err)
		return programs_fail(ps, err, "no hook for %s: %s", function, strerror(-err));
	add_program(ps, program, level);
	return 0;
}

static void add_probe(struct programs *ps, struct bpf_program *program, const char *function,
		      bool at_return)
{
	bpf_program__set_autoload(program, true);
	ps->hooked[ps->nr_hooked++] = (__typeof__(ps->hooked[0])){.program = program,
								  .probe = function,
								  .at_return = at_return,
								  .level = LEVEL_LIGHT};
}

static void add_file_programs(struct programs *ps, const char *function)
{
	const struct {
		const char *function;
		struct bpf_program *program;
	} all[] = {
		{"__fput", ps->skel->progs.file_releasing},
		{"__fput", ps->skel->progs.file_released},
		{"fd_install", ps->skel->progs.file_installed},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(all[i].function, function))
			add_program(ps, all[i].program, LEVEL_LIGHT);
}

static int add_entry(struct programs *ps, const struct plan_entry *e)
{
	char name[32];
	int err;

	switch (e->role) {
	case PLAN_API:
		if (e->probed) {
			add_probe(ps, ps->skel->progs.api_probe_enter, e->function, false);
			add_probe(ps, ps->skel->progs.api_probe_exit, e->function, true);
			return 0;
		}
		err = add_hook(ps, program_of(ps, e->slot), e->function, LEVEL_LIGHT);
		if (err || !ps->plan->deep_ok)
			return err;
		return add_hook(ps, program_of(ps, e->slot - PL_API_EXIT + PL_API_ENTER),
				e->function, LEVEL_DEEP);
	case PLAN_ACQUIRE:
	case PLAN_RELEASE:
		if (!ps->plan->deep_ok)
			return 0;
		return add_hook(ps, program_of(ps, e->slot), e->function, LEVEL_DEEP);
	case PLAN_SYSCALL:
		snprintf(name, sizeof(name), "sys_enter_%d", e->slot - PL_SYS_EXIT);
		err = add_hook(ps, bpf_object__find_program_by_name(ps->skel->obj, name),
			       e->function, LEVEL_LIGHT);
		if (err)
			return err;
		return add_hook(ps, program_of(ps, e->slot), e->function, LEVEL_LIGHT);
	default:
		add_file_programs(ps, e->function);
		return 0;
	}
}

static int choose_programs(struct programs *ps, const struct programs_room *room)
{
	struct bpf_program *p;
	int err = 0;

	bpf_object__for_each_program(p, ps->skel->obj) bpf_program__set_autoload(p, false);
	bpf_program__set_autoload(ps->skel->progs.sweep, true);
	bpf_program__set_autoload(ps->skel->progs.peek, true);
	ps->nr_hooked = 0;
	for (size_t i = 0; i < ps->plan->nr && !err; i++)
		if (ps->plan->entries[i].state == PLAN_HOOK)
			err = add_entry(ps, &ps->plan->entries[i]);
	if (err)
		return err;
	if (room->processes) {
		add_program(ps, ps->skel->progs.process_forked, LEVEL_LIGHT);
		add_program(ps, ps->skel->progs.process_freed, LEVEL_LIGHT);
	}
	if (ps->plan->deep_ok) {
		add_program(ps, ps->skel->progs.page_freed, LEVEL_DEEP);
		add_program(ps, ps->skel->progs.file_born, LEVEL_DEEP);
	}
	add_program(ps, ps->skel->progs.module_unloaded, LEVEL_LIGHT);
	return 0;
}

int programs_peek(struct programs *ps, uint64_t addr, uint64_t *out)
{
	struct pl_peek arg = {.addr = addr};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));
	int err = bpf_prog_test_run_opts(bpf_program__fd(ps->skel->progs.peek), &opts);

	*out = arg.value;
	return err ? -errno : arg.err;
}

/* The page of zeros is handed out by pin_user_pages() and never pinned. */
static void find_zero_page(struct programs *ps)
{
	struct ksym syms[] = {{.name = "zero_pfn"}, {.name = "vmemmap_base"}};
	uint64_t pfn, vmemmap;

	if (ksyms_find(syms, 2) || !syms[0].addr || !syms[1].addr ||
	    programs_peek(ps, syms[0].addr, &pfn) || programs_peek(ps, syms[1].addr, &vmemmap))
		return;
	ps->skel->bss->page_base = vmemmap;
	ps->skel->bss->zero_page = vmemmap + pfn * ps->plan->layout.page_size;
}

/* Blocks are chosen by their numbers, half of those that were at each thinness. */
static int fill_sieve(struct programs *ps, uint32_t groups)
{
	struct pl_sieve *all = calloc(groups, sizeof(*all));
	uint32_t zero = 0;
	int err = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < groups && !err; i++) {
		uint64_t h = (i / PL_SIEVE_BLOCK + 1) * UINT64_C(0x9E3779B97F4A7C15);

		h = (h ^ (h >> 32)) * UINT64_C(0x9E3779B97F4A7C15) >> 40;
		for (int n = 0; n <= PL_THINNEST && !(h & ((1U << n) - 1)); n++)
			all[i].mesh |= UINT64_C(1) << n;
	}
	if (!err && bpf_map_update_elem(bpf_map__fd(ps->skel->maps.sieves), &zero, all, BPF_ANY))
		err = -errno;
	free(all);
	return err ? programs_fail(ps, err, "the table of pages: %s", strerror(-err)) : 0;
}

/* The last page frame of all zones, in groups of 64. */
uint32_t programs_groups(void)
{
	char *text = sysfs_slurp("/proc/zoneinfo", ZONES_MAX), *at = text;
	uint64_t spanned = 0, last = 0;

	for (; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : at) {
		uint64_t start;

		if (sscanf(at, " spanned %" SCNu64, &spanned) != 1 &&
		    sscanf(at, " start_pfn: %" SCNu64, &start) == 1 && start + spanned > last)
			last = start + spanned;
	}
	free(text);
	last = last / 64 + 1;
	return last * sizeof(struct pl_sieve) > SIEVE_MAX ? SIEVE_MAX / sizeof(struct pl_sieve)
							  : (uint32_t)last;
}

static int verbose(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	return vfprintf(stderr, format, args);
}

static int map_quota(struct programs *ps)
{
	void *at = mmap(NULL, sizeof(*ps->quota), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(ps->skel->maps.quotas), 0);

	if (at == MAP_FAILED)
		return programs_fail(ps, -errno, "the limit's counters: %s", strerror(errno));
	ps->quota = at;
	return 0;
}

int programs_load(struct programs *ps, const struct plan *plan, const struct programs_room *room)
{
	int err;

	libbpf_set_print(getenv("PINLEAK_DEBUG") ? verbose : NULL);
	ps->plan = plan;
	ps->skel = pinleak_bpf__open();
	if (!ps->skel)
		return programs_fail(ps, -errno, "the programs cannot be opened: %s",
				     strerror(errno));
	err = choose_programs(ps, room);
	if (err)
		return err;
	fill_rodata(ps, room);
	bpf_map__set_max_entries(ps->skel->maps.pages, room->folios);
	if (room->processes)
		bpf_map__set_max_entries(ps->skel->maps.tree, room->processes);
	if (room->quota) {
		bpf_map__set_max_entries(ps->skel->maps.shares, room->folios);
		bpf_map__set_max_entries(ps->skel->maps.visits, PL_VISITS);
		bpf_map__set_max_entries(ps->skel->maps.habits, PL_KINDS);
	}
	if (room->groups)
		bpf_map__set_value_size(ps->skel->maps.sieves,
					room->groups * (uint32_t)sizeof(struct pl_sieve));
	err = pinleak_bpf__load(ps->skel);
	if (err)
		return programs_fail(ps, err, "the kernel refuses the programs: %s",
				     strerror(-err));
	ps->skel->bss->foll_pin = plan->foll_pin;
	ps->skel->bss->spare = room->folios / SPARE_PART;
	ps->skel->bss->ration = RATION_MOST;
	find_zero_page(ps);
	err = room->groups ? fill_sieve(ps, room->groups) : 0;
	return !err && room->quota ? map_quota(ps) : err;
}

void programs_unload(struct programs *ps)
{
	for (size_t i = 0; i < ps->nr_hooked; i++)
		bpf_link__destroy(ps->hooked[i].link);
	ps->nr_hooked = 0;
	if (ps->quota)
		munmap(ps->quota, sizeof(*ps->quota));
	ps->quota = NULL;
	pinleak_bpf__destroy(ps->skel);
	ps->skel = NULL;
}

/* ---- levels --------------------------------------------------------------------------- */

static struct bpf_link *attach_one(const struct programs *ps, size_t i)
{
	struct bpf_program *program = ps->hooked[i].program;

	return ps->hooked[i].probe ? bpf_program__attach_kprobe(program, ps->hooked[i].at_return,
								ps->hooked[i].probe)
				   : bpf_program__attach(program);
}

int programs_attach(struct programs *ps, enum level level)
{
	for (size_t i = 0; i < ps->nr_hooked; i++) {
		struct bpf_link **link = &ps->hooked[i].link;

		if (ps->hooked[i].level > level && *link) {
			bpf_link__destroy(*link);
			*link = NULL;
		} else if (ps->hooked[i].level <= level && !*link) {
			*link = attach_one(ps, i);
			if (!*link)
				return programs_fail(ps, -errno, "%s cannot be attached: %s",
						     bpf_program__name(ps->hooked[i].program),
						     strerror(errno));
		}
	}
	return 0;
}

static bool is_one_bit(uint64_t v)
{
	return v && !(v & (v - 1));
}

int programs_learn_foll_pin(struct programs *ps, uint32_t *out)
{
	uint64_t learned;
	int err;

	ps->skel->bss->foll_learned = 0;
	err = fires[0].shoot();
	if (err)
		return programs_fail(ps, err, "%s: %s", fires[0].name, strerror(-err));
	learned = ps->skel->bss->foll_learned;
	if (!is_one_bit(learned))
		return programs_fail(
			ps, -EBADE,
			"the hooks do not see every pin: the release hooks saw 0x%" PRIx64
			" of our own pin, where FOLL_PIN should be",
			learned);
	ps->skel->bss->foll_pin = learned;
	*out = (uint32_t)learned;
	return 0;
}

void programs_arm(struct programs *ps)
{
	ps->skel->bss->armed = 1;
}

void programs_go_deep(struct programs *ps, bool deep)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	ps->skel->bss->deep_since = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	ps->skel->bss->deep = deep;
}

bool programs_follow(const struct programs *ps, uint32_t tgid)
{
	uint64_t start_ns;

	return ps->skel && !bpf_map_lookup_elem(bpf_map__fd(ps->skel->maps.tree), &tgid, &start_ns);
}

/* ---- what they counted ---------------------------------------------------------------- */

int programs_stats(struct programs *ps, uint64_t *out)
{
	int processors = libbpf_num_possible_cpus();
	uint64_t *values = processors > 0 ? calloc((size_t)processors, sizeof(*values)) : NULL;
	int err = values ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < PL_STATS && !err; i++) {
		if (bpf_map_lookup_elem(bpf_map__fd(ps->skel->maps.stats), &i, values))
			err = -errno;
		out[i] = 0;
		for (int cpu = 0; cpu < processors && !err; cpu++)
			out[i] += values[cpu];
	}
	free(values);
	return err;
}

struct programs_runs programs_runs(const struct programs *ps)
{
	struct programs_runs runs = {0};

	for (size_t i = 0; i < ps->nr_hooked; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(ps->hooked[i].program), &info, &len))
			continue;
		runs.ns += info.run_time_ns;
		/* a file whose birth was missed counts as older: nothing is lost */
		if (ps->hooked[i].program != ps->skel->progs.file_born)
			runs.missed += info.recursion_misses;
	}
	return runs;
}

/* "memlock:" in the fdinfo of each map, which knows what the map has allocated. */
static uint64_t bytes_of(int map)
{
	static const char label[] = "memlock:";
	char path[64], *text, *at;
	uint64_t bytes;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map);
	text = sysfs_slurp(path, 4096);
	at = text ? strstr(text, label) : NULL;
	bytes = at ? strtoull(at + sizeof(label) - 1, NULL, 10) : 0;
	free(text);
	return bytes;
}

uint64_t programs_bytes(const struct programs *ps)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, ps->skel->obj) sum += bytes_of(bpf_map__fd(map));
	return sum;
}

/* What is no longer pinned is wanted again soon, and at level deep tells of releases too many. */
static uint64_t keep_ns(const struct programs *ps)
{
	return ps->skel->bss->deep && ps->skel->bss->records.n <= ps->skel->bss->spare
		       ? KEEP_DEEP_NS
		       : KEEP_NS;
}

/* What may be recorded until the next look. */
static void deal_ration(struct programs *ps)
{
	uint64_t now = clock_now_ns(), passed = now - ps->dealt_ns;
	uint64_t left = ps->skel->bss->ration - ps->skel->bss->eaten;
	uint64_t pins = passed > HOUR_NS ? RATION_MOST : passed * RATION_S / 1000000000;

	if (ps->skel->bss->eaten < ps->skel->bss->ration)
		pins += left;
	ps->dealt_ns = now;
	ps->skel->bss->look++;
	ps->skel->bss->ration = pins > RATION_MOST ? RATION_MOST : pins;
	ps->skel->bss->eaten = 0;
}

int programs_sweep(struct programs *ps)
{
	struct pl_sweep arg = {.keep_ns = keep_ns(ps)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));

	if (bpf_prog_test_run_opts(bpf_program__fd(ps->skel->progs.sweep), &opts))
		return programs_fail(ps, -errno, "the page structures cannot be read: %s",
				     strerror(errno));
	deal_ration(ps);
	return 0;
}
