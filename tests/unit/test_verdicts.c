// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

/* ---- verdicts ------------------------------------------------------------------------- */

static void test_a_verdict_is_given_once(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 300);
	run(s, 100);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.finding.pins, 300);
	assert_string_equal(s->r.finding.driver->driver, "leaky");
	assert_int_equal(s->r.verdict.level, LEVEL_LIGHT);
	assert_int_equal(s->r.verdict.severity, SEVERITY_WARNING);
	assert_false(s->r.verdict.update);
	assert_false(s->r.verdict.incomplete);
	assert_int_equal(s->r.verdict.missed, 0);
	assert_int_equal(monitor_leaking(s->m), 1);
}

static void test_a_verdict_waits_for_the_grace_time(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 300);
	owner_closed(s->b, s->owner, 0);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 0);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_books_of_the_counters_level_are_left_alone(void **state)
{
	struct scene *s = *state;

	begin(s);
	pin(s, s->owner, 300);
	assert_int_equal(monitor_step(s->m, &s->sample, &s->b->s, &s->balance), 0);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_no_verdict_is_given_of_the_innocent(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->owner->file_end_ns = 0;
	pin(s, s->owner, 300);
	run(s, 100);
	assert_int_equal(s->r.verdicts, 0);
	assert_int_equal(monitor_leaking(s->m), 0);
}

static void test_a_verdict_is_given_again_when_it_has_doubled(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	run(s, 10);
	pin(s, s->owner, 9);
	run(s, 10);
	assert_int_equal(s->r.verdicts, 1);
	pin(s, s->owner, 1);
	run(s, 10);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.finding.pins, 20);
	assert_true(s->r.verdict.update);
	assert_int_equal(monitor_leaking(s->m), 1);
}

static void test_a_verdict_is_given_again_with_stronger_evidence(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->owner->dead_ns = 0;
	pin(s, s->owner, 10);
	run(s, 10);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_ABANDONED);
	owner_died(s->b, s->owner, SEC(10));
	run(s, 10);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_ORPHANED);
	assert_false(s->r.verdict.update); /* the evidence is new */
}

static void test_the_last_word_is_given_at_the_end(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	run(s, 1);
	pin(s, s->owner, 5);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	finish(s);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.finding.pins, 15);
}

static void test_nothing_is_repeated_at_the_end(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	run(s, 2);
	finish(s);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_the_last_word_is_given_when_tracking_settles(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0;
	pin(s, s->owner, 10);
	run(s, 1);
	pin(s, s->owner, 5);
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.finding.pins, 15);
}

static void test_two_drivers_get_a_verdict_each(void **state)
{
	struct scene *s = *state;
	struct snap_owner *other = books_owner(s->b, books_site(s->b, BLAME_MODULE, "second"));

	begin_tracking(s);
	*other = (struct snap_owner){.key = other->key,
				     .owner = other->owner,
				     .file_end_ns = s->owner->file_end_ns,
				     .dead_ns = s->owner->dead_ns};
	pin(s, s->owner, 10);
	pin(s, other, 20);
	run(s, 10);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(monitor_leaking(s->m), 2);
	finish(s);
	assert_int_equal(s->r.summary.nr_leaks, 2);
	assert_string_equal(s->r.leak_names[0], "leaky");
	assert_string_equal(s->r.leak_names[1], "second");
	assert_int_equal(s->r.leaks[0].pins, 10);
	assert_int_equal(s->r.leaks[1].pins, 20);
	assert_int_equal(s->r.leaks[1].evidence, EVIDENCE_ORPHANED);
	assert_int_equal(s->r.summary.leaked_pins, 30);
	assert_int_equal(s->r.summary.leaked_bytes, 2 * 4096);
}

static void test_pins_that_no_hook_saw_hold_a_verdict_back(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = 10;
	pin(s, s->owner, 10);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 0);
	assert_int_equal(monitor_leaking(s->m), 0);
	pin(s, s->owner, 1);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.verdict.missed, 10);
	assert_true(s->r.verdict.incomplete);
}

static void test_more_seen_than_counted_holds_nothing_back(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = -1000;
	pin(s, s->owner, 1);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.verdict.missed, 0);
}

