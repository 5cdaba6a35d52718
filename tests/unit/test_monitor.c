// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

/* ---- owners that grow ----------------------------------------------------------------- */

/* A living process with an open file that begins with so many pins. */
static struct pl_page *hold(struct scene *s, uint32_t pins)
{
	return pin(s, books_owner(s->b, s->site), pins);
}

static void grow(struct scene *s, struct pl_page *p, uint32_t pins)
{
	p->pins += pins;
	p->slot[0].refs += pins;
	s->sample.acquired += pins;
}

static void test_an_owner_that_grows_is_told_once(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	p = hold(s, 100);
	for (int i = 0; i < 100; i++) {
		grow(s, p, 10);
		run(s, 1);
	}
	assert_int_equal(s->r.helds, 1);
	assert_true(s->r.held_rise >= 64);
	assert_int_equal(s->r.held_owner->key, p->slot[0].owner);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_two_rises_in_a_row_are_enough(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	hold(s, 100); /* another, which does not grow */
	p = hold(s, 100);
	run(s, 1);
	grow(s, p, 100);
	run(s, 5);
	assert_int_equal(s->r.helds, 0);
	grow(s, p, 100);
	run(s, 4);
	assert_int_equal(s->r.helds, 0);
	run(s, 1);
	assert_int_equal(s->r.helds, 1);
	assert_int_equal(s->r.held_rise, 200);
	assert_int_equal(s->r.held_owner->key, p->slot[0].owner);
}

static void test_an_owner_that_stays_as_it_is_is_not_told(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	hold(s, 1 << 20);
	run(s, 200);
	assert_int_equal(s->r.helds, 0);
}

static void test_an_owner_that_grows_little_is_not_told(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	p = hold(s, 100);
	run(s, 1);
	for (int i = 0; i < 63; i++) {
		grow(s, p, 1);
		run(s, 5);
	}
	assert_int_equal(s->r.helds, 0);
	grow(s, p, 1);
	run(s, 5);
	assert_int_equal(s->r.helds, 1);
}

static void test_an_owner_that_steps_up_once_is_not_told(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	p = hold(s, 100);
	run(s, 20);
	grow(s, p, 100000);
	run(s, 100);
	assert_int_equal(s->r.helds, 0);
}

static void test_an_owner_is_told_though_many_came_and_went_before(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	for (int i = 0; i < 100; i++) {
		p = hold(s, 1);
		if (i % 20)
			continue;
		run(s, 5);
		while (s->b->s.nr_pages)
			s->b->pages[--s->b->s.nr_pages].page = (struct pl_page){0};
		s->sample.acquired = 0;
	}
	p = hold(s, 100);
	for (int i = 0; i < 20; i++) {
		grow(s, p, 10);
		run(s, 1);
	}
	assert_int_equal(s->r.helds, 1);
}

static void test_an_owner_that_breathes_is_not_told(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	p = hold(s, 100);
	for (int i = 0; i < 40; i++) {
		p->pins = i % 2 ? 10000 : 100;
		p->slot[0].refs = 10000;
		s->sample.acquired = p->pins;
		run(s, 5);
	}
	assert_int_equal(s->r.helds, 0);
}

/* ---- losses --------------------------------------------------------------------------- */

static void test_losses_are_told_once_an_order_of_magnitude(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	run(s, 5);
	assert_int_equal(s->r.losses, 0);
	for (int lost = 1; lost <= 1000; lost++) {
		s->b->s.stats[PL_LOST_PAGES] = (uint64_t)lost;
		run(s, 1);
	}
	assert_int_equal(s->r.losses, 4);
	finish(s);
	assert_int_equal(s->r.losses, 4);
}

static void test_the_last_count_of_losses_is_told_at_the_end(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->b->s.stats[PL_LOST_PAGES] = 5;
	run(s, 1);
	s->b->s.stats[PL_LOST_PAGES] = 6;
	run(s, 1);
	assert_int_equal(s->r.losses, 1);
	finish(s);
	assert_int_equal(s->r.losses, 2);
}

static void test_skipped_programs_are_a_loss(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->b->s.missed_runs = 1;
	run(s, 1);
	assert_int_equal(s->r.losses, 1);
	assert_int_equal(s->r.loss.missed_runs, 1);
}

static void test_unseen_pins_are_told_at_the_end(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = 5;
	run(s, 5);
	assert_int_equal(s->r.losses, 0);
	finish(s);
	assert_int_equal(s->r.losses, 1);
}

static void test_what_is_counted_as_seen_is_no_loss(void **state)
{
	static const enum pl_stat seen[] = {PL_SEEN_ACQUIRED, PL_SEEN_RELEASED, PL_SEEN_UNCOUNTED,
					    PL_SEEN_API,      PL_API_CALLS,	PL_REL_UNKNOWN,
					    PL_REPAIRED};
	uint64_t stats[PL_STATS] = {0};
	struct balance balance = {0};
	struct report_loss loss = {.stats = stats, .balance = &balance};

	(void)state;
	for (size_t i = 0; i < NR(seen); i++)
		stats[seen[i]] = 1000;
	assert_false(loss_any(&loss));
}

static void test_each_kind_of_loss_is_a_loss(void **state)
{
	static const enum pl_stat lost[] = {PL_LOST_PAGES, PL_LOST_BUSY,    PL_LOST_STACK,
					    PL_LOST_SITES, PL_LOST_OWNERS,  PL_LOST_FILES,
					    PL_LOST_CALLS, PL_REL_UNTRACED, PL_SLOTS_FULL,
					    PL_LOST_TREE,  PL_LOST_WRONGS,  PL_UNCHOSEN};
	uint64_t stats[PL_STATS] = {0};
	struct balance balance = {0};
	struct report_loss loss = {.stats = stats, .balance = &balance};

	(void)state;
	for (size_t i = 0; i < NR(lost); i++) {
		stats[lost[i]] = 1;
		assert_true(loss_any(&loss));
		stats[lost[i]] = 0;
	}
	loss.missed_runs = 1;
	assert_true(loss_any(&loss));
	loss.missed_runs = 0;
	balance.unseen = 1;
	assert_true(loss_any(&loss));
}

/* ---- the summary ---------------------------------------------------------------------- */

static void test_the_summary_of_a_quiet_watch(void **state)
{
	struct scene *s = *state;

	begin(s);
	s->sample.acquired = 1000;
	run(s, 1);
	s->sample.acquired = 1007;
	run(s, 59);
	finish(s);
	assert_true(s->r.summary.seconds == 59);
	assert_int_equal(s->r.summary.rise, 7);
	assert_int_equal(s->r.summary.suspicions, 0);
	assert_int_equal(s->r.summary.nr_leaks, 0);
	assert_int_equal(s->r.summary.leaked_pins, 0);
	assert_int_equal(s->r.summary.highest, LEVEL_COUNTERS);
	assert_false(s->r.summary.tracking_failed);
	assert_false(s->r.summary_has_loss);
	assert_false(s->r.summary_has_ledger);
}

static void test_the_summary_while_tracking(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 3)->order = 2;
	s->b->s.stats[PL_LOST_PAGES] = 5;
	run(s, 10);
	finish(s);
	assert_int_equal(s->r.summary.rise, 3);
	assert_int_equal(s->r.summary.nr_leaks, 1);
	assert_int_equal(s->r.summary.leaked_pins, 3);
	assert_int_equal(s->r.summary.leaked_bytes, 4 * 4096);
	assert_int_equal(s->r.summary.highest, LEVEL_LIGHT);
	assert_true(s->r.summary_has_loss);
	assert_true(s->r.summary_has_ledger);
}

