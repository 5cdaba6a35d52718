// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fields.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* ---- the tables ----------------------------------------------------------------------- */

/* Sums and differences of some still fit, and a time with the difference of the clocks. */
#define PINS_MAX  (UINT64_C(1) << 53)
#define TIME_MAX  (UINT64_C(1) << 61)
#define SUM_MAX	  (UINT64_C(1) << 61)
#define REAL_MAX  1000000
#define RATE_MAX  (UINT32_C(1) << 20)
#define PAGE_MAX  (UINT32_C(1) << 20)
#define ORDER_MAX 63 /* the core shifts by it */

#define SIZE(type, member) sizeof(((type *)0)->member)
#define MOST(size)	   (UINT64_MAX >> (64 - 8 * (size)))

#define ONE(type, member, its_kind, its_most)                                                      \
	{                                                                                          \
		.at = offsetof(type, member), .size = SIZE(type, member), .nr = 1,                 \
		.kind = (its_kind), .most = (its_most)                                             \
	}
#define EACH(type, member, its_kind, its_most, its_table)                                          \
	{                                                                                          \
		.at = offsetof(type, member), .size = SIZE(type, member[0]),                       \
		.nr = SIZE(type, member) / SIZE(type, member[0]), .kind = (its_kind),              \
		.most = (its_most), .of = (its_table)                                              \
	}

#define LIMITED(type, member, most) ONE(type, member, FIELD_NUMBER, most)
#define NUMBER(type, member)	    LIMITED(type, member, MOST(SIZE(type, member)))
#define TIME(type, member)	    LIMITED(type, member, TIME_MAX)
#define SUM(type, member)	    LIMITED(type, member, SUM_MAX)
#define BOOL(type, member)	    LIMITED(type, member, true)
#define PINS(type, member)	    ONE(type, member, FIELD_SIGNED, PINS_MAX)
#define SIGNED(type, member)	    ONE(type, member, FIELD_SIGNED, MOST(SIZE(type, member)) / 2)
#define REAL(type, member)	    ONE(type, member, FIELD_REAL, REAL_MAX)
#define TEXT(type, member)	    ONE(type, member, FIELD_TEXT, 0)
#define RAW(type, member)	    ONE(type, member, FIELD_RAW, 0)
#define NUMBERS(type, member, most) EACH(type, member, FIELD_NUMBER, most, NULL)
#define TEXTS(type, member)	    EACH(type, member, FIELD_TEXT, 0, NULL)
#define RECORDS(type, member, its)  EACH(type, member, FIELD_RECORD, 0, its)
#define RECORD(type, member, its)                                                                  \
	{                                                                                          \
		.at = offsetof(type, member), .size = SIZE(type, member), .nr = 1,                 \
		.kind = FIELD_RECORD, .of = (its)                                                  \
	}

#define TABLE(type, its_fields)                                                                    \
	{                                                                                          \
		.size = sizeof(type), .fields = (its_fields),                                      \
		.nr = sizeof(its_fields) / sizeof(*(its_fields))                                   \
	}

static const struct field slot_fields[] = {
	NUMBER(struct pl_slot, owner),	   NUMBER(struct pl_slot, call),
	NUMBER(struct pl_slot, refs),	   NUMBER(struct pl_slot, released),
	NUMBER(struct pl_slot, refs_call), NUMBER(struct pl_slot, refs_bad),
};
static const struct table slot_table = TABLE(struct pl_slot, slot_fields);

static const struct field release_fields[] = {
	NUMBER(struct pl_release, site),
	NUMBER(struct pl_release, refs),
	NUMBER(struct pl_release, sole),
};
static const struct table release_table = TABLE(struct pl_release, release_fields);

