// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/blame.h"

/* ---- one frame ------------------------------------------------------------------------ */

static void assert_frame(const char *frame, const char *symbol, const char *module)
{
	char s[PL_SYM], m[MODGRAPH_NAME];

	assert_true(blame_frame(frame, s, m));
	assert_string_equal(s, symbol);
	assert_string_equal(m, module);
}

static void assert_tracing(const char *frame)
{
	char s[PL_SYM], m[MODGRAPH_NAME];

	assert_false(blame_frame(frame, s, m));
}

static void test_a_frame_is_taken_apart(void **state)
{
	(void)state;
	assert_frame("pin_user_pages_fast+0x12/0x80", "pin_user_pages_fast", "");
	assert_frame("leaky_ioctl+0x1a2/0x3f0 [leaky]", "leaky_ioctl", "leaky");
	assert_frame("ib_umem_get", "ib_umem_get", "");
	assert_frame("ib_umem_get [ib_uverbs]", "ib_umem_get", "ib_uverbs");
}

static void test_a_build_id_is_no_part_of_the_module(void **state)
{
	(void)state;
	assert_frame("mod_fn+0x1/0x2 [mod 0123abcd]", "mod_fn", "mod");
	assert_frame("mod_fn+0x1/0x2 [mod 0123456789abcdef0123456789abcdef01234567]", "mod_fn",
		     "mod");
}

static void test_an_address_without_a_symbol_is_a_symbol(void **state)
{
	(void)state;
	assert_frame("0xffffffffc0a1b2c3", "0xffffffffc0a1b2c3", "");
}

static void test_an_empty_frame_is_empty(void **state)
{
	(void)state;
	assert_frame("", "", "");
	assert_frame("+0x1/0x2", "", "");
	assert_frame(" [", "", "");
	assert_frame(" []", "", "");
	assert_frame(" [ ]", "", "");
}

static void test_a_frame_that_was_cut_keeps_what_is_there(void **state)
{
	(void)state;
	assert_frame("leaky_ioctl+0x1a2/0x3f0 [lea", "leaky_ioctl", "lea");
	assert_frame("leaky_ioctl+0x1a2/0x3f0 ", "leaky_ioctl", "");
	assert_frame("leaky_ioctl+0x1a2/", "leaky_ioctl", "");
}

static void test_names_too_long_are_cut(void **state)
{
	char frame[512], symbol[PL_SYM], module[MODGRAPH_NAME];

	(void)state;
	snprintf(frame, sizeof(frame), "%0100d+0x1/0x2 [%0100d]", 0, 0);
	assert_true(blame_frame(frame, symbol, module));
	assert_int_equal(strlen(symbol), PL_SYM - 1);
	assert_int_equal(strlen(module), MODGRAPH_NAME - 1);
	snprintf(frame, sizeof(frame), "%0*d [%0*d]", PL_SYM, 0, MODGRAPH_NAME, 0);
	assert_true(blame_frame(frame, symbol, module));
	assert_int_equal(strlen(symbol), PL_SYM - 1);
	assert_int_equal(strlen(module), MODGRAPH_NAME - 1);
}

static void test_frames_of_the_tracing_itself_are_told(void **state)
{
	(void)state;
	assert_tracing("bpf_trampoline_6442536467+0x6b/0x1000");
	assert_tracing("bpf_prog_1d0f0d4dcd44e2f3_api_exit_1+0x30/0x40");
	assert_tracing("anything+0x1/0x2 [bpf]");
	assert_frame("bpf_map_pin+0x1/0x2", "bpf_map_pin", "");
	assert_frame("fn+0x1/0x2 [bpfilter]", "fn", "bpfilter");
}

/* ---- a call path ---------------------------------------------------------------------- */

#define FRAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct blame blame(const char *modules, const char *const *frames)
{
	static struct pl_site site;
	struct modgraph graph = {0};
	struct blame b;

	memset(&site, 0, sizeof(site));
	for (; frames[site.nr]; site.nr++)
		snprintf(site.sym[site.nr], PL_SYM, "%s", frames[site.nr]);
	assert_int_equal(modgraph_parse(modules, &graph), 0);
	blame_site(&site, &graph, &b);
	modgraph_free(&graph);
	return b;
}

static void assert_blame(const struct blame *b, enum blame_kind kind, const char *driver,
			 const char *via)
{
	assert_int_equal(b->kind, kind);
	assert_string_equal(b->driver, driver);
	assert_string_equal(b->via, via);
	assert_int_equal(b->guess, kind == BLAME_BUILTIN);
}

