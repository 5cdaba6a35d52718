// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "trial.h"

/* ---- how late a call path releases ---------------------------------------------------- */

/*
 * A first owner closed its file 3 s ago; of its two folios one is released late, 2.9 s after
 * the close. So the path's grace time becomes twice that.
 */
static void teach_delay(struct trial *t)
{
	struct snap_owner *slow = books_owner(t->b, t->site);

	books_pin(t->b, slow, 1);
	books_pin(t->b, slow, 1);
	owner_closed(t->b, slow, MSEC(2800));
	t->l.grace_ns = SEC(60); /* not judged while it teaches */
	evaluate(t);
	pass(t, MSEC(100));
	t->b->pages[t->b->s.nr_pages - 1].page.pins = 0;
	evaluate(t);
	t->b->pages[t->b->s.nr_pages - 2].page.pins = 0;
	t->l.grace_ns = BOOKS_GRACE;
}

static void test_a_path_that_releases_late_gets_twice_its_slowest_time(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, MSEC(5799));
	assert_innocent(t);
	orphan(t, t->owner, MSEC(5800));
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_the_slowest_time_is_remembered(void **state)
{
	struct trial *t = *state;
	struct snap_owner *fast = books_owner(t->b, t->site);

	teach_delay(t);
	books_pin(t->b, fast, 2);
	owner_closed(t->b, fast, MSEC(50));
	evaluate(t);
	pass(t, MSEC(100));
	t->b->pages[t->b->s.nr_pages - 1].page.pins = 0;
	evaluate(t);
	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, MSEC(5799));
	assert_innocent(t);
}

static void test_records_that_a_thinner_sample_lacks_make_no_path_late(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	t->b->s.sample_rate = 2; /* at the very look that misses them */
	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, MSEC(5799));
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_a_late_path_does_not_excuse_another(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = books_owner(t->b, books_site(t->b, BLAME_MODULE, "second"));

	teach_delay(t);
	books_pin(t->b, o, 3);
	orphan(t, o, BOOKS_GRACE);
	assert_string_equal(accused(t)->driver->driver, "second");
}

static void test_a_fast_release_does_not_shorten_the_grace_time(void **state)
{
	struct trial *t = *state;

	/* The file ended 100 ms before the release: far less than the grace time. */
	books_pin(t->b, t->owner, 2);
	owner_closed(t->b, t->owner, 0);
	evaluate(t);
	pass(t, MSEC(100));
	t->b->pages[0].page.pins = 1;
	evaluate(t);
	pass(t, BOOKS_GRACE - MSEC(100) - 1);
	assert_innocent(t);
	pass(t, 1);
	accused(t);
}

static void test_a_release_by_another_owner_of_the_folio_is_no_lateness(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_folio(t->b, 3);

	folio_claim(p, t->owner, 2);
	folio_claim(p, books_owner(t->b, books_site(t->b, BLAME_MODULE, "second")), 1);
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 2);
	p->pins = 2;
	folio_release(p, t->b->sites[1], 1);
	assert_int_equal(accused(t)->pins, 2);
}

static void test_a_release_after_more_than_90_s_is_no_habit(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 2);
	books_pin(t->b, t->owner, 2);
	owner_closed(t->b, t->owner, SEC(91));
	accused(t);
	t->b->pages[0].page.pins = 1;
	assert_int_equal(accused(t)->pins, 3);
}

static void test_a_release_90_s_after_the_end_is_taken_for_slowness(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 2);
	books_pin(t->b, t->owner, 2);
	owner_closed(t->b, t->owner, SEC(90));
	accused(t);
	accused(t);
	t->b->pages[0].page.pins = 1;
	assert_innocent(t);
	pass(t, SEC(90));
	assert_int_equal(accused(t)->pins, 3);
}

/*
 * A call that is not booked yet pins a page that the owner had released: for a moment it looks as
 * if he had left it.
 */
static void test_a_call_in_flight_makes_no_path_late(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 1);
	books_pin(t->b, t->owner, 1);
	owner_closed(t->b, t->owner, MSEC(500));
	for (int i = 0; i < 5; i++) {
		t->b->pages[1].page.pins = i % 2;
		evaluate(t);
		pass(t, MSEC(200));
	}
	pass(t, SEC(1));
	assert_int_equal(accused(t)->pins, 1);
}