static const struct field page_fields[] = {
	NUMBER(struct snap_page, folio),
	LIMITED(struct snap_page, queued, SNAP_QUEUED_UNKNOWN),
	NUMBER(struct snap_page, page.folio),
	NUMBER(struct snap_page, page.first_ns),
	NUMBER(struct snap_page, page.last_ns),
	NUMBER(struct snap_page, page.pins),
	NUMBER(struct snap_page, page.base),
	NUMBER(struct snap_page, page.extra),
	NUMBER(struct snap_page, page.lock),
	LIMITED(struct snap_page, page.nr_slots, PL_SLOTS),
	LIMITED(struct snap_page, page.nr_rels, PL_RELS),
	LIMITED(struct snap_page, page.order, ORDER_MAX),
	NUMBER(struct snap_page, page.dead),
	NUMBER(struct snap_page, page.torn),
	LIMITED(struct snap_page, page.memory, PL_MEM_FILE),
	NUMBER(struct snap_page, page.whole),
	NUMBER(struct snap_page, page.untraced),
	NUMBER(struct snap_page, page.freed),
	NUMBER(struct snap_page, page.zone),
	NUMBER(struct snap_page, page.node),
	LIMITED(struct snap_page, page.thin, PL_THINNEST),
	NUMBER(struct snap_page, page.marked),
	NUMBER(struct snap_page, page.held),
	NUMBER(struct snap_page, page.wrong),
	NUMBER(struct snap_page, page.over),
	RECORDS(struct snap_page, page.slot, &slot_table),
	RECORDS(struct snap_page, page.rel, &release_table),
};
const struct table page_table = TABLE(struct snap_page, page_fields);

static const struct field pl_owner_fields[] = {
	NUMBER(struct pl_owner, site),	   NUMBER(struct pl_owner, file_id),
	NUMBER(struct pl_owner, start_ns), NUMBER(struct pl_owner, first_ns),
	NUMBER(struct pl_owner, last_ns),  SIGNED(struct pl_owner, links),
	NUMBER(struct pl_owner, tgid),	   NUMBER(struct pl_owner, rdev),
	NUMBER(struct pl_owner, mode),	   NUMBER(struct pl_owner, worker),
	NUMBER(struct pl_owner, tree),	   RAW(struct pl_owner, comm),
};
static const struct table pl_owner_table = TABLE(struct pl_owner, pl_owner_fields);

static const struct field owner_fields[] = {
	NUMBER(struct snap_owner, key),		RECORD(struct snap_owner, owner, &pl_owner_table),
	NUMBER(struct snap_owner, file_end_ns), NUMBER(struct snap_owner, dead_ns),
	RAW(struct snap_owner, node),		TEXT(struct snap_owner, node_driver),
};
const struct table owner_table = TABLE(struct snap_owner, owner_fields);

static const struct field site_fields[] = {
	NUMBER(struct site_row, same),
	NUMBER(struct site_row, site.key),
	NUMBER(struct site_row, site.site.first_ns),
	LIMITED(struct site_row, site.site.nr, PL_FRAMES),
	NUMBER(struct site_row, site.site.truncated),
	NUMBERS(struct site_row, site.site.ip, UINT64_MAX),
	TEXTS(struct site_row, site.site.sym),
	LIMITED(struct site_row, site.blame.kind, BLAME_BUILTIN),
	BOOL(struct site_row, site.blame.direct),
	BOOL(struct site_row, site.blame.keeps),
	BOOL(struct site_row, site.blame.guess),
	TEXT(struct site_row, site.blame.driver),
	TEXT(struct site_row, site.blame.via),
	RAW(struct site_row, site.driver.version),
	TEXT(struct site_row, site.driver.srcversion),
	TEXT(struct site_row, site.driver.taint),
	RAW(struct site_row, site.driver.path),
};
const struct table site_table = TABLE(struct site_row, site_fields);

static const struct field failure_fields[] = {
	NUMBER(struct snap_failure, call),
	NUMBER(struct snap_failure, failure.ns),
	SIGNED(struct snap_failure, failure.ret),
};
const struct table failure_table = TABLE(struct snap_failure, failure_fields);

