// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "exam.h"

#include <math.h>

#define DAY	     86400.0
#define LOST_MOST    0.03
#define HOPELESS_S   20 /* less than any monitor takes */
#define SHORT_S	     5
#define PROCESS_MOST 0.005 /* of the memory: that one process loses */
#define ANY_LOADS    4	   /* sites of a mixed background */

#define STREAM_LEAK (UINT64_C(1) << 40)

const struct exam_rate exam_rates[EXAM_RATES] = {
	{"10 pages, once", 0}, {"1 page/min", 1 / 60.0}, {"10 pages/min", 10 / 60.0},
	{"1 page/s", 1},       {"64 pages/s", 64},	 {"1 MiB/s", 256},
	{"64 MiB/s", 16384},   {"1 GiB/s", 262144},
};

const struct exam_size exam_sizes[EXAM_SIZES] = {
	{"4 GiB, 2 CPUs", UINT64_C(4) << 30, 2},
	{"64 GiB, 16 CPUs", UINT64_C(64) << 30, 16},
	{"1 TiB, 256 CPUs", UINT64_C(1) << 40, 256},
};

/* Beside the leaking driver: nothing, one of these, or several of any kind. */
static const enum load backgrounds[EXAM_LOADS] = {
	[1] = LOAD_POISSON, [2] = LOAD_BURSTS, [3] = LOAD_DIURNAL, [4] = LOAD_SAWTOOTH,
	[5] = LOAD_QUEUE,   [6] = LOAD_LARGE,  [7] = LOAD_POOL,	   [8] = LOAD_CHURN,
};

const char *exam_load_name(uint32_t background)
{
	if (!background)
		return "nothing else";
	return background == EXAM_LOADS - 1 ? "any four" : load_name(backgrounds[background]);
}

const char *exam_kind_name(uint32_t kind)
{
	static const char *const names[EXAM_KINDS] = {"by chance", "steady", "failing calls",
						      "file open"};

	return names[kind];
}

bool exam_is_fast(const struct exam *e)
{
	return e->machine.leak.pins_s * MACHINE_PAGE * DAY > 0.001 * (double)e->machine.memory;
}

static void add_site(struct exam *e, enum load load, struct dice *d)
{
	struct machine_plan *m = &e->machine;

	e->load[m->nr_sites] = load;
	load_habit(load, m->memory, d, &m->habit[m->nr_sites++]);
}

/* A quarter of the machines have one site, so that it is seen what each load does. */
void exam_innocent(uint64_t seed, uint64_t number, double days, struct exam *out)
{
	struct dice d;
	uint32_t sites;

	dice_seed(&d, seed, number);
	*out = (struct exam){.machine.seed = dice_mix(seed, number),
			     .watch = {.config = monitor_defaults(), .seconds = days * DAY}};
	load_machine(&out->machine, &d);
	sites = dice_chance(&d, 0.25) ? 1 : 2 + dice_below(&d, 7);
	for (uint32_t i = 0; i < sites; i++)
		add_site(out, (enum load)dice_below(&d, LOADS), &d);
	out->nr_loads = sites;
}

/* ---- leaks ---------------------------------------------------------------------------- */

static void make_leak(struct exam *e, struct dice *d)
{
	static const enum leak_kind kinds[EXAM_KINDS] = {LEAK_RANDOM, LEAK_STEADY, LEAK_ERROR,
							 LEAK_RANDOM};
	double pins_s = exam_rates[e->rate].pins_s;
	struct leak *l = &e->machine.leak;

	l->kind = pins_s > 0 ? kinds[e->kind] : LEAK_ONCE;
	l->pins_s = pins_s;
	l->each = pins_s > 0 ? (uint32_t)fmax(1, fmin(256, pins_s)) : 10;
	l->start_s = dice_between(d, 3600, 3 * 3600);
}

/* Seconds in which a process that leaks does not use the memory up by itself. */
static double lifetime(const struct exam *e, struct dice *d)
{
	double loses = exam_rates[e->rate].pins_s * MACHINE_PAGE;
	double seconds = dice_scale(d, SHORT_S, 3600);

	if (loses * seconds > PROCESS_MOST * (double)e->machine.memory)
		seconds = PROCESS_MOST * (double)e->machine.memory / loses;
	return fmax(seconds, SHORT_S);
}

/* A little I/O by processes that come and go; or by one that stays. */
static void make_leaky(struct exam *e, struct dice *d)
{
	struct habit *h = &e->machine.habit[0];

	load_habit(LOAD_POISSON, e->machine.memory, d, h);
	h->identity = ID_DEVICE;
	h->flight = fmin(h->flight, 4);
	h->session = e->kind == EXAM_OPEN ? 0 : lifetime(e, d);
	h->gap = 0.5;
	h->delay_max = 1;
	e->load[e->machine.nr_sites++] = LOAD_POISSON;
}

void exam_leak(uint64_t seed, uint64_t number, double days, struct exam *out)
{
	uint64_t n = number;
	struct dice d;

	dice_seed(&d, seed, STREAM_LEAK + number);
	*out = (struct exam){.machine.seed = dice_mix(seed, STREAM_LEAK + number),
			     .watch = {.config = monitor_defaults(), .at_least = 300}};
	out->watch.lost_most = LOST_MOST;
	out->rate = n % EXAM_RATES;
	out->background = n / EXAM_RATES % EXAM_LOADS;
	out->size = n / EXAM_RATES / EXAM_LOADS % EXAM_SIZES;
	out->kind = n / EXAM_RATES / EXAM_LOADS / EXAM_SIZES % EXAM_KINDS;
	load_machine(&out->machine, &d);
	out->machine.memory = exam_sizes[out->size].memory;
	out->machine.cpus = exam_sizes[out->size].cpus;
	make_leaky(out, &d);
	make_leak(out, &d);
	if (out->background == EXAM_LOADS - 1)
		for (int i = 0; i < ANY_LOADS; i++)
			add_site(out, (enum load)dice_below(&d, LOADS), &d);
	else if (out->background)
		add_site(out, backgrounds[out->background], &d);
	out->nr_loads = out->machine.nr_sites;
	out->watch.seconds = out->machine.leak.start_s + days * DAY;
	out->hopeless = out->machine.leak.pins_s * MACHINE_PAGE * HOPELESS_S >
			out->machine.available * (double)out->machine.memory;
}

int exam_run(const struct exam *e, struct machine *m, struct outcome *out)
{
	int err;

	*out = (struct outcome){.done = true, .suspected = -1, .found = -1, .held_at = -1};
	if (e->hopeless)
		return 0;
	err = machine_boot(m, &e->machine);
	if (!err)
		err = watched_run(m, &e->watch, out);
	machine_halt(m);
	return err;
}
