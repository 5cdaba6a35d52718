// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <stdio.h>

#include "core/detect.h"

#define HOUR 3600
#define DAY  (24 * HOUR)

struct feed {
	struct detect d;
	struct rng rng;
	struct detect_sample sample;
	uint32_t suspicions;
	uint64_t last_ns; /* of the last suspicion */
	struct detect_suspicion last;
};

static void feed_start(struct feed *f)
{
	*f = (struct feed){.rng.state = random_seed()};
	detect_init(&f->d, &detect_defaults);
}

/* One sample a second. */
static bool feed(struct feed *f, int64_t outstanding)
{
	f->sample.now_ns += SEC(1);
	f->sample.floor = f->sample.top = outstanding;
	if (!detect_take(&f->d, &f->sample, &f->last))
		return false;
	f->suspicions++;
	f->last_ns = f->sample.now_ns;
	return true;
}

/* I/O in flight: mostly none, at times up to so much. */
static int64_t noise(struct feed *f, uint32_t most)
{
	return rng_chance(&f->rng, 70) ? 0 : rng_below(&f->rng, most);
}

/* ---- rises ---------------------------------------------------------------------------- */

static void test_no_pins_are_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5000; i++)
		feed(&f, 0);
	assert_int_equal(f.suspicions, 0);
}

static void test_a_steady_leak_is_suspected_after_five_seconds(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5; i++)
		assert_false(feed(&f, 100 * i));
	assert_true(feed(&f, 500));
	assert_int_equal(f.last.scale, 0);
	/* the first window has two samples: it begins with the first */
	assert_int_equal(f.last.rise, 500);
	assert_int_equal(f.last.span_ns, SEC(4));
	assert_true(f.last.pins_per_s >= 100 && f.last.pins_per_s <= 125);
}

static void test_a_steady_leak_stirs_two_seconds_before_it_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 4; i++) {
		assert_false(detect_is_stirring(&f.d));
		assert_false(feed(&f, 100 * i));
	}
	assert_true(detect_is_stirring(&f.d));
	assert_false(feed(&f, 400));
	assert_true(feed(&f, 500));
}

static void test_little_and_what_does_not_rise_twice_stirs_nothing(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 20; i++) { /* 60 pins in three windows */
		feed(&f, 20 * i);
		assert_false(detect_is_stirring(&f.d));
	}
	for (int i = 0; i < 20; i++) {
		feed(&f, i % 2 ? 500 : 0);
		assert_false(detect_is_stirring(&f.d));
	}
	for (int i = 0; i < 5; i++)
		feed(&f, 6000 + 32 * i);
	assert_true(detect_is_stirring(&f.d));
	feed(&f, 6128);
	assert_false(detect_is_stirring(&f.d));
}

static void test_a_ceiling_that_rises_twice_stirs_too(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 4; i++) {
		assert_false(detect_is_stirring(&f.d));
		f.sample = (struct detect_sample){.now_ns = SEC(i + 1),
						  .floor = i % 2,
						  .top = 1000 + 100 * i};
		assert_false(detect_take(&f.d, &f.sample, &f.last));
	}
	assert_true(detect_is_stirring(&f.d));
}

static void test_a_leak_under_bursts_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 600; i++)
		feed(&f, 60 * i + noise(&f, 100000));
	assert_true(f.suspicions > 0);
}

static void test_a_leak_under_a_sawtooth_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 300; i++)
		feed(&f, 20 * i + (i % 10) * 5000);
	assert_true(f.suspicions > 0);
}

static void test_one_page_a_second_beneath_a_full_queue_is_suspected_in_two_minutes(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 600; i++)
		feed(&f, rng_below(&f.rng, 65));
	f.suspicions = 0;
	for (int i = 0; i < 120 && !f.suspicions; i++)
		feed(&f, i + rng_below(&f.rng, 65));
	assert_int_equal(f.suspicions, 1);
}

static void test_the_same_is_found_though_the_counters_lag(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	f.sample.moving = true;
	for (int i = 0; i < 800 && f.suspicions < 1; i++) {
		f.sample.lag = detect_is_curious(&f.d) ? 0 : 500;
		feed(&f, (i > 600 ? i - 600 : 0) + rng_below(&f.rng, 65));
		if (i <= 600)
			f.suspicions = 0;
	}
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.scale, 2);
}

