/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A limit on what one driver may hold pinned: how much it is, what of it is worth a word, and who
 * holds what. (Limits of the kernel's own that a call has hit are in limit.h.)
 */
#ifndef PINLEAK_CORE_QUOTA_H
#define PINLEAK_CORE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/quota.h"
#include "snapshot.h"

#define QUOTA_MORE 10 /* times as often as told: worth another word */

enum quota_unit {
	QUOTA_PAGES,
	QUOTA_BYTES, /* "64MiB" */
	QUOTA_SHARE, /* percent of memory: "5%", "0.5" */
};

/*
 * A limit as people write it, in pages of `page` bytes, rounded down. -EINVAL: it is not that;
 * -ERANGE: less than a page, or more than the memory.
 */
int quota_pages(enum quota_unit unit, const char *text, uint64_t memory, uint32_t page,
		uint64_t *pages);

/* Crossings that were told. {0} is ready to use. */
struct quota_told {
	struct {
		uint64_t start_ns;
		uint64_t count; /* when it was told */
		uint32_t tgid;
		uint8_t call;
	} told[PL_CROSSINGS];
	size_t nr, next;
};

/* Is it worth a word: a process that is new, or ten times as often? Then it is kept as told. */
bool quota_take(struct quota_told *t, const struct pl_crossing *c);

/* Does the call path run through the module's code? (So not every pin of a driver's does.) */
bool quota_runs_through(const struct pl_site *site, const char *module);

/*
 * Pins that a process holds through a module, by its code on the call path or by its device, as the
 * records have it: where several have pinned a folio, it may be fewer.
 */
uint64_t quota_pins_of(const struct snapshot *s, const char *module, uint32_t tgid,
		       uint64_t start_ns);

#endif
