// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "tracker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "btfq.h"
#include "fire.h"
#include "ksyms.h"
#include "pinleak.skel.h"
#include "sysfs.h"

#define BATCH	     256
#define TABLE_MIN    65536
#define TABLE_MAX    131072	    /* 38 MiB of kernel memory */
#define IDLE_NS	     10000000000ULL /* an owner or file end unused for so long may go */
#define MODULES_MAX  (1 << 20)	    /* bytes of /proc/modules */
#define SHOTS	     5		    /* tries of a calibration on a busy machine */
#define PROGRAMS_MAX (PL_HOOKS + 5)

struct hooked {
	struct bpf_program *program;
	struct bpf_link *link;
	const char *probe; /* function to attach a kprobe to; NULL: the program knows its target */
	bool at_return;
	enum level level; /* attached from this level on */
};

/* An array that grows, of elements of one size. */
struct array {
	void *items;
	size_t nr, room, size;
};

/* A device node, as sysfs named it: asked once, an owner may have thousands of siblings. */
struct device {
	char node[sizeof(((struct snap_owner *)0)->node)];
	char driver[sizeof(((struct snap_owner *)0)->node_driver)];
};

struct tracker {
	struct tracker_config config;
	struct plan plan;
	struct pinleak_bpf *skel;
	enum level level;
	char error[256];
	struct hooked programs[PROGRAMS_MAX];
	size_t nr_programs;
	int processors;
	/* the books */
	struct snapshot books;
	struct array pages, owners, failures, unloads, sites, devices;
	struct map64 device_at; /* device number, and 1 << 32 for a block device -> its place */
	struct modgraph modules;
	struct map64 dead;	/* owner -> ms after `born` when first seen gone */
	struct map64 used;	/* owners that a folio names */
	struct map64 used_more; /* calls and file ids in use */
	uint64_t born;
	/* the balance: the counters at its beginning, and what the hooks had seen before and after
	 */
	struct sample base;
	uint64_t base_low[PL_STATS], base_high[PL_STATS];
	uint64_t before_use[PL_STATS]; /* what the first calibration cost: not anybody's loss */
	bool in_use;
};

static int fail(struct tracker *t, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct tracker *t, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->error, sizeof(t->error), format, args);
	va_end(args);
	return err;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- arrays --------------------------------------------------------------------------- */

static void *array_add(struct array *a)
{
	if (a->nr == a->room) {
		size_t room = a->room ? a->room * 2 : 256;
		void *items = realloc(a->items, room * a->size);

		if (!items)
			return NULL;
		a->items = items;
		a->room = room;
	}
	return memset((char *)a->items + a->nr++ * a->size, 0, a->size);
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
	SYS_recvfrom, SYS_bind,	      SYS_getsockopt, SYS_io_uring_register, SYS_io_uring_enter,
};

