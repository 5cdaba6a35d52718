/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A limit on a driver while it lasts: counts its pins, refuses its calls if that is wanted, tells
 * who goes beyond. It has programs of its own in the kernel, at level deep, whatever else tracks.
 */
#ifndef PINLEAK_LIMITER_H
#define PINLEAK_LIMITER_H

#include "kernel/barrier.h"
#include "kernel/ground.h"
#include "render/quota.h"

struct limiter_settings {
	char driver[PL_MODNAME]; /* is loaded */
	uint64_t pages;
	bool enforce;
	enum barrier_way way;
	bool any_way; /* or the other one, where this does not work */
	struct barrier_exempt exempt;
	uint64_t interval_ns; /* between two looks */
};

struct limiter;

/* The ground has been surveyed. NULL: out of memory. */
struct limiter *limiter_create(const struct ground *ground);
void limiter_destroy(struct limiter *l);

#define LIMITER_ENDS 3

/* Whom it tells, before it begins; LIMITER_ENDS of them at most, which must outlive it. */
void limiter_add(struct limiter *l, const struct quota_reporter *to, const struct render *r);

/* Counts from now on. STATUS_OK; or STATUS_CANNOT, and the reason is on standard error. */
int limiter_begin(struct limiter *l, const struct limiter_settings *s);

/*
 * The limit, which is enforced, lasts when the limiter has gone; see kernel/kept.h. STATUS_OK; or
 * STATUS_CANNOT, nothing is kept, and the reason is on standard error.
 */
int limiter_keep(struct limiter *l);

/* The same driver has another limit from now on, and what it holds counts. As limiter_begin(). */
int limiter_change(struct limiter *l, const struct limiter_settings *s);

/* At each interval: corrects the count, tells what there is to tell. -errno. */
int limiter_look(struct limiter *l) __attribute__((warn_unused_result));

/* Was the driver unloaded? Then there is nothing more to be looked at. */
bool limiter_is_over(const struct limiter *l);

/*
 * A last look, unless the one before has failed with err, and the end is told. STATUS_OK,
 * STATUS_LEAK when the limit was crossed; STATUS_CANNOT when the driver was unloaded, or a look has
 * failed, and the reason is on standard error.
 */
int limiter_end(struct limiter *l, int err);

#endif
