// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <math.h>
#include <stdio.h>

#include "core/forecast.h"

#define AVAILABLE UINT64_C(8000000000)
#define PAGE	  4096

/* ---- leaks that are made up ----------------------------------------------------------- */

enum leak_kind {
	LEAK_EVEN,   /* each bad call forgets as many pages */
	LEAK_UNEVEN, /* geometrically distributed */
};

struct leak {
	double per_second; /* bad calls */
	double pages;	   /* forgotten by each, in the mean */
	enum leak_kind kind;
	double seconds;
	bool irregular; /* looks: 0.3 to 3.3 s apart, not 1 s */
	double noise;	/* bytes, by which the available memory jumps */
};

static double uniform(struct rng *r)
{
	return (rng_next(r) + 0.5) / 4294967296.0;
}

static double lost_by_a_call(struct rng *r, const struct leak *l)
{
	if (l->kind == LEAK_EVEN)
		return l->pages * PAGE;
	return ceil(log(uniform(r)) / log(1 - 1 / l->pages)) * PAGE;
}

/* Bad calls come at random times: the time to the next one is exponential. */
static double lost_in(struct rng *r, const struct leak *l, double seconds)
{
	double lost = 0, at = -log(uniform(r)) / l->per_second;

	for (; at < seconds; at -= log(uniform(r)) / l->per_second)
		lost += lost_by_a_call(r, l);
	return lost;
}

static struct forecast_outlook foretell(struct rng *r, const struct leak *l, double *left)
{
	struct forecast f = {0};
	double now = 1, lost = PAGE;

	forecast_look(&f, SEC(1), PAGE, AVAILABLE);
	while (now < l->seconds) {
		double step = l->irregular ? 0.3 + 3 * uniform(r) * uniform(r) : 1;

		now += step;
		lost += lost_in(r, l, step);
		*left = (double)AVAILABLE - lost;
		forecast_look(&f, (uint64_t)(now * 1e9), (uint64_t)lost,
			      (uint64_t)(*left + l->noise * (uniform(r) - 0.5)));
	}
	return forecast_tell(&f);
}

static bool holds(const struct forecast_range *r, double truth)
{
	return r->low <= truth && truth <= r->high;
}

/* How often the intervals hold the truth, in percent of the cases that have some. */
struct coverage {
	double rate, exhaustion;
	uint32_t known;
};

static struct coverage cover(const struct leak *l, uint32_t cases)
{
	struct rng r = {random_seed()};
	struct coverage c = {0};
	double rate = l->per_second * l->pages * PAGE, left = 0;

	for (uint32_t i = 0; i < cases; i++) {
		struct forecast_outlook o = foretell(&r, l, &left);

		if (o.rate.low < 0)
			continue;
		c.known++;
		c.rate += holds(&o.rate, rate);
		c.exhaustion += holds(&o.exhaustion, left / rate);
	}
	c.rate *= 100.0 / c.known;
	c.exhaustion *= 100.0 / c.known;
	return c;
}

static void test_nine_of_ten_intervals_hold_the_truth(void **state)
{
	static const struct leak leaks[] = {
		{0.05, 16, LEAK_EVEN, 300, false, 0},	  {0.2, 1, LEAK_EVEN, 300, true, 0},
		{1, 512, LEAK_EVEN, 60, false, 0},	  {1, 16, LEAK_UNEVEN, 60, true, 0},
		{5, 16, LEAK_EVEN, 60, true, 1e7},	  {20, 16, LEAK_EVEN, 20, false, 0},
		{0.02, 100, LEAK_UNEVEN, 1000, false, 0}, {5, 4, LEAK_UNEVEN, 300, false, 1e7},
	};
	uint32_t cases = (uint32_t)random_cases(1000);
	double rate = 0, exhaustion = 0;

	(void)state;
	for (size_t i = 0; i < NR(leaks); i++) {
		struct coverage c = cover(&leaks[i], cases);

		print_message("# %.2f calls/s, %.0f pages, %.0f s: rate %.1f %%, exhaustion %.1f "
			      "%% of %u\n",
			      leaks[i].per_second, leaks[i].pages, leaks[i].seconds, c.rate,
			      c.exhaustion, c.known);
		if (cases < 1000)
			continue; /* chance would decide */
		assert_true(c.known > cases * 0.9);
		assert_true(c.rate >= 85 && c.rate <= 97);
		assert_true(c.exhaustion >= 85);
		rate += c.rate / NR(leaks);
		exhaustion += c.exhaustion / NR(leaks);
	}
	assert_true(cases < 1000 || (rate >= 88 && rate <= 95));
	assert_true(cases < 1000 || (exhaustion >= 88 && exhaustion <= 95));
}

