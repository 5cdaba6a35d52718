// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "lookout.h"

#include <errno.h>
#include <unistd.h>

#include "../bpf/census.h"
#include "clock.h"
#include "drain.h"
#include "holders.h"
#include "scan.h"

/* A pair of looks, or a listing, is followed by so many times its length. */
#define COST_SHARE 9
/* A listing, when it only has to be seen whether a queue still holds them. */
#define CALM_SHARE 99

void lookout_close(struct lookout *l)
{
	census_free(&l->seen);
	map64_free(&l->known);
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
	int err = list->nr ? holders_read(scan->memory, false, &holders) : 0;

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
	uint64_t began = clock_now_ns();
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
	l->cost_ns = (*done ? l->cost_ns : 0) + clock_now_ns() - began;
	l->first_ns = *done || err ? 0 : now_ns;
	if (*done || err)
		l->last_ns = now_ns;
	return err;
}

/* ---- folios of a snapshot --------------------------------------------------------------- */

/*
 * A folio that is moved from pipe to pipe may be missed by one listing of them. What has not been
 * found in two, and was referenced at every look since the first, is in none.
 */
#define LISTINGS 2

static bool has_failed(const struct snapshot *s, const struct pl_slot *slot)
{
	uint32_t at;

	return slot->refs_bad ||
	       (slot->call && (map64_get(&s->failure_at, slot->call, &at) ||
			       map64_get(&s->failure_at, slot->call & ~0xffffULL, &at)));
}

/* Could it be proof of a leak, as far as its claims go? */
static bool may_be_proof(const struct snapshot *s, const struct pl_page *p)
{
	uint32_t at;

	if (s->nr_unloads)
		return true;
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++)
		if (has_failed(s, &p->slot[i]) ||
		    (map64_get(&s->owner_at, p->slot[i].owner, &at) &&
		     (s->owners[at].file_end_ns || s->owners[at].dead_ns)))
			return true;
	return false;
}

/* What is known of a folio: in how many listings it was not found; it was in the last one. */
#define KNOWN_QUEUED 3
#define KNOWN_BITS   3

/* And of which life of the folio that is: it may be freed and come back. */
static uint32_t life(const struct pl_page *p)
{
	return (uint32_t)(p->first_ns >> 16) & ~(uint32_t)KNOWN_BITS;
}

static uint32_t known_of(const struct lookout *l, const struct snap_page *p)
{
	uint32_t known;

	if (!map64_get(&l->known, p->folio, &known) ||
	    (known & ~(uint32_t)KNOWN_BITS) != life(&p->page))
		return 0;
	return known & KNOWN_BITS;
}

static int now_known(struct map64 *to, const struct lookout *l, const struct snap_page *p,
		     const struct holders *h)
{
	uint32_t known = known_of(l, p), refs;
	bool all = holders_explains(h, p->folio, &refs);

	if (refs)
		known = KNOWN_QUEUED;
	else if (!all || known == KNOWN_QUEUED)
		known = 0;
	else
		known += known < LISTINGS;
	return map64_put(to, p->folio, life(&p->page) | known);
}

static int know_all(struct lookout *l, const struct snapshot *s, const struct holders *h)
{
	struct map64 now = {0};
	int err = 0;

	for (size_t i = 0; i < s->nr_pages && !err; i++)
		if (s->pages[i].page.pins && may_be_proof(s, &s->pages[i].page))
			err = now_known(&now, l, &s->pages[i], h);
	map64_free(&l->known);
	l->known = now;
	return err;
}

static int list_queues(struct lookout *l, const struct snapshot *s)
{
	struct memory memory;
	struct holders holders;
	int err = memory_open(&memory);

	if (!err)
		err = drain_lru();
	if (!err) {
		err = holders_read(&memory, false, &holders);
		if (!err)
			err = know_all(l, s, &holders);
		holders_close(&holders);
	}
	memory_close(&memory);
	return err;
}

/* Nobody referenced it any more in between: what was known is no longer so. */
static int forget_if_free(struct lookout *l, const struct snap_page *p)
{
	if (p->page.pins || !known_of(l, p))
		return 0;
	return map64_put(&l->known, p->folio, life(&p->page));
}

static enum snap_queued queued(const struct lookout *l, const struct snapshot *s,
			       const struct snap_page *p)
{
	uint32_t known = known_of(l, p);

	if (!p->page.pins || known == LISTINGS || !may_be_proof(s, &p->page))
		return SNAP_QUEUED_NO;
	return known == KNOWN_QUEUED ? SNAP_QUEUED_YES : SNAP_QUEUED_UNKNOWN;
}

int lookout_clear(struct lookout *l, const struct snapshot *s)
{
	enum snap_queued most = SNAP_QUEUED_NO;
	uint64_t began = clock_now_ns(), share;
	int err = 0;

	for (size_t i = 0; i < s->nr_pages && !err; i++) {
		enum snap_queued q = queued(l, s, &s->pages[i]);

		most = q > most ? q : most;
		err = forget_if_free(l, &s->pages[i]);
	}
	share = most == SNAP_QUEUED_UNKNOWN ? COST_SHARE : CALM_SHARE;
	if (!err && most && began >= l->listed_ns + share * l->list_cost_ns) {
		err = list_queues(l, s);
		l->listed_ns = clock_now_ns();
		l->list_cost_ns = l->listed_ns - began;
	}
	for (size_t i = 0; i < s->nr_pages; i++)
		s->pages[i].queued = queued(l, s, &s->pages[i]);
	return err == -ENOMEM ? err : 0; /* what could not be looked at stays an open question */
}
