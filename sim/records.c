// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/grow.h"

#define SERIAL_FLIGHT 1 /* regions have larger ones */
#define SERIAL_GROWN  2
#define SERIAL_STRAY  3

static uint32_t sample_rate(const struct machine *m)
{
	return m->plan.sample_rate ? m->plan.sample_rate : 1;
}

/* ---- life ----------------------------------------------------------------------------- */

static int list_modules(struct machine *m)
{
	char text[MACHINE_SITES * 64] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < m->plan.nr_sites; i++)
		if (m->site[i].path.blame.kind == BLAME_MODULE)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "%s 16384 1 - Live 0x0\n", m->names[i]);
	return modgraph_parse(text, &m->records.modules);
}

int records_init(struct machine *m)
{
	struct records *r = &m->records;

	for (uint32_t i = 0; i < m->plan.nr_sites; i++)
		r->sites[i] = &m->site[i].path;
	r->snapshot = (struct snapshot){.sites = r->sites,
					.nr_sites = m->plan.nr_sites,
					.modules = &r->modules,
					.sample_rate = sample_rate(m),
					.base_page = MACHINE_PAGE};
	for (uint32_t i = 0; i < m->plan.nr_sites; i++)
		if (map64_put(&r->snapshot.site_at, m->site[i].path.key, i))
			return -ENOMEM;
	return list_modules(m);
}

void records_free(struct machine *m)
{
	struct snapshot *s = &m->records.snapshot;

	modgraph_free(&m->records.modules);
	map64_free(&s->owner_at);
	map64_free(&s->site_at);
	map64_free(&s->failure_at);
	free(s->pages);
	free(s->owners);
	free(s->failures);
}

/* ---- owners --------------------------------------------------------------------------- */

static uint16_t mode_of(enum identity id)
{
	static const uint16_t modes[] = {
		[ID_DEVICE] = S_IFCHR | 0600, [ID_RING] = 0600,		  [ID_SOCKET] = S_IFSOCK,
		[ID_FILE] = S_IFREG | 0600,   [ID_VFIO] = S_IFCHR | 0600,
	};

	return modes[id];
}

static uint64_t owner_key(const struct site *s, const struct holder *h)
{
	return (s->path.key << 32) + h->id;
}

/* A process is seen gone at the first look after its end. */
static uint64_t seen_gone(const struct machine *m, uint64_t end_ns)
{
	uint64_t ago = (m->now_ns - end_ns) / MACHINE_STEP * MACHINE_STEP;

	return m->now_ns - ago;
}

/* As next_page(): room that is used again. */
static struct snap_owner *next_owner(struct machine *m)
{
	struct snapshot *snap = &m->records.snapshot;
	size_t room = m->records.room_owners;

	if (grow((void **)&snap->owners, &m->records.room_owners, snap->nr_owners,
		 sizeof(*snap->owners)))
		return NULL;
	for (size_t i = room; i < m->records.room_owners; i++)
		snap->owners[i] = (struct snap_owner){.owner.comm = "worker"};
	return &snap->owners[snap->nr_owners];
}

static int add_owner(struct machine *m, const struct site *s, const struct holder *h)
{
	struct snapshot *snap = &m->records.snapshot;
	bool ended = h->end_ns && h->end_ns <= m->now_ns;
	bool gone = ended && !s->habit.survives;
	struct snap_owner *o = next_owner(m);

	if (!o)
		return -ENOMEM;
	o->key = o->owner.file_id = owner_key(s, h);
	o->owner.site = s->path.key;
	o->owner.start_ns = o->owner.first_ns = h->born_ns;
	o->owner.last_ns = ended ? h->end_ns : m->now_ns;
	o->owner.tgid = (uint32_t)(1000 + h->id % 4000000);
	o->owner.mode = mode_of(s->habit.identity);
	strcpy(o->node, s->habit.identity == ID_VFIO ? "vfio/vfio" : "");
	o->file_end_ns = ended ? h->end_ns : 0;
	o->dead_ns = gone ? seen_gone(m, h->end_ns) : 0;
	return map64_put(&snap->owner_at, o->key, (uint32_t)snap->nr_owners++);
}