static const struct field unload_fields[] = {
	TEXT(struct snap_unload, module),
	NUMBER(struct snap_unload, unload.ns),
	TEXT(struct snap_unload, unload.srcversion),
};
const struct table unload_table = TABLE(struct snap_unload, unload_fields);

static const struct field claim_fields[] = {
	NUMBER(struct pl_wrong_claim, site),
	NUMBER(struct pl_wrong_claim, refs),
};
static const struct table claim_table = TABLE(struct pl_wrong_claim, claim_fields);

static const struct field wrong_fields[] = {
	NUMBER(struct snap_wrong, wrong.site),
	NUMBER(struct snap_wrong, wrong.folio),
	NUMBER(struct snap_wrong, wrong.first_ns),
	NUMBER(struct snap_wrong, wrong.last_ns),
	NUMBER(struct snap_wrong, wrong.refs),
	NUMBER(struct snap_wrong, wrong.each),
	LIMITED(struct snap_wrong, wrong.kind, PL_WRONG_CLAIMED),
	LIMITED(struct snap_wrong, wrong.nr_claims, PL_SLOTS),
	LIMITED(struct snap_wrong, wrong.nr_rels, PL_RELS),
	RECORDS(struct snap_wrong, wrong.claim, &claim_table),
	RECORDS(struct snap_wrong, wrong.rel, &release_table),
	RECORD(struct snap_wrong, wrong.owner, &pl_owner_table),
	RECORD(struct snap_wrong, by, &owner_table),
};
const struct table wrong_table = TABLE(struct snap_wrong, wrong_fields);

static const struct field refusal_fields[] = {
	NUMBER(struct snap_refusal, refusal.first_ns),
	NUMBER(struct snap_refusal, refusal.last_ns),
	NUMBER(struct snap_refusal, refusal.count),
	SUM(struct snap_refusal, refusal.taken),
	NUMBER(struct snap_refusal, refusal.memlock),
	NUMBER(struct snap_refusal, refusal.pinned),
	NUMBER(struct snap_refusal, refusal.locked),
	NUMBER(struct snap_refusal, refusal.user_locked),
	SIGNED(struct snap_refusal, refusal.error),
	NUMBER(struct snap_refusal, refusal.privileged),
	NUMBER(struct snap_refusal, refusal.option_level),
	RECORD(struct snap_refusal, refusal.owner, &pl_owner_table),
	RECORD(struct snap_refusal, by, &owner_table),
	NUMBER(struct snap_refusal, dma_entries),
};
const struct table refusal_table = TABLE(struct snap_refusal, refusal_fields);

static const struct field module_fields[] = {
	TEXT(struct modgraph_module, name),
	SIGNED(struct modgraph_module, refcount),
	NUMBER(struct modgraph_module, users),
};
const struct table module_table = TABLE(struct modgraph_module, module_fields);

static const struct field snapshot_fields[] = {
	TIME(struct snapshot, now_ns),
	NUMBERS(struct snapshot, stats, SUM_MAX),
	SUM(struct snapshot, missed_runs),
	LIMITED(struct snapshot, sample_rate, RATE_MAX),
	LIMITED(struct snapshot, base_page, PAGE_MAX),
	NUMBER(struct snapshot, movable_zone),
};
const struct table snapshot_table = TABLE(struct snapshot, snapshot_fields);

static const struct field pressure_fields[] = {
	BOOL(struct pressure, counted),	     SUM(struct pressure, compact_stalls),
	SUM(struct pressure, compact_fails), SUM(struct pressure, compact_successes),
	SUM(struct pressure, alloc_stalls),  BOOL(struct pressure, psi),
	NUMBER(struct pressure, some_avg10), NUMBER(struct pressure, full_avg10),
	SUM(struct pressure, some_us),	     SUM(struct pressure, full_us),
	SUM(struct pressure, unevictable),   SUM(struct pressure, cma_total),
	SUM(struct pressure, cma_free),	     SUM(struct pressure, movable),
};
static const struct table pressure_table = TABLE(struct pressure, pressure_fields);

