/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The limit that a watch holds a driver to: its option, and as long as the watch lasts. */
#ifndef PINLEAK_LIMITING_H
#define PINLEAK_LIMITING_H

#include "command.h"
#include "core/quota.h"
#include "limiter.h"

struct limiting_settings {
	bool on;
	bool given; /* by the file, or by the command line that is being read */
	struct quota_order order;
};

/* The value of the option, which is to be given once. STATUS_OK, or what usage_error() returns. */
int limiting_set(const struct command *c, const struct option_row *row, const char *value,
		 struct limiting_settings *s);

/* {.ground = ...} is ready to use, and holds nobody to anything. */
struct limiting {
	const struct ground *ground;
	struct {
		const struct quota_reporter *to;
		const struct render *render;
	} end[LIMITER_ENDS];
	size_t nr_ends;
	struct limiting_settings set;
	uint64_t interval_ns;
	struct limiter *limiter; /* at work; NULL: there is no limit, or it waits for its driver */
	bool failed;		 /* it cannot be held, which was said */
};

/* Whom it tells, before it begins; LIMITER_ENDS of them at most. */
void limiting_add(struct limiting *l, const struct quota_reporter *to, const struct render *r);

/*
 * This limit from now on, or none: what was before is changed or lifted. A driver that is not
 * loaded is waited for. What cannot be done is said on standard error, and the watch goes on.
 */
void limiting_apply(struct limiting *l, const struct limiting_settings *set, uint64_t interval_ns);

/* At each look of the watch. */
void limiting_look(struct limiting *l);

/* The end of the limit is told. */
void limiting_end(struct limiting *l);

#endif
