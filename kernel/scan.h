/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The walk over all page structures of the machine. */
#ifndef PINLEAK_KERNEL_SCAN_H
#define PINLEAK_KERNEL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/folio.h"
#include "btfq.h"
#include "memory.h"

struct scan {
	struct memory *memory;
	uint64_t looked; /* page frames by the last walk */
	uint64_t holes;	 /* page frames without a struct page, or offline */
	/* read once, from BTF */
	struct btfq_places places;
	uint32_t index, memcg, large_mapcount, hugetlb_dtor, page_type;
	uint32_t swapbacked_bit;
	uint64_t hugetlb_type; /* value of page_type's top byte, or of the destructor */
	bool has_large_mapcount, has_dtor, has_type, has_memcg;
};

/* -ENOTSUP: memory_error says what is missing. The memory must outlive the scan. */
int scan_open(struct scan *s, struct memory *m);

/*
 * Calls each() for every folio that one of the reasons (enum pl_found_why, or-ed) holds for. The
 * folio lives as long as the call; each() ends the walk by returning other than 0, which is then
 * returned. progress() may be NULL; it is told page frames done and in all, and may end the walk
 * likewise. A moving kernel may show a folio twice or not at all when it is split, or merged.
 */
struct scan_visitor {
	void *ctx;
	int (*each)(void *ctx, const struct folio *f);
	int (*progress)(void *ctx, uint64_t done, uint64_t all);
};
int scan_run(struct scan *s, uint32_t why, const struct scan_visitor *visitor);

/*
 * Reads one folio again, by the page frame of its head. -ENOENT: it is no folio's head any more
 * or has no reference.
 */
int scan_one(struct scan *s, uint64_t pfn, struct folio *out);

#endif
