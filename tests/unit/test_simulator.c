// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Is the simulator a fair examiner: does what it shows agree with itself, and with chance? */
#include "fixture.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/card.h"
#include "sim/crew.h"
#include "sim/exam.h"
#include "sim/records.h"
#include "sim/score.h"
#include "sim/simulator.h"

#define DAY 86400.0

static struct machine machine;

/* ---- chance --------------------------------------------------------------------------- */

struct moments {
	double mean, variance;
};

static struct moments moments_of(double (*draw)(struct dice *d, const void *how), const void *how)
{
	double sum = 0, squares = 0, n = (double)random_cases(200000);
	struct dice d;

	dice_seed(&d, random_seed(), 1);
	for (double i = 0; i < n; i++) {
		double x = draw(&d, how);

		sum += x;
		squares += x * x;
	}
	return (struct moments){sum / n, squares / n - sum / n * (sum / n)};
}

static void assert_about(double x, double expected, double tolerance)
{
	if (fabs(x - expected) > tolerance * fabs(expected) + 0.05)
		fail_msg("%g is not about %g", x, expected);
}

static double draw_poisson(struct dice *d, const void *how)
{
	return (double)poisson_draw(d, how);
}

static void a_poisson_number_has_its_mean_and_variance(void **state)
{
	static const double means[] = {0.01, 0.5, 2, 5.9, 6.1, 20, 1000, 1e6};

	(void)state;
	for (size_t i = 0; i < NR(means); i++) {
		struct poisson p = poisson_of(means[i]);
		struct moments m = moments_of(draw_poisson, &p);

		assert_about(m.mean, means[i], 0.05);
		assert_about(m.variance, means[i], 0.1);
	}
}

static double draw_normal(struct dice *d, const void *how)
{
	(void)how;
	return dice_normal(d);
}

static void a_normal_number_is_normal_far_out_too(void **state)
{
	struct moments m = moments_of(draw_normal, NULL);
	double least = 0, most = 0;
	struct dice d;

	(void)state;
	assert_about(m.mean, 0, 0);
	assert_about(m.variance, 1, 0.1);
	dice_seed(&d, random_seed(), 2);
	for (uint64_t i = random_cases(200000); i; i--) {
		double x = dice_normal(&d);

		least = x < least ? x : least;
		most = x > most ? x : most;
	}
	assert_true(least < -2.5 && least > -6.5);
	assert_true(most > 2.5 && most < 6.5);
}

static double draw_exponential(struct dice *d, const void *how)
{
	return dice_exponential(d, *(const double *)how);
}

static double draw_scale(struct dice *d, const void *how)
{
	(void)how;
	return log10(dice_scale(d, 0.01, 100));
}

static void waiting_times_and_scales_are_as_said(void **state)
{
	double mean = 40;
	struct moments m = moments_of(draw_exponential, &mean);

	(void)state;
	assert_about(m.mean, 40, 0.1);
	assert_about(m.variance, 1600, 0.2);
	m = moments_of(draw_scale, NULL);
	assert_about(m.mean, 0, 0);
	assert_about(m.variance, 16 / 12.0, 0.1);
}

static void a_heavy_tail_keeps_its_bounds(void **state)
{
	uint64_t late = 0, cases = random_cases(100000);
	struct dice d;

	(void)state;
	dice_seed(&d, random_seed(), 3);
	for (uint64_t i = 0; i < cases; i++) {
		double x = dice_heavy(&d, 0.05, 60);

		assert_true(x >= 0.05 && x <= 60);
		late += x > 2;
	}
	assert_about((double)late / (double)cases, pow(0.05 / 2, 1.2), 0.3);
}

/* ---- the same seed -------------------------------------------------------------------- */

static void run_machine(uint64_t number, double days, struct outcome *out)
{
	struct exam e;

	exam_innocent(random_seed(), number, days, &e);
	assert_int_equal(exam_run(&e, &machine, out), 0);
	assert_true(out->done);
}

