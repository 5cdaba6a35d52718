// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* What a census makes of the folios that it is shown. */
#include "fixture.h"

#include <inttypes.h>

#include "core/census.h"

#define PAGE 4096

static int setup(void **state)
{
	static struct census c;

	c = (struct census){.base_page = PAGE};
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	census_free(*state);
	return 0;
}

/* A small folio with a pin, mapped once. */
static struct folio pinned_folio(void)
{
	return (struct folio){.pfn = 7, .refs = 1025, .pins = 1, .maps = 1, .maps_known = true};
}

static void add(struct census *c, const struct census_entry *e)
{
	assert_int_equal(census_add(c, e), 0);
}

static void add_folio(struct census *c, const struct folio *f)
{
	add(c, &(struct census_entry){.folio = f});
}

static void assert_sum(const struct census_sum *s, uint64_t pins, uint64_t folios, uint64_t bytes)
{
	assert_int_equal(s->pins, pins);
	assert_int_equal(s->folios, folios);
	assert_int_equal(s->bytes, bytes);
}

static const struct census_row *row(const struct census *c, enum census_by by, uint64_t id)
{
	const struct census_table *t = &c->by[by];

	for (size_t i = 0; i < t->nr; i++)
		if (t->rows[i].id == id)
			return &t->rows[i];
	fail_msg("by %s: no row %" PRIu64, census_by_name(by), id);
	return NULL;
}

static void assert_row(const struct census *c, enum census_by by, uint64_t id, uint64_t pins,
		       uint64_t folios, uint64_t bytes)
{
	assert_sum(&row(c, by, id)->sum, pins, folios, bytes);
}

/* ---- sums ----------------------------------------------------------------------------- */

static void test_an_empty_census_is_sorted_and_freed(void **state)
{
	struct census *c = *state;

	for (int by = 0; by < CENSUS_BYS; by++)
		census_sort(&c->by[by]);
	assert_sum(&c->all, 0, 0, 0);
}

static void test_a_pinned_folio_is_in_every_table(void **state)
{
	struct folio f = pinned_folio();
	struct census_entry e = {.folio = &f,
				 .object = 3,
				 .cgroup = 4,
				 .driver = 5,
				 .site = 6,
				 .nr_mappers = 1,
				 .mapper = {{.process = 8, .addr = 0x7000}}};
	struct census *c = *state;
	const struct census_row *r;

	f.pins = 2;
	f.order = 9;
	f.node = 1023; /* the last that the kernel can be built for */
	f.zone = 2;
	add(c, &e);
	assert_sum(&c->all, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_OBJECT, 3, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_CGROUP, 4, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_DRIVER, 5, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_SITE, 6, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_PROCESS, 8, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_SIZE, 9, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_NODE, 1023, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_ZONE, 2, 2, 1, PAGE << 9);
	assert_row(c, CENSUS_BY_MAPPING, UINT64_C(8) << 32 | 3, 2, 1, PAGE << 9);
	r = row(c, CENSUS_BY_MAPPING, UINT64_C(8) << 32 | 3);
	assert_int_equal(r->start, 0x7000);
	assert_int_equal(r->end, 0x7000 + (PAGE << 9));
	assert_sum(&c->unmapped, 0, 0, 0);
	assert_sum(&c->must_move, 0, 0, 0);
	for (int by = 0; by < CENSUS_BYS; by++)
		assert_int_equal(c->by[by].nr, 1);
}

static void test_folios_add_up(void **state)
{
	struct folio f = pinned_folio(), huge = pinned_folio();
	struct census *c = *state;

	huge.order = 18;
	huge.pins = 100000;
	add_folio(c, &f);
	add_folio(c, &f);
	add_folio(c, &huge);
	assert_sum(&c->all, 100002, 3, (UINT64_C(1) << 30) + 2 * PAGE);
	assert_row(c, CENSUS_BY_OBJECT, 0, 100002, 3, (UINT64_C(1) << 30) + 2 * PAGE);
	assert_row(c, CENSUS_BY_SIZE, 0, 2, 2, 2 * PAGE);
	assert_row(c, CENSUS_BY_SIZE, 18, 100000, 1, 1 << 30);
	assert_int_equal(c->by[CENSUS_BY_PROCESS].nr, 0);
}

static void test_every_table_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int by = 0; by < CENSUS_BYS; by++)
		for (int other = 0; other < by; other++)
			assert_string_not_equal(census_by_name((enum census_by)by),
						census_by_name((enum census_by)other));
	assert_string_equal(census_by_name(CENSUS_BY_DRIVER), "driver");
	assert_string_equal(census_by_name(CENSUS_BY_ZONE), "zone");
}

