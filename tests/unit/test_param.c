// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <string.h>

#include "core/param.h"

static void test_values_are_held_to_their_types(void **state)
{
	static const struct {
		const char *type, *value;
		enum param_fault fault;
	} rows[] = {
		{"int", "-2147483648", PARAM_FINE},
		{"int", "2147483648", PARAM_TOO_LARGE},
		{"int", "-2147483649", PARAM_TOO_LARGE},
		{"uint", "4294967295", PARAM_FINE},
		{"uint", "-1", PARAM_NEGATIVE},
		{"uint", "-0", PARAM_FINE},
		{"uint", "0x10", PARAM_FINE},
		{"uint", "12 ", PARAM_NO_NUMBER},
		{"uint", "", PARAM_NO_NUMBER},
		{"byte", "256", PARAM_TOO_LARGE},
		{"short", "-32769", PARAM_TOO_LARGE},
		{"long", "-9223372036854775808", PARAM_FINE},
		{"long", "9223372036854775808", PARAM_TOO_LARGE},
		{"ullong", "18446744073709551615", PARAM_FINE},
		{"ullong", "18446744073709551616", PARAM_TOO_LARGE},
		{"bool", "Y", PARAM_FINE},
		{"bool", "on", PARAM_FINE},
		{"bool", "2", PARAM_NO_BOOL},
		{"charp", "anything, at all", PARAM_FINE},
		{"array of int", "1,-2,3", PARAM_FINE},
		{"array of uint", "1,-2,3", PARAM_NEGATIVE},
		{"array of uint", "", PARAM_FINE},
		{"some type of theirs", "x", PARAM_FINE},
		{"", "x", PARAM_FINE},
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++)
		assert_int_equal(param_judge(rows[i].type, "", rows[i].value), rows[i].fault);
}

static void test_ranges_are_read_where_a_description_says_so_and_nowhere_else(void **state)
{
	static const struct {
		const char *text;
		long long low, high;
	} rows[] = {
		{"How much (0-3)", 0, 3},
		{"Queue depth, range 1 to 64", 1, 64},
		{"valid values are 16..1024", 16, 1024},
		{"a number between 1 and 8", 1, 8},
		{"offset [-5..-1]", -5, -1},
		{"range: [0x10, 0x20]", 16, 32},
		{"debug (0=off, 1=on)", 0, 0},
		{"one of (1, 2)", 0, 0},
		{"for 802.11-2012 devices", 0, 0},
		{"first (0-3), second (0-7)", 0, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		long long low = 0, high = 0;

		assert_int_equal(param_range(rows[i].text, &low, &high),
				 rows[i].low != rows[i].high);
		if (rows[i].low != rows[i].high) {
			assert_int_equal(low, rows[i].low);
			assert_int_equal(high, rows[i].high);
		}
	}
	assert_int_equal(param_judge("int", "offset [-5..-1]", "0"), PARAM_OUT_OF_LINE);
	assert_int_equal(param_judge("int", "offset [-5..-1]", "-6"), PARAM_OUT_OF_LINE);
	assert_int_equal(param_judge("int", "offset [-5..-1]", "-1"), PARAM_FINE);
	assert_int_equal(param_judge("int", "offset [-5..-1]", "-5"), PARAM_FINE);
	assert_int_equal(param_judge("uint", "(1-64)", "0"), PARAM_OUT_OF_LINE);
	assert_int_equal(param_judge("uint", "(1-64)", "65"), PARAM_OUT_OF_LINE);
}

static void test_complaints_name_value_type_and_range(void **state)
{
	char text[128];

	(void)state;
	param_complaint(PARAM_NEGATIVE, "uint", "", "-1", text, sizeof(text));
	assert_string_equal(text, "-1 is negative, and the type is uint");
	param_complaint(PARAM_OUT_OF_LINE, "int", "(0-3)", "9", text, sizeof(text));
	assert_string_equal(text, "9 is not from 0 to 3, as its description says");
	param_complaint(PARAM_FINE, "int", "", "9", text, sizeof(text));
	assert_string_equal(text, "");
}

static void test_defaults_are_read_where_they_are_clear(void **state)
{
	static const struct {
		const char *type, *text, *value; /* NULL: none */
	} rows[] = {
		{"int", "How many (default 16)", "16"},
		{"int", "How many, default: -1.", "-1"},
		{"int", "Defaults to 5", "5"},
		{"bool", "Default is off, of course", "off"},
		{"int", "Default 16 MiB", NULL},
		{"int", "Default: the zone's size", NULL},
		{"uint", "default -1", NULL},
		{"charp", "default eth0", NULL},
		{"int", "the default", NULL},
		{"int", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		char value[64] = "";

		assert_int_equal(param_default(rows[i].type, rows[i].text, value, sizeof(value)),
				 rows[i].value != NULL);
		if (rows[i].value)
			assert_string_equal(value, rows[i].value);
	}
}

static void test_the_same_value_may_be_written_in_several_ways(void **state)
{
	(void)state;
	assert_true(param_equal("int", "16", "0x10"));
	assert_true(param_equal("bool", "Y", "on"));
	assert_false(param_equal("bool", "Y", "0"));
	assert_false(param_equal("int", "-1", "1"));
	assert_true(param_equal("int", "-0", "0"));
	assert_false(param_equal("charp", "0x10", "16"));
}

static void test_the_command_line_is_cut_as_the_kernel_cuts_it(void **state)
{
	const char *line = "quiet a.b=1  \"c.d=x y\" e.f=\"g h\"i j=k=l";
	static const char *const want[][2] = {
		{"quiet", NULL}, {"a.b", "1"}, {"c.d", "x y"}, {"e.f", "g hi"}, {"j", "k=l"}};
	char name[8], value[8];
	bool has;

	(void)state;
	for (size_t i = 0; i < NR(want); i++) {
		assert_true(param_next(&line, name, sizeof(name), value, sizeof(value), &has));
		assert_string_equal(name, want[i][0]);
		assert_int_equal(has, want[i][1] != NULL);
		assert_string_equal(value, want[i][1] ? want[i][1] : "");
	}
	assert_false(param_next(&line, name, sizeof(name), value, sizeof(value), &has));
	line = " \v\f\r\n";
	assert_false(param_next(&line, name, sizeof(name), value, sizeof(value), &has));
	line = "longer_than_room=and_so_is_the_value";
	assert_true(param_next(&line, name, sizeof(name), value, sizeof(value), &has));
	assert_int_equal(strlen(name), sizeof(name) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_held_to_their_types),
		cmocka_unit_test(test_ranges_are_read_where_a_description_says_so_and_nowhere_else),
		cmocka_unit_test(test_complaints_name_value_type_and_range),
		cmocka_unit_test(test_defaults_are_read_where_they_are_clear),
		cmocka_unit_test(test_the_same_value_may_be_written_in_several_ways),
		cmocka_unit_test(test_the_command_line_is_cut_as_the_kernel_cuts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