static void fill_rodata(struct tracker *t)
{
	struct pinleak_bpf__rodata *ro = t->skel->rodata;

	ro->layout = t->plan.layout;
	ro->own_tgid = (uint32_t)getpid();
	for (size_t i = 0; i < t->plan.nr; i++) {
		const struct plan_entry *e = &t->plan.entries[i];

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

static struct bpf_program *program_of(struct tracker *t, int slot)
{
	static const char *const names[] = {"api_exit_", "api_enter_", "acquire_", "release_",
					    "sys_exit_"};
	char name[32];

	snprintf(name, sizeof(name), "%s%d", names[slot / PL_PER_KIND], slot % PL_PER_KIND);
	return bpf_object__find_program_by_name(t->skel->obj, name);
}

static int add_program(struct tracker *t, struct bpf_program *program, const char *function,
		       enum level level)
{
	int err = program ? 0 : -ENOENT;

	if (!err && function)
		err = bpf_program__set_attach_target(program, 0, function);
	if (err)
		return fail(t, err, "no hook for %s: %s", function, strerror(-err));
	bpf_program__set_autoload(program, true);
	t->programs[t->nr_programs++] = (struct hooked){.program = program, .level = level};
	return 0;
}

static void add_probe(struct tracker *t, struct bpf_program *program, const char *function,
		      bool at_return)
{
	bpf_program__set_autoload(program, true);
	t->programs[t->nr_programs++] = (struct hooked){.program = program,
							.probe = function,
							.at_return = at_return,
							.level = LEVEL_LIGHT};
}

static int add_entry(struct tracker *t, const struct plan_entry *e)
{
	int err;

	switch (e->role) {
	case PLAN_API:
		if (e->probed) {
			add_probe(t, t->skel->progs.api_probe_enter, e->function, false);
			add_probe(t, t->skel->progs.api_probe_exit, e->function, true);
			return 0;
		}
		err = add_program(t, program_of(t, e->slot), e->function, LEVEL_LIGHT);
		if (err || !t->plan.deep_ok)
			return err;
		return add_program(t, program_of(t, e->slot - PL_API_EXIT + PL_API_ENTER),
				   e->function, LEVEL_DEEP);
	case PLAN_ACQUIRE:
	case PLAN_RELEASE:
		if (!t->plan.deep_ok)
			return 0;
		return add_program(t, program_of(t, e->slot), e->function, LEVEL_DEEP);
	case PLAN_SYSCALL:
		return add_program(t, program_of(t, e->slot), e->function, LEVEL_LIGHT);
	default:
		return add_program(t,
				   !strcmp(e->function, "__fput") ? t->skel->progs.file_released
								  : t->skel->progs.file_installed,
				   NULL, LEVEL_LIGHT);
	}
}

static int choose_programs(struct tracker *t)
{
	struct bpf_program *p;
	int err = 0;

	bpf_object__for_each_program(p, t->skel->obj) bpf_program__set_autoload(p, false);
	bpf_program__set_autoload(t->skel->progs.sweep, true);
	bpf_program__set_autoload(t->skel->progs.peek, true);
	t->nr_programs = 0;
	for (size_t i = 0; i < t->plan.nr && !err; i++)
		if (t->plan.entries[i].state == PLAN_HOOK)
			err = add_entry(t, &t->plan.entries[i]);
	return err ? err : add_program(t, t->skel->progs.module_unloaded, NULL, LEVEL_LIGHT);
}

static uint32_t table_size(const struct tracker *t)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES) / 8;

	if (t->config.table_size)
		return t->config.table_size;
	return (uint32_t)(pages < TABLE_MIN ? TABLE_MIN : pages > TABLE_MAX ? TABLE_MAX : pages);
}

static int peek(struct tracker *t, uint64_t addr, uint64_t *out)
{
	struct pl_peek arg = {.addr = addr};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));
	int err = bpf_prog_test_run_opts(bpf_program__fd(t->skel->progs.peek), &opts);

	*out = arg.value;
	return err ? -errno : arg.err;
}

