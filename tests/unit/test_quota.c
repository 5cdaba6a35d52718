// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/quota.h"

#define GIB (UINT64_C(1) << 30)

/* ---- how much ------------------------------------------------------------------------- */

static void assert_pages(enum quota_unit unit, const char *text, uint64_t expected)
{
	uint64_t pages = 0;
	int err = quota_pages(unit, text, GIB, 4096, &pages);

	if (err || pages != expected)
		fail_msg("\"%s\": %d, %" PRIu64, text, err, pages);
}

static void assert_no_pages(enum quota_unit unit, const char *text, int expected)
{
	uint64_t pages = 729;
	int err = quota_pages(unit, text, GIB, 4096, &pages);

	if (err != expected || pages != 729)
		fail_msg("\"%s\": %d, %" PRIu64, text, err, pages);
}

static void test_a_limit_is_pages_bytes_or_a_share_of_memory(void **state)
{
	(void)state;
	assert_pages(QUOTA_PAGES, "1", 1);
	assert_pages(QUOTA_PAGES, "262144", 262144);
	assert_pages(QUOTA_BYTES, "4096", 1);
	assert_pages(QUOTA_BYTES, "8191", 1);
	assert_pages(QUOTA_BYTES, "1.5MiB", 384);
	assert_pages(QUOTA_BYTES, "1G", 262144);
	assert_pages(QUOTA_SHARE, "100%", 262144);
	assert_pages(QUOTA_SHARE, "50", 131072);
	assert_pages(QUOTA_SHARE, "0.5%", 1310);
}

static void test_nothing_and_more_than_the_memory_are_no_limits(void **state)
{
	(void)state;
	assert_no_pages(QUOTA_PAGES, "0", -ERANGE);
	assert_no_pages(QUOTA_PAGES, "262145", -ERANGE);
	assert_no_pages(QUOTA_PAGES, "-1", -EINVAL);
	assert_no_pages(QUOTA_PAGES, "many", -EINVAL);
	assert_no_pages(QUOTA_BYTES, "4095", -ERANGE);
	assert_no_pages(QUOTA_BYTES, "1073741825", -ERANGE);
	assert_no_pages(QUOTA_BYTES, "-4096", -EINVAL);
	assert_no_pages(QUOTA_SHARE, "0%", -ERANGE);
	assert_no_pages(QUOTA_SHARE, "0.0001%", -ERANGE);
	assert_no_pages(QUOTA_SHARE, "101", -ERANGE);
}

static void assert_no_order(const char *text, int expected)
{
	struct quota_order o = {.pages = 729};
	int err = quota_order(text, GIB, 4096, &o);

	if (err != expected || o.pages != 729)
		fail_msg("\"%s\": %d, %" PRIu64, text, err, o.pages);
}

static void test_an_order_is_a_driver_an_amount_by_its_unit_and_a_mode(void **state)
{
	struct quota_order o;

	(void)state;
	assert_int_equal(quota_order("rdma-rxe:1000", GIB, 4096, &o), 0);
	assert_string_equal(o.driver, "rdma_rxe");
	assert_int_equal(o.pages, 1000);
	assert_false(o.enforce);
	assert_int_equal(quota_order("vivid:1.5MiB:enforce", GIB, 4096, &o), 0);
	assert_string_equal(o.driver, "vivid");
	assert_int_equal(o.pages, 384);
	assert_true(o.enforce);
	assert_int_equal(quota_order("vivid:0.5%", GIB, 4096, &o), 0);
	assert_int_equal(o.pages, 1310);
	assert_false(o.enforce);
}

static void test_what_is_no_order_is_refused_and_nothing_taken_of_it(void **state)
{
	static const char *const wrong[] = {
		"",	 ":",	  "vivid",   "vivid:",	  "vivid::enforce",  ":5",
		"a/b:5", "..:5",  "vivid:x", "vivid:5:",  "vivid:5:Enforce", "vivid:5:enforce:",
		"v:1.5", "v:5%%", "v: 5",    "v:5:audit", "v:5:enforce:5",   "v:-5",
	};
	char longest[PL_MODNAME + 2] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_no_order(wrong[i], -EINVAL);
	assert_no_order("v:0", -ERANGE);
	assert_no_order("v:1T", -ERANGE);
	memset(longest, 'v', PL_MODNAME - 1);
	memcpy(longest + PL_MODNAME - 1, ":5", 3);
	assert_int_equal(quota_order(longest, GIB, 4096, &(struct quota_order){0}), 0);
	memcpy(longest + PL_MODNAME - 2, "vv", 3); /* one too many, and no amount */
	assert_no_order(longest, -EINVAL);
}

