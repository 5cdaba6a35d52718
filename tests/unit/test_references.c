// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Plain references: when they are tracked, and what of them proves something. */
#include "scene.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void found(struct scene *s, uint64_t folios)
{
	monitor_unexplained(s->m, folios);
}

/* Tracking of references is on. */
static void begin_references(struct scene *s)
{
	s->config.references = true;
	begin(s);
	step(s);
	monitor_references_are(s->m, s->sample.now_ns, true);
}

/* One second later, a look at the books of references; it changes its pages, so they are copies. */
static void look(struct scene *s)
{
	struct snap_page before[BOOKS_PAGES];

	step(s);
	memcpy(before, s->b->pages, sizeof(before));
	assert_int_equal(monitor_step_references(s->m, &s->b->s), 0);
	memcpy(s->b->pages, before, sizeof(before));
}

static void assert_two_looks_prove(struct scene *s, uint64_t references)
{
	look(s);
	look(s);
	assert_int_equal(s->r.verdicts, references ? 1 : 0);
	if (!references)
		return;
	assert_true(s->r.verdict.plain);
	assert_int_equal(s->r.finding.pins, references);
}

/* ---- when they are tracked ------------------------------------------------------------ */

static void test_more_of_them_than_before_switch_tracking_on(void **state)
{
	struct scene *s = *state;

	begin(s);
	found(s, 100); /* what was there at first says nothing */
	assert_false(monitor_wants_references(s->m));
	found(s, 100);
	assert_false(monitor_wants_references(s->m));
	found(s, 99);
	assert_false(monitor_wants_references(s->m));
	found(s, 100);
	assert_true(monitor_wants_references(s->m));
	monitor_references_are(s->m, s->sample.now_ns, true);
	assert_int_equal(s->r.references, 1);
	assert_true(s->r.last_references.on);
	assert_int_equal(s->r.last_references.unexplained, 100);
}

static void test_two_looks_without_more_switch_it_off(void **state)
{
	struct scene *s = *state;

	begin(s);
	found(s, 0);
	found(s, 1);
	monitor_references_are(s->m, s->sample.now_ns, true);
	found(s, 1);
	assert_true(monitor_wants_references(s->m));
	found(s, 2);
	found(s, 2);
	assert_true(monitor_wants_references(s->m));
	found(s, 2);
	assert_false(monitor_wants_references(s->m));
	monitor_references_are(s->m, s->sample.now_ns, false);
	assert_false(s->r.last_references.on);
}

static void test_what_is_proved_meanwhile_keeps_it_on(void **state)
{
	struct scene *s = *state;

	begin(s);
	found(s, 0);
	found(s, 1);
	monitor_references_are(s->m, s->sample.now_ns, true);
	found(s, 1);
	books_pin(s->b, s->owner, 1);
	assert_two_looks_prove(s, 1);
	found(s, 1);
	assert_true(monitor_wants_references(s->m));
	found(s, 1);
	assert_false(monitor_wants_references(s->m));
}

static void test_without_tracking_nothing_switches_it_on(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_NEVER;
	begin(s);
	found(s, 0);
	found(s, 1000);
	assert_false(monitor_wants_references(s->m));
}

static void test_what_cannot_be_had_is_not_asked_for_again(void **state)
{
	struct scene *s = *state;

	begin(s);
	found(s, 0);
	found(s, 1);
	assert_true(monitor_wants_references(s->m));
	monitor_references_failed(s->m, s->sample.now_ns, "no such functions");
	assert_int_equal(s->r.references, 1);
	assert_false(s->r.last_references.on);
	found(s, 1000);
	assert_false(monitor_wants_references(s->m));
}

static void test_what_was_asked_for_stays_on(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	for (int i = 0; i < 10; i++)
		found(s, 0);
	assert_true(monitor_wants_references(s->m));
}

/* ---- what proves something ------------------------------------------------------------ */

static void test_two_looks_are_needed(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	books_pin(s->b, s->owner, 3);
	look(s);
	assert_int_equal(s->r.verdicts, 0);
	look(s);
	assert_int_equal(s->r.verdicts, 1);
	assert_true(s->r.verdict.plain);
	assert_int_equal(s->r.finding.pins, 3);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_ORPHANED);
	look(s);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_of_two_looks_the_lesser_counts(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_references(s);
	p = books_pin(s->b, s->owner, 5);
	p->pins = 2;
	look(s);
	p->pins = 5;
	look(s);
	assert_int_equal(s->r.finding.pins, 2);
}