/* The page of zeros is handed out by pin_user_pages() and never pinned. */
static void find_zero_page(struct tracker *t)
{
	struct ksym syms[] = {{.name = "zero_pfn"}, {.name = "vmemmap_base"}};
	uint64_t pfn, vmemmap;

	if (ksyms_find(syms, 2) || !syms[0].addr || !syms[1].addr || peek(t, syms[0].addr, &pfn) ||
	    peek(t, syms[1].addr, &vmemmap))
		return;
	t->skel->bss->zero_page = vmemmap + pfn * t->plan.layout.page_size;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static int verbose(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	return vfprintf(stderr, format, args);
}

static int load(struct tracker *t)
{
	int err;

	libbpf_set_print(getenv("PINLEAK_DEBUG") ? verbose : quiet);
	t->skel = pinleak_bpf__open();
	if (!t->skel)
		return fail(t, -errno, "the programs cannot be opened: %s", strerror(errno));
	err = choose_programs(t);
	if (err)
		return err;
	fill_rodata(t);
	bpf_map__set_max_entries(t->skel->maps.pages, table_size(t));
	err = pinleak_bpf__load(t->skel);
	if (err)
		return fail(t, err, "the kernel refuses the programs: %s", strerror(-err));
	t->skel->bss->foll_pin = t->plan.foll_pin;
	find_zero_page(t);
	return 0;
}

static void unload(struct tracker *t)
{
	for (size_t i = 0; i < t->nr_programs; i++)
		bpf_link__destroy(t->programs[i].link);
	t->nr_programs = 0;
	pinleak_bpf__destroy(t->skel);
	t->skel = NULL;
	t->in_use = false;
	map64_clear(&t->dead);
	for (size_t i = 0; i < t->sites.nr; i++)
		free(((struct snap_site **)t->sites.items)[i]);
	t->sites.nr = 0;
	map64_clear(&t->books.site_at);
	t->devices.nr = 0; /* asked anew next time: nodes come and go */
	map64_clear(&t->device_at);
}

/* ---- levels --------------------------------------------------------------------------- */

static struct bpf_link *attach_one(const struct hooked *h)
{
	return h->probe ? bpf_program__attach_kprobe(h->program, h->at_return, h->probe)
			: bpf_program__attach(h->program);
}

static int attach(struct tracker *t, enum level level)
{
	for (size_t i = 0; i < t->nr_programs; i++) {
		struct hooked *h = &t->programs[i];

		if (h->level > level && h->link) {
			bpf_link__destroy(h->link);
			h->link = NULL;
		} else if (h->level <= level && !h->link) {
			h->link = attach_one(h);
			if (!h->link)
				return fail(t, -errno, "%s cannot be attached: %s",
					    bpf_program__name(h->program), strerror(errno));
		}
	}
	return 0;
}

static bool is_one_bit(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Before 6.6 BTF does not know FOLL_PIN; a release of our own shows it: it passes just that. */
static int learn_foll_pin(struct tracker *t)
{
	int err;

	if (t->skel->bss->foll_pin)
		return 0;
	t->skel->bss->foll_learned = 0;
	err = fires[0].shoot();
	if (err)
		return fail(t, err, "%s: %s", fires[0].name, strerror(-err));
	if (!is_one_bit(t->skel->bss->foll_learned))
		return fail(t, -EBADE, "FOLL_PIN cannot be learned: a release passed 0x%" PRIx64,
			    (uint64_t)t->skel->bss->foll_learned);
	t->skel->bss->foll_pin = t->skel->bss->foll_learned;
	t->plan.foll_pin = (uint32_t)t->skel->bss->foll_learned;
	return 0;
}

int tracker_set_level(struct tracker *t, enum level level)
{
	int err = 0;

	t->error[0] = '\0';
	if ((level == LEVEL_LIGHT && !t->plan.light_ok) ||
	    (level == LEVEL_DEEP && !t->plan.deep_ok))
		return fail(t, -ENOTSUP, "%s", t->plan.missing);
	if (level == LEVEL_COUNTERS) {
		unload(t);
		t->level = level;
		return 0;
	}
	if (!t->skel)
		err = load(t);
	if (!err)
		err = attach(t, level);
	if (!err && level == LEVEL_DEEP)
		err = learn_foll_pin(t);
	if (err) {
		/* Back to where we were: what worked before goes on working. */
		if (t->level == LEVEL_COUNTERS)
			unload(t);
		else
			attach(t, t->level);
		return err;
	}
	t->skel->bss->deep = level == LEVEL_DEEP;
	t->level = level;
	return 0;
}

enum level tracker_level(const struct tracker *t)
{
	return t->level;
}

const struct plan *tracker_plan(const struct tracker *t)
{
	return &t->plan;
}

const char *tracker_error(const struct tracker *t)
{
	return t->error;
}

/* ---- life ----------------------------------------------------------------------------- */

int tracker_create(const struct tracker_config *config, struct tracker **out)
{
	struct tracker *t = calloc(1, sizeof(*t));
	struct btf *btf = NULL;
	int err = t ? btfq_open(NULL, &btf) : -ENOMEM;

	if (!err) {
		t->config = *config;
		err = plan_make(btf, true, config->omit, &t->plan);
		btf__free(btf);
	}
	if (err) {
		free(t);
		return err;
	}
	t->pages.size = sizeof(struct snap_page);
	t->owners.size = sizeof(struct snap_owner);
	t->failures.size = sizeof(struct snap_failure);
	t->unloads.size = sizeof(struct snap_unload);
	t->sites.size = sizeof(struct snap_site *);
	t->devices.size = sizeof(struct device);
	t->processors = libbpf_num_possible_cpus();
	t->born = now_ns();
	*out = t;
	return 0;
}

void tracker_destroy(struct tracker *t)
{
	if (!t)
		return;
	unload(t);
	modgraph_free(&t->modules);
	map64_free(&t->dead);
	map64_free(&t->used);
	map64_free(&t->used_more);
	map64_free(&t->books.owner_at);
	map64_free(&t->books.site_at);
	map64_free(&t->books.failure_at);
	free(t->pages.items);
	free(t->owners.items);
	free(t->failures.items);
	free(t->unloads.items);
	free(t->sites.items);
	free(t->devices.items);
	map64_free(&t->device_at);
	free(t);
}

/* ---- reading maps --------------------------------------------------------------------- */

typedef int (*entry_fn)(struct tracker *t, const void *key, const void *value);

/*
 * Calls each() for the entries of a hash map. The kernel may answer -ENOSPC for a bucket larger
 * than the batch: then a larger one is tried.
 */
static int each_entry(struct tracker *t, const struct bpf_map *map, entry_fn each)
{
	size_t key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map);
	uint32_t room = BATCH, in = 0, out = 0;
	char *keys = malloc(room * key_size), *values = malloc(room * value_size);
	bool first = true, last = false;
	int err = keys && values ? 0 : -ENOMEM;

	while (!err && !last) {
		uint32_t n = room;

		if (bpf_map_lookup_batch(bpf_map__fd(map), first ? NULL : &in, &out, keys, values,
					 &n, NULL)) {
			err = -errno;
			last = err == -ENOENT;
		}
		if (err == -ENOSPC) {
			free(keys);
			free(values);
			room *= 2;
			keys = malloc(room * key_size);
			values = malloc(room * value_size);
			err = keys && values ? 0 : -ENOMEM;
			continue;
		}
		if (last)
			err = 0;
		for (uint32_t i = 0; i < n && !err; i++)
			err = each(t, keys + i * key_size, values + i * value_size);
		in = out;
		first = false;
	}
	free(keys);
	free(values);
	return err;
}

static int read_stats(struct tracker *t, uint64_t *out)
{
	uint64_t *values = calloc((size_t)t->processors, sizeof(*values));
	int err = values ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < PL_STATS && !err; i++) {
		if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.stats), &i, values))
			err = -errno;
		out[i] = 0;
		for (int cpu = 0; cpu < t->processors && !err; cpu++)
			out[i] += values[cpu];
	}
	free(values);
	return err;
}

