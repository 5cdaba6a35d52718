// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "state.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../core/units.h"
#include "../render/inspect.h"
#include "../render/json.h"

#define NS_PER_MS 1000000

struct event {
	uint64_t id;
	struct text *json;
};

struct state {
	struct render render; /* takes what is told */
	struct text *taken;   /* what it took last; it is held by the events */
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t news;
	struct facts facts;
	struct curve *curve;
	struct text *drivers;
	struct incident incidents[STATE_INCIDENTS];
	uint64_t nr_opened; /* incidents ever */
	struct event events[STATE_EVENTS];
	uint64_t first_event; /* of this run */
	uint64_t oldest;      /* that is there */
	uint64_t next_event;
	size_t event_bytes;
	uint64_t told_lost[PL_STATS]; /* since tracking began */
	uint64_t told_missed;
	bool awake;
};

/* ---- texts ---------------------------------------------------------------------------- */

static struct text *text_of(char *data)
{
	struct text *t = data ? malloc(sizeof(*t)) : NULL;

	if (!t)
		free(data);
	else
		*t = (struct text){.users = 1, .size = strlen(data), .data = data};
	return t;
}

struct text *text_hold(struct text *t)
{
	if (t)
		__atomic_add_fetch(&t->users, 1, __ATOMIC_RELAXED);
	return t;
}

void text_drop(struct text *t)
{
	if (!t || __atomic_sub_fetch(&t->users, 1, __ATOMIC_ACQ_REL))
		return;
	free(t->data);
	free(t);
}

/* ---- events --------------------------------------------------------------------------- */

static struct event *event_at(struct state *s, uint64_t id)
{
	return &s->events[id % STATE_EVENTS];
}

static void forget_oldest(struct state *s)
{
	struct event *e = event_at(s, s->oldest++);

	s->event_bytes -= e->json->size;
	text_drop(e->json);
	e->json = NULL;
}

/* The newest is kept, whatever its size. */
static void keep_event(struct state *s, struct text *json)
{
	while (s->oldest < s->next_event && (s->next_event - s->oldest >= STATE_EVENTS ||
					     s->event_bytes + json->size > STATE_EVENT_BYTES))
		forget_oldest(s);
	*event_at(s, s->next_event) = (struct event){s->next_event, json};
	s->next_event++;
	s->event_bytes += json->size;
	pthread_cond_broadcast(&s->news);
}

/* Written in the thread of the watch, without the lock. */
static void take(void *taker, json_t *o)
{
	struct state *s = taker;
	struct text *json = text_of(json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6)));

	pthread_mutex_lock(&s->lock);
	if (json)
		keep_event(s, json);
	else
		s->facts.events_lost++;
	s->taken = json;
	pthread_mutex_unlock(&s->lock);
}

/* ---- drivers -------------------------------------------------------------------------- */

/* The place of a driver among the facts; one that finds no place there is among the others. */
static uint32_t driver_at(struct state *s, const char *name)
{
	struct facts *f = &s->facts;
	char clean[PL_SYM];

	units_clean(name, strnlen(name, PL_SYM), clean, sizeof(clean));
	for (uint32_t i = 0; i < f->nr_drivers; i++)
		if (!strcmp(f->drivers[i].name, clean))
			return i;
	if (f->nr_drivers == STATE_DRIVERS + 1)
		return STATE_OTHER;
	f->drivers[f->nr_drivers] = (struct facts_driver){0};
	memcpy(f->drivers[f->nr_drivers].name, clean, sizeof(clean));
	return f->nr_drivers++;
}

static void clear_books(struct facts *f)
{
	for (uint32_t i = 0; i < f->nr_drivers; i++) {
		struct facts_driver *d = &f->drivers[i];

		d->tracked = false;
		d->held = d->leaked = d->bytes = 0;
	}
}

