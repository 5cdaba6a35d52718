// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Only the tree of processes that is followed is judged, and everybody's claims count. */
#include "trial.h"

/* The trial's owner is of the tree; this one is not. */
static struct snap_owner *outsider(struct trial *t, const struct snap_site *site)
{
	struct snap_owner *o = books_owner(t->b, site);

	orphan(t, o, SEC(10));
	return o;
}

static int tree_setup(void **state)
{
	struct trial *t;

	trial_setup(state);
	t = *state;
	t->l.tree_only = true;
	t->owner->owner.tree = 1;
	return 0;
}

static void test_what_the_tree_has_leaked_is_proved(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.tree_held + t->l.tree_unproved + t->l.tree_due_ns, 0);
}

static void test_what_an_outsider_has_leaked_is_not_the_trees(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, outsider(t, t->site), 3);
	assert_innocent(t);
	assert_int_equal(t->l.tree_held + t->l.tree_unproved + t->l.tree_due_ns, 0);
	t->l.tree_only = false;
	assert_int_equal(accused(t)->pins, 3);
}

static void test_a_finding_counts_the_pins_of_the_tree_alone(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, outsider(t, t->site), 5);
	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.findings[0].nr_owners, 1);
}

static void test_a_pin_that_the_same_driver_may_have_left_outside_is_not_the_trees(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, outsider(t, t->site), 1);
	folio_claim(p, t->owner, 1);
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.tree_unproved, 1);
	assert_int_equal(t->l.tree_held, 0);
	p->pins = 2;
	assert_int_equal(accused(t)->pins, 1);
	assert_int_equal(t->l.tree_unproved, 0);
}

static void test_a_pin_that_another_driver_may_have_left_outside_is_not_the_trees(void **state)
{
	struct trial *t = *state;
	struct snap_site *site = books_site(t->b, BLAME_MODULE, "second");
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, t->owner, 1);
	folio_claim(p, outsider(t, site), 1);
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.tree_unproved, 1);
	folio_release(p, site, 1); /* the outsider's has gone, then */
	assert_int_equal(accused(t)->pins, 1);
}

static void test_a_pin_that_two_call_paths_of_the_tree_may_have_left_is_counted_once(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = books_owner(t->b, books_site(t->b, BLAME_MODULE, "leaky"));
	struct pl_page *p = books_folio(t->b, 1);

	o->owner.tree = 1;
	folio_claim(p, t->owner, 1);
	folio_claim(p, o, 1);
	orphan(t, t->owner, SEC(10));
	orphan(t, o, SEC(10));
	assert_int_equal(accused(t)->pins, 1);
	assert_int_equal(t->l.tree_unproved, 0);
}

static void test_what_the_tree_has_released_is_not_held_by_it(void **state)
{
	struct trial *t = *state;
	struct snap_site *site = books_site(t->b, BLAME_MODULE, "second");
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, t->owner, 1);
	folio_claim(p, books_owner(t->b, site), 1);
	assert_innocent(t);
	assert_int_equal(t->l.tree_held, 1);
	folio_release(p, t->site, 1);
	assert_innocent(t);
	assert_int_equal(t->l.tree_held, 0);
	assert_int_equal(t->l.nr_holdings, 1);
}

static void test_an_open_file_holds_and_is_not_due(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 7);
	assert_innocent(t);
	assert_int_equal(t->l.tree_held, 7);
	assert_int_equal(t->l.tree_due_ns, 0);
	owner_died(t->b, t->owner, SEC(1)); /* and somebody else has the file */
	assert_innocent(t);
	assert_int_equal(t->l.tree_held, 7);
	assert_int_equal(t->l.tree_due_ns, 0);
}

static void test_a_closed_file_is_due_when_its_grace_time_ends(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 7);
	owner_closed(t->b, t->owner, SEC(1.5));
	owner_died(t->b, t->owner, SEC(0.5));
	assert_innocent(t);
	assert_int_equal(t->l.tree_held, 7);
	assert_true(t->l.tree_due_ns == BOOKS_NOW - SEC(0.5) + BOOKS_GRACE);
	pass(t, SEC(1.5));
	assert_int_equal(accused(t)->pins, 7);
	assert_int_equal(t->l.tree_held, 0);
	assert_int_equal(t->l.tree_due_ns, 0);
}

static void test_a_worker_is_due_when_the_process_has_its_grace_time(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = books_worker(t->b, t->site);

	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	o->owner.tree = 1;
	books_pin(t->b, o, 2);
	owner_died(t->b, o, SEC(1));
	assert_innocent(t);
	assert_true(t->l.tree_due_ns == BOOKS_NOW - SEC(1) + BOOKS_GRACE);
	pass(t, SEC(1));
	assert_int_equal(accused(t)->pins, 2);
}

static void test_a_torn_record_with_a_claim_of_the_tree_proves_nothing_and_is_told(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_pin(t->b, t->owner, 2);

	p->torn = 1;
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.tree_unproved, 2);
	books_pin(t->b, outsider(t, t->site), 3)->torn = 1;
	assert_innocent(t);
	assert_int_equal(t->l.tree_unproved, 2);
}

int main(void)
{
#define TREE(test) cmocka_unit_test_setup_teardown(test, tree_setup, trial_teardown)
	const struct CMUnitTest tests[] = {
		TREE(test_what_the_tree_has_leaked_is_proved),
		TREE(test_what_an_outsider_has_leaked_is_not_the_trees),
		TREE(test_a_finding_counts_the_pins_of_the_tree_alone),
		TREE(test_a_pin_that_the_same_driver_may_have_left_outside_is_not_the_trees),
		TREE(test_a_pin_that_another_driver_may_have_left_outside_is_not_the_trees),
		TREE(test_a_pin_that_two_call_paths_of_the_tree_may_have_left_is_counted_once),
		TREE(test_what_the_tree_has_released_is_not_held_by_it),
		TREE(test_an_open_file_holds_and_is_not_due),
		TREE(test_a_closed_file_is_due_when_its_grace_time_ends),
		TREE(test_a_worker_is_due_when_the_process_has_its_grace_time),
		TREE(test_a_torn_record_with_a_claim_of_the_tree_proves_nothing_and_is_told),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
