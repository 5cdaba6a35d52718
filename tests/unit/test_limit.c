// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MIB   (UINT64_C(1) << 20)
#define PAGES (MIB / 4096) /* in a MiB */

static const struct snap_refusal *last(const struct scene *s)
{
	return &s->b->refusals[s->b->s.nr_refusals - 1];
}

static bool judge(const struct scene *s, struct limit *out)
{
	return limit_judge(&s->b->s, last(s), out);
}

static void name_node(struct scene *s, const char *node, const char *driver)
{
	struct snap_owner *o = &s->b->refusals[s->b->s.nr_refusals - 1].by;

	snprintf(o->node, sizeof(o->node), "%s", node);
	snprintf(o->node_driver, sizeof(o->node_driver), "%s", driver);
}

static void test_limits_have_names(void **state)
{
	(void)state;
	assert_string_equal(limit_name(LIMIT_MEMLOCK), "RLIMIT_MEMLOCK");
	assert_string_equal(limit_name(LIMIT_DMA_ENTRIES), "dma_entry_limit");
}

static void test_what_was_used_and_what_the_call_took_exceed_the_limit(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r = books_refusal(s->b, s->owner, ENOMEM, 3 * PAGES);
	struct limit l;

	r->user_locked = 6 * PAGES;
	r->pinned = 5 * PAGES;
	r->count = 2;
	assert_true(judge(s, &l));
	assert_int_equal(l.kind, LIMIT_MEMLOCK);
	assert_int_equal(l.error, ENOMEM);
	assert_int_equal(l.value, 8 * MIB);
	assert_int_equal(l.used, 6 * MIB);
	assert_int_equal(l.taken, 3 * MIB);
	assert_int_equal(l.count, 2);
	assert_true(l.certain);
	assert_string_equal(l.driver, "leaky");
}

static void test_a_call_that_fits_has_failed_for_another_reason(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r = books_refusal(s->b, s->owner, ENOMEM, 2 * PAGES);
	struct limit l;

	r->locked = 6 * PAGES;
	assert_false(judge(s, &l));
	r->locked++;
	assert_true(judge(s, &l));
}

static void test_each_of_the_accounts_may_be_the_one_that_is_full(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r = books_refusal(s->b, s->owner, ENOBUFS, 1);
	struct limit l;

	assert_false(judge(s, &l));
	r->pinned = 8 * PAGES;
	assert_true(judge(s, &l));
	r->pinned = 0;
	r->locked = 8 * PAGES;
	assert_true(judge(s, &l));
	r->locked = 0;
	r->user_locked = 8 * PAGES;
	assert_true(judge(s, &l));
}

static void test_the_privileged_and_the_unlimited_hit_no_limit(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r = books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	struct limit l;

	assert_true(judge(s, &l));
	r->privileged = 1;
	assert_false(judge(s, &l));
	r->privileged = 0;
	r->memlock = UINT64_MAX;
	assert_false(judge(s, &l));
}

static void test_a_call_without_pins_says_something_of_those_who_ask_first(void **state)
{
	struct scene *s = *state;
	struct limit l;

	books_refusal(s->b, s->owner, ENOMEM, 0);
	assert_false(judge(s, &l));
	name_node(s, "dri/card0", "i915");
	assert_false(judge(s, &l));
	name_node(s, "infiniband/uverbs0", "rdma_rxe");
	assert_true(judge(s, &l));
	assert_false(l.certain);
	name_node(s, "vhost-vdpa-0", "");
	assert_true(judge(s, &l));
}

static void test_a_socket_of_af_xdp_without_buffers_has_hit_it(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r = books_refusal(s->b, s->owner, ENOBUFS, 0);
	struct limit l;

	r->owner.site = 0;
	assert_false(judge(s, &l));
	r->option_level = SOL_SOCKET;
	assert_false(judge(s, &l));
	r->option_level = 283;
	assert_true(judge(s, &l));
	assert_true(l.certain);
	assert_string_equal(l.driver, "af_xdp");
	r->error = ENOMEM;
	assert_false(judge(s, &l));
}

static void test_no_room_in_a_vfio_container_is_its_own_limit(void **state)
{
	struct scene *s = *state;
	struct limit l;

	books_refusal(s->b, s->owner, ENOSPC, 0);
	assert_false(judge(s, &l));
	name_node(s, "vfio/vfio", "");
	assert_true(judge(s, &l));
	assert_int_equal(l.kind, LIMIT_DMA_ENTRIES);
	assert_int_equal(l.value, LIMIT_UNKNOWN);
	assert_int_equal(l.used, LIMIT_UNKNOWN);
	s->b->refusals[0].dma_entries = 65535;
	assert_true(judge(s, &l));
	assert_int_equal(l.value, 65535);
}

