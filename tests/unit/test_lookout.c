// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "kernel/lookout.h"

#define EVERY SEC(600)
#define GRACE SEC(2)

static bool is_due(const struct lookout *l, uint64_t now_ns)
{
	return lookout_is_due(l, now_ns, EVERY, GRACE);
}

static void test_the_first_look_is_due_at_once(void **state)
{
	struct lookout l = {0};

	(void)state;
	assert_true(is_due(&l, 1));
}

static void test_the_second_look_comes_after_the_grace_time(void **state)
{
	struct lookout l = {.first_ns = SEC(100)};

	(void)state;
	assert_false(is_due(&l, SEC(102) - 1));
	assert_true(is_due(&l, SEC(102)));
	l.last_ns = SEC(99); /* of the pair before; it does not matter any more */
	l.cost_ns = SEC(50);
	assert_true(is_due(&l, SEC(102)));
}

static void test_the_next_pair_comes_when_it_was_asked_for(void **state)
{
	struct lookout l = {.last_ns = SEC(100), .cost_ns = SEC(1)};

	(void)state;
	assert_false(is_due(&l, SEC(700) - 1));
	assert_true(is_due(&l, SEC(700)));
}

static void test_a_pair_that_costs_much_comes_less_often(void **state)
{
	struct lookout l = {.last_ns = SEC(100), .cost_ns = SEC(100)};

	(void)state;
	assert_false(is_due(&l, SEC(1000) - 1)); /* nine times what it cost */
	assert_true(is_due(&l, SEC(1000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_look_is_due_at_once),
		cmocka_unit_test(test_the_second_look_comes_after_the_grace_time),
		cmocka_unit_test(test_the_next_pair_comes_when_it_was_asked_for),
		cmocka_unit_test(test_a_pair_that_costs_much_comes_less_often),
	};

	return cmocka_run_group_tests_name("lookout", tests, NULL, NULL);
}
