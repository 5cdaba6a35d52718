// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

#define SLACK 32 /* pins by which the books may differ: SLACK_PINS of the monitor */

/* ---- levels --------------------------------------------------------------------------- */

static void test_it_begins_with_the_counters_alone(void **state)
{
	struct scene *s = *state;

	begin(s);
	run(s, 100);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	assert_int_equal(s->r.states, 0);
	assert_int_equal(s->r.suspicions, 0);
	assert_int_equal(s->r.samples, 100);
}

static void test_a_suspicion_calls_for_tracking(void **state)
{
	struct scene *s = *state;

	begin(s);
	run(s, 5);
	raise_suspicion(s);
	assert_int_equal(s->r.suspicion.pins, 400);
	assert_true(s->r.suspicion.span_s == 4);
	assert_true(s->r.suspicion.pins_per_s == 100);
	assert_int_equal(monitor_wanted(s->m), LEVEL_LIGHT);
	assert_string_equal(monitor_reason(s->m),
			    "the floor of pinned pages rose by 400 pins in 4 s");
	obey(s);
	assert_int_equal(s->r.states, 1);
	assert_int_equal(s->r.state.from, LEVEL_COUNTERS);
	assert_int_equal(s->r.state.to, LEVEL_LIGHT);
	step(s);
	assert_int_equal(s->r.level, LEVEL_LIGHT);
}

static void test_a_suspicion_calls_for_the_level_that_tracking_is_to_begin_with(void **state)
{
	struct scene *s = *state;

	s->config.lowest = LEVEL_DEEP;
	begin(s);
	raise_suspicion(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_DEEP);
}

static void test_tracking_always_begins_at_once(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_ALWAYS;
	begin(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_LIGHT);
	assert_string_equal(monitor_reason(s->m), "asked for");
}

static void test_tracking_always_does_not_settle(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	run(s, 1000);
	assert_int_equal(s->level, LEVEL_LIGHT);
	assert_int_equal(s->r.states, 1);
}

static void test_tracking_never_reports_the_suspicion_and_no_more(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_NEVER;
	begin(s);
	raise_suspicion(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_COUNTERS);
	assert_false(monitor_is_blind(s->m));
	finish(s);
	assert_int_equal(s->r.summary.suspicions, 1);
	assert_int_equal(s->r.summary.highest, LEVEL_COUNTERS);
	assert_false(s->r.summary_has_loss);
	assert_false(s->r.summary_has_ledger);
}

static void test_each_suspicion_needs_a_rise_of_its_own(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_NEVER;
	begin(s);
	raise_suspicion(s);
	for (int i = 0; i < 4; i++) {
		s->sample.acquired += 100;
		step(s);
	}
	assert_int_equal(s->r.suspicions, 1);
	s->sample.acquired += 100;
	step(s);
	assert_int_equal(s->r.suspicions, 2);
}

static void test_exact_counters_are_wanted_when_the_floor_rises_and_while_tracking(void **state)
{
	struct scene *s = *state;

	begin(s);
	run(s, 3);
	assert_false(monitor_wants_exact(s->m));
	s->sample.acquired += 10;
	run(s, 3);
	assert_true(monitor_wants_exact(s->m));
	run(s, 10);
	assert_false(monitor_wants_exact(s->m));
	monitor_level_is(s->m, &s->sample, LEVEL_LIGHT, "");
	assert_true(monitor_wants_exact(s->m));
}

/* The floor rises for some seconds, which is no suspicion yet. */
static void stir(struct scene *s)
{
	run(s, 5);
	for (int i = 0; i < 3; i++) {
		s->sample.acquired += 100;
		step(s);
	}
	assert_int_equal(s->r.suspicions, 0);
}