static void test_without_a_call_path_the_device_says_which_driver(void **state)
{
	struct scene *s = *state;
	struct limit l;

	books_refusal(s->b, s->owner, ENOMEM, 0)->owner.site = 0;
	name_node(s, "infiniband/uverbs0", "rdma_rxe");
	assert_true(judge(s, &l));
	assert_string_equal(l.driver, "rdma_rxe");
}

static void test_one_limit_is_told_once_and_again_when_it_was_hit_ten_times_as_often(void **state)
{
	struct scene *s = *state;
	struct pl_refusal *r;

	begin_tracking(s);
	r = books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	run(s, 3);
	assert_int_equal(s->r.limits, 1);
	r->count = 9;
	run(s, 3);
	assert_int_equal(s->r.limits, 1);
	r->count = 10;
	run(s, 3);
	assert_int_equal(s->r.limits, 2);
	assert_int_equal(s->r.limit.count, 10);
}

/* The same program, started anew. */
static void test_another_process_of_the_same_name_is_no_news(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	run(s, 1);
	books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES)->owner.tgid++;
	run(s, 1);
	assert_int_equal(s->r.limits, 1);
	snprintf(s->b->refusals[1].by.owner.comm, PL_COMM, "other");
	run(s, 1);
	assert_int_equal(s->r.limits, 2);
}

static void test_a_limit_accuses_nobody(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	run(s, 10);
	assert_int_equal(s->r.verdicts, 0);
	assert_int_equal(monitor_leaking(s->m), 0);
}

static void test_a_verdict_lists_the_limits_hit_through_its_driver(void **state)
{
	struct scene *s = *state;
	struct snap_owner *other = books_owner(s->b, books_site(s->b, BLAME_MODULE, "second"));

	begin_tracking(s);
	books_refusal(s->b, other, ENOMEM, 200 * PAGES);
	books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	pin(s, s->owner, 1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(finding_cause(&s->r.finding), CAUSE_MISSING_RELEASE);
	assert_int_equal(limits_of(s->r.verdict.limits, "leaky", 0)->taken, 100 * MIB);
	assert_null(limits_of(s->r.verdict.limits, "leaky", 1));
	assert_int_equal(limits_of(s->r.verdict.limits, "second", 0)->taken, 200 * MIB);
}

static void test_of_a_tree_only_its_own_limits_are_told(void **state)
{
	struct scene *s = *state;

	s->config.tree_only = true;
	begin_tracking(s);
	books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES);
	run(s, 1);
	assert_int_equal(s->r.limits, 0);
	s->b->refusals[0].refusal.owner.tree = 1;
	run(s, 1);
	assert_int_equal(s->r.limits, 1);
}

static void test_more_limits_than_fit_are_all_told(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	for (uint32_t i = 0; i < LIMITS_MAX + 4; i++) {
		books_refusal(s->b, s->owner, ENOMEM, 100 * PAGES)->memlock = 8 * MIB + 4096 * i;
		run(s, 1);
		s->b->s.nr_refusals = 0;
		assert_int_equal(s->r.limits, i + 1);
	}
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_have_names),
		SCENE(test_what_was_used_and_what_the_call_took_exceed_the_limit),
		SCENE(test_a_call_that_fits_has_failed_for_another_reason),
		SCENE(test_each_of_the_accounts_may_be_the_one_that_is_full),
		SCENE(test_the_privileged_and_the_unlimited_hit_no_limit),
		SCENE(test_a_call_without_pins_says_something_of_those_who_ask_first),
		SCENE(test_a_socket_of_af_xdp_without_buffers_has_hit_it),
		SCENE(test_no_room_in_a_vfio_container_is_its_own_limit),
		SCENE(test_without_a_call_path_the_device_says_which_driver),
		SCENE(test_one_limit_is_told_once_and_again_when_it_was_hit_ten_times_as_often),
		SCENE(test_another_process_of_the_same_name_is_no_news),
		SCENE(test_a_limit_accuses_nobody),
		SCENE(test_a_verdict_lists_the_limits_hit_through_its_driver),
		SCENE(test_of_a_tree_only_its_own_limits_are_told),
		SCENE(test_more_limits_than_fit_are_all_told),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