static void the_same_seed_gives_the_same_decisions(void **state)
{
	struct outcome first, second;

	(void)state;
	for (uint64_t k = 0; k < random_cases(400) / 100; k++) {
		run_machine(k, 0.5, &first);
		run_machine(k + 100, 0.1, &second);
		run_machine(k, 0.5, &second);
		assert_int_equal(first.suspicions, second.suspicions);
		assert_int_equal(first.held, second.held);
		assert_int_equal(first.false_accusations, second.false_accusations);
		assert_true(first.tracked == second.tracked && first.deep == second.deep);
	}
}

static int work(void *ctx, uint64_t number, void *result)
{
	(void)ctx;
	*(uint64_t *)result = dice_mix(729, number);
	return number == 1000 ? -EIO : 0;
}

static void the_number_of_jobs_does_not_matter(void **state)
{
	struct crew crew = {.what = "numbers", .work = work, .size = sizeof(uint64_t)};

	(void)state;
	for (crew.jobs = 1; crew.jobs < 4; crew.jobs++) {
		void *results;

		assert_int_equal(crew_do(&crew, 100, &results), 0);
		for (uint64_t i = 0; i < 100; i++)
			assert_true(((uint64_t *)results)[i] == dice_mix(729, i));
		crew_free(&crew, 100, results);
		assert_int_equal(crew_do(&crew, 1001, &results), -EIO);
	}
}

/* ---- the books ------------------------------------------------------------------------ */

/* One site of each load, and a leak of the first. */
static void boot_with_all(double lost, enum leak_kind leak)
{
	struct machine_plan plan = {.seed = random_seed(),
				    .memory = UINT64_C(64) << 30,
				    .cpus = 16,
				    .lost = lost,
				    .available = 0.5,
				    .nr_sites = MACHINE_SITES};
	static const enum load loads[MACHINE_SITES] = {LOAD_CHURN,    LOAD_BURSTS, LOAD_WARMUP,
						       LOAD_SAWTOOTH, LOAD_QUEUE,  LOAD_LATE,
						       LOAD_POOL,     LOAD_GUEST,  LOAD_HOARD,
						       LOAD_TEARDOWN};
	struct dice d;

	dice_seed(&d, plan.seed, 0);
	for (uint32_t i = 0; i < MACHINE_SITES; i++)
		load_habit(loads[i], plan.memory, &d, &plan.habit[i]);
	plan.habit[0] = (struct habit){.flight = 20,
				       .each = 3,
				       .session = 10,
				       .gap = 0.1,
				       .delay = 0.01,
				       .delay_max = 1,
				       .shared = true};
	plan.leak = (struct leak){.kind = leak, .pins_s = 3, .each = 2, .start_s = 1800};
	assert_int_equal(machine_boot(&machine, &plan), 0);
	for (int i = 0; i < 3600; i++)
		machine_pass(&machine);
}

static void look(struct source_look *out)
{
	*out = (struct source_look){0};
	assert_int_equal(simulator_source.look(&machine, true, true, out), 0);
}

static void set_level(enum level level, struct source_level *out)
{
	*out = (struct source_level){0};
	assert_int_equal(simulator_source.set_level(&machine, level, out), 0);
	assert_int_equal(out->level, level);
	assert_false(out->refused);
}

static int64_t recorded(const struct snapshot *s)
{
	int64_t pins = 0;

	for (size_t i = 0; i < s->nr_pages; i++)
		pins += s->pages[i].page.pins;
	return pins;
}

/* Pins that were there before tracking began and still are. */
static int64_t from_before(const struct machine *m)
{
	int64_t pins = 0;

	for (uint32_t i = 0; i < m->plan.nr_sites; i++) {
		const struct site *s = &m->site[i];

		pins += s->grown_before + s->leaked;
		for (uint32_t k = 0; k < s->nr_regions; k++) {
			if (s->regions[k].leaked)
				pins -= s->regions[k].pins;
			else if (s->regions[k].born_ns <= m->since_ns)
				pins += s->regions[k].pins;
		}
	}
	return pins;
}

static void the_books_hold_what_the_counters_say(void **state)
{
	struct source_level base;
	struct source_look now;

	(void)state;
	boot_with_all(0, LEAK_RANDOM);
	set_level(LEVEL_LIGHT, &base);
	for (uint64_t i = 0; i < random_cases(3000); i++) {
		machine_pass(&machine);
		look(&now);
		assert_int_equal(now.sample.acquired - now.sample.released, machine.outstanding);
		assert_int_equal(recorded(now.books) + from_before(&machine), machine.outstanding);
		assert_int_equal(now.balance.counted_acquired,
				 now.sample.acquired - base.base.acquired);
		assert_int_equal(now.balance.seen_acquired, now.balance.counted_acquired);
		assert_int_equal(now.balance.unseen, 0);
		assert_true(now.books->nr_pages < 2000);
	}
	machine_halt(&machine);
}