static void test_what_the_light_level_did_not_see_holds_back_deeps_verdict(void **state)
{
	struct scene *s = *state;

	go_deep(s, 100);
	/* on folios seen before the deep level began */
	pin(s, s->owner, 100)->first_ns = s->sample.now_ns - 1;
	run(s, 5);
	assert_int_equal(s->r.verdicts, 0);
	pin(s, s->owner, 1)->first_ns = s->sample.now_ns - SEC(6);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_what_the_light_level_did_not_see_says_nothing_of_newer_folios(void **state)
{
	struct scene *s = *state;

	go_deep(s, 100);
	pin(s, s->owner, 1);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.verdict.level, LEVEL_DEEP);
}

static void test_what_was_under_way_when_the_deep_level_began_holds_nothing_back(void **state)
{
	struct scene *s = *state;

	go_deep(s, 100);
	pin(s, s->owner, 60)->first_ns = s->sample.now_ns - 1;
	s->balance.unseen_calls = 60;
	run(s, 5);
	assert_int_equal(s->r.verdicts, 0);
	s->balance.unseen_calls = 59;
	run(s, 1);
	s->balance.unseen_calls = 1000; /* the deep level sees what calls do not explain */
	run(s, 5);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_what_deep_did_not_see_holds_newer_folios_back_too(void **state)
{
	struct scene *s = *state;

	go_deep(s, 100);
	s->balance.unseen = 1;
	pin(s, s->owner, 1);
	run(s, 5);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_a_new_tracking_forgets_what_the_one_before_did_not_see(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->balance.unseen = 1000;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_DEEP);
	s->balance.unseen = 0;
	s->sample.acquired = 0;
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	raise_suspicion(s);
	obey(s);
	pin(s, s->owner, 1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_a_verdict_says_how_many_held_pins_no_record_explains(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	s->sample.acquired += 7;
	run(s, 1);
	assert_int_equal(s->r.verdict.unattributed, 7);
}

static void test_what_was_pinned_before_tracking_needs_no_record(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_ALWAYS;
	begin(s);
	s->sample.acquired = 5000;
	run(s, 1);
	pin(s, s->owner, 10);
	run(s, 5);
	assert_int_equal(s->level, LEVEL_LIGHT);
	assert_int_equal(s->r.verdict.unattributed, 0);
}

static void test_what_rose_before_tracking_is_told(void **state)
{
	struct scene *s = *state;

	begin(s);
	s->sample.acquired = 5000;
	step(s);
	raise_suspicion(s); /* 100 a second */
	obey(s);
	pin(s, s->owner, 10);
	run(s, 1);
	assert_int_equal(s->r.verdict.before, s->sample.acquired - 10 - 5000);
	finish(s);
	assert_int_equal(s->r.summary.before, s->sample.acquired - 10 - 5000);
	assert_int_equal(s->r.summary.rise, s->sample.acquired - 5000);
}

static void test_what_rose_between_two_trackings_is_added(void **state)
{
	struct scene *s = *state;
	int64_t before;

	begin(s);
	step(s);
	raise_suspicion(s);
	before = s->sample.acquired;
	obey(s);
	pin(s, s->owner, 10);
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	s->b->s.nr_pages = 0;
	raise_suspicion(s);
	obey(s);
	pin(s, s->owner, 10);
	run(s, 1);
	assert_int_equal(s->r.verdict.before, s->sample.acquired - 20);
	assert_true(s->r.verdict.before > before);
}

static void test_the_counters_that_a_level_begins_with_are_those_it_was_told(void **state)
{
	struct scene *s = *state;

	/* Pins that came between the last step and the moment the hooks were in place. */
	s->config.track = TRACK_ALWAYS;
	begin(s);
	step(s);
	s->sample.acquired += 500;
	obey(s);
	pin(s, s->owner, 10);
	run(s, 1);
	assert_int_equal(s->r.verdict.before, 500);
	assert_int_equal(s->r.verdict.unattributed, 0);
}

static void test_pins_recorded_while_the_hooks_went_in_count_as_tracked(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	/* The counters that the level begins with know the pins already, and so does the ledger. */
	s->config.track = TRACK_ALWAYS;
	begin(s);
	step(s);
	p = pin(s, s->owner, 60);
	pin(s, s->owner, 45)->base = 5; /* they were there before */
	s->sample.acquired -= 5;
	s->sample.now_ns += MSEC(100);
	obey(s);
	run(s, 1);
	assert_true(p->first_ns < s->r.state.now_ns);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.verdict.unattributed, 0);
	assert_int_equal(s->r.verdict.before, 0);
	s->sample.acquired += 1;
	pin(s, s->owner, 100);
	run(s, 1);
	assert_int_equal(s->r.verdict.unattributed, 1);
}

static void test_so_do_those_of_the_next_tracking(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0;
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	raise_suspicion(s);
	pin(s, s->owner, 100);
	s->sample.now_ns += MSEC(100);
	obey(s);
	pin(s, s->owner, 1);
	s->sample.acquired += 50;
	run(s, 1);
	assert_int_equal(s->r.verdict.unattributed, 50);
}

/* ---- rate, forecast, severity --------------------------------------------------------- */

static void test_the_first_verdict_has_no_rate_yet(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	run(s, 1);
	assert_true(s->r.verdict.rate < 0);
	assert_true(s->r.verdict.exhaustion < 0);
}

static void test_a_later_verdict_has_the_rate_and_when_memory_ends(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 1);
	run(s, 1);
	run(s, 9);
	pin(s, s->owner, 1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	assert_true(s->r.verdict.rate > 409 && s->r.verdict.rate < 410);
	assert_true(s->r.verdict.exhaustion ==
		    (double)s->sample.memory_available / s->r.verdict.rate);
	assert_int_equal(s->r.verdict.severity, SEVERITY_WARNING);
}

static void test_within_a_second_there_is_no_rate(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 1);
	run(s, 1);
	pin(s, s->owner, 1);
	s->sample.now_ns += MSEC(999) - SEC(1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	assert_true(s->r.verdict.rate < 0);
}

/* A page more each second. */
static void leak_for(struct scene *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		pin(s, s->owner, 1);
		run(s, 1);
	}
}

static void test_the_intervals_come_with_the_sixth_growth(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	leak_for(s, 4);
	assert_true(s->r.verdict.rate == 4096);
	assert_true(s->r.verdict.rate_low < 0 && s->r.verdict.rate_high < 0);
	assert_true(s->r.verdict.exhaustion_low < 0 && s->r.verdict.exhaustion_high < 0);
	leak_for(s, 4);
	assert_int_equal(s->r.verdicts, 4);
	assert_true(s->r.verdict.rate_low > 0 && s->r.verdict.rate_low < 4096);
	assert_true(s->r.verdict.rate_high > 4096);
	assert_true(s->r.verdict.exhaustion_low < s->r.verdict.exhaustion);
	assert_true(s->r.verdict.exhaustion_high > s->r.verdict.exhaustion);
}

static void test_less_than_a_day_left_is_critical_once_the_rate_is_known(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.memory_available = 4096 * 86400 - 1;
	leak_for(s, 6);
	assert_int_equal(s->r.verdict.severity, SEVERITY_WARNING);
	assert_int_equal(s->r.verdicts, 3);
	leak_for(s, 1); /* it is told as soon as it is known, before it has doubled */
	assert_int_equal(s->r.verdicts, 4);
	assert_true(s->r.verdict.update);
	assert_int_equal(s->r.verdict.severity, SEVERITY_CRITICAL);
	leak_for(s, 6);
	assert_int_equal(s->r.verdicts, 4);
	leak_for(s, 1); /* 14 pages */
	assert_int_equal(s->r.verdicts, 5);
}

/* The low end of the time left counts: with memory for just over a day, too. */
static void test_the_pessimistic_end_counts(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.memory_available = 4096 * 86400 + 4096;
	leak_for(s, 8);
	assert_true(s->r.verdict.exhaustion > 86400);
	assert_true(s->r.verdict.exhaustion_low < 86400);
	assert_int_equal(s->r.verdict.severity, SEVERITY_CRITICAL);
}

static void test_what_is_lost_is_told_as_a_share_of_the_memory(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 1)->order = 18; /* 1 GiB */
	run(s, 1);
	assert_true(s->r.verdict.share == 1.0 / 64);
	s->sample.memory_total = 0;
	pin(s, s->owner, 1);
	run(s, 1);
	assert_true(s->r.verdict.share < 0);
}

