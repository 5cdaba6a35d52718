// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "limiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/quota.h"
#include "kernel/kept.h"
#include "kernel/live.h"
#include "kernel/quota.h"
#include "session.h"

#define ROOM_LESS   65536	  /* folios of other drivers */
#define ROOM_MOST   (1 << 20)	  /* 350 MiB of kernel memory */
#define STALE_NS    5000000000ULL /* nothing is refused when no look was for so long, */
#define STALE_LOOKS 5		  /* and so many more were due */

struct limiter {
	struct limiter_settings set;
	struct {
		const struct quota_reporter *to;
		const struct render *render;
	} end[LIMITER_ENDS];
	size_t nr_ends;
	struct live live;
	struct barrier *barrier;
	struct quota_report report;
	struct quota_told told;
	struct quota_crossings crossings;
	struct quota_learned learned;
	struct quota_kinds kinds;
	struct pl_quota quota; /* at the last look */
	struct balance balance;
	bool unloaded, crossed;
	uint64_t began_ns;
};

#define TELL(l, what, ...)                                                                         \
	for (size_t at = 0; at < (l)->nr_ends; at++)                                               \
	(l)->end[at].to->what((l)->end[at].render, __VA_ARGS__)

/* ---- the start ------------------------------------------------------------------------ */

struct limiter *limiter_create(const struct ground *ground)
{
	struct limiter *l = calloc(1, sizeof(*l));

	if (l)
		l->live.ground = *ground;
	return l;
}

void limiter_destroy(struct limiter *l)
{
	if (!l)
		return;
	barrier_close(l->barrier);
	live_close(&l->live);
	free(l);
}

void limiter_add(struct limiter *l, const struct quota_reporter *to, const struct render *r)
{
	assert(l->nr_ends < LIMITER_ENDS);
	l->end[l->nr_ends].to = to;
	l->end[l->nr_ends++].render = r;
}

/* Each page of the limit may be a folio of its own. */
static uint32_t room_for(uint64_t pages)
{
	return pages + ROOM_LESS < ROOM_MOST ? (uint32_t)pages + ROOM_LESS : ROOM_MOST;
}

static uint64_t stale_after(const struct limiter_settings *s)
{
	return STALE_NS + STALE_LOOKS * s->interval_ns;
}

static int count(struct limiter *l)
{
	struct live *live = &l->live;
	struct source_level level = {0};
	int err = live_open(live);

	if (!err)
		err = live_source.set_level(live, LEVEL_DEEP, &level);
	if (err || level.refused) {
		fprintf(stderr, "pinleak: the driver's pins cannot be counted: %s\n",
			err ? strerror(-err) : level.why);
		return STATUS_CANNOT;
	}
	err = quota_begin(live->tracker, l->set.driver, l->set.pages, stale_after(&l->set));
	if (!err)
		return STATUS_OK;
	fprintf(stderr, "pinleak: where %s has its code is not to be found: %s\n", l->set.driver,
		strerror(-err));
	return STATUS_CANNOT;
}

static int refuse(struct limiter *l)
{
	struct tracker *t = l->live.tracker;
	char why[2][BARRIER_WHY] = {"", ""};
	enum barrier_way way = l->set.way;
	int err;

	err = barrier_open(way, t, &l->set.exempt, &l->barrier, why[0]);
	if (err && l->set.any_way) {
		way = BARRIER_MODIFY;
		err = barrier_open(way, t, &l->set.exempt, &l->barrier, why[1]);
	}
	if (!err) {
		l->report.way = barrier_way_name(way);
		return STATUS_OK;
	}
	fprintf(stderr, "pinleak: this kernel lets nobody refuse a driver's calls\n");
	for (size_t i = 0; i < 2; i++)
		if (why[i][0])
			render_wrap(stderr, 2, why[i]);
	fprintf(stderr, "  what works: an audit (without enforcing)\n");
	return STATUS_CANNOT;
}

static void tell_limit(struct limiter *l)
{
	l->report.limit = l->set.pages;
	l->report.pins = l->quota.pins;
	l->report.now_ns = session_now_ns();
	TELL(l, begin, &l->report);
}

int limiter_begin(struct limiter *l, const struct limiter_settings *s)
{
	int status;

	l->set = *s;
	l->report.driver = l->set.driver;
	l->report.memory = quota_memory(&l->report.page);
	l->report.room = room_for(s->pages);
	l->live.config.quota = true;
	l->live.config.table_size = (uint32_t)l->report.room;
	status = count(l);
	if (!status && s->enforce)
		status = refuse(l);
	if (status)
		return status;
	tell_limit(l);
	l->began_ns = l->report.now_ns;
	return STATUS_OK;
}

