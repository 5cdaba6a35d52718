// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* ---- random numbers ------------------------------------------------------------------- */

uint32_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)(z >> 32);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((uint64_t)rng_next(r) * n) >> 32);
}

bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

void rng_bytes(struct rng *r, void *out, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)out)[i] = (unsigned char)rng_next(r);
}

static uint64_t from_environment(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : usual;
}

uint64_t random_seed(void)
{
	return from_environment("PINLEAK_SEED", 729);
}

uint64_t random_cases(uint64_t usual)
{
	return from_environment("PINLEAK_CASES", RUNNING_ON_VALGRIND ? usual / 100 : usual);
}

/* ---- books ---------------------------------------------------------------------------- */

struct books *books_create(void)
{
	struct books *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->s = (struct snapshot){.now_ns = BOOKS_NOW,
				 .pages = b->pages,
				 .owners = b->owners,
				 .sites = b->sites,
				 .failures = b->failures,
				 .unloads = b->unloads,
				 .wrongs = b->wrongs,
				 .refusals = b->refusals,
				 .modules = &b->modules,
				 .sample_rate = 1,
				 .base_page = 4096};
	return b;
}

void books_destroy(struct books *b)
{
	if (!b)
		return;
	modgraph_free(&b->modules);
	map64_free(&b->s.owner_at);
	map64_free(&b->s.site_at);
	map64_free(&b->s.failure_at);
	free(b);
}

void books_modules(struct books *b, const char *text)
{
	modgraph_free(&b->modules);
	assert_int_equal(modgraph_parse(text, &b->modules), 0);
}

static void put(struct map64 *m, uint64_t key, size_t at)
{
	assert_int_equal(map64_put(m, key, (uint32_t)at), 0);
}

struct snap_site *books_site(struct books *b, enum blame_kind kind, const char *driver)
{
	size_t at = b->s.nr_sites++;
	struct snap_site *site = &b->site_room[at];

	assert_true(at < BOOKS_SITES);
	site->key = 0x5170000 + at;
	site->blame.kind = kind;
	site->blame.direct = kind == BLAME_MODULE;
	snprintf(site->blame.driver, sizeof(site->blame.driver), "%s", driver);
	b->sites[at] = site;
	put(&b->s.site_at, site->key, at);
	return site;
}

struct snap_owner *books_worker(struct books *b, const struct snap_site *site)
{
	size_t at = b->s.nr_owners++;
	struct snap_owner *o = &b->owners[at];

	assert_true(at < BOOKS_OWNERS);
	o->key = 0x0e0000 + at;
	o->owner.site = site->key;
	o->owner.tgid = (uint32_t)(100 + at);
	o->owner.first_ns = o->owner.last_ns = b->s.now_ns - SEC(100);
	o->owner.worker = 1;
	put(&b->s.owner_at, o->key, at);
	return o;
}

struct snap_owner *books_owner(struct books *b, const struct snap_site *site)
{
	struct snap_owner *o = books_worker(b, site);

	o->owner.worker = 0;
	o->owner.file_id = o->key;
	o->owner.mode = S_IFCHR | 0600;
	return o;
}

void owner_closed(const struct books *b, struct snap_owner *o, uint64_t ns_ago)
{
	o->file_end_ns = b->s.now_ns - ns_ago;
}

void owner_died(const struct books *b, struct snap_owner *o, uint64_t ns_ago)
{
	o->dead_ns = b->s.now_ns - ns_ago;
}

struct pl_page *books_folio(struct books *b, uint32_t pins)
{
	size_t at = b->s.nr_pages++;
	struct pl_page *p = &b->pages[at].page;

	assert_true(at < BOOKS_PAGES);
	b->pages[at].folio = 0xffffea0000000000 + at * 64;
	p->first_ns = p->last_ns = b->s.now_ns - SEC(100);
	p->pins = pins;
	p->memory = PL_MEM_ANON;
	return p;
}

