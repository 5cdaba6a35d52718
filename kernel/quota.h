/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A limit on what one driver may hold pinned: finding the driver, and reading what the programs
 * have counted. Refusing is the work of barrier.h.
 */
#ifndef PINLEAK_KERNEL_QUOTA_H
#define PINLEAK_KERNEL_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#include "../bpf/quota.h"
#include "../core/quota.h"
#include "../core/snapshot.h"
#include "tracker.h"

/*
 * Is a module of that name (see quota_name()) loaded? -ENOENT: it is not, or not yet, or it is just
 * going; -ENOTSUP: it is built in.
 */
int quota_driver(const char *name);

/* What a limit may be a share of, in bytes, and the size of a page. */
uint64_t quota_memory(uint32_t *page);

/*
 * Begins to count the pins of a module; the tracker has level deep. The limit is in pins; the
 * barrier refuses nothing when quota_crossings() was not called for stale_ns. -ENOENT: the kernel
 * shows no such module (/proc/kallsyms); -ENOTSUP: its BTF does not tell where modules have their
 * code.
 */
int quota_begin(struct tracker *t, const char *name, uint64_t limit, uint64_t stale_ns);

/* Who took the driver beyond its limit or was refused, until now. -errno. */
struct quota_crossings {
	struct pl_crossing of[PL_CROSSINGS];
	size_t nr;
};
int quota_crossings(struct tracker *t, struct quota_crossings *out);

/* What kinds of calls have done with the driver's pins, while calls are refused. -errno. */
struct quota_kinds {
	struct quota_kind of[PL_KINDS];
	size_t nr;
};
int quota_kinds(struct tracker *t, struct quota_kinds *out);

/* Was the module unloaded since tracking began? */
bool quota_unloaded(const struct snapshot *s, const char *name);

/* Who crossed, as one of the snapshot's owners would show it. */
void quota_process(const struct pl_crossing *c, struct snap_owner *out);

#endif