/* How often the kernel skipped a program that was already running on the processor. */
static uint64_t missed_runs(struct tracker *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->nr_programs; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(t->programs[i].program), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

static int take_page(struct tracker *t, const void *key, const void *value)
{
	const struct pl_page *p = value;
	struct snap_page *s;

	if (!p->pins)
		return 0;
	s = array_add(&t->pages);
	if (!s)
		return -ENOMEM;
	memcpy(&s->folio, key, sizeof(s->folio));
	s->page = *p;
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		int err = map64_put(&t->used, p->slot[i].owner, 1);

		if (!err)
			err = map64_put(&t->used_more, p->slot[i].call, 1);
		if (!err)
			err = map64_put(&t->used_more, p->slot[i].call & ~0xffffULL, 1);
		if (err)
			return err;
	}
	return 0;
}

/* ---- owners --------------------------------------------------------------------------- */

static uint64_t file_end(struct tracker *t, const struct pl_owner *o)
{
	uint64_t end = 0;

	if (o->file_id)
		bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.file_ends), &o->file_id, &end);
	return end;
}

static int process_end(struct tracker *t, uint64_t key, const struct pl_owner *o, uint64_t *out)
{
	uint64_t now = t->books.now_ns;
	uint32_t ms;
	int err;

	*out = 0;
	if (!o->tgid)
		return 0;
	if (!map64_get(&t->dead, key, &ms)) {
		if (sysfs_process_lives(o->tgid, o->start_ns))
			return 0;
		ms = (uint32_t)((now - t->born) / 1000000);
		err = map64_put(&t->dead, key, ms);
		if (err)
			return err;
	}
	*out = t->born + ms * 1000000ULL;
	return 0;
}