/* Told whenever it has doubled, the last loss has just happened: that must not mislead. */
static void test_the_moment_at_which_it_is_told_does_not_mislead(void **state)
{
	static const struct leak leak = {0.5, 16, LEAK_EVEN, 0, false, 0};
	struct rng r = {random_seed()};
	uint32_t told = 0, right = 0, cases = (uint32_t)random_cases(600);

	(void)state;
	for (uint32_t i = 0; i < cases; i++) {
		struct forecast f = {0};
		double lost = PAGE, last = lost;

		for (int now = 1; now < 400; now++) {
			struct forecast_outlook o;

			forecast_look(&f, SEC(now), (uint64_t)lost, AVAILABLE);
			o = forecast_tell(&f);
			if (lost >= 2 * last && o.rate.low >= 0) {
				told++;
				right += holds(&o.rate, 0.5 * 16 * PAGE);
				last = lost;
			}
			lost += lost_in(&r, &leak, 1);
		}
	}
	print_message("# told %u times, right %.1f %%\n", told, 100.0 * right / told);
	assert_true(cases < 600 || told > 2 * cases);
	assert_true(cases < 600 || (right > told * 0.85 && right < told * 0.95));
}

/* ---- single leaks --------------------------------------------------------------------- */

/* The same loss in each look, 1 s apart. */
static struct forecast steady(int looks, uint64_t each)
{
	struct forecast f = {0};

	for (int i = 0; i <= looks; i++)
		forecast_look(&f, SEC(100 + i), 1000000 + (uint64_t)i * each, AVAILABLE);
	return f;
}

static void test_nothing_is_known_before_something_is_lost(void **state)
{
	struct forecast f = {0};
	struct forecast_outlook o;

	(void)state;
	for (int i = 0; i < 50; i++)
		forecast_look(&f, SEC(i), 0, AVAILABLE);
	o = forecast_tell(&f);
	assert_true(o.rate.likely < 0 && o.rate.low < 0 && o.rate.high < 0);
	assert_true(o.exhaustion.likely < 0 && o.exhaustion.low < 0 && o.exhaustion.high < 0);
}

static void test_what_was_lost_at_the_first_look_has_no_rate(void **state)
{
	struct forecast f = steady(50, 0);

	(void)state;
	assert_true(forecast_tell(&f).rate.likely < 0);
}

static void test_a_rate_is_told_before_its_interval(void **state)
{
	struct forecast f = steady(FORECAST_RISES - 1, PAGE);
	struct forecast_outlook o = forecast_tell(&f);

	(void)state;
	assert_true(o.rate.likely == PAGE);
	assert_true(o.exhaustion.likely == (double)AVAILABLE / PAGE);
	assert_true(o.rate.low < 0 && o.rate.high < 0);
	assert_true(o.exhaustion.low < 0 && o.exhaustion.high < 0);
	f = steady(FORECAST_RISES, PAGE);
	o = forecast_tell(&f);
	assert_true(o.rate.low > 0 && o.rate.low < PAGE && o.rate.high > PAGE);
	assert_true(o.exhaustion.low > 0 && o.exhaustion.high > o.exhaustion.likely);
}

static void test_a_steady_leak_is_known_closely_and_not_exactly(void **state)
{
	struct forecast f = steady(10000, PAGE);
	struct forecast_outlook o = forecast_tell(&f);

	(void)state;
	assert_true(f.nr <= FORECAST_BLOCKS);
	assert_true(fabs(o.rate.likely - PAGE) < 1e-6);
	assert_true(o.rate.low < PAGE && o.rate.high > PAGE);
	assert_true(o.rate.high / o.rate.low < 1.001);
}

/* A page every 16 s, as if by the clock, for so long: high end of the rate by the low one. */
static double width_of_a_clockwork(int seconds, uint32_t blocks)
{
	struct forecast f = {0};
	struct forecast_outlook o;

	f.length = 16;
	for (int i = 0; i <= seconds; i++)
		forecast_look(&f, SEC(i + 1), (uint64_t)(1 + i / 16) * PAGE, AVAILABLE);
	assert_int_equal(f.nr, blocks);
	o = forecast_tell(&f);
	assert_true(o.rate.low > 0);
	return o.rate.high / o.rate.low;
}

static void test_few_even_losses_do_not_make_a_narrow_interval(void **state)
{
	(void)state;
	assert_true(width_of_a_clockwork(7 * 16, 7) > 3);
}