int limiter_keep(struct limiter *l)
{
	int err = kept_keep(l->set.driver, l->live.tracker, l->barrier);

	if (!err)
		return STATUS_OK;
	fprintf(stderr, "pinleak: the limit cannot be pinned below " KEPT_ROOT ": %s\n",
		strerror(-err));
	return STATUS_CANNOT;
}

/* ---- while it lasts ------------------------------------------------------------------- */

static void lift(struct limiter *l)
{
	barrier_close(l->barrier);
	l->barrier = NULL;
}

int limiter_change(struct limiter *l, const struct limiter_settings *s)
{
	struct pl_quota *q = tracker_quota(l->live.tracker);
	bool same = s->pages == l->set.pages && s->enforce == l->set.enforce;
	int status = STATUS_OK;

	l->set = *s;
	l->quota = *q;
	__atomic_store_n(&q->stale_ns, stale_after(s), __ATOMIC_RELAXED);
	__atomic_store_n(&q->limit, (int64_t)s->pages, __ATOMIC_RELAXED);
	if (s->enforce && !l->barrier) {
		status = refuse(l);
	} else if (!s->enforce && l->barrier) {
		lift(l);
		l->report.way = NULL;
	}
	if (!status && !same)
		tell_limit(l);
	return status;
}

static void tell(struct limiter *l, const struct snapshot *books)
{
	for (size_t i = 0; i < l->crossings.nr; i++) {
		const struct pl_crossing *c = &l->crossings.of[i];
		struct quota_report_crossing told = {.of = &l->report, .crossing = c};
		struct snap_owner by;

		l->crossed = true;
		if (!quota_take(&l->told, c))
			continue;
		quota_process(c, &by);
		told.by = &by;
		told.pins = quota_pins_of(books, l->set.driver, c->tgid, c->start_ns);
		TELL(l, crossing, &told);
	}
}

static void tell_kind(struct limiter *l, const struct quota_kind *k)
{
	const struct barrier_exempt *e = &l->set.exempt;
	struct quota_report_kind told = {.of = &l->report,
					 .kind = k,
					 .refused = quota_answer(&k->habit) == QUOTA_REFUSED};

	for (size_t i = 0; i < e->nr_ioctls && k->kind.call == PL_CALL_IOCTL; i++)
		if (e->ioctls[i].command == k->kind.command) {
			told.ordered = true;
			told.refused = e->ioctls[i].order == PL_REFUSE;
		}
	if (e->writes && k->kind.call == PL_CALL_WRITE) {
		told.ordered = true;
		told.refused = false;
	}
	TELL(l, kind, &told);
}

static int learn(struct limiter *l)
{
	int err = quota_kinds(l->live.tracker, &l->kinds);

	for (size_t i = 0; i < l->kinds.nr; i++)
		if (quota_learn(&l->learned, &l->kinds.of[i]))
			tell_kind(l, &l->kinds.of[i]);
	return err;
}

int limiter_look(struct limiter *l)
{
	struct live *live = &l->live;
	struct source_look seen = {0};
	/* Before the books, which so have the pins of whoever crossed. */
	int err = quota_crossings(live->tracker, &l->crossings);

	if (!err)
		err = live_source.look(live, true, true, &seen);
	if (err)
		return err;
	l->quota = *tracker_quota(live->tracker);
	l->balance = seen.balance;
	l->crossed |= l->quota.pins > l->quota.limit; /* also by a limit that was lowered */
	l->report.now_ns = seen.sample.now_ns;
	l->unloaded = quota_unloaded(seen.books, l->set.driver);
	tell(l, seen.books);
	return l->set.enforce ? learn(l) : 0;
}

bool limiter_is_over(const struct limiter *l)
{
	return l->unloaded;
}

/* ---- the end -------------------------------------------------------------------------- */

int limiter_end(struct limiter *l, int err)
{
	struct quota_report_end e = {.of = &l->report};

	lift(l); /* what is told is so by then */
	if (!err && !l->unloaded)
		err = limiter_look(l);
	if (err) {
		fprintf(stderr, "pinleak: the limit ends: %s\n", live_error(&l->live, err));
		return STATUS_CANNOT;
	}
	e.quota = &l->quota;
	e.seconds = (double)(l->report.now_ns - l->began_ns) * 1e-9;
	e.unloaded = l->unloaded;
	e.crossed = l->crossed;
	e.unseen = l->balance.unseen;
	TELL(l, end, &e);
	if (l->unloaded)
		return STATUS_CANNOT;
	return l->crossed ? STATUS_LEAK : STATUS_OK;
}