static void what_lingers_from_before_is_not_booked(void **state)
{
	struct machine_plan plan = {
		.seed = 3, .memory = UINT64_C(4) << 30, .cpus = 2, .available = 0.5, .nr_sites = 1};
	struct source_level base;
	struct source_look now;
	int64_t most = 0, before;

	(void)state;
	plan.habit[0] = (struct habit){.growth = GROWTH_PLATEAU,
				       .top = 1000,
				       .grow = 100,
				       .grain = 1,
				       .session = 300,
				       .gap = 1000,
				       .delay = 5,
				       .delay_max = 10};
	assert_int_equal(machine_boot(&machine, &plan), 0);
	while (machine.outstanding < 300)
		machine_pass(&machine);
	set_level(LEVEL_LIGHT, &base);
	before = machine.outstanding;
	while (machine.outstanding) {
		machine_pass(&machine);
		look(&now);
		most = machine.outstanding > most ? machine.outstanding : most;
		assert_true(recorded(now.books) <= most - before);
	}
	assert_true(most > before);
	machine_halt(&machine);
}

static void the_books_go_with_the_tracking(void **state)
{
	struct source_level base;
	struct source_look now;

	(void)state;
	boot_with_all(0, LEAK_RANDOM);
	look(&now);
	assert_null(now.books);
	set_level(LEVEL_LIGHT, &base);
	look(&now);
	assert_int_equal(now.books->nr_pages, 0);
	machine_pass(&machine);
	assert_int_equal(simulator_source.look(&machine, true, false, &now), 0);
	look(&now);
	assert_true(now.books->nr_pages > 0);
	set_level(LEVEL_COUNTERS, &base);
	look(&now);
	assert_null(now.books);
	machine_halt(&machine);
}

static void every_record_has_an_owner_and_every_owner_a_site(void **state)
{
	struct source_level base;
	struct source_look now;
	bool shared = false;
	uint32_t at;

	(void)state;
	boot_with_all(0.01, LEAK_ERROR);
	set_level(LEVEL_LIGHT, &base);
	for (int i = 0; i < 120; i++)
		machine_pass(&machine);
	look(&now);
	for (size_t i = 0; i < now.books->nr_pages; i++) {
		const struct pl_page *p = &now.books->pages[i].page;
		const struct pl_slot *slot = p->slot;

		shared |= p->nr_slots == 2 && slot[0].owner != slot[1].owner;
		assert_true(map64_get(&now.books->owner_at, slot[p->nr_slots - 1].owner, &at));
		assert_true(map64_get(&now.books->owner_at, slot->owner, &at));
		assert_true(map64_get(&now.books->site_at, now.books->owners[at].owner.site, &at));
		assert_true(!slot->call || map64_get(&now.books->failure_at, slot->call, &at));
	}
	assert_true(shared && now.books->nr_failures > 0);
	machine_halt(&machine);
}

static void what_is_lost_is_missing_in_the_balance(void **state)
{
	struct source_level base;
	struct source_look now;

	(void)state;
	boot_with_all(0.01, LEAK_NONE);
	set_level(LEVEL_LIGHT, &base);
	for (int i = 0; i < 60; i++)
		machine_pass(&machine);
	look(&now);
	assert_true(now.balance.unseen > 0);
	assert_int_equal(now.balance.seen_acquired + now.balance.unseen,
			 now.balance.counted_acquired);
	set_level(LEVEL_DEEP, &base);
	machine_pass(&machine);
	look(&now);
	assert_true(now.balance.exact);
	assert_int_equal(now.balance.seen_released, now.balance.counted_released);
	machine_halt(&machine);
}

