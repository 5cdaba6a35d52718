// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The test of kernel/objects.h and kernel/holders.h, see places.py. A JSON object a line:
 * places at PFN...       what the folios that begin at these page frames belong to
 * places pinned          the same, of all folios that are pinned
 * places all             the same, of every 16th page frame that begins a folio, but only counted
 * places holders PFN...  who could hold pages, and what is known to hold these folios
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bpf/census.h"
#include "kernel/holders.h"
#include "kernel/objects.h"
#include "kernel/owned.h"
#include "kernel/scan.h"

struct places {
	struct memory memory;
	struct scan scan;
	struct objects objects;
	struct holders holders;
	struct owned owned;
};

static void print(json_t *line)
{
	if (!line || json_dumpf(line, stdout, JSON_COMPACT))
		exit(1);
	puts("");
	json_decref(line);
}

/* Names may be no UTF-8: the tests use none such. */
static json_t *mapper_json(const struct places *p, const struct mapper *m)
{
	const struct process *who = p->objects.mappers.processes[m->process];

	return json_pack("{s:i, s:I, s:I, s:s, s:s%, s:s}", "pid", (int)who->tgid, "addr",
			 (json_int_t)m->addr, "start", (json_int_t)who->start_ns, "comm", who->comm,
			 "cmdline", who->cmdline, who->cmdline_len, "cgroup", who->cgroup);
}

static json_t *object_json(const struct object *o)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:s, s:i, s:i, s:I, s:I, s:s}", "kind",
			 objects_kind(o->kind), "hugetlb", o->hugetlb, "deleted", o->deleted,
			 "mounted", o->mounted, "fs", o->fs, "dev", (int)o->dev, "rdev",
			 (int)o->rdev, "ino", (json_int_t)o->ino, "size", (json_int_t)o->size,
			 "name", o->name);
}

static int show(void *ctx, const struct folio *f)
{
	struct places *p = ctx;
	struct folio_place place;
	json_t *mappers = json_array(), *line;
	const struct group *g;

	objects_resolve(&p->objects, f, &place);
	g = p->objects.groups[place.group];
	for (size_t i = 0; i < place.nr_mappers; i++)
		json_array_append_new(mappers, mapper_json(p, &place.mappers[i]));
	line = json_pack("{s:I, s:i, s:i, s:i, s:o, s:i, s:s, s:b, s:b, s:o}", "pfn",
			 (json_int_t)f->pfn, "order", f->order, "pins", f->pins, "maps", f->maps,
			 "object", object_json(&p->objects.objects[place.object]), "place",
			 (int)place.object, "group", g->path, "dying", g->dying, "more", place.more,
			 "mappers", mappers);
	print(line);
	return 0;
}

static int show_one(struct places *p, uint64_t pfn)
{
	struct folio f;
	int err = scan_one(&p->scan, pfn, &f);

	return err ? err : show(p, &f);
}

/* Whatever is read here, and however it changes meanwhile: it must end, and end well. */
static int count_all(struct places *p)
{
	size_t kinds[OBJECT_DEVICE_MEMORY + 1] = {0}, mapped = 0;
	json_t *line = json_object();
	struct folio_place place;
	struct folio f;

	for (uint64_t pfn = 0; pfn < p->memory.max_pfn; pfn += 16) {
		if (scan_one(&p->scan, pfn, &f))
			continue;
		objects_resolve(&p->objects, &f, &place);
		kinds[p->objects.objects[place.object].kind]++;
		mapped += place.nr_mappers > 0;
	}
	for (int i = 0; i <= OBJECT_DEVICE_MEMORY; i++)
		json_object_set_new(line, objects_kind(i), json_integer((json_int_t)kinds[i]));
	json_object_set_new(line, "mapped", json_integer((json_int_t)mapped));
	json_object_set_new(line, "unverified",
			    json_integer((json_int_t)p->objects.mappers.unverified));
	print(line);
	return 0;
}

static int show_objects(struct places *p, const char *which, int nr, char **pfns)
{
	const struct scan_visitor all = {.ctx = p, .each = show};
	int err = objects_open(&p->objects, &p->memory);

	if (!err && !strcmp(which, "all"))
		err = count_all(p);
	if (!err && !strcmp(which, "pinned"))
		err = scan_run(&p->scan, PL_FOUND_PINNED, &all);
	for (int i = 0; i < nr && !err; i++)
		err = show_one(p, strtoull(pfns[i], NULL, 0));
	objects_close(&p->objects);
	return err;
}

static void show_holder(const struct holder *h)
{
	print(json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:I}", "type", "holder",
			"kind", holder_kind_name(h->kind), "reach", (int)h->reach, "pid",
			(int)h->tgid, "fd", (int)h->fd, "places", (int)h->places, "comm", h->comm,
			"what", h->what, "module", h->module, "rdev", (int)h->rdev, "start",
			(json_int_t)h->start_ns));
}

static void show_module(const struct pinner *m)
{
	print(json_pack("{s:s, s:s, s:i, s:b, s:b, s:i, s:i}", "type", "module", "name", m->name,
			"refcount", m->refcount, "in_use", m->in_use, "unknown", m->unknown, "own",
			(int)m->own, "reach", (int)m->reach));
}

static void show_explained(const struct places *p, uint64_t pfn)
{
	uint64_t folio = p->memory.vmemmap + pfn * PL_STRUCT_PAGE;
	const struct owned_folio *owned = owned_find(&p->owned, folio);
	const struct holder *h = owned ? &p->holders.list[owned->holder] : NULL;
	uint32_t refs;
	bool all = holders_explains(&p->holders, folio, &refs);

	print(json_pack("{s:s, s:I, s:i, s:b, s:i, s:i, s:i, s:b}", "type", "explained", "pfn",
			(json_int_t)pfn, "refs", (int)refs, "all", all, "pins",
			owned ? (int)owned->pins : 0, "pid", h ? (int)h->tgid : 0, "fd",
			h ? (int)h->fd : -1, "several", owned && owned->several));
}

static int show_holders(struct places *p, int nr, char **pfns)
{
	const struct holders *h = &p->holders;
	int err = holders_read(&p->memory, true, &p->holders);

	if (!err)
		err = owned_read(&p->memory, h, &p->owned);
	for (size_t i = 0; i < h->nr && !err; i++)
		show_holder(&h->list[i]);
	for (size_t i = 0; i < h->pinners.nr && !err; i++)
		show_module(&h->pinners.list[i]);
	for (int i = 0; i < nr && !err; i++)
		show_explained(p, strtoull(pfns[i], NULL, 0));
	if (!err)
		print(json_pack("{s:s, s:I, s:I, s:b, s:b, s:b}", "type", "all", "harmless",
				(json_int_t)h->harmless, "inflight", (json_int_t)h->inflight,
				"inflight_known", h->inflight_known, "could_pin",
				holders_could(h, HOLDER_PINS), "could_refer",
				holders_could(h, HOLDER_REFERENCES)));
	owned_close(&p->owned);
	holders_close(&p->holders);
	return err;
}

int main(int argc, char **argv)
{
	static struct places p;
	int err = argc > 1 ? memory_open(&p.memory) : -EINVAL;

	if (!err)
		err = scan_open(&p.scan, &p.memory);
	if (!err && !strcmp(argv[1], "holders"))
		err = show_holders(&p, argc - 2, argv + 2);
	else if (!err)
		err = show_objects(&p, argv[1], argc - 2, argv + 2);
	if (err)
		fprintf(stderr, "places: %s: %s\n", strerror(-err), p.memory.error);
	memory_close(&p.memory);
	return err != 0;
}
