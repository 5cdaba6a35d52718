// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "books.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"
#include "pinleak.skel.h"
#include "running.h"
#include "sysfs.h"

#define BATCH	    256
#define TENTH_NS    UINT64_C(100000000)
#define IDLE_NS	    10000000000ULL /* an owner or file end unused for so long may go */
#define MODULES_MAX (1 << 20)	   /* bytes of /proc/modules */

#define DMA_ENTRY_LIMIT "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

/* A device node, as sysfs named it: asked once, an owner may have thousands of siblings. */
struct device {
	char node[sizeof(((struct snap_owner *)0)->node)];
	char driver[sizeof(((struct snap_owner *)0)->node_driver)];
};

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

/* ---- reading maps --------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t key, value; /* bytes */
} shelf[BOOKS] = {
	[BOOK_PAGES] = {"pages", 8, sizeof(struct pl_page)},
	[BOOK_FREED] = {"freed", 8, sizeof(struct pl_page)},
	[BOOK_WRONGS] = {"wrongs", 8, sizeof(struct pl_wrong)},
	[BOOK_OWNERS] = {"owners", 8, sizeof(struct pl_owner)},
	[BOOK_SITES] = {"sites", 8, sizeof(struct pl_site)},
	[BOOK_FAILURES] = {"failures", 8, sizeof(struct pl_failure)},
	[BOOK_UNLOADS] = {"unloads", PL_MODNAME, sizeof(struct pl_unload)},
	[BOOK_FILE_ENDS] = {"file_ends", 8, 8},
	[BOOK_REFUSALS] = {"refusals", 8, sizeof(struct pl_refusal)},
};

typedef int (*entry_fn)(struct books *b, const void *key, const void *value);

/*
 * Calls each() for the entries of a hash map. The kernel may answer -ENOSPC for a bucket larger
 * than the batch: then a larger one is tried.
 */
static int each_entry(struct books *b, enum book book, entry_fn each)
{
	size_t key_size = shelf[book].key, value_size = shelf[book].value;
	uint32_t room = BATCH, in = 0, out = 0;
	char *keys = malloc(room * key_size), *values = malloc(room * value_size);
	bool first = true, last = false;
	int err = keys && values ? 0 : -ENOMEM;

	while (!err && !last) {
		uint32_t n = room;

		if (bpf_map_lookup_batch(b->maps[book], first ? NULL : &in, &out, keys, values, &n,
					 NULL)) {
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
			err = each(b, keys + i * key_size, values + i * value_size);
		in = out;
		first = false;
	}
	free(keys);
	free(values);
	return err;
}

/* Also what is no longer pinned names its owners: a release too many may yet come. */
static int use_owners(struct books *b, const struct pl_page *p)
{
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		int err = map64_put(&b->used, p->slot[i].owner, 1);

		if (!err)
			err = map64_put(&b->used_more, p->slot[i].call, 1);
		if (!err)
			err = map64_put(&b->used_more, p->slot[i].call & ~0xffffULL, 1);
		if (err)
			return err;
	}
	return 0;
}

static int take_page(struct books *b, const void *key, const void *value)
{
	const struct pl_page *p = value;
	struct snap_page *s;

	if (!p->pins && !p->wrong)
		return use_owners(b, p);
	s = array_add(&b->pages);
	if (!s)
		return -ENOMEM;
	memcpy(&s->folio, key, sizeof(s->folio));
	s->page = *p;
	if (b->s.sample_rate < 1U << p->thin)
		b->s.sample_rate = 1U << p->thin;
	return use_owners(b, p);
}

/* ---- owners --------------------------------------------------------------------------- */

static uint64_t file_end(struct books *b, const struct pl_owner *o)
{
	uint64_t end = 0;

	if (o->file_id)
		bpf_map_lookup_elem(b->maps[BOOK_FILE_ENDS], &o->file_id, &end);
	return end;
}

static int process_end(struct books *b, uint64_t key, const struct pl_owner *o, uint64_t *out)
{
	uint64_t now = b->s.now_ns;
	uint32_t tenths;
	int err;

	*out = 0;
	if (!o->tgid)
		return 0;
	if (!map64_get(&b->dead, key, &tenths)) {
		if (sysfs_process_lives(o->tgid, o->start_ns))
			return 0;
		/* rounded up: no grace time is shorter for it */
		tenths = (uint32_t)((now - b->born) / TENTH_NS + 1);
		err = map64_put(&b->dead, key, tenths);
		if (err)
			return err;
	}
	*out = b->born + tenths * TENTH_NS;
	return 0;
}

