// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/gate.h"

static int gate_setup(void **state)
{
	static struct gate g;

	g = (struct gate){0};
	*state = &g;
	return 0;
}

static int gate_teardown(void **state)
{
	gate_free(*state);
	return 0;
}

static struct gate_leak *told(struct gate *g, enum blame_kind kind, const char *name, uint64_t pins)
{
	struct blame driver = {.kind = kind};
	struct finding f = {.driver = &driver,
			    .evidence = EVIDENCE_ABANDONED,
			    .pins = pins,
			    .bytes = pins * 4096};
	struct gate_leak *leak;

	snprintf(driver.driver, sizeof(driver.driver), "%s", name);
	assert_int_equal(gate_verdict(g, &f, false, &leak), 0);
	return leak;
}

/* ---- allowances ----------------------------------------------------------------------- */

static void test_what_is_no_allowance_is_invalid(void **state)
{
	static const char *const wrong[] = {
		"",
		"leaky",
		"leaky=",
		"=4",
		"leaky=x",
		"leaky=-1",
		"leaky=4x",
		"leaky=4.5",
		"leaky=0x10",
		"leaky= 4",
		"leaky=99999999999999999999",
	};
	char long_name[PL_SYM + 8];
	struct gate *g = *state;

	for (size_t i = 0; i < NR(wrong); i++)
		assert_int_equal(gate_allow(g, wrong[i]), -EINVAL);
	memset(long_name, 'a', sizeof(long_name));
	memcpy(long_name + PL_SYM, "=4", 3);
	assert_int_equal(gate_allow(g, long_name), -EINVAL);
	assert_int_equal(gate_allow(g, long_name + 1), 0);
	assert_int_equal(g->nr_allowances, 1);
}

static void test_as_many_as_are_allowed_pass_and_one_more_does_not(void **state)
{
	struct gate *g = *state;

	assert_int_equal(gate_allow(g, "leaky=4"), 0);
	told(g, BLAME_MODULE, "leaky", 4);
	assert_false(gate_is_shut(g));
	assert_true(g->leaks[0].allowed);
	told(g, BLAME_MODULE, "leaky", 5);
	assert_true(gate_is_shut(g));
	assert_false(g->leaks[0].allowed);
}

static void test_an_allowance_is_one_drivers(void **state)
{
	struct gate *g = *state;

	assert_int_equal(gate_allow(g, "leaky=4"), 0);
	told(g, BLAME_MODULE, "leaky", 1);
	told(g, BLAME_MODULE, "leaky2", 1);
	assert_true(gate_is_shut(g));
	assert_int_equal(gate_sum(g).pins, 2);
	assert_int_equal(gate_sum(g).bytes, 8192);
	assert_int_equal(gate_sum(g).allowed, 1);
}

static void test_a_driver_may_be_named_as_its_file_is(void **state)
{
	struct gate *g = *state;

	assert_int_equal(gate_allow(g, "rdma-rxe=4"), 0);
	assert_int_equal(gate_allow(g, "vfio_pci=4"), 0);
	told(g, BLAME_MODULE, "rdma_rxe", 4);
	told(g, BLAME_BUILTIN, "vfio-pci", 4);
	assert_false(gate_is_shut(g));
}

static void test_of_two_allowances_of_a_driver_the_last_one_holds(void **state)
{
	struct gate *g = *state;

	assert_int_equal(gate_allow(g, "leaky=400"), 0);
	for (int i = 0; i < 100; i++) { /* many others do not push it out */
		char text[16];

		snprintf(text, sizeof(text), "d%d=%d", i, i);
		assert_int_equal(gate_allow(g, text), 0);
	}
	assert_int_equal(gate_allow(g, "leaky=0"), 0);
	assert_int_equal(g->nr_allowances, 101);
	told(g, BLAME_MODULE, "d99", 99);
	assert_false(gate_is_shut(g));
	told(g, BLAME_MODULE, "leaky", 1);
	assert_true(gate_is_shut(g));
}

/* ---- leaks ---------------------------------------------------------------------------- */

static void test_a_gate_that_nothing_came_through_is_open(void **state)
{
	struct gate *g = *state;

	assert_false(gate_is_shut(g));
	assert_int_equal(gate_sum(g).pins, 0);
}

static void test_verdicts_of_one_driver_are_one_leak(void **state)
{
	struct gate *g = *state;

	told(g, BLAME_MODULE, "leaky", 1);
	told(g, BLAME_BUILTIN, "leaky", 1);
	told(g, BLAME_MODULE, "leaky", 3);
	assert_int_equal(g->nr_leaks, 2);
	assert_int_equal(g->verdicts, 3);
	assert_int_equal(gate_sum(g).pins, 4);
}

