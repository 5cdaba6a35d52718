// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Wrong releases: by whom, how many, and when that is not said. */
#include "trial.h"

#include <string.h>

#include "scene.h"

/* ---- releases of pins that were not there --------------------------------------------- */

static const struct finding *only(struct trial *t)
{
	evaluate(t);
	assert_int_equal(t->l.nr_findings, 1);
	return &t->l.findings[0];
}

static void assert_unclear(struct trial *t, uint64_t refs)
{
	evaluate(t);
	assert_int_equal(t->l.nr_findings, 0);
	assert_int_equal(t->l.unclear, refs);
	assert_int_equal(t->l.wrong, 0);
}

static void test_a_page_that_nobody_pinned_and_a_driver_unpins(void **state)
{
	struct trial *t = *state;
	const struct finding *f;

	books_wrong(t->b, PL_WRONG_NEVER, t->site, 5);
	f = only(t);
	assert_string_equal(f->driver->driver, "leaky");
	assert_int_equal(f->evidence, EVIDENCE_WRONG_RELEASE);
	assert_int_equal(finding_cause(f), CAUSE_WRONG_RELEASE);
	assert_int_equal(f->pins, 0);
	assert_int_equal(f->nevers, 5);
	assert_int_equal(finding_wrong(f), 5);
	assert_int_equal(f->nr_releases, 1);
	assert_int_equal(f->releases[0].kind, WRONG_NEVER);
	assert_int_equal(f->releases[0].count, 5);
	assert_ptr_equal(f->releases[0].site, t->site);
	assert_int_equal(f->releases[0].by->owner.tgid, 77);
	assert_int_equal(t->l.wrong, 5);
	assert_int_equal(t->l.unclear, 0);
}

static void test_a_release_beneath_another_function_says_not_whose_it_was(void **state)
{
	struct trial *t = *state;

	t->site->blame.direct = false; /* in an interrupt, say */
	books_wrong(t->b, PL_WRONG_NEVER, t->site, 5);
	assert_unclear(t, 5);
}

static void test_built_in_code_is_not_named_for_a_wrong_release(void **state)
{
	struct trial *t = *state;

	t->site->blame.kind = BLAME_BUILTIN;
	books_wrong(t->b, PL_WRONG_NEVER, t->site, 5);
	assert_unclear(t, 5);
}

static void test_a_lost_path_is_nobodys_wrong_release(void **state)
{
	struct trial *t = *state;

	books_wrong(t->b, PL_WRONG_NEVER, t->site, 5);
	books_lose_site(t->b, t->site);
	assert_unclear(t, 5);
}

static void test_a_folio_whose_history_is_not_known_accuses_nobody(void **state)
{
	struct trial *t = *state;
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_UNCLEAR, t->site, 2);

	wrong_claim(w, t->site, 1);
	wrong_release(w, t->site, 2);
	assert_unclear(t, 2);
}

static void test_a_driver_alone_on_a_page_that_unpins_once_too_often(void **state)
{
	struct trial *t = *state;
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 3);
	const struct finding *f;

	wrong_claim(w, t->site, 1);
	wrong_release(w, t->site, 2);
	f = only(t);
	assert_int_equal(f->doubles, 3);
	assert_int_equal(f->releases[0].kind, WRONG_DOUBLE);
	assert_int_equal(finding_cause(f), CAUSE_DOUBLE_RELEASE);
	assert_int_equal(f->evidence, EVIDENCE_WRONG_RELEASE);
}

/* A second driver took the pin away: who comes last finds none, and is innocent. */
static void test_the_last_to_release_is_not_the_one_who_released_too_often(void **state)
{
	struct trial *t = *state;
	struct snap_site *second = books_site(t->b, BLAME_MODULE, "second");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);
	const struct finding *f;

	wrong_claim(w, t->site, 1);
	wrong_claim(w, second, 1);
	wrong_release(w, second, 2);
	wrong_release(w, t->site, 1);
	f = only(t);
	assert_string_equal(f->driver->driver, "second");
	assert_int_equal(f->doubles, 1);
	assert_ptr_equal(f->releases[0].site, second);
	assert_null(f->releases[0].by);
}

