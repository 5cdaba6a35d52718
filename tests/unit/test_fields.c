// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Every byte of what a recording keeps is kept. A byte of a new field fails here until the field is
 * in its table of store/fields.c (and CHUNKS_VERSION is raised).
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ends.h"
#include "store/fields.h"

#define ROOM 65536

static uint8_t bytes[ROOM];

/* Writes `now` as what differs from `before`, and reads it to `out`, a copy of `before`. */
static int round_trip(const struct table *t, const void *before, const void *now, void *out)
{
	struct sink sink = {.bytes = bytes, .room = ROOM, .full = no_room};
	struct spring spring = {.at = bytes, .dry = no_more};

	put_record(&sink, t, before, now);
	assert_int_equal(sink.err, 0);
	spring.end = bytes + sink.nr;
	memcpy(out, before, t->size);
	get_record(&spring, t, out);
	if (!spring.err)
		assert_ptr_equal(spring.at, spring.end);
	return spring.err;
}

/* ---- every byte ----------------------------------------------------------------------- */

/* Texts are full, so that each byte of them counts but the NUL at the end. */
static void fill(const struct table *t, char *record, bool *terminator, size_t at)
{
	for (const struct field *f = t->fields; f < t->fields + t->nr; f++)
		for (size_t i = 0, k = at + f->at; i < f->nr; i++, k += f->size) {
			if (f->kind == FIELD_RECORD) {
				fill(f->of, record, terminator, k);
			} else if (f->kind == FIELD_TEXT || f->kind == FIELD_RAW) {
				memset(record + k, 'x', f->size - 1u);
				terminator[k + f->size - 1] = true;
			}
		}
}

struct gap {
	size_t from, to;
};

#define FIELD(type, member)                                                                        \
	{                                                                                          \
		offsetof(type, member), offsetof(type, member) + sizeof(((type *)0)->member)       \
	}
#define BEFORE(type, last, next)                                                                   \
	{                                                                                          \
		offsetof(type, last) + sizeof(((type *)0)->last), offsetof(type, next)             \
	}
#define AFTER(type, last)                                                                          \
	{                                                                                          \
		offsetof(type, last) + sizeof(((type *)0)->last), sizeof(type)                     \
	}

#define PRESSURE(type, member)                                                                     \
	BEFORE(type, member.counted, member.compact_stalls),                                       \
		BEFORE(type, member.psi, member.some_avg10),                                       \
		BEFORE(type, member.full_avg10, member.some_us)

/* What is no field, or is kept elsewhere: a gap may be empty. */
static const struct {
	const char *name;
	const struct table *table;
	struct gap gaps[10];
} structs[] = {
	{"page", &page_table, {BEFORE(struct snap_page, queued, page)}},
	{"owner", &owner_table, {BEFORE(struct snap_owner, owner.comm, file_end_ns)}},
	{"site",
	 &site_table,
	 {BEFORE(struct site_row, same, site), FIELD(struct site_row, site.same),
	  BEFORE(struct site_row, site.blame.via, site.driver),
	  AFTER(struct site_row, site.driver.path)}},
	{"failure", &failure_table, {{0}}},
	{"unload", &unload_table, {{0}}},
	{"wrong",
	 &wrong_table,
	 {FIELD(struct snap_wrong, wrong.pad), FIELD(struct snap_wrong, wrong.claim[0].pad),
	  FIELD(struct snap_wrong, wrong.claim[1].pad),
	  FIELD(struct snap_wrong, wrong.claim[2].pad),
	  FIELD(struct snap_wrong, wrong.claim[3].pad)}},
	{"refusal",
	 &refusal_table,
	 {BEFORE(struct snap_refusal, refusal.owner.comm, by),
	  BEFORE(struct snap_refusal, by.owner.comm, by.file_end_ns)}},
	{"module", &module_table, {BEFORE(struct modgraph_module, refcount, users)}},
	{"snapshot",
	 &snapshot_table,
	 {BEFORE(struct snapshot, now_ns, stats), /* arrays, and what finds places in them */
	  AFTER(struct snapshot, movable_zone)}},
	{"look",
	 &look_table,
	 {BEFORE(struct source_look, sample.lag, sample.memory_total),
	  PRESSURE(struct source_look, sample.pressure), FIELD(struct source_look, books),
	  AFTER(struct source_look, balance.exact)}},
	{"level",
	 &level_table,
	 {BEFORE(struct source_level, refused, base),
	  BEFORE(struct source_level, base.lag, base.memory_total),
	  PRESSURE(struct source_level, base.pressure),
	  BEFORE(struct source_level, pinned_known, pinned)}},
	{"references", &references_table, {{0}}},
	{"header",
	 &header_table,
	 {BEFORE(struct recording_header, config.references, config.detect),
	  BEFORE(struct recording_header, config.detect.pins, config.detect.fall),
	  BEFORE(struct recording_header, first.lag, first.memory_total),
	  PRESSURE(struct recording_header, first.pressure)}},
	{"end", &end_table, {{0}}},
};

static bool in_gap(const struct gap *gaps, size_t at)
{
	for (size_t i = 0; i < 10; i++)
		if (at >= gaps[i].from && at < gaps[i].to)
			return true;
	return false;
}

