// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include "render/tee.h"

static char a[] = "a", b[] = "b", c[] = "c";
static char told[16];
static size_t nr_told;

static void note(void *ctx)
{
	told[nr_told++] = *(const char *)ctx;
	told[nr_told] = 0;
}

static void on_sample(void *ctx, const struct report_sample *r)
{
	(void)r;
	note(ctx);
}

static void on_books(void *ctx, const struct report_books *r)
{
	(void)r;
	note(ctx);
}

static const struct reporter plain = {.sample = on_sample};
static const struct reporter with_books = {.sample = on_sample, .books = on_books};

static int setup(void **state)
{
	(void)state;
	nr_told = 0;
	told[0] = 0;
	return 0;
}

static void test_all_are_told_in_their_order(void **state)
{
	struct tee t = {0};
	struct tee_end head;

	(void)state;
	tee_add(&t, &plain, a);
	tee_add(&t, &with_books, b);
	tee_add(&t, &plain, c);
	head = tee_head(&t);
	head.to->sample(head.ctx, NULL);
	assert_string_equal(told, "abc");
}

static void test_books_go_to_those_who_want_them(void **state)
{
	struct tee t = {0};
	struct tee_end head;

	(void)state;
	tee_add(&t, &plain, a);
	tee_add(&t, &with_books, b);
	head = tee_head(&t);
	head.to->books(head.ctx, NULL);
	assert_string_equal(told, "b");
}

static void test_one_alone_is_told_directly(void **state)
{
	struct tee t = {0};
	struct tee_end head;

	(void)state;
	tee_add(&t, &plain, a);
	head = tee_head(&t);
	assert_null(head.to->books);
	head.to->sample(head.ctx, NULL);
	assert_string_equal(told, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_are_told_in_their_order, setup),
		cmocka_unit_test_setup(test_books_go_to_those_who_want_them, setup),
		cmocka_unit_test_setup(test_one_alone_is_told_directly, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
