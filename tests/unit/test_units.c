// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "utf8.h"

/* ---- durations ------------------------------------------------------------------------ */

static void assert_duration(const char *text, uint64_t expected)
{
	uint64_t ns = ~expected;
	int err = units_duration(text, &ns);

	if (err || ns != expected)
		fail_msg("\"%s\": %d, %" PRIu64 " ns", text, err, ns);
}

static void assert_no_duration(const char *text, int expected)
{
	uint64_t ns = 729;
	int err = units_duration(text, &ns);

	if (err != expected || ns != 729)
		fail_msg("\"%s\": %d, %" PRIu64 " ns", text, err, ns);
}

static void test_durations_are_read(void **state)
{
	(void)state;
	assert_duration("0", 0);
	assert_duration("0s", 0);
	assert_duration("1", SEC(1));
	assert_duration("1s", SEC(1));
	assert_duration("1.5s", MSEC(1500));
	assert_duration("250ms", MSEC(250));
	assert_duration("7us", 7000);
	assert_duration("7ns", 7);
	assert_duration("2m", SEC(120));
	assert_duration("2min", SEC(120));
	assert_duration("1.5h", SEC(5400));
	assert_duration("7d", SEC(7 * 86400));
	assert_duration("007s", SEC(7));
	assert_duration("36525d", SEC(UINT64_C(3155760000)));
}

static void test_what_is_no_duration_is_invalid(void **state)
{
	static const char *const invalid[] = {
		"",    " ",   "s",  "-1s", "-0",    "+1",    "0x10", "0X10", "0x10s",	   "00x10",
		"inf", "nan", "1e", " 1",  "1 ",    "1 s",   "1s ",  "1s1",  "1sm",	   "1S",
		"1M",  "1ks", ".5", "1,5", "1.5.5", "1h30m", "1\n",  "one",  "1\xc2\xb5s", "1e5x",
	};

	(void)state;
	for (size_t i = 0; i < NR(invalid); i++)
		assert_no_duration(invalid[i], -EINVAL);
}

static void test_durations_beyond_a_hundred_years_are_out_of_range(void **state)
{
	static const char *const beyond[] = {"36525.1d", "3155760001",
					     "1e9999",	 "1e9999ns",
					     "1e300d",	 "99999999999999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < NR(beyond); i++)
		assert_no_duration(beyond[i], -ERANGE);
}

/* ---- sizes, shares, codes ------------------------------------------------------------- */

static void test_sizes_are_read_in_units_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{"0", 0},
		{"4096", 4096},
		{"1K", 1024},
		{"1KiB", 1024},
		{"1.5M", 1572864},
		{"64MiB", 67108864},
		{"3G", UINT64_C(3) << 30},
		{"2TiB", UINT64_C(2) << 40},
		{"1P", UINT64_C(1) << 50},
		{"8191P", UINT64_C(8191) << 50},
	};
	static const char *const invalid[] = {"",     "K",   "MiB", "-1",  " 1",  "1 ",
					      "1 K",  "1k",  "1KB", "1Ki", "1iB", "1B",
					      "0x10", "1KK", "inf", "nan"};
	uint64_t n = 729;

	(void)state;
	for (size_t i = 0; i < NR(sizes); i++)
		if (units_size(sizes[i].text, &n) || n != sizes[i].bytes)
			fail_msg("\"%s\": %" PRIu64, sizes[i].text, n);
	n = 729;
	for (size_t i = 0; i < NR(invalid); i++)
		if (units_size(invalid[i], &n) != -EINVAL || n != 729)
			fail_msg("\"%s\": %" PRIu64, invalid[i], n);
	assert_int_equal(units_size("8192P", &n), -ERANGE);
	assert_int_equal(units_size("1e99", &n), -ERANGE);
}

static void test_shares_are_above_0_and_at_most_100_percent(void **state)
{
	static const char *const invalid[] = {"", "%", "-5", "5%%", "5 %", "0x5", "five", "nan"};
	static const char *const beyond[] = {"0", "0%", "0.0", "100.1", "1e9%"};
	double n = 729;

	(void)state;
	for (size_t i = 0; i < NR(invalid); i++)
		assert_int_equal(units_percent(invalid[i], &n), -EINVAL);
	for (size_t i = 0; i < NR(beyond); i++)
		assert_int_equal(units_percent(beyond[i], &n), -ERANGE);
	assert_true(n == 729);
	assert_int_equal(units_percent("0.5%", &n), 0);
	assert_true(n == 0.5);
	assert_int_equal(units_percent("100", &n), 0);
	assert_true(n == 100);
}