static void test_what_was_left_for_two_looks_makes_it_late(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 1);
	books_pin(t->b, t->owner, 1);
	owner_closed(t->b, t->owner, MSEC(500));
	for (int i = 0; i < 5; i++) {
		t->b->pages[1].page.pins = i < 2;
		evaluate(t);
		pass(t, MSEC(200));
	}
	t->l.late_ns = SEC(120);
	pass(t, MSEC(118499));
	assert_innocent(t);
	pass(t, MSEC(1));
	assert_int_equal(accused(t)->pins, 1);
}

/* ---- how many left something ---------------------------------------------------------- */

#define EACH 64 /* pins; 256 are much */

/* So many more are gone, one each `apart`, the last of them for so long; each left a folio. */
static void left_by(struct trial *t, uint32_t owners, uint64_t apart, uint64_t ns_ago)
{
	for (uint32_t i = 0; i < owners; i++) {
		struct snap_owner *o = books_owner(t->b, t->site);

		books_pin(t->b, o, EACH);
		orphan(t, o, ns_ago + (owners - 1 - i) * apart);
	}
}

static void set_graces(struct trial *t)
{
	t->l.grace_ns = SEC(30);
	t->l.few_ns = SEC(75);
	t->l.many_ns = SEC(5);
}

static void test_one_or_two_who_left_something_get_longer(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 2, SEC(1), SEC(74) - 1);
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, EACH); /* of the first */
	pass(t, SEC(1));
	assert_int_equal(accused(t)->pins, 2 * EACH);
}

static void test_three_who_left_something_get_the_grace_time(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 3, SEC(1), SEC(30) - 1);
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 3 * EACH);
}

static void test_many_who_left_something_one_after_the_other_are_a_habit(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 5, MSEC(313), SEC(5) - 1); /* 1.252 s apart: a quarter of 5 s */
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 5 * EACH);
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_four_are_not_many(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 4, SEC(1), SEC(20));
	assert_innocent(t);
}

static void test_many_who_end_at_once_may_have_met_the_same_fate(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 5, MSEC(312), SEC(20));
	assert_innocent(t);
	pass(t, SEC(11));
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_those_who_live_do_not_make_many(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o;

	set_graces(t);
	left_by(t, 4, SEC(1), SEC(10));
	o = books_owner(t->b, t->site);
	books_pin(t->b, o, EACH);
	owner_closed(t->b, o, SEC(20));
	assert_innocent(t);
	owner_died(t->b, o, SEC(10));
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_the_many_of_another_path_do_not_count(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 4, SEC(1), SEC(10));
	t->site = books_site(t->b, BLAME_MODULE, "second");
	left_by(t, 4, SEC(1), SEC(10));
	assert_innocent(t);
}

static void test_a_path_that_releases_late_needs_many_and_the_grace_time(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	set_graces(t);
	t->l.late_ns = SEC(120);
	left_by(t, 5, MSEC(1250), SEC(30) - 1);
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_ends_close_to_each_other_tell_nothing_of_a_late_path(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	set_graces(t);
	t->l.late_ns = SEC(120);
	left_by(t, 5, MSEC(1249), SEC(31)); /* less than 5 s apart */
	assert_innocent(t);
}

static void test_a_path_that_releases_late_is_not_judged_by_a_few(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	set_graces(t);
	t->l.late_ns = SEC(120);
	left_by(t, 4, SEC(1), SEC(116));
	assert_innocent(t);
	pass(t, SEC(4));
	assert_int_equal(accused(t)->pins, 4 * EACH);
}

static void test_a_path_that_released_a_moment_late_gets_the_plain_time(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	t->l.grace_ns = 15 * MSEC(2900);
	t->l.few_ns = SEC(75);
	t->l.many_ns = SEC(3);
	t->l.late_ns = SEC(120);
	left_by(t, 3, SEC(1), t->l.grace_ns - 1);
	left_by(t, 8, SEC(1), SEC(10)); /* for many it is not short */
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 3 * EACH);
	t->l.grace_ns--;
	assert_innocent(t);
}

static void all_died(struct trial *t, uint64_t ns_ago)
{
	for (size_t i = 0; i < t->b->s.nr_owners; i++)
		owner_died(t->b, &t->b->s.owners[i], ns_ago);
}

static void test_the_later_of_both_ends_counts(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 3, SEC(1), SEC(40));
	all_died(t, SEC(30) - 1);
	assert_innocent(t);
	assert_int_equal(t->l.due_ns, BOOKS_NOW + SEC(45) + 1);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 3 * EACH);
}

static void test_that_many_are_gone_is_enough(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 5, SEC(1), SEC(5) - 1);
	all_died(t, 1);
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 5 * EACH);
	t->b->s.owners[3].dead_ns = 0;
	assert_innocent(t);
}

