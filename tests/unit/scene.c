// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scene.h"

#include <stdio.h>

/* ---- the reporter that records -------------------------------------------------------- */

static void on_sample(void *ctx, const struct report_sample *r)
{
	struct record *rec = ctx;

	rec->samples++;
	rec->level = r->level;
}

static void on_suspicion(void *ctx, const struct report_suspicion *r)
{
	struct record *rec = ctx;

	rec->suspicions++;
	rec->suspicion = *r;
}

static void on_state(void *ctx, const struct report_state *r)
{
	struct record *rec = ctx;

	rec->states++;
	rec->state = *r;
	snprintf(rec->reason, sizeof(rec->reason), "%s", r->reason);
}

static void on_verdict(void *ctx, const struct report_verdict *r)
{
	struct record *rec = ctx;

	rec->verdicts++;
	rec->verdict = *r;
	rec->finding = *r->finding;
}

static void on_held(void *ctx, const struct report_held *r)
{
	struct record *rec = ctx;

	rec->helds++;
	rec->held_rise = r->rise;
	rec->held_owner = r->holding->owner;
}

static void on_loss(void *ctx, const struct report_loss *r)
{
	struct record *rec = ctx;

	rec->losses++;
	rec->loss = *r;
}

static void on_summary(void *ctx, const struct report_summary *r)
{
	struct record *rec = ctx;

	rec->summaries++;
	rec->summary = *r;
	rec->summary_has_loss = r->loss;
	rec->summary_has_ledger = r->ledger;
	for (uint32_t i = 0; i < r->nr_leaks && i < NR(rec->leaks); i++) {
		rec->leaks[i] = r->leaks[i];
		snprintf(rec->leak_names[i], PL_SYM, "%s", r->leaks[i].driver);
	}
}

static void on_references(void *ctx, const struct report_references *r)
{
	struct record *rec = ctx;

	rec->references++;
	rec->last_references = *r;
}

static void on_limit(void *ctx, const struct report_limit *r)
{
	struct record *rec = ctx;

	rec->limits++;
	rec->limit = *r->limit;
}

static const struct reporter recorder = {on_sample,  on_suspicion,  on_state,
					 on_verdict, on_held,	    on_loss,
					 on_summary, on_references, on_limit};

/* ---- the scene ------------------------------------------------------------------------ */

int scene_setup(void **state)
{
	static struct scene s;

	s = (struct scene){
		.b = books_create(),
		.config = {.track = TRACK_AUTO,
			   .lowest = LEVEL_LIGHT,
			   .grace_ns = BOOKS_GRACE,
			   .settle_ns = SEC(20),
			   .detect = detect_defaults},
		.sample = {.now_ns = BOOKS_NOW,
			   .memory_total = 64 * GIB,
			   .memory_available = 32 * GIB},
	};
	s.site = books_site(s.b, BLAME_MODULE, "leaky");
	s.owner = books_owner(s.b, s.site);
	owner_closed(s.b, s.owner, SEC(100));
	owner_died(s.b, s.owner, SEC(100));
	*state = &s;
	return 0;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;

	monitor_destroy(s->m);
	books_destroy(s->b);
	return 0;
}

void begin(struct scene *s)
{
	s->m = monitor_create(&s->config, &recorder, &s->r);
	assert_non_null(s->m);
}

void step(struct scene *s)
{
	bool books = s->level != LEVEL_COUNTERS;

	s->sample.now_ns += SEC(1);
	s->b->s.now_ns = s->sample.now_ns;
	assert_int_equal(monitor_step(s->m, &s->sample, books ? &s->b->s : NULL,
				      books ? &s->balance : NULL),
			 0);
}

void obey(struct scene *s)
{
	enum level to = monitor_wanted(s->m);

	if (to == s->level)
		return;
	monitor_level_is(s->m, &s->sample, to, monitor_reason(s->m));
	s->level = to;
}

void run(struct scene *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		step(s);
		obey(s);
	}
}

void fail_level(struct scene *s, enum level level)
{
	monitor_level_failed(s->m, s->sample.now_ns, level, "locked down");
}

void begin_tracking(struct scene *s)
{
	s->config.track = TRACK_ALWAYS;
	begin(s);
	run(s, 1);
	assert_int_equal(s->level, s->config.lowest);
}

void raise_suspicion(struct scene *s)
{
	uint32_t before = s->r.suspicions;

	for (int i = 0; i < 30 && s->r.suspicions == before; i++) {
		s->sample.acquired += 100;
		step(s);
	}
	assert_int_equal(s->r.suspicions, before + 1);
}

struct pl_page *pin(struct scene *s, const struct snap_owner *o, uint32_t pins)
{
	struct pl_page *p = books_pin(s->b, o, pins);

	p->first_ns = s->sample.now_ns + 1;
	s->sample.acquired += pins;
	return p;
}

void finish(struct scene *s)
{
	monitor_finish(s->m, s->sample.now_ns);
	assert_int_equal(s->r.summaries, 1);
}

void go_deep(struct scene *s, int64_t unseen)
{
	begin_tracking(s);
	s->balance.unseen = s->balance.unseen_calls = unseen;
	run(s, 3);
	assert_int_equal(s->level, LEVEL_DEEP);
	s->balance.unseen = 0;
}
