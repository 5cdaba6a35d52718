// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* However long it runs and however much is pinned: what the core takes stays within bounds. */
#include "fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conductor.h"
#include "core/monitor.h"
#include "kernel/room.h"
#include "sim/machine.h"
#include "sim/simulator.h"

#define HOUR  3600
#define HOURS 24
#define MIB   (UINT64_C(1) << 20)

static struct machine machine;

/* Bytes that were allocated and not freed; 0 where the allocator does not say (ASan's). */
static uint64_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* ---- a day ------------------------------------------------------------------------------ */

/* What was decided, without the numbers. */
struct decisions {
	unsigned suspicions, accusations, others, losses, references, limits;
	enum evidence evidence; /* the strongest */
	enum level highest;
};

static void on_sample(void *ctx, const struct report_sample *r)
{
	(void)ctx, (void)r;
}

static void on_suspicion(void *ctx, const struct report_suspicion *r)
{
	(void)r;
	((struct decisions *)ctx)->suspicions++;
}

static void on_state(void *ctx, const struct report_state *r)
{
	struct decisions *d = ctx;

	if (r->to > d->highest)
		d->highest = r->to;
}

static void on_verdict(void *ctx, const struct report_verdict *r)
{
	struct decisions *d = ctx;

	if (machine_driver(&machine, r->finding->driver->driver))
		d->others++;
	else
		d->accusations += !r->update;
	if (r->finding->evidence > d->evidence)
		d->evidence = r->finding->evidence;
}

static void on_held(void *ctx, const struct report_held *r)
{
	(void)ctx, (void)r;
}

static void on_loss(void *ctx, const struct report_loss *r)
{
	(void)r;
	((struct decisions *)ctx)->losses++;
}

static void on_summary(void *ctx, const struct report_summary *r)
{
	(void)ctx, (void)r;
}

static void on_references(void *ctx, const struct report_references *r)
{
	(void)r;
	((struct decisions *)ctx)->references++;
}

static void on_limit(void *ctx, const struct report_limit *r)
{
	(void)r;
	((struct decisions *)ctx)->limits++;
}

static const struct reporter listener = {on_sample,  on_suspicion,  on_state,
					 on_verdict, on_held,	    on_loss,
					 on_summary, on_references, on_limit};

/*
 * Ten thousand pins a second: calls of eight pins with forty in flight; beside them processes that
 * register memory, 256 KiB a time, and go. Another driver may leak.
 */
static void boot(uint32_t rate, bool leaks)
{
	struct machine_plan plan = {.seed = 7,
				    .memory = UINT64_C(1) << 36,
				    .cpus = 16,
				    .available = 0.5,
				    .sample_rate = rate,
				    .nr_sites = 3};

	for (uint32_t i = 0; i < plan.nr_sites; i++)
		plan.habit[i] = (struct habit){.identity = ID_DEVICE,
					       .grain = 1,
					       .delay = 0.01,
					       .delay_max = 1};
	plan.habit[0].flight = plan.habit[0].each = 4;
	plan.habit[0].calls_s = 100;
	plan.habit[0].session = 60;
	plan.habit[1].flight = 40;
	plan.habit[1].each = 8;
	plan.habit[1].calls_s = 1250;
	plan.habit[1].session = HOUR;
	plan.habit[2].regions = 8;
	plan.habit[2].life = 20;
	plan.habit[2].smallest = plan.habit[2].largest = 64;
	plan.habit[2].session = 300;
	if (leaks)
		plan.leak =
			(struct leak){.kind = LEAK_RANDOM, .pins_s = 4, .each = 4, .start_s = 600};
	assert_int_equal(machine_boot(&machine, &plan), 0);
}

/* Runs the machine for so many hours under a monitor; after each of them, what is allocated. */
static struct decisions pass(enum track track, unsigned hours, uint64_t *bytes)
{
	struct decisions made = {0};
	struct monitor_config config = monitor_defaults();
	struct conductor c = {.source = &simulator_source, .ctx = &machine};

	config.track = track;
	c.monitor = monitor_create(&config, &listener, &made);
	assert_non_null(c.monitor);
	for (unsigned hour = 0; hour < hours; hour++) {
		for (int s = 0; s < HOUR; s++) {
			machine_pass(&machine);
			assert_int_equal(conductor_step(&c), 0);
		}
		if (bytes)
			bytes[hour] = in_use();
	}
	monitor_finish(c.monitor, machine.now_ns);
	monitor_destroy(c.monitor);
	return made;
}

