/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Tracking: the programs of a plan, their levels, and the books they keep. */
#ifndef PINLEAK_KERNEL_TRACKER_H
#define PINLEAK_KERNEL_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/report.h"
#include "../core/snapshot.h"
#include "plan.h"
#include "vmstat.h"

struct tracker_config {
	uint32_t table_size; /* records of folios; 0: chosen from the machine's memory */
	const char *omit;    /* a hook to leave out, see plan_make() */
	bool references;     /* of plain references, not of pins: see plan_references() */
	bool quota;	     /* count the pins of one driver: see tracker_quota() */
	bool follow;	     /* mark the owners among our children and their descendants */
};

struct tracker;

/* Makes the plan; loads nothing yet. -ENOENT, -EINVAL: no BTF; -ENOTSUP: none that will do. */
int tracker_create(const struct tracker_config *config, struct tracker **out);
void tracker_destroy(struct tracker *t); /* detaches everything */

const struct plan *tracker_plan(const struct tracker *t);

/* Is the process among those that are followed? Above level counters only. */
bool tracker_follows(const struct tracker *t, uint32_t tgid);

/*
 * The count of one driver's pins, which the programs keep while level deep is on; whose it is, the
 * user fills in. NULL: the tracker was made without. The descriptors of the maps it is kept in
 * belong to the tracker.
 */
struct pl_quota *tracker_quota(const struct tracker *t);
struct quota_maps {
	int quotas, crossings, visits, habits, pages, shares;
};
struct quota_maps tracker_quota_maps(const struct tracker *t);

/* Pins what is attached now below a directory of kept.h. -errno. */
int tracker_keep(struct tracker *t, const char *dir);

/* Eight bytes of kernel memory, above level counters. -errno: there are none. */
int tracker_peek(struct tracker *t, uint64_t addr, uint64_t *out);

/* What went wrong last, for people: one line, "" when nothing did. */
const char *tracker_error(const struct tracker *t);

/*
 * At level counters: loads the programs, and attaches none, so that a level is had sooner; unloads
 * them again. What fails fails again when a level is wanted, and is told then.
 */
void tracker_load(struct tracker *t);
void tracker_unload(struct tracker *t);

/*
 * Attaches what the level needs and detaches the rest. LEVEL_COUNTERS unloads every program and
 * frees every map. -ENOTSUP when the plan has no such level; -errno as the kernel refused it.
 */
int tracker_set_level(struct tracker *t, enum level level);
enum level tracker_level(const struct tracker *t);

/* Adds what the programs have cost, up to the last books. */
void tracker_cost(const struct tracker *t, struct cost *add);

/*
 * Reads the page structures of all recorded folios and hands out the books. They belong to the
 * tracker and live until the next call. -errno.
 */
int tracker_books(struct tracker *t, const struct snapshot **out);

/*
 * Compares what the hooks saw with the kernel's counters, since the level was set or
 * tracker_rebalance(). The sample is the reading of the counters it compares with. -errno.
 */
int tracker_balance(struct tracker *t, struct vmstat *v, struct sample *sample,
		    struct balance *out);
int tracker_rebalance(struct tracker *t, struct vmstat *v);

/* The reading of the counters that the balance begins with. */
const struct sample *tracker_base(const struct tracker *t);

/* One shot of tracker_calibrate(). */
struct calibration {
	const char *name;
	bool tried; /* false: not to be had on this machine */
	bool ok;
	struct balance balance;
};
#define CALIBRATIONS 4

/*
 * Fires pins of our own and compares what the hooks saw with the counters. -EBADE when they
 * differ: the hooks of this level do not see everything, and tracker_error() says by how much.
 * *nr results are stored; quick fires only the first, which is to be had everywhere.
 */
int tracker_calibrate(struct tracker *t, struct vmstat *v, bool quick, struct calibration *out,
		      size_t *nr);

/*
 * For a tracker of references, in place of tracker_calibrate(): takes one and sees that the hooks
 * see it. -EBADE: they do not.
 */
int tracker_try_references(struct tracker *t);

#endif
