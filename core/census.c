// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "census.h"

#include <stdlib.h>

#include "grow.h"

const char *census_by_name(enum census_by by)
{
	static const char *const names[] = {"driver", "site", "process", "object", "mapping",
					    "cgroup", "size", "node",	 "zone"};

	return names[by];
}

void census_free(struct census *c)
{
	for (int i = 0; i < CENSUS_BYS; i++) {
		free(c->by[i].rows);
		map64_free(&c->by[i].at);
	}
	free(c->pinned.list);
	free(c->plain.list);
	*c = (struct census){0};
}

void census_sum_add(struct census_sum *sum, uint64_t pins, uint64_t bytes)
{
	sum->pins += pins;
	sum->folios++;
	sum->bytes += bytes;
}

/* The row of an id, made when it is new; NULL in *out when the table is full. */
static int row_of(struct census_table *t, uint64_t id, struct census_row **out)
{
	uint32_t at;
	int err = 0;

	*out = NULL;
	if (!map64_get(&t->at, id, &at)) {
		if (t->nr == CENSUS_ROWS)
			return 0;
		err = grow((void **)&t->rows, &t->room, t->nr, sizeof(*t->rows));
		if (!err)
			err = map64_put(&t->at, id, (uint32_t)t->nr);
		if (err)
			return err;
		at = (uint32_t)t->nr++;
		t->rows[at] = (struct census_row){.id = id, .start = UINT64_MAX};
	}
	*out = &t->rows[at];
	return 0;
}

static int book(struct census *c, enum census_by by, uint64_t id, const struct folio *f,
		struct census_row **out)
{
	struct census_table *t = &c->by[by];
	int err = row_of(t, id, out);

	if (!err)
		census_sum_add(*out ? &(*out)->sum : &t->others, (uint64_t)f->pins,
			       c->base_page << f->order);
	return err;
}

/* Mapped before by the same process, at another address. */
static bool is_again(const struct census_entry *e, uint32_t mapper)
{
	for (uint32_t i = 0; i < mapper; i++)
		if (e->mapper[i].process == e->mapper[mapper].process)
			return true;
	return false;
}

/* A folio counts once for a process that has it mapped twice, in a range that holds both. */
static int book_mapper(struct census *c, const struct census_entry *e, uint32_t mapper)
{
	uint64_t process = e->mapper[mapper].process, addr = e->mapper[mapper].addr;
	uint64_t id = process << 32 | e->object, end = addr + (c->base_page << e->folio->order);
	struct census_row *row;
	int err;

	if (is_again(e, mapper)) {
		err = row_of(&c->by[CENSUS_BY_MAPPING], id, &row);
	} else {
		err = book(c, CENSUS_BY_PROCESS, process, e->folio, &row);
		if (!err)
			err = book(c, CENSUS_BY_MAPPING, id, e->folio, &row);
	}
	if (err || !row)
		return err;
	row->start = addr < row->start ? addr : row->start;
	row->end = end > row->end ? end : row->end;
	return 0;
}

static int book_mappers(struct census *c, const struct census_entry *e)
{
	int err = 0;

	for (uint32_t i = 0; i < e->nr_mappers && i < CENSUS_MAPPERS && !err; i++)
		err = book_mapper(c, e, i);
	return err;
}

static int suspect(struct census_suspects *s, const struct folio *f)
{
	int err;

	if (s->nr == CENSUS_SUSPECTS) {
		s->cut++;
		return 0;
	}
	err = grow((void **)&s->list, &s->room, s->nr, sizeof(*s->list));
	if (!err)
		s->list[s->nr++] = (struct census_suspect){.pfn = f->pfn,
							   .mapping = f->mapping,
							   .index = f->index,
							   .memcg = f->memcg,
							   .pins = f->pins,
							   .refs = f->refs};
	return err;
}

static int book_all(struct census *c, const struct census_entry *e)
{
	const uint64_t ids[CENSUS_BYS] = {
		[CENSUS_BY_DRIVER] = e->driver,	    [CENSUS_BY_OBJECT] = e->object,
		[CENSUS_BY_SITE] = e->site,	    [CENSUS_BY_CGROUP] = e->cgroup,
		[CENSUS_BY_SIZE] = e->folio->order, [CENSUS_BY_NODE] = e->folio->node,
		[CENSUS_BY_ZONE] = e->folio->zone,
	};
	struct census_row *row;
	int err = 0;

	for (int by = 0; by < CENSUS_BYS && !err; by++)
		if (by != CENSUS_BY_PROCESS && by != CENSUS_BY_MAPPING)
			err = book(c, (enum census_by)by, ids[by], e->folio, &row);
	return err ? err : book_mappers(c, e);
}

int census_add(struct census *c, const struct census_entry *e)
{
	const struct folio *f = e->folio;
	uint64_t bytes = c->base_page << f->order;
	bool unmapped = f->maps_known && f->maps == 0;
	int err;

	if (f->pins < 0 || f->refs < 0) {
		census_sum_add(&c->negative, 0, bytes);
		return 0;
	}
	if (!f->pins) {
		if (f->refs >= 1024)
			census_sum_add(&c->many_refs, 0, bytes);
		return unmapped && f->refs < 1024 ? suspect(&c->plain, f) : 0;
	}
	census_sum_add(&c->all, (uint64_t)f->pins, bytes);
	if (e->must_move)
		census_sum_add(&c->must_move, (uint64_t)f->pins, bytes);
	err = book_all(c, e);
	if (err || !unmapped)
		return err;
	census_sum_add(&c->unmapped, (uint64_t)f->pins, bytes);
	return e->claimed ? 0 : suspect(&c->pinned, f);
}

static bool is_still(const struct census_suspect *before, const struct folio *f)
{
	return f && f->maps_known && f->maps == 0 && !f->swapcache &&
	       f->mapping == before->mapping && f->index == before->index &&
	       f->memcg == before->memcg;
}

bool census_still_pinned(const struct census_suspect *before, const struct folio *now)
{
	return is_still(before, now) && now->pins >= before->pins;
}

/* Not on an LRU list any more: reclaim or migration has it, and will put it back or free it. */
bool census_still_referenced(const struct census_suspect *before, const struct folio *now)
{
	return is_still(before, now) && now->lru && now->pins <= 0 && now->refs > 0 &&
	       now->refs >= before->refs;
}

bool census_is_orphaned(const struct census_second *s)
{
	return s->pinned.folios && !s->pins_could_be_held;
}

bool census_is_unexplained(const struct census_second *s)
{
	return s->referenced.folios > s->explained.folios && !s->references_could_be_held &&
	       s->queues_known && s->drained;
}

static int by_bytes(const void *a, const void *b)
{
	const struct census_row *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes < y->sum.bytes ? 1 : -1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void census_sort(struct census_table *t)
{
	if (t->nr)
		qsort(t->rows, t->nr, sizeof(*t->rows), by_bytes);
	map64_clear(&t->at); /* places have changed; nothing more is added */
}
