// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

#include <string.h>

#define GRACE 10 /* seconds */
#define MOST  150

/* Files that were opened, used and closed within a second, and what they left. */
struct load {
	struct snap_site *site;
	uint32_t pins;	     /* a second */
	uint32_t comes_back; /* after so many seconds; 0: never */
};

struct left {
	struct pl_page *page;
	uint32_t pins;
	uint64_t due_ns;
};

struct stage {
	struct scene *s;
	struct left left[MOST];
	size_t nr;
	uint32_t accused_leaky, accused_other;
};

/* One second of it all; above counters with books. */
static void second(struct stage *t, const struct load *loads, size_t nr)
{
	struct scene *s = t->s;

	for (size_t i = 0; i < nr; i++) {
		struct left *l = &t->left[t->nr];

		s->sample.acquired += loads[i].pins;
		if (!loads[i].pins || t->nr == MOST)
			continue;
		*l = (struct left){.pins = loads[i].pins};
		if (loads[i].comes_back)
			l->due_ns = s->sample.now_ns + SEC(loads[i].comes_back);
		if (s->level != LEVEL_COUNTERS) {
			struct snap_owner *o = books_owner(s->b, loads[i].site);

			l->page = books_pin(s->b, o, loads[i].pins);
			l->page->first_ns = s->sample.now_ns + 1;
			o->file_end_ns = o->dead_ns = s->sample.now_ns + 1;
		}
		t->nr++;
	}
	for (size_t i = 0; i < t->nr; i++) {
		struct left *l = &t->left[i];

		if (!l->due_ns || l->due_ns > s->sample.now_ns)
			continue;
		l->due_ns = 0;
		s->sample.released += l->pins;
		if (l->page)
			l->page->pins = 0;
	}
	run(s, 1);
	if (s->r.verdicts)
		*(strcmp(s->r.finding.driver->driver, "leaky") ? &t->accused_other
							       : &t->accused_leaky) += 1;
}

/* Seconds from the beginning of tracking to the first verdict; 0: none within so many. */
static uint32_t seconds_to_verdict(struct stage *t, const struct load *loads, size_t nr,
				   uint32_t most)
{
	for (int i = 0; i < 30 && t->s->level == LEVEL_COUNTERS; i++)
		second(t, loads, nr);
	assert_int_equal(t->s->level, LEVEL_LIGHT);
	for (uint32_t i = 1; i <= most; i++) {
		second(t, loads, nr);
		if (t->s->r.verdicts)
			return i;
	}
	return 0;
}

static struct stage *stage(struct scene *s)
{
	static struct stage t;

	t = (struct stage){.s = s};
	s->config.grace_ns = SEC(GRACE);
	s->config.settle_ns = SEC(100);
	begin(s);
	run(s, 5);
	return &t;
}

static void test_a_rise_that_has_outlasted_the_grace_time_is_soon_its_drivers(void **state)
{
	struct scene *s = *state;
	struct load leak = {s->site, 100, 0};
	uint32_t seconds = seconds_to_verdict(stage(s), &leak, 1, 20);

	assert_in_range(seconds, 3, 7);
	assert_int_equal(s->r.finding.evidence, EVIDENCE_ORPHANED);
}

static void test_what_comes_back_late_is_nobodys_leak(void **state)
{
	struct scene *s = *state;

	for (uint32_t late = 6; late <= 9; late++) {
		struct load loads[] = {{s->site, 100, late}};

		assert_int_equal(seconds_to_verdict(stage(s), loads, 1, 40), 0);
		monitor_destroy(s->m);
		books_destroy(s->b);
		scene_setup(state);
	}
	begin(s);
}

/* Whatever there is of others' late pins, they are not accused for another one's leak. */
static void test_who_releases_late_beside_a_leak_is_not_accused(void **state)
{
	struct scene *s = *state;

	for (uint32_t pins = 10; pins <= 400; pins += 30) {
		struct load loads[] = {{s->site, 100, 0},
				       {books_site(s->b, BLAME_MODULE, "late"), pins, 6}};
		struct stage *t = stage(s);

		assert_true(seconds_to_verdict(t, loads, 2, 25) > 0);
		assert_int_equal(t->accused_other, 0);
		monitor_destroy(s->m);
		books_destroy(s->b);
		scene_setup(state);
	}
	begin(s);
}

static void test_a_rise_that_has_just_begun_waits_for_the_grace_time(void **state)
{
	struct scene *s = *state;
	struct load leak = {s->site, 100, 0};
	struct stage *t = stage(s);
	uint32_t seconds;

	for (int i = 0; i < 30 && s->level == LEVEL_COUNTERS; i++)
		second(t, &leak, 1);
	second(t, &leak, 1);
	leak.pins = 0; /* it stops: nothing rises any more */
	seconds = seconds_to_verdict(t, &leak, 1, 20);
	assert_in_range(seconds, GRACE - 1, GRACE + 2);
}

static void test_a_leak_of_two_drivers_at_once_waits_for_the_grace_time(void **state)
{
	struct scene *s = *state;
	struct load loads[] = {{s->site, 50, 0}, {books_site(s->b, BLAME_MODULE, "other"), 50, 0}};

	assert_in_range(seconds_to_verdict(stage(s), loads, 2, 20), GRACE - 1, GRACE + 2);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_a_rise_that_has_outlasted_the_grace_time_is_soon_its_drivers),
		SCENE(test_what_comes_back_late_is_nobodys_leak),
		SCENE(test_who_releases_late_beside_a_leak_is_not_accused),
		SCENE(test_a_rise_that_has_just_begun_waits_for_the_grace_time),
		SCENE(test_a_leak_of_two_drivers_at_once_waits_for_the_grace_time),
	};

	return cmocka_run_group_tests_name("haste", tests, NULL, NULL);
}
