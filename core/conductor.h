/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Lets a monitor judge what a source shows, and the source do what the monitor wants. */
#ifndef PINLEAK_CORE_CONDUCTOR_H
#define PINLEAK_CORE_CONDUCTOR_H

#include "monitor.h"
#include "source.h"

/* {0} with these three set by the user, who keeps them, is ready to use. */
struct conductor {
	const struct source *source;
	void *ctx; /* of the source */
	struct monitor *monitor;
	enum level level;   /* that is on */
	bool references;    /* are tracked */
	struct sample last; /* looked at */
};

/*
 * One look at the counters and, above level counters when the monitor wants it, at the books; the
 * last look is at both. -errno, -ENODATA.
 */
int conductor_look(struct conductor *c) __attribute__((warn_unused_result));
int conductor_look_last(struct conductor *c) __attribute__((warn_unused_result));

/*
 * Brings about the level that the monitor wants, and tells the monitor what came of it: a level
 * that cannot be had is no error. -errno.
 */
int conductor_change_level(struct conductor *c) __attribute__((warn_unused_result));

/*
 * Looks for plain references when it is time, and switches their tracking on and off as the
 * monitor wants. -errno.
 */
int conductor_references(struct conductor *c) __attribute__((warn_unused_result));

/* All three of them, one after the other. */
int conductor_step(struct conductor *c) __attribute__((warn_unused_result));

#endif
