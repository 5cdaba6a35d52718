// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "trial.h"

#include <sys/stat.h>

/* ---- evidence ------------------------------------------------------------------------- */

static void test_empty_books_find_nothing(void **state)
{
	struct trial *t = *state;

	assert_innocent(t);
	assert_int_equal(t->l.pins, 0);
	assert_int_equal(t->l.nr_holdings, 0);
}

static void test_pins_of_an_open_file_are_held(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	assert_innocent(t);
	assert_int_equal(t->l.held, 3);
	assert_int_equal(t->l.nr_holdings, 1);
	assert_ptr_equal(t->l.holdings[0].owner, t->owner);
	assert_ptr_equal(t->l.holdings[0].site, t->site);
	assert_int_equal(t->l.holdings[0].pins, 3);
}

static void test_pins_of_an_open_file_are_held_even_when_the_process_is_dead(void **state)
{
	struct trial *t = *state;

	/* The file may have been handed to another process. */
	books_pin(t->b, t->owner, 3);
	owner_died(t->b, t->owner, SEC(100));
	assert_innocent(t);
}

static void test_pins_of_a_closed_file_with_a_dead_process_are_orphaned(void **state)
{
	struct trial *t = *state;
	const struct finding *f;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	f = accused(t);
	assert_int_equal(f->evidence, EVIDENCE_ORPHANED);
	assert_string_equal(f->driver->driver, "leaky");
	assert_int_equal(f->pins, 3);
	assert_int_equal(f->pins_bad, 0);
	assert_int_equal(finding_cause(f), CAUSE_MISSING_RELEASE);
	assert_int_equal(f->nr_owners, 1);
	assert_ptr_equal(f->owners[0], t->owner);
	assert_int_equal(t->l.nr_holdings, 0);
}

static void test_pins_of_a_closed_file_with_a_living_process_are_abandoned(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	owner_closed(t->b, t->owner, SEC(10));
	assert_int_equal(accused(t)->evidence, EVIDENCE_ABANDONED);
}

static void test_the_grace_time_after_the_close_is_kept_to_the_nanosecond(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	owner_closed(t->b, t->owner, BOOKS_GRACE - 1);
	assert_innocent(t);
	owner_closed(t->b, t->owner, BOOKS_GRACE);
	assert_int_equal(accused(t)->evidence, EVIDENCE_ABANDONED);
}