static void pins_that_are_counted_at_their_release_sink_the_counters(void **state)
{
	struct machine_plan plan = {
		.seed = 1, .memory = UINT64_C(4) << 30, .cpus = 2, .available = 0.5, .nr_sites = 1};

	(void)state;
	plan.habit[0] = (struct habit){.sunk_s = 10};
	assert_int_equal(machine_boot(&machine, &plan), 0);
	for (int i = 0; i < 1000; i++)
		machine_pass(&machine);
	assert_about((double)machine.outstanding, -10000, 0.1);
	machine_halt(&machine);
}

static void the_counters_lag_by_less_than_a_batch_a_processor(void **state)
{
	int64_t acquired = 0, released = 0;
	bool lagged = false;

	(void)state;
	boot_with_all(0, LEAK_NONE);
	for (uint64_t i = 0; i < random_cases(5000); i++) {
		struct sample exact, shown;

		machine_pass(&machine);
		machine_sample(&machine, true, &exact);
		machine_sample(&machine, false, &shown);
		assert_true(shown.acquired >= acquired && shown.released >= released);
		acquired = shown.acquired;
		released = shown.released;
		lagged |= acquired != exact.acquired;
		assert_true(labs(exact.acquired - acquired) <= 125 * 16);
		assert_true(labs(exact.released - released) <= 125 * 16);
	}
	assert_true(lagged);
	machine_halt(&machine);
}

/* ---- leaks and innocents ---------------------------------------------------------------- */

/* Leak number of a rate and a kind, with nothing else on a machine of 64 GiB. */
static uint64_t leak_number(uint32_t rate, uint32_t kind)
{
	return rate + EXAM_RATES * EXAM_LOADS * (1 + EXAM_SIZES * (uint64_t)kind);
}

static void run_leak(uint64_t number, struct exam *e, struct outcome *out)
{
	exam_leak(random_seed(), number, 2, e);
	if (e->kind != EXAM_OPEN)
		e->machine.habit[0].session = 20;
	assert_int_equal(exam_run(e, &machine, out), 0);
	assert_int_equal(out->false_accusations, 0);
}

static void a_leak_is_found_with_the_right_driver(void **state)
{
	struct outcome out;
	struct exam e;

	(void)state;
	for (uint32_t kind = 0; kind < EXAM_OPEN; kind++) {
		run_leak(leak_number(4, kind), &e, &out);
		assert_string_equal(exam_rates[e.rate].name, "64 pages/s");
		assert_int_equal(e.background, 0);
		assert_true(out.suspected >= 0 && out.suspected <= 120);
		assert_true(out.found >= out.suspected && out.lost_then < 0.03);
		assert_true(out.provable && out.nr_forecasts > 0);
	}
}

static void a_leak_whose_file_is_open_is_held(void **state)
{
	struct outcome out;
	struct exam e;

	(void)state;
	run_leak(leak_number(4, EXAM_OPEN), &e, &out);
	assert_true(out.found < 0 && !out.provable && out.held_at >= 0);
}

static void the_truth_knows_when_memory_is_gone(void **state)
{
	struct machine_plan plan = {
		.seed = 1, .memory = UINT64_C(4) << 30, .cpus = 2, .available = 0.5, .nr_sites = 1};
	struct truth truth;

	(void)state;
	plan.leak = (struct leak){.kind = LEAK_STEADY, .pins_s = 256, .each = 1, .start_s = 10};
	assert_int_equal(machine_boot(&machine, &plan), 0);
	for (int i = 0; i < 1024 + 9; i++)
		machine_pass(&machine);
	machine_truth(&machine, &truth);
	assert_int_equal(truth.leaked, (uint64_t)machine.site[0].leaked * MACHINE_PAGE);
	assert_about((double)truth.leaked, 1 << 30, 0.01);
	assert_about(truth.gone_s, 1024, 0.01);
	machine_halt(&machine);
}

static void run_load(enum load load, double days)
{
	struct outcome out;
	struct exam e;
	struct dice d;

	exam_innocent(729, (uint64_t)load, days, &e);
	dice_seed(&d, 729, (uint64_t)load);
	e.machine.nr_sites = 1;
	e.load[0] = load;
	load_habit(load, e.machine.memory, &d, &e.machine.habit[0]);
	assert_int_equal(exam_run(&e, &machine, &out), 0);
	if (out.verdicts)
		fail_msg("%s is accused after %g days", load_name(load), out.accused_at[0] / DAY);
}

