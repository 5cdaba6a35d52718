// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Whichever allocation fails: -ENOMEM, nothing lost, nothing torn down that is still in use. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/gate.h"
#include "core/census.h"
#include "core/monitor.h"
#include "nomem.h"
#include "stage.h"

#define NTH_MAX 1000 /* no function here allocates that often */

/* Does its work once; 0 or -ENOMEM. Frees all it took, either way. */
typedef int (*work_fn)(void *arg);

/* Lets each allocation fail in turn, until there are no more. The number of them. */
static uint32_t fail_each(work_fn work, void *arg)
{
	int64_t alive = nomem_alive();

	for (uint32_t nth = 1; nth < NTH_MAX; nth++) {
		bool failed;
		int err;

		nomem_fail(nth);
		err = work(arg);
		failed = nomem_failed();
		nomem_fail(0);
		if (err != (failed ? -ENOMEM : 0))
			fail_msg("allocation %u: %d", nth, err);
		if (nomem_alive() != alive)
			fail_msg("allocation %u: %d leaked", nth, (int)(nomem_alive() - alive));
		if (!failed)
			return nth - 1;
	}
	fail_msg("it never ends");
	return 0;
}

/* ---- modgraph, map64 ------------------------------------------------------------------ */

static int parse_modules(void *arg)
{
	struct modgraph g;
	int err = modgraph_parse(arg, &g);

	if (err)
		assert_null(modgraph_find(&g, "a")); /* an empty graph, that may be used */
	modgraph_free(&g);
	return err;
}

static void test_modgraph_is_empty_when_memory_runs_out(void **state)
{
	char text[] = "a 1 1 b, Live 0x0\nb 1 0 - Live 0x0\n";

	(void)state;
	assert_int_equal(fail_each(parse_modules, text), 2);
}

static int fill_map(void *arg)
{
	struct map64 m = {0};
	uint32_t i, value;
	int err = 0;

	(void)arg;
	for (i = 0; i < 2000 && !err; i++)
		err = map64_put(&m, i, i);
	/* What was put before the failure is still there. */
	for (uint32_t k = 0; k + 1 < i; k++)
		assert_true(map64_get(&m, k, &value) && value == k);
	if (err)
		assert_false(map64_get(&m, i - 1, &value));
	map64_free(&m);
	return err;
}

static void test_map64_keeps_what_it_has_when_it_cannot_grow(void **state)
{
	(void)state;
	assert_int_equal(fail_each(fill_map, NULL), 7);
}

/* ---- the gate ------------------------------------------------------------------------- */

static int fill_gate(void *arg)
{
	struct gate g = {0};
	int err = 0;

	(void)arg;
	for (int i = 0; i < 20 && !err; i++) {
		struct blame driver = {.kind = BLAME_MODULE};
		struct finding f = {.driver = &driver, .pins = 1};
		struct gate_leak *leak;
		char text[16];

		snprintf(driver.driver, sizeof(driver.driver), "d%d", i);
		snprintf(text, sizeof(text), "d%d=1", i);
		err = gate_allow(&g, text);
		if (!err)
			err = gate_verdict(&g, &f, false, &leak);
	}
	assert_false(gate_is_shut(&g)); /* an allowance comes before its leak */
	gate_free(&g);
	return err;
}

static void test_the_gate_keeps_what_it_has_when_it_cannot_grow(void **state)
{
	(void)state;
	assert_int_equal(fail_each(fill_gate, NULL), 4);
}

/* ---- the ledger ----------------------------------------------------------------------- */

/* Drivers that leak and owners that hold, enough to make every table grow. */
static void fill_books(struct books *b)
{
	const struct snap_site *holder = books_site(b, BLAME_MODULE, "holder");

	for (int i = 0; i < 20; i++) {
		char name[16];
		struct snap_owner *o;

		snprintf(name, sizeof(name), "driver%d", i);
		o = books_owner(b, books_site(b, BLAME_MODULE, name));
		books_pin(b, o, 2);
		owner_closed(b, o, SEC(10));
	}
	for (int i = 0; i < 120; i++)
		books_pin(b, books_owner(b, holder), 1);
	b->pages[0].page.wrong = 1;
}

/* The books of a moment later: one folio each was released, so that delays are learned. */
static void release_one_each(struct books *b)
{
	for (size_t i = 0; i < 20; i++)
		b->pages[i].page.pins = 1;
}

static int evaluate_twice(void *arg)
{
	struct books *b = arg;
	struct ledger l = {.grace_ns = BOOKS_GRACE};
	int err = ledger_evaluate(&l, &b->s);

	release_one_each(b);
	if (!err)
		err = ledger_evaluate(&l, &b->s);
	for (size_t i = 0; i < 20; i++)
		b->pages[i].page.pins = 2;
	ledger_free(&l);
	return err;
}