static void test_what_must_stay_movable_is_told_apart(void **state)
{
	struct folio f = pinned_folio();
	struct census *c = *state;

	add(c, &(struct census_entry){.folio = &f, .must_move = true});
	add_folio(c, &f);
	assert_sum(&c->must_move, 1, 1, PAGE);
	assert_sum(&c->all, 2, 2, 2 * PAGE);
}

/* ---- who maps it ---------------------------------------------------------------------- */

static void test_a_folio_counts_for_each_process_that_maps_it(void **state)
{
	struct folio f = pinned_folio();
	struct census_entry e = {.folio = &f,
				 .object = 3,
				 .nr_mappers = 2,
				 .mapper = {{1, 0x1000}, {2, 0x9000}}};
	struct census *c = *state;

	f.maps = 2;
	add(c, &e);
	assert_sum(&c->all, 1, 1, PAGE);
	assert_row(c, CENSUS_BY_PROCESS, 1, 1, 1, PAGE);
	assert_row(c, CENSUS_BY_PROCESS, 2, 1, 1, PAGE);
	assert_int_equal(row(c, CENSUS_BY_MAPPING, UINT64_C(1) << 32 | 3)->start, 0x1000);
	assert_int_equal(row(c, CENSUS_BY_MAPPING, UINT64_C(2) << 32 | 3)->start, 0x9000);
}

static void test_a_folio_mapped_twice_by_a_process_counts_once_and_widens_its_range(void **state)
{
	struct folio f = pinned_folio();
	struct census_entry e = {.folio = &f,
				 .object = 3,
				 .nr_mappers = 3,
				 .mapper = {{1, 0x5000}, {2, 0x4000}, {1, 0x3000}}};
	struct census *c = *state;
	const struct census_row *r;

	f.maps = 3;
	add(c, &e);
	assert_row(c, CENSUS_BY_PROCESS, 1, 1, 1, PAGE);
	assert_row(c, CENSUS_BY_MAPPING, UINT64_C(1) << 32 | 3, 1, 1, PAGE);
	r = row(c, CENSUS_BY_MAPPING, UINT64_C(1) << 32 | 3);
	assert_int_equal(r->start, 0x3000);
	assert_int_equal(r->end, 0x6000);
}

static void test_a_range_holds_all_folios_of_an_object(void **state)
{
	struct folio f = pinned_folio();
	struct census *c = *state;
	const struct census_row *r;

	for (uint64_t addr = 0x3000; addr > 0; addr -= 0x1000)
		add(c, &(struct census_entry){.folio = &f,
					      .nr_mappers = 1,
					      .mapper = {{.process = 1, .addr = addr}}});
	r = row(c, CENSUS_BY_MAPPING, UINT64_C(1) << 32);
	assert_sum(&r->sum, 3, 3, 3 * PAGE);
	assert_int_equal(r->start, 0x1000);
	assert_int_equal(r->end, 0x4000);
}

static void test_more_mappers_than_there_is_room_for_do_no_harm(void **state)
{
	struct folio f = pinned_folio();
	struct census_entry e = {.folio = &f, .nr_mappers = CENSUS_MAPPERS + 100};
	struct census *c = *state;

	for (uint32_t i = 0; i < CENSUS_MAPPERS; i++)
		e.mapper[i].process = i + 1;
	add(c, &e);
	assert_int_equal(c->by[CENSUS_BY_PROCESS].nr, CENSUS_MAPPERS);
}

/* ---- what is no pin, what looks lost -------------------------------------------------- */

static void test_a_count_below_zero_is_no_pin(void **state)
{
	struct folio pins = pinned_folio(), refs = pinned_folio();
	struct census *c = *state;

	pins.pins = -3;
	refs.refs = -1;
	add_folio(c, &pins);
	add_folio(c, &refs);
	assert_sum(&c->negative, 0, 2, 2 * PAGE);
	assert_sum(&c->all, 0, 0, 0);
	assert_int_equal(c->by[CENSUS_BY_SIZE].nr, 0);
}

static void test_many_references_are_no_pins(void **state)
{
	struct folio f = {.refs = 1024, .maps = 1000, .maps_known = true};
	struct census *c = *state;

	add_folio(c, &f);
	assert_sum(&c->many_refs, 0, 1, PAGE);
	f.refs = 1023;
	add_folio(c, &f);
	assert_sum(&c->many_refs, 0, 1, PAGE);
	assert_sum(&c->all, 0, 0, 0);
	assert_int_equal(c->plain.nr, 0);
}