/* ---- folios --------------------------------------------------------------------------- */

/* Pins that one call, or many, took of folios that nobody else pinned. */
struct batch {
	uint64_t owner;
	uint64_t serial;
	uint64_t first_ns;
	uint64_t call;
	uint64_t pins;
	uint64_t before; /* the owner who had pinned the same folios; 0: nobody */
	bool bad;
};

/* A process that has come and gone since tracking began; NULL: there is none. */
static const struct holder *former(const struct machine *m, const struct site *s)
{
	const struct holder *last = NULL;

	for (uint32_t i = 0; i < SITE_HOLDERS; i++) {
		const struct holder *h = &s->holders[i];

		if (h->end_ns && h->end_ns <= m->now_ns && h->born_ns > m->since_ns &&
		    (!last || h->end_ns > last->end_ns))
			last = h;
	}
	return last;
}

/*
 * Room for a folio, at the end of the list: cleared when it is new and then used again and again.
 * What a folio of ours does not have stays zero, and of its slots the first nr_slots count.
 */
static struct snap_page *next_page(struct machine *m)
{
	struct snapshot *snap = &m->records.snapshot;
	size_t room = m->records.room_pages;

	if (grow((void **)&snap->pages, &m->records.room_pages, snap->nr_pages,
		 sizeof(*snap->pages)))
		return NULL;
	if (room < m->records.room_pages)
		memset(&snap->pages[room], 0,
		       (m->records.room_pages - room) * sizeof(*snap->pages));
	return &snap->pages[snap->nr_pages++];
}

static void fill_slot(const struct batch *b, uint32_t pins, struct pl_slot *slot)
{
	bool apart = b->bad && !b->call; /* the calls that failed are not known one by one */

	slot->owner = b->owner;
	slot->call = b->call;
	slot->refs = pins;
	slot->refs_call = apart ? 0 : pins;
	slot->refs_bad = apart ? pins : 0;
}

static int add_folio(struct machine *m, const struct batch *b, uint64_t folio, uint32_t order)
{
	struct snap_page *page = next_page(m);
	uint32_t pins = UINT32_C(1) << order;
	struct pl_page *p;

	if (!page)
		return -ENOMEM;
	p = &page->page;
	p->folio = page->folio = folio;
	p->first_ns = p->last_ns = b->first_ns;
	p->pins = pins;
	p->nr_slots = b->before ? 2 : 1;
	p->order = (uint8_t)order;
	p->memory = PL_MEM_ANON;
	p->whole = m->level == LEVEL_DEEP && b->first_ns > m->level_ns;
	p->held = p->whole ? pins : 0;
	fill_slot(b, pins, &p->slot[0]);
	if (b->before) {
		p->slot[1].owner = b->before;
		p->slot[1].refs = p->slot[1].refs_call = pins;
	}
	return 0;
}

/* Of so many pages, each a folio, those that are chosen by a hash of what they are. */
static int add_chosen(struct machine *m, const struct batch *b)
{
	uint64_t seed = (b->owner & ~0xffffffffULL) + (b->serial << 24);
	int err = 0;

	for (uint64_t i = 0; i < b->pins && !err; i++) {
		uint64_t folio = (seed + i) * 0x9E3779B97F4A7C15;

		if (!(folio >> 40 & (sample_rate(m) - 1)))
			err = add_folio(m, b, folio, 0);
	}
	return err;
}

/* The pins as folios of powers of two, as far as each is recorded. */
static int add_folios(struct machine *m, const struct batch *b)
{
	uint64_t folio = (b->owner & ~0xffffffffULL) + (b->serial << 8);
	int err = 0;

	if (sample_rate(m) > 1)
		return add_chosen(m, b);
	for (uint32_t left = (uint32_t)b->pins; left && !err; left &= left - 1) {
		uint32_t order = (uint32_t)__builtin_ctz(left);

		err = add_folio(m, b, folio + order, order);
	}
	return err;
}