static void a_day_at_ten_thousand_pins_a_second_takes_no_more_than_its_second_hour(void **state)
{
	uint64_t bytes[HOURS];
	int64_t acquired;
	struct decisions d;

	(void)state;
	boot(1, true);
	acquired = machine.acquired;
	d = pass(TRACK_ALWAYS, HOURS, bytes);
	assert_true(machine.acquired - acquired > (int64_t)HOURS * HOUR * 10000);
	assert_int_equal(d.accusations, 1);
	assert_int_equal(d.others, 0);
	for (int i = 2; i < HOURS; i++)
		if (bytes[i] > bytes[1] + bytes[1] / 8)
			fail_msg("hour %d: %lu bytes, and %lu in the second", i + 1,
				 (unsigned long)bytes[i], (unsigned long)bytes[1]);
	machine_halt(&machine);
}

/* That somebody holds more and more is told of 64 records more: of a sample later, or not. */
static void assert_same(const struct decisions *a, const struct decisions *b)
{
	assert_int_equal(a->suspicions > 0, b->suspicions > 0);
	assert_int_equal(a->accusations, b->accusations);
	assert_int_equal(a->others, b->others);
	assert_int_equal(a->evidence, b->evidence);
	assert_int_equal(a->highest, b->highest);
	assert_int_equal(a->losses > 0, b->losses > 0);
	assert_int_equal(a->references, b->references);
	assert_int_equal(a->limits, b->limits);
}

static void with_one_folio_in_many_the_same_is_decided_as_with_all_of_them(void **state)
{
	(void)state;
	for (int leaks = 0; leaks < 2; leaks++) {
		for (enum track track = TRACK_AUTO; track <= TRACK_ALWAYS; track++) {
			struct decisions all, sample;

			boot(1, leaks);
			all = pass(track, 2, NULL);
			machine_halt(&machine);
			assert_int_equal(all.accusations, leaks);
			assert_int_equal(all.others, 0);
			for (uint32_t rate = 8; rate <= 64; rate *= 8) {
				boot(rate, leaks);
				sample = pass(track, 2, NULL);
				machine_halt(&machine);
				assert_same(&all, &sample);
			}
		}
	}
}

/* ---- full tables ------------------------------------------------------------------------ */

/* What the programs have room for, however large the machine is. */
#define FOLIOS ROOM_MOST
#define OWNERS 16384
#define SITES  2048
#define CALLS  16384

#define RATE 4096 /* with that, a full table stands for a TiB of pinned pages */

struct full {
	struct snapshot s;
	struct snap_site **sites;
	struct modgraph modules;
};

static void *rows(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	assert_non_null(p);
	return p;
}

static void fill_sites(struct full *f)
{
	f->sites = rows(SITES, sizeof(*f->sites));
	for (uint32_t i = 0; i < SITES; i++) {
		struct snap_site *site = f->sites[i] = rows(1, sizeof(*site));

		site->key = i + 1;
		site->blame.kind = BLAME_MODULE;
		snprintf(site->blame.driver, sizeof(site->blame.driver), "driver%u", i);
		assert_int_equal(map64_put(&f->s.site_at, i + 1, i), 0);
	}
	f->s.sites = f->sites;
	f->s.nr_sites = SITES;
}

static void fill_owners(struct full *f)
{
	f->s.owners = rows(OWNERS, sizeof(*f->s.owners));
	f->s.nr_owners = OWNERS;
	for (uint32_t i = 0; i < OWNERS; i++) {
		f->s.owners[i].key = i + 1;
		f->s.owners[i].owner = (struct pl_owner){.site = i % SITES + 1,
							 .file_id = i + 1,
							 .tgid = i + 1,
							 .mode = S_IFCHR};
		if (i % SITES == 0) /* one driver's files are closed and its processes gone */
			f->s.owners[i].file_end_ns = f->s.owners[i].dead_ns = 1;
		assert_int_equal(map64_put(&f->s.owner_at, i + 1, i), 0);
	}
}