static void test_codes_are_decimal_or_hexadecimal_and_32_bits_wide(void **state)
{
	static const char *const invalid[] = {"",    "0x",  "-1",    "+1",    " 1",  "1 ",
					      "0x ", "12a", "0x-1a", "0x0x5", "0xg", "code"};
	static const char *const beyond[] = {"4294967296", "0x100000000", "99999999999999999999"};
	uint32_t n = 729;

	(void)state;
	for (size_t i = 0; i < NR(invalid); i++)
		assert_int_equal(units_code(invalid[i], &n), -EINVAL);
	for (size_t i = 0; i < NR(beyond); i++)
		assert_int_equal(units_code(beyond[i], &n), -ERANGE);
	assert_int_equal(n, 729);
	assert_int_equal(units_code("0x4C05", &n), 0);
	assert_int_equal(n, 0x4c05);
	assert_int_equal(units_code("4294967295", &n), 0);
	assert_true(n == UINT32_MAX);
	assert_int_equal(units_code("010", &n), 0);
	assert_int_equal(n, 10);
}

/* ---- numbers -------------------------------------------------------------------------- */

static void assert_number(const char *text, uint64_t lo, uint64_t hi, uint64_t expected)
{
	uint64_t n = ~expected;

	assert_int_equal(units_number(text, lo, hi, &n), 0);
	assert_true(n == expected);
}

static void assert_no_number(const char *text, uint64_t lo, uint64_t hi, int expected)
{
	uint64_t n = 729;
	int err = units_number(text, lo, hi, &n);

	if (err != expected || n != 729)
		fail_msg("\"%s\": %d, %" PRIu64, text, err, n);
}

static void test_numbers_within_their_bounds_are_read(void **state)
{
	(void)state;
	assert_number("16", 16, 16, 16);
	assert_number("0", 0, UINT64_MAX, 0);
	assert_number("010", 0, 100, 10);
	assert_number("18446744073709551615", 0, UINT64_MAX, UINT64_MAX);
}

static void test_numbers_beyond_their_bounds_are_out_of_range(void **state)
{
	(void)state;
	assert_no_number("15", 16, 100, -ERANGE);
	assert_no_number("101", 16, 100, -ERANGE);
	assert_no_number("18446744073709551616", 0, UINT64_MAX, -ERANGE);
	assert_no_number("99999999999999999999999", 0, UINT64_MAX, -ERANGE);
}

static void test_what_is_no_number_is_invalid(void **state)
{
	static const char *const invalid[] = {"",    " ",   "-1", "+1", " 1",  "1 ", "0x10",
					      "1e3", "1.0", "x",  "1k", "1\n", "-0", "0b1"};

	(void)state;
	for (size_t i = 0; i < NR(invalid); i++)
		assert_no_number(invalid[i], 0, UINT64_MAX, -EINVAL);
}

/* ---- shown to people ------------------------------------------------------------------ */

static void assert_bytes(double bytes, const char *expected)
{
	char out[UNITS_ROOM];

	assert_string_equal(units_bytes(bytes, out), expected);
}

static void test_bytes_are_shown_with_their_unit(void **state)
{
	(void)state;
	assert_bytes(0, "0 B");
	assert_bytes(1023, "1023 B");
	assert_bytes(1024, "1.0 KiB");
	assert_bytes(4096 * 300, "1.2 MiB");
	assert_bytes(100.0 * 1024, "100 KiB");
	assert_bytes(150.0 * 1024, "150 KiB");
	assert_bytes(15.0 * (1 << 30), "15.0 GiB");
	assert_bytes(5e15, "4.4 PiB");
	assert_bytes(1e20, "88818 PiB");
}

static void assert_seconds(double seconds, const char *expected)
{
	char out[UNITS_ROOM];

	assert_string_equal(units_seconds(seconds, out), expected);
}

static void test_times_are_shown_with_their_unit(void **state)
{
	(void)state;
	assert_seconds(0, "0 s");
	assert_seconds(59, "59 s");
	assert_seconds(60, "1 min");
	assert_seconds(240, "4 min");
	assert_seconds(3600, "1.0 h");
	assert_seconds(8280, "2.3 h");
	assert_seconds(86400, "1.0 d");
	assert_seconds(86400 * 999.0, "999.0 d");
	assert_seconds(86400 * 1000.0, "years");
	assert_seconds(1e300, "years");
}

static void assert_count(int64_t n, const char *expected)
{
	char out[UNITS_ROOM];

	assert_string_equal(units_count(n, out), expected);
}

