// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "verify.h"

#include <errno.h>
#include <time.h>

#include "../bpf/census.h"
#include "tracked.h"

/* The sweep of the other process must have been there: it runs at its interval. */
static const struct timespec pause_between = {.tv_sec = 2, .tv_nsec = 500000000};

static const struct folio *read_folio(struct scan *scan, uint64_t addr, struct folio *room)
{
	uint64_t pfn = (addr - scan->memory->vmemmap) / PL_STRUCT_PAGE;

	return scan_one(scan, pfn, room) ? NULL : room;
}

/*
 * How a record disagrees, 0 if it does not, and when it was last used: a folio that is pinned and
 * released all the time is not what the record says of it by the time it is read.
 */
static uint32_t oddness(const struct pl_page *p, const struct folio *now)
{
	enum agree a = agree_record(p, now);

	return a == AGREE ? 0 : (uint32_t)(p->last_ns >> 10 << 2) | a;
}

/* Folios that disagree, and how, into *odd. */
static int find_odd(struct scan *scan, const struct tracked *t, struct map64 *odd)
{
	struct folio room;
	int err = 0;

	for (size_t i = 0; i < t->s->nr_pages && !err; i++) {
		const struct snap_page *p = &t->s->pages[i];
		uint32_t how = oddness(&p->page, read_folio(scan, p->folio, &room));

		if (how)
			err = map64_put(odd, p->folio, how);
	}
	return err;
}

/* Of the odd ones: those that still are, in the same way. */
static void count_odd(struct scan *scan, const struct tracked *t, const struct map64 *odd,
		      struct agreement *out)
{
	struct folio room;

	out->records = t->s->nr_pages;
	for (size_t i = 0; i < t->s->nr_pages; i++) {
		const struct snap_page *p = &t->s->pages[i];
		const struct folio *now;
		uint32_t before;

		if (!map64_get(odd, p->folio, &before))
			continue;
		now = read_folio(scan, p->folio, &room);
		if (oddness(&p->page, now) != before)
			continue;
		out->no_pin += agree_record(&p->page, now) == AGREE_NO_PIN;
		out->unattributed += agree_unattributed(&p->page, now);
	}
}

int verify_running(struct scan *scan, struct agreement *out)
{
	struct map64 odd = {0};
	struct tracked t;
	int err = tracked_open(&t);

	*out = (struct agreement){0};
	if (!err)
		err = find_odd(scan, &t, &odd);
	tracked_close(&t);
	if (err)
		goto out;
	nanosleep(&pause_between, NULL);
	err = tracked_open(&t);
	if (!err) {
		out->pid = t.books.watcher;
		count_odd(scan, &t, &odd, out);
	}
	tracked_close(&t);
out:
	map64_free(&odd);
	return err;
}
