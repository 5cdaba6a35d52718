// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "core/map64.h"

static void put(struct map64 *m, uint64_t key, uint32_t value)
{
	assert_int_equal(map64_put(m, key, value), 0);
}

static void assert_value(const struct map64 *m, uint64_t key, uint32_t expected)
{
	uint32_t value = ~expected;

	assert_true(map64_get(m, key, &value));
	assert_int_equal(value, expected);
}

static void assert_none(const struct map64 *m, uint64_t key)
{
	uint32_t value = 729;

	assert_false(map64_get(m, key, &value));
	assert_int_equal(value, 729);
}

static void test_an_empty_table_has_nothing(void **state)
{
	struct map64 m = {0};

	(void)state;
	assert_none(&m, 0);
	assert_none(&m, UINT64_MAX);
	map64_clear(&m);
	assert_none(&m, 0);
	map64_free(&m);
}

static void test_what_was_put_is_got(void **state)
{
	static const uint64_t keys[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, 0xffffea0000000000};
	struct map64 m = {0};

	(void)state;
	for (size_t i = 0; i < NR(keys); i++)
		put(&m, keys[i], (uint32_t)i);
	for (size_t i = 0; i < NR(keys); i++)
		assert_value(&m, keys[i], (uint32_t)i);
	assert_none(&m, 2);
	assert_int_equal(m.used, NR(keys));
	map64_free(&m);
}

static void test_a_key_that_is_there_gets_the_new_value(void **state)
{
	struct map64 m = {0};

	(void)state;
	put(&m, 5, 1);
	put(&m, 5, UINT32_MAX);
	assert_value(&m, 5, UINT32_MAX);
	assert_int_equal(m.used, 1);
	map64_free(&m);
}

static void test_growing_keeps_everything(void **state)
{
	struct map64 m = {0};

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		put(&m, i * UINT64_C(64), i);
		assert_value(&m, (i / 2) * UINT64_C(64), i / 2);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		assert_value(&m, i * UINT64_C(64), i);
		assert_none(&m, i * UINT64_C(64) + 1);
	}
	map64_free(&m);
}

static void test_keys_that_hash_alike_are_kept_apart(void **state)
{
	struct map64 m = {0};

	/* Only bits 32.. of key * constant choose the cell: these keys share the lowest ones. */
	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		put(&m, (uint64_t)i << 58, i);
	for (uint32_t i = 0; i < 40; i++)
		assert_value(&m, (uint64_t)i << 58, i);
	map64_free(&m);
}

static void test_clear_keeps_the_memory_and_nothing_else(void **state)
{
	struct map64 m = {0};
	void *cells;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		put(&m, i, i);
	cells = m.cells;
	map64_clear(&m);
	assert_int_equal(m.used, 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_none(&m, i);
	for (uint32_t i = 0; i < 1000; i++)
		put(&m, i + 500, i);
	assert_ptr_equal(m.cells, cells);
	assert_value(&m, 500, 0);
	assert_none(&m, 0);
	map64_free(&m);
}

static void test_free_leaves_an_empty_table(void **state)
{
	struct map64 m = {0};

	(void)state;
	put(&m, 1, 1);
	map64_free(&m);
	assert_none(&m, 1);
	put(&m, 2, 2);
	assert_value(&m, 2, 2);
	map64_free(&m);
	map64_free(&m);
}

static void test_it_does_what_an_array_does(void **state)
{
	static uint32_t array[512];
	static bool there[512];
	struct rng r = {random_seed()};
	struct map64 m = {0};
	uint64_t n = random_cases(200000);

	(void)state;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t k = rng_below(&r, 512), v;
		uint64_t key = k * UINT64_C(0x100000001);

		if (rng_chance(&r, 40)) {
			array[k] = rng_next(&r);
			there[k] = true;
			put(&m, key, array[k]);
		} else if (map64_get(&m, key, &v) != there[k] || (there[k] && v != array[k])) {
			fail_msg("PINLEAK_SEED=%llu", (unsigned long long)random_seed());
		}
		if (rng_below(&r, 5000))
			continue;
		map64_clear(&m);
		for (k = 0; k < 512; k++)
			there[k] = false;
	}
	map64_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_table_has_nothing),
		cmocka_unit_test(test_what_was_put_is_got),
		cmocka_unit_test(test_a_key_that_is_there_gets_the_new_value),
		cmocka_unit_test(test_growing_keeps_everything),
		cmocka_unit_test(test_keys_that_hash_alike_are_kept_apart),
		cmocka_unit_test(test_clear_keeps_the_memory_and_nothing_else),
		cmocka_unit_test(test_free_leaves_an_empty_table),
		cmocka_unit_test(test_it_does_what_an_array_does),
	};

	return cmocka_run_group_tests_name("map64", tests, NULL, NULL);
}