/* Nobody needs it any more; in somebody else's books nothing is thrown away. */
static bool is_idle(const struct books *b, uint64_t since)
{
	return b->programs && b->s.now_ns > since + IDLE_NS;
}

static int name_device(struct books *b, struct snap_owner *s)
{
	bool block = S_ISBLK(s->owner.mode);
	uint64_t key = s->owner.rdev | (uint64_t)block << 32;
	struct device *d;
	uint32_t at;
	int err = 0;

	if (!block && !S_ISCHR(s->owner.mode))
		return 0;
	if (!map64_get(&b->device_at, key, &at)) {
		at = (uint32_t)b->devices.nr;
		d = array_add(&b->devices);
		if (!d)
			return -ENOMEM;
		sysfs_device(s->owner.rdev, block, d->node, sizeof(d->node), d->driver,
			     sizeof(d->driver));
		err = map64_put(&b->device_at, key, at);
	}
	d = (struct device *)b->devices.items + at;
	memcpy(s->node, d->node, sizeof(s->node));
	memcpy(s->node_driver, d->driver, sizeof(s->node_driver));
	return err;
}

static int take_owner(struct books *b, const void *key, const void *value)
{
	const struct pl_owner *o = value;
	struct snap_owner *s;
	uint32_t ignored;
	uint64_t k;
	int err;

	memcpy(&k, key, sizeof(k));
	if (!map64_get(&b->used, k, &ignored)) {
		if (is_idle(b, o->last_ns))
			bpf_map_delete_elem(b->maps[BOOK_OWNERS], key);
		return 0;
	}
	s = array_add(&b->owners);
	if (!s)
		return -ENOMEM;
	s->key = k;
	s->owner = *o;
	s->file_end_ns = file_end(b, o);
	err = name_device(b, s);
	if (!err)
		err = process_end(b, k, o, &s->dead_ns);
	if (!err && o->file_id)
		err = map64_put(&b->used_more, o->file_id, 1);
	return err ? err : map64_put(&b->s.owner_at, k, (uint32_t)(b->owners.nr - 1));
}

static int take_wrong(struct books *b, const void *key, const void *value)
{
	struct snap_wrong *w = array_add(&b->wrongs);
	int err;

	if (!w)
		return -ENOMEM;
	w->wrong = *(const struct pl_wrong *)value;
	memcpy(&w->by.key, key, sizeof(w->by.key));
	w->by.owner = w->wrong.owner;
	err = name_device(b, &w->by);
	return err ? err : process_end(b, w->by.key, &w->by.owner, &w->by.dead_ns);
}

/* The name of a device says whose limit it may be. */
static int take_refusal(struct books *b, const void *key, const void *value)
{
	struct snap_refusal *r = array_add(&b->refusals);
	char line[32];
	int err;

	if (!r)
		return -ENOMEM;
	r->refusal = *(const struct pl_refusal *)value;
	memcpy(&r->by.key, key, sizeof(r->by.key));
	r->by.owner = r->refusal.owner;
	if (r->refusal.error == ENOSPC && sysfs_line(DMA_ENTRY_LIMIT, line, sizeof(line)))
		r->dma_entries = strtoull(line, NULL, 10);
	err = name_device(b, &r->by);
	return err ? err : process_end(b, r->by.key, &r->by.owner, &r->by.dead_ns);
}

/* ---- sites ---------------------------------------------------------------------------- */

/* A function may pin in two places: a reader sees the same path twice and wonders. */
static const struct snap_site *same_site(const struct books *b, const struct snap_site *s)
{
	struct snap_site *const *sites = b->sites.items;

	for (size_t i = 0; i < b->sites.nr; i++)
		if (!sites[i]->same && blame_same_path(&sites[i]->site, &s->site))
			return sites[i];
	return NULL;
}

static int take_site(struct books *b, uint64_t key)
{
	struct snap_site *s, **at;
	uint32_t ignored;

	if (!key || map64_get(&b->s.site_at, key, &ignored))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->key = key;
	if (bpf_map_lookup_elem(b->maps[BOOK_SITES], &key, &s->site)) {
		free(s); /* lost: the table was full */
		return 0;
	}
	blame_site(&s->site, &b->modules, &s->blame);
	if (s->blame.kind == BLAME_MODULE)
		sysfs_module(s->blame.driver, &s->driver);
	s->same = same_site(b, s);
	at = array_add(&b->sites);
	if (!at) {
		free(s);
		return -ENOMEM;
	}
	*at = s;
	return map64_put(&b->s.site_at, key, (uint32_t)(b->sites.nr - 1));
}