static void test_the_grace_time_after_the_death_is_kept_to_the_nanosecond(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	owner_closed(t->b, t->owner, SEC(10));
	owner_died(t->b, t->owner, BOOKS_GRACE - 1);
	assert_innocent(t);
	owner_died(t->b, t->owner, BOOKS_GRACE);
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_a_file_that_ends_after_the_books_were_opened_is_open(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	t->owner->file_end_ns = t->b->s.now_ns + MSEC(1);
	assert_innocent(t);
	t->l.grace_ns = 0;
	assert_innocent(t);
}

static void test_a_file_that_the_call_created_keeps_its_pins_innocent(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	t->owner->owner.links = 1;
	assert_innocent(t);
	t->owner->owner.links = 0;
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_built_in_code_through_a_file_of_another_kind_stays_innocent(void **state)
{
	struct trial *t = *state;
	struct snap_owner *ring = books_owner(t->b, books_site(t->b, BLAME_BUILTIN, "io_uring"));

	/* A cloned io_uring buffer, a shared AF_XDP umem: they live on in another file. */
	books_pin(t->b, ring, 3);
	orphan(t, ring, SEC(10));
	ring->owner.mode = 0600; /* an anonymous inode has no type */
	assert_innocent(t);
	ring->owner.mode = S_IFSOCK | 0777;
	assert_innocent(t);
	ring->owner.mode = S_IFREG | 0644;
	assert_innocent(t);
}

static void test_built_in_code_through_a_device_file_is_judged(void **state)
{
	static const uint16_t modes[] = {S_IFCHR, S_IFBLK};
	struct trial *t = *state;
	struct snap_owner *vfio = books_owner(t->b, books_site(t->b, BLAME_BUILTIN, "vfio"));

	books_pin(t->b, vfio, 3);
	orphan(t, vfio, SEC(10));
	for (size_t i = 0; i < NR(modes); i++) {
		vfio->owner.mode = modes[i] | 0600;
		assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
	}
}

static void test_a_module_is_judged_whatever_the_file(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	orphan(t, t->owner, SEC(10));
	t->owner->owner.mode = S_IFREG | 0644;
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_an_unknown_driver_is_a_finding_without_a_name(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = books_owner(t->b, books_site(t->b, BLAME_UNKNOWN, "unknown"));

	books_pin(t->b, o, 3);
	orphan(t, o, SEC(10));
	assert_int_equal(accused(t)->driver->kind, BLAME_UNKNOWN);
}

/* ---- no file is known ----------------------------------------------------------------- */

static struct snap_owner *dead_worker(struct trial *t)
{
	struct snap_owner *o = books_worker(t->b, t->site);

	books_pin(t->b, o, 3);
	owner_died(t->b, o, SEC(10));
	return o;
}

static void test_a_worker_is_judged_when_nobody_uses_the_module(void **state)
{
	struct trial *t = *state;

	dead_worker(t);
	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
}

static void test_a_worker_of_a_module_in_use_is_innocent(void **state)
{
	struct trial *t = *state;

	dead_worker(t);
	books_modules(t->b, "leaky 16384 1 - Live 0x0\n");
	assert_innocent(t);
}

static void test_a_worker_is_innocent_when_the_use_of_the_module_is_not_known(void **state)
{
	struct trial *t = *state;

	dead_worker(t);
	books_modules(t->b, "leaky 16384 - - Live 0x0\n");
	assert_innocent(t);
	books_modules(t->b, "other 16384 0 - Live 0x0\n");
	assert_innocent(t);
}

static void test_a_living_or_unknown_worker_is_innocent(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = dead_worker(t);

	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	o->dead_ns = 0;
	assert_innocent(t);
	owner_died(t->b, o, SEC(10));
	o->owner.tgid = 0;
	assert_innocent(t);
}

static void test_a_worker_has_the_grace_time_too(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = dead_worker(t);

	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	owner_died(t->b, o, BOOKS_GRACE - 1);
	assert_innocent(t);
}

static void test_built_in_code_without_a_file_is_innocent(void **state)
{
	struct trial *t = *state;
	struct snap_owner *o = books_worker(t->b, books_site(t->b, BLAME_BUILTIN, "leaky"));

	books_pin(t->b, o, 3);
	owner_died(t->b, o, SEC(10));
	books_modules(t->b, "leaky 16384 0 - Live 0x0\n");
	assert_innocent(t);
}

/* ---- unloaded modules ----------------------------------------------------------------- */

static void test_pins_of_a_module_unloaded_since_are_leaked_whoever_lives(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	t->owner->owner.last_ns = t->b->s.now_ns - SEC(50);
	books_unload(t->b, "leaky", SEC(40));
	assert_int_equal(accused(t)->evidence, EVIDENCE_UNLOADED);
}

static void test_each_unload_is_looked_at(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	books_unload(t->b, "other", SEC(40));
	books_unload(t->b, "leaky", SEC(200)); /* it was loaded again */
	books_unload(t->b, "leaky", SEC(40));
	assert_int_equal(accused(t)->evidence, EVIDENCE_UNLOADED);
}

static void test_an_unload_before_the_last_use_proves_nothing(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	t->owner->owner.last_ns = t->b->s.now_ns - SEC(50);
	books_unload(t->b, "leaky", SEC(60));
	assert_innocent(t);
	t->b->unloads[0].unload.ns = t->owner->owner.last_ns;
	assert_innocent(t);
}

static void test_the_unload_of_another_module_proves_nothing(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3);
	books_unload(t->b, "leak", SEC(1));
	books_unload(t->b, "leaky2", SEC(1));
	assert_innocent(t);
}

static void test_built_in_code_cannot_be_unloaded(void **state)
{
	struct trial *t = *state;

	t->site->blame.kind = BLAME_BUILTIN;
	books_pin(t->b, t->owner, 3);
	books_unload(t->b, "leaky", SEC(1));
	assert_innocent(t);
}

static void test_the_strongest_evidence_is_named(void **state)
{
	struct trial *t = *state;
	struct snap_owner *other = books_owner(t->b, t->site);

	books_pin(t->b, t->owner, 1);
	books_pin(t->b, other, 1);
	orphan(t, t->owner, SEC(10));
	owner_closed(t->b, other, SEC(10));
	assert_int_equal(accused(t)->evidence, EVIDENCE_ORPHANED);
	assert_int_equal(accused(t)->nr_owners, 2);
}

/* ---- calls that failed ---------------------------------------------------------------- */

#define SYSCALL UINT64_C(0x70000)
#define CALL	(SYSCALL | 3) /* the third API call of the system call */

static void test_pins_of_a_failed_call_are_error_left(void **state)
{
	struct trial *t = *state;
	const struct finding *f;

	books_pin(t->b, t->owner, 3)->slot[0].call = CALL;
	books_failure(t->b, CALL, SEC(10));
	f = accused(t);
	assert_int_equal(f->evidence, EVIDENCE_ERROR_LEFT);
	assert_int_equal(f->pins_bad, 3);
	assert_int_equal(finding_cause(f), CAUSE_ERROR_PATH);
}

static void test_pins_that_a_framework_keeps_after_a_failed_call_are_held(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3)->slot[0].call = CALL;
	books_failure(t->b, CALL, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
	t->site->blame.keeps = true;
	assert_innocent(t);
	assert_int_equal(t->l.held, 3);
}

static void test_pins_of_a_failed_system_call_are_error_left(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3)->slot[0].call = CALL;
	books_pin(t->b, t->owner, 2)->slot[0].call = CALL + 1;
	books_failure(t->b, SYSCALL, SEC(10));
	assert_int_equal(accused(t)->evidence, EVIDENCE_ERROR_LEFT);
	assert_int_equal(accused(t)->pins_bad, 5);
}

static void test_the_failure_of_another_call_is_no_evidence(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3)->slot[0].call = CALL;
	books_failure(t->b, CALL + 1, SEC(10));
	books_failure(t->b, SYSCALL + 0x10000, SEC(10));
	assert_innocent(t);
	/* Nor is any failure that of a call that is not known. */
	t->b->pages[0].page.slot[0].call = 0;
	books_failure(t->b, 0, SEC(10));
	assert_innocent(t);
}