static void test_it_stirs_before_it_is_suspected_and_not_while_it_is_tracked(void **state)
{
	struct scene *s = *state;

	begin(s);
	run(s, 1);
	assert_false(monitor_is_stirring(s->m));
	stir(s);
	assert_true(monitor_is_stirring(s->m));
	monitor_level_is(s->m, &s->sample, LEVEL_LIGHT, "");
	assert_false(monitor_is_stirring(s->m));
}

static void test_what_will_not_be_tracked_does_not_stir(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_NEVER;
	begin(s);
	stir(s);
	assert_false(monitor_is_stirring(s->m));
}

static void test_what_cannot_be_tracked_does_not_stir(void **state)
{
	struct scene *s = *state;

	begin(s);
	monitor_level_failed(s->m, s->sample.now_ns, LEVEL_LIGHT, "no");
	stir(s);
	assert_false(monitor_is_stirring(s->m));
}

static void test_tracking_settles_when_nothing_is_new(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0; /* it was a burst */
	run(s, 20);		/* counted from the first look at the books */
	assert_int_equal(s->level, LEVEL_LIGHT);
	run(s, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	assert_string_equal(s->r.reason, "settled: nothing new for 20 s");
	assert_int_equal(s->r.verdicts, 0);
}

static void test_a_change_of_level_is_news(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0;
	run(s, 10);
	s->balance.unseen = 1000;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_DEEP);
	s->balance.unseen = 0;
	run(s, 19);
	assert_int_equal(s->level, LEVEL_DEEP);
	run(s, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void test_a_new_tracking_counts_its_unbalanced_steps_anew(void **state)
{
	struct scene *s = *state;

	s->config.settle_ns = SEC(2);
	begin(s);
	raise_suspicion(s);
	obey(s);
	run(s, 3);
	s->balance.unseen = 1000; /* tracking takes as long as it took to be suspected: 4 s */
	run(s, 2);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	raise_suspicion(s);
	obey(s);
	run(s, 1);
	assert_int_equal(s->level, LEVEL_LIGHT);
}

static void test_after_tracking_a_suspicion_needs_a_rise_of_its_own(void **state)
{
	struct scene *s = *state;
	uint32_t before;

	s->config.settle_ns = SEC(10);
	begin(s);
	raise_suspicion(s);
	obey(s);
	for (int i = 0; i < 11; i++) { /* three floors more, each above the one before */
		s->sample.acquired += 3;
		run(s, 1);
	}
	assert_int_equal(s->level, LEVEL_COUNTERS);
	before = s->r.suspicions;
	for (int i = 0; i < 14; i++) {
		s->sample.acquired += 10;
		run(s, 1);
	}
	assert_int_equal(s->r.suspicions, before);
}

static void test_a_leak_that_grows_keeps_tracking_on(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0;
	for (int i = 0; i < 10; i++) {
		pin(s, s->owner, 1);
		run(s, 15);
		assert_int_equal(s->level, LEVEL_LIGHT);
	}
	run(s, 20);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void test_tracking_goes_on_while_somebody_holds_more_than_ever_before(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin(s);
	raise_suspicion(s);
	obey(s);
	s->owner->file_end_ns = s->owner->dead_ns = 0; /* held, not leaked */
	p = pin(s, s->owner, 1);
	for (int i = 0; i < 100; i++) {
		s->sample.acquired += 100;
		p->pins += 100;
		p->slot[0].refs += 100;
		run(s, 1);
		assert_int_equal(s->level, LEVEL_LIGHT);
	}
	assert_int_equal(s->r.suspicions, 1); /* what is being looked at is no news */
	assert_int_equal(s->r.helds, 1);
	for (int i = 0; i < 25; i++) { /* it comes and goes, and never goes beyond what it was */
		p->pins += i % 10 ? 100 : -900;
		p->slot[0].refs = p->pins;
		run(s, 1);
	}
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void test_growth_of_what_is_held_keeps_deep_on_for_an_hour_at_most(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;
	uint32_t seconds = 0;

	s->config.lowest = LEVEL_DEEP;
	begin(s);
	raise_suspicion(s);
	obey(s);
	s->owner->file_end_ns = s->owner->dead_ns = 0; /* held, not leaked */
	p = pin(s, s->owner, 1);
	while (s->level == LEVEL_DEEP && seconds < 4000) {
		s->sample.acquired += 100;
		p->pins += 100;
		p->slot[0].refs += 100;
		run(s, 1);
		seconds++;
	}
	assert_in_range(seconds, 3600, 3630);
}

#define MIB_100 25600 /* pages */

/* By its one owner. */
static void leave_one(struct scene *s)
{
	pin(s, s->owner, 1);
	owner_closed(s->b, s->owner, 0);
	owner_died(s->b, s->owner, 0);
}

/* So many times 100 MiB are available. */
static void begin_with(struct scene *s, uint64_t available)
{
	s->config.few_ns = SEC(75);
	s->sample.memory_available = available * MIB_100 * UINT64_C(4096);
	begin_tracking(s);
}

/* For so many seconds at most, until there is a verdict: pages are pinned, and memory taken. */
static void take(struct scene *s, int seconds, uint32_t pages, uint32_t memory)
{
	for (int i = 0; i < seconds && !s->r.verdicts; i++) {
		s->sample.acquired += pages;
		s->sample.memory_available -= memory * UINT64_C(4096);
		run(s, 1);
	}
}

static void test_tracking_goes_on_while_a_late_release_is_waited_for(void **state)
{
	struct scene *s = *state;

	s->config.few_ns = SEC(75);
	begin(s);
	raise_suspicion(s);
	obey(s);
	leave_one(s);
	run(s, 74);
	assert_int_equal(s->level, LEVEL_LIGHT);
	assert_int_equal(s->r.verdicts, 0);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	run(s, 19);
	assert_int_equal(s->level, LEVEL_LIGHT); /* the verdict is new */
	run(s, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void test_memory_that_would_not_last_leaves_no_time_for_the_few(void **state)
{
	struct scene *s = *state;

	begin_with(s, 121);
	leave_one(s);
	take(s, 2, MIB_100, MIB_100);
	assert_int_equal(s->r.verdicts, 1);
}

/* Huge pages that were set aside, say: they are not available anyway. */
static void test_pins_that_take_no_memory_leave_time_for_the_few(void **state)
{
	struct scene *s = *state;

	begin_with(s, 100);
	leave_one(s);
	take(s, 10, MIB_100, 0);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_a_leak_that_becomes_fast_is_seen_to_be(void **state)
{
	struct scene *s = *state;

	begin_with(s, 200);
	run(s, 1000);
	leave_one(s);
	take(s, 60, 2 * MIB_100, 2 * MIB_100);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_late_releases_one_after_the_other_do_not_keep_tracking_on(void **state)
{
	struct scene *s = *state;
	uint32_t seconds = 0;
	struct pl_page *p;

	s->config.few_ns = SEC(75);
	begin(s);
	raise_suspicion(s);
	obey(s);
	p = pin(s, s->owner, 1);
	for (; s->level == LEVEL_LIGHT && seconds < 1000; seconds++) {
		if (seconds % 50 == 0) { /* another that ended, and the one before released */
			struct snap_owner *o = books_owner(s->b, s->site);

			owner_closed(s->b, o, 0);
			owner_died(s->b, o, 0);
			p->slot[0].owner = o->key;
		}
		run(s, 1);
	}
	assert_in_range(seconds, 90, 100);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_memory_that_lasts_leaves_time_for_the_few(void **state)
{
	struct scene *s = *state;

	begin_with(s, 131);
	leave_one(s);
	take(s, 10, MIB_100, MIB_100);
	assert_int_equal(s->r.verdicts, 0);
}

/* A rise of one pin in ten minutes for days: a day and a half to be suspected. */
static void test_a_slow_leak_is_hunted_for_as_long_as_it_took_and_in_no_hurry(void **state)
{
	struct scene *s = *state;

	s->sample.memory_total = 0;
	begin(s);
	for (int i = 0; i < 100000 && !s->r.suspicions; i++) {
		s->sample.acquired += i % 600 == 0;
		step(s);
	}
	assert_true(s->r.suspicion.span_s >= 4 * 3600);
	obey(s);
	for (int i = 0; i < 4 * 3600; i++) {
		run(s, 1);
		assert_int_equal(s->level, LEVEL_LIGHT);
	}
	run(s, 14 * 3600);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void
test_the_books_are_wanted_a_hundred_times_a_hunt_and_each_time_in_a_fast_one(void **state)
{
	struct scene *s = *state;
	uint32_t books = 0;

	begin(s);
	raise_suspicion(s);
	obey(s);
	for (int i = 0; i < 10; i++) {
		assert_true(monitor_wants_books(s->m));
		step(s);
	}
	monitor_destroy(s->m);
	s->r = (struct record){0};
	s->level = LEVEL_COUNTERS;
	s->sample.memory_total = 0;
	begin(s);
	for (int i = 0; i < 10000 && !s->r.suspicions; i++) {
		s->sample.acquired += i % 60 == 0;
		step(s);
	}
	assert_true(s->r.suspicion.span_s == 3000);
	monitor_level_is(s->m, &s->sample, LEVEL_LIGHT, "");
	for (int i = 0; i < 2900; i++) {
		bool wanted = monitor_wants_books(s->m);

		s->sample.now_ns += SEC(1);
		s->b->s.now_ns = s->sample.now_ns;
		books += wanted;
		assert_int_equal(monitor_step(s->m, &s->sample, wanted ? &s->b->s : NULL,
					      wanted ? &s->balance : NULL),
				 0);
	}
	assert_in_range(books, 90, 100);
}

static void test_tracking_can_be_called_for_again_after_it_settled(void **state)
{
	struct scene *s = *state;

	begin(s);
	for (uint32_t i = 1; i <= 3; i++) {
		raise_suspicion(s);
		obey(s);
		assert_int_equal(s->level, LEVEL_LIGHT);
		run(s, 21);
		assert_int_equal(s->level, LEVEL_COUNTERS);
		assert_int_equal(s->r.suspicions, i);
	}
	assert_int_equal(s->r.states, 6);
}

/* ---- from light to deep --------------------------------------------------------------- */

static void test_held_pins_that_no_record_explains_call_for_deep_after_three_steps(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.acquired += SLACK + 1;
	run(s, 2);
	assert_int_equal(s->level, LEVEL_LIGHT);
	step(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_DEEP);
	assert_string_equal(monitor_reason(s->m),
			    "the books do not balance: 33 pins held, 0 taken that the calls do "
			    "not explain");
}

static void test_pins_that_the_calls_do_not_explain_call_for_deep(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = SLACK + 1;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_DEEP);
}

static void test_claims_of_several_owners_call_for_deep(void **state)
{
	struct scene *s = *state;
	struct snap_owner *other = books_owner(s->b, books_site(s->b, BLAME_MODULE, "second"));

	begin_tracking(s);
	folio_claim(pin(s, s->owner, 1), other, 1);
	run(s, 2);
	assert_int_equal(s->level, LEVEL_LIGHT);
	step(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_DEEP);
	assert_string_equal(monitor_reason(s->m), "1 pins are claimed by more than one owner");
}

static void test_books_that_balance_within_the_slack_stay_light(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.acquired += SLACK;
	s->balance.unseen = SLACK;
	run(s, 100);
	assert_int_equal(s->level, LEVEL_LIGHT);
}

static void test_more_seen_than_counted_is_no_reason_for_deep(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = -1000;
	s->sample.released += 1000;
	run(s, 100);
	assert_int_equal(s->level, LEVEL_LIGHT);
}

static void test_the_three_steps_must_be_in_a_row(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	for (int i = 0; i < 50; i++) {
		s->balance.unseen = i % 3 == 2 ? 0 : 1000;
		run(s, 1);
	}
	assert_int_equal(s->level, LEVEL_LIGHT);
}

static void test_sampled_records_stand_for_as_many_as_the_rate_says(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->b->s.sample_rate = 64;
	pin(s, s->owner, 10)->thin = 6;
	s->sample.acquired += 630;
	run(s, 100);
	assert_int_equal(s->level, LEVEL_LIGHT);
	assert_int_equal(s->r.verdict.sample_rate, 64);
	assert_int_equal(s->r.verdict.unattributed, 0);
}

static void test_pins_on_their_way_that_were_left_out_are_no_reason_to_go_deep(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->sample.acquired += 5000;
	for (int i = 0; i < 50; i++) {
		s->b->s.stats[PL_LEFT_OUT] += 100000;
		run(s, 1);
	}
	assert_int_equal(s->level, LEVEL_LIGHT);
}

static void test_before_it_gives_up_what_was_left_out_is_looked_at(void **state)
{
	struct scene *s = *state;

	begin(s);
	run(s, 5);
	raise_suspicion(s);
	obey(s);
	s->sample.acquired = 0; /* it was a burst */
	for (int i = 0; i < 1000 && s->level == LEVEL_LIGHT; i++) {
		s->b->s.stats[PL_LEFT_OUT] += 100000;
		run(s, 1);
	}
	assert_int_equal(s->level, LEVEL_DEEP);
	run(s, 1000);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

static void test_base_pins_explain_no_rise(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	p = pin(s, s->owner, 100);
	p->base = 100;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_DEEP);
}

/* ---- levels that cannot be had -------------------------------------------------------- */

static void test_a_refused_deep_level_is_not_asked_for_again(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	s->balance.unseen = 1000;
	for (int i = 0; i < 3; i++)
		step(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_DEEP);
	fail_level(s, LEVEL_DEEP);
	assert_string_equal(s->r.reason, "level deep cannot be had: locked down");
	assert_int_equal(s->r.state.from, LEVEL_LIGHT);
	assert_int_equal(s->r.state.to, LEVEL_LIGHT);
	for (int i = 0; i < 10; i++) {
		step(s);
		assert_int_equal(monitor_wanted(s->m), LEVEL_LIGHT);
	}
	assert_false(monitor_is_blind(s->m));
}

static void test_a_refused_light_level_leaves_the_counters(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	fail_level(s, LEVEL_LIGHT);
	assert_int_equal(monitor_wanted(s->m), LEVEL_COUNTERS);
	assert_true(monitor_is_blind(s->m));
	raise_suspicion(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_COUNTERS);
	finish(s);
	assert_true(s->r.summary.tracking_failed);
	assert_int_equal(s->r.summary.suspicions, 2);
}

static void test_a_refused_light_level_refuses_deep_too(void **state)
{
	struct scene *s = *state;

	s->config.lowest = LEVEL_DEEP;
	begin(s);
	raise_suspicion(s);
	fail_level(s, LEVEL_LIGHT);
	raise_suspicion(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_COUNTERS);
}

static void test_light_is_wanted_when_deep_was_asked_for_and_refused(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_ALWAYS;
	s->config.lowest = LEVEL_DEEP;
	begin(s);
	step(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_DEEP);
	fail_level(s, LEVEL_DEEP);
	assert_int_equal(monitor_wanted(s->m), LEVEL_LIGHT);
	assert_false(monitor_is_blind(s->m));
	fail_level(s, LEVEL_LIGHT);
	assert_int_equal(monitor_wanted(s->m), LEVEL_COUNTERS);
	assert_true(monitor_is_blind(s->m));
}

static void test_a_suspicion_after_deep_was_refused_calls_for_light(void **state)
{
	struct scene *s = *state;

	s->config.lowest = LEVEL_DEEP;
	begin(s);
	raise_suspicion(s);
	fail_level(s, LEVEL_DEEP);
	raise_suspicion(s);
	assert_int_equal(monitor_wanted(s->m), LEVEL_LIGHT);
}

static void test_nobody_is_blind_whom_nobody_asked_to_see(void **state)
{
	struct scene *s = *state;

	begin(s);
	fail_level(s, LEVEL_LIGHT);
	assert_false(monitor_is_blind(s->m));
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_it_begins_with_the_counters_alone),
		SCENE(test_a_suspicion_calls_for_tracking),
		SCENE(test_a_suspicion_calls_for_the_level_that_tracking_is_to_begin_with),
		SCENE(test_tracking_always_begins_at_once),
		SCENE(test_tracking_always_does_not_settle),
		SCENE(test_tracking_never_reports_the_suspicion_and_no_more),
		SCENE(test_each_suspicion_needs_a_rise_of_its_own),
		SCENE(test_exact_counters_are_wanted_when_the_floor_rises_and_while_tracking),
		SCENE(test_it_stirs_before_it_is_suspected_and_not_while_it_is_tracked),
		SCENE(test_what_will_not_be_tracked_does_not_stir),
		SCENE(test_what_cannot_be_tracked_does_not_stir),
		SCENE(test_tracking_settles_when_nothing_is_new),
		SCENE(test_a_change_of_level_is_news),
		SCENE(test_a_new_tracking_counts_its_unbalanced_steps_anew),
		SCENE(test_after_tracking_a_suspicion_needs_a_rise_of_its_own),
		SCENE(test_a_leak_that_grows_keeps_tracking_on),
		SCENE(test_tracking_goes_on_while_somebody_holds_more_than_ever_before),
		SCENE(test_a_slow_leak_is_hunted_for_as_long_as_it_took_and_in_no_hurry),
		SCENE(test_the_books_are_wanted_a_hundred_times_a_hunt_and_each_time_in_a_fast_one),
		SCENE(test_growth_of_what_is_held_keeps_deep_on_for_an_hour_at_most),
		SCENE(test_tracking_goes_on_while_a_late_release_is_waited_for),
		SCENE(test_memory_that_would_not_last_leaves_no_time_for_the_few),
		SCENE(test_pins_that_take_no_memory_leave_time_for_the_few),
		SCENE(test_a_leak_that_becomes_fast_is_seen_to_be),
		SCENE(test_late_releases_one_after_the_other_do_not_keep_tracking_on),
		SCENE(test_memory_that_lasts_leaves_time_for_the_few),
		SCENE(test_tracking_can_be_called_for_again_after_it_settled),
		SCENE(test_held_pins_that_no_record_explains_call_for_deep_after_three_steps),
		SCENE(test_pins_that_the_calls_do_not_explain_call_for_deep),
		SCENE(test_claims_of_several_owners_call_for_deep),
		SCENE(test_books_that_balance_within_the_slack_stay_light),
		SCENE(test_more_seen_than_counted_is_no_reason_for_deep),
		SCENE(test_the_three_steps_must_be_in_a_row),
		SCENE(test_sampled_records_stand_for_as_many_as_the_rate_says),
		SCENE(test_pins_on_their_way_that_were_left_out_are_no_reason_to_go_deep),
		SCENE(test_before_it_gives_up_what_was_left_out_is_looked_at),
		SCENE(test_base_pins_explain_no_rise),
		SCENE(test_a_refused_deep_level_is_not_asked_for_again),
		SCENE(test_a_refused_light_level_leaves_the_counters),
		SCENE(test_a_refused_light_level_refuses_deep_too),
		SCENE(test_light_is_wanted_when_deep_was_asked_for_and_refused),
		SCENE(test_a_suspicion_after_deep_was_refused_calls_for_light),
		SCENE(test_nobody_is_blind_whom_nobody_asked_to_see),
	};

	return cmocka_run_group_tests_name("levels", tests, NULL, NULL);
}
