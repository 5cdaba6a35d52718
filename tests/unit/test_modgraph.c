// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/modgraph.h"

static struct modgraph graph;

static void parse(const char *text)
{
	modgraph_free(&graph);
	assert_int_equal(modgraph_parse(text, &graph), 0);
}

static int teardown(void **state)
{
	(void)state;
	modgraph_free(&graph);
	return 0;
}

static const char rdma[] = "rdma_rxe 200704 0 - Live 0xffffffffc0a00000\n"
			   "ib_uverbs 200704 1 rdma_rxe, Live 0xffffffffc0900000\n"
			   "ib_core 524288 2 rdma_rxe,ib_uverbs, Live 0xffffffffc0800000\n"
			   "leaky 16384 3 - Live 0xffffffffc0700000 (OE)\n"
			   "held 16384 1 [permanent], Live 0xffffffffc0600000\n"
			   "uncounted 16384 - - Live 0xffffffffc0500000\n";

static void test_the_empty_text_is_an_empty_graph(void **state)
{
	(void)state;
	parse("");
	assert_int_equal(graph.nr, 0);
	assert_null(modgraph_find(&graph, "leaky"));
	assert_false(modgraph_depends(&graph, "a", "b"));
}

static void test_the_zero_graph_is_empty(void **state)
{
	struct modgraph none = {0};

	(void)state;
	assert_null(modgraph_find(&none, "leaky"));
	assert_false(modgraph_depends(&none, "a", "b"));
	modgraph_free(&none);
}

static void test_modules_are_found_with_their_refcount(void **state)
{
	(void)state;
	parse(rdma);
	assert_int_equal(graph.nr, 6);
	assert_int_equal(modgraph_find(&graph, "rdma_rxe")->refcount, 0);
	assert_int_equal(modgraph_find(&graph, "ib_core")->refcount, 2);
	assert_int_equal(modgraph_find(&graph, "leaky")->refcount, 3);
	assert_null(modgraph_find(&graph, "ib"));
	assert_null(modgraph_find(&graph, ""));
}

static void test_a_refcount_that_the_kernel_cannot_tell_is_minus_one(void **state)
{
	(void)state;
	parse(rdma);
	assert_int_equal(modgraph_find(&graph, "uncounted")->refcount, -1);
	parse("a 1 1x - Live 0x0\n");
	assert_int_equal(modgraph_find(&graph, "a")->refcount, -1);
}

static void test_a_module_depends_on_what_it_uses(void **state)
{
	(void)state;
	parse(rdma);
	assert_true(modgraph_depends(&graph, "rdma_rxe", "ib_uverbs"));
	assert_true(modgraph_depends(&graph, "rdma_rxe", "ib_core"));
	assert_true(modgraph_depends(&graph, "ib_uverbs", "ib_core"));
	assert_false(modgraph_depends(&graph, "ib_uverbs", "rdma_rxe"));
	assert_false(modgraph_depends(&graph, "ib_core", "ib_uverbs"));
	assert_false(modgraph_depends(&graph, "leaky", "ib_core"));
	assert_false(modgraph_depends(&graph, "leaky", "leaky"));
	assert_false(modgraph_depends(&graph, "rdma", "ib_core"));
	assert_false(modgraph_depends(&graph, "ib_uverbs", "ib_uverb"));
}

static void test_no_users_is_no_module_named_dash(void **state)
{
	(void)state;
	parse(rdma);
	assert_false(modgraph_depends(&graph, "-", "leaky"));
}

static void test_a_module_depends_through_others(void **state)
{
	(void)state;
	parse("g 1 0 - Live 0x0\nf 1 1 g, Live 0x0\ne 1 1 f, Live 0x0\nd 1 1 e, Live 0x0\n"
	      "c 1 1 d, Live 0x0\nb 1 1 c, Live 0x0\na 1 1 b, Live 0x0\n");
	assert_true(modgraph_depends(&graph, "g", "a"));
	assert_false(modgraph_depends(&graph, "a", "g"));
}

static void test_a_circle_of_modules_ends(void **state)
{
	(void)state;
	parse("a 1 1 b, Live 0x0\nb 1 1 a, Live 0x0\n");
	assert_true(modgraph_depends(&graph, "a", "b"));
	assert_true(modgraph_depends(&graph, "a", "a"));
	assert_false(modgraph_depends(&graph, "c", "a"));
}