/* Full nearly always, and empty now and then: its floor says nothing, its ceiling all. */
static void test_one_page_a_second_above_a_queue_that_is_always_full_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 600; i++)
		feed(&f, 2048 - (rng_chance(&f.rng, 20) ? rng_below(&f.rng, 1024) : 0));
	f.suspicions = 0;
	for (int i = 0; i < 120 && !f.suspicions; i++)
		feed(&f, i + 2048 - (rng_chance(&f.rng, 20) ? rng_below(&f.rng, 1024) : 0));
	assert_int_equal(f.suspicions, 1);
}

/* What looks like a leak for a moment may be looked into, a few times. */
static void test_bursts_alone_are_hardly_ever_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 20000; i++)
		feed(&f, 500 + noise(&f, 100000));
	assert_true(f.suspicions <= 1);
}

static void test_a_full_queue_alone_is_hardly_ever_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 10 * DAY; i++)
		feed(&f, rng_below(&f.rng, 16384));
	assert_true(f.suspicions <= 20); /* each costs a minute */
}

static void test_a_sawtooth_is_suspected_at_first_and_then_known(void **state)
{
	(void)state;
	for (int period = 2; period <= 30; period++) {
		struct feed f;

		feed_start(&f);
		for (int i = 0; i < 6000; i++)
			feed(&f, (i % period) * 4096);
		assert_true(f.last_ns <= SEC(2 * period));
	}
}

static void test_one_step_up_is_no_suspicion(void **state)
{
	struct feed f;

	/* A guest's memory, pinned as a whole when it starts. */
	(void)state;
	feed_start(&f);
	for (int i = 0; i < 10000; i++)
		feed(&f, i < 50 ? 0 : 1 << 20);
	assert_int_equal(f.suspicions, 0);
}

static void test_a_warm_up_is_not_suspected_once_it_has_reached_its_plateau(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 10000; i++)
		feed(&f, i < 60 ? i * 100 : 6000);
	assert_true(f.suspicions > 0);
	/* While it rises nobody can tell; the scale of 15 s is over it at its next window. */
	assert_true(f.last_ns <= SEC(60 + 15));
}

static void test_a_slow_leak_is_found_by_the_long_windows(void **state)
{
	struct feed f;

	/* One page a minute, under bursts. */
	(void)state;
	feed_start(&f);
	for (int i = 0; i < 2 * HOUR && !f.suspicions; i++)
		feed(&f, i / 60 + noise(&f, 1000));
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.scale, 4);
	assert_true(f.sample.now_ns <= SEC(HOUR + HOUR / 3));
	assert_int_equal(f.last.hunt_ns, f.last.span_ns);
}

static void test_each_scale_has_a_leak_that_it_alone_finds_first(void **state)
{
	static const struct {
		int pins, seconds; /* so many pins in so many seconds */
	} leaks[DETECT_SCALES] = {{20, 1}, {5, 1}, {1, 1}, {1, 15}, {1, 120}, {1, 1000}, {1, 4000}};

	(void)state;
	for (uint32_t scale = 0; scale < DETECT_SCALES; scale++) {
		struct feed f;

		feed_start(&f);
		for (int i = 0; i < 3 * DAY && !f.suspicions; i++)
			feed(&f, (int64_t)i * leaks[scale].pins / leaks[scale].seconds);
		assert_int_equal(f.suspicions, 1);
		assert_int_equal(f.last.scale, scale);
		assert_true(f.sample.now_ns <=
			    (detect_scales[scale].floors + 1) * detect_scales[scale].ns);
	}
}

/* ---- what is enough ------------------------------------------------------------------- */

static void test_the_least_rise_is_enough_and_one_less_is_not(void **state)
{
	struct feed f;

	(void)state;
	for (int last = 63; last <= 64; last++) {
		feed_start(&f);
		feed(&f, 0);
		for (int i = 0; i < 4; i++)
			assert_false(feed(&f, 16 * i));
		assert_int_equal(feed(&f, last), last == 64);
	}
}

