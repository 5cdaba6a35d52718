// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "board.h"

#include <string.h>

#include "../core/units.h"

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)

/* ---- points --------------------------------------------------------------------------- */

/* The oldest goes when there is no room. */
static void push(struct board_point *points, size_t *nr, size_t room, uint64_t now_ns,
		 int64_t value)
{
	if (*nr == room)
		memmove(points, points + 1, --*nr * sizeof(*points));
	points[(*nr)++] = (struct board_point){now_ns, value};
}

/* One point a second is enough: the last of it is the newest of all. */
static void push_trend(struct board_driver *d, uint64_t now_ns)
{
	int64_t bytes = (int64_t)board_bytes(d);
	struct board_point *end = d->trend + d->nr_trend;

	if (d->nr_trend > 1 && end[-1].now_ns < end[-2].now_ns + SECOND)
		end[-1] = (struct board_point){now_ns, bytes};
	else
		push(d->trend, &d->nr_trend, BOARD_TREND, now_ns, bytes);
}

uint64_t board_bytes(const struct board_driver *d)
{
	return d->bytes + d->bytes_referred;
}

bool board_rate(const struct board_driver *d, double *out)
{
	const struct board_point *last;
	size_t first = 0;

	if (d->nr_trend < 2)
		return false;
	last = &d->trend[d->nr_trend - 1];
	while (first + 2 < d->nr_trend && d->trend[first].now_ns + MINUTE < last->now_ns)
		first++;
	*out = (double)(last->value - d->trend[first].value) * (double)SECOND /
	       (double)(last->now_ns - d->trend[first].now_ns);
	return last->now_ns > d->trend[first].now_ns;
}

double board_age(const struct board *b, const struct board_driver *d)
{
	return (double)(b->now_ns - d->since_ns) / (double)SECOND;
}

/* ---- rows ----------------------------------------------------------------------------- */

static struct board_driver *driver_of(struct board *b, const struct blame *blame)
{
	struct board_driver *d;
	char name[BOARD_NAME];

	units_clean(blame->driver, sizeof(blame->driver), name, sizeof(name));
	for (d = b->drivers; d < b->drivers + b->nr_drivers; d++)
		if (d->kind == blame->kind && !strcmp(d->name, name))
			return d;
	if (b->nr_drivers == BOARD_DRIVERS) {
		b->cut++;
		return NULL;
	}
	b->nr_drivers++;
	*d = (struct board_driver){.kind = blame->kind,
				   .guess = blame->guess,
				   .since_ns = b->now_ns};
	memcpy(d->name, name, sizeof(name));
	return d;
}

static void take_driver(struct board *b, const struct roster_row *row)
{
	struct board_driver *d = driver_of(b, &row->site->blame);

	b->held += row->held;
	b->leaked += row->leaked;
	if (!d)
		return;
	d->seen = true;
	d->held = row->held;
	d->leaked = row->leaked;
	d->bytes = row->bytes;
}

static void take_path(struct board *b, const struct roster_row *row)
{
	const struct blame *blame = &row->site->blame;
	struct board_path *p = &b->paths[b->nr_paths];

	if (b->nr_paths == BOARD_PATHS) {
		b->cut++;
		return;
	}
	b->nr_paths++;
	p->kind = blame->kind;
	p->key = row->site->key;
	p->held = row->held;
	p->leaked = row->leaked;
	p->bytes = row->bytes;
	p->site = row->site->site;
	units_clean(blame->driver, sizeof(blame->driver), p->driver, sizeof(p->driver));
}

static struct board_process *process_of(struct board *b, const struct snap_owner *o,
					const struct blame *blame)
{
	struct board_process *p;
	char driver[BOARD_NAME];

	units_clean(blame ? blame->driver : "unknown", sizeof(blame->driver), driver,
		    sizeof(driver));
	for (p = b->processes; p < b->processes + b->nr_processes; p++)
		if (p->pid == o->owner.tgid && p->start_ns == o->owner.start_ns &&
		    !strcmp(p->driver, driver))
			return p;
	if (b->nr_processes == BOARD_PROCESSES) {
		b->cut++;
		return NULL;
	}
	b->nr_processes++;
	*p = (struct board_process){.pid = o->owner.tgid,
				    .start_ns = o->owner.start_ns,
				    .gone = o->dead_ns != 0};
	memcpy(p->driver, driver, sizeof(driver));
	units_clean(o->owner.comm, sizeof(o->owner.comm), p->comm, sizeof(p->comm));
	return p;
}

