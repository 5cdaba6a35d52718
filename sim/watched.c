// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "watched.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "../core/conductor.h"
#include "simulator.h"

#define PROOF_S	   45	/* that the monitor must be left, from when a leak can be proved */
#define AFTERWARDS 3600 /* seconds that a leak is watched at least after it was found */

struct watcher {
	struct machine *m;
	const struct watch_plan *plan;
	struct outcome *out;
	struct truth truth;
};

static double since(const struct watcher *w, uint64_t then_ns)
{
	return ((double)w->m->now_ns - (double)then_ns) / 1e9;
}

static double lost_share(const struct watcher *w)
{
	return (double)w->truth.leaked / (double)w->m->plan.memory;
}

static bool has_begun(const struct watcher *w)
{
	return w->truth.driver && w->truth.leaked;
}

__attribute__((format(printf, 2, 3))) static void say(const struct watcher *w, const char *format,
						      ...)
{
	va_list args;

	if (!w->plan->verbose)
		return;
	printf("%12.0f s  ", since(w, MACHINE_START));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* ---- what the monitor says ------------------------------------------------------------ */

/* A leak that begins while others are tracked needs no suspicion of its own. */
static void note_suspected(struct watcher *w)
{
	if (has_begun(w) && w->out->suspected < 0)
		w->out->suspected = since(w, w->truth.since_ns);
}

static void on_sample(void *ctx, const struct report_sample *r)
{
	struct watcher *w = ctx;

	if (r->level == LEVEL_COUNTERS)
		return;
	note_suspected(w);
	w->out->tracked += MACHINE_STEP / 1e9;
	w->out->deep += r->level == LEVEL_DEEP ? MACHINE_STEP / 1e9 : 0;
}

static void on_suspicion(void *ctx, const struct report_suspicion *r)
{
	struct watcher *w = ctx;

	w->out->suspicions++;
	say(w, "suspicion: %lld pins in %.0f s", (long long)r->pins, r->span_s);
	note_suspected(w);
}

static void on_state(void *ctx, const struct report_state *r)
{
	say(ctx, "%s: %s", level_name(r->to), r->reason);
}

/* The verdict's 90 % intervals. */
static void take_intervals(const struct report_verdict *r, struct foretold *f)
{
	f->rate_low = r->rate_low;
	f->rate_high = r->rate_high;
	f->gone_low = r->exhaustion_low;
	f->gone_high =
		r->exhaustion_low >= 0 && r->exhaustion_high < 0 ? INFINITY : r->exhaustion_high;
}

static void note_forecast(struct watcher *w, const struct report_verdict *r)
{
	struct outcome *out = w->out;
	struct foretold *f;

	if (r->rate < 0 || w->truth.bytes_s <= 0 || out->nr_forecasts == FORECASTS_MAX)
		return;
	f = &out->forecast[out->nr_forecasts++];
	*f = (struct foretold){
		.seconds = since(w, w->truth.since_ns),
		.rate = r->rate,
		.gone = r->exhaustion,
		.true_rate = w->truth.bytes_s,
		.true_gone = w->truth.gone_s,
	};
	take_intervals(r, f);
}

static void on_accusation(struct watcher *w, const struct report_verdict *r, int site)
{
	struct outcome *out = w->out;
	bool right = !site && has_begun(w);

	out->verdicts += !r->update;
	if (!right) {
		if (r->update)
			return;
		if (out->false_accusations < ACCUSED_MAX) {
			out->accused[out->false_accusations] = (uint8_t)site;
			out->accused_at[out->false_accusations] = since(w, MACHINE_START);
		}
		out->false_accusations++;
		return;
	}
	note_forecast(w, r);
	if (out->found >= 0)
		return;
	out->found = since(w, w->truth.since_ns);
	out->lost_then = lost_share(w);
}

static void on_verdict(void *ctx, const struct report_verdict *r)
{
	struct watcher *w = ctx;
	const struct finding *f = r->finding;

	say(w, "%s: %s leaks, %s, %llu pins, %.3g bytes a second, for %.3g s",
	    r->update ? "update" : "VERDICT", f->driver->driver, evidence_name(f->evidence),
	    (unsigned long long)f->pins, r->rate, r->exhaustion);
	on_accusation(w, r, machine_driver(w->m, f->driver->driver));
}

static void on_held(void *ctx, const struct report_held *r)
{
	struct watcher *w = ctx;
	const char *driver = r->holding->site ? r->holding->site->blame.driver : "unknown";

	say(w, "held: %s, %lld pins more", driver, (long long)r->rise);
	w->out->held++;
	if (has_begun(w) && !machine_driver(w->m, driver) && w->out->held_at < 0)
		w->out->held_at = since(w, w->truth.since_ns);
}

static void on_loss(void *ctx, const struct report_loss *r)
{
	say(ctx, "lost: %lld unseen", (long long)r->balance->unseen);
}

static void on_summary(void *ctx, const struct report_summary *r)
{
	say(ctx, "end: %u suspicions, %u drivers accused", r->suspicions, r->nr_leaks);
}

static void on_references(void *ctx, const struct report_references *r)
{
	say(ctx, "references: %s", r->reason);
}

static void on_limit(void *ctx, const struct report_limit *r)
{
	(void)r;
	say(ctx, "limit");
}

static const struct reporter listener = {on_sample,  on_suspicion,  on_state,
					 on_verdict, on_held,	    on_loss,
					 on_summary, on_references, on_limit};

/* ---- a run ---------------------------------------------------------------------------- */

static bool is_over(const struct watcher *w)
{
	double now = since(w, MACHINE_START), leaks = since(w, w->truth.since_ns);

	if (now >= w->plan->seconds)
		return true;
	if (!has_begun(w) || w->plan->lost_most <= 0)
		return false;
	if (w->truth.bytes_s > 0 && w->truth.gone_s <= 0)
		return true;
	if (w->out->found >= 0 && leaks > 2 * w->out->found + AFTERWARDS)
		return true;
	return lost_share(w) >= w->plan->lost_most && leaks >= w->plan->at_least;
}

int watched_run(struct machine *m, const struct watch_plan *plan, struct outcome *out)
{
	struct watcher w = {.m = m, .plan = plan, .out = out};
	struct conductor c = {.source = &simulator_source, .ctx = m};
	int err = 0;

	*out = (struct outcome){.suspected = -1, .found = -1, .held_at = -1};
	c.monitor = monitor_create(&plan->config, &listener, &w);
	if (!c.monitor)
		return -ENOMEM;
	while (!err) {
		machine_pass(m);
		machine_truth(m, &w.truth);
		if (is_over(&w))
			break;
		err = conductor_step(&c);
	}
	monitor_finish(c.monitor, m->now_ns);
	monitor_destroy(c.monitor);
	out->seconds = since(&w, MACHINE_START);
	out->lost = lost_share(&w);
	out->provable =
		out->found >= 0 || (w.truth.proof_ns && since(&w, w.truth.proof_ns) >= PROOF_S);
	out->done = !err;
	return err;
}