static void test_on_a_large_machine_more_is_asked(void **state)
{
	/* 0.02 % a day of 1 TiB are 53,687 pins: 2.5 in four seconds, 1,864 in 50 minutes. */
	static const struct {
		int pins_per_minute;
		bool found;
	} cases[] = {{30, false}, {120, true}};

	(void)state;
	for (size_t c = 0; c < NR(cases); c++) {
		struct feed f;

		feed_start(&f);
		f.sample.memory_pages = UINT64_C(1) << 28;
		for (int i = 0; i < 4 * HOUR; i++)
			feed(&f, (int64_t)i * cases[c].pins_per_minute / 60);
		assert_int_equal(f.suspicions > 0, cases[c].found);
	}
}

static void test_one_floor_out_of_order_is_forgiven_within_and_not_at_the_ends(void **state)
{
	static const struct {
		int64_t floors[6]; /* the last five are compared */
		bool rises;
	} cases[] = {
		{{0, 0, 100, 200, 300, 400}, true},    {{0, 0, 200, 190, 300, 400}, true},
		{{0, 0, 200, 200, 300, 400}, true},    {{0, 100, 90, 200, 300, 400}, false},
		{{0, 0, 100, 200, 400, 390}, false},   {{0, 0, 300, 290, 280, 400}, false},
		{{0, 100, 100, 200, 300, 400}, false}, {{0, 0, 100, 200, 400, 400}, false},
	};

	(void)state;
	for (size_t c = 0; c < NR(cases); c++) {
		struct feed f;

		feed_start(&f);
		for (int i = 0; i < 6; i++)
			feed(&f, cases[c].floors[i] + (i ? 0 : cases[c].floors[1]));
		assert_int_equal(f.suspicions, cases[c].rises);
	}
}

static void test_a_rise_that_came_and_went_lately_is_no_suspicion_at_that_height(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 8; i++)
		feed(&f, 5000);
	for (int i = 0; i < 20; i++)
		assert_false(feed(&f, 100 * i));
	/* more than 7,500 in four seconds are beyond it */
	for (int i = 1; i < 8; i++)
		feed(&f, 2000 + 2500 * i);
	assert_true(f.suspicions > 0);
}

static void test_counters_that_lag_are_believed_as_far_as_they_go(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	f.sample.lag = 500;
	for (int i = 0; i < 20; i++)
		assert_false(feed(&f, 50 * i)); /* less than twice 500 in 15 seconds */
	assert_true(detect_is_curious(&f.d));
	f.sample.lag = 0;
	for (int i = 20; i < 25; i++)
		feed(&f, 50 * i);
	assert_true(f.suspicions > 0);
}

static void test_without_exact_counters_slow_leaks_are_found_all_the_same(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	f.sample.lag = 10;
	for (int i = 0; i < 3 * HOUR; i++)
		feed(&f, i / 60);
	assert_int_equal(f.suspicions > 0, true);
	assert_true(f.last.scale >= 3);
}

static void test_counters_below_zero_are_as_good_as_others(void **state)
{
	struct feed f;

	/* folio_add_pin() drives the difference down: acquired does not count it. */
	(void)state;
	feed_start(&f);
	for (int i = 0; i < 6; i++)
		feed(&f, -100000 + 100 * i);
	assert_int_equal(f.suspicions, 1);
	assert_true(f.last.rise > 0);
}

static void test_a_falling_count_is_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5000; i++)
		feed(&f, 500000 - 100 * i);
	assert_int_equal(f.suspicions, 0);
}

static void test_samples_at_one_time_are_one_window(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 100; i++) {
		f.sample.floor = f.sample.top = 100 * i;
		assert_false(detect_take(&f.d, &f.sample, &f.last));
	}
}

static void test_a_long_interval_makes_windows_of_one_sample(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 10 && !f.suspicions; i++) {
		f.sample.now_ns += SEC(59);
		feed(&f, 100 * i);
	}
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.span_ns, SEC(240));
}

/* ---- below zero ----------------------------------------------------------------------- */

