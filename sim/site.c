// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "site.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NS     1e9
#define DAY    86400.0
#define TIDE_S 60 /* what depends on the time of day is reckoned anew */

static uint64_t after(uint64_t now_ns, double seconds)
{
	return now_ns + (uint64_t)(seconds * NS) + 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void plan_next(struct site *s)
{
	s->release_ns = SITE_NEVER;
	for (uint32_t i = 0; i < s->nr_regions; i++)
		s->release_ns = least(s->release_ns, s->regions[i].release_ns);
	s->next_ns = least(least(s->session_ns, s->phase_ns),
			   least(least(s->arrival_ns, s->release_ns), s->tide_ns));
}

/* ---- regions -------------------------------------------------------------------------- */

static void drop_region(struct site *s, uint32_t at)
{
	s->holders[s->regions[at].holder].regions--;
	s->regions[at] = s->regions[--s->nr_regions];
}

static void merge(struct site *s, uint32_t into, uint32_t from)
{
	s->regions[into].pins += s->regions[from].pins;
	s->regions[into].call = 0;
	drop_region(s, from);
}

/*
 * Leaked pins stay for ever, and room does not: those of one process become one region, or those
 * of two that are gone. False: nothing can be put together.
 */
static bool make_room(struct site *s)
{
	uint32_t first[SITE_HOLDERS], gone = SITE_REGIONS;

	memset(first, 0xff, sizeof(first));
	for (uint32_t i = 0; i < s->nr_regions; i++) {
		uint32_t h = s->regions[i].holder;

		if (!s->regions[i].leaked)
			continue;
		if (first[h] != UINT32_MAX) {
			merge(s, first[h], i);
			return true;
		}
		first[h] = i;
	}
	for (uint32_t i = 0; i < s->nr_regions; i++) {
		if (!s->regions[i].leaked || !s->holders[s->regions[i].holder].end_ns)
			continue;
		if (gone < SITE_REGIONS) {
			merge(s, gone, i);
			return true;
		}
		gone = i;
	}
	return false;
}

static struct region *add_region(struct site *s, uint32_t holder, uint64_t now_ns, int64_t pins)
{
	struct region *r;

	if (s->nr_regions == SITE_REGIONS && !make_room(s))
		return NULL;
	r = &s->regions[s->nr_regions++];
	*r = (struct region){.serial = s->serial++,
			     .born_ns = now_ns,
			     .release_ns = SITE_NEVER,
			     .pins = (uint32_t)pins,
			     .holder = (uint8_t)holder};
	s->holders[holder].regions++;
	return r;
}

static void release_due(struct site *s, uint64_t now_ns)
{
	for (uint32_t i = s->nr_regions; i-- > 0;)
		if (s->regions[i].release_ns <= now_ns) {
			s->held -= s->regions[i].pins;
			drop_region(s, i);
		}
}

static void arrive(struct site *s)
{
	const struct habit *h = &s->habit;
	uint64_t at = s->arrival_ns;
	int64_t pins = (int64_t)dice_scale(&s->dice, h->smallest, h->largest);
	struct region *r = s->alive ? add_region(s, s->current, at, pins) : NULL;

	if (r) {
		s->held += pins;
		r->release_ns = after(at, dice_exponential(&s->dice, h->life));
	}
	s->arrival_ns = after(at, dice_exponential(&s->dice, h->life / h->regions));
}

/* ---- processes ------------------------------------------------------------------------ */

static bool take_place(struct site *s, uint32_t *place)
{
	do {
		for (uint32_t i = 0; i < SITE_HOLDERS; i++)
			if (i != s->current && !s->holders[i].regions) {
				*place = i;
				return true;
			}
	} while (make_room(s));
	return false;
}

static void begin_session(struct site *s, uint64_t now_ns)
{
	uint32_t place;

	if (!take_place(s, &place)) { /* too many linger: it begins later */
		s->session_ns = after(now_ns, 1);
		return;
	}
	s->current = place;
	s->holders[place] = (struct holder){.id = s->serial++, .born_ns = now_ns};
	s->alive = true;
	s->busy = s->habit.flight > 0 || s->habit.depth || s->habit.crowd > 0;
	s->phase_ns = SITE_NEVER;
	if (s->habit.idle > 0)
		s->phase_ns = after(now_ns, dice_exponential(&s->dice, s->habit.busy));
	s->session_ns = SITE_NEVER;
	if (s->habit.session > 0)
		s->session_ns = after(now_ns, dice_exponential(&s->dice, s->habit.session));
}

static double delay_of(struct site *s)
{
	const struct habit *h = &s->habit;

	if (h->heavy)
		return dice_heavy(&s->dice, h->delay, h->delay_max);
	return dice_scale(&s->dice, h->delay, h->delay_max);
}

/* One more of a crowd: it pins, ends, and what it held goes some time after. */
static void come_and_go(struct site *s, uint64_t now_ns)
{
	const struct habit *h = &s->habit;
	int64_t pins = (int64_t)dice_scale(&s->dice, h->smallest, h->largest);
	uint64_t end_ns = after(now_ns, dice_exponential(&s->dice, h->life));
	struct region *r;
	uint32_t place;

	if (!take_place(s, &place))
		return; /* too many linger */
	s->holders[place] = (struct holder){.id = s->serial++, .born_ns = now_ns, .end_ns = end_ns};
	r = add_region(s, place, now_ns, pins);
	if (!r)
		return;
	s->held += pins;
	r->release_ns = after(end_ns, delay_of(s));
}

/* From before tracking, when born_ns is 0. */
static void let_linger(struct site *s, uint64_t now_ns, uint64_t born_ns, int64_t pins)
{
	struct region *r = pins ? add_region(s, s->current, born_ns, pins) : NULL;

	if (!r)
		return;
	s->held += pins;
	r->release_ns = after(now_ns, delay_of(s));
}

/* All that the process held goes, but not at once. */
static void end_session(struct site *s, uint64_t now_ns)
{
	for (uint32_t i = 0; i < s->nr_regions; i++) {
		struct region *r = &s->regions[i];

		if (r->holder == s->current && !r->leaked)
			r->release_ns = least(r->release_ns, after(now_ns, delay_of(s)));
	}
	let_linger(s, now_ns, 0, s->grown_before);
	let_linger(s, now_ns, now_ns, s->inflight + s->grown - s->grown_before);
	s->inflight = s->grown = s->grown_before = 0;
	s->holders[s->current].end_ns = now_ns;
	if (s->leaked && !s->proof_ns)
		s->proof_ns = now_ns;
	s->alive = s->busy = false;
	s->phase_ns = SITE_NEVER;
	s->session_ns = after(now_ns, dice_exponential(&s->dice, s->habit.gap));
}

static void crowd_in(struct site *s)
{
	if (s->busy)
		come_and_go(s, s->arrival_ns);
	s->arrival_ns = after(s->arrival_ns, dice_exponential(&s->dice, 1 / s->habit.crowd));
}

static void change_phase(struct site *s, uint64_t now_ns)
{
	const struct habit *h = &s->habit;

	s->busy = !s->busy;
	s->inflight = 0;
	s->phase_ns = after(now_ns, dice_exponential(&s->dice, s->busy ? h->busy : h->idle));
}

/* ---- what depends on the hour, or on how much there is --------------------------------- */

static double hour_factor(const struct site *s, uint64_t now_ns)
{
	return 1 + s->habit.swing * sin(2 * M_PI * (double)now_ns / NS / DAY);
}

static void grow_on(struct site *s)
{
	const struct habit *h = &s->habit;
	double left = h->top - (double)s->grown, grains = h->top / h->grow / h->grain;

	if (h->growth == GROWTH_PLATEAU)
		grains = left > 0 ? left / h->grow / h->grain : 0;
	if (h->growth == GROWTH_TEETH && left <= 0)
		s->grown = s->grown_before = 0;
	s->grains = poisson_of(grains);
}

static void turn_tide(struct site *s, uint64_t now_ns)
{
	const struct habit *h = &s->habit;
	double wait = TIDE_S;

	if (h->growth != GROWTH_NONE) {
		grow_on(s);
		if (s->grains.mean > 0)
			wait = fmin(wait, fmax(1, h->grow / 50));
	}
	if (h->swing > 0)
		s->calls = poisson_of(h->flight * hour_factor(s, now_ns));
	s->tide_ns = after(now_ns, wait);
}

void site_live(struct site *s, uint64_t now_ns)
{
	while (s->next_ns <= now_ns) {
		uint64_t at = s->next_ns;

		if (s->release_ns <= at)
			release_due(s, at);
		else if (s->arrival_ns <= at && s->habit.crowd > 0)
			crowd_in(s);
		else if (s->arrival_ns <= at)
			arrive(s);
		else if (s->phase_ns <= at)
			change_phase(s, at);
		else if (s->session_ns <= at && s->alive)
			end_session(s, at);
		else if (s->session_ns <= at)
			begin_session(s, at);
		else
			turn_tide(s, at);
		plan_next(s);
	}
}

/* ---- leaks ---------------------------------------------------------------------------- */

int64_t site_leaks(struct site *s, uint64_t now_ns)
{
	const struct leak *l = &s->leak;
	int64_t calls;

	if (now_ns < s->leak_due)
		return 0;
	if (l->kind == LEAK_ONCE) {
		s->leak_due = SITE_NEVER;
		return l->each;
	}
	if (l->kind != LEAK_STEADY)
		return l->each * poisson_draw(&s->dice, &s->failures);
	s->leak_rest += l->pins_s / l->each;
	calls = (int64_t)s->leak_rest;
	s->leak_rest -= (double)calls;
	return calls * l->each;
}

void site_forget(struct site *s, uint64_t now_ns, int64_t pins)
{
	struct region *r;

	s->leaked += pins;
	if (s->leak.kind == LEAK_ERROR && !s->proof_ns)
		s->proof_ns = now_ns;
	if (!s->tracked)
		return;
	r = add_region(s, s->current, now_ns, pins);
	if (!r)
		return;
	r->leaked = true;
	r->bad = s->leak.kind == LEAK_ERROR;
	if (r->bad)
		r->call = (s->path.key << 32) + (r->serial << 16);
}

void site_track(struct site *s, bool on)
{
	s->tracked = on;
	s->grown_before = on ? s->grown : 0;
	for (uint32_t i = s->nr_regions; i-- > 0;)
		if (s->regions[i].leaked)
			drop_region(s, i);
}

/* ---- a site --------------------------------------------------------------------------- */

static void name_path(struct site *s, const char *driver, uint32_t number)
{
	struct snap_site *p = &s->path;
	bool module = s->habit.identity != ID_RING && s->habit.identity != ID_SOCKET;

	p->key = 0x5170000 + number;
	p->blame.kind = module ? BLAME_MODULE : BLAME_BUILTIN;
	p->blame.direct = module;
	snprintf(p->blame.driver, sizeof(p->blame.driver), "%s", driver);
	p->site.nr = 2;
	snprintf(p->site.sym[0], sizeof(p->site.sym[0]), "pin_user_pages_fast+0x10/0x40");
	snprintf(p->site.sym[1], sizeof(p->site.sym[1]), "%.30s_submit+0x10/0x40", driver);
}

void site_init(struct site *s, const struct habit *h, const struct leak *l, const char *driver,
	       uint64_t seed, uint32_t number, uint64_t now_ns)
{
	double calls_s = l->each ? l->pins_s / l->each : 0;

	*s = (struct site){.habit = *h, .leak = *l, .serial = 16};
	dice_seed(&s->dice, seed, number);
	name_path(s, driver, number);
	s->calls = poisson_of(h->flight);
	s->sinking = poisson_of(h->sunk_s);
	s->failures = poisson_of(calls_s);
	s->flow = h->calls_s * h->each;
	s->leak_due = after(now_ns, l->start_s);
	s->current = SITE_HOLDERS - 1;
	s->arrival_ns = h->regions > 0 || h->crowd > 0 ? after(now_ns, 0) : SITE_NEVER;
	s->tide_ns = h->growth || h->swing > 0 ? after(now_ns, 0) : SITE_NEVER;
	s->phase_ns = s->session_ns = SITE_NEVER;
	begin_session(s, now_ns);
	plan_next(s);
}