static void second_unpins_what_the_other_pinned(struct trial *t)
{
	struct snap_site *second = books_site(t->b, BLAME_MODULE, "second");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	wrong_claim(w, t->site, 1);
	wrong_release(w, second, 1);
	wrong_release(w, t->site, 1);
}

static void test_who_unpins_what_another_driver_pinned_is_named(void **state)
{
	struct trial *t = *state;
	const struct finding *f;

	books_modules(t->b, "leaky 1 0 - Live 0x0\nsecond 1 0 - Live 0x0\n");
	second_unpins_what_the_other_pinned(t);
	f = only(t);
	assert_string_equal(f->driver->driver, "second");
	assert_int_equal(f->nevers, 1);
	assert_int_equal(f->releases[0].kind, WRONG_NEVER);
}

static void test_who_may_unpin_for_another_that_builds_upon_it_is_not_named(void **state)
{
	struct trial *t = *state;

	books_modules(t->b, "leaky 1 1 second, Live 0x0\nsecond 1 0 - Live 0x0\n");
	second_unpins_what_the_other_pinned(t);
	assert_unclear(t, 1);
}

static void test_of_two_who_released_too_often_none_is_named(void **state)
{
	struct trial *t = *state;
	struct snap_site *second = books_site(t->b, BLAME_MODULE, "second");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 2);

	wrong_claim(w, t->site, 1);
	wrong_claim(w, second, 1);
	wrong_release(w, second, 2);
	wrong_release(w, t->site, 2);
	assert_unclear(t, 2);
}

static void test_releases_that_do_not_add_up_accuse_nobody(void **state)
{
	struct trial *t = *state;
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	wrong_claim(w, t->site, 2);
	wrong_release(w, t->site, 2);
	assert_unclear(t, 1);
}

static void test_a_party_that_is_not_known_leaves_it_open(void **state)
{
	struct trial *t = *state;
	struct snap_site *lost = books_site(t->b, BLAME_MODULE, "lost");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	wrong_claim(w, t->site, 1);
	wrong_claim(w, lost, 1);
	wrong_release(w, t->site, 3);
	books_lose_site(t->b, lost);
	assert_unclear(t, 1);
}

static void test_a_release_beneath_a_driver_among_others_leaves_it_open(void **state)
{
	struct trial *t = *state;
	struct snap_site *beneath = books_site(t->b, BLAME_MODULE, "second");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	beneath->blame.direct = false;
	wrong_claim(w, t->site, 1);
	wrong_release(w, beneath, 1);
	wrong_release(w, t->site, 2);
	assert_unclear(t, 1);
}

static void test_an_unknown_driver_among_the_releases_leaves_it_open(void **state)
{
	struct trial *t = *state;
	struct snap_site *unknown = books_site(t->b, BLAME_UNKNOWN, "unknown");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	wrong_claim(w, t->site, 1);
	wrong_release(w, unknown, 2);
	assert_unclear(t, 1);
}

static void test_several_paths_of_one_driver_are_one_driver(void **state)
{
	struct trial *t = *state;
	struct snap_site *near = books_site(t->b, BLAME_MODULE, "leaky");
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);
	const struct finding *f;

	wrong_claim(w, near, 1);
	wrong_release(w, near, 1);
	wrong_release(w, t->site, 1);
	wrong_release(w, near, 1);
	f = only(t);
	assert_int_equal(f->doubles, 1);
	assert_ptr_equal(f->releases[0].site, t->site); /* the one that found no pin */
}