static void test_many_even_losses_are_no_chance(void **state)
{
	double width = width_of_a_clockwork(24 * 16, 24);

	(void)state;
	assert_true(width > 1.01 && width < 1.1);
}

/* A minute in which nobody looked counts as a minute. */
static void test_a_gap_between_looks_does_no_harm(void **state)
{
	struct forecast f = {0};
	uint64_t lost = PAGE, now = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		uint64_t step = i == 30 ? 60 : 1;

		now += step;
		lost += step * 10 * PAGE;
		forecast_look(&f, SEC(now), lost, AVAILABLE);
	}
	assert_true(fabs(forecast_tell(&f).rate.likely - 10 * PAGE) < 1);
	assert_true(forecast_tell(&f).rate.high < 11 * PAGE);
}

static void test_what_comes_back_lowers_the_rate(void **state)
{
	struct forecast f = steady(20, PAGE);
	uint64_t lost = f.lost;

	(void)state;
	forecast_look(&f, f.last_ns + SEC(1), lost - 10 * PAGE, AVAILABLE);
	assert_true(fabs(forecast_tell(&f).rate.likely - 10.0 * PAGE / 21) < 1);
	forecast_look(&f, f.last_ns + SEC(1), 0, AVAILABLE);
	assert_true(forecast_tell(&f).rate.likely < 0);
}

static void test_a_second_look_at_one_time_changes_nothing(void **state)
{
	struct forecast f = steady(20, PAGE), same = f;

	(void)state;
	forecast_look(&same, f.last_ns, f.lost + 100 * PAGE, AVAILABLE);
	assert_memory_equal(&f, &same, sizeof(f));
}

static void test_memory_that_is_not_known_does_not_run_out(void **state)
{
	struct forecast f = {0};

	(void)state;
	for (int i = 0; i < 30; i++)
		forecast_look(&f, SEC(i + 1), (uint64_t)(i + 1) * PAGE, 0);
	assert_true(forecast_tell(&f).rate.low > 0);
	assert_true(forecast_tell(&f).exhaustion.likely < 0);
	assert_true(forecast_tell(&f).exhaustion.low < 0);
}

/* In a thousand years is never. */
static void test_far_off_is_never(void **state)
{
	struct forecast f = {0};
	struct forecast_outlook o;

	(void)state;
	for (int i = 0; i < 30; i++)
		forecast_look(&f, SEC(100000) * (uint64_t)(i + 1), (uint64_t)(i + 1) * PAGE,
			      UINT64_C(1) << 50);
	o = forecast_tell(&f);
	assert_true(o.rate.low > 0);
	assert_true(o.exhaustion.likely > 0 && o.exhaustion.high < 0);
}

/* Memory whose size jumps about runs out less surely. */
static void test_noise_of_the_memory_widens_the_time_left(void **state)
{
	struct forecast still = {0}, noisy = {0};
	struct forecast_outlook a, b;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t lost = (uint64_t)(i + 1) * PAGE, left = AVAILABLE - lost;

		forecast_look(&still, SEC(i + 1), lost, left);
		forecast_look(&noisy, SEC(i + 1), lost, left + (i & 1 ? 500000000 : 0) - 250000000);
	}
	a = forecast_tell(&still);
	b = forecast_tell(&noisy);
	assert_true(a.rate.low == b.rate.low && a.rate.high == b.rate.high);
	assert_true(b.exhaustion.high / b.exhaustion.low >
		    1.05 * a.exhaustion.high / a.exhaustion.low);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nine_of_ten_intervals_hold_the_truth),
		cmocka_unit_test(test_the_moment_at_which_it_is_told_does_not_mislead),
		cmocka_unit_test(test_nothing_is_known_before_something_is_lost),
		cmocka_unit_test(test_what_was_lost_at_the_first_look_has_no_rate),
		cmocka_unit_test(test_a_rate_is_told_before_its_interval),
		cmocka_unit_test(test_a_steady_leak_is_known_closely_and_not_exactly),
		cmocka_unit_test(test_few_even_losses_do_not_make_a_narrow_interval),
		cmocka_unit_test(test_many_even_losses_are_no_chance),
		cmocka_unit_test(test_a_gap_between_looks_does_no_harm),
		cmocka_unit_test(test_what_comes_back_lowers_the_rate),
		cmocka_unit_test(test_a_second_look_at_one_time_changes_nothing),
		cmocka_unit_test(test_memory_that_is_not_known_does_not_run_out),
		cmocka_unit_test(test_far_off_is_never),
		cmocka_unit_test(test_noise_of_the_memory_widens_the_time_left),
	};

	return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
