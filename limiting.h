/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The limits that a watch holds drivers to: its option, and as long as the watch lasts. */
#ifndef PINLEAK_LIMITING_H
#define PINLEAK_LIMITING_H

#include "command.h"
#include "core/quota.h"
#include "limiter.h"

#define LIMITING_MOST 8 /* drivers: each costs programs and tables of its own, at level deep */

struct limiting_settings {
	bool given; /* by the file, or by the command line that is being read */
	size_t nr;
	struct quota_order orders[LIMITING_MOST]; /* one for a driver */
};

/*
 * The value of the option: one more limit, or the first in place of those that were not `given`.
 * STATUS_OK, or what usage_error() returns.
 */
int limiting_set(const struct command *c, const struct option_row *row, const char *value,
		 struct limiting_settings *s);

/* The limit on one driver; {0}: there is none. */
struct limiting_one {
	struct quota_order order;
	struct limiter *limiter; /* at work; NULL: it waits for its driver */
	bool failed;		 /* it cannot be held, which was said */
};

/* {.ground = ...} is ready to use, and holds nobody to anything. */
struct limiting {
	const struct ground *ground;
	struct {
		const struct quota_reporter *to;
		const struct render *render;
	} end[LIMITER_ENDS];
	size_t nr_ends;
	uint64_t interval_ns;
	struct limiting_one of[LIMITING_MOST];
};

/* Whom it tells, before it begins; LIMITER_ENDS of them at most. */
void limiting_add(struct limiting *l, const struct quota_reporter *to, const struct render *r);

/*
 * These limits from now on: those that were before are changed or lifted. A driver that is not
 * loaded is waited for. What cannot be done is said on standard error, and the watch goes on.
 */
void limiting_apply(struct limiting *l, const struct limiting_settings *set, uint64_t interval_ns);

/* At each look of the watch. */
void limiting_look(struct limiting *l);

/* Can one of them not be held? */
bool limiting_failed(const struct limiting *l);

/* The end of the limits is told. */
void limiting_end(struct limiting *l);

#endif