static void no_load_by_itself_is_accused(void **state)
{
	double days = 2 * (double)random_cases(100) / 100;

	(void)state;
	for (int load = 0; load < LOADS; load++)
		run_load((enum load)load, days);
}

/* ---- the card -------------------------------------------------------------------------- */

static size_t write_battery(char *path, const char *text)
{
	int fd = mkstemp(path);
	ssize_t written = write(fd, text, strlen(text));

	close(fd);
	return (size_t)written;
}

static void the_battery_is_added_up(void **state)
{
	static const char text[] =
		"{\"type\":\"battery\",\"kernel\":\"6.12\",\"load\":\"idle\",\"leak\":\"1/min\","
		"\"suspected_s\":3,\"verdict_s\":5,\"right\":true,\"accused_innocent\":0}\n"
		"{\"type\":\"battery\",\"kernel\":\"6.1\",\"load\":\"fio\",\"leak\":null,"
		"\"suspected_s\":null,\"verdict_s\":null,\"right\":false,\"accused_innocent\":1}\n";
	char path[] = "/tmp/pinleak-battery-XXXXXX", *page;
	json_t *score, *totals;
	size_t line, size;
	FILE *to;

	(void)state;
	assert_int_equal(write_battery(path, text), strlen(text));
	score = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:o}", "version", "1", "date",
			  "2026-11-22", "seed", 1, "years", 100, "days", 30, "rounds", 2,
			  "ns_a_sample", 70.0, "battery", score_battery(path, &line));
	unlink(path);
	assert_non_null(score);
	totals = json_object_get(json_object_get(score, "battery"), "totals");
	assert_int_equal(json_integer_value(json_object_get(totals, "found")), 1);
	assert_int_equal(json_integer_value(json_object_get(totals, "accused_innocent")), 1);
	assert_true(json_real_value(json_object_get(totals, "precision")) == 0.5);
	to = open_memstream(&page, &size);
	card_write(to, score);
	fclose(to);
	assert_non_null(strstr(page, "scorecard --seed 1 --years 100 --days 30 --rounds 2`"));
	assert_non_null(strstr(page, "| 6.12 | idle | 1/min | 3 s | 5 s | yes | 0 |\n"));
	assert_non_null(strstr(page, "| 6.1 | fio | – | – | – | no | 1 |\n"));
	free(page);
	json_decref(score);
}

static void a_bad_line_of_the_battery_is_named(void **state)
{
	char path[] = "/tmp/pinleak-battery-XXXXXX";
	size_t line = 0;

	(void)state;
	write_battery(path, "{\"type\":\"battery\"}\n{\"type\":\"other\"}\n");
	assert_null(score_battery(path, &line));
	assert_int_equal(line, 2);
	unlink(path);
	assert_null(score_battery(path, &line));
	assert_int_equal(line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poisson_number_has_its_mean_and_variance),
		cmocka_unit_test(a_normal_number_is_normal_far_out_too),
		cmocka_unit_test(waiting_times_and_scales_are_as_said),
		cmocka_unit_test(a_heavy_tail_keeps_its_bounds),
		cmocka_unit_test(the_same_seed_gives_the_same_decisions),
		cmocka_unit_test(the_number_of_jobs_does_not_matter),
		cmocka_unit_test(the_books_hold_what_the_counters_say),
		cmocka_unit_test(what_lingers_from_before_is_not_booked),
		cmocka_unit_test(the_books_go_with_the_tracking),
		cmocka_unit_test(every_record_has_an_owner_and_every_owner_a_site),
		cmocka_unit_test(what_is_lost_is_missing_in_the_balance),
		cmocka_unit_test(pins_that_are_counted_at_their_release_sink_the_counters),
		cmocka_unit_test(the_counters_lag_by_less_than_a_batch_a_processor),
		cmocka_unit_test(a_leak_is_found_with_the_right_driver),
		cmocka_unit_test(a_leak_whose_file_is_open_is_held),
		cmocka_unit_test(the_truth_knows_when_memory_is_gone),
		cmocka_unit_test(no_load_by_itself_is_accused),
		cmocka_unit_test(the_battery_is_added_up),
		cmocka_unit_test(a_bad_line_of_the_battery_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
