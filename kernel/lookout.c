// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "lookout.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/census.h"
#include "drain.h"
#include "holders.h"
#include "scan.h"

#define COST_SHARE 9		 /* a pair of looks is followed by so many times its length */
#define CLEAR_NS   5000000000ULL /* between two listings of all pipes and sockets */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void lookout_close(struct lookout *l)
{
	census_free(&l->seen);
	map64_free(&l->cleared);
	*l = (struct lookout){0};
}

/* ---- looking at all pages --------------------------------------------------------------- */

bool lookout_is_due(const struct lookout *l, uint64_t now_ns, uint64_t every_ns, uint64_t grace_ns)
{
	uint64_t pause = l->cost_ns * COST_SHARE > every_ns ? l->cost_ns * COST_SHARE : every_ns;

	if (l->first_ns)
		return now_ns >= l->first_ns + grace_ns;
	return !l->last_ns || now_ns >= l->last_ns + pause;
}

static int note(void *ctx, const struct folio *f)
{
	struct census *c = ctx;
	struct census_entry e = {.folio = f};

	return f->pins ? 0 : census_add(c, &e);
}

static int look_first(struct lookout *l, struct scan *scan)
{
	struct scan_visitor visitor = {.ctx = &l->seen, .each = note};

	census_free(&l->seen);
	l->seen.base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	return scan_run(scan, PL_FOUND_UNMAPPED, &visitor);
}

static int look_again(struct lookout *l, struct scan *scan, uint64_t *folios)
{
	const struct census_suspects *list = &l->seen.plain;
	struct holders holders;
	struct folio room;
	int err = list->nr ? holders_read(scan->memory, &holders) : 0;

	*folios = 0;
	for (size_t i = 0; i < list->nr && !err; i++) {
		const struct folio *f = scan_one(scan, list->list[i].pfn, &room) ? NULL : &room;
		uint32_t refs;

		if (!census_still_referenced(&list->list[i], f))
			continue;
		holders_explains(&holders, f->addr, &refs);
		*folios += !refs;
	}
	if (list->nr)
		holders_close(&holders);
	return err;
}

int lookout_look(struct lookout *l, uint64_t now_ns, bool *done, uint64_t *folios)
{
	uint64_t began = now();
	struct memory memory;
	struct scan scan;
	int err = memory_open(&memory);

	if (!err)
		err = scan_open(&scan, &memory);
	if (!err)
		err = drain_lru();
	*done = l->first_ns != 0;
	if (!err)
		err = *done ? look_again(l, &scan, folios) : look_first(l, &scan);
	memory_close(&memory);
	l->cost_ns = (*done ? l->cost_ns : 0) + now() - began;
	l->first_ns = *done || err ? 0 : now_ns;
	if (*done || err)
		l->last_ns = now_ns;
	return err;
}

/* ---- folios of a snapshot --------------------------------------------------------------- */

/* Could it be proof of a leak, as far as its owners go? */
static bool may_be_proof(const struct snapshot *s, const struct pl_page *p)
{
	uint32_t at;

	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++)
		if (map64_get(&s->owner_at, p->slot[i].owner, &at) &&
		    (s->owners[at].file_end_ns || s->owners[at].dead_ns))
			return true;
	return false;
}

/* Which life of the folio it was: it may be freed and come back. */
static uint32_t life(const struct pl_page *p)
{
	return (uint32_t)(p->first_ns >> 16);
}

static bool is_cleared(const struct lookout *l, const struct snap_page *p)
{
	uint32_t of;

	return map64_get(&l->cleared, p->folio, &of) && of == life(&p->page);
}

static int clear_some(struct lookout *l, const struct snapshot *s, const struct holders *h)
{
	int err = 0;

	for (size_t i = 0; i < s->nr_pages && !err; i++) {
		struct snap_page *p = &s->pages[i];
		uint32_t refs;

		if (p->page.pins && may_be_proof(s, &p->page) &&
		    holders_explains(h, p->folio, &refs) && !refs)
			err = map64_put(&l->cleared, p->folio, life(&p->page));
	}
	return err;
}

static int list_and_clear(struct lookout *l, const struct snapshot *s)
{
	struct memory memory;
	struct holders holders;
	int err = memory_open(&memory);

	if (!err)
		err = drain_lru();
	if (!err) {
		err = holders_read(&memory, &holders);
		map64_clear(&l->cleared);
		if (!err)
			err = clear_some(l, s, &holders);
		holders_close(&holders);
	}
	memory_close(&memory);
	return err;
}

static bool is_open_question(const struct lookout *l, const struct snapshot *s,
			     const struct snap_page *p)
{
	return p->page.pins && may_be_proof(s, &p->page) && !is_cleared(l, p);
}

int lookout_clear(struct lookout *l, const struct snapshot *s)
{
	bool wanted = false;
	int err = 0;

	for (size_t i = 0; i < s->nr_pages && !wanted; i++)
		wanted = is_open_question(l, s, &s->pages[i]);
	if (wanted && s->now_ns >= l->cleared_ns + CLEAR_NS) {
		l->cleared_ns = s->now_ns;
		err = list_and_clear(l, s);
	}
	for (size_t i = 0; i < s->nr_pages; i++)
		if (is_open_question(l, s, &s->pages[i]))
			s->pages[i].page.pins = 0;
	return err == -ENOMEM ? err : 0; /* what could not be looked at stays an open question */
}