static int take_wrong_sites(struct books *b, const struct pl_wrong *w)
{
	int err = take_site(b, w->site);

	for (uint32_t i = 0; i < w->nr_claims && i < PL_SLOTS && !err; i++)
		err = take_site(b, w->claim[i].site);
	for (uint32_t i = 0; i < w->nr_rels && i < PL_RELS && !err; i++)
		err = take_site(b, w->rel[i].site);
	return err;
}

static int take_sites(struct books *b)
{
	const struct snap_refusal *refusals = b->refusals.items;
	const struct snap_wrong *wrongs = b->wrongs.items;
	const struct snap_owner *owners = b->owners.items;
	const struct snap_page *pages = b->pages.items;
	int err = 0;

	for (size_t i = 0; i < b->owners.nr && !err; i++)
		err = take_site(b, owners[i].owner.site);
	for (size_t i = 0; i < b->pages.nr; i++)
		for (uint32_t k = 0; k < pages[i].page.nr_rels && k < PL_RELS && !err; k++)
			err = take_site(b, pages[i].page.rel[k].site);
	for (size_t i = 0; i < b->wrongs.nr && !err; i++)
		err = take_wrong_sites(b, &wrongs[i].wrong);
	for (size_t i = 0; i < b->refusals.nr && !err; i++)
		err = take_site(b, refusals[i].refusal.owner.site);
	return err;
}

/* ---- ends and failures ---------------------------------------------------------------- */

static int take_failure(struct books *b, const void *key, const void *value)
{
	const struct pl_failure *f = value;
	struct snap_failure *s;
	uint32_t ignored;
	uint64_t call;

	memcpy(&call, key, sizeof(call));
	if (!map64_get(&b->used_more, call, &ignored)) {
		if (is_idle(b, f->ns))
			bpf_map_delete_elem(b->maps[BOOK_FAILURES], key);
		return 0;
	}
	s = array_add(&b->failures);
	if (!s)
		return -ENOMEM;
	s->call = call;
	s->failure = *f;
	return map64_put(&b->s.failure_at, call, (uint32_t)(b->failures.nr - 1));
}

static int take_unload(struct books *b, const void *key, const void *value)
{
	struct snap_unload *s = array_add(&b->unloads);

	if (!s)
		return -ENOMEM;
	memcpy(s->module, key, sizeof(s->module));
	s->unload = *(const struct pl_unload *)value;
	return 0;
}

static int drop_file_end(struct books *b, const void *key, const void *value)
{
	uint64_t id, ended;
	uint32_t ignored;

	memcpy(&id, key, sizeof(id));
	memcpy(&ended, value, sizeof(ended));
	if (!map64_get(&b->used_more, id, &ignored) && is_idle(b, ended))
		bpf_map_delete_elem(b->maps[BOOK_FILE_ENDS], key);
	return 0;
}

/* ---- the books ------------------------------------------------------------------------ */

static int read_modules(struct books *b)
{
	char *text = sysfs_slurp("/proc/modules", MODULES_MAX);
	int err;

	modgraph_free(&b->modules);
	if (!text)
		return 0; /* a kernel without modules */
	err = modgraph_parse(text, &b->modules);
	free(text);
	return err;
}

static void clear_books(struct books *b)
{
	b->pages.nr = b->owners.nr = b->failures.nr = b->unloads.nr = b->wrongs.nr = 0;
	b->refusals.nr = 0;
	map64_clear(&b->used);
	map64_clear(&b->used_more);
	map64_clear(&b->s.owner_at);
	map64_clear(&b->s.failure_at);
}

static void bind_books(struct books *b)
{
	struct snapshot *s = &b->s;

	s->pages = b->pages.items;
	s->nr_pages = b->pages.nr;
	s->owners = b->owners.items;
	s->nr_owners = b->owners.nr;
	s->sites = b->sites.items;
	s->nr_sites = b->sites.nr;
	s->failures = b->failures.items;
	s->nr_failures = b->failures.nr;
	s->unloads = b->unloads.items;
	s->nr_unloads = b->unloads.nr;
	s->wrongs = b->wrongs.items;
	s->nr_wrongs = b->wrongs.nr;
	s->refusals = b->refusals.items;
	s->nr_refusals = b->refusals.nr;
	s->modules = &b->modules;
	s->base_page = (uint32_t)sysconf(_SC_PAGESIZE);
}

