// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scan.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/census.h"
#include "blocks.h"
#include "btfq.h"
#include "census.skel.h"

#define BIAS_BITS 10 /* GUP_PIN_COUNTING_BIAS is 1 << 10 in every version */

/* ---- what the layout of the running kernel is ------------------------------------------- */

static bool member(const struct scan *s, const char *name, uint32_t *out)
{
	int at = btfq_offset(s->memory->btf, "folio", name);

	*out = (uint32_t)at;
	return at >= 0 && at + 4 <= 2 * PL_STRUCT_PAGE;
}

/* How a hugetlb folio is told: newest kernel first. */
static void read_hugetlb(struct scan *s)
{
	const struct btf *btf = s->memory->btf;
	int type = btfq_offset(btf, "page", "page_type");

	if (btfq_enumerator(btf, "PGTY_hugetlb", &s->hugetlb_type)) { /* 6.12 */
		s->has_type = type >= 0;
		s->page_type = (uint32_t)type;
	} else if (btfq_enumerator(btf, "HUGETLB_PAGE_DTOR", &s->hugetlb_type)) {
		s->has_dtor = member(s, "_folio_dtor", &s->hugetlb_dtor);
	}
}

int scan_open(struct scan *s, struct memory *m)
{
	*s = (struct scan){.memory = m};
	if (!btfq_places(m->btf, &s->places) || !member(s, "index", &s->index) ||
	    !btfq_bit(m->btf, "PG_swapbacked", &s->swapbacked_bit))
		return memory_fail(m, -ENOTSUP, "the BTF does not describe struct folio");
	s->has_memcg = member(s, "memcg_data", &s->memcg);
	s->has_large_mapcount = member(s, "_large_mapcount", &s->large_mapcount); /* 6.10 */
	read_hugetlb(s);
	return 0;
}

/* ---- taking a folio apart --------------------------------------------------------------- */

static uint64_t word(const struct pl_found *f, uint32_t at)
{
	uint64_t v;

	memcpy(&v, f->pages + at, sizeof(v));
	return v;
}

static int32_t number(const struct pl_found *f, uint32_t at)
{
	int32_t v;

	memcpy(&v, f->pages + at, sizeof(v));
	return v;
}

static bool is_hugetlb(const struct scan *s, const struct pl_found *f)
{
	if (s->has_type)
		return (uint32_t)number(f, s->page_type) >> 24 == s->hugetlb_type;
	return s->has_dtor && f->pages[s->hugetlb_dtor] == s->hugetlb_type;
}

static void decode_large(const struct scan *s, const struct pl_scan_layout *l,
			 const struct pl_found *f, struct folio *out)
{
	out->order = f->pages[l->order];
	out->pins = number(f, l->pincount);
	out->hugetlb = is_hugetlb(s, f);
	out->maps_known = s->has_large_mapcount || out->hugetlb;
	out->maps = number(f, s->has_large_mapcount ? s->large_mapcount : l->entire_mapcount) + 1;
}

/*
 * A page that nobody maps, that belongs to no mapping and was on no list of user pages is the
 * kernel's own. Network drivers keep such pages with tens of thousands of references taken in
 * advance (page_ref_add(page, USHRT_MAX - 1) in igb and others, page_frag_cache): no pins.
 */
static bool is_kernels_own(const struct folio *f)
{
	return !f->maps && !f->mapping && !f->lru && !f->swapbacked;
}

/* Each mapping holds a reference: pins come on top. */
static void decode_small(const struct pl_scan_layout *l, const struct pl_found *f,
			 struct folio *out)
{
	out->maps_known = true;
	out->maps = number(f, l->mapcount) + 1;
	if (out->maps < 0)
		out->maps = 0; /* a page type, not a count */
	out->pins = (out->refs - out->maps) >> BIAS_BITS;
	if (out->pins > 0 && is_kernels_own(out))
		out->pins = 0;
}

static void decode_flags(const struct scan *s, const struct pl_scan_layout *l, uint64_t flags,
			 struct folio *out)
{
	const struct btfq_places *p = &s->places;

