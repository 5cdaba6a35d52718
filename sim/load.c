// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "load.h"

#include <math.h>

#define MIB_PINS 256
#define GIB	 (UINT64_C(1) << 30)
#define MINUTE	 60.0
#define HOUR	 3600.0
#define DAY	 86400.0

#define CROWD_LATE 3.5 /* s: less than the short grace time, which longer would fool */

const char *load_name(enum load load)
{
	static const char *const names[] = {"poisson",	     "bursts",	"diurnal",     "warm-up",
					    "sawtooth",	     "queue",	"large queue", "teardown",
					    "late teardown", "pool",	"guest",       "hoard",
					    "churn",	     "sinking", "crowd"};

	return names[load];
}

static enum identity any_identity(struct dice *d)
{
	static const enum identity of[] = {ID_DEVICE, ID_DEVICE, ID_DEVICE,
					   ID_RING,   ID_SOCKET, ID_FILE};

	return of[dice_below(d, sizeof(of) / sizeof(*of))];
}

/* ---- I/O in flight -------------------------------------------------------------------- */

static void set_flight(struct dice *d, double low, double high, struct habit *h)
{
	h->flight = dice_scale(d, low, high);
	h->each = UINT32_C(1) << dice_below(d, 7);
	h->calls_s = h->flight / dice_scale(d, 1e-4, 1e-2);
}

static void make_poisson(struct dice *d, double memory, struct habit *h)
{
	(void)memory;
	set_flight(d, 0.05, 100, h);
}

static void make_bursts(struct dice *d, double memory, struct habit *h)
{
	(void)memory;
	set_flight(d, 1, 300, h);
	h->busy = dice_scale(d, 1, 10 * MINUTE);
	h->idle = dice_scale(d, 5, HOUR);
}

static void make_diurnal(struct dice *d, double memory, struct habit *h)
{
	(void)memory;
	set_flight(d, 2, 300, h);
	h->swing = dice_between(d, 0.3, 1);
}

static void make_queue(struct dice *d, double memory, struct habit *h)
{
	(void)memory;
	h->depth = UINT32_C(1) << (2 + dice_below(d, 6));
	set_flight(d, 0.01, h->depth / 4.0, h);
	if (dice_chance(d, 0.5)) {
		h->busy = dice_scale(d, MINUTE, DAY);
		h->idle = dice_scale(d, 10, 6 * HOUR);
	}
}

static void make_large(struct dice *d, double memory, struct habit *h)
{
	make_queue(d, memory, h);
	h->depth = 64;
	h->each = MIB_PINS;
	h->flight = dice_scale(d, 0.01, 16);
}

static void make_churn(struct dice *d, double memory, struct habit *h)
{
	(void)memory;
	set_flight(d, 1, 100, h);
	h->session = dice_scale(d, 2, MINUTE);
	h->gap = dice_scale(d, 0.1, MINUTE);
	h->delay = 0.001;
	h->delay_max = dice_scale(d, 0.01, 1.5);
	h->shared = dice_chance(d, 0.3);
}

static void make_sinking(struct dice *d, double memory, struct habit *h)
{
	make_poisson(d, memory, h);
	h->sunk_s = dice_scale(d, 1e-3, 1e3);
}

/* ---- what is held longer --------------------------------------------------------------- */

/* At most a part of the memory, in pins. */
static double part(double memory, double share)
{
	return memory * share / MACHINE_PAGE;
}

static void make_warmup(struct dice *d, double memory, struct habit *h)
{
	h->growth = GROWTH_PLATEAU;
	h->top = dice_scale(d, 100, part(memory, 0.1));
	h->grow = dice_scale(d, 10, DAY);
	h->grain = UINT32_C(1) << dice_below(d, 9);
	h->session = dice_scale(d, DAY, 20 * DAY);
	h->gap = MINUTE;
}

static void make_sawtooth(struct dice *d, double memory, struct habit *h)
{
	h->growth = GROWTH_TEETH;
	h->top = dice_scale(d, 100, part(memory, 0.02));
	h->grow = dice_scale(d, 10, 12 * HOUR);
	h->grain = UINT32_C(1) << dice_below(d, 7);
}