static void test_the_pressure_is_told_since_the_watch_began(void **state)
{
	struct scene *s = *state;

	s->sample.pressure = (struct pressure){.counted = true, .compact_fails = 100};
	begin_tracking(s);
	s->sample.pressure.compact_fails = 107;
	s->sample.pressure.unevictable = 4096;
	pin(s, s->owner, 1);
	run(s, 1);
	assert_true(s->r.verdict.pressure.counted);
	assert_false(s->r.verdict.pressure.psi);
	assert_int_equal(s->r.verdict.pressure.compact_fails, 7);
	assert_int_equal(s->r.verdict.pressure.unevictable, 4096);
	finish(s);
	assert_int_equal(s->r.summary.pressure.compact_fails, 7);
}

static void test_the_summary_has_share_and_severity_of_each_leak(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 1)->order = 18; /* 1 GiB */
	s->sample.memory_total = 8 * GIB;
	run(s, 1);
	finish(s);
	assert_int_equal(s->r.leaks[0].severity, SEVERITY_CRITICAL);
	assert_true(s->r.leaks[0].share == 1.0 / 8);
}

static void test_little_that_has_come_to_rest_is_told_so_at_the_end(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 10);
	run(s, 20);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.verdict.severity, SEVERITY_WARNING);
	assert_false(s->r.verdict.at_rest);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	finish(s);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.verdict.severity, SEVERITY_INFO);
	assert_true(s->r.verdict.at_rest && s->r.verdict.update);
}