struct pl_slot *folio_claim(struct pl_page *p, const struct snap_owner *o, uint32_t refs)
{
	struct pl_slot *slot = &p->slot[p->nr_slots++];

	assert_true(p->nr_slots <= PL_SLOTS);
	slot->owner = o->key;
	slot->refs = slot->refs_call = refs;
	return slot;
}

void folio_release(struct pl_page *p, const struct snap_site *site, uint32_t refs)
{
	assert_true(p->nr_rels < PL_RELS);
	p->rel[p->nr_rels++] = (struct pl_release){.site = site->key, .refs = refs};
}

struct pl_page *books_pin(struct books *b, const struct snap_owner *o, uint32_t pins)
{
	struct pl_page *p = books_folio(b, pins);

	folio_claim(p, o, pins);
	return p;
}

struct pl_wrong *books_wrong(struct books *b, enum pl_wrong_kind kind, const struct snap_site *site,
			     uint32_t refs)
{
	struct snap_wrong *w = &b->wrongs[b->s.nr_wrongs++];

	assert_true(b->s.nr_wrongs <= BOOKS_WRONGS);
	w->wrong = (struct pl_wrong){.kind = (uint8_t)kind,
				     .site = site->key,
				     .refs = refs,
				     .each = refs};
	w->by.owner.tgid = 77;
	return &w->wrong;
}

void wrong_claim(struct pl_wrong *w, const struct snap_site *site, uint32_t refs)
{
	assert_true(w->nr_claims < PL_SLOTS);
	w->claim[w->nr_claims++] = (struct pl_wrong_claim){.site = site->key, .refs = refs};
}

void wrong_release(struct pl_wrong *w, const struct snap_site *site, uint32_t refs)
{
	assert_true(w->nr_rels < PL_RELS);
	w->rel[w->nr_rels++] = (struct pl_release){.site = site->key, .sole = refs};
}

void books_failure(struct books *b, uint64_t call, uint64_t ns_ago)
{
	size_t at = b->s.nr_failures++;

	assert_true(at < BOOKS_FAILURES);
	b->failures[at] = (struct snap_failure){.call = call,
						.failure = {.ns = b->s.now_ns - ns_ago, .ret = -5}};
	put(&b->s.failure_at, call, at);
}

struct pl_refusal *books_refusal(struct books *b, const struct snap_owner *o, int error,
				 uint64_t taken)
{
	struct snap_refusal *r = &b->refusals[b->s.nr_refusals++];

	assert_true(b->s.nr_refusals <= BOOKS_REFUSALS);
	*r = (struct snap_refusal){.by = *o};
	r->refusal = (struct pl_refusal){
		.count = 1, .error = error, .taken = taken, .memlock = 8 << 20, .owner = o->owner};
	return &r->refusal;
}

void books_unload(struct books *b, const char *module, uint64_t ns_ago)
{
	size_t at = b->s.nr_unloads++;

	assert_true(at < BOOKS_UNLOADS);
	snprintf(b->unloads[at].module, sizeof(b->unloads[at].module), "%s", module);
	b->unloads[at].unload.ns = b->s.now_ns - ns_ago;
}

static void drop_key(struct map64 *m, uint64_t lost, const uint64_t *keys, size_t nr)
{
	map64_clear(m);
	for (size_t i = 0; i < nr; i++)
		if (keys[i] != lost)
			put(m, keys[i], i);
}

void books_lose_owner(struct books *b, const struct snap_owner *o)
{
	uint64_t keys[BOOKS_OWNERS];

	for (size_t i = 0; i < b->s.nr_owners; i++)
		keys[i] = b->owners[i].key;
	drop_key(&b->s.owner_at, o->key, keys, b->s.nr_owners);
}

void books_lose_site(struct books *b, const struct snap_site *site)
{
	uint64_t keys[BOOKS_SITES];

	for (size_t i = 0; i < b->s.nr_sites; i++)
		keys[i] = b->sites[i]->key;
	drop_key(&b->s.site_at, site->key, keys, b->s.nr_sites);
}