static void test_counts_are_shown_in_groups_of_three(void **state)
{
	(void)state;
	assert_count(0, "0");
	assert_count(999, "999");
	assert_count(1000, "1,000");
	assert_count(12345678, "12,345,678");
	assert_count(-12, "-12");
	assert_count(-1234, "-1,234");
	assert_count(-123, "-123");
	assert_count(INT64_MAX, "9,223,372,036,854,775,807");
	assert_count(INT64_MIN, "-9,223,372,036,854,775,808");
}

static void test_nothing_shown_is_longer_than_its_room(void **state)
{
	static const double numbers[] = {0,    -1,    1023.99, 1e9,	  -1e9,
					 1e18, 1e300, -1e300,  1e308 * 10};
	char guarded[UNITS_ROOM + 1];

	(void)state;
	for (size_t i = 0; i < NR(numbers); i++) {
		memset(guarded, '#', sizeof(guarded));
		units_bytes(numbers[i], guarded);
		assert_non_null(memchr(guarded, '\0', UNITS_ROOM));
		units_seconds(numbers[i], guarded);
		assert_non_null(memchr(guarded, '\0', UNITS_ROOM));
		assert_int_equal(guarded[UNITS_ROOM], '#');
	}
}

/* ---- names that anybody may have chosen ------------------------------------------------ */

/* The input has no NUL behind it, so that a reader who goes too far is caught. */
static void clean(const char *in, size_t len, char *out, size_t size)
{
	char *exact = malloc(len + !len);

	assert_non_null(exact);
	memcpy(exact, in, len);
	units_clean(exact, len, out, size);
	free(exact);
}

static void assert_clean(const char *in, const char *expected)
{
	char out[256];

	clean(in, strlen(in), out, sizeof(out));
	assert_string_equal(out, expected);
}

static void test_plain_names_stay_as_they_are(void **state)
{
	(void)state;
	assert_clean("", "");
	assert_clean("drive", "drive");
	assert_clean("kworker/0:1-ev ~", "kworker/0:1-ev ~");
	assert_clean("gr\xc3\xb6\xc3\x9f"
		     "e",
		     "gr\xc3\xb6\xc3\x9f"
		     "e");
	assert_clean("\xe6\xbc\x8f\xe3\x82\x8c", "\xe6\xbc\x8f\xe3\x82\x8c");
	assert_clean("\xf0\x9f\x93\x8c", "\xf0\x9f\x93\x8c");
	assert_clean("\xc2\xa0\xf4\x8f\xbf\xbf", "\xc2\xa0\xf4\x8f\xbf\xbf");
	assert_clean("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80");
}

static void test_control_characters_are_shown_as_numbers(void **state)
{
	(void)state;
	assert_clean("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07");
	assert_clean("a\nb\rc\td\x7f", "a\\x0ab\\x0dc\\x09d\\x7f");
	assert_clean("\x01\x1f", "\\x01\\x1f");
}

static void test_c1_controls_are_shown_as_numbers(void **state)
{
	(void)state;
	assert_clean("\xc2\x9b"
		     "2J",
		     "\\xc2\\x9b"
		     "2J"); /* CSI in one character */
	assert_clean("\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f");
	assert_clean("\x9b"
		     "2J",
		     "\\x9b"
		     "2J");
}

static void test_what_is_no_utf8_is_shown_as_numbers(void **state)
{
	(void)state;
	assert_clean("\x80", "\\x80");
	assert_clean("\xff\xfe", "\\xff\\xfe");
	assert_clean("a\xc3", "a\\xc3");
	assert_clean("\xc3(", "\\xc3(");
	assert_clean("\xe2\x82", "\\xe2\\x82");
	assert_clean("\xe2\x28\xa1", "\\xe2(\\xa1");
	assert_clean("\xf0\x9f\x93", "\\xf0\\x9f\\x93");
}