static bool is_idle(const struct tracker *t, uint64_t since)
{
	return t->books.now_ns > since + IDLE_NS;
}

static int name_device(struct tracker *t, struct snap_owner *s)
{
	bool block = S_ISBLK(s->owner.mode);
	uint64_t key = s->owner.rdev | (uint64_t)block << 32;
	struct device *d;
	uint32_t at;
	int err = 0;

	if (!block && !S_ISCHR(s->owner.mode))
		return 0;
	if (!map64_get(&t->device_at, key, &at)) {
		at = (uint32_t)t->devices.nr;
		d = array_add(&t->devices);
		if (!d)
			return -ENOMEM;
		sysfs_device(s->owner.rdev, block, d->node, sizeof(d->node), d->driver,
			     sizeof(d->driver));
		err = map64_put(&t->device_at, key, at);
	}
	d = (struct device *)t->devices.items + at;
	memcpy(s->node, d->node, sizeof(s->node));
	memcpy(s->node_driver, d->driver, sizeof(s->node_driver));
	return err;
}

static int take_owner(struct tracker *t, const void *key, const void *value)
{
	const struct pl_owner *o = value;
	struct snap_owner *s;
	uint32_t ignored;
	uint64_t k;
	int err;

	memcpy(&k, key, sizeof(k));
	if (!map64_get(&t->used, k, &ignored)) {
		if (is_idle(t, o->last_ns))
			bpf_map_delete_elem(bpf_map__fd(t->skel->maps.owners), key);
		return 0;
	}
	s = array_add(&t->owners);
	if (!s)
		return -ENOMEM;
	s->key = k;
	s->owner = *o;
	s->file_end_ns = file_end(t, o);
	err = name_device(t, s);
	if (!err)
		err = process_end(t, k, o, &s->dead_ns);
	if (!err && o->file_id)
		err = map64_put(&t->used_more, o->file_id, 1);
	return err ? err : map64_put(&t->books.owner_at, k, (uint32_t)(t->owners.nr - 1));
}

/* ---- sites ---------------------------------------------------------------------------- */

static int take_site(struct tracker *t, uint64_t key)
{
	struct snap_site *s, **at;
	uint32_t ignored;

	if (!key || map64_get(&t->books.site_at, key, &ignored))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->key = key;
	if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.sites), &key, &s->site)) {
		free(s); /* lost: the table was full */
		return 0;
	}
	blame_site(&s->site, &t->modules, &s->blame);
	if (s->blame.kind == BLAME_MODULE)
		sysfs_module(s->blame.driver, &s->driver);
	at = array_add(&t->sites);
	if (!at) {
		free(s);
		return -ENOMEM;
	}
	*at = s;
	return map64_put(&t->books.site_at, key, (uint32_t)(t->sites.nr - 1));
}

static int take_sites(struct tracker *t)
{
	const struct snap_owner *owners = t->owners.items;
	const struct snap_page *pages = t->pages.items;
	int err = 0;

	for (size_t i = 0; i < t->owners.nr && !err; i++)
		err = take_site(t, owners[i].owner.site);
	for (size_t i = 0; i < t->pages.nr; i++)
		for (uint32_t k = 0; k < pages[i].page.nr_rels && k < PL_RELS && !err; k++)
			err = take_site(t, pages[i].page.rel[k].site);
	return err;
}

/* ---- ends and failures ---------------------------------------------------------------- */

static int take_failure(struct tracker *t, const void *key, const void *value)
{
	const struct pl_failure *f = value;
	struct snap_failure *s;
	uint32_t ignored;
	uint64_t call;

	memcpy(&call, key, sizeof(call));
	if (!map64_get(&t->used_more, call, &ignored)) {
		if (is_idle(t, f->ns))
			bpf_map_delete_elem(bpf_map__fd(t->skel->maps.failures), key);
		return 0;
	}
	s = array_add(&t->failures);
	if (!s)
		return -ENOMEM;
	s->call = call;
	s->failure = *f;
	return map64_put(&t->books.failure_at, call, (uint32_t)(t->failures.nr - 1));
}

