/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Calls that failed because a limit of pinned memory was hit. That is information: it accuses
 * nobody, and what a driver has leaked may well be what has used the limit up.
 */
#ifndef PINLEAK_CORE_LIMIT_H
#define PINLEAK_CORE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

#define LIMITS_MAX    16 /* kept apart */
#define LIMIT_UNKNOWN UINT64_MAX
#define LIMIT_MORE    10 /* times as often as told: worth another word */

enum limit_kind {
	LIMIT_MEMLOCK,	   /* RLIMIT_MEMLOCK, in bytes */
	LIMIT_DMA_ENTRIES, /* dma_entry_limit of vfio_iommu_type1, in mappings */
};
const char *limit_name(enum limit_kind k);

struct limit {
	enum limit_kind kind;
	int error;	/* positive */
	uint64_t value; /* LIMIT_UNKNOWN: not known */
	uint64_t used;	/* before the call, by the account that has most; LIMIT_UNKNOWN */
	uint64_t taken; /* bytes that the call had pinned when it failed */
	uint64_t count; /* how often */
	bool certain;	/* what was used and what the call took exceed the limit */
	struct snap_owner by;
	char driver[PL_SYM]; /* through which; "": not known */
};

/* Those that were told. {0} is ready to use. */
struct limits {
	struct limit told[LIMITS_MAX];
	uint32_t nr, next;
};

/* Was a limit hit, and which? *out is filled only then. */
bool limit_judge(const struct snapshot *s, const struct snap_refusal *r, struct limit *out);

/* Is it worth a word? Then it is kept as told. */
bool limits_take(struct limits *l, const struct limit *hit);

/* The number'th of those told that were hit through this driver; NULL beyond the last. */
const struct limit *limits_of(const struct limits *l, const char *driver, uint32_t number);

#endif