static void test_releases_of_one_path_are_summed_and_more_paths_than_fit_are_cut(void **state)
{
	struct trial *t = *state;
	struct snap_site *again = books_site(t->b, BLAME_MODULE, "leaky");
	const struct finding *f;

	again->same = t->site;
	books_wrong(t->b, PL_WRONG_NEVER, t->site, 2);
	books_wrong(t->b, PL_WRONG_NEVER, again, 3);
	f = only(t);
	assert_int_equal(f->nr_releases, 1);
	assert_int_equal(f->releases[0].count, 5);
	assert_false(f->cut);
	for (int i = 0; i < LEDGER_RELEASES; i++)
		books_wrong(t->b, PL_WRONG_NEVER, books_site(t->b, BLAME_MODULE, "leaky"), 1);
	f = only(t);
	assert_int_equal(f->nr_releases, LEDGER_RELEASES);
	assert_int_equal(f->nevers, 5 + LEDGER_RELEASES);
	assert_true(f->cut);
}

static void test_kinds_of_one_path_are_told_apart(void **state)
{
	struct trial *t = *state;
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);
	const struct finding *f;

	wrong_claim(w, t->site, 1);
	wrong_release(w, t->site, 2);
	books_wrong(t->b, PL_WRONG_NEVER, t->site, 1);
	f = only(t);
	assert_int_equal(f->nr_releases, 2);
	assert_int_equal(finding_wrong(f), 2);
}

static void test_more_claims_than_a_record_has_are_not_read(void **state)
{
	struct trial *t = *state;
	struct pl_wrong *w = books_wrong(t->b, PL_WRONG_CLAIMED, t->site, 1);

	for (int i = 0; i < PL_SLOTS; i++)
		wrong_claim(w, t->site, 1);
	for (int i = 0; i < PL_RELS; i++)
		wrong_release(w, t->site, 2);
	w->nr_claims = w->nr_rels = 200;
	assert_int_equal(only(t)->doubles, 1);
}

/* ---- put_page() on pins ---------------------------------------------------------------- */

/* A folio of the driver that lacks references, all of whose pins are known; leaked long ago. */
static struct pl_page *lacking(struct trial *t, uint32_t pins, uint32_t wrong)
{
	struct pl_page *p = books_pin(t->b, t->owner, pins);

	p->whole = 1;
	p->held = pins;
	p->wrong = wrong;
	orphan(t, t->owner, SEC(10));
	return p;
}

static void test_references_must_lack_twice_in_a_row(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 3, 3);
	const struct finding *f;

	assert_innocent(t);
	assert_int_equal(t->l.ambiguous, 3);
	f = accused(t);
	assert_int_equal(f->pins, 3);
	assert_int_equal(f->pins_put, 3);
	assert_int_equal(f->evidence, EVIDENCE_ORPHANED);
	assert_int_equal(finding_cause(f), CAUSE_WRONG_RELEASE);
	assert_int_equal(f->nr_releases, 1);
	assert_int_equal(f->releases[0].kind, WRONG_PUT_PAGE);
	assert_int_equal(f->releases[0].count, 3);
	assert_null(f->releases[0].site);
	assert_null(f->releases[0].by);
	p->wrong = 0;
	assert_int_equal(accused(t)->pins_put, 0);
	p->wrong = 3;
	assert_innocent(t);
}

static void test_of_two_looks_the_lesser_counts(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 3, 3);

	evaluate(t);
	p->wrong = 1;
	assert_int_equal(accused(t)->pins_put, 1);
	p->wrong = 2;
	assert_int_equal(accused(t)->pins_put, 1);
}

static void test_what_others_hold_may_explain_what_lacks(void **state)
{
	struct trial *t = *state;
	struct snap_owner *second = books_owner(t->b, books_site(t->b, BLAME_MODULE, "second"));
	struct pl_page *p = lacking(t, 2, 1);
	const struct finding *f;

	folio_claim(p, second, 1);
	p->pins = p->held = 3;
	evaluate(t);
	f = accused(t);
	assert_int_equal(f->pins, 2);
	assert_int_equal(f->pins_put, 0);
	assert_int_equal(finding_cause(f), CAUSE_MISSING_RELEASE);
	p->wrong = 3;
	evaluate(t);
	assert_int_equal(accused(t)->pins_put, 2);
}