static int take_unload(struct tracker *t, const void *key, const void *value)
{
	struct snap_unload *s = array_add(&t->unloads);

	if (!s)
		return -ENOMEM;
	memcpy(s->module, key, sizeof(s->module));
	s->unload = *(const struct pl_unload *)value;
	return 0;
}

static int drop_file_end(struct tracker *t, const void *key, const void *value)
{
	uint64_t id, ended;
	uint32_t ignored;

	memcpy(&id, key, sizeof(id));
	memcpy(&ended, value, sizeof(ended));
	if (!map64_get(&t->used_more, id, &ignored) && is_idle(t, ended))
		bpf_map_delete_elem(bpf_map__fd(t->skel->maps.file_ends), key);
	return 0;
}

/* ---- the books ------------------------------------------------------------------------ */

static int sweep(struct tracker *t)
{
	struct pl_sweep arg = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));

	if (bpf_prog_test_run_opts(bpf_program__fd(t->skel->progs.sweep), &opts))
		return fail(t, -errno, "the page structures cannot be read: %s", strerror(errno));
	return 0;
}

static int read_modules(struct tracker *t)
{
	char *text = sysfs_slurp("/proc/modules", MODULES_MAX);
	int err;

	modgraph_free(&t->modules);
	if (!text)
		return 0; /* a kernel without modules */
	err = modgraph_parse(text, &t->modules);
	free(text);
	return err;
}

static void clear_books(struct tracker *t)
{
	t->pages.nr = t->owners.nr = t->failures.nr = t->unloads.nr = 0;
	map64_clear(&t->used);
	map64_clear(&t->used_more);
	map64_clear(&t->books.owner_at);
	map64_clear(&t->books.failure_at);
}

static void bind_books(struct tracker *t)
{
	struct snapshot *s = &t->books;

	s->pages = t->pages.items;
	s->nr_pages = t->pages.nr;
	s->owners = t->owners.items;
	s->nr_owners = t->owners.nr;
	s->sites = t->sites.items;
	s->nr_sites = t->sites.nr;
	s->failures = t->failures.items;
	s->nr_failures = t->failures.nr;
	s->unloads = t->unloads.items;
	s->nr_unloads = t->unloads.nr;
	s->modules = &t->modules;
	s->missed_runs = missed_runs(t);
	s->sample_rate = t->skel->bss->sample_mask + 1;
	s->base_page = t->plan.layout.base_page;
}

/*
 * The order matters: the time is taken before the pages are read, and an end counts only when it
 * lies the grace time before that. So a page that is found pinned was pinned for longer.
 */
int tracker_books(struct tracker *t, const struct snapshot **out)
{
	int err;

	clear_books(t);
	t->books.now_ns = now_ns();
	err = read_modules(t);
	if (!err)
		err = sweep(t);
	if (!err)
		err = each_entry(t, t->skel->maps.pages, take_page);
	if (!err)
		err = each_entry(t, t->skel->maps.owners, take_owner);
	if (!err)
		err = take_sites(t);
	if (!err)
		err = each_entry(t, t->skel->maps.failures, take_failure);
	if (!err)
		err = each_entry(t, t->skel->maps.unloads, take_unload);
	if (!err)
		err = each_entry(t, t->skel->maps.file_ends, drop_file_end);
	if (!err)
		err = read_stats(t, t->books.stats);
	for (int i = 0; i < PL_STATS; i++)
		t->books.stats[i] -= t->before_use[i];
	if (err)
		return t->error[0] ? err : fail(t, err, "maps cannot be read: %s", strerror(-err));
	bind_books(t);
	*out = &t->books;
	return 0;
}

/* ---- the balance ---------------------------------------------------------------------- */