static void end(struct gate *g, const char *driver, uint64_t pins)
{
	struct report_leak leak = {.driver = driver,
				   .kind = BLAME_MODULE,
				   .pins = pins,
				   .bytes = pins * 4096};
	struct report_summary s = {.leaks = &leak, .nr_leaks = 1};

	gate_end(g, &s);
}

static void test_what_grew_after_the_last_verdict_counts(void **state)
{
	struct gate *g = *state;

	assert_int_equal(gate_allow(g, "leaky=4"), 0);
	told(g, BLAME_MODULE, "leaky", 4);
	end(g, "leaky", 6);
	assert_int_equal(g->leaks[0].pins, 6);
	assert_int_equal(g->leaks[0].remaining, 6);
	assert_true(gate_is_shut(g));
}

static void test_what_came_back_after_the_grace_time_counts_and_is_told_apart(void **state)
{
	struct gate *g = *state;

	told(g, BLAME_MODULE, "leaky", 4);
	end(g, "leaky", 1);
	assert_int_equal(g->leaks[0].pins, 4);
	assert_int_equal(g->leaks[0].bytes, 4 * 4096);
	assert_int_equal(g->leaks[0].remaining, 1);
	assert_true(gate_is_shut(g));
}

static void test_a_leak_that_no_verdict_told_of_is_none(void **state)
{
	struct gate *g = *state;

	end(g, "leaky", 4);
	assert_false(gate_is_shut(g));
	assert_int_equal(g->nr_leaks, 0);
}

/* ---- waiting -------------------------------------------------------------------------- */

static void test_nothing_left_is_not_waited_for(void **state)
{
	struct ledger l = {.grace_ns = SEC(2), .proved = 100, .held = 100};

	(void)state;
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(100)));
}

static void test_pins_that_are_held_get_the_grace_time(void **state)
{
	struct ledger l = {.grace_ns = SEC(2), .tree_held = 1};

	(void)state;
	assert_false(gate_is_settled(&l, 0, SEC(100), SEC(102) - 1));
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(102)));
	l = (struct ledger){.grace_ns = SEC(2), .tree_unproved = 1};
	assert_false(gate_is_settled(&l, 0, SEC(100), SEC(102) - 1));
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(102)));
}

static void test_what_ended_later_gets_a_grace_time_of_its_own(void **state)
{
	struct ledger l = {.grace_ns = SEC(2), .tree_held = 1, .tree_due_ns = SEC(103)};

	(void)state;
	assert_false(gate_is_settled(&l, 0, SEC(100), SEC(103) - 1));
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(103)));
}

static void test_those_who_go_on_and_on_are_not_waited_for_for_ever(void **state)
{
	struct ledger l = {.grace_ns = SEC(2), .tree_held = 1, .tree_due_ns = SEC(1000)};

	(void)state;
	assert_false(gate_is_settled(&l, 0, SEC(100), SEC(222) - 1));
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(222)));
}

static void test_what_is_open_is_waited_for_beyond_the_grace_time_and_not_for_ever(void **state)
{
	struct ledger l = {.grace_ns = SEC(2)};

	(void)state;
	assert_false(gate_is_settled(&l, 1, SEC(100), SEC(100)));
	assert_false(gate_is_settled(&l, 1, SEC(100), SEC(110)));
	assert_true(gate_is_settled(&l, 0, SEC(100), SEC(100)));
	assert_false(gate_is_settled(&l, 1, SEC(100), SEC(222) - 1));
	assert_true(gate_is_settled(&l, 1, SEC(100), SEC(222)));
}

int main(void)
{
#define GATE(test) cmocka_unit_test_setup_teardown(test, gate_setup, gate_teardown)
	const struct CMUnitTest tests[] = {
		GATE(test_what_is_no_allowance_is_invalid),
		GATE(test_as_many_as_are_allowed_pass_and_one_more_does_not),
		GATE(test_an_allowance_is_one_drivers),
		GATE(test_a_driver_may_be_named_as_its_file_is),
		GATE(test_of_two_allowances_of_a_driver_the_last_one_holds),
		GATE(test_a_gate_that_nothing_came_through_is_open),
		GATE(test_verdicts_of_one_driver_are_one_leak),
		GATE(test_what_grew_after_the_last_verdict_counts),
		GATE(test_what_came_back_after_the_grace_time_counts_and_is_told_apart),
		GATE(test_a_leak_that_no_verdict_told_of_is_none),
		cmocka_unit_test(test_nothing_left_is_not_waited_for),
		cmocka_unit_test(test_pins_that_are_held_get_the_grace_time),
		cmocka_unit_test(test_what_ended_later_gets_a_grace_time_of_its_own),
		cmocka_unit_test(test_those_who_go_on_and_on_are_not_waited_for_for_ever),
		cmocka_unit_test(
			test_what_is_open_is_waited_for_beyond_the_grace_time_and_not_for_ever),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