static int read_maps(struct books *b)
{
	int err = each_entry(b, BOOK_PAGES, take_page);

	if (!err)
		err = each_entry(b, BOOK_FREED, take_page);
	if (!err)
		err = each_entry(b, BOOK_OWNERS, take_owner);
	if (!err)
		err = each_entry(b, BOOK_WRONGS, take_wrong);
	if (!err)
		err = each_entry(b, BOOK_REFUSALS, take_refusal);
	if (!err)
		err = take_sites(b);
	if (!err)
		err = each_entry(b, BOOK_FAILURES, take_failure);
	if (!err)
		err = each_entry(b, BOOK_UNLOADS, take_unload);
	return err ? err : each_entry(b, BOOK_FILE_ENDS, drop_file_end);
}

/* What only the process knows whose programs they are. */
static int read_programs(struct books *b)
{
	b->runs = programs_runs(b->programs);
	b->s.missed_runs = b->runs.missed;
	b->s.movable_zone = (uint8_t)b->programs->skel->rodata->layout.movable_zone;
	return programs_stats(b->programs, b->s.stats);
}

static void find_own_maps(struct books *b)
{
	for (int i = 0; i < BOOKS; i++)
		b->maps[i] = bpf_object__find_map_fd_by_name(b->programs->skel->obj, shelf[i].name);
}

/*
 * The order matters: the time is taken before the pages are read, and an end counts only when it
 * lies the grace time before that. So a page that is found pinned was pinned for longer.
 */
int books_read(struct books *b, const struct snapshot **out)
{
	int err;

	clear_books(b);
	b->s.sample_rate = 1;
	b->s.now_ns = clock_now_ns();
	err = read_modules(b);
	if (!err && b->programs) {
		find_own_maps(b);
		err = programs_sweep(b->programs);
	}
	if (!err)
		err = read_maps(b);
	if (!err && b->programs)
		err = read_programs(b);
	if (err)
		return b->programs ? programs_fail(b->programs, err, "maps cannot be read: %s",
						   strerror(-err))
				   : err;
	bind_books(b);
	*out = &b->s;
	return 0;
}

/* ---- life ----------------------------------------------------------------------------- */

void books_open(struct books *b, struct programs *programs)
{
	*b = (struct books){.programs = programs, .born = clock_now_ns()};
	b->pages.size = sizeof(struct snap_page);
	b->owners.size = sizeof(struct snap_owner);
	b->failures.size = sizeof(struct snap_failure);
	b->unloads.size = sizeof(struct snap_unload);
	b->wrongs.size = sizeof(struct snap_wrong);
	b->refusals.size = sizeof(struct snap_refusal);
	b->sites.size = sizeof(struct snap_site *);
	b->devices.size = sizeof(struct device);
}

int books_find(struct books *b)
{
	struct running_map maps[BOOKS];
	int err;

	books_open(b, NULL);
	for (int i = 0; i < BOOKS; i++)
		maps[i] = (struct running_map){shelf[i].name, shelf[i].key, shelf[i].value, -1};
	err = running_find(maps, BOOKS, &b->watcher);
	for (int i = 0; i < BOOKS; i++)
		b->maps[i] = maps[i].fd;
	return err;
}

void books_reset(struct books *b)
{
	map64_clear(&b->dead);
	for (size_t i = 0; i < b->sites.nr; i++)
		free(((struct snap_site **)b->sites.items)[i]);
	b->sites.nr = 0;
	b->runs = (struct programs_runs){0};
	map64_clear(&b->s.site_at);
	b->devices.nr = 0; /* asked anew next time: nodes come and go */
	map64_clear(&b->device_at);
}

void books_close(struct books *b)
{
	for (int i = 0; i < BOOKS && b->watcher; i++)
		close(b->maps[i]);
	books_reset(b);
	modgraph_free(&b->modules);
	map64_free(&b->dead);
	map64_free(&b->used);
	map64_free(&b->used_more);
	map64_free(&b->device_at);
	map64_free(&b->s.owner_at);
	map64_free(&b->s.site_at);
	map64_free(&b->s.failure_at);
	free(b->pages.items);
	free(b->owners.items);
	free(b->failures.items);
	free(b->unloads.items);
	free(b->wrongs.items);
	free(b->refusals.items);
	free(b->sites.items);
	free(b->devices.items);
}
