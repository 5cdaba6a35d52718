// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * places PFN...: what the folios that begin at these page frames belong to, a JSON object each.
 * Without a number: all folios that are pinned. The test of kernel/objects.h, see places.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bpf/census.h"
#include "kernel/objects.h"
#include "kernel/scan.h"

struct places {
	struct memory memory;
	struct scan scan;
	struct objects objects;
};

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
	if (!line || json_dumpf(line, stdout, JSON_COMPACT))
		exit(1);
	puts("");
	json_decref(line);
	return 0;
}

static int show_one(struct places *p, uint64_t pfn)
{
	struct folio f;
	int err = scan_one(&p->scan, pfn, &f);

	return err ? err : show(p, &f);
}

int main(int argc, char **argv)
{
	static struct places p;
	const struct scan_visitor all = {.ctx = &p, .each = show};
	int err = memory_open(&p.memory);

	if (!err)
		err = scan_open(&p.scan, &p.memory);
	if (!err)
		err = objects_open(&p.objects, &p.memory);
	if (!err && argc == 1)
		err = scan_run(&p.scan, PL_FOUND_PINNED, &all);
	for (int i = 1; i < argc && !err; i++)
		err = show_one(&p, strtoull(argv[i], NULL, 0));
	if (err)
		fprintf(stderr, "places: %s: %s\n", strerror(-err), p.memory.error);
	objects_close(&p.objects);
	memory_close(&p.memory);
	return err != 0;
}