static const struct field sample_fields[] = {
	TIME(struct sample, now_ns),
	PINS(struct sample, acquired),
	PINS(struct sample, released),
	PINS(struct sample, below),
	NUMBER(struct sample, lag),

	SUM(struct sample, memory_total),
	SUM(struct sample, memory_available),
	RECORD(struct sample, pressure, &pressure_table),
	SUM(struct sample, cost.cpu_ms),
	SUM(struct sample, cost.memory),
	SUM(struct sample, cost.programs_ns),
	SUM(struct sample, cost.programs_bytes),
};
static const struct table sample_table = TABLE(struct sample, sample_fields);

static const struct field look_fields[] = {
	RECORD(struct source_look, sample, &sample_table),
	PINS(struct source_look, balance.counted_acquired),
	PINS(struct source_look, balance.counted_released),
	PINS(struct source_look, balance.seen_acquired),
	PINS(struct source_look, balance.seen_released),
	PINS(struct source_look, balance.unseen),
	PINS(struct source_look, balance.unseen_released),
	PINS(struct source_look, balance.unseen_calls),
	PINS(struct source_look, balance.uncounted),
	BOOL(struct source_look, balance.exact),
};
const struct table look_table = TABLE(struct source_look, look_fields);

static const struct field level_fields[] = {
	LIMITED(struct source_level, level, LEVEL_DEEP),
	BOOL(struct source_level, refused),
	RECORD(struct source_level, base, &sample_table),
	BOOL(struct source_level, pinned_known),
	SUM(struct source_level, pinned.pins),
	SUM(struct source_level, pinned.folios),
	SUM(struct source_level, pinned.bytes),
	TEXT(struct source_level, why),
};
const struct table level_table = TABLE(struct source_level, level_fields);

static const struct field references_fields[] = {
	BOOL(struct source_references, on),
	TEXT(struct source_references, why),
};
const struct table references_table = TABLE(struct source_references, references_fields);

static const struct field detect_fields[] = {
	REAL(struct detect_config, share), NUMBER(struct detect_config, pins),
	REAL(struct detect_config, fall),  REAL(struct detect_config, hunts),
	REAL(struct detect_config, pause),
};
static const struct table detect_table = TABLE(struct detect_config, detect_fields);

static const struct field header_fields[] = {
	TEXT(struct recording_header, version),
	RAW(struct recording_header, host),
	RAW(struct recording_header, kernel),
	ONE(struct recording_header, real_offset, FIELD_SIGNED, TIME_MAX),
	LIMITED(struct recording_header, config.track, TRACK_NEVER),
	LIMITED(struct recording_header, config.lowest, LEVEL_DEEP),
	TIME(struct recording_header, config.grace_ns),
	TIME(struct recording_header, config.few_ns),
	TIME(struct recording_header, config.many_ns),
	TIME(struct recording_header, config.late_ns),
	TIME(struct recording_header, config.settle_ns),
	RECORD(struct recording_header, config.detect, &detect_table),
	BOOL(struct recording_header, config.tree_only),
	BOOL(struct recording_header, config.references),
	RECORD(struct recording_header, first, &sample_table),
};
const struct table header_table = TABLE(struct recording_header, header_fields);

static const struct field end_fields[] = {
	LIMITED(struct recording_end, err, 4095), /* MAX_ERRNO */
	TEXT(struct recording_end, why),
};
const struct table end_table = TABLE(struct recording_end, end_fields);

/* ---- values --------------------------------------------------------------------------- */

static uint64_t load(const struct field *f, const void *at)
{
	uint64_t n = 0;
	unsigned unused = 64 - 8 * f->size;

	memcpy(&n, at, f->size); /* little-endian, as all machines pinleak runs on */
	return f->kind == FIELD_SIGNED ? (uint64_t)((int64_t)(n << unused) >> unused) : n;
}