static void test_a_folio_that_nobody_maps_is_suspect(void **state)
{
	struct folio f = {.pfn = 99, .refs = 1026, .pins = 1, .maps_known = true};
	struct census *c = *state;

	add_folio(c, &f);
	assert_sum(&c->unmapped, 1, 1, PAGE);
	assert_int_equal(c->pinned.nr, 1);
	assert_int_equal(c->pinned.list[0].pfn, 99);
	assert_int_equal(c->pinned.list[0].pins, 1);
	assert_int_equal(c->pinned.list[0].refs, 1026);
	assert_int_equal(c->plain.nr, 0);
}

static void test_a_claimed_folio_is_not_suspect(void **state)
{
	struct folio f = {.refs = 1025, .pins = 1, .maps_known = true};
	struct census *c = *state;

	add(c, &(struct census_entry){.folio = &f, .claimed = true});
	assert_sum(&c->unmapped, 1, 1, PAGE);
	assert_int_equal(c->pinned.nr, 0);
}

static void test_a_folio_whose_mappings_are_not_all_known_is_not_suspect(void **state)
{
	struct folio f = {.refs = 1025, .pins = 1, .order = 4};
	struct census *c = *state;

	add_folio(c, &f);
	f.pins = 0;
	f.refs = 5;
	add_folio(c, &f);
	assert_sum(&c->unmapped, 0, 0, 0);
	assert_int_equal(c->pinned.nr, 0);
	assert_int_equal(c->plain.nr, 0);
}

static void test_a_plain_folio_that_nobody_maps_is_suspect_and_not_in_the_tables(void **state)
{
	struct folio f = {.pfn = 5, .refs = 2, .maps_known = true};
	struct census *c = *state;

	add_folio(c, &f);
	assert_int_equal(c->plain.nr, 1);
	assert_int_equal(c->plain.list[0].refs, 2);
	assert_sum(&c->all, 0, 0, 0);
	f.refs = 1024;
	add_folio(c, &f);
	assert_int_equal(c->plain.nr, 1);
	assert_sum(&c->many_refs, 0, 1, PAGE);
}

/* ---- the second look ------------------------------------------------------------------ */

static void test_pins_are_still_there_when_none_has_gone(void **state)
{
	const struct census_suspect before = {.pfn = 5, .pins = 2, .refs = 2049};
	struct folio now = {.pins = 2, .refs = 2049, .maps_known = true};

	(void)state;
	assert_true(census_still_pinned(&before, &now));
	now.pins = 3;
	assert_true(census_still_pinned(&before, &now));
	now.pins = 1;
	assert_false(census_still_pinned(&before, &now));
	assert_false(census_still_pinned(&before, NULL));
}

static void test_what_is_mapped_or_swapped_now_is_not_lost(void **state)
{
	const struct census_suspect pinned = {.pins = 1, .refs = 1025}, plain = {.refs = 1};
	struct folio now = {.pins = 1, .refs = 1025, .maps_known = true, .lru = true};
	struct folio mapped = now, partly = now, swapped = now;

	(void)state;
	mapped.maps = 1;
	partly.maps_known = false;
	swapped.swapcache = true;
	assert_true(census_still_pinned(&pinned, &now));
	assert_false(census_still_pinned(&pinned, &mapped));
	assert_false(census_still_pinned(&pinned, &partly));
	assert_false(census_still_pinned(&pinned, &swapped));
	now.pins = mapped.pins = partly.pins = swapped.pins = 0;
	assert_true(census_still_referenced(&plain, &now));
	assert_false(census_still_referenced(&plain, &mapped));
	assert_false(census_still_referenced(&plain, &partly));
	assert_false(census_still_referenced(&plain, &swapped));
}

static void test_references_are_still_there_when_none_has_gone(void **state)
{
	const struct census_suspect before = {.refs = 3}, nothing = {.refs = 0};
	const struct folio now = {.refs = 3, .maps_known = true, .lru = true};
	struct folio other = now;

	(void)state;
	assert_true(census_still_referenced(&before, &now));
	assert_false(census_still_referenced(&before, NULL));
	other.refs = 2;
	assert_false(census_still_referenced(&before, &other));
	other.refs = 0;
	assert_false(census_still_referenced(&nothing, &other));
	other = now;
	other.lru = false;
	assert_false(census_still_referenced(&before, &other));
	other = now;
	other.pins = 1;
	assert_false(census_still_referenced(&before, &other));
}

static void test_lost_pins_are_orphaned_when_nobody_could_hold_them(void **state)
{
	struct census_second s = {0};

	(void)state;
	assert_false(census_is_orphaned(&s));
	s.pinned.folios = 1;
	assert_true(census_is_orphaned(&s));
	s.pins_could_be_held = true;
	assert_false(census_is_orphaned(&s));
}