	out->node = (uint16_t)(flags >> p->node_shift & ((1ULL << p->node_bits) - 1));
	out->zone = (uint8_t)(flags >> p->zone_shift & ((1ULL << p->zone_bits) - 1));
	out->lru = flags >> l->lru_bit & 1;
	out->swapbacked = flags >> s->swapbacked_bit & 1;
	out->swapcache = flags >> l->swapcache_bit & 1 && out->swapbacked;
}

static void decode(const struct scan *s, const struct pl_found *f, struct folio *out)
{
	const struct pl_scan_layout *l =
		(const struct pl_scan_layout *)&s->memory->skel->rodata->layout;
	uint64_t flags = word(f, l->flags), mapping = word(f, l->mapping);

	*out = (struct folio){.pfn = f->pfn,
			      .addr = s->memory->vmemmap + f->pfn * PL_STRUCT_PAGE,
			      .mapping = mapping & ~3ULL,
			      .index = word(f, s->index),
			      .anon = mapping & 1,
			      .ksm = (mapping & 3) == 3,
			      .refs = number(f, l->refcount)};
	decode_flags(s, l, flags, out);
	if (s->has_memcg && !(word(f, s->memcg) & 3)) /* else not of a user's page */
		out->memcg = word(f, s->memcg);
	if (flags >> l->head_bit & 1)
		decode_large(s, l, f, out);
	else
		decode_small(l, f, out);
}

/* ---- the walk --------------------------------------------------------------------------- */

static int walk_some(struct scan *s, struct pl_scan *arg)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arg, .ctx_size_in = sizeof(*arg));

	arg->found = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(s->memory->skel->progs.scan), &opts))
		return memory_fail(s->memory, -errno, "the page structures cannot be read: %s",
				   strerror(errno));
	return 0;
}

static int show_found(struct scan *s, uint32_t n, const struct scan_visitor *v)
{
	const struct pl_found *found = s->memory->skel->bss->found;
	struct folio folio;
	int err = 0;

	for (uint32_t i = 0; i < n && i < PL_FOUND && !err; i++) {
		decode(s, &found[i], &folio);
		err = v->each(v->ctx, &folio);
	}
	return err;
}

/* From where the last walk stopped to the page frame `end`. */
static int walk_to(struct scan *s, struct pl_scan *arg, uint64_t end, const struct scan_visitor *v)
{
	int err = 0;

	arg->end = end;
	while (!err && arg->next < end) {
		err = walk_some(s, arg);
		if (!err)
			err = show_found(s, arg->found, v);
		if (!err && v->progress)
			err = v->progress(v->ctx, arg->next, s->memory->max_pfn);
	}
	return err;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* All of the machine but what is offline. */
static int walk(struct scan *s, struct pl_scan *arg, const struct blocks *blocks,
		const struct scan_visitor *v)
{
	uint64_t all = s->memory->max_pfn;
	int err = 0;

	for (size_t i = 0; i < blocks->nr && !err; i++) {
		uint64_t end = lower(blocks->offline[i].end, all);

		err = walk_to(s, arg, lower(blocks->offline[i].start, all), v);
		if (err || arg->next >= end)
			continue;
		arg->holes += end - arg->next;
		arg->next = end;
	}
	return err ? err : walk_to(s, arg, all, v);
}

int scan_run(struct scan *s, uint32_t why, const struct scan_visitor *v)
{
	struct pl_scan arg = {.vmemmap = s->memory->vmemmap, .why = why};
	struct blocks blocks;
	int err = blocks_read(&blocks);

	if (!err)
		err = walk(s, &arg, &blocks, v);
	blocks_free(&blocks);
	s->holes = arg.holes;
	s->looked = arg.next - arg.holes;
	return err;
}

int scan_one(struct scan *s, uint64_t pfn, struct folio *out)
{
	struct pl_found f = {.pfn = pfn};
	int err = memory_read(s->memory, s->memory->vmemmap + pfn * PL_STRUCT_PAGE, f.pages,
			      sizeof(f.pages));

	if (err)
		return err;
	if (word(&f, s->memory->skel->rodata->layout.compound_head) & 1)
		return -ENOENT;
	decode(s, &f, out);
	return out->refs ? 0 : -ENOENT;
}
