// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/kmsg.h"

static struct kmsg_record record(const char *text)
{
	struct kmsg_record r;

	assert_int_equal(kmsg_parse(text, strlen(text), &r), 0);
	return r;
}

static void test_a_record_is_parsed_with_its_device_and_its_escapes_undone(void **state)
{
	struct kmsg_record r = record("12,345,6789012,c,caller=T1;leaky: \\x1b[31m \\x5c x\n"
				      " SUBSYSTEM=misc\n DEVICE=c10:125\n");

	(void)state;
	assert_int_equal(r.level, 4);
	assert_int_equal(r.seq, 345);
	assert_int_equal(r.us, 6789012);
	assert_string_equal(r.text, "leaky: \x1b[31m \\ x");
	assert_string_equal(r.device, "c10:125");
}

static void test_what_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "6",
					  "6,1",
					  "6,1,2",
					  "6,1,2,-",
					  "6;text",
					  "x,1,2,-;text",
					  "6,,2,-;text",
					  "6,99999999999999999999999,2,-;text"};
	struct kmsg_record r;

	(void)state;
	for (size_t i = 0; i < NR(bad); i++)
		assert_int_equal(kmsg_parse(bad[i], strlen(bad[i]), &r), -EINVAL);
	r = record("6,1,2;");
	assert_string_equal(r.text, "");
}

static bool is_function(void *ctx, const char *name)
{
	(void)ctx;
	return !strcmp(name, "leaky_ioctl");
}

static void test_lines_are_a_drivers_by_name_device_function_or_frame(void **state)
{
	static const char *const names[] = {"vivid", "0000:00:03.0"}, *const devices[] = {"c10:5"};
	const struct kmsg_signs s = {.module = "leaky",
				     .names = names,
				     .nr_names = 2,
				     .devices = devices,
				     .nr_devices = 1,
				     .is_function = is_function};
	static const char *const its[] = {
		"leaky: loaded",
		"leaky leaky.0: probed",
		"vivid-000: registered",
		"e1000 0000:00:03.0: up\n DEVICE=c10:5",
		"0000:00:03.0: up",
		"leaky_ioctl: 23 callbacks suppressed",
		"leaky_ioctl() failed",
		" ? leaky_ioctl+0x12/0x40 [leaky]",
		"RIP: 0010:leaky_open+0x1/0x2 [leaky]",
	};
	static const char *const others[] = {
		"leakyness: high",
		"leaky is no prefix without a colon",
		"vivid-guest: other",
		"other_ioctl: 1",
		"Modules linked in: leaky [leaky]",
		" ? open+0x1/0x2 [leaky_two]",
		"misc: [leaky] hello",
		"",
	};

	(void)state;
	for (size_t i = 0; i < NR(its) + NR(others); i++) {
		char text[128];
		struct kmsg_record r;

		snprintf(text, sizeof(text), "6,1,2,-;%s",
			 i < NR(its) ? its[i] : others[i - NR(its)]);
		r = record(text);
		assert_int_equal(kmsg_is_of(&r, &s), i < NR(its));
	}
}

static void test_repeated_lines_are_counted_and_errors_come_first(void **state)
{
	static const char *const lines[] = {"6,1,10,-;info",
					    "4,2,20,-;warning",
					    "6,3,30,-;info",
					    "3,4,40,-;error",
					    "4,5,50,-;f: 7 callbacks suppressed",
					    "4,6,60,-;f: x callbacks suppressed",
					    "3,7,70,-;info"};
	struct kmsg_log log = {0};

	(void)state;
	for (size_t i = 0; i < NR(lines); i++) {
		struct kmsg_record r = record(lines[i]);

		assert_int_equal(kmsg_add(&log, &r), 0);
	}
	kmsg_sort(&log);
	assert_int_equal(log.nr, 6);
	assert_string_equal(log.lines[0].text, "error");
	assert_string_equal(log.lines[1].text, "info"); /* an error: another line than the info */
	assert_int_equal(log.lines[1].level, 3);
	assert_string_equal(log.lines[2].text, "warning");
	assert_int_equal(log.lines[5].count, 2);
	assert_int_equal(log.lines[5].first_us, 10);
	assert_int_equal(log.lines[5].last_us, 30);
	assert_int_equal(log.errors, 2);
	assert_int_equal(log.warnings, 3);
	assert_int_equal(log.others, 2);
	assert_int_equal(log.suppressed, 7);
	kmsg_free(&log);
}

static void test_lines_beyond_the_room_are_counted(void **state)
{
	struct kmsg_log log = {0};

	(void)state;
	for (int i = 0; i < KMSG_LINES + 5; i++) {
		struct kmsg_record r = {.level = 3};

		snprintf(r.text, sizeof(r.text), "line %d", i);
		assert_int_equal(kmsg_add(&log, &r), 0);
	}
	assert_int_equal(log.nr, KMSG_LINES);
	assert_int_equal(log.cut, 5);
	assert_int_equal(log.errors, KMSG_LINES + 5);
	kmsg_free(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_is_parsed_with_its_device_and_its_escapes_undone),
		cmocka_unit_test(test_what_is_no_record_is_refused),
		cmocka_unit_test(test_lines_are_a_drivers_by_name_device_function_or_frame),
		cmocka_unit_test(test_repeated_lines_are_counted_and_errors_come_first),
		cmocka_unit_test(test_lines_beyond_the_room_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
