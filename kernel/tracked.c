// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "tracked.h"

#include <string.h>

int tracked_open(struct tracked *t)
{
	const struct snapshot *s;
	int err;

	*t = (struct tracked){0};
	err = books_find(&t->books);
	if (!err)
		err = books_read(&t->books, &s);
	for (size_t i = 0; !err && i < s->nr_pages; i++)
		err = map64_put(&t->page_at, s->pages[i].folio, (uint32_t)i);
	if (!err)
		t->s = s;
	return err;
}

void tracked_close(struct tracked *t)
{
	map64_free(&t->page_at);
	books_close(&t->books);
	t->s = NULL;
}

/* The folio's record, or NULL. */
static const struct pl_page *record_of(const struct tracked *t, uint64_t folio)
{
	uint32_t at;

	if (!t->s || !map64_get(&t->page_at, folio, &at))
		return NULL;
	return &t->s->pages[at].page;
}

static uint32_t driver_number(struct tracked *t, const struct blame *b)
{
	for (uint32_t i = 0; i < t->nr_drivers; i++)
		if (t->drivers[i]->kind == b->kind && !strcmp(t->drivers[i]->driver, b->driver))
			return i + TRACKED_FIRST;
	if (t->nr_drivers == TRACKED_DRIVERS)
		return 0;
	t->drivers[t->nr_drivers] = b;
	return t->nr_drivers++ + TRACKED_FIRST;
}

/* The place of the claim's call path among the snapshot's, plus one; 0: lost. */
static uint32_t site_number(const struct tracked *t, const struct pl_slot *slot)
{
	uint32_t owner, site;

	if (!map64_get(&t->s->owner_at, slot->owner, &owner) ||
	    !map64_get(&t->s->site_at, t->s->owners[owner].owner.site, &site))
		return 0;
	return site + 1;
}

/* Could the claim's owner release it still, as far as its file and its process tell? */
static bool lives(const struct tracked *t, const struct pl_slot *slot)
{
	uint32_t at;

	return map64_get(&t->s->owner_at, slot->owner, &at) && !t->s->owners[at].file_end_ns &&
	       !t->s->owners[at].dead_ns;
}

void tracked_describe(struct tracked *t, struct census_entry *e)
{
	const struct pl_page *p = record_of(t, e->folio->addr);

	if (!p || (int64_t)p->base >= e->folio->pins)
		return; /* taken before the tracking */
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		uint32_t site = site_number(t, &p->slot[i]), driver;

		if (!site)
			continue;
		driver = driver_number(t, &t->s->sites[site - 1]->blame);
		e->site = e->driver ? e->site : site;
		if (e->driver && e->driver != driver)
			driver = TRACKED_SEVERAL;
		e->driver = driver;
		e->claimed |= lives(t, &p->slot[i]);
	}
}