/* What comes back is another record: the same one, or as near as its limits let it. */
static bool is_kept(const struct table *t, const char *before, size_t at)
{
	char now[sizeof(struct site_row)], out[sizeof(struct site_row)];

	for (int value = 1; value < 256; value <<= 1) {
		memcpy(now, before, t->size);
		now[at] = (char)(now[at] ^ value);
		if (round_trip(t, before, now, out) || memcmp(before, out, t->size) != 0)
			return true;
	}
	return false;
}

static void test_no_byte_of_any_struct_is_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR(structs); i++) {
		const struct table *t = structs[i].table;
		bool terminator[sizeof(struct site_row)] = {0};
		char record[sizeof(struct site_row)] = {0};

		assert_true(t->size <= sizeof(record));
		fill(t, record, terminator, 0);
		for (size_t at = 0; at < t->size; at++) {
			bool gap = in_gap(structs[i].gaps, at) || terminator[at];

			if (is_kept(t, record, at) == gap)
				fail_msg("byte %zu of struct %s is %s", at, structs[i].name,
					 gap ? "kept, and said to be no field"
					     : "not kept: is it in the table of store/fields.c?");
		}
	}
}

/* ---- values --------------------------------------------------------------------------- */

static void test_random_records_come_back(void **state)
{
	struct rng r = {random_seed()};

	(void)state;
	for (uint64_t n = random_cases(20000); n; n--) {
		struct snap_page before, now, out;

		rng_bytes(&r, &before, sizeof(before));
		now = before;
		for (uint32_t k = rng_below(&r, 20); k; k--)
			((uint8_t *)&now)[rng_below(&r, sizeof(now))] = (uint8_t)rng_next(&r);
		for (struct snap_page *p = &before; p; p = p == &before ? &now : NULL) {
			p->queued %= 3;
			p->page.memory %= 3;
			p->page.nr_slots %= PL_SLOTS + 1;
			p->page.nr_rels %= PL_RELS + 1;
			p->page.order %= 64;
			p->page.thin %= PL_THINNEST + 1;
		}
		assert_int_equal(round_trip(&page_table, &before, &now, &out), 0);
		memset((char *)&now + 12, 0, 4); /* no fields */
		memset((char *)&out + 12, 0, 4);
		assert_memory_equal(&now, &out, sizeof(now));
	}
}

static void test_what_no_kernel_shows_is_written_so_that_it_can_be_read(void **state)
{
	struct snap_page before = {0}, now = {.queued = 77}, out;
	struct source_look look = {.sample = {.acquired = INT64_MIN, .released = INT64_MAX}},
			   was = {0}, is;

	(void)state;
	now.page.order = 255;
	now.page.memory = 9;
	assert_int_equal(round_trip(&page_table, &before, &now, &out), 0);
	assert_int_equal(out.queued, SNAP_QUEUED_UNKNOWN);
	assert_int_equal(out.page.order, 63);
	assert_int_equal(out.page.memory, PL_MEM_FILE);
	assert_int_equal(round_trip(&look_table, &was, &look, &is), 0);
	assert_true(is.sample.acquired == -is.sample.released && is.sample.released > 0);
}

static void test_a_text_without_an_end_gets_one(void **state)
{
	struct source_references before = {0}, now = {0}, out;

	(void)state;
	memset(now.why, 'y', sizeof(now.why));
	assert_int_equal(round_trip(&references_table, &before, &now, &out), 0);
	assert_int_equal(strlen(out.why), sizeof(out.why) - 1);
}

static void test_a_text_that_a_terminal_would_obey_comes_back_harmless(void **state)
{
	struct source_references before = {0}, now = {.why = "a\x1b[2J\xff\n"}, out;

	(void)state;
	assert_int_equal(round_trip(&references_table, &before, &now, &out), 0);
	assert_string_equal(out.why, "a?[2J??");
}

/* ---- numbers -------------------------------------------------------------------------- */

static int get(const uint8_t *from, size_t size, uint64_t most, uint64_t *out)
{
	struct spring s = {.at = from, .end = from + size, .dry = no_more};

	*out = get_number(&s, most);
	return s.err;
}

static void test_numbers_that_are_too_long_or_too_large_are_refused(void **state)
{
	const uint8_t largest[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	const uint8_t more[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
	const uint8_t longer[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
	uint64_t n;

	(void)state;
	assert_int_equal(get(largest, sizeof(largest), UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(get(more, sizeof(more), UINT64_MAX, &n), -EBADMSG);
	assert_int_equal(get(longer, sizeof(longer), UINT64_MAX, &n), -EBADMSG);
	assert_int_equal(get(largest, 9, UINT64_MAX, &n), -ENODATA);
	assert_int_equal(get((const uint8_t *)"\x05", 1, 4, &n), -EBADMSG);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_byte_of_any_struct_is_lost),
		cmocka_unit_test(test_random_records_come_back),
		cmocka_unit_test(test_what_no_kernel_shows_is_written_so_that_it_can_be_read),
		cmocka_unit_test(test_a_text_without_an_end_gets_one),
		cmocka_unit_test(test_a_text_that_a_terminal_would_obey_comes_back_harmless),
		cmocka_unit_test(test_numbers_that_are_too_long_or_too_large_are_refused),
	};

	return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