static void test_lost_references_are_unexplained_when_everything_was_looked_through(void **state)
{
	const struct census_second lost = {.referenced.folios = 5,
					   .explained.folios = 4,
					   .queues_known = true,
					   .drained = true};
	struct census_second s = lost;

	(void)state;
	assert_true(census_is_unexplained(&s));
	s.explained.folios = 5;
	assert_false(census_is_unexplained(&s));
	s = lost;
	s.references_could_be_held = true;
	assert_false(census_is_unexplained(&s));
	s = lost;
	s.queues_known = false;
	assert_false(census_is_unexplained(&s));
	s = lost;
	s.drained = false;
	assert_false(census_is_unexplained(&s));
}

/* ---- order, limits -------------------------------------------------------------------- */

static void test_rows_are_sorted_by_bytes_and_then_by_id(void **state)
{
	static const uint32_t order[] = {2, 1, 3, 4};
	struct folio small = pinned_folio(), large = pinned_folio();
	struct census *c = *state;
	const struct census_table *t = &c->by[CENSUS_BY_OBJECT];

	large.order = 3;
	for (uint32_t id = 4; id > 0; id--)
		add(c, &(struct census_entry){.folio = id == 2 ? &large : &small, .object = id});
	add(c, &(struct census_entry){.folio = &small, .object = 1});
	census_sort(&c->by[CENSUS_BY_OBJECT]);
	assert_int_equal(t->nr, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(t->rows[i].id, order[i]);
}

static void test_a_full_table_adds_the_rest_to_the_others(void **state)
{
	struct folio f = pinned_folio();
	struct census_entry e = {.folio = &f, .nr_mappers = 1};
	struct census *c = *state;

	for (uint32_t i = 0; i < CENSUS_ROWS + 10; i++) {
		e.object = e.mapper[0].process = i;
		add(c, &e);
	}
	e.object = e.mapper[0].process = 7;
	add(c, &e);
	for (int by = CENSUS_BY_PROCESS; by <= CENSUS_BY_MAPPING; by++) {
		assert_int_equal(c->by[by].nr, CENSUS_ROWS);
		assert_sum(&c->by[by].others, 10, 10, 10 * PAGE);
	}
	assert_row(c, CENSUS_BY_OBJECT, 7, 2, 2, 2 * PAGE);
	assert_int_equal(c->by[CENSUS_BY_SIZE].nr, 1);
	assert_sum(&c->by[CENSUS_BY_SIZE].others, 0, 0, 0);
	assert_sum(&c->all, CENSUS_ROWS + 11, CENSUS_ROWS + 11, (CENSUS_ROWS + 11) * PAGE);
}

static void test_suspects_beyond_the_room_are_counted(void **state)
{
	struct folio f = {.refs = 1025, .pins = 1, .maps_known = true};
	struct census *c = *state;

	for (uint32_t i = 0; i < CENSUS_SUSPECTS + 3; i++)
		add_folio(c, &f);
	assert_int_equal(c->pinned.nr, CENSUS_SUSPECTS);
	assert_int_equal(c->pinned.cut, 3);
	assert_int_equal(c->plain.cut, 0);
	assert_sum(&c->unmapped, CENSUS_SUSPECTS + 3, CENSUS_SUSPECTS + 3,
		   (uint64_t)(CENSUS_SUSPECTS + 3) * PAGE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_census_is_sorted_and_freed),
		TEST(test_a_pinned_folio_is_in_every_table),
		TEST(test_folios_add_up),
		TEST(test_every_table_has_a_name_of_its_own),
		TEST(test_what_must_stay_movable_is_told_apart),
		TEST(test_a_folio_counts_for_each_process_that_maps_it),
		TEST(test_a_folio_mapped_twice_by_a_process_counts_once_and_widens_its_range),
		TEST(test_a_range_holds_all_folios_of_an_object),
		TEST(test_more_mappers_than_there_is_room_for_do_no_harm),
		TEST(test_a_count_below_zero_is_no_pin),
		TEST(test_many_references_are_no_pins),
		TEST(test_a_folio_that_nobody_maps_is_suspect),
		TEST(test_a_claimed_folio_is_not_suspect),
		TEST(test_a_folio_whose_mappings_are_not_all_known_is_not_suspect),
		TEST(test_a_plain_folio_that_nobody_maps_is_suspect_and_not_in_the_tables),
		TEST(test_pins_are_still_there_when_none_has_gone),
		TEST(test_what_is_mapped_or_swapped_now_is_not_lost),
		TEST(test_references_are_still_there_when_none_has_gone),
		TEST(test_lost_pins_are_orphaned_when_nobody_could_hold_them),
		TEST(test_lost_references_are_unexplained_when_everything_was_looked_through),
		TEST(test_rows_are_sorted_by_bytes_and_then_by_id),
		TEST(test_a_full_table_adds_the_rest_to_the_others),
		TEST(test_suspects_beyond_the_room_are_counted),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
