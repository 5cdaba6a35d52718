// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "core/agree.h"

/* A record of a folio that was seen pinned, with so many pins claimed. */
static struct pl_page record(uint32_t pins, uint32_t claimed)
{
	return (struct pl_page){.pins = pins, .nr_slots = 1, .slot = {{.refs = claimed}}};
}

static void test_a_record_that_knows_all_pins_agrees(void **state)
{
	struct pl_page p = record(3, 3);
	struct folio now = {.pins = 3};

	(void)state;
	assert_int_equal(agree_record(&p, &now), AGREE);
	assert_int_equal(agree_unattributed(&p, &now), 0);
}

static void test_fewer_pins_than_were_claimed_agree(void **state)
{
	struct pl_page p = record(5, 5);
	struct folio now = {.pins = 1};

	(void)state;
	assert_int_equal(agree_record(&p, &now), AGREE); /* claims are upper bounds */
	assert_int_equal(agree_unattributed(&p, &now), 0);
}

static void test_a_record_of_a_folio_without_pins_is_false(void **state)
{
	struct pl_page p = record(1, 1);
	struct folio none = {.pins = 0}, negative = {.pins = -1};

	(void)state;
	assert_int_equal(agree_record(&p, &none), AGREE_NO_PIN);
	assert_int_equal(agree_record(&p, &negative), AGREE_NO_PIN);
	assert_int_equal(agree_record(&p, NULL), AGREE_NO_PIN); /* it is no folio any more */
	assert_int_equal(agree_unattributed(&p, &none), 0);
	assert_int_equal(agree_unattributed(&p, &negative), 0);
	assert_int_equal(agree_unattributed(&p, NULL), 0);
}

static void test_a_record_that_is_about_to_go_agrees(void **state)
{
	struct pl_page released = record(0, 1), dead = record(1, 1);

	(void)state;
	dead.dead = 1;
	assert_int_equal(agree_record(&released, NULL), AGREE);
	assert_int_equal(agree_record(&dead, NULL), AGREE);
}

static void test_pins_beyond_the_claims_are_unattributed(void **state)
{
	struct pl_page p = record(9, 4);
	struct folio now = {.pins = 9};

	(void)state;
	assert_int_equal(agree_record(&p, &now), AGREE_UNATTRIBUTED);
	assert_int_equal(agree_unattributed(&p, &now), 5);
}

static void test_pins_from_before_and_beyond_the_slots_are_known(void **state)
{
	struct pl_page p = record(9, 4);
	struct folio now = {.pins = 9};

	(void)state;
	p.base = 3;
	p.extra = 1;
	assert_int_equal(agree_unattributed(&p, &now), 1);
	p.extra = 2;
	assert_int_equal(agree_record(&p, &now), AGREE);
}

static void test_each_claim_counts_and_none_that_is_not_there(void **state)
{
	struct pl_page p = {.pins = 10};
	struct folio now = {.pins = 10};

	(void)state;
	for (int i = 0; i < PL_SLOTS; i++)
		p.slot[i].refs = 2;
	p.nr_slots = 2;
	assert_int_equal(agree_unattributed(&p, &now), 6);
	p.nr_slots = PL_SLOTS;
	assert_int_equal(agree_unattributed(&p, &now), 10 - 2 * PL_SLOTS);
	p.nr_slots = 255; /* read while it was written */
	assert_int_equal(agree_unattributed(&p, &now), 10 - 2 * PL_SLOTS);
}

static void test_large_numbers_do_not_wrap(void **state)
{
	struct pl_page p = record(1, 0);
	struct folio now = {.pins = 7};

	(void)state;
	p.base = UINT32_MAX;
	p.extra = 1;
	assert_int_equal(agree_record(&p, &now), AGREE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_that_knows_all_pins_agrees),
		cmocka_unit_test(test_fewer_pins_than_were_claimed_agree),
		cmocka_unit_test(test_a_record_of_a_folio_without_pins_is_false),
		cmocka_unit_test(test_a_record_that_is_about_to_go_agrees),
		cmocka_unit_test(test_pins_beyond_the_claims_are_unattributed),
		cmocka_unit_test(test_pins_from_before_and_beyond_the_slots_are_known),
		cmocka_unit_test(test_each_claim_counts_and_none_that_is_not_there),
		cmocka_unit_test(test_large_numbers_do_not_wrap),
	};

	return cmocka_run_group_tests_name("agree", tests, NULL, NULL);
}