static void test_a_failure_counts_after_the_grace_time(void **state)
{
	struct trial *t = *state;

	books_pin(t->b, t->owner, 3)->slot[0].call = CALL;
	books_failure(t->b, CALL, BOOKS_GRACE - 1);
	assert_innocent(t);
	t->b->failures[0].failure.ns--;
	accused(t);
}

static void test_of_a_claim_only_what_the_failed_call_took_is_leaked(void **state)
{
	struct trial *t = *state;
	struct pl_slot *slot = &books_pin(t->b, t->owner, 5)->slot[0];
	const struct finding *f;

	slot->call = CALL;
	slot->refs_call = 2;
	books_failure(t->b, CALL, SEC(10));
	f = accused(t);
	assert_int_equal(f->pins, 2);
	assert_int_equal(t->l.ambiguous, 0);
	assert_int_equal(t->l.held, 3);
}

static void test_earlier_calls_that_failed_count_too(void **state)
{
	struct trial *t = *state;
	struct pl_slot *slot = &books_pin(t->b, t->owner, 5)->slot[0];

	slot->refs_call = 2;
	slot->refs_bad = 1;
	assert_int_equal(accused(t)->pins, 1);
	slot->call = CALL;
	books_failure(t->b, CALL, SEC(10));
	assert_int_equal(accused(t)->pins, 3);
}