static void test_a_count_that_sinks_below_zero_is_suspected_with_the_fall(void **state)
{
	struct feed f;
	int i = 0;

	(void)state;
	feed_start(&f);
	while (!f.suspicions && i < 30)
		feed(&f, 3 - i++);
	assert_in_range(i, 14, 17);
	assert_in_range(-f.last.rise, 12, 13);
	assert_int_equal(f.last.span_ns, SEC(12));
	assert_true(f.last.pins_per_s > -1.1 && f.last.pins_per_s <= -1);
}

static void test_a_count_that_sinks_to_zero_and_no_deeper_is_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 15; i++)
		assert_false(feed(&f, 12 - i / 3 * 3));
}

static void test_pins_in_flight_below_zero_are_no_sinking(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5000; i++)
		assert_false(feed(&f, i % 5 * 50 - 400));
}

/* ---- what it costs -------------------------------------------------------------------- */

/* A load that rises for a minute each hour, for a day; how often it was suspected. */
static uint32_t suspect_for_a_day(struct feed *f, bool right)
{
	uint32_t before = f->suspicions;

	for (int i = 0; i < DAY; i++)
		if (feed(f, i / HOUR * 600 + (i % HOUR < 60 ? i % HOUR * 10 : 600)) && right)
			detect_was_right(&f->d, &f->last);
	return f->suspicions - before;
}

static void test_what_leads_to_nothing_is_looked_into_ever_less_often(void **state)
{
	struct feed idle, busy;
	uint32_t right;

	(void)state;
	feed_start(&busy);
	right = suspect_for_a_day(&busy, true);
	feed_start(&idle);
	assert_true(suspect_for_a_day(&idle, false) < right);
}

static void test_a_far_greater_rise_is_looked_into_whatever_came_before(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 1000; i++)
		feed(&f, 50 * i); /* uses up what may lead to nothing */
	f.suspicions = 0;
	for (int i = 1; i < 8; i++)
		feed(&f, 50000 + 5000 * i);
	assert_true(f.suspicions > 0);
}

static void test_while_it_is_tracked_suspicions_cost_nothing(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	f.sample.tracked = true;
	for (int i = 0; i < 1000; i++)
		feed(&f, 50 * i);
	assert_true(f.suspicions > 900);
	detect_reset(&f.d);
	f.sample.tracked = false;
	f.suspicions = 0;
	for (int i = 1000; i < 1010; i++)
		feed(&f, 50 * i);
	assert_true(f.suspicions > 0);
}

static void test_reset_forgets_the_rise_and_not_the_noise(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5; i++)
		feed(&f, 100 * i);
	detect_reset(&f.d);
	for (int i = 5; i < 9; i++)
		assert_false(feed(&f, 100 * i));
	assert_true(feed(&f, 900));
	for (int i = 0; i < 3; i++)
		feed(&f, i ? 100000 : 1000);
	detect_reset(&f.d);
	for (int i = 0; i < 10; i++)
		assert_false(feed(&f, 1000 + 1000 * i));
}

static void test_exact_counters_are_worth_it_when_the_floor_rises_and_now_and_then(void **state)
{
	struct feed f;
	int asked = 0;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5; i++)
		feed(&f, 10);
	assert_false(detect_is_curious(&f.d));
	feed(&f, 11);
	assert_true(detect_is_curious(&f.d));
	for (int i = 0; i < 3000; i++) {
		f.sample.lag = detect_is_curious(&f.d) ? 0 : 500;
		asked += !f.sample.lag;
		feed(&f, 11);
	}
	assert_in_range(asked, 90, 120);
}

static void test_settings_are_taken_as_they_are_written(void **state)
{
	struct detect_config c = detect_defaults;

	(void)state;
	assert_int_equal(detect_configure(&c, "share=0.5%,pins=3,fall=2,hunts=7,pause=1.5"), 0);
	assert_true(c.share == 0.005 && c.pins == 3 && c.fall == 2 && c.hunts == 7 &&
		    c.pause == 1.5);
	assert_int_equal(detect_configure(&c, "share=1"), 0);
	assert_true(c.share == 0.01 && c.pins == 3);
}