static void test_who_lives_is_not_judged_with_the_many(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	books_pin(t->b, t->owner, 7);
	owner_closed(t->b, t->owner, SEC(20));
	left_by(t, 6, SEC(1), SEC(10));
	assert_int_equal(accused(t)->pins, 6 * EACH);
	owner_died(t->b, t->owner, 0);
	assert_int_equal(accused(t)->pins, 6 * EACH + 7);
}

static void test_failing_calls_of_a_few_get_no_longer(void **state)
{
	struct trial *t = *state;
	struct pl_page *p;

	set_graces(t);
	p = books_pin(t->b, t->owner, 3);
	p->slot[0].refs_bad = 2;
	p->first_ns = BOOKS_NOW - SEC(30) + 1;
	assert_innocent(t);
	pass(t, 1);
	assert_int_equal(accused(t)->pins, 2);
	assert_int_equal(accused(t)->evidence, EVIDENCE_ERROR_LEFT);
}

static void test_nothing_is_waited_for_that_others_may_hold(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	books_pin(t->b, t->owner, 1);
	t->owner->owner.mode = 0; /* an anonymous inode */
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.due_ns, 0);
}

static void test_a_leak_that_goes_on_is_never_proved_less(void **state)
{
	struct trial *t = *state;
	uint64_t before = 0;

	set_graces(t);
	for (int i = 0; i < 100; i++) {
		left_by(t, 1, 0, 1);
		evaluate(t);
		assert_true(t->l.proved >= before);
		assert_true(i < 9 || t->l.proved == (uint64_t)(i - 4) * EACH);
		before = t->l.proved;
		pass(t, SEC(1));
	}
}

static void test_a_little_that_many_left_gets_the_plain_time(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 5, SEC(1), SEC(10));
	t->b->pages[2].page.pins -= 32;
	t->b->pages[3].page.pins -= 33;
	assert_innocent(t);
	t->b->pages[2].page.pins++;
	accused(t);
}

static void test_what_others_may_hold_does_not_make_many(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = t->b->s.owners;

	set_graces(t);
	left_by(t, 5, SEC(1), SEC(10));
	o[3].owner.links = 1; /* a dma-buf that lives on, say */
	assert_innocent(t);
	o[3].owner.links = 0;
	folio_claim(&t->b->pages[1].page, books_owner(t->b, t->site), 1);
	assert_innocent(t);
	t->b->pages[1].page.nr_slots = 1;
	t->b->pages[1].page.base = 1;
	assert_innocent(t);
	t->b->pages[1].page.base = 0;
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_the_order_of_the_ends_does_not_matter(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	for (int i = 0; i < 5; i++)
		left_by(t, 1, 0, SEC(10 + i));
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

/* Deaths are seen at looks: two of them may lie between those of processes that ended at once. */
static void test_the_ends_of_the_files_tell_who_ended_at_once(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	left_by(t, 5, MSEC(50), SEC(10));
	owner_died(t->b, &t->b->s.owners[3], SEC(8));
	assert_innocent(t);
}

static void test_many_of_a_late_path_get_twice_its_slowest_time(void **state)
{
	struct trial *t = *state;

	teach_delay(t);
	set_graces(t);
	t->l.grace_ns = SEC(5);
	t->l.late_ns = SEC(120);
	left_by(t, 5, MSEC(1250), MSEC(5799));
	assert_int_equal(accused(t)->pins, 4 * EACH);
	pass(t, MSEC(1));
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_workers_of_which_no_file_is_known_count(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	for (int i = 0; i < 5; i++) {
		struct snap_owner *o = books_worker(t->b, t->site);

		books_pin(t->b, o, EACH);
		owner_died(t->b, o, SEC(10 + i));
	}
	assert_innocent(t); /* the module is in use, for all that is known */
	assert_int_equal(t->l.due_ns, 0);
	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_an_end_while_the_pages_were_read_teaches_no_delay(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	books_pin(t->b, t->owner, 2);
	owner_closed(t->b, t->owner, 0);
	evaluate(t);
	pass(t, SEC(1));
	t->b->pages[0].page.pins = 0;
	evaluate(t);
	left_by(t, 5, SEC(1), SEC(10));
	assert_int_equal(accused(t)->pins, 5 * EACH);
}

static void test_it_is_told_until_when_releases_are_waited_for(void **state)
{
	struct trial *t = *state;

	set_graces(t);
	books_pin(t->b, t->owner, 1);
	assert_innocent(t);
	assert_int_equal(t->l.due_ns, 0);
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.due_ns, BOOKS_NOW + SEC(65));
	pass(t, SEC(65));
	accused(t);
	assert_int_equal(t->l.due_ns, 0);
}

/* ---- what is lost accuses nobody ------------------------------------------------------ */

static void test_a_torn_record_accuses_nobody(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3)->torn = 1;
	books_pin(t->b, t->owner, 4)->torn = 1;
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.torn, 7);
	assert_int_equal(t->l.nr_holdings, 0);
}

static void test_a_lost_owner_accuses_nobody(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	books_lose_owner(t->b, t->owner);
	assert_innocent(t);
	assert_int_equal(t->l.held, 3);
	assert_int_equal(t->l.nr_holdings, 0);
}

static void test_a_lost_site_accuses_nobody(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	books_lose_site(t->b, t->site);
	assert_innocent(t);
	assert_int_equal(t->l.nr_holdings, 1);
	assert_null(t->l.holdings[0].site);
}

static void test_what_a_lost_owner_may_hold_is_not_proved_of_others(void **state)
{
	struct trial *t = *state;
	struct snap_owner *lost = books_owner(t->b, t->site);
	struct pl_page *p = books_folio(t->b, 3);

	folio_claim(p, lost, 2);
	folio_claim(p, t->owner, 3);
	p = books_folio(t->b, 1);
	folio_claim(p, lost, 1);
	folio_claim(p, t->owner, 1);
	orphan(t, t->owner, SEC(10));
	books_lose_owner(t->b, lost);
	assert_int_equal(accused(t)->pins, 1);
	assert_int_equal(t->l.ambiguous, 3);
}

static void test_a_release_by_a_lost_path_is_as_good_as_none(void **state)
{
	struct trial *t = *state;
	struct snap_site *lost = books_site(t->b, BLAME_MODULE, "second");
	struct snap_owner *other = books_owner(t->b, lost);
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, t->owner, 1);
	folio_claim(p, other, 1);
	folio_release(p, lost, 1);
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 1);
	books_lose_site(t->b, lost);
	assert_innocent(t);
	assert_int_equal(t->l.ambiguous, 1);
}