static void test_failures_on_a_young_record_wait(void **state)
{
	struct trial *t = *state;
	struct pl_page *p = books_pin(t->b, t->owner, 5);

	p->slot[0].refs_bad = 5;
	p->first_ns = t->b->s.now_ns - BOOKS_GRACE + 1;
	assert_innocent(t);
	p->first_ns--;
	accused(t);
}

static void test_the_cause_is_a_missing_release_when_few_of_the_calls_failed(void **state)
{
	struct trial *t = *state;
	struct pl_slot *slot = &books_pin(t->b, t->owner, 10)->slot[0];
	const struct finding *f;

	slot->refs_bad = 5;
	orphan(t, t->owner, SEC(10));
	f = accused(t);
	assert_int_equal(f->evidence, EVIDENCE_ORPHANED);
	assert_int_equal(f->pins, 10);
	assert_int_equal(f->pins_bad, 5);
	assert_int_equal(finding_cause(f), CAUSE_MISSING_RELEASE);
	slot->refs_bad = 6;
	assert_int_equal(finding_cause(accused(t)), CAUSE_ERROR_PATH);
}

#define TRIAL(test) cmocka_unit_test_setup_teardown(test, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL(test_empty_books_find_nothing),
		TRIAL(test_pins_of_an_open_file_are_held),
		TRIAL(test_pins_of_an_open_file_are_held_even_when_the_process_is_dead),
		TRIAL(test_pins_of_a_closed_file_with_a_dead_process_are_orphaned),
		TRIAL(test_pins_of_a_closed_file_with_a_living_process_are_abandoned),
		TRIAL(test_the_grace_time_after_the_close_is_kept_to_the_nanosecond),
		TRIAL(test_the_grace_time_after_the_death_is_kept_to_the_nanosecond),
		TRIAL(test_a_file_that_ends_after_the_books_were_opened_is_open),
		TRIAL(test_a_file_that_the_call_created_keeps_its_pins_innocent),
		TRIAL(test_built_in_code_through_a_file_of_another_kind_stays_innocent),
		TRIAL(test_built_in_code_through_a_device_file_is_judged),
		TRIAL(test_a_module_is_judged_whatever_the_file),
		TRIAL(test_an_unknown_driver_is_a_finding_without_a_name),
		TRIAL(test_a_worker_is_judged_when_nobody_uses_the_module),
		TRIAL(test_a_worker_of_a_module_in_use_is_innocent),
		TRIAL(test_a_worker_is_innocent_when_the_use_of_the_module_is_not_known),
		TRIAL(test_a_living_or_unknown_worker_is_innocent),
		TRIAL(test_a_worker_has_the_grace_time_too),
		TRIAL(test_built_in_code_without_a_file_is_innocent),
		TRIAL(test_pins_of_a_module_unloaded_since_are_leaked_whoever_lives),
		TRIAL(test_each_unload_is_looked_at),
		TRIAL(test_an_unload_before_the_last_use_proves_nothing),
		TRIAL(test_the_unload_of_another_module_proves_nothing),
		TRIAL(test_built_in_code_cannot_be_unloaded),
		TRIAL(test_the_strongest_evidence_is_named),
		TRIAL(test_pins_of_a_failed_call_are_error_left),
		TRIAL(test_pins_that_a_framework_keeps_after_a_failed_call_are_held),
		TRIAL(test_pins_of_a_failed_system_call_are_error_left),
		TRIAL(test_the_failure_of_another_call_is_no_evidence),
		TRIAL(test_a_failure_counts_after_the_grace_time),
		TRIAL(test_of_a_claim_only_what_the_failed_call_took_is_leaked),
		TRIAL(test_earlier_calls_that_failed_count_too),
		TRIAL(test_failures_on_a_young_record_wait),
		TRIAL(test_the_cause_is_a_missing_release_when_few_of_the_calls_failed),
	};

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