static void make_guest(struct dice *d, double memory, struct habit *h)
{
	h->identity = ID_VFIO;
	h->growth = GROWTH_PLATEAU;
	h->top = part(memory, dice_between(d, 0.05, 0.5));
	h->grow = dice_scale(d, 1, MINUTE);
	h->grain = 512;
	h->session = dice_scale(d, HOUR, 20 * DAY);
	h->gap = dice_scale(d, MINUTE, DAY);
	h->delay_max = 5;
}

/* What it holds after a month is a third of the memory at most. */
static void make_hoard(struct dice *d, double memory, struct habit *h)
{
	h->growth = GROWTH_EVER;
	h->top = dice_scale(d, 1000, part(memory, 0.3));
	h->grow = 30 * DAY;
	h->grain = UINT32_C(1) << dice_below(d, 9);
}

static void make_pool(struct dice *d, double memory, struct habit *h)
{
	h->regions = dice_scale(d, 1, 40);
	h->life = dice_scale(d, MINUTE, 3 * DAY);
	h->smallest = dice_scale(d, 1, MIB_PINS);
	h->largest = h->smallest * dice_scale(d, 1, 64);
	if (h->largest * h->regions > part(memory, 0.1))
		h->largest = h->smallest = 1 + part(memory, 0.1) / h->regions;
}

static void make_teardown(struct dice *d, double memory, struct habit *h)
{
	make_pool(d, memory, h);
	h->life = fmax(dice_scale(d, 1, 10 * MINUTE), 2 * h->regions); /* a region in two seconds */
	h->session = dice_scale(d, 10, 6 * HOUR);
	h->gap = dice_scale(d, 0.1, HOUR);
	h->delay = 0.05;
	h->delay_max = dice_scale(d, 0.1, 10);
	h->survives = dice_chance(d, 0.3);
}

static void make_late(struct dice *d, double memory, struct habit *h)
{
	make_teardown(d, memory, h);
	h->heavy = true;
	h->delay_max = 60;
}

/* Many short processes at a time, whose pins are all released late, and always as late. */
static void make_crowd(struct dice *d, double memory, struct habit *h)
{
	h->life = dice_scale(d, 0.05, 5);
	h->delay = h->delay_max = dice_scale(d, 0.05, CROWD_LATE);
	h->crowd = fmin(dice_scale(d, 0.1, 10), SITE_HOLDERS / 2 / (h->life + h->delay));
	h->smallest = dice_scale(d, 16, fmin(part(memory, 0.001), 1 << 18));
	h->largest = h->smallest * dice_scale(d, 1, 4);
	h->busy = dice_scale(d, 10, HOUR);
	h->idle = dice_scale(d, MINUTE, 6 * HOUR);
}

void load_habit(enum load load, uint64_t memory, struct dice *d, struct habit *out)
{
	static void (*const make[])(struct dice *, double, struct habit *) = {
		[LOAD_POISSON] = make_poisson,	 [LOAD_BURSTS] = make_bursts,
		[LOAD_DIURNAL] = make_diurnal,	 [LOAD_WARMUP] = make_warmup,
		[LOAD_SAWTOOTH] = make_sawtooth, [LOAD_QUEUE] = make_queue,
		[LOAD_LARGE] = make_large,	 [LOAD_TEARDOWN] = make_teardown,
		[LOAD_LATE] = make_late,	 [LOAD_POOL] = make_pool,
		[LOAD_GUEST] = make_guest,	 [LOAD_HOARD] = make_hoard,
		[LOAD_CHURN] = make_churn,	 [LOAD_SINKING] = make_sinking,
		[LOAD_CROWD] = make_crowd,
	};

	*out = (struct habit){.identity = any_identity(d), .each = 1, .grain = 1};
	out->delay = 0.01;
	out->delay_max = 1;
	make[load](d, (double)memory, out);
}

void load_machine(struct machine_plan *plan, struct dice *d)
{
	plan->memory = (uint64_t)dice_scale(d, 4 * (double)GIB, 1024 * (double)GIB);
	plan->cpus = (uint32_t)dice_scale(d, 2, 257);
	plan->available = dice_between(d, 0.2, 0.9);
	plan->lost = dice_chance(d, 0.2) ? dice_scale(d, 1e-6, 1e-2) : 0;
}