/* ---- what is told --------------------------------------------------------------------- */

static void test_each_process_and_call_is_told_once_and_again_ten_times_as_often(void **state)
{
	struct quota_told told = {0};
	struct pl_crossing c = {.tgid = 7, .start_ns = 1, .count = 3, .call = PL_CALL_IOCTL};
	struct pl_crossing other = c, later = c, write = c;

	(void)state;
	other.tgid = 8;
	later.start_ns = 2; /* the same number, another process */
	write.call = PL_CALL_WRITE;
	assert_true(quota_take(&told, &c));
	assert_false(quota_take(&told, &c));
	assert_true(quota_take(&told, &other));
	assert_true(quota_take(&told, &later));
	assert_true(quota_take(&told, &write));
	c.count = 29;
	assert_false(quota_take(&told, &c));
	c.count = 30;
	assert_true(quota_take(&told, &c));
	assert_false(quota_take(&told, &c));
	c.count = 300;
	assert_true(quota_take(&told, &c));
	assert_false(quota_take(&told, &other));
}

static void test_each_crossing_is_told(void **state)
{
	struct quota_told told = {0};
	struct pl_crossing c = {.tgid = 7, .start_ns = 1, .count = 1, .call = PL_CALL_PIN};

	(void)state;
	assert_true(quota_take(&told, &c));
	assert_false(quota_take(&told, &c));
	c.count = 2;
	assert_true(quota_take(&told, &c));
	assert_false(quota_take(&told, &c));
	c.count = 9; /* several since the last look */
	assert_true(quota_take(&told, &c));
}

static void test_more_processes_than_there_is_room_for_are_all_told(void **state)
{
	struct quota_told told = {0};
	struct pl_crossing c = {.count = 1};

	(void)state;
	for (c.tgid = 1; c.tgid <= PL_CROSSINGS + 2; c.tgid++)
		assert_true(quota_take(&told, &c));
	c.tgid = PL_CROSSINGS;
	assert_false(quota_take(&told, &c));
	c.tgid = 1;
	assert_true(quota_take(&told, &c));
}

/* ---- kinds of calls ------------------------------------------------------------------- */

static void test_what_pins_is_refused_unless_it_has_released(void **state)
{
	struct pl_habit nothing = {0}, pins = {.pinned = 1}, releases = {.released = 5},
			both = {.pinned = 100, .released = 1};

	(void)state;
	assert_int_equal(quota_answer(&nothing), QUOTA_UNKNOWN);
	assert_int_equal(quota_answer(&releases), QUOTA_UNKNOWN);
	assert_int_equal(quota_answer(&pins), QUOTA_REFUSED);
	assert_int_equal(quota_answer(&both), QUOTA_BOTH);
}

static void test_a_kind_is_told_when_it_pins_and_when_its_answer_changes(void **state)
{
	struct quota_learned learned = {0};
	struct quota_kind k = {.kind = {.ops = 1, .call = PL_CALL_IOCTL, .command = 5}}, other;

	(void)state;
	k.habit.released = 1;
	assert_false(quota_learn(&learned, &k));
	k.habit = (struct pl_habit){.pinned = 1};
	assert_true(quota_learn(&learned, &k));
	k.habit.pinned = 2;
	assert_false(quota_learn(&learned, &k));
	other = k;
	other.kind.ops = 2;
	assert_true(quota_learn(&learned, &other));
	other = k;
	other.kind.call = PL_CALL_WRITE;
	assert_true(quota_learn(&learned, &other));
	k.habit.released = 1;
	assert_true(quota_learn(&learned, &k));
	k.habit.released = 2;
	assert_false(quota_learn(&learned, &k));
	k.habit.released = 0; /* it was a call that went on to pin */
	assert_true(quota_learn(&learned, &k));
}