static int add_failure(struct machine *m, const struct region *r)
{
	struct snapshot *snap = &m->records.snapshot;
	int err = grow((void **)&snap->failures, &m->records.room_failures, snap->nr_failures,
		       sizeof(*snap->failures));

	if (err)
		return err;
	snap->failures[snap->nr_failures] =
		(struct snap_failure){.call = r->call, .failure = {.ns = r->born_ns, .ret = -EIO}};
	return map64_put(&snap->failure_at, r->call, (uint32_t)snap->nr_failures++);
}

static int add_region(struct machine *m, const struct site *s, const struct region *r)
{
	struct batch b = {.owner = owner_key(s, &s->holders[r->holder]),
			  .serial = r->serial,
			  .first_ns = r->born_ns,
			  .call = r->call,
			  .pins = r->pins,
			  .bad = r->bad};
	int err;

	if (r->born_ns <= m->since_ns)
		return 0;
	err = add_folios(m, &b);
	return err || !r->call ? err : add_failure(m, r);
}

/*
 * What no hook saw taken has no record; but for a folio that somebody else had pinned before:
 * then it looks as if he had never released it.
 */
static int add_stray(struct machine *m, const struct site *s)
{
	const struct holder *h = s->lost ? former(m, s) : NULL;
	struct batch b = {.serial = SERIAL_STRAY, .pins = (uint64_t)s->lost};

	if (!h)
		return 0;
	b.first_ns = h->born_ns;
	b.owner = owner_key(s, h);
	return add_folios(m, &b);
}

static int add_running(struct machine *m, const struct site *s)
{
	struct batch b = {.owner = owner_key(s, &s->holders[s->current])};
	const struct holder *h = s->habit.shared ? former(m, s) : NULL;
	int err;

	if (m->now_ns == m->since_ns)
		return 0;
	b.first_ns = m->now_ns - 1;
	b.serial = SERIAL_FLIGHT;
	b.pins = (uint64_t)(s->inflight - s->lost);
	b.before = h ? owner_key(s, h) : 0;
	err = add_folios(m, &b);
	b.before = 0;
	if (err)
		return err;
	b.serial = SERIAL_GROWN;
	b.pins = (uint64_t)(s->grown - s->grown_before);
	b.first_ns = m->since_ns + 1;
	return add_folios(m, &b);
}

static int add_site(struct machine *m, const struct site *s)
{
	int err = add_running(m, s);

	for (uint32_t i = 0; i < s->nr_regions && !err; i++)
		err = add_region(m, s, &s->regions[i]);
	if (!err)
		err = add_stray(m, s);
	for (uint32_t i = 0; i < SITE_HOLDERS && !err; i++)
		if (s->holders[i].id &&
		    (s->holders[i].regions || i == s->current || s->lost || s->habit.shared))
			err = add_owner(m, s, &s->holders[i]);
	return err;
}

/* ---- the books ------------------------------------------------------------------------ */

static void count_seen(const struct machine *m, struct snapshot *s)
{
	int64_t seen = m->acquired - m->base_acquired - m->lost;

	memset(s->stats, 0, sizeof(s->stats));
	s->stats[m->level == LEVEL_DEEP ? PL_SEEN_ACQUIRED : PL_SEEN_API] = (uint64_t)seen;
	s->missed_runs = m->level == LEVEL_DEEP ? (uint64_t)m->lost : 0;
}

int records_draw(struct machine *m)
{
	struct snapshot *s = &m->records.snapshot;
	int err = 0;

	s->now_ns = m->now_ns;
	s->nr_pages = s->nr_owners = s->nr_failures = 0;
	map64_clear(&s->owner_at);
	map64_clear(&s->failure_at);
	for (uint32_t i = 0; i < m->plan.nr_sites && !err; i++)
		err = add_site(m, &m->site[i]);
	count_seen(m, s);
	return err;
}

void records_balance(const struct machine *m, struct balance *out)
{
	bool deep = m->level == LEVEL_DEEP;
	int64_t acquired = m->acquired - m->base_acquired;
	int64_t released = m->acquired - m->outstanding - m->base_released;

	*out = (struct balance){.counted_acquired = acquired,
				.counted_released = released,
				.seen_acquired = acquired - m->lost,
				.seen_released = deep ? released : 0,
				.unseen = m->lost,
				.unseen_calls = m->lost_light + m->lost,
				.exact = deep};
}
