// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "limiting.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/errors.h"
#include "kernel/quota.h"

int limiting_set(const struct command *c, const struct option_row *row, const char *value,
		 struct limiting_settings *s)
{
	uint32_t page;
	uint64_t memory = quota_memory(&page);

	if (s->given)
		return usage_error(c, ERROR_INVALID_PARAMETER,
				   "--%s: a watch holds one driver to a limit; `pinleak limit` "
				   "holds another",
				   row->name);
	if (quota_order(value, memory, page, &s->order))
		return option_bad(c, row, value,
				  "DRIVER:PAGES[:enforce], of at least a page and no more than "
				  "there is memory");
	s->on = s->given = true;
	return STATUS_OK;
}

void limiting_add(struct limiting *l, const struct quota_reporter *to, const struct render *r)
{
	assert(l->nr_ends < LIMITER_ENDS);
	l->end[l->nr_ends].to = to;
	l->end[l->nr_ends++].render = r;
}

/* ---- the limit at work ---------------------------------------------------------------- */

static void give_up(struct limiting *l)
{
	l->failed = true;
	limiter_destroy(l->limiter);
	l->limiter = NULL;
	fprintf(stderr, "  going on without a limit on %s\n", l->set.order.driver);
}

static void lift(struct limiting *l, int err)
{
	int status = limiter_end(l->limiter, err);

	if (status == STATUS_CANNOT && !limiter_is_over(l->limiter)) {
		give_up(l);
		return;
	}
	limiter_destroy(l->limiter);
	l->limiter = NULL;
}

static struct limiter_settings settings_of(const struct limiting *l)
{
	const struct quota_order *o = &l->set.order;
	struct limiter_settings s = {.pages = o->pages,
				     .enforce = o->enforce,
				     .any_way = true,
				     .interval_ns = l->interval_ns};

	memcpy(s.driver, o->driver, sizeof(s.driver));
	return s;
}

static void begin(struct limiting *l)
{
	struct limiter_settings s = settings_of(l);

	l->limiter = limiter_create(l->ground);
	if (!l->limiter) {
		fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
		give_up(l);
		return;
	}
	for (size_t i = 0; i < l->nr_ends; i++)
		limiter_add(l->limiter, l->end[i].to, l->end[i].render);
	if (limiter_begin(l->limiter, &s))
		give_up(l);
}

static void change(struct limiting *l)
{
	struct limiter_settings s = settings_of(l);

	if (!limiter_change(l->limiter, &s))
		return;
	limiter_end(l->limiter, 0);
	give_up(l);
}

/* A driver that is not loaded may be later. */
static void begin_if_loaded(struct limiting *l)
{
	switch (quota_driver(l->set.order.driver)) {
	case 0:
		begin(l);
		break;
	case -ENOTSUP:
		fprintf(stderr,
			"pinleak: %s is built into the kernel: only modules can have a limit\n",
			l->set.order.driver);
		give_up(l);
		break;
	default:
		break;
	}
}

void limiting_apply(struct limiting *l, const struct limiting_settings *set, uint64_t interval_ns)
{
	bool same = set->on && l->set.on && !strcmp(set->order.driver, l->set.order.driver);

	if (l->limiter && !same)
		lift(l, 0);
	l->set = *set;
	l->interval_ns = interval_ns;
	l->failed = false;
	if (!set->on)
		return;
	if (l->ground->why[0]) {
		fprintf(stderr, "pinleak: without tracking no driver can be held to a limit\n");
		give_up(l);
		return;
	}
	if (l->limiter) {
		change(l);
		return;
	}
	begin_if_loaded(l);
	if (!l->limiter && !l->failed)
		fprintf(stderr,
			"pinleak: no driver %s is loaded: its limit begins when it is loaded\n",
			set->order.driver);
}

void limiting_look(struct limiting *l)
{
	int err;

	if (!l->set.on || l->failed)
		return;
	if (!l->limiter) {
		begin_if_loaded(l);
		return;
	}
	err = limiter_look(l->limiter);
	if (err || limiter_is_over(l->limiter))
		lift(l, err);
}

void limiting_end(struct limiting *l)
{
	if (l->limiter)
		lift(l, 0);
}