static void test_a_look_without_the_reference_begins_anew(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_references(s);
	p = books_pin(s->b, s->owner, 1);
	for (int i = 0; i < 5; i++) {
		p->pins = 1;
		look(s);
		p->pins = 0;
		look(s);
	}
	assert_int_equal(s->r.verdicts, 0);
}

static void test_what_was_seen_before_it_was_switched_off_counts_no_more(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	books_pin(s->b, s->owner, 1);
	look(s);
	monitor_references_are(s->m, s->sample.now_ns, false);
	monitor_references_are(s->m, s->sample.now_ns, true);
	look(s);
	assert_int_equal(s->r.verdicts, 0);
}

static void test_a_claim_of_built_in_code_makes_it_prove_nothing(void **state)
{
	static const enum blame_kind others[] = {BLAME_BUILTIN, BLAME_UNKNOWN};
	struct scene *s = *state;

	begin_references(s);
	for (size_t i = 0; i < NR(others); i++) {
		struct pl_page *p = books_pin(s->b, s->owner, 10);

		folio_claim(p, books_owner(s->b, books_site(s->b, others[i], "vmsplice")), 1);
	}
	assert_two_looks_prove(s, 0);
}

static void test_a_claim_through_a_file_or_a_socket_proves_nothing(void **state)
{
	static const uint16_t modes[] = {S_IFREG, S_IFSOCK, S_IFIFO, S_IFDIR};
	struct scene *s = *state;

	begin_references(s);
	for (size_t i = 0; i < NR(modes); i++) {
		struct snap_owner *o = books_owner(s->b, s->site);

		o->owner.mode = modes[i];
		owner_closed(s->b, o, SEC(100));
		owner_died(s->b, o, SEC(100));
		books_pin(s->b, o, 10);
	}
	assert_two_looks_prove(s, 0);
	s->owner->owner.mode = S_IFBLK;
	books_pin(s->b, s->owner, 1);
	assert_two_looks_prove(s, 1);
}

static void test_torn_lost_and_overfull_records_prove_nothing(void **state)
{
	struct scene *s = *state;
	struct snap_owner *lost = books_owner(s->b, s->site);
	struct snap_owner *of_lost_site = books_owner(s->b, books_site(s->b, BLAME_MODULE, "gone"));

	begin_references(s);
	books_pin(s->b, s->owner, 10)->torn = 1;
	books_pin(s->b, s->owner, 10)->extra = 1;
	books_folio(s->b, 10);
	owner_closed(s->b, lost, SEC(100));
	folio_claim(books_pin(s->b, s->owner, 10), lost, 1);
	folio_claim(books_pin(s->b, s->owner, 10), of_lost_site, 1);
	books_lose_owner(s->b, lost);
	books_lose_site(s->b, s->b->sites[1]);
	assert_two_looks_prove(s, 0);
}

static void test_what_lies_in_a_queue_or_may_proves_nothing(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	books_pin(s->b, s->owner, 2);
	books_pin(s->b, s->owner, 4);
	s->b->pages[0].queued = SNAP_QUEUED_YES;
	s->b->pages[1].queued = SNAP_QUEUED_UNKNOWN;
	for (int i = 0; i < 4; i++)
		look(s);
	assert_int_equal(s->r.verdicts, 0);
	s->b->pages[1].queued = SNAP_QUEUED_NO;
	assert_two_looks_prove(s, 4);
}

/* ---- what is waited for --------------------------------------------------------------- */

static void test_references_of_the_tree_are_open_until_they_are_judged(void **state)
{
	struct scene *s = *state;

	s->config.tree_only = true;
	s->owner->owner.tree = 1;
	begin_references(s);
	assert_int_equal(monitor_open_references(s->m), 0);
	books_pin(s->b, s->owner, 3);
	s->b->pages[0].queued = SNAP_QUEUED_UNKNOWN;
	look(s);
	look(s);
	assert_int_equal(monitor_open_references(s->m), 3);
	s->b->pages[0].queued = SNAP_QUEUED_NO;
	look(s);
	assert_int_equal(monitor_open_references(s->m), 3); /* one look is not enough */
	look(s);
	assert_int_equal(monitor_open_references(s->m), 0);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(monitor_references(s->m)->proved, 3);
}