int tracker_rebalance(struct tracker *t, struct vmstat *v)
{
	int err = read_stats(t, t->base_low);

	if (!err)
		err = vmstat_read(v, true, &t->base);
	return err ? err : read_stats(t, t->base_high);
}

const struct sample *tracker_base(const struct tracker *t)
{
	return &t->base;
}

/* What the counters say beyond what the hooks saw, allowing for the time reading takes. */
static int64_t beyond(int64_t counted, int64_t least, int64_t most)
{
	if (counted > most)
		return counted - most;
	return counted < least ? counted - least : 0;
}

int tracker_balance(struct tracker *t, struct vmstat *v, struct sample *sample, struct balance *out)
{
	enum pl_stat acquired = t->level == LEVEL_DEEP ? PL_SEEN_ACQUIRED : PL_SEEN_API;
	uint64_t low[PL_STATS], high[PL_STATS];
	int err = read_stats(t, low);

	if (!err)
		err = vmstat_read(v, true, sample);
	if (!err)
		err = read_stats(t, high);
	if (err)
		return err;
	out->exact = t->level == LEVEL_DEEP;
	out->counted_acquired = sample->acquired - t->base.acquired;
	out->counted_released = sample->released - t->base.released;
	out->seen_acquired = (int64_t)(high[acquired] - t->base_high[acquired]);
	out->seen_released = (int64_t)(high[PL_SEEN_RELEASED] - t->base_high[PL_SEEN_RELEASED]);
	out->unseen =
		beyond(out->counted_acquired, (int64_t)(low[acquired] - t->base_high[acquired]),
		       (int64_t)(high[acquired] - t->base_low[acquired]));
	out->unseen_released =
		out->exact
			? beyond(out->counted_released,
				 (int64_t)(low[PL_SEEN_RELEASED] - t->base_high[PL_SEEN_RELEASED]),
				 (int64_t)(high[PL_SEEN_RELEASED] - t->base_low[PL_SEEN_RELEASED]))
			: 0;
	return 0;
}

/* ---- calibration ---------------------------------------------------------------------- */

static int shoot(struct tracker *t, struct vmstat *v, const struct fire *fire,
		 struct calibration *c)
{
	struct sample sample;
	int err = tracker_rebalance(t, v);

	if (!err)
		err = fire->shoot();
	if (!err)
		err = tracker_balance(t, v, &sample, &c->balance);
	c->name = fire->name;
	/* udmabuf takes plain references before 6.11: nothing to see then. */
	c->tried = err != -EOPNOTSUPP && (err || fire == fires || c->balance.counted_acquired);
	c->ok = !err && !c->balance.unseen && !c->balance.unseen_released &&
		c->balance.counted_acquired > 0;
	return err == -EOPNOTSUPP ? 0 : err;
}

static int begin_use(struct tracker *t, struct vmstat *v)
{
	int err = tracker_rebalance(t, v);

	if (!err && !t->in_use)
		memcpy(t->before_use, t->base_low, sizeof(t->before_use));
	t->in_use = true;
	return err;
}

int tracker_calibrate(struct tracker *t, struct vmstat *v, bool quick, struct calibration *out,
		      size_t *nr)
{
	bool good = true;

	*nr = 0;
	for (size_t i = 0; fires[i].name && *nr < CALIBRATIONS && !(quick && i); i++) {
		struct calibration *c = &out[(*nr)++];
		int err;

		/* Others pin too while we look; a hook that is blind is blind every time. */
		for (int k = 0; k < SHOTS; k++) {
			*c = (struct calibration){0};
			err = shoot(t, v, &fires[i], c);
			if (err || c->ok || !c->tried)
				break;
		}
		if (err)
			return fail(t, err, "%s: %s", fires[i].name, strerror(-err));
		if (!c->tried || c->ok)
			continue;
		good = false;
		fail(t, -EBADE,
		     "the hooks do not see every pin: %s took %" PRId64 " and dropped %" PRId64
		     ", the hooks saw %" PRId64 " and %" PRId64,
		     c->name, c->balance.counted_acquired, c->balance.counted_released,
		     c->balance.seen_acquired, c->balance.seen_released);
	}
	return good ? begin_use(t, v) : -EBADE;
}