/* Tracking of a leak of so many pins, until it settles; its records go with it. */
static void track_leak(struct scene *s, uint32_t pins)
{
	raise_suspicion(s);
	obey(s);
	pin(s, s->owner, pins);
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	s->b->s.nr_pages = 0;
}

static void test_the_summary_leaves_out_what_was_released_after_all(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 3);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
	s->b->s.nr_pages = 0;
	s->sample.released += 3;
	run(s, 5);
	finish(s);
	assert_int_equal(s->r.summary.leaked_pins, 0);
	assert_int_equal(s->r.summary.leaked_bytes, 0);
}

static void test_the_summary_adds_up_what_two_trackings_found(void **state)
{
	struct scene *s = *state;

	begin(s);
	track_leak(s, 5);
	assert_int_equal(s->r.verdicts, 2); /* the last word: it rests */
	assert_true(s->r.verdict.at_rest);
	track_leak(s, 3);
	assert_int_equal(s->r.verdicts, 4);
	assert_true(s->r.verdict.update);
	finish(s);
	assert_int_equal(s->r.summary.nr_leaks, 1);
	assert_int_equal(s->r.summary.leaked_pins, 8);
	assert_int_equal(s->r.summary.leaked_bytes, 2 * 4096);
	assert_int_equal(s->r.summary.highest, LEVEL_LIGHT);
	assert_true(s->r.summary_has_loss);
	assert_false(s->r.summary_has_ledger);
}

static void test_the_summary_remembers_the_highest_level(void **state)
{
	struct scene *s = *state;

	go_deep(s, 100);
	finish(s);
	assert_int_equal(s->r.summary.highest, LEVEL_DEEP);
}

static void test_levels_have_names(void **state)
{
	(void)state;
	assert_string_equal(level_name(LEVEL_COUNTERS), "counters");
	assert_string_equal(level_name(LEVEL_LIGHT), "light");
	assert_string_equal(level_name(LEVEL_DEEP), "deep");
}

static void test_no_monitor_can_be_destroyed(void **state)
{
	(void)state;
	monitor_destroy(NULL);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_an_owner_that_grows_is_told_once),
		SCENE(test_two_rises_in_a_row_are_enough),
		SCENE(test_an_owner_that_stays_as_it_is_is_not_told),
		SCENE(test_an_owner_that_grows_little_is_not_told),
		SCENE(test_an_owner_that_steps_up_once_is_not_told),
		SCENE(test_an_owner_is_told_though_many_came_and_went_before),
		SCENE(test_an_owner_that_breathes_is_not_told),
		SCENE(test_losses_are_told_once_an_order_of_magnitude),
		SCENE(test_the_last_count_of_losses_is_told_at_the_end),
		SCENE(test_skipped_programs_are_a_loss),
		SCENE(test_unseen_pins_are_told_at_the_end),
		SCENE(test_what_is_counted_as_seen_is_no_loss),
		SCENE(test_each_kind_of_loss_is_a_loss),
		SCENE(test_the_summary_of_a_quiet_watch),
		SCENE(test_the_summary_while_tracking),
		SCENE(test_the_summary_leaves_out_what_was_released_after_all),
		SCENE(test_the_summary_adds_up_what_two_trackings_found),
		SCENE(test_the_summary_remembers_the_highest_level),
		SCENE(test_levels_have_names),
		SCENE(test_no_monitor_can_be_destroyed),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