static void test_two_claims_of_the_driver_share_what_lacks(void **state)
{
	struct trial *t = *state;
	struct snap_owner *again = books_owner(t->b, t->site);
	struct pl_page *p = lacking(t, 2, 3);

	folio_claim(p, again, 2);
	p->pins = p->held = 4;
	orphan(t, again, SEC(10));
	evaluate(t);
	assert_int_equal(accused(t)->pins, 4);
	assert_int_equal(t->l.findings[0].pins_put, 3);
}

static void test_pins_that_are_rightly_held_accuse_nobody_whatever_lacks(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 2, 2);

	t->owner->file_end_ns = t->owner->dead_ns = 0;
	assert_innocent(t);
	assert_innocent(t);
	assert_int_equal(t->l.held, p->pins);
	assert_int_equal(t->l.lacking, 1);
}

static void test_a_record_that_is_not_whole_only_looks_like_it(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 1, 1);

	p->whole = 0;
	p->pins = 0;
	assert_innocent(t);
	assert_innocent(t);
	assert_int_equal(t->l.ambiguous, 1);
	assert_int_equal(t->l.pins, 1);
	assert_int_equal(t->l.lacking, 1);
	assert_int_equal(t->l.nr_holdings, 0);
	p->pins = 1; /* and of what its count does show */
	assert_int_equal(only(t)->pins, 1);
	assert_int_equal(t->l.findings[0].pins_put, 0);
	assert_int_equal(t->l.ambiguous, 1);
}

static void test_a_large_folio_lacks_for_certain_at_every_level(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 2, 2);

	p->whole = 0;
	p->order = 9;
	evaluate(t);
	assert_int_equal(accused(t)->pins_put, 2);
	assert_int_equal(t->l.findings[0].bytes, 2 << 20);
}

static void test_a_torn_record_lacks_nothing(void **state)
{
	struct trial *t = *state;

	lacking(t, 1, 1)->torn = 1;
	assert_innocent(t);
	assert_innocent(t);
	assert_int_equal(t->l.torn, 1);
	assert_int_equal(t->l.lacking, 0);
}

static void test_a_folio_without_pins_is_left_out(void **state)
{
	struct trial *t = *state;

	lacking(t, 1, 0)->pins = 0;
	assert_innocent(t);
	assert_int_equal(t->l.pins, 0);
}

static void test_a_folio_that_was_freed_with_pins_keeps_no_memory(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = lacking(t, 3, 0);
	const struct finding *f;

	p->freed = 1;
	p->order = 9;
	f = accused(t);
	assert_int_equal(f->pins, 3);
	assert_int_equal(f->pins_put, 3);
	assert_int_equal(f->folios, 0);
	assert_int_equal(f->bytes, 0);
	assert_int_equal(f->nr_sites, 1);
	assert_int_equal(finding_cause(f), CAUSE_WRONG_RELEASE);
}

static void test_strictly_the_references_of_a_small_folio_prove_nothing(void **state)
{
	struct trial *t = *state;

	lacking(t, 3, 0)->whole = 0;
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.loose, 3);
	t->l.strict = true;
	assert_innocent(t);
	assert_int_equal(t->l.ambiguous, 3);
	assert_int_equal(t->l.loose, 3);
	t->b->pages[0].page.whole = 1;
	assert_int_equal(accused(t)->pins, 3);
	assert_int_equal(t->l.loose, 0);
}

/* ---- causes ---------------------------------------------------------------------------- */