static void take_processes(struct board *b, const struct ledger *l)
{
	struct board_process *p;

	for (size_t i = 0; i < l->nr_holdings; i++) {
		const struct holding *h = &l->holdings[i];

		p = process_of(b, h->owner, h->site ? &h->site->blame : NULL);
		if (!p)
			continue;
		p->pins += h->pins;
		p->bytes += h->bytes;
	}
	for (size_t i = 0; i < l->nr_findings; i++)
		for (size_t k = 0; k < l->findings[i].nr_owners; k++) {
			p = process_of(b, l->findings[i].owners[k], l->findings[i].driver);
			if (p)
				p->left = true;
		}
}

/* Drivers that have nothing any more go, but for those that were accused. */
static void sweep(struct board *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->nr_drivers; i++) {
		struct board_driver *d = &b->drivers[i];

		if (!d->seen)
			d->held = d->leaked = d->bytes = 0;
		if (!d->seen && !d->evidence)
			continue;
		if (!board_bytes(d))
			d->since_ns = b->now_ns;
		push_trend(d, b->now_ns);
		if (kept != i)
			b->drivers[kept] = *d;
		kept++;
	}
	b->nr_drivers = kept;
}

static void forget(struct board *b)
{
	for (size_t i = 0; i < b->nr_drivers; i++)
		b->drivers[i].seen = false;
	b->nr_paths = b->nr_processes = 0;
	b->cut = b->held = b->leaked = 0;
}

/* ---- reports -------------------------------------------------------------------------- */

static void on_sample(void *ctx, const struct report_sample *r)
{
	struct board *b = ctx;

	b->looked = true;
	b->now_ns = r->sample->now_ns;
	b->level = r->level;
	b->outstanding = r->sample->acquired - r->sample->released;
	b->memory_total = r->sample->memory_total;
	push(b->looks, &b->nr_looks, BOARD_LOOKS, b->now_ns, b->outstanding);
}

static void on_state(void *ctx, const struct report_state *r)
{
	struct board *b = ctx;

	b->level = r->to;
	b->refused = r->from == r->to;
	units_clean(r->reason, strlen(r->reason), b->note, sizeof(b->note));
	if (r->to != LEVEL_COUNTERS)
		return;
	b->booked = false;
	forget(b);
	sweep(b);
}

static void take_losses(struct board *b, const struct report_loss *l)
{
	static const enum pl_stat pins[] = {PL_LOST_PAGES, PL_UNCHOSEN, PL_LOST_BUSY,
					    PL_SLOTS_FULL};
	static const enum pl_stat others[] = {
		PL_LOST_STACK, PL_LOST_SITES,	PL_LOST_OWNERS, PL_LOST_FILES,	PL_LOST_CALLS,
		PL_LOST_TREE,  PL_REL_UNTRACED, PL_CONTENDED,	PL_LOST_WRONGS, PL_TRUNC_STACK,
	};

	b->lossy = loss_any(l);
	b->lost_pins = l->balance->unseen > 0 ? (uint64_t)l->balance->unseen : 0;
	b->lost_else = l->missed_runs;
	for (size_t i = 0; i < sizeof(pins) / sizeof(*pins); i++)
		b->lost_pins += l->stats[pins[i]];
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		b->lost_else += l->stats[others[i]];
}

static void on_books(void *ctx, const struct report_books *r)
{
	struct board *b = ctx;

	b->booked = true;
	b->level = r->level;
	forget(b);
	for (size_t i = 0; i < r->roster->nr_drivers; i++)
		take_driver(b, &r->roster->drivers[i]);
	for (size_t i = 0; i < r->roster->nr_sites; i++)
		take_path(b, &r->roster->sites[i]);
	take_processes(b, r->ledger);
	take_losses(b, r->loss);
	sweep(b);
}

static void on_verdict(void *ctx, const struct report_verdict *r)
{
	struct board *b = ctx;
	struct board_driver *d = driver_of(b, r->finding->driver);

	if (!d)
		return;
	d->evidence = r->finding->evidence;
	if (!r->plain)
		return;
	d->references = r->finding->pins;
	d->bytes_referred = r->finding->bytes;
}

static void on_suspicion(void *ctx, const struct report_suspicion *r)
{
	(void)ctx, (void)r;
}

static void on_held(void *ctx, const struct report_held *r)
{
	(void)ctx, (void)r;
}

static void on_loss(void *ctx, const struct report_loss *r)
{
	take_losses(ctx, r);
}

static void on_summary(void *ctx, const struct report_summary *r)
{
	(void)ctx, (void)r;
}

static void on_references(void *ctx, const struct report_references *r)
{
	(void)ctx, (void)r;
}

static void on_limit(void *ctx, const struct report_limit *r)
{
	(void)ctx, (void)r;
}

const struct reporter board_reporter = {
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
};
