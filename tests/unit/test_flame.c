// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/flame.h"

static char *draw(const json_t *sites)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	assert_int_equal(flame_svg(to, sites, "sites of <leaky>"), 0);
	assert_int_equal(fclose(to), 0);
	return text;
}

static json_t *read_json(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static char *draw_text(const char *text)
{
	json_t *sites = read_json(text);
	char *svg = draw(sites);

	json_decref(sites);
	return svg;
}

static size_t count(const char *in, const char *what)
{
	size_t n = 0;

	for (; (in = strstr(in, what)); in += strlen(what))
		n++;
	return n;
}

#define TWO_PATHS                                                                                  \
	"{\"stack\":[\"pin\",\"keep [leaky]\",\"entry\"],\"bytes\":3072,\"pins\":3,"               \
	"\"driver\":\"leaky\"}"
#define OTHER_PATH                                                                                 \
	"{\"stack\":[\"pin\",\"lose [leaky]\",\"entry\"],\"bytes\":1024,\"pins\":1,"               \
	"\"driver\":\"leaky\"}"

static void test_paths_share_the_boxes_of_the_frames_they_share(void **state)
{
	char *svg = draw_text("[" TWO_PATHS "," OTHER_PATH "]");

	(void)state;
	assert_int_equal(count(svg, "<rect"), 7); /* all, leaky, entry, keep, lose, twice pin */
	assert_non_null(strstr(svg, "<title>entry: 4.0 KiB, 4 pins, 100.0 %</title>"));
	assert_non_null(strstr(svg, "<title>keep [leaky]: 3.0 KiB, 3 pins, 75.0 %</title>"));
	assert_non_null(strstr(svg, "<title>lose [leaky]: 1.0 KiB, 1 pins, 25.0 %</title>"));
	assert_non_null(strstr(svg, "width=\"299.50\"")); /* a quarter of 1200, less the gap */
	assert_null(strstr(svg, "left out"));
	free(svg);
}

static void test_the_order_of_the_sites_does_not_matter(void **state)
{
	char *one = draw_text("[" TWO_PATHS "," OTHER_PATH "]");
	char *other = draw_text("[" OTHER_PATH "," TWO_PATHS "]");

	(void)state;
	assert_string_equal(one, other);
	free(one);
	free(other);
}

static void test_markup_in_names_is_text(void **state)
{
	char *svg = draw_text("[{\"stack\":[\"</text><script>alert(1)</script>\",\"a&b\\\"'\"],"
			      "\"bytes\":4096,\"pins\":1,\"driver\":\"<b>\"}]");

	(void)state;
	assert_null(strstr(svg, "<script"));
	assert_null(strstr(svg, "<b>"));
	assert_non_null(strstr(svg, "sites of &lt;leaky&gt;"));
	assert_non_null(strstr(svg, "a&amp;b&quot;&apos;"));
	assert_non_null(strstr(svg, "&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
	free(svg);
}

static void test_what_is_no_site_is_left_out_and_counted(void **state)
{
	char *svg = draw_text("[1, null, {}, [], \"x\", {\"stack\":7,\"bytes\":5},"
			      "{\"stack\":[],\"bytes\":5}, {\"stack\":[\"a\"],\"bytes\":-5},"
			      "{\"stack\":[1,null],\"bytes\":4096}]");

	(void)state;
	assert_non_null(strstr(svg, "; 8 call paths left out"));
	assert_int_equal(count(svg, "<title>?: 4.0 KiB, 0 pins, 100.0 %"), 2);
	free(svg);
}

static void test_no_sites_are_a_picture_too(void **state)
{
	char *none = draw_text("[]"), *no_array = draw_text("{}");

	(void)state;
	assert_int_equal(count(none, "<rect"), 0);
	assert_non_null(strstr(none, "0 B unmovable"));
	assert_string_equal(none, no_array);
	free(none);
	free(no_array);
}

static json_t *path(size_t frames, size_t number, json_int_t bytes)
{
	json_t *stack = json_array();

	for (size_t i = 0; i < frames; i++)
		json_array_append_new(stack, json_sprintf("f%zu_%zu", number, i));
	return json_pack("{s:o, s:I, s:I, s:n}", "stack", stack, "bytes", bytes, "pins",
			 (json_int_t)1, "driver");
}

static void test_a_path_that_is_too_deep_is_cut_at_its_inner_end(void **state)
{
	json_t *sites = json_array();
	char *svg;

	(void)state;
	json_array_append_new(sites, path(FLAME_DEPTH + 5, 0, 4096));
	svg = draw(sites);
	assert_int_equal(count(svg, "<rect"), FLAME_DEPTH + 1);
	assert_non_null(strstr(svg, "; 1 cut"));
	assert_non_null(strstr(svg, ">f0_5<"));
	assert_null(strstr(svg, ">f0_4<"));
	free(svg);
	json_decref(sites);
}

static void test_too_many_paths_are_cut_to_the_largest(void **state)
{
	json_t *sites = json_array();
	char *svg;

	(void)state;
	for (size_t i = 0; i < 2 * FLAME_SITES; i++)
		json_array_append_new(sites, path(20, i, i ? 1 : 1 << 30));
	svg = draw(sites);
	assert_non_null(strstr(svg, "; 1024 call paths left out"));
	assert_non_null(strstr(svg, "; 615 cut")); /* 8191 boxes: those of 409 whole paths */
	assert_non_null(strstr(svg, ">f0_0<"));
	assert_true(strlen(svg) < 100000); /* those too narrow to be seen are not drawn */
	free(svg);
	json_decref(sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_share_the_boxes_of_the_frames_they_share),
		cmocka_unit_test(test_the_order_of_the_sites_does_not_matter),
		cmocka_unit_test(test_markup_in_names_is_text),
		cmocka_unit_test(test_what_is_no_site_is_left_out_and_counted),
		cmocka_unit_test(test_no_sites_are_a_picture_too),
		cmocka_unit_test(test_a_path_that_is_too_deep_is_cut_at_its_inner_end),
		cmocka_unit_test(test_too_many_paths_are_cut_to_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