static void test_ledger_says_so_when_memory_runs_out(void **state)
{
	struct books *b = books_create();

	(void)state;
	fill_books(b);
	/* findings twice, holdings four times, standings, remains, waiting, what lacks, delays */
	assert_true(fail_each(evaluate_twice, b) >= 10);
	books_destroy(b);
}

static void test_a_wrong_release_needs_memory_as_well(void **state)
{
	struct books *b = books_create();

	(void)state;
	books_wrong(b, PL_WRONG_NEVER, books_site(b, BLAME_MODULE, "wrong"), 1);
	assert_int_equal(fail_each(evaluate_twice, b), 2); /* the finding, and what sites left */
	books_destroy(b);
}

static void test_a_ledger_goes_on_after_a_failure(void **state)
{
	struct books *b = books_create();

	(void)state;
	fill_books(b);
	for (uint32_t nth = 1; nth < NTH_MAX; nth++) {
		struct ledger l = {.grace_ns = BOOKS_GRACE};
		bool failed;
		int err;

		nomem_fail(nth);
		err = ledger_evaluate(&l, &b->s);
		failed = nomem_failed();
		nomem_fail(0);
		assert_int_equal(err, failed ? -ENOMEM : 0);
		assert_int_equal(ledger_evaluate(&l, &b->s), 0);
		assert_int_equal(l.nr_findings, 20);
		assert_int_equal(l.nr_holdings, 120);
		assert_int_equal(l.proved, 40);
		ledger_free(&l);
		if (!failed)
			break;
	}
	books_destroy(b);
}

/* ---- the census ----------------------------------------------------------------------- */

/* Folios of many objects and processes, some lost: every table and list grows. */
static int take_census(void *arg)
{
	struct folio f = {.refs = 1025, .pins = 1, .maps_known = true};
	struct folio plain = {.refs = 1, .maps_known = true};
	struct census c = {.base_page = 4096};
	uint32_t nr = *(uint32_t *)arg;
	int err = 0;

	for (uint32_t i = 0; i < nr && !err; i++) {
		struct census_entry e = {.folio = &f,
					 .object = i,
					 .cgroup = i,
					 .driver = i,
					 .site = i,
					 .nr_mappers = 1,
					 .mapper = {{i, 4096}}};

		err = census_add(&c, &e);
		if (!err)
			err = census_add(&c, &(struct census_entry){.folio = &plain});
	}
	for (int by = 0; by < CENSUS_BYS; by++)
		census_sort(&c.by[by]);
	census_free(&c);
	return err;
}

static void test_census_says_so_when_memory_runs_out(void **state)
{
	uint32_t one = 1, many = 100;
	uint32_t first = fail_each(take_census, &one);

	(void)state;
	/* rows and places of each table, and two lists of suspects */
	assert_int_equal(first, 2 * CENSUS_BYS + 2);
	assert_true(fail_each(take_census, &many) > first);
}

/* ---- the monitor ---------------------------------------------------------------------- */

static void ignore_sample(void *ctx, const struct report_sample *r)
{
	(void)ctx, (void)r;
}

static void ignore_suspicion(void *ctx, const struct report_suspicion *r)
{
	(void)ctx, (void)r;
}

static void ignore_state(void *ctx, const struct report_state *r)
{
	(void)ctx, (void)r;
}

static void ignore_verdict(void *ctx, const struct report_verdict *r)
{
	(void)ctx, (void)r;
}

static void ignore_held(void *ctx, const struct report_held *r)
{
	(void)ctx, (void)r;
}

static void ignore_loss(void *ctx, const struct report_loss *r)
{
	(void)ctx, (void)r;
}

static void ignore_summary(void *ctx, const struct report_summary *r)
{
	(void)ctx, (void)r;
}

static void ignore_references(void *ctx, const struct report_references *r)
{
	(void)ctx, (void)r;
}

static void ignore_limit(void *ctx, const struct report_limit *r)
{
	(void)ctx, (void)r;
}

static const struct reporter nobody = {ignore_sample,  ignore_suspicion,  ignore_state,
				       ignore_verdict, ignore_held,	  ignore_loss,
				       ignore_summary, ignore_references, ignore_limit};