static void test_the_cause_is_what_most_of_it_is(void **state)
{
	struct finding f = {.pins = 10};

	(void)state;
	assert_int_equal(finding_cause(&f), CAUSE_MISSING_RELEASE);
	f.pins_bad = 6;
	assert_int_equal(finding_cause(&f), CAUSE_ERROR_PATH);
	f.pins_put = 4;
	assert_int_equal(finding_cause(&f), CAUSE_ERROR_PATH);
	f.pins_put = 5;
	assert_int_equal(finding_cause(&f), CAUSE_WRONG_RELEASE);
	f.doubles = 6;
	assert_int_equal(finding_cause(&f), CAUSE_DOUBLE_RELEASE);
	f.pins_put = 3;
	assert_int_equal(finding_cause(&f), CAUSE_ERROR_PATH);
	f.nevers = 6;
	assert_int_equal(finding_cause(&f), CAUSE_WRONG_RELEASE);
}

static void test_they_have_names(void **state)
{
	(void)state;
	assert_string_equal(evidence_name(EVIDENCE_WRONG_RELEASE), "wrong-release");
	assert_true(EVIDENCE_WRONG_RELEASE < EVIDENCE_ERROR_LEFT);
	assert_string_equal(cause_name(CAUSE_WRONG_RELEASE), "wrong-release");
	assert_string_equal(cause_name(CAUSE_DOUBLE_RELEASE), "double-release");
	assert_string_equal(wrong_release_name(WRONG_PUT_PAGE), "put-page");
	assert_string_equal(wrong_release_name(WRONG_DOUBLE), "double-release");
	assert_string_equal(wrong_release_name(WRONG_NEVER), "never-pinned");
}

/* ---- the monitor ----------------------------------------------------------------------- */

/* Releases are seen at level deep only. */
static void begin_deep(struct scene *s)
{
	s->config.lowest = LEVEL_DEEP;
	begin_tracking(s);
}

static struct pl_wrong *unpin(struct scene *s, uint32_t refs)
{
	s->sample.released += refs;
	return books_wrong(s->b, PL_WRONG_NEVER, s->site, refs);
}

static void test_a_wrong_release_is_a_verdict(void **state)
{
	struct scene *s = *state;

	begin_deep(s);
	unpin(s, 2);
	run(s, 3);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_WRONG_RELEASE);
	assert_int_equal(s->r.finding.pins, 0);
	assert_false(s->r.verdict.update);
	assert_true(s->r.verdict.rate < 0);
	assert_int_equal(monitor_leaking(s->m), 1);
	finish(s);
	assert_int_equal(s->r.leaks[0].wrong, 2);
	assert_int_equal(s->r.leaks[0].pins, 0);
	assert_int_equal(s->r.summary.leaked_pins, 0);
}

static void test_it_is_told_again_when_it_has_doubled_and_at_the_end(void **state)
{
	struct scene *s = *state;
	struct pl_wrong *w;

	begin_deep(s);
	w = unpin(s, 2);
	run(s, 1);
	w->refs = 3;
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	w->refs = 4;
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	assert_true(s->r.verdict.update);
	w->refs = 5;
	run(s, 1);
	finish(s);
	assert_int_equal(s->r.verdicts, 3);
	assert_int_equal(finding_wrong(&s->r.finding), 5);
}

static void test_leaked_pins_are_stronger_evidence(void **state)
{
	struct scene *s = *state;

	begin_deep(s);
	unpin(s, 2);
	run(s, 1);
	pin(s, s->owner, 1)->whole = 1;
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_ORPHANED);
	assert_false(s->r.verdict.update);
}