static void test_much_that_has_come_to_rest_needs_no_last_word(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	pin(s, s->owner, 1)->order = 18;
	run(s, 30);
	finish(s);
	assert_int_equal(s->r.verdicts, 1);
}

/* Tracking that ends and begins anew knows nothing of the rate before. */
static void test_each_tracking_has_a_rate_of_its_own(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	leak_for(s, 16);
	assert_true(s->r.verdict.rate_low > 0);
	run(s, 21);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	raise_suspicion(s);
	obey(s);
	leak_for(s, 1);
	assert_true(s->r.verdict.rate < 0 && s->r.verdict.rate_low < 0);
}

static void test_a_tenth_of_memory_lost_is_critical(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.memory_total = 10 * 4096 * 512 + 1;
	pin(s, s->owner, 1)->order = 9;
	run(s, 1);
	assert_int_equal(s->r.verdict.severity, SEVERITY_WARNING);
	s->sample.memory_total--;
	pin(s, s->owner, 1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.verdict.severity, SEVERITY_CRITICAL);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_a_verdict_is_given_once),
		SCENE(test_a_verdict_waits_for_the_grace_time),
		SCENE(test_books_of_the_counters_level_are_left_alone),
		SCENE(test_no_verdict_is_given_of_the_innocent),
		SCENE(test_a_verdict_is_given_again_when_it_has_doubled),
		SCENE(test_a_verdict_is_given_again_with_stronger_evidence),
		SCENE(test_the_last_word_is_given_at_the_end),
		SCENE(test_nothing_is_repeated_at_the_end),
		SCENE(test_the_last_word_is_given_when_tracking_settles),
		SCENE(test_two_drivers_get_a_verdict_each),
		SCENE(test_pins_that_no_hook_saw_hold_a_verdict_back),
		SCENE(test_more_seen_than_counted_holds_nothing_back),
		SCENE(test_what_the_light_level_did_not_see_holds_back_deeps_verdict),
		SCENE(test_what_the_light_level_did_not_see_says_nothing_of_newer_folios),
		SCENE(test_what_was_under_way_when_the_deep_level_began_holds_nothing_back),
		SCENE(test_what_deep_did_not_see_holds_newer_folios_back_too),
		SCENE(test_a_new_tracking_forgets_what_the_one_before_did_not_see),
		SCENE(test_a_verdict_says_how_many_held_pins_no_record_explains),
		SCENE(test_what_was_pinned_before_tracking_needs_no_record),
		SCENE(test_what_rose_before_tracking_is_told),
		SCENE(test_what_rose_between_two_trackings_is_added),
		SCENE(test_the_counters_that_a_level_begins_with_are_those_it_was_told),
		SCENE(test_pins_recorded_while_the_hooks_went_in_count_as_tracked),
		SCENE(test_so_do_those_of_the_next_tracking),
		SCENE(test_the_first_verdict_has_no_rate_yet),
		SCENE(test_a_later_verdict_has_the_rate_and_when_memory_ends),
		SCENE(test_within_a_second_there_is_no_rate),
		SCENE(test_the_intervals_come_with_the_sixth_growth),
		SCENE(test_less_than_a_day_left_is_critical_once_the_rate_is_known),
		SCENE(test_the_pessimistic_end_counts),
		SCENE(test_what_is_lost_is_told_as_a_share_of_the_memory),
		SCENE(test_the_pressure_is_told_since_the_watch_began),
		SCENE(test_the_summary_has_share_and_severity_of_each_leak),
		SCENE(test_little_that_has_come_to_rest_is_told_so_at_the_end),
		SCENE(test_much_that_has_come_to_rest_needs_no_last_word),
		SCENE(test_each_tracking_has_a_rate_of_its_own),
		SCENE(test_a_tenth_of_memory_lost_is_critical),
	};

	return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
