// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "core/pressure.h"

static const struct pressure first = {.counted = true,
				      .compact_stalls = 10,
				      .compact_fails = 6,
				      .compact_successes = 4,
				      .alloc_stalls = 100,
				      .psi = true,
				      .some_avg10 = 1,
				      .full_avg10 = 2,
				      .some_us = 1000,
				      .full_us = 500,
				      .unevictable = 7,
				      .cma_total = 8,
				      .cma_free = 9,
				      .movable = 10};

static void test_what_is_counted_is_told_since_the_beginning(void **state)
{
	struct pressure now = first, since;

	(void)state;
	now.compact_stalls += 3;
	now.compact_fails += 2;
	now.compact_successes += 1;
	now.alloc_stalls += 50;
	now.some_us += 77;
	now.full_us += 66;
	since = pressure_since(&first, &now);
	assert_true(since.counted && since.psi);
	assert_int_equal(since.compact_stalls, 3);
	assert_int_equal(since.compact_fails, 2);
	assert_int_equal(since.compact_successes, 1);
	assert_int_equal(since.alloc_stalls, 50);
	assert_int_equal(since.some_us, 77);
	assert_int_equal(since.full_us, 66);
}

static void test_what_is_a_size_or_a_share_is_told_as_it_is_now(void **state)
{
	struct pressure now = first, since;

	(void)state;
	now.some_avg10 = 1234;
	now.full_avg10 = 567;
	now.unevictable = 70;
	now.cma_total = 80;
	now.cma_free = 90;
	now.movable = 100;
	since = pressure_since(&first, &now);
	assert_int_equal(since.some_avg10, 1234);
	assert_int_equal(since.full_avg10, 567);
	assert_int_equal(since.unevictable, 70);
	assert_int_equal(since.cma_total, 80);
	assert_int_equal(since.cma_free, 90);
	assert_int_equal(since.movable, 100);
}

static void test_what_was_not_known_once_is_not_known_since(void **state)
{
	struct pressure nothing = {0}, since;

	(void)state;
	since = pressure_since(&nothing, &first);
	assert_false(since.counted || since.psi);
	since = pressure_since(&first, &nothing);
	assert_false(since.counted || since.psi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_counted_is_told_since_the_beginning),
		cmocka_unit_test(test_what_is_a_size_or_a_share_is_told_as_it_is_now),
		cmocka_unit_test(test_what_was_not_known_once_is_not_known_since),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
