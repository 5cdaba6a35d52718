// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "core/grow.h"
#include "core/inspect.h"
#include "serve/state.h"

static int setup(void **state)
{
	const struct render here = {.host = "here", .kernel = "6.x"};

	*state = state_create(&here, SEC(1));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	state_destroy(*state);
	return 0;
}

static void accuse(struct state *s, const char *driver, enum blame_kind kind, bool plain, int at)
{
	struct blame blame = {.kind = kind};
	struct finding finding = {.driver = &blame, .evidence = EVIDENCE_ORPHANED, .pins = 1};
	const struct limits limits = {0};
	struct report_verdict v = {.now_ns = SEC(at),
				   .finding = &finding,
				   .plain = plain,
				   .limits = &limits};

	snprintf(blame.driver, sizeof(blame.driver), "%s", driver);
	state_reporter.verdict(s, &v);
}

/* What is found has parameters of so many KiB. */
static void diagnose(struct state *s, const char *driver, size_t kib)
{
	struct inspect i = {0};

	snprintf(i.asked, sizeof(i.asked), "%s", driver);
	for (; i.nr_params < kib; i.nr_params++) {
		struct inspect_param *p;

		assert_int_equal(grow((void **)&i.params, &i.room_params, i.nr_params, sizeof(*p)),
				 0);
		p = &i.params[i.nr_params];
		*p = (struct inspect_param){.name = "names", .value_known = true};
		memset(p->value, 'x', 1024);
	}
	state_reporter.diagnosis(s, &i);
	inspect_free(&i);
}

/* Bytes of the diagnosis of an incident; 0: it has none. */
static size_t diagnosed(struct state *s, uint64_t id)
{
	struct incident i;
	size_t size;

	assert_true(state_incident(s, id, &i));
	size = i.diagnosis ? i.diagnosis->size : 0;
	incident_drop(&i);
	return size;
}

static void test_a_diagnosis_is_of_all_incidents_of_its_driver_and_of_no_other(void **state)
{
	(void)state;
	accuse(*state, "leaky", BLAME_MODULE, false, 1);
	accuse(*state, "leaky", BLAME_MODULE, true, 2);
	accuse(*state, "other", BLAME_MODULE, false, 3);
	accuse(*state, "leaky", BLAME_UNKNOWN, false, 4);
	diagnose(*state, "leaky", 1);
	assert_true(diagnosed(*state, 1) > 1024);
	assert_true(diagnosed(*state, 2) > 1024);
	assert_int_equal(diagnosed(*state, 3), 0);
	assert_int_equal(diagnosed(*state, 4), 0);
	diagnose(*state, "leaky", 100);
	assert_true(diagnosed(*state, 1) > 100 * 1024);
	diagnose(*state, "nobody", 1);
}

static void test_diagnoses_are_bounded_and_the_newest_is_kept_whatever_its_size(void **state)
{
	char name[16];
	size_t size = 0;

	(void)state;
	for (int i = 1; i <= 12; i++) {
		snprintf(name, sizeof(name), "driver%d", i);
		accuse(*state, name, BLAME_MODULE, false, i);
		diagnose(*state, name, 1000);
		assert_true(diagnosed(*state, (uint64_t)i) > 1000 * 1024);
	}
	for (uint64_t i = 1; i <= 12; i++)
		size += diagnosed(*state, i);
	assert_in_range(size, STATE_DIAGNOSES / 2, STATE_DIAGNOSES);
	assert_int_equal(diagnosed(*state, 1), 0); /* nothing was heard of it for longest */
	assert_true(diagnosed(*state, 11) > 0);
	diagnose(*state, "driver1", 6000);
	assert_true(diagnosed(*state, 1) > 6000 * 1024);
	assert_int_equal(diagnosed(*state, 12), 0);
}

static void test_an_incident_that_gives_way_takes_its_diagnosis_along(void **state)
{
	char name[16];

	(void)state;
	accuse(*state, "leaky", BLAME_MODULE, false, 1);
	diagnose(*state, "leaky", 1);
	for (int i = 0; i < STATE_INCIDENTS; i++) {
		snprintf(name, sizeof(name), "driver%d", i);
		accuse(*state, name, BLAME_MODULE, false, 2 + i);
	}
	accuse(*state, "leaky", BLAME_MODULE, false, 100);
	assert_int_equal(diagnosed(*state, STATE_INCIDENTS + 2), 0);
}

static void test_when_the_clock_is_set_what_was_before_is_as_if_it_always_had_been(void **state)
{
	const struct sample sample = {.now_ns = SEC(7), .acquired = 3};
	const struct report_sample look = {.sample = &sample};
	struct curve_point *points;
	struct incident i;
	struct facts f;
	uint32_t step_s;
	int64_t since;
	size_t nr;

	(void)state;
	state_facts(*state, &f);
	since = f.since_ms;
	state_reporter.sample(*state, &look);
	accuse(*state, "leaky", BLAME_MODULE, false, 8);
	state_set_clock(*state, (int64_t)SEC(1000), (int64_t)SEC(900)); /* 100 s of it suspended */
	accuse(*state, "leaky", BLAME_MODULE, false, 9);
	assert_true(state_incident(*state, 1, &i));
	assert_int_equal(i.first_ms, 908000);
	assert_int_equal(i.last_ms, 1009000);
	incident_drop(&i);
	state_facts(*state, &f);
	assert_int_equal(f.since_ms, since + 900000);
	assert_int_equal(f.last_ms, 907000);
	assert_int_equal(state_points(*state, 0, &points, &nr, &step_s), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(points[0].time_ms, 907000);
	free(points);
	state_reporter.sample(*state, &look);
	assert_int_equal(state_points(*state, 1000000, &points, &nr, &step_s), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(points[0].time_ms, 1007000);
	free(points);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_diagnosis_is_of_all_incidents_of_its_driver_and_of_no_other),
		TEST(test_diagnoses_are_bounded_and_the_newest_is_kept_whatever_its_size),
		TEST(test_when_the_clock_is_set_what_was_before_is_as_if_it_always_had_been),
		TEST(test_an_incident_that_gives_way_takes_its_diagnosis_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
