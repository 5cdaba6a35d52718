// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "core/detect.h"

struct feed {
	struct detect d;
	struct rng rng;
	uint64_t now_ns;
	uint32_t suspicions;
	uint64_t last_ns; /* of the last suspicion */
	struct detect_suspicion last;
};

static void feed_start(struct feed *f)
{
	*f = (struct feed){.rng.state = random_seed()};
	detect_reset(&f->d);
}

/* One sample a second. */
static bool feed(struct feed *f, int64_t outstanding)
{
	f->now_ns += SEC(1);
	if (!detect_sample(&f->d, f->now_ns, outstanding, &f->last))
		return false;
	f->suspicions++;
	f->last_ns = f->now_ns;
	return true;
}

/* I/O in flight: mostly none, at times up to so much. */
static int64_t noise(struct feed *f, uint32_t most)
{
	return rng_chance(&f->rng, 70) ? 0 : rng_below(&f->rng, most);
}

static void test_no_pins_are_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5000; i++)
		feed(&f, 0);
	assert_int_equal(f.suspicions, 0);
	assert_false(detect_is_curious(&f.d));
	assert_int_equal(detect_last_rise(&f.d), 0);
}

static void test_a_steady_leak_is_suspected_after_five_short_windows(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 14; i++)
		assert_false(feed(&f, 100 * i));
	assert_true(feed(&f, 1400));
	assert_int_equal(f.last.scale, 0);
	assert_int_equal(f.last.rise, 1200);
	assert_int_equal(f.last.span_ns, SEC(12));
	assert_true(f.last.pins_per_s > 99.9 && f.last.pins_per_s < 100.1);
}

static void test_a_leak_under_bursts_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 120; i++)
		feed(&f, 60 * i + noise(&f, 100000));
	assert_true(f.suspicions > 0);
}

static void test_a_leak_under_a_sawtooth_is_suspected(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 200; i++)
		feed(&f, 20 * i + (i % 10) * 5000);
	assert_true(f.suspicions > 0);
}

static void test_bursts_alone_are_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 20000; i++)
		feed(&f, 500 + noise(&f, 100000));
	assert_int_equal(f.suspicions, 0);
}

static void test_a_sawtooth_alone_is_no_suspicion(void **state)
{
	(void)state;
	/* No tooth is longer than four windows of the scale that would see it rise. */
	for (int period = 2; period <= 12; period++) {
		struct feed f;

		feed_start(&f);
		for (int i = 0; i < 6000; i++)
			feed(&f, (i % period) * 4096);
		assert_int_equal(f.suspicions, 0);
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
	/* While it rises nobody can tell; the scale of 15 s is over it at its next window. */
	assert_true(f.last_ns <= SEC(60 + 15));
}

static void test_a_slow_leak_is_found_by_the_long_windows(void **state)
{
	struct feed f;

	/* One page a minute, under bursts. */
	(void)state;
	feed_start(&f);
	for (int i = 0; i < 2 * 3600 && !f.suspicions; i++)
		feed(&f, i / 60 + noise(&f, 1000));
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.scale, 3);
	assert_true(f.now_ns <= SEC(3600));
}

static void test_each_scale_has_a_leak_that_it_alone_finds_first(void **state)
{
	static const struct {
		int pins, seconds; /* so many pins in so many seconds */
	} leaks[DETECT_SCALES] = {{10, 1}, {2, 1}, {1, 10}, {1, 60}};

	(void)state;
	for (uint32_t scale = 0; scale < DETECT_SCALES; scale++) {
		struct feed f;

		feed_start(&f);
		for (int i = 0; i < 5000 && !f.suspicions; i++)
			feed(&f, (int64_t)i * leaks[scale].pins / leaks[scale].seconds);
		assert_int_equal(f.suspicions, 1);
		assert_int_equal(f.last.scale, scale);
		assert_true(f.now_ns == SEC(DETECT_FLOORS * detect_scales[scale].samples));
	}
}

static void test_a_rise_below_the_scales_least_is_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 15; i++) /* 5 pins a second: 60 of the 64 that it takes */
		feed(&f, 5 * i);
	assert_int_equal(f.suspicions, 0);
}

/* Each value for one window of the shortest scale. */
static void feed_floors(struct feed *f, const int64_t *floors, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		feed(f, floors[i] + 1000);
		feed(f, floors[i]);
		feed(f, floors[i] + 5);
	}
}

static void test_the_least_rise_is_enough_and_one_less_is_not(void **state)
{
	static const int64_t enough[] = {10, 11, 12, 13, 74}, less[] = {10, 11, 12, 13, 73};
	struct feed f;

	(void)state;
	feed_start(&f);
	feed_floors(&f, less, NR(less));
	assert_int_equal(f.suspicions, 0);
	feed_start(&f);
	feed_floors(&f, enough, NR(enough));
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.rise, 64);
}

static void test_each_floor_must_be_above_the_one_before(void **state)
{
	static const int64_t floors[][DETECT_FLOORS] = {
		{0, 0, 100, 200, 300},	 {0, 100, 100, 200, 300}, {0, 100, 200, 150, 300},
		{0, 100, 200, 300, 300}, {100, 0, 200, 300, 400},
	};

	(void)state;
	for (size_t i = 0; i < NR(floors); i++) {
		struct feed f;

		feed_start(&f);
		feed_floors(&f, floors[i], DETECT_FLOORS);
		assert_int_equal(f.suspicions, 0);
	}
}

