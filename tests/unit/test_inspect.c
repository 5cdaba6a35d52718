// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <string.h>

#include "core/inspect.h"

static void test_the_limit_with_the_least_room_is_hit_first(void **state)
{
	struct inspect_limit limits[] = {
		{.kind = LIMITED_BY_MEMLOCK, .used = 10, .allowed = 1000, .applies = true},
		{.kind = LIMITED_BY_CGROUP_MAX, .used = 5000, .allowed = 5500, .applies = true},
		{.kind = LIMITED_BY_MEMLOCK, .used = 0, .allowed = 1}, /* does not bind */
		{.kind = LIMITED_BY_CGROUP_HIGH,
		 .used = 1,
		 .allowed = INSPECT_UNLIMITED,
		 .applies = true},
		{.kind = LIMITED_BY_DMA_ENTRIES,
		 .used = INSPECT_UNKNOWN,
		 .allowed = 1,
		 .applies = true},
	};
	struct inspect i = {.limits = limits, .nr_limits = NR(limits)};

	(void)state;
	assert_ptr_equal(inspect_first_limit(&i), &limits[1]);
	limits[0].used = 2000; /* over it: no room is less than any */
	assert_ptr_equal(inspect_first_limit(&i), &limits[0]);
	i.nr_limits = 0;
	assert_null(inspect_first_limit(&i));
}

static void test_the_files_of_a_process_give_its_accounts_and_limits(void **state)
{
	struct inspect_process p = {0};

	(void)state;
	inspect_status("Name:\tx\nVmPin:\t      12 kB\nVmLck:\t       0 kB\n"
		       "CapEff:\t0000000000004000\n",
		       &p);
	assert_int_equal(p.pinned, 12 * 1024);
	assert_int_equal(p.locked, 0);
	assert_true(p.exempt);
	inspect_status("Name:\tkthread\nCapEff:\t000001ffffffbfff\n", &p);
	assert_true(p.pinned == INSPECT_UNKNOWN && p.locked == INSPECT_UNKNOWN);
	assert_false(p.exempt);
	inspect_limits(
		"Limit   Soft Limit   Hard Limit   Units\n"
		"Max locked memory         8388608              unlimited            bytes\n",
		&p);
	assert_int_equal(p.memlock_soft, 8388608);
	assert_true(p.memlock_hard == INSPECT_UNLIMITED);
	inspect_limits("", &p);
	assert_true(p.memlock_soft == INSPECT_UNKNOWN && p.memlock_hard == INSPECT_UNKNOWN);
}

static void test_parameters_and_settings_are_judged_and_faults_come_first(void **state)
{
	struct inspect_param params[] = {
		{.name = "fine", .type = "int", .value = "1", .value_known = true},
		{.name = "by_text",
		 .type = "uint",
		 .text = "how many (default 3)",
		 .value = "4",
		 .value_known = true},
		{.name = "bad", .type = "uint", .value = "-4", .value_known = true},
		{.name = "by_file",
		 .type = "bool",
		 .value = "Y",
		 .value_known = true,
		 .source = DEFAULT_OF_FILE,
		 .initial = "Y"},
	};
	struct inspect_setting settings[] = {
		{.name = "by-text", .value = "x", .has_value = true},
		{.name = "nosuch", .value = "1", .has_value = true},
		{.name = "dyndbg"},
	};
	struct inspect i = {.params = params,
			    .nr_params = NR(params),
			    .settings = settings,
			    .nr_settings = NR(settings),
			    .identity.file_read = true};

	(void)state;
	inspect_judge(&i);
	assert_string_equal(params[0].name, "bad");
	assert_string_equal(params[0].fault, "-4 is negative, and the type is uint");
	assert_string_equal(params[1].name, "by_text");
	assert_true(params[1].differs && params[1].source == DEFAULT_OF_TEXT);
	assert_string_equal(params[1].initial, "3");
	assert_string_equal(params[2].name, "by_file");
	assert_false(params[2].differs);
	assert_int_equal(params[3].source, DEFAULT_UNKNOWN);
	assert_false(settings[0].unknown);
	assert_string_equal(settings[0].fault, "x is no number, and the type is uint");
	assert_true(settings[1].unknown);
	assert_false(settings[2].unknown); /* taken for every module */
	i.identity.file_read = false;
	inspect_judge(&i);
	assert_false(settings[1].unknown); /* nobody knows */
}

static void test_versions_are_found_in_what_programs_and_the_kernel_print(void **state)
{
	char out[16];

	(void)state;
	inspect_running("#1 SMP PREEMPT_DYNAMIC Debian 6.1.1-1 (2026-01-01)", out, sizeof(out));
	assert_string_equal(out, "6.1.1-1");
	inspect_running("#2 SMP of my own", out, sizeof(out));
	assert_string_equal(out, "");
	inspect_labelled("x:\n  Installed: 1\n  Candidate: 2-1\n", "Candidate:", out, sizeof(out));
	assert_string_equal(out, "2-1");
	inspect_labelled("x:\n", "Candidate:", out, sizeof(out));
	assert_string_equal(out, "");
}

static void test_gaps_are_kept_in_order_and_all_is_freed(void **state)
{
	struct inspect i = {0};

	(void)state;
	for (int n = 0; n < 40; n++)
		inspect_gap(&i, "log", "number %d", n);
	assert_int_equal(i.nr_gaps, 40);
	assert_string_equal(i.gaps[39].why, "number 39");
	inspect_free(&i);
	assert_int_equal(i.nr_gaps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limit_with_the_least_room_is_hit_first),
		cmocka_unit_test(test_the_files_of_a_process_give_its_accounts_and_limits),
		cmocka_unit_test(test_parameters_and_settings_are_judged_and_faults_come_first),
		cmocka_unit_test(test_versions_are_found_in_what_programs_and_the_kernel_print),
		cmocka_unit_test(test_gaps_are_kept_in_order_and_all_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