static void test_what_lies_in_a_queue_and_what_others_hold_is_not_open(void **state)
{
	struct scene *s = *state;

	s->config.tree_only = true;
	begin_references(s);
	books_pin(s->b, s->owner, 3); /* not of the tree */
	s->b->pages[0].queued = SNAP_QUEUED_UNKNOWN;
	look(s);
	assert_int_equal(monitor_open_references(s->m), 0);
	s->owner->owner.tree = 1;
	s->b->pages[0].queued = SNAP_QUEUED_YES;
	look(s);
	assert_int_equal(monitor_open_references(s->m), 0);
}

/* ---- the summary ---------------------------------------------------------------------- */

static void test_what_was_proved_before_it_went_off_is_in_the_summary(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	books_pin(s->b, s->owner, 5);
	assert_two_looks_prove(s, 5);
	monitor_references_are(s->m, s->sample.now_ns, false);
	s->b->s.nr_pages = 0;
	monitor_references_are(s->m, s->sample.now_ns, true);
	books_pin(s->b, s->owner, 2);
	look(s);
	look(s);
	finish(s);
	assert_int_equal(s->r.summary.nr_leaks, 1);
	assert_true(s->r.leaks[0].plain);
	assert_int_equal(s->r.leaks[0].pins, 7);
	assert_int_equal(s->r.leaks[0].bytes, 2 * 4096);
	assert_int_equal(s->r.summary.leaked_references, 7);
	assert_int_equal(s->r.summary.leaked_pins, 0);
}

static void test_what_came_back_is_not_in_the_summary(void **state)
{
	struct scene *s = *state;

	begin_references(s);
	books_pin(s->b, s->owner, 5);
	assert_two_looks_prove(s, 5);
	s->b->s.nr_pages = 0;
	look(s);
	finish(s);
	assert_int_equal(s->r.summary.leaked_references, 0);
}

static void test_pins_and_references_of_a_driver_are_two_leaks(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_ALWAYS;
	begin_references(s);
	obey(s);
	pin(s, s->owner, 4);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	assert_false(s->r.verdict.plain);
	look(s);
	look(s);
	assert_int_equal(s->r.verdicts, 2);
	assert_true(s->r.verdict.plain);
	finish(s);
	assert_int_equal(s->r.summary.nr_leaks, 2);
	assert_int_equal(s->r.summary.leaked_pins, 4);
	assert_int_equal(s->r.summary.leaked_references, 4);
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		SCENE(test_more_of_them_than_before_switch_tracking_on),
		SCENE(test_two_looks_without_more_switch_it_off),
		SCENE(test_what_is_proved_meanwhile_keeps_it_on),
		SCENE(test_without_tracking_nothing_switches_it_on),
		SCENE(test_what_cannot_be_had_is_not_asked_for_again),
		SCENE(test_what_was_asked_for_stays_on),
		SCENE(test_two_looks_are_needed),
		SCENE(test_of_two_looks_the_lesser_counts),
		SCENE(test_a_look_without_the_reference_begins_anew),
		SCENE(test_what_was_seen_before_it_was_switched_off_counts_no_more),
		SCENE(test_a_claim_of_built_in_code_makes_it_prove_nothing),
		SCENE(test_a_claim_through_a_file_or_a_socket_proves_nothing),
		SCENE(test_torn_lost_and_overfull_records_prove_nothing),
		SCENE(test_what_lies_in_a_queue_or_may_proves_nothing),
		SCENE(test_references_of_the_tree_are_open_until_they_are_judged),
		SCENE(test_what_lies_in_a_queue_and_what_others_hold_is_not_open),
		SCENE(test_what_was_proved_before_it_went_off_is_in_the_summary),
		SCENE(test_what_came_back_is_not_in_the_summary),
		SCENE(test_pins_and_references_of_a_driver_are_two_leaks),
	};

	return cmocka_run_group_tests_name("references", tests, NULL, NULL);
}