static void test_the_module_on_the_path_is_the_driver(void **state)
{
	struct blame b = blame("leaky 16384 0 - Live 0x0\n",
			       FRAMES("pin_user_pages_fast+0x1/0x2", "leaky_ioctl+0x1/0x2 [leaky]",
				      "__x64_sys_ioctl+0x1/0x2", "do_syscall_64+0x1/0x2"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "leaky", "");
}

static void test_a_driver_that_releases_by_itself_is_told_from_one_that_lies_beneath(void **state)
{
	static const char *const modules = "leaky 16384 0 - Live 0x0\nnvme 16384 0 - Live 0x0\n";
	struct blame own =
		blame(modules, FRAMES("bpf_trampoline_1+0x1/0x2", "gup_put_folio+0x1/0x2",
				      "unpin_user_pages+0x1/0x2", "leaky_release+0x1/0x2 [leaky]"));
	struct blame bio =
		blame(modules, FRAMES("unpin_user_folio+0x1/0x2", "__bio_release_pages+0x1/0x2",
				      "bio_endio+0x1/0x2", "nvme_irq+0x1/0x2 [nvme]",
				      "leaky_ioctl+0x1/0x2 [leaky]"));

	(void)state;
	assert_true(own.direct);
	assert_false(bio.direct);
	assert_false(blame(modules, FRAMES("unpin_user_pages+0x1/0x2")).direct);
}

static void test_a_framework_that_keeps_pins_of_failed_calls_is_known(void **state)
{
	static const char *const modules = "vivid 16384 0 - Live 0x0\n";

	(void)state;
	assert_true(blame(modules, FRAMES("pin_user_pages_fast+0x1/0x2",
					  "vb2_create_framevec+0x1/0x2 [videobuf2_memops]",
					  "vivid_ioctl+0x1/0x2 [vivid]"))
			    .keeps);
	assert_false(
		blame(modules, FRAMES("pin_user_pages_fast+0x1/0x2", "vivid_ioctl+0x1/0x2 [vivid]"))
			.keeps);
}

static struct pl_site path(const char *const *frames)
{
	struct pl_site site = {0};

	for (; frames[site.nr]; site.nr++)
		snprintf(site.sym[site.nr], PL_SYM, "%s", frames[site.nr]);
	return site;
}

static void test_paths_that_differ_in_offsets_only_are_the_same(void **state)
{
	struct pl_site a = path(FRAMES("pin_user_pages+0x1/0x2", "f+0x10/0x90 [m]"));
	struct pl_site b = path(FRAMES("pin_user_pages+0x1/0x2", "f+0x20/0x90 [m]"));
	struct pl_site other = path(FRAMES("pin_user_pages+0x1/0x2", "f+0x10/0x90 [n]"));
	struct pl_site longer = path(FRAMES("pin_user_pages+0x1/0x2", "f+0x10/0x90 [m]", "g"));

	(void)state;
	assert_true(blame_same_path(&a, &b));
	assert_false(blame_same_path(&a, &other));
	assert_false(blame_same_path(&a, &longer));
}

static void test_what_ib_uverbs_pins_for_rdma_rxe_is_rdma_rxes(void **state)
{
	struct blame b =
		blame("rdma_rxe 200704 1 - Live 0x0\n"
		      "ib_uverbs 200704 1 rdma_rxe, Live 0x0\n"
		      "ib_core 524288 2 rdma_rxe,ib_uverbs, Live 0x0\n",
		      FRAMES("pin_user_pages_fast+0x1/0x2", "ib_umem_get+0x1/0x2 [ib_uverbs]",
			     "rxe_mr_init_user+0x1/0x2 [rdma_rxe]",
			     "ib_uverbs_reg_mr+0x1/0x2 [ib_uverbs]",
			     "ib_uverbs_write+0x1/0x2 [ib_uverbs]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "rdma_rxe", "ib_uverbs");
}

static void test_the_driver_may_depend_through_others(void **state)
{
	struct blame b =
		blame("top 1 0 - Live 0x0\n"
		      "middle 1 1 top, Live 0x0\n"
		      "bottom 1 1 middle, Live 0x0\n",
		      FRAMES("pin_user_pages+0x1/0x2", "b+0x1/0x2 [bottom]", "t+0x1/0x2 [top]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "top", "bottom");
}

static void test_via_is_the_last_framework_before_the_driver(void **state)
{
	struct blame b = blame("top 1 0 - Live 0x0\n"
			       "middle 1 1 top, Live 0x0\n"
			       "bottom 1 2 middle,top, Live 0x0\n",
			       FRAMES("b+0x1/0x2 [bottom]", "m+0x1/0x2 [middle]", "t+0x1/0x2 [top]",
				      "b+0x1/0x2 [bottom]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "top", "middle");
}

static void test_of_unrelated_modules_the_innermost_is_the_driver(void **state)
{
	struct blame b =
		blame("outer 1 0 - Live 0x0\ninner 1 0 - Live 0x0\n",
		      FRAMES("pin_user_pages+0x1/0x2", "i+0x1/0x2 [inner]", "o+0x1/0x2 [outer]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "inner", "");
}

static void test_modules_that_are_not_in_the_graph_are_unrelated(void **state)
{
	struct blame b = blame("", FRAMES("i+0x1/0x2 [inner]", "o+0x1/0x2 [outer]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "inner", "");
}

static void test_built_in_code_is_guessed_by_its_symbols(void **state)
{
	static const char *const symbols[][2] = {
		{"io_sqe_buffer_register", "io_uring"}, {"xdp_umem_pin_pages", "af_xdp"},
		{"udmabuf_create", "udmabuf"},		{"vfio_pin_pages_remote", "vfio"},
		{"bio_iov_iter_get_pages", "block"},	{"ib_umem_get", "ib_uverbs"},
		{"process_vm_rw_core", "process_vm"},	{"vb2_create_framevec", "videobuf2"},
	};

	(void)state;
	for (size_t i = 0; i < NR(symbols); i++) {
		struct blame b = blame("", FRAMES("pin_user_pages+0x1/0x2", symbols[i][0]));

		assert_blame(&b, BLAME_BUILTIN, symbols[i][1], "");
	}
}

static void test_the_innermost_symbol_that_tells_is_the_guess(void **state)
{
	struct blame b = blame("", FRAMES("pin_user_pages+0x1/0x2", "udmabuf_pin_folios+0x1/0x2",
					  "vfio_something+0x1/0x2"));

	(void)state;
	assert_blame(&b, BLAME_BUILTIN, "udmabuf", "");
	b = blame("", FRAMES("vfio_something+0x1/0x2", "udmabuf_pin_folios+0x1/0x2"));
	assert_blame(&b, BLAME_BUILTIN, "vfio", "");
}

static void test_a_module_is_no_guess_though_built_in_code_is_nearer(void **state)
{
	struct blame b =
		blame("", FRAMES("bio_iov_iter_get_pages+0x1/0x2", "xfs_dio+0x1/0x2 [xfs]"));

	(void)state;
	assert_blame(&b, BLAME_MODULE, "xfs", "");
}

static void test_a_path_that_nothing_tells_is_unknown(void **state)
{
	struct blame b = blame("", FRAMES("pin_user_pages+0x1/0x2", "do_syscall_64+0x1/0x2"));

	(void)state;
	assert_blame(&b, BLAME_UNKNOWN, "unknown", "");
	b = blame("", FRAMES("0xffffffffc0a1b2c3"));
	assert_blame(&b, BLAME_UNKNOWN, "unknown", "");
}

static void test_a_path_without_frames_is_unknown(void **state)
{
	struct blame b = blame("", (const char *const[]){NULL});

	(void)state;
	assert_blame(&b, BLAME_UNKNOWN, "unknown", "");
}

static void test_frames_of_the_tracing_accuse_nobody(void **state)
{
	struct blame b = blame("", FRAMES("bpf_prog_0123456789abcdef_api_exit_1+0x1/0x2 [bpf]",
					  "bpf_trampoline_6442536467+0x1/0x2 [bpf]",
					  "bpf_prog_0123456789abcdef_api_exit_1",
					  "bpf_trampoline_6442536467"));

	(void)state;
	assert_blame(&b, BLAME_UNKNOWN, "unknown", "");
	b = blame("", FRAMES("bpf_trampoline_6442536467+0x1/0x2 [bpf]", "l+0x1/0x2 [leaky]"));
	assert_blame(&b, BLAME_MODULE, "leaky", "");
}

static void test_more_frames_than_there_are_do_not_count(void **state)
{
	static struct pl_site site;
	struct modgraph graph = {0};
	struct blame b;

	(void)state;
	memset(&site, 0, sizeof(site));
	site.nr = 0xffffffff;
	snprintf(site.sym[PL_FRAMES - 1], PL_SYM, "l+0x1/0x2 [leaky]");
	blame_site(&site, &graph, &b);
	assert_blame(&b, BLAME_MODULE, "leaky", "");
	site.nr = PL_FRAMES - 1;
	blame_site(&site, &graph, &b);
	assert_blame(&b, BLAME_UNKNOWN, "unknown", "");
}

static void test_the_longest_names_fit(void **state)
{
	char name[MODGRAPH_NAME], frame[PL_SYM + 8];
	struct blame b;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(frame, sizeof(frame), "f [%s]", name);
	b = blame("", FRAMES(frame));
	assert_blame(&b, BLAME_MODULE, name, "");
}

static void test_any_bytes_make_a_blame(void **state)
{
	struct rng r = {random_seed()};
	uint64_t cases = random_cases(20000);
	struct modgraph graph = {0};

	(void)state;
	assert_int_equal(modgraph_parse("a 1 1 b, Live 0x0\nb 1 1 a, Live 0x0\n", &graph), 0);
	for (uint64_t i = 0; i < cases; i++) {
		static const char likely[] = "ab[] +0/x\0_";
		static struct pl_site site;
		struct blame b;

		site.nr = rng_below(&r, 5);
		for (uint32_t k = 0; k < site.nr; k++) {
			for (uint32_t c = 0; c < PL_SYM - 1; c++)
				site.sym[k][c] = rng_chance(&r, 80)
							 ? likely[rng_below(&r, sizeof(likely))]
							 : (char)rng_next(&r);
			site.sym[k][PL_SYM - 1] = '\0';
		}
		memset(&b, 0xff, sizeof(b));
		blame_site(&site, &graph, &b);
		assert_true(memchr(b.driver, '\0', sizeof(b.driver)) && b.driver[0]);
		assert_true(memchr(b.via, '\0', sizeof(b.via)));
		assert_true(b.kind == BLAME_MODULE || !b.via[0]);
		assert_int_equal(b.guess, b.kind == BLAME_BUILTIN);
	}
	modgraph_free(&graph);
}

static void test_kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(blame_kind_name(BLAME_UNKNOWN), "unknown");
	assert_string_equal(blame_kind_name(BLAME_MODULE), "module");
	assert_string_equal(blame_kind_name(BLAME_BUILTIN), "built-in");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frame_is_taken_apart),
		cmocka_unit_test(test_a_build_id_is_no_part_of_the_module),
		cmocka_unit_test(test_an_address_without_a_symbol_is_a_symbol),
		cmocka_unit_test(test_an_empty_frame_is_empty),
		cmocka_unit_test(test_a_frame_that_was_cut_keeps_what_is_there),
		cmocka_unit_test(test_names_too_long_are_cut),
		cmocka_unit_test(test_frames_of_the_tracing_itself_are_told),
		cmocka_unit_test(test_the_module_on_the_path_is_the_driver),
		cmocka_unit_test(test_a_framework_that_keeps_pins_of_failed_calls_is_known),
		cmocka_unit_test(test_paths_that_differ_in_offsets_only_are_the_same),
		cmocka_unit_test(
			test_a_driver_that_releases_by_itself_is_told_from_one_that_lies_beneath),
		cmocka_unit_test(test_what_ib_uverbs_pins_for_rdma_rxe_is_rdma_rxes),
		cmocka_unit_test(test_the_driver_may_depend_through_others),
		cmocka_unit_test(test_via_is_the_last_framework_before_the_driver),
		cmocka_unit_test(test_of_unrelated_modules_the_innermost_is_the_driver),
		cmocka_unit_test(test_modules_that_are_not_in_the_graph_are_unrelated),
		cmocka_unit_test(test_built_in_code_is_guessed_by_its_symbols),
		cmocka_unit_test(test_the_innermost_symbol_that_tells_is_the_guess),
		cmocka_unit_test(test_a_module_is_no_guess_though_built_in_code_is_nearer),
		cmocka_unit_test(test_a_path_that_nothing_tells_is_unknown),
		cmocka_unit_test(test_a_path_without_frames_is_unknown),
		cmocka_unit_test(test_frames_of_the_tracing_accuse_nobody),
		cmocka_unit_test(test_more_frames_than_there_are_do_not_count),
		cmocka_unit_test(test_the_longest_names_fit),
		cmocka_unit_test(test_any_bytes_make_a_blame),
		cmocka_unit_test(test_kinds_have_names),
	};

	return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