static void test_what_no_hook_saw_might_explain_a_wrong_release(void **state)
{
	struct scene *s = *state;
	struct pl_wrong *w;

	s->balance.unseen = 1;
	s->balance.unseen_released = 1;
	s->b->s.missed_runs = 1;
	begin_deep(s);
	w = unpin(s, 3);
	run(s, 2);
	assert_int_equal(s->r.verdicts, 0);
	w->refs = 4;
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_more_seen_than_counted_explains_no_wrong_release(void **state)
{
	struct scene *s = *state;

	s->balance.unseen = s->balance.unseen_released = -5;
	begin_deep(s);
	unpin(s, 1);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
}

static void test_a_doubtful_release_does_not_hold_back_what_is_proved(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	s->b->s.missed_runs = 100;
	begin_deep(s);
	p = pin(s, s->owner, 2);
	p->freed = 1;
	p->order = 9;
	unpin(s, 1);
	run(s, 2);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.finding.pins, 2);
	assert_int_equal(s->r.finding.nevers, 0);
	assert_int_equal(s->r.finding.nr_releases, 1);
	assert_int_equal(s->r.finding.releases[0].kind, WRONG_PUT_PAGE);
}

static void test_a_second_tracking_adds_its_wrong_releases(void **state)
{
	struct scene *s = *state;

	begin(s);
	raise_suspicion(s);
	obey(s);
	unpin(s, 2);
	run(s, 40);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	s->b->s.nr_wrongs = 0;
	raise_suspicion(s);
	obey(s);
	unpin(s, 3);
	run(s, 1);
	assert_int_equal(s->r.verdicts, 2);
	finish(s);
	assert_int_equal(s->r.leaks[0].wrong, 5);
}

static void test_folios_that_lack_references_call_for_deep(void **state)
{
	struct scene *s = *state;
	struct pl_page *p;

	begin_tracking(s);
	s->owner->file_end_ns = s->owner->dead_ns = 0;
	p = pin(s, s->owner, 1);
	p->wrong = 1;
	run(s, 4);
	assert_int_equal(s->level, LEVEL_DEEP);
	assert_non_null(strstr(s->r.reason, "1 folios lack references"));
	assert_int_equal(s->r.verdicts, 0);
}

static void test_more_pins_than_are_outstanding_prove_nothing_at_light(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	books_pin(s->b, s->owner, 2); /* two thousand plain references */
	s->sample.acquired += 1;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_LIGHT);
	run(s, 1);
	assert_int_equal(s->level, LEVEL_DEEP);
	run(s, 3);
	pin(s, s->owner, 3)->order = 9; /* these are no matter of references */
	run(s, 1);
	assert_int_equal(s->r.verdicts, 1);
	assert_int_equal(s->r.finding.pins, 3);
}

/* More is released than taken, second by second. */
static void sink(struct scene *s, int seconds, int64_t pins)
{
	for (int i = 0; i < seconds; i++) {
		s->sample.released += pins;
		run(s, 1);
	}
}

static void test_sinking_counters_call_for_deep_tracking(void **state)
{
	struct scene *s = *state;

	begin(s);
	sink(s, 15, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS);
	assert_true(monitor_wants_exact(s->m));
	sink(s, 1, 1);
	assert_int_equal(s->r.suspicions, 1);
	assert_int_equal(s->r.suspicion.pins, -13);
	assert_int_equal(s->level, LEVEL_DEEP);
	assert_non_null(strstr(s->r.reason, "released than were taken: 13 in 12 s"));
}

static void test_sinking_counters_call_for_deep_from_light(void **state)
{
	struct scene *s = *state;

	begin_tracking(s);
	sink(s, 18, 1);
	assert_int_equal(s->level, LEVEL_DEEP);
	assert_int_equal(s->r.suspicions, 0);
}

static void test_sinking_that_led_to_nothing_must_become_twice_as_bad(void **state)
{
	struct scene *s = *state;
	uint32_t states;

	begin(s);
	sink(s, 16, 1);
	assert_int_equal(s->level, LEVEL_DEEP);
	sink(s, 30, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS); /* settled: nobody was found */
	states = s->r.states;
	s->sample.acquired += 35;
	sink(s, 18, 1);
	assert_int_equal(s->r.states, states);
	sink(s, 25, 1);
	assert_int_equal(s->r.suspicions, 2);
}

