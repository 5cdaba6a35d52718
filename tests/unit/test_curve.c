// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "trial.h"

#include "serve/curve.h"

#define SECOND_MS 1000

static struct curve *s;

static int begin(void **state)
{
	(void)state;
	s = curve_create();
	return s ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	curve_destroy(s);
	return 0;
}

/* Looks a second apart, with as many pins as seconds have gone. */
static void add(int64_t from_s, int64_t looks)
{
	for (int64_t i = from_s; i < from_s + looks; i++) {
		struct curve_point p = {.time_ms = i * SECOND_MS,
					.last = i,
					.low = i - 1,
					.high = i + 1,
					.available = (uint64_t)(1000000 - i),
					.level = i == from_s};

		curve_add(s, &p);
	}
}

static void test_looks_are_told_since_a_time(void **state)
{
	struct curve_range r;

	(void)state;
	add(60000, 100);
	r = curve_since(s, 60090 * SECOND_MS);
	assert_int_equal(r.step_s, 0);
	assert_int_equal(r.nr, 10);
	assert_int_equal(curve_at(s, &r, 0)->last, 60090);
	assert_int_equal(curve_at(s, &r, 9)->last, 60099);
	assert_int_equal(curve_since(s, 0).nr, 100);
	assert_int_equal(curve_since(s, 70000 * SECOND_MS).nr, 0);
}

static void test_what_the_looks_do_not_reach_is_told_by_the_minute(void **state)
{
	struct curve_range r;
	const struct curve_point *p;

	(void)state;
	add(60000, 2 * CURVE_LOOKS);
	r = curve_since(s, 60000 * SECOND_MS);
	assert_int_equal(r.step_s, 60);
	assert_int_equal(r.nr, 2 * CURVE_LOOKS / 60);
	p = curve_at(s, &r, 0);
	assert_int_equal(p->time_ms, 60000 * SECOND_MS);
	assert_int_equal(p->last, 60059);
	assert_int_equal(p->low, 59999);
	assert_int_equal(p->high, 60060);
	assert_int_equal(p->available, 1000000 - 60059);
	assert_int_equal(p->level, 1); /* the highest, though it was lower in the end */
	assert_int_equal(curve_since(s, (60000 + CURVE_LOOKS) * SECOND_MS).step_s, 0);
}

static void test_a_year_stays_within_its_bounds(void **state)
{
	struct curve_range r;

	(void)state;
	for (int64_t minute = 0; minute < 365 * 24 * 60; minute++)
		curve_add(s, &(struct curve_point){.time_ms = minute * 60 * SECOND_MS});
	r = curve_since(s, 0);
	assert_int_equal(r.step_s, 3600);
	assert_int_equal(r.nr, CURVE_HOURS);
	assert_true(r.nr <= CURVE_MOST);
	assert_int_equal(curve_at(s, &r, r.nr - 1)->time_ms,
			 (365 * 24 - 1) * INT64_C(3600) * SECOND_MS);
}

static void test_time_that_goes_back_stands_still(void **state)
{
	struct curve_range r;

	(void)state;
	add(60000, 2);
	add(100, 1);
	r = curve_since(s, 0);
	assert_int_equal(r.nr, 3);
	assert_int_equal(curve_at(s, &r, 2)->time_ms, 60001 * SECOND_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_looks_are_told_since_a_time, begin, end),
		cmocka_unit_test_setup_teardown(
			test_what_the_looks_do_not_reach_is_told_by_the_minute, begin, end),
		cmocka_unit_test_setup_teardown(test_a_year_stays_within_its_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_time_that_goes_back_stands_still, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