static int watch(void *arg)
{
	const struct monitor_config config = {.track = TRACK_ALWAYS,
					      .lowest = LEVEL_LIGHT,
					      .grace_ns = BOOKS_GRACE};
	struct sample sample = {.now_ns = BOOKS_NOW, .memory_total = 1, .memory_available = 1};
	struct balance balance = {0};
	struct books *b = arg;
	struct monitor *m = monitor_create(&config, &nobody, NULL);
	int err;

	if (!m)
		return -ENOMEM;
	err = monitor_step(m, &sample, NULL, NULL);
	monitor_level_is(m, &sample, LEVEL_LIGHT, "");
	if (!err)
		err = monitor_step(m, &sample, &b->s, &balance);
	if (!err)
		err = monitor_step(m, &sample, &b->s, &balance);
	monitor_finish(m, sample.now_ns);
	monitor_destroy(m);
	return err;
}

static void test_monitor_says_so_when_memory_runs_out(void **state)
{
	struct books *b = books_create();

	(void)state;
	fill_books(b);
	assert_true(fail_each(watch, b) >= 8);
	books_destroy(b);
}

static int watch_references(void *arg)
{
	const struct monitor_config config = {.grace_ns = BOOKS_GRACE, .references = true};
	struct monitor *m = monitor_create(&config, &nobody, NULL);
	struct books *b = arg;
	struct snap_page before[BOOKS_PAGES];
	int err = 0;

	if (!m)
		return -ENOMEM;
	monitor_references_are(m, BOOKS_NOW, true);
	for (int i = 0; i < 2 && !err; i++) {
		memcpy(before, b->pages, sizeof(before));
		err = monitor_step_references(m, &b->s);
		memcpy(b->pages, before, sizeof(before));
	}
	monitor_references_are(m, BOOKS_NOW, false);
	monitor_finish(m, BOOKS_NOW);
	monitor_destroy(m);
	return err;
}

static void test_monitor_of_references_says_so_when_memory_runs_out(void **state)
{
	struct books *b = books_create();

	(void)state;
	fill_books(b);
	/* itself, what was there before, and the ledger's */
	assert_true(fail_each(watch_references, b) >= 9);
	books_destroy(b);
}

/* ---- recordings ----------------------------------------------------------------------- */

struct tape {
	char bytes[1 << 16];
	size_t size;
};

static const struct monitor_config closely = {.track = TRACK_ALWAYS,
					      .lowest = LEVEL_LIGHT,
					      .grace_ns = BOOKS_GRACE};

static int record_session(void *arg)
{
	static struct stage stage;
	struct render render = {.to = fopen("/dev/null", "w")};
	FILE *to = arg;
	int err;

	stage_open(&stage);
	rewind(to);
	err = stage_record(&stage, 12, &closely, to, &render);
	stage_close(&stage);
	fclose(render.to);
	return err;
}

static int replay_session(void *arg)
{
	struct render render = {.to = fopen("/dev/null", "w")};
	struct tape *tape = arg;
	FILE *from = fmemopen(tape->bytes, tape->size, "r");
	struct replay *r;
	uint32_t version;
	int err = replay_open(from, 1 << 20, &version, &r);

	if (!err) {
		err = stage_play(&replay_source, r, UINT64_MAX, &closely, &text_reporter, &render);
		if (replay_state(r) == REPLAY_WHOLE)
			err = 0;
		replay_close(r);
	}
	fclose(from);
	fclose(render.to);
	return err;
}

static void test_record_and_replay_say_so_when_memory_runs_out(void **state)
{
	static struct tape tape;
	FILE *to = fmemopen(tape.bytes, sizeof(tape.bytes), "w");

	(void)state;
	assert_non_null(to);
	/* themselves, and the arrays of two mirrors, of which they have some twice */
	assert_true(fail_each(record_session, to) >= 20);
	tape.size = (size_t)ftell(to);
	assert_int_equal(fclose(to), 0);
	assert_true(fail_each(replay_session, &tape) >= 20);
}

static void test_nothing_was_leaked_by_any_of_them(void **state)
{
	(void)state;
	assert_int_equal(nomem_alive(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modgraph_is_empty_when_memory_runs_out),
		cmocka_unit_test(test_map64_keeps_what_it_has_when_it_cannot_grow),
		cmocka_unit_test(test_the_gate_keeps_what_it_has_when_it_cannot_grow),
		cmocka_unit_test(test_ledger_says_so_when_memory_runs_out),
		cmocka_unit_test(test_a_wrong_release_needs_memory_as_well),
		cmocka_unit_test(test_a_ledger_goes_on_after_a_failure),
		cmocka_unit_test(test_census_says_so_when_memory_runs_out),
		cmocka_unit_test(test_monitor_says_so_when_memory_runs_out),
		cmocka_unit_test(test_monitor_of_references_says_so_when_memory_runs_out),
		cmocka_unit_test(test_record_and_replay_say_so_when_memory_runs_out),
		cmocka_unit_test(test_nothing_was_leaked_by_any_of_them),
	};

	return cmocka_run_group_tests_name("nomem", tests, NULL, NULL);
}