static void test_sinking_counters_are_told_when_tracking_is_off_for_good(void **state)
{
	struct scene *s = *state;

	s->config.track = TRACK_NEVER;
	begin(s);
	sink(s, 20, 1);
	assert_int_equal(s->r.suspicions, 1);
	assert_int_equal(s->level, LEVEL_COUNTERS);
}

#define TRIAL(test) cmocka_unit_test_setup_teardown(test, trial_setup, trial_teardown)
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL(test_a_page_that_nobody_pinned_and_a_driver_unpins),
		TRIAL(test_a_release_beneath_another_function_says_not_whose_it_was),
		TRIAL(test_built_in_code_is_not_named_for_a_wrong_release),
		TRIAL(test_a_lost_path_is_nobodys_wrong_release),
		TRIAL(test_a_folio_whose_history_is_not_known_accuses_nobody),
		TRIAL(test_a_driver_alone_on_a_page_that_unpins_once_too_often),
		TRIAL(test_the_last_to_release_is_not_the_one_who_released_too_often),
		TRIAL(test_who_unpins_what_another_driver_pinned_is_named),
		TRIAL(test_who_may_unpin_for_another_that_builds_upon_it_is_not_named),
		TRIAL(test_of_two_who_released_too_often_none_is_named),
		TRIAL(test_releases_that_do_not_add_up_accuse_nobody),
		TRIAL(test_a_party_that_is_not_known_leaves_it_open),
		TRIAL(test_a_release_beneath_a_driver_among_others_leaves_it_open),
		TRIAL(test_an_unknown_driver_among_the_releases_leaves_it_open),
		TRIAL(test_several_paths_of_one_driver_are_one_driver),
		TRIAL(test_releases_of_one_path_are_summed_and_more_paths_than_fit_are_cut),
		TRIAL(test_kinds_of_one_path_are_told_apart),
		TRIAL(test_more_claims_than_a_record_has_are_not_read),
		TRIAL(test_references_must_lack_twice_in_a_row),
		TRIAL(test_of_two_looks_the_lesser_counts),
		TRIAL(test_what_others_hold_may_explain_what_lacks),
		TRIAL(test_two_claims_of_the_driver_share_what_lacks),
		TRIAL(test_pins_that_are_rightly_held_accuse_nobody_whatever_lacks),
		TRIAL(test_a_record_that_is_not_whole_only_looks_like_it),
		TRIAL(test_a_large_folio_lacks_for_certain_at_every_level),
		TRIAL(test_a_torn_record_lacks_nothing),
		TRIAL(test_a_folio_without_pins_is_left_out),
		TRIAL(test_a_folio_that_was_freed_with_pins_keeps_no_memory),
		TRIAL(test_strictly_the_references_of_a_small_folio_prove_nothing),
		TRIAL(test_the_cause_is_what_most_of_it_is),
		TRIAL(test_they_have_names),
		SCENE(test_a_wrong_release_is_a_verdict),
		SCENE(test_it_is_told_again_when_it_has_doubled_and_at_the_end),
		SCENE(test_leaked_pins_are_stronger_evidence),
		SCENE(test_what_no_hook_saw_might_explain_a_wrong_release),
		SCENE(test_more_seen_than_counted_explains_no_wrong_release),
		SCENE(test_a_doubtful_release_does_not_hold_back_what_is_proved),
		SCENE(test_a_second_tracking_adds_its_wrong_releases),
		SCENE(test_folios_that_lack_references_call_for_deep),
		SCENE(test_more_pins_than_are_outstanding_prove_nothing_at_light),
		SCENE(test_sinking_counters_call_for_deep_tracking),
		SCENE(test_sinking_counters_call_for_deep_from_light),
		SCENE(test_sinking_that_led_to_nothing_must_become_twice_as_bad),
		SCENE(test_sinking_counters_are_told_when_tracking_is_off_for_good),
	};

	return cmocka_run_group_tests_name("wrong", tests, NULL, NULL);
}