static void test_overlong_forms_are_no_utf8(void **state)
{
	(void)state;
	assert_clean("\xc0\xaf", "\\xc0\\xaf");
	assert_clean("\xc1\xbf", "\\xc1\\xbf");
	assert_clean("\xe0\x80\x9b", "\\xe0\\x80\\x9b");
	assert_clean("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");
	assert_clean("\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b");
	assert_clean("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
}

static void test_surrogates_and_numbers_beyond_unicode_are_no_utf8(void **state)
{
	(void)state;
	assert_clean("\xed\xa0\x80", "\\xed\\xa0\\x80");
	assert_clean("\xed\xbf\xbf", "\\xed\\xbf\\xbf");
	assert_clean("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	assert_clean("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
	assert_clean("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void assert_shown_as_numbers(uint32_t u)
{
	unsigned char in[4] = {(unsigned char)(0xe0 | u >> 12),
			       (unsigned char)(0x80 | (u >> 6 & 0x3f)),
			       (unsigned char)(0x80 | (u & 0x3f)), 0};
	char expected[16];

	snprintf(expected, sizeof(expected), "\\x%02x\\x%02x\\x%02x", in[0], in[1], in[2]);
	assert_clean((const char *)in, expected);
}

static void test_marks_that_turn_the_writing_direction_are_shown_as_numbers(void **state)
{
	(void)state;
	assert_clean("a\xe2\x80\xae"
		     "b",
		     "a\\xe2\\x80\\xae"
		     "b");				 /* U+202E */
	assert_clean("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* U+2066 */
	assert_shown_as_numbers(0x200e);
	assert_shown_as_numbers(0x200f);
	for (uint32_t u = 0x202a; u <= 0x202e; u++)
		assert_shown_as_numbers(u);
	for (uint32_t u = 0x2066; u <= 0x2069; u++)
		assert_shown_as_numbers(u);
}

static void test_their_neighbours_stay_as_they_are(void **state)
{
	(void)state;
	assert_clean("\xe2\x80\x8d", "\xe2\x80\x8d"); /* U+200D */
	assert_clean("\xe2\x80\x90", "\xe2\x80\x90"); /* U+2010 */
	assert_clean("\xe2\x80\xaf", "\xe2\x80\xaf"); /* U+202F */
	assert_clean("\xe2\x81\xa5", "\xe2\x81\xa5"); /* U+2065 */
	assert_clean("\xe2\x81\xaa", "\xe2\x81\xaa"); /* U+206A */
	assert_clean("\xe2\x82\xac", "\xe2\x82\xac"); /* U+20AC, the euro */
}

static void test_the_name_ends_at_its_nul_or_at_its_size(void **state)
{
	char out[16];

	(void)state;
	units_clean("abc\0def", 7, out, sizeof(out));
	assert_string_equal(out, "abc");
	clean("abcdef", 3, out, sizeof(out));
	assert_string_equal(out, "abc");
	clean("", 0, out, sizeof(out));
	assert_string_equal(out, "");
}

static void assert_cut(const char *in, size_t size, const char *expected)
{
	char *out = malloc(size); /* of this size, so that a writer who goes too far is caught */

	assert_non_null(out);
	clean(in, strlen(in), out, size);
	assert_string_equal(out, expected);
	free(out);
}

static void test_names_are_cut_between_characters(void **state)
{
	(void)state;
	assert_cut("abcdef", 1, "");
	assert_cut("abcdef", 4, "abc");
	assert_cut("abcdef", 7, "abcdef");
	assert_cut("ab\xe2\x82\xac", 5, "ab");
	assert_cut("ab\xe2\x82\xac", 6, "ab\xe2\x82\xac");
	assert_cut("ab\x1b", 6, "ab");
	assert_cut("ab\x1b", 7, "ab\\x1b");
	assert_cut("\xf0\x9f\x93\x8c", 4, "");
	assert_cut("\xf0\x9f\x93\x8c", 5, "\xf0\x9f\x93\x8c");
}

/* Bytes that are often nearly UTF-8. */
static size_t any_bytes(struct rng *r, unsigned char *out, size_t room)
{
	static const unsigned char heads[] = {0xc2, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0x1b};
	static const unsigned char tails[] = {0x80, 0x81, 0x8e, 0x8f, 0x90, 0x9b,
					      0x9f, 0xa0, 0xa6, 0xaa, 0xae, 0xbf};
	size_t n = rng_below(r, (uint32_t)room + 1);

	for (size_t i = 0; i < n; i++) {
		uint32_t kind = rng_below(r, 10);

		out[i] = kind < 3   ? heads[rng_below(r, NR(heads))]
			 : kind < 8 ? tails[rng_below(r, NR(tails))]
				    : (unsigned char)rng_next(r);
	}
	return n;
}

static bool is_safe(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t left = strlen(text), n;

	for (; left; c += n, left -= n) {
		int32_t u = utf8_read(c, left, &n);

		if (u < 0 || utf8_is_unsafe(u))
			return false;
	}
	return true;
}

static void test_any_bytes_become_utf8_without_controls(void **state)
{
	uint64_t seed = random_seed(), cases = random_cases(100000);

	(void)state;
	for (uint64_t i = 0; i < cases; i++) {
		struct rng r = {seed + i};
		unsigned char in[24];
		char out[128];
		size_t n = any_bytes(&r, in, sizeof(in)), size = 1 + rng_below(&r, sizeof(out));

		memset(out, 0x1b, sizeof(out));
		units_clean((const char *)in, n, out, size);
		if (!memchr(out, '\0', size) || !is_safe(out))
			fail_msg("PINLEAK_SEED=%" PRIu64 " PINLEAK_CASES=1", seed + i);
	}
}

static void encode(uint32_t u, char *out)
{
	static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;

	out[n] = '\0';
	for (size_t i = n; i-- > 1; u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(heads[n] | u);
}

static void test_every_character_that_is_safe_is_kept(void **state)
{
	(void)state;
	for (uint32_t u = 1; u < 0x110000; u++) {
		bool surrogate = u >= 0xd800 && u <= 0xdfff;
		char in[5], out[32];

		encode(u, in);
		units_clean(in, sizeof(in), out, sizeof(out));
		if (strcmp(in, out) != 0 && !surrogate && !utf8_is_unsafe((int32_t)u))
			fail_msg("U+%04X is shown as %s", u, out);
		if (!strcmp(in, out) && (surrogate || utf8_is_unsafe((int32_t)u)))
			fail_msg("U+%04X is shown as it is", u);
	}
}

/* ---- XML ------------------------------------------------------------------------------ */

static void assert_xml(const char *in, const char *expected)
{
	char piece[UNITS_XML_ROOM], out[512] = "";

	while (*in) {
		in += units_xml(in, piece);
		strcat(out, piece);
	}
	assert_string_equal(out, expected);
}

static void test_what_means_something_in_xml_is_escaped(void **state)
{
	(void)state;
	assert_xml("", "");
	assert_xml("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&apos;");
	assert_xml("]]>", "]]&gt;");
	assert_xml("&amp;", "&amp;amp;");
	assert_xml("two\nlines\tand \xc3\xa4 \xf0\x9f\x93\x8c",
		   "two\nlines\tand \xc3\xa4 \xf0\x9f\x93\x8c");
}

static void test_what_may_not_stand_in_xml_becomes_a_question_mark(void **state)
{
	(void)state;
	assert_xml("\x01\x1b[31m\r\x7f", "??[31m??");
	assert_xml("\xff\xc3", "??");
	assert_xml("\xed\xa0\x80", "???"); /* a surrogate */
	assert_xml("\xef\xbf\xbd|\xef\xbf\xbe|\xef\xbf\xbf", "\xef\xbf\xbd|???|???");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations_are_read),
		cmocka_unit_test(test_what_is_no_duration_is_invalid),
		cmocka_unit_test(test_durations_beyond_a_hundred_years_are_out_of_range),
		cmocka_unit_test(test_sizes_are_read_in_units_of_1024),
		cmocka_unit_test(test_shares_are_above_0_and_at_most_100_percent),
		cmocka_unit_test(test_codes_are_decimal_or_hexadecimal_and_32_bits_wide),
		cmocka_unit_test(test_numbers_within_their_bounds_are_read),
		cmocka_unit_test(test_numbers_beyond_their_bounds_are_out_of_range),
		cmocka_unit_test(test_what_is_no_number_is_invalid),
		cmocka_unit_test(test_bytes_are_shown_with_their_unit),
		cmocka_unit_test(test_times_are_shown_with_their_unit),
		cmocka_unit_test(test_counts_are_shown_in_groups_of_three),
		cmocka_unit_test(test_nothing_shown_is_longer_than_its_room),
		cmocka_unit_test(test_plain_names_stay_as_they_are),
		cmocka_unit_test(test_control_characters_are_shown_as_numbers),
		cmocka_unit_test(test_c1_controls_are_shown_as_numbers),
		cmocka_unit_test(test_what_is_no_utf8_is_shown_as_numbers),
		cmocka_unit_test(test_overlong_forms_are_no_utf8),
		cmocka_unit_test(test_surrogates_and_numbers_beyond_unicode_are_no_utf8),
		cmocka_unit_test(test_marks_that_turn_the_writing_direction_are_shown_as_numbers),
		cmocka_unit_test(test_their_neighbours_stay_as_they_are),
		cmocka_unit_test(test_the_name_ends_at_its_nul_or_at_its_size),
		cmocka_unit_test(test_names_are_cut_between_characters),
		cmocka_unit_test(test_any_bytes_become_utf8_without_controls),
		cmocka_unit_test(test_every_character_that_is_safe_is_kept),
		cmocka_unit_test(test_what_means_something_in_xml_is_escaped),
		cmocka_unit_test(test_what_may_not_stand_in_xml_becomes_a_question_mark),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