static void test_rise_and_span_are_those_of_the_last_five_floors(void **state)
{
	static const int64_t before[] = {0, 0, 0, 0, 0, 0, 7}, after[] = {27, 37, 47, 97};
	struct feed f;

	(void)state;
	feed_start(&f);
	feed_floors(&f, before, NR(before));
	f.now_ns += SEC(100); /* the machine slept */
	feed_floors(&f, after, NR(after));
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.rise, 90);
	assert_int_equal(f.last.span_ns, SEC(112));
	assert_true(f.last.pins_per_s == 90 / 112.0);
}

static void test_counters_below_zero_are_as_good_as_others(void **state)
{
	struct feed f;

	/* folio_add_pin() drives the difference down: acquired does not count it. */
	(void)state;
	feed_start(&f);
	for (int i = 0; i < 15; i++)
		feed(&f, -100000 + 100 * i);
	assert_int_equal(f.suspicions, 1);
	assert_int_equal(f.last.rise, 1200);
}

static void test_a_falling_count_is_no_suspicion(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 5000; i++)
		feed(&f, 500000 - 100 * i);
	assert_int_equal(f.suspicions, 0);
	assert_true(detect_last_rise(&f.d) < 0);
	assert_false(detect_is_curious(&f.d));
}

static void test_a_count_that_sinks_below_zero_is_suspected_with_the_fall(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 14; i++)
		assert_false(feed(&f, 3 - i));
	assert_true(feed(&f, -11));
	assert_int_equal(f.last.rise, -12);
	assert_int_equal(f.last.span_ns, SEC(12));
	assert_true(f.last.pins_per_s == -1);
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

static void test_a_fall_of_the_floor_clears_it(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 12; i++)
		feed(&f, 100 * i);
	for (int i = 0; i < 3; i++)
		feed(&f, 0);
	for (int i = 0; i < 12; i++) /* four floors again, one too few with the fall before */
		feed(&f, i < 3 ? 0 : 100 * i);
	assert_int_equal(f.suspicions, 0);
}

static void test_reset_forgets_the_rise(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 14; i++)
		feed(&f, 100 * i);
	detect_reset(&f.d);
	for (int i = 14; i < 28; i++)
		assert_false(feed(&f, 100 * i));
	assert_true(feed(&f, 2800));
}

static void test_it_is_curious_as_soon_as_one_floor_rises(void **state)
{
	struct feed f;

	(void)state;
	feed_start(&f);
	for (int i = 0; i < 3; i++)
		feed(&f, 10);
	assert_false(detect_is_curious(&f.d));
	for (int i = 0; i < 3; i++)
		feed(&f, 11);
	assert_true(detect_is_curious(&f.d));
	assert_int_equal(detect_last_rise(&f.d), 1);
	for (int i = 0; i < 3; i++)
		feed(&f, 11);
	assert_false(detect_is_curious(&f.d));
}

static void test_samples_at_one_time_have_no_rate(void **state)
{
	struct detect_suspicion s = {0};
	struct detect d;
	bool suspicious = false;

	(void)state;
	detect_reset(&d);
	for (int i = 0; i < 15; i++)
		suspicious |= detect_sample(&d, SEC(1), 100 * i, &s);
	assert_true(suspicious);
	assert_true(s.pins_per_s == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_pins_are_no_suspicion),
		cmocka_unit_test(test_a_steady_leak_is_suspected_after_five_short_windows),
		cmocka_unit_test(test_a_leak_under_bursts_is_suspected),
		cmocka_unit_test(test_a_leak_under_a_sawtooth_is_suspected),
		cmocka_unit_test(test_bursts_alone_are_no_suspicion),
		cmocka_unit_test(test_a_sawtooth_alone_is_no_suspicion),
		cmocka_unit_test(test_one_step_up_is_no_suspicion),
		cmocka_unit_test(test_a_warm_up_is_not_suspected_once_it_has_reached_its_plateau),
		cmocka_unit_test(test_a_slow_leak_is_found_by_the_long_windows),
		cmocka_unit_test(test_each_scale_has_a_leak_that_it_alone_finds_first),
		cmocka_unit_test(test_a_rise_below_the_scales_least_is_no_suspicion),
		cmocka_unit_test(test_the_least_rise_is_enough_and_one_less_is_not),
		cmocka_unit_test(test_each_floor_must_be_above_the_one_before),
		cmocka_unit_test(test_rise_and_span_are_those_of_the_last_five_floors),
		cmocka_unit_test(test_counters_below_zero_are_as_good_as_others),
		cmocka_unit_test(test_a_falling_count_is_no_suspicion),
		cmocka_unit_test(test_a_count_that_sinks_below_zero_is_suspected_with_the_fall),
		cmocka_unit_test(test_a_count_that_sinks_to_zero_and_no_deeper_is_no_suspicion),
		cmocka_unit_test(test_pins_in_flight_below_zero_are_no_sinking),
		cmocka_unit_test(test_a_fall_of_the_floor_clears_it),
		cmocka_unit_test(test_reset_forgets_the_rise),
		cmocka_unit_test(test_it_is_curious_as_soon_as_one_floor_rises),
		cmocka_unit_test(test_samples_at_one_time_have_no_rate),
	};

	return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
