// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "trial.h"

#include "core/roster.h"

static struct snap_site leaky = {.key = 1, .blame = {.kind = BLAME_MODULE, .driver = "leaky"}};
static struct snap_site leaky_twin = {.key = 2,
				      .same = &leaky,
				      .blame = {.kind = BLAME_MODULE, .driver = "leaky"}};
static struct snap_site leaky_other = {.key = 3,
				       .blame = {.kind = BLAME_MODULE, .driver = "leaky"}};
static struct snap_site honest = {.key = 4, .blame = {.kind = BLAME_MODULE, .driver = "honest"}};
static struct snap_site namesake = {.key = 5, .blame = {.kind = BLAME_BUILTIN, .driver = "leaky"}};

static struct roster r;

static int clear(void **state)
{
	(void)state;
	roster_clear(&r);
	return 0;
}

static int end(void **state)
{
	(void)state;
	roster_free(&r);
	return 0;
}

/* Two claims in one folio. */
static void folio(const struct snap_site *a, uint32_t held, uint32_t leaked,
		  const struct snap_site *b, uint32_t held_by_b, uint64_t bytes)
{
	struct roster_share shares[] = {{a, held, leaked}, {b, held_by_b, 0}};

	assert_int_equal(roster_add(&r, shares, 2, bytes), 0);
}

static void assert_row(const struct roster_row *row, const struct snap_site *site, uint64_t held,
		       uint64_t leaked, uint64_t bytes)
{
	assert_ptr_equal(row->site, site);
	assert_int_equal(row->held, held);
	assert_int_equal(row->leaked, leaked);
	assert_int_equal(row->bytes, bytes);
}

static void test_pins_are_added_and_a_folio_counts_once_a_row(void **state)
{
	(void)state;
	folio(&leaky, 1, 2, &leaky_other, 4, 8192);
	folio(&leaky, 8, 0, &leaky, 16, 4096);
	assert_int_equal(r.nr_drivers, 1);
	assert_row(&r.drivers[0], &leaky, 1 + 4 + 8 + 16, 2, 12288);
	assert_int_equal(r.nr_sites, 2);
	assert_row(&r.sites[0], &leaky, 1 + 8 + 16, 2, 12288);
	assert_row(&r.sites[1], &leaky_other, 4, 0, 8192);
}

static void test_paths_that_differ_in_offsets_are_one(void **state)
{
	(void)state;
	folio(&leaky_twin, 1, 0, &leaky, 2, 4096);
	assert_int_equal(r.nr_sites, 1);
	assert_row(&r.sites[0], &leaky, 3, 0, 4096);
}

static void test_a_folio_of_two_drivers_counts_for_both(void **state)
{
	(void)state;
	folio(&leaky, 0, 3, &honest, 2, 4096);
	assert_int_equal(r.nr_drivers, 2);
	assert_row(&r.drivers[0], &leaky, 0, 3, 4096);
	assert_row(&r.drivers[1], &honest, 2, 0, 4096);
}

static void test_built_in_code_is_not_the_module_of_that_name(void **state)
{
	(void)state;
	folio(&leaky, 1, 0, &namesake, 2, 4096);
	assert_int_equal(r.nr_drivers, 2);
	assert_row(&r.drivers[1], &namesake, 2, 0, 4096);
}

static void test_shares_without_a_path_or_pins_are_left_out(void **state)
{
	(void)state;
	folio(NULL, 5, 5, &honest, 0, 4096);
	assert_int_equal(r.nr_drivers, 0);
	assert_int_equal(r.nr_sites, 0);
}

/* The first share has nothing in it: the folio counts with the second. */
static void test_an_empty_share_does_not_take_the_folio(void **state)
{
	(void)state;
	folio(&leaky, 0, 0, &leaky, 1, 4096);
	assert_row(&r.drivers[0], &leaky, 1, 0, 4096);
}

static void test_most_bytes_come_first(void **state)
{
	(void)state;
	folio(&leaky, 1, 0, NULL, 0, 4096);
	folio(&honest, 1, 0, NULL, 0, 2097152);
	roster_sort(&r);
	assert_row(&r.drivers[0], &honest, 1, 0, 2097152);
	assert_row(&r.sites[0], &honest, 1, 0, 2097152);
	roster_clear(&r);
	folio(&leaky, 1, 0, NULL, 0, 4096);
	assert_int_equal(r.nr_sites, 1);
	assert_row(&r.sites[0], &leaky, 1, 0, 4096);
}

/* ---- drawn up by the ledger ----------------------------------------------------------- */

static void test_the_ledger_tells_what_is_leaked_and_what_is_held(void **state)
{
	struct trial *t = *state;
	struct snap_site *other = books_site(t->b, BLAME_MODULE, "honest");
	struct snap_owner *user = books_owner(t->b, other);
	struct roster mine = {0};

	t->l.roster = &mine;
	books_pin(t->b, t->owner, 3);
	books_pin(t->b, user, 5);
	orphan(t, t->owner, SEC(100));
	evaluate(t);
	assert_int_equal(mine.nr_drivers, 2);
	assert_row(&mine.drivers[0], t->site, 0, 3, 4096);
	assert_row(&mine.drivers[1], other, 5, 0, 4096);
	assert_int_equal(t->l.proved, 3);
	evaluate(t); /* anew, not added */
	assert_int_equal(mine.drivers[0].leaked, 3);
	roster_free(&mine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pins_are_added_and_a_folio_counts_once_a_row, clear),
		cmocka_unit_test_setup(test_paths_that_differ_in_offsets_are_one, clear),
		cmocka_unit_test_setup(test_a_folio_of_two_drivers_counts_for_both, clear),
		cmocka_unit_test_setup(test_built_in_code_is_not_the_module_of_that_name, clear),
		cmocka_unit_test_setup(test_shares_without_a_path_or_pins_are_left_out, clear),
		cmocka_unit_test_setup(test_an_empty_share_does_not_take_the_folio, clear),
		cmocka_unit_test_setup(test_most_bytes_come_first, clear),
		cmocka_unit_test_setup_teardown(
			test_the_ledger_tells_what_is_leaked_and_what_is_held, trial_setup,
			trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
