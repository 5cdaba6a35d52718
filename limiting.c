// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "limiting.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/errors.h"
#include "kernel/quota.h"

static bool has_limit(const struct limiting_settings *s, const char *driver)
{
	for (size_t i = 0; i < s->nr; i++)
		if (!strcmp(s->orders[i].driver, driver))
			return true;
	return false;
}

int limiting_set(const struct command *c, const struct option_row *row, const char *value,
		 struct limiting_settings *s)
{
	struct quota_order order;
	uint32_t page;
	uint64_t memory = quota_memory(&page);

	if (quota_order(value, memory, page, &order))
		return option_bad(c, row, value,
				  "DRIVER:PAGES[:enforce], of at least a page and no more than "
				  "there is memory");
	if (!s->given)
		s->nr = 0;
	s->given = true;
	if (has_limit(s, order.driver))
		return usage_error(c, ERROR_INVALID_PARAMETER, "--%s: %s has a limit already",
				   row->name, order.driver);
	if (s->nr == LIMITING_MOST)
		return usage_error(c, ERROR_INVALID_PARAMETER,
				   "--%s: a watch holds no more than %d drivers to a limit; "
				   "`pinleak limit` holds another",
				   row->name, LIMITING_MOST);
	s->orders[s->nr++] = order;
	return STATUS_OK;
}

void limiting_add(struct limiting *l, const struct quota_reporter *to, const struct render *r)
{
	assert(l->nr_ends < LIMITER_ENDS);
	l->end[l->nr_ends].to = to;
	l->end[l->nr_ends++].render = r;
}

/* ---- one limit at work ---------------------------------------------------------------- */

static void give_up(struct limiting_one *o)
{
	o->failed = true;
	limiter_destroy(o->limiter);
	o->limiter = NULL;
	fprintf(stderr, "  going on without a limit on %s\n", o->order.driver);
}

static void lift(struct limiting_one *o, int err)
{
	int status = limiter_end(o->limiter, err);

	if (status == STATUS_CANNOT && !limiter_is_over(o->limiter)) {
		give_up(o);
		return;
	}
	limiter_destroy(o->limiter);
	o->limiter = NULL;
}

static struct limiter_settings settings_of(const struct limiting *l, const struct limiting_one *o)
{
	struct limiter_settings s = {.pages = o->order.pages,
				     .enforce = o->order.enforce,
				     .any_way = true,
				     .interval_ns = l->interval_ns};

	memcpy(s.driver, o->order.driver, sizeof(s.driver));
	return s;
}

static void begin(const struct limiting *l, struct limiting_one *o)
{
	struct limiter_settings s = settings_of(l, o);

	o->limiter = limiter_create(l->ground);
	if (!o->limiter) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		give_up(o);
		return;
	}
	for (size_t i = 0; i < l->nr_ends; i++)
		limiter_add(o->limiter, l->end[i].to, l->end[i].render);
	if (limiter_begin(o->limiter, &s))
		give_up(o);
}

static void change(const struct limiting *l, struct limiting_one *o)
{
	struct limiter_settings s = settings_of(l, o);

	if (!limiter_change(o->limiter, &s))
		return;
	limiter_end(o->limiter, 0);
	give_up(o);
}

/* A driver that is not loaded may be later. */
static void begin_if_loaded(const struct limiting *l, struct limiting_one *o)
{
	switch (quota_driver(o->order.driver)) {
	case 0:
		begin(l, o);
		break;
	case -ENOTSUP:
		fprintf(stderr,
			"pinleak: %s is built into the kernel: only modules can have a limit\n",
			o->order.driver);
		give_up(o);
		break;
	default:
		break;
	}
}

static void hold(const struct limiting *l, struct limiting_one *o)
{
	o->failed = false;
	if (l->ground->why[0]) {
		fprintf(stderr, "pinleak: without tracking no driver can be held to a limit\n");
		give_up(o);
		return;
	}
	if (o->limiter) {
		change(l, o);
		return;
	}
	begin_if_loaded(l, o);
	if (!o->limiter && !o->failed)
		fprintf(stderr,
			"pinleak: no driver %s is loaded: its limit begins when it is loaded\n",
			o->order.driver);
}

/* ---- all of them ---------------------------------------------------------------------- */

static void lift_all_but(struct limiting *l, const struct limiting_settings *set)
{
	for (size_t i = 0; i < LIMITING_MOST; i++) {
		struct limiting_one *o = &l->of[i];

		if (has_limit(set, o->order.driver))
			continue;
		if (o->limiter)
			lift(o, 0);
		*o = (struct limiting_one){0};
	}
}

/* The driver's limit, or room for one: there is as much as settings can have. */
static struct limiting_one *place_of(struct limiting *l, const char *driver)
{
	struct limiting_one *room = NULL;

	for (size_t i = LIMITING_MOST; i-- > 0;) {
		if (!strcmp(l->of[i].order.driver, driver))
			return &l->of[i];
		if (!l->of[i].order.driver[0])
			room = &l->of[i];
	}
	return room;
}

void limiting_apply(struct limiting *l, const struct limiting_settings *set, uint64_t interval_ns)
{
	l->interval_ns = interval_ns;
	lift_all_but(l, set); /* first, for their room in the kernel */
	for (size_t i = 0; i < set->nr; i++) {
		struct limiting_one *o = place_of(l, set->orders[i].driver);

		o->order = set->orders[i];
		hold(l, o);
	}
}

static void look(const struct limiting *l, struct limiting_one *o)
{
	int err;

	if (!o->limiter) {
		begin_if_loaded(l, o);
		return;
	}
	err = limiter_look(o->limiter);
	if (err || limiter_is_over(o->limiter))
		lift(o, err);
}

void limiting_look(struct limiting *l)
{
	for (size_t i = 0; i < LIMITING_MOST; i++)
		if (l->of[i].order.driver[0] && !l->of[i].failed)
			look(l, &l->of[i]);
}

bool limiting_failed(const struct limiting *l)
{
	for (size_t i = 0; i < LIMITING_MOST; i++)
		if (l->of[i].failed)
			return true;
	return false;
}

void limiting_end(struct limiting *l)
{
	for (size_t i = 0; i < LIMITING_MOST; i++)
		if (l->of[i].limiter)
			lift(&l->of[i], 0);
}