static void test_a_release_beneath_a_driver_is_not_taken_for_its_own(void **state)
{
	struct trial *t = *state;
	struct snap_site *second = books_site(t->b, BLAME_MODULE, "second");
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, t->owner, 1);
	folio_claim(p, books_owner(t->b, second), 1);
	folio_release(p, second, 1);
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 1);
	second->blame.direct = false; /* an interrupt came while second was running */
	assert_innocent(t);
}

/* The guilty driver has released its pin; the one that is left is the other owner's. */
static void assert_unknown_release_clears(struct trial *t, const struct snap_owner *other)
{
	struct pl_page *p = books_folio(t->b, 1);

	folio_claim(p, t->owner, 1);
	folio_claim(p, other, 1);
	folio_release(p, books_site(t->b, BLAME_UNKNOWN, "unknown"), 1);
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.ambiguous, 1);
}

static void test_a_release_by_an_unknown_path_may_have_been_anybodys(void **state)
{
	struct trial *t = *state;

	assert_unknown_release_clears(t, books_owner(t->b,
						     books_site(t->b, BLAME_UNKNOWN, "unknown")));
}

static void test_a_release_by_an_unknown_path_is_not_taken_for_that_of_a_lost_owner(void **state)
{
	struct trial *t = *state;
	struct snap_owner *lost = books_owner(t->b, t->site);

	books_lose_owner(t->b, lost);
	assert_unknown_release_clears(t, lost);
}

static void test_counts_beyond_the_record_are_cut(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_pin(t->b, t->owner, 3);

	p->nr_slots = p->nr_rels = 255;
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
}

static void test_what_stands_behind_the_last_claim_is_not_read(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_pin(t->b, t->owner, 3);

	p->slot[1] = (struct pl_slot){.owner = books_owner(t->b, t->site)->key, .refs = 3};
	p->rel[0] = (struct pl_release){.site = t->site->key, .refs = 3};
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.nr_holdings, 0);
}

static void test_each_release_path_is_weighed(void **state)
{
	struct trial *t = *state;
	struct snap_site *site[] = {books_site(t->b, BLAME_MODULE, "second"),
				    books_site(t->b, BLAME_MODULE, "second"),
				    books_site(t->b, BLAME_MODULE, "second")};
	struct pl_page *p = books_folio(t->b, 3);

	folio_claim(p, t->owner, 3);
	folio_claim(p, books_owner(t->b, site[0]), 3);
	orphan(t, t->owner, SEC(10));
	for (uint32_t i = 0; i < NR(site); i++) {
		folio_release(p, site[i], 1);
		assert_int_equal(accused(t)->pins, i + 1);
	}
}