static void add_row(struct facts_driver *d, const struct roster_row *row)
{
	d->tracked = true;
	d->held += row->held;
	d->leaked += row->leaked;
	d->bytes += row->bytes;
}

/* They are told since tracking began; when it begins anew they are smaller. */
static void add_lost(uint64_t *sum, uint64_t *told, uint64_t now)
{
	*sum += now < *told ? now : now - *told;
	*told = now;
}

static void add_losses(struct state *s, const struct report_loss *l)
{
	for (size_t i = 0; i < PL_STATS; i++)
		add_lost(&s->facts.lost[i], &s->told_lost[i], l->stats[i]);
	add_lost(&s->facts.runs_missed, &s->told_missed, l->missed_runs);
}

static void on_books(void *ctx, const struct report_books *b)
{
	struct state *s = ctx;

	json_feed.books(&s->render, b);
	pthread_mutex_lock(&s->lock);
	clear_books(&s->facts);
	for (size_t i = 0; i < b->roster->nr_drivers; i++) {
		const struct roster_row *row = &b->roster->drivers[i];

		add_row(&s->facts.drivers[driver_at(s, row->site->blame.driver)], row);
	}
	add_losses(s, b->loss); /* an event is told of each order of magnitude only */
	if (s->taken) {
		text_drop(s->drivers);
		s->drivers = text_hold(s->taken);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- samples -------------------------------------------------------------------------- */

static int64_t real_ms(const struct state *s, uint64_t now_ns)
{
	return ((int64_t)now_ns + s->render.real_offset) / NS_PER_MS;
}

/* Puts a share in its place, most bytes first; what does not fit falls off. */
static void add_share(struct curve_point *p, uint32_t driver, uint64_t bytes)
{
	uint32_t at = p->nr_shares;

	while (at && p->shares[at - 1].bytes < bytes)
		at--;
	if (at == CURVE_SHARES)
		return;
	if (p->nr_shares < CURVE_SHARES)
		p->nr_shares++;
	memmove(&p->shares[at + 1], &p->shares[at], (p->nr_shares - at - 1) * sizeof(*p->shares));
	p->shares[at] = (struct curve_share){driver, bytes};
}

static void add_point(struct state *s, const struct report_sample *r)
{
	const struct sample *now = r->sample;
	int64_t pins = now->acquired - now->released;
	struct curve_point p = {.time_ms = real_ms(s, now->now_ns),
				.last = pins,
				.low = pins - now->below,
				.high = pins,
				.available = now->memory_available,
				.level = r->level};

	for (uint32_t i = 0; i < s->facts.nr_drivers; i++)
		if (s->facts.drivers[i].bytes)
			add_share(&p, i, s->facts.drivers[i].bytes);
	curve_add(s->curve, &p);
}

static void on_sample(void *ctx, const struct report_sample *r)
{
	struct state *s = ctx;
	struct facts *f = &s->facts;
	const struct sample *now = r->sample;

	json_feed.sample(&s->render, r);
	pthread_mutex_lock(&s->lock);
	f->looks++;
	f->last_ns = now->now_ns;
	f->last_ms = real_ms(s, now->now_ns);
	f->level = r->level;
	f->acquired = now->acquired;
	f->released = now->released;
	f->exact = !now->lag;
	f->memory_total = now->memory_total;
	f->memory_available = now->memory_available;
	f->cost = now->cost;
	add_point(s, r);
	pthread_mutex_unlock(&s->lock);
}

/* ---- incidents ------------------------------------------------------------------------ */

static bool is_of(const struct incident *i, const struct report_verdict *v)
{
	const struct blame *b = v->finding->driver;

	return i->id && i->kind == b->kind && i->plain == v->plain && !strcmp(i->driver, b->driver);
}

/* Its incident, or a new one, in the place of the one that nothing was heard of for longest. */
static struct incident *incident_of(struct state *s, const struct report_verdict *v)
{
	struct incident *oldest = &s->incidents[0], *i;

	for (i = s->incidents; i < s->incidents + STATE_INCIDENTS; i++) {
		if (is_of(i, v))
			return i;
		if (i->last_ns < oldest->last_ns)
			oldest = i;
	}
	incident_drop(oldest);
	*oldest = (struct incident){.id = ++s->nr_opened,
				    .kind = v->finding->driver->kind,
				    .plain = v->plain,
				    .first_ms = real_ms(s, v->now_ns)};
	memcpy(oldest->driver, v->finding->driver->driver, sizeof(oldest->driver));
	return oldest;
}

static void keep_verdict(struct state *s, const struct report_verdict *v)
{
	struct incident *i = incident_of(s, v);

	i->evidence = v->finding->evidence;
	i->severity = v->severity;
	i->at_rest = v->at_rest;
	i->pins = v->finding->pins;
	i->bytes = v->finding->bytes;
	i->last_ns = v->now_ns;
	i->last_ms = real_ms(s, v->now_ns);
	i->verdicts++;
	if (s->taken) {
		text_drop(i->verdict);
		i->verdict = text_hold(s->taken);
	}
	s->facts.nr_incidents = s->nr_opened < STATE_INCIDENTS ? s->nr_opened : STATE_INCIDENTS;
}

/* Pins and plain references of one driver are two incidents. */
static void add_up_lost(struct state *s)
{
	for (uint32_t i = 0; i < s->facts.nr_drivers; i++)
		s->facts.drivers[i].lost_bytes = 0;
	for (size_t i = 0; i < STATE_INCIDENTS && s->incidents[i].id; i++)
		s->facts.drivers[driver_at(s, s->incidents[i].driver)].lost_bytes +=
			s->incidents[i].bytes;
}

static void on_verdict(void *ctx, const struct report_verdict *v)
{
	struct state *s = ctx;
	struct facts_driver *d;

	json_feed.verdict(&s->render, v);
	pthread_mutex_lock(&s->lock);
	keep_verdict(s, v);
	d = &s->facts.drivers[driver_at(s, v->finding->driver->driver)];
	d->verdicts[v->finding->evidence]++;
	d->exhausted_s = v->exhaustion < 0 || v->at_rest
				 ? 0
				 : (double)real_ms(s, v->now_ns) / 1e3 + v->exhaustion;
	add_up_lost(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- what else there is --------------------------------------------------------------- */

static void on_suspicion(void *ctx, const struct report_suspicion *r)
{
	struct state *s = ctx;

	json_feed.suspicion(&s->render, r);
	pthread_mutex_lock(&s->lock);
	s->facts.suspicions++;
	pthread_mutex_unlock(&s->lock);
}

static void on_state(void *ctx, const struct report_state *r)
{
	struct state *s = ctx;

	json_feed.state(&s->render, r);
	pthread_mutex_lock(&s->lock);
	s->facts.level = r->to;
	s->facts.refused = r->from == r->to;
	if (r->to == LEVEL_COUNTERS)
		clear_books(&s->facts);
	pthread_mutex_unlock(&s->lock);
}

static void on_loss(void *ctx, const struct report_loss *r)
{
	struct state *s = ctx;

	json_feed.loss(&s->render, r);
	pthread_mutex_lock(&s->lock);
	add_losses(s, r);
	pthread_mutex_unlock(&s->lock);
}

/* Nothing is added up of these: they are events only. */
#define ONLY_AN_EVENT(function)                                                                    \
	static void on_##function(void *ctx, const struct report_##function *r)                    \
	{                                                                                          \
		struct state *s = ctx;                                                             \
                                                                                                   \
		json_feed.function(&s->render, r);                                                 \
	}

ONLY_AN_EVENT(held)
ONLY_AN_EVENT(summary)
ONLY_AN_EVENT(references)
ONLY_AN_EVENT(limit)

/* The oldest news goes first; what was told just now is kept, whatever its size. */
static void bound_diagnoses(struct state *s, const struct text *newest)
{
	for (;;) {
		struct incident *oldest = NULL;
		size_t size = 0;

		for (struct incident *i = s->incidents; i < s->incidents + STATE_INCIDENTS; i++) {
			if (!i->diagnosis)
				continue;
			size += i->diagnosis->size;
			if (i->diagnosis != newest && (!oldest || i->last_ns < oldest->last_ns))
				oldest = i;
		}
		if (size <= STATE_DIAGNOSES || !oldest)
			return;
		text_drop(oldest->diagnosis);
		oldest->diagnosis = NULL;
	}
}

/* It is of all incidents of the driver: pins and plain references are two. */
static void on_diagnosis(void *ctx, const struct inspect *of)
{
	struct state *s = ctx;

	json_diagnosis.diagnosis(&s->render, of);
	pthread_mutex_lock(&s->lock);
	for (struct incident *i = s->incidents; s->taken && i < s->incidents + STATE_INCIDENTS; i++)
		if (i->id && i->kind != BLAME_UNKNOWN && !strcmp(i->driver, of->asked)) {
			text_drop(i->diagnosis);
			i->diagnosis = text_hold(s->taken);
		}
	bound_diagnoses(s, s->taken);
	pthread_mutex_unlock(&s->lock);
}

const struct reporter state_reporter = {
	.sample = on_sample,
	.suspicion = on_suspicion,
	.state = on_state,
	.verdict = on_verdict,
	.held = on_held,
	.loss = on_loss,
	.summary = on_summary,
	.references = on_references,
	.limit = on_limit,
	.books = on_books,
	.diagnosis = on_diagnosis,
};

/* ---- the clock of the day -------------------------------------------------------------- */

/* What was before has the times that the clock would have told, had it always been right. */
static void shift(struct state *s, int64_t ms)
{
	s->facts.since_ms += ms;
	s->facts.last_ms += ms;
	for (size_t i = 0; i < STATE_INCIDENTS; i++) {
		s->incidents[i].first_ms += ms;
		s->incidents[i].last_ms += ms;
	}
	for (uint32_t i = 0; i < s->facts.nr_drivers; i++)
		if (s->facts.drivers[i].exhausted_s > 0)
			s->facts.drivers[i].exhausted_s += (double)ms / 1e3;
	curve_shift(s->curve, ms);
}

void state_set_clock(struct state *s, int64_t real_offset, int64_t step)
{
	pthread_mutex_lock(&s->lock);
	s->render.real_offset = real_offset;
	shift(s, step / NS_PER_MS);
	pthread_mutex_unlock(&s->lock);
}

const struct render *state_teller(const struct state *s)
{
	return &s->render;
}

/* ---- the readers ---------------------------------------------------------------------- */

void state_facts(struct state *s, struct facts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->facts;
	pthread_mutex_unlock(&s->lock);
}

void state_render(struct state *s, struct render *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->render;
	pthread_mutex_unlock(&s->lock);
}

struct text *state_drivers(struct state *s)
{
	struct text *t;

	pthread_mutex_lock(&s->lock);
	t = text_hold(s->drivers);
	pthread_mutex_unlock(&s->lock);
	return t;
}

static struct incident hold(const struct incident *i)
{
	text_hold(i->verdict);
	text_hold(i->diagnosis);
	return *i;
}

void incident_drop(struct incident *i)
{
	text_drop(i->verdict);
	text_drop(i->diagnosis);
	i->verdict = i->diagnosis = NULL;
}

static int by_id(const void *a, const void *b)
{
	const struct incident *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

size_t state_incidents(struct state *s, struct incident *out)
{
	size_t nr;

	pthread_mutex_lock(&s->lock);
	for (nr = 0; nr < STATE_INCIDENTS && s->incidents[nr].id; nr++) {
		out[nr] = hold(&s->incidents[nr]);
	}
	pthread_mutex_unlock(&s->lock);
	qsort(out, nr, sizeof(*out), by_id);
	return nr;
}

bool state_incident(struct state *s, uint64_t id, struct incident *out)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; id && i < STATE_INCIDENTS && !found; i++) {
		found = s->incidents[i].id == id;
		if (found)
			*out = hold(&s->incidents[i]);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

int state_points(struct state *s, int64_t since_ms, struct curve_point **out, size_t *nr,
		 uint32_t *step_s)
{
	struct curve_point *points = malloc(CURVE_MOST * sizeof(*points));
	struct curve_range range;

	if (!points)
		return -ENOMEM;
	pthread_mutex_lock(&s->lock);
	range = curve_since(s->curve, since_ms);
	for (size_t i = 0; i < range.nr; i++)
		points[i] = *curve_at(s->curve, &range, i);
	pthread_mutex_unlock(&s->lock);
	*out = points;
	*nr = range.nr;
	*step_s = range.step_s;
	return 0;
}

uint64_t state_last_event(struct state *s)
{
	uint64_t id;

	pthread_mutex_lock(&s->lock);
	id = s->next_event - 1;
	pthread_mutex_unlock(&s->lock);
	return id;
}

struct text *state_next_event(struct state *s, uint64_t *id, uint64_t *missed)
{
	struct text *json = NULL;
	uint64_t next = *id + 1;

	*missed = 0;
	pthread_mutex_lock(&s->lock);
	if (next < s->first_event || next > s->next_event) {
		*missed = STATE_UNKNOWN;
		next = s->oldest;
	} else if (next < s->oldest) {
		*missed = s->oldest - next;
		next = s->oldest;
	}
	if (next < s->next_event) {
		json = text_hold(event_at(s, next)->json);
		*id = next;
	}
	pthread_mutex_unlock(&s->lock);
	return json;
}

void state_wait(struct state *s, uint64_t id, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
	if (until.tv_nsec >= 1000 * NS_PER_MS) {
		until.tv_nsec -= 1000 * NS_PER_MS;
		until.tv_sec++;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->awake && s->next_event <= id + 1 &&
	       !pthread_cond_timedwait(&s->news, &s->lock, &until))
		;
	pthread_mutex_unlock(&s->lock);
}

void state_wake(struct state *s)
{
	pthread_mutex_lock(&s->lock);
	s->awake = true;
	pthread_cond_broadcast(&s->news);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the beginning and the end -------------------------------------------------------- */

static void init_locks(struct state *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &attr);
	pthread_condattr_destroy(&attr);
}

static void init_facts(struct state *s, uint64_t interval_ns)
{
	struct timespec now;
	struct facts *f = &s->facts;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
	f->since_ms = real_ms(s, now_ns);
	f->interval_ns = interval_ns;
	memcpy(f->host, s->render.host, sizeof(f->host));
	memcpy(f->kernel, s->render.kernel, sizeof(f->kernel));
	driver_at(s, "other"); /* STATE_OTHER */
	/* A microsecond an event: no run has the numbers of the one before. */
	s->first_event = s->oldest = s->next_event =
		(now_ns + (uint64_t)s->render.real_offset) / 1000;
}

struct state *state_create(const struct render *render, uint64_t interval_ns)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->curve = curve_create();
	if (!s->curve) {
		free(s);
		return NULL;
	}
	s->render = *render;
	s->render.take = take;
	s->render.taker = s;
	init_locks(s);
	init_facts(s, interval_ns);
	return s;
}

void state_destroy(struct state *s)
{
	if (!s)
		return;
	while (s->oldest < s->next_event)
		forget_oldest(s);
	for (size_t i = 0; i < STATE_INCIDENTS; i++)
		incident_drop(&s->incidents[i]);
	text_drop(s->drivers);
	curve_destroy(s->curve);
	pthread_cond_destroy(&s->news);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