static void test_settings_that_are_none_change_nothing(void **state)
{
	static const char *const wrong[] = {
		"",
		"pins",
		"pins=",
		"=3",
		"pins=3,",
		",pins=3",
		"pins=0",
		"pins=-1",
		"pins=+1",
		"pins= 1",
		"pins=1%",
		"pins=1x",
		"share=nan",
		"share=inf",
		"share=101",
		"pin=3",
		"pinss=3",
		"hunts=0.5",
		"fall=1e9",
		"share=0.5%%",
		"pins=3;fall=2",
		"pins=3 fall=2",
	};

	(void)state;
	for (size_t i = 0; i < NR(wrong); i++) {
		struct detect_config c = detect_defaults;
		char both[64];

		assert_int_equal(detect_configure(&c, wrong[i]), -EINVAL);
		snprintf(both, sizeof(both), "fall=9,%s", wrong[i]);
		assert_int_equal(detect_configure(&c, both), -EINVAL);
		assert_true(c.fall == detect_defaults.fall);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_pins_are_no_suspicion),
		cmocka_unit_test(test_a_steady_leak_is_suspected_after_five_seconds),
		cmocka_unit_test(test_a_steady_leak_stirs_two_seconds_before_it_is_suspected),
		cmocka_unit_test(test_little_and_what_does_not_rise_twice_stirs_nothing),
		cmocka_unit_test(test_a_ceiling_that_rises_twice_stirs_too),
		cmocka_unit_test(test_a_leak_under_bursts_is_suspected),
		cmocka_unit_test(test_a_leak_under_a_sawtooth_is_suspected),
		cmocka_unit_test(
			test_one_page_a_second_beneath_a_full_queue_is_suspected_in_two_minutes),
		cmocka_unit_test(test_the_same_is_found_though_the_counters_lag),
		cmocka_unit_test(
			test_one_page_a_second_above_a_queue_that_is_always_full_is_suspected),
		cmocka_unit_test(test_bursts_alone_are_hardly_ever_suspected),
		cmocka_unit_test(test_a_full_queue_alone_is_hardly_ever_suspected),
		cmocka_unit_test(test_a_sawtooth_is_suspected_at_first_and_then_known),
		cmocka_unit_test(test_one_step_up_is_no_suspicion),
		cmocka_unit_test(test_a_warm_up_is_not_suspected_once_it_has_reached_its_plateau),
		cmocka_unit_test(test_a_slow_leak_is_found_by_the_long_windows),
		cmocka_unit_test(test_each_scale_has_a_leak_that_it_alone_finds_first),
		cmocka_unit_test(test_the_least_rise_is_enough_and_one_less_is_not),
		cmocka_unit_test(test_on_a_large_machine_more_is_asked),
		cmocka_unit_test(
			test_one_floor_out_of_order_is_forgiven_within_and_not_at_the_ends),
		cmocka_unit_test(
			test_a_rise_that_came_and_went_lately_is_no_suspicion_at_that_height),
		cmocka_unit_test(test_counters_that_lag_are_believed_as_far_as_they_go),
		cmocka_unit_test(test_without_exact_counters_slow_leaks_are_found_all_the_same),
		cmocka_unit_test(test_counters_below_zero_are_as_good_as_others),
		cmocka_unit_test(test_a_falling_count_is_no_suspicion),
		cmocka_unit_test(test_samples_at_one_time_are_one_window),
		cmocka_unit_test(test_a_long_interval_makes_windows_of_one_sample),
		cmocka_unit_test(test_a_count_that_sinks_below_zero_is_suspected_with_the_fall),
		cmocka_unit_test(test_a_count_that_sinks_to_zero_and_no_deeper_is_no_suspicion),
		cmocka_unit_test(test_pins_in_flight_below_zero_are_no_sinking),
		cmocka_unit_test(test_what_leads_to_nothing_is_looked_into_ever_less_often),
		cmocka_unit_test(test_a_far_greater_rise_is_looked_into_whatever_came_before),
		cmocka_unit_test(test_while_it_is_tracked_suspicions_cost_nothing),
		cmocka_unit_test(test_reset_forgets_the_rise_and_not_the_noise),
		cmocka_unit_test(test_settings_are_taken_as_they_are_written),
		cmocka_unit_test(test_settings_that_are_none_change_nothing),
		cmocka_unit_test(
			test_exact_counters_are_worth_it_when_the_floor_rises_and_now_and_then),
	};

	return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