static void test_a_folio_without_pins_is_left_out(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 0)->slot[0].refs = 3;
	orphan(t, t->owner, SEC(10));
	assert_innocent(t);
	assert_int_equal(t->l.pins, 0);
}

static void test_the_base_is_booked_as_nobodys(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_pin(t->b, t->owner, 5);

	p->slot[0].refs = 3;
	p->base = 2;
	orphan(t, t->owner, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.base, 2);
}

#define TRIAL(test) cmocka_unit_test_setup_teardown(test, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL(test_a_path_that_releases_late_gets_twice_its_slowest_time),
		TRIAL(test_the_slowest_time_is_remembered),
		TRIAL(test_records_that_a_thinner_sample_lacks_make_no_path_late),
		TRIAL(test_a_late_path_does_not_excuse_another),
		TRIAL(test_a_fast_release_does_not_shorten_the_grace_time),
		TRIAL(test_a_release_by_another_owner_of_the_folio_is_no_lateness),
		TRIAL(test_a_release_after_more_than_90_s_is_no_habit),
		TRIAL(test_a_release_90_s_after_the_end_is_taken_for_slowness),
		TRIAL(test_one_or_two_who_left_something_get_longer),
		TRIAL(test_three_who_left_something_get_the_grace_time),
		TRIAL(test_many_who_left_something_one_after_the_other_are_a_habit),
		TRIAL(test_four_are_not_many),
		TRIAL(test_many_who_end_at_once_may_have_met_the_same_fate),
		TRIAL(test_those_who_live_do_not_make_many),
		TRIAL(test_the_many_of_another_path_do_not_count),
		TRIAL(test_a_path_that_releases_late_needs_many_and_the_grace_time),
		TRIAL(test_ends_close_to_each_other_tell_nothing_of_a_late_path),
		TRIAL(test_a_path_that_releases_late_is_not_judged_by_a_few),
		TRIAL(test_a_path_that_released_a_moment_late_gets_the_plain_time),
		TRIAL(test_the_later_of_both_ends_counts),
		TRIAL(test_that_many_are_gone_is_enough),
		TRIAL(test_who_lives_is_not_judged_with_the_many),
		TRIAL(test_failing_calls_of_a_few_get_no_longer),
		TRIAL(test_nothing_is_waited_for_that_others_may_hold),
		TRIAL(test_a_leak_that_goes_on_is_never_proved_less),
		TRIAL(test_a_little_that_many_left_gets_the_plain_time),
		TRIAL(test_what_others_may_hold_does_not_make_many),
		TRIAL(test_the_order_of_the_ends_does_not_matter),
		TRIAL(test_the_ends_of_the_files_tell_who_ended_at_once),
		TRIAL(test_many_of_a_late_path_get_twice_its_slowest_time),
		TRIAL(test_workers_of_which_no_file_is_known_count),
		TRIAL(test_an_end_while_the_pages_were_read_teaches_no_delay),
		TRIAL(test_it_is_told_until_when_releases_are_waited_for),
		TRIAL(test_a_call_in_flight_makes_no_path_late),
		TRIAL(test_what_was_left_for_two_looks_makes_it_late),
		TRIAL(test_a_torn_record_accuses_nobody),
		TRIAL(test_a_lost_owner_accuses_nobody),
		TRIAL(test_a_lost_site_accuses_nobody),
		TRIAL(test_what_a_lost_owner_may_hold_is_not_proved_of_others),
		TRIAL(test_a_release_by_a_lost_path_is_as_good_as_none),
		TRIAL(test_a_release_beneath_a_driver_is_not_taken_for_its_own),
		TRIAL(test_a_release_by_an_unknown_path_may_have_been_anybodys),
		TRIAL(test_a_release_by_an_unknown_path_is_not_taken_for_that_of_a_lost_owner),
		TRIAL(test_counts_beyond_the_record_are_cut),
		TRIAL(test_what_stands_behind_the_last_claim_is_not_read),
		TRIAL(test_each_release_path_is_weighed),
		TRIAL(test_a_folio_without_pins_is_left_out),
		TRIAL(test_the_base_is_booked_as_nobodys),
	};

	return cmocka_run_group_tests_name("innocence", tests, NULL, NULL);
}
