// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "core/severity.h"

#define GIB (UINT64_C(1) << 30)

static enum severity grade(uint64_t bytes, uint64_t total, double left_s, bool at_rest)
{
	struct severity_case c = {.bytes = bytes,
				  .memory_total = total,
				  .left_s = left_s,
				  .at_rest = at_rest};

	return severity_of(&c);
}

static void test_severities_have_names(void **state)
{
	(void)state;
	assert_string_equal(severity_name(SEVERITY_INFO), "info");
	assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
}

static void test_a_tenth_of_the_memory_is_critical(void **state)
{
	(void)state;
	assert_int_equal(grade(GIB, 10 * GIB, -1, false), SEVERITY_CRITICAL);
	assert_int_equal(grade(GIB - 4096, 10 * GIB, -1, false), SEVERITY_WARNING);
	assert_int_equal(grade(GIB, 10 * GIB, -1, true), SEVERITY_CRITICAL);
}

static void test_less_than_a_day_is_critical(void **state)
{
	(void)state;
	assert_int_equal(grade(4096, 64 * GIB, 86399, false), SEVERITY_CRITICAL);
	assert_int_equal(grade(4096, 64 * GIB, 86400, false), SEVERITY_WARNING);
	assert_int_equal(grade(4096, 64 * GIB, 0, false), SEVERITY_CRITICAL);
	assert_int_equal(grade(4096, 64 * GIB, -1, false), SEVERITY_WARNING);
}

static void test_little_that_rests_is_worth_knowing_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(grade(GIB - 4096, 10000 * GIB, -1, true), SEVERITY_INFO);
	assert_int_equal(grade(GIB, 10000 * GIB, -1, true), SEVERITY_WARNING);
	assert_int_equal(grade(GIB - 4096, 10000 * GIB, -1, false), SEVERITY_WARNING);
}

static void test_an_unknown_size_of_memory_makes_nothing_better_or_worse(void **state)
{
	(void)state;
	assert_true(severity_share(GIB, 0) < 0);
	assert_int_equal(grade(GIB, 0, -1, true), SEVERITY_WARNING);
	assert_int_equal(grade(GIB, 0, -1, false), SEVERITY_WARNING);
	assert_int_equal(grade(GIB, 0, 60, false), SEVERITY_CRITICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_severities_have_names),
		cmocka_unit_test(test_a_tenth_of_the_memory_is_critical),
		cmocka_unit_test(test_less_than_a_day_is_critical),
		cmocka_unit_test(test_little_that_rests_is_worth_knowing_and_no_more),
		cmocka_unit_test(test_an_unknown_size_of_memory_makes_nothing_better_or_worse),
	};

	return cmocka_run_group_tests_name("severity", tests, NULL, NULL);
}
