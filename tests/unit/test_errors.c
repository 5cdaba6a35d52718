// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/errors.h"

static void assert_is(const char *what, uint32_t code)
{
	const struct error_info *e = error_find(what);

	if (!e)
		fail_msg("%s is not found", what);
	assert_int_equal(e->code, code);
}

static void assert_unknown(const char *what)
{
	if (error_find(what))
		fail_msg("\"%s\" is found", what);
}

static void test_an_error_is_found_by_its_number(void **state)
{
	(void)state;
	assert_is("729", 729);
	assert_is("122", 122);
	assert_is("87", 87);
	assert_is("2", 2);
	assert_is("118", 0x76);
}

static void test_a_leading_zero_is_not_octal(void **state)
{
	(void)state;
	assert_is("0729", 729);
	assert_is("087", 87);
	assert_is("0000000002", 2);
}

static void test_an_error_is_found_by_its_hexadecimal_number_in_any_case(void **state)
{
	(void)state;
	assert_is("0x2D9", 729);
	assert_is("0x2d9", 729);
	assert_is("0X2D9", 729);
	assert_is("0x000002d9", 729);
	assert_is("0x76", 0x76);
	assert_is("0xcb", 0xCB);
	assert_is("0xCB", 0xCB);
	assert_is("0xD9", 0xD9);
}

static void test_an_error_is_found_by_its_name_in_any_case(void **state)
{
	(void)state;
	assert_is("ERROR_DRIVERS_LEAKING_LOCKED_PAGES", 729);
	assert_is("error_drivers_leaking_locked_pages", 729);
	assert_is("Driver_Left_Locked_Pages_In_Process", 0xCB);
}

static void test_an_error_is_found_by_its_ntstatus_in_any_case(void **state)
{
	(void)state;
	assert_is("0x4000002D", 729);
	assert_is("0X4000002d", 729);
}

static void test_what_is_no_error_is_unknown(void **state)
{
	static const char *const unknown[] = {
		"",	 " ",	 "0",	   "1",	     "730",	"76",	 "2D9",	 "0x",
		"0X",	 "0x2D", "0x2D9z", "729abc", "729 ",	" 729",	 "-729", "+729",
		"729.0", "7 29", "0x-2d9", "0x 2d9", "0x0x2d9", "ERROR", "NULL", "(null)",
	};

	(void)state;
	for (size_t i = 0; i < NR(unknown); i++)
		assert_unknown(unknown[i]);
	assert_unknown("ERROR_DRIVERS_LEAKING_LOCKED_PAGE");
	assert_unknown("ERROR_DRIVERS_LEAKING_LOCKED_PAGES ");
	assert_unknown("1073741869"); /* the NTSTATUS is told in hexadecimal */
}

static void test_numbers_beyond_the_range_are_unknown(void **state)
{
	(void)state;
	assert_unknown("4294968025"); /* 729 + 2^32 */
	assert_unknown("0x1000002D9");
	assert_unknown("18446744073709552345"); /* 729 + 2^64 */
	assert_unknown("99999999999999999999999999999999999");
	assert_unknown("0xffffffffffffffffffffffffffffffff");
}

static void test_codes_are_found(void **state)
{
	(void)state;
	assert_string_equal(error_by_code(729)->name, "ERROR_DRIVERS_LEAKING_LOCKED_PAGES");
	assert_null(error_by_code(0));
	assert_null(error_by_code(3));
	assert_null(error_by_code(UINT32_MAX));
}

static void test_each_entry_is_found_in_every_way_it_can_be_named(void **state)
{
	(void)state;
	for (const struct error_info *e = error_table(); e->name; e++) {
		char decimal[16], hex[16];

		snprintf(decimal, sizeof(decimal), "%u", e->code);
		snprintf(hex, sizeof(hex), "0x%X", e->code);
		assert_ptr_equal(error_find(decimal), e);
		assert_ptr_equal(error_find(hex), e);
		assert_ptr_equal(error_find(e->name), e);
		assert_ptr_equal(error_by_code(e->code), e);
		if (e->ntstatus)
			assert_ptr_equal(error_find(e->ntstatus), e);
	}
}

static void assert_lines_fit(const char *text)
{
	for (size_t len; *text; text += len + 1) {
		len = strcspn(text, "\n");
		assert_int_equal(text[len], '\n');
		assert_true(len < 80);
		assert_true(!len || !isspace((unsigned char)text[len - 1]));
	}
}

static void test_entries_are_whole_and_fit_the_screen(void **state)
{
	(void)state;
	for (const struct error_info *e = error_table(); e->name; e++) {
		assert_true(!strcmp(e->kind, "error") || !strcmp(e->kind, "bug check"));
		assert_true(e->message[0] && e->message[strlen(e->message) - 1] == '.');
		assert_lines_fit(e->text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_error_is_found_by_its_number),
		cmocka_unit_test(test_a_leading_zero_is_not_octal),
		cmocka_unit_test(test_an_error_is_found_by_its_hexadecimal_number_in_any_case),
		cmocka_unit_test(test_an_error_is_found_by_its_name_in_any_case),
		cmocka_unit_test(test_an_error_is_found_by_its_ntstatus_in_any_case),
		cmocka_unit_test(test_what_is_no_error_is_unknown),
		cmocka_unit_test(test_numbers_beyond_the_range_are_unknown),
		cmocka_unit_test(test_codes_are_found),
		cmocka_unit_test(test_each_entry_is_found_in_every_way_it_can_be_named),
		cmocka_unit_test(test_entries_are_whole_and_fit_the_screen),
	};

	return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