static void test_kinds_that_there_is_no_room_for_are_not_told_again_and_again(void **state)
{
	struct quota_learned learned = {0};
	struct quota_kind k = {.habit = {.pinned = 1}};

	(void)state;
	for (k.kind.command = 0; k.kind.command < PL_KINDS; k.kind.command++)
		assert_true(quota_learn(&learned, &k));
	assert_false(quota_learn(&learned, &k));
}

/* ---- who holds what ------------------------------------------------------------------- */

static void name_path(struct snap_site *site, const char *module)
{
	site->site.nr = 2;
	snprintf(site->site.sym[0], PL_SYM, "pin_user_pages_fast+0x1/0x2");
	snprintf(site->site.sym[1], PL_SYM, "some_ioctl+0x1/0x2 [%s]", module);
}

static void test_a_path_runs_through_the_modules_on_it_and_no_others(void **state)
{
	struct snap_site site = {0};

	(void)state;
	name_path(&site, "leaky");
	assert_true(quota_runs_through(&site.site, "leaky"));
	assert_false(quota_runs_through(&site.site, "leak"));
	assert_false(quota_runs_through(&site.site, "leaky2"));
	assert_false(quota_runs_through(&site.site, "some_ioctl"));
	site.site.nr = 1;
	assert_false(quota_runs_through(&site.site, "leaky"));
}

static void test_a_process_holds_what_it_took_through_the_driver_and_was_not_released(void **state)
{
	struct books *b = books_create();
	struct snap_site *leaky = books_site(b, BLAME_MODULE, "leaky");
	struct snap_site *second = books_site(b, BLAME_MODULE, "second");
	struct snap_owner *mine, *other, *elsewhere;
	struct pl_page *p;

	(void)state;
	name_path(leaky, "leaky");
	name_path(second, "second");
	mine = books_owner(b, leaky);
	other = books_owner(b, leaky);
	elsewhere = books_owner(b, second);
	mine->owner.tgid = elsewhere->owner.tgid = 7;
	mine->owner.start_ns = elsewhere->owner.start_ns = 1;
	other->owner.tgid = 8;
	books_pin(b, mine, 5);
	books_pin(b, other, 11);
	books_pin(b, elsewhere, 13);
	p = books_folio(b, 4);
	folio_claim(p, mine, 9)->released = 6; /* 3 are left */
	p = books_folio(b, 2);		       /* the page itself has no more than that */
	folio_claim(p, mine, 100);
	folio_claim(p, other, 1);
	assert_int_equal(quota_pins_of(&b->s, "leaky", 7, 1), 5 + 3 + 2);
	/* A framework that pins in the driver's place: only the device says whose they are. */
	snprintf(elsewhere->node_driver, sizeof(elsewhere->node_driver), "vivid");
	assert_int_equal(quota_pins_of(&b->s, "vivid", 7, 1), 13);
	assert_int_equal(quota_pins_of(&b->s, "second", 7, 1), 13);
	assert_int_equal(quota_pins_of(&b->s, "leaky", 7, 2), 0);
	books_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_limit_is_pages_bytes_or_a_share_of_memory),
		cmocka_unit_test(test_nothing_and_more_than_the_memory_are_no_limits),
		cmocka_unit_test(test_an_order_is_a_driver_an_amount_by_its_unit_and_a_mode),
		cmocka_unit_test(test_what_is_no_order_is_refused_and_nothing_taken_of_it),
		cmocka_unit_test(
			test_each_process_and_call_is_told_once_and_again_ten_times_as_often),
		cmocka_unit_test(test_each_crossing_is_told),
		cmocka_unit_test(test_what_pins_is_refused_unless_it_has_released),
		cmocka_unit_test(test_a_kind_is_told_when_it_pins_and_when_its_answer_changes),
		cmocka_unit_test(test_kinds_that_there_is_no_room_for_are_not_told_again_and_again),
		cmocka_unit_test(test_more_processes_than_there_is_room_for_are_all_told),
		cmocka_unit_test(test_a_path_runs_through_the_modules_on_it_and_no_others),
		cmocka_unit_test(
			test_a_process_holds_what_it_took_through_the_driver_and_was_not_released),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