static void fill_pages(struct full *f)
{
	f->s.pages = rows(FOLIOS, sizeof(*f->s.pages));
	f->s.nr_pages = FOLIOS;
	for (uint32_t i = 0; i < FOLIOS; i++) {
		struct pl_page *p = &f->s.pages[i].page;

		p->folio = f->s.pages[i].folio = 64 * (i + 1);
		p->first_ns = p->last_ns = UINT64_C(1) << 39;
		p->pins = p->nr_slots = p->held = 1;
		p->slot[0] = (struct pl_slot){.owner = i % OWNERS + 1,
					      .call = i << 16,
					      .refs = 1,
					      .refs_call = 1};
	}
}

static void fill_failures(struct full *f)
{
	f->s.failures = rows(CALLS, sizeof(*f->s.failures));
	f->s.nr_failures = CALLS;
	for (uint32_t i = 0; i < CALLS; i++) {
		f->s.failures[i].call = (uint64_t)(FOLIOS + i) << 16;
		assert_int_equal(map64_put(&f->s.failure_at, f->s.failures[i].call, i), 0);
	}
}

static void empty(struct full *f)
{
	for (uint32_t i = 0; i < SITES; i++)
		free(f->sites[i]);
	free(f->sites);
	free(f->s.pages);
	free(f->s.owners);
	free(f->s.failures);
	map64_free(&f->s.owner_at);
	map64_free(&f->s.site_at);
	map64_free(&f->s.failure_at);
}

static void the_room_for_folios_follows_the_memory_up_to_a_bound(void **state)
{
	(void)state;
	assert_int_equal(room_for_folios(0), ROOM_LEAST);
	assert_int_equal(room_for_folios(32768), ROOM_LEAST);
	assert_int_equal(room_for_folios(UINT64_C(1) << 18), 1 << 15);
	assert_int_equal(room_for_folios(UINT64_C(1) << 19), ROOM_MOST);
	assert_int_equal(room_for_folios(UINT64_C(1) << 28), ROOM_MOST); /* 1 TiB */
	assert_int_equal(room_for_folios(UINT64_MAX), ROOM_MOST);
}

/* A machine with a TiB of memory, all of it pinned: so many folios as can be recorded. */
static void a_pinned_tebibyte_in_full_tables_takes_less_than_64_MiB(void **state)
{
	struct full f = {.s = {.now_ns = UINT64_C(1) << 40,
			       .modules = &f.modules,
			       .sample_rate = RATE,
			       .base_page = 4096}};
	struct monitor_config config = monitor_defaults();
	struct sample now = {.now_ns = 1, .memory_total = UINT64_C(1) << 40};
	struct balance balance = {0};
	struct decisions made = {0};
	uint64_t before = in_use();
	struct monitor *m;

	(void)state;
	boot(1, false); /* its drivers' names */
	fill_sites(&f);
	fill_owners(&f);
	fill_pages(&f);
	fill_failures(&f);
	snprintf(f.sites[0]->blame.driver, sizeof(f.sites[0]->blame.driver), "%s",
		 machine.names[0]);
	config.track = TRACK_ALWAYS;
	m = monitor_create(&config, &listener, &made);
	assert_non_null(m);
	assert_int_equal(monitor_step(m, &now, NULL, NULL), 0);
	monitor_level_is(m, &now, LEVEL_LIGHT, "");
	for (int i = 1; i <= 5; i++) {
		now.now_ns = f.s.now_ns = (UINT64_C(1) << 40) + (uint64_t)i * 1000000000;
		now.acquired = (int64_t)FOLIOS * RATE;
		assert_int_equal(monitor_step(m, &now, &f.s, &balance), 0);
	}
	assert_true(now.acquired * 4096 == INT64_C(1) << 40);
	assert_true(in_use() - before < 64 * MIB);
	assert_int_equal(monitor_wanted(m), LEVEL_LIGHT); /* the sample explains the counters */
	assert_int_equal(made.accusations, 1);
	assert_int_equal(made.others, 0);
	monitor_finish(m, now.now_ns);
	monitor_destroy(m);
	machine_halt(&machine);
	empty(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_room_for_folios_follows_the_memory_up_to_a_bound),
		cmocka_unit_test(a_pinned_tebibyte_in_full_tables_takes_less_than_64_MiB),
		cmocka_unit_test(with_one_folio_in_many_the_same_is_decided_as_with_all_of_them),
		cmocka_unit_test(
			a_day_at_ten_thousand_pins_a_second_takes_no_more_than_its_second_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