/* No number at all is 0. */
static uint64_t limited_real(const struct field *f, uint64_t n)
{
	double value, most = (double)f->most;

	memcpy(&value, &n, sizeof(value));
	value = value > most ? most : value > 0 ? value : 0;
	memcpy(&n, &value, sizeof(n));
	return n;
}

static uint64_t limited(const struct field *f, uint64_t n)
{
	int64_t value = (int64_t)n, most = (int64_t)f->most;

	if (f->kind == FIELD_REAL)
		return limited_real(f, n);
	if (f->kind == FIELD_NUMBER)
		return n > f->most ? f->most : n;
	return (uint64_t)(value > most ? most : value < -most ? -most : value);
}

static bool differs(const struct field *f, const void *before, const void *now)
{
	if (f->kind == FIELD_TEXT || f->kind == FIELD_RAW)
		return strncmp(before, now, f->size) != 0;
	return limited(f, load(f, before)) != limited(f, load(f, now));
}

static void put_value(struct sink *s, const struct field *f, const void *before, const void *now)
{
	if (f->kind == FIELD_TEXT || f->kind == FIELD_RAW) {
		size_t length = strnlen(now, f->size - 1u);

		put_number(s, length);
		put_bytes(s, now, length);
	} else {
		put_change(s, limited(f, load(f, before)), limited(f, load(f, now)));
	}
}

static void get_text(struct spring *s, const struct field *f, char *now)
{
	size_t length = get_number(s, f->size - 1u);

	memset(now, 0, f->size);
	get_bytes(s, now, length);
	if (memchr(now, '\0', length))
		s->err = s->err ? s->err : -EBADMSG;
	for (size_t i = 0; i < length && f->kind == FIELD_TEXT; i++)
		if (now[i] < ' ' || now[i] > '~')
			now[i] = '?';
}

static void get_value(struct spring *s, const struct field *f, void *now)
{
	uint64_t n;

	if (f->kind == FIELD_TEXT || f->kind == FIELD_RAW) {
		get_text(s, f, now);
		return;
	}
	n = get_change(s, load(f, now));
	if (n != limited(f, n))
		s->err = s->err ? s->err : -EBADMSG;
	if (!s->err)
		memcpy(now, &n, f->size);
}

/* ---- records -------------------------------------------------------------------------- */

/*
 * Of the fields in their order, arrays and records within included, those that differ: how many
 * that are the same lie before it, and 1; then the value. 0 ends it.
 */
static void put_fields(struct sink *s, const struct table *t, const char *before, const char *now,
		       uint64_t *gap)
{
	for (const struct field *f = t->fields; f < t->fields + t->nr; f++)
		for (size_t i = 0, at = f->at; i < f->nr; i++, at += f->size) {
			if (f->kind == FIELD_RECORD) {
				put_fields(s, f->of, before + at, now + at, gap);
			} else if (differs(f, before + at, now + at)) {
				put_number(s, *gap + 1);
				put_value(s, f, before + at, now + at);
				*gap = 0;
			} else {
				++*gap;
			}
		}
}

void put_record(struct sink *s, const struct table *t, const void *before, const void *now)
{
	uint64_t gap = 0;

	put_fields(s, t, before, now, &gap);
	put_number(s, 0);
}

/* *left: fields up to and with the next that differs; 0: none does. */
static void get_fields(struct spring *s, const struct table *t, char *now, uint64_t *left)
{
	for (const struct field *f = t->fields; f < t->fields + t->nr && *left; f++)
		for (size_t i = 0, at = f->at; i < f->nr && *left; i++, at += f->size) {
			if (f->kind == FIELD_RECORD) {
				get_fields(s, f->of, now + at, left);
			} else if (!--*left) {
				get_value(s, f, now + at);
				*left = get_number(s, UINT16_MAX);
			}
		}
}

void get_record(struct spring *s, const struct table *t, void *now)
{
	uint64_t left = get_number(s, UINT16_MAX);

	get_fields(s, t, now, &left);
	if (left && !s->err) /* beyond the last field */
		s->err = -EBADMSG;
}