static void test_a_dense_graph_is_searched_soon(void **state)
{
	static const char *const users = "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,";
	char text[4096];
	int at = 0;

	(void)state;
	for (char c = 'a'; c <= 't'; c++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%c 1 20 %s Live 0x0\n", c,
			       users);
	parse(text);
	assert_true(modgraph_depends(&graph, "t", "a"));
	assert_false(modgraph_depends(&graph, "u", "a"));
}

static void test_the_users_may_lack_the_last_comma(void **state)
{
	(void)state;
	parse("a 1 2 b,c Live 0x0\nd 1 1 e");
	assert_true(modgraph_depends(&graph, "b", "a"));
	assert_true(modgraph_depends(&graph, "c", "a"));
	assert_true(modgraph_depends(&graph, "e", "d"));
}

static void test_lines_that_are_no_such_lines_are_left_out(void **state)
{
	(void)state;
	parse("\n \nname\nname 1\nname 1 0\n 1 0 - Live\nname  0 - Live\n\n"
	      "good 1 0 - Live 0x0\n\nlast 1 0 -");
	assert_int_equal(graph.nr, 2);
	assert_non_null(modgraph_find(&graph, "good"));
	assert_non_null(modgraph_find(&graph, "last"));
}

static void test_names_that_no_module_can_have_are_left_out(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "%0*d 1 0 - Live 0x0\n%0*d 1 0 - Live 0x0\n", MODGRAPH_NAME, 0,
		 MODGRAPH_NAME - 1, 1);
	parse(text);
	assert_int_equal(graph.nr, 1);
	assert_int_equal(strlen(graph.modules[0].name), MODGRAPH_NAME - 1);
}

static void test_users_with_names_too_long_are_left_out(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "a 1 2 %0*d,b, Live 0x0\n", MODGRAPH_NAME, 0);
	parse(text);
	assert_true(modgraph_depends(&graph, "b", "a"));
}

static void test_thousands_of_modules_are_read(void **state)
{
	size_t room = 1 << 20;
	char *text = malloc(room);
	int at = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 5000; i++)
		at += snprintf(text + at, room - (size_t)at, "m%d 4096 0 m%d, Live 0x0\n", i,
			       i + 1);
	parse(text);
	free(text);
	assert_int_equal(graph.nr, 5000);
	assert_true(modgraph_depends(&graph, "m3", "m0"));
	assert_false(modgraph_depends(&graph, "m0", "m3"));
}

static void test_all_users_of_a_module_are_those_that_depend_on_it_each_for_itself(void **state)
{
	(void)state;
	parse("g 1 0 - Live 0x0\nf 1 1 g, Live 0x0\nx 1 0 - Live 0x0\ne 1 2 f,x, Live 0x0\n"
	      "b 1 1 a, Live 0x0\na 1 2 b,e, Live 0x0\n");
	for (size_t i = 0; i < graph.nr; i++) {
		bool is_user[6] = {false};

		assert_int_equal(graph.nr, 6);
		assert_int_equal(modgraph_users(&graph, &graph.modules[i], is_user), 0);
		for (size_t k = 0; k < graph.nr; k++)
			assert_int_equal(is_user[k], modgraph_depends(&graph, graph.modules[k].name,
								      graph.modules[i].name));
	}
}

static void test_free_leaves_an_empty_graph(void **state)
{
	(void)state;
	parse(rdma);
	modgraph_free(&graph);
	assert_int_equal(graph.nr, 0);
	assert_null(modgraph_find(&graph, "leaky"));
	modgraph_free(&graph);
}

#define GRAPH(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH(test_the_empty_text_is_an_empty_graph),
		GRAPH(test_the_zero_graph_is_empty),
		GRAPH(test_modules_are_found_with_their_refcount),
		GRAPH(test_a_refcount_that_the_kernel_cannot_tell_is_minus_one),
		GRAPH(test_a_module_depends_on_what_it_uses),
		GRAPH(test_no_users_is_no_module_named_dash),
		GRAPH(test_a_module_depends_through_others),
		GRAPH(test_a_circle_of_modules_ends),
		GRAPH(test_a_dense_graph_is_searched_soon),
		GRAPH(test_the_users_may_lack_the_last_comma),
		GRAPH(test_lines_that_are_no_such_lines_are_left_out),
		GRAPH(test_names_that_no_module_can_have_are_left_out),
		GRAPH(test_users_with_names_too_long_are_left_out),
		GRAPH(test_thousands_of_modules_are_read),
		GRAPH(test_all_users_of_a_module_are_those_that_depend_on_it_each_for_itself),
		GRAPH(test_free_leaves_an_empty_graph),
	};

	return cmocka_run_group_tests_name("modgraph", tests, NULL, NULL);
}
