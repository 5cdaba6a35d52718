/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the programs of the census write: pinned folios, as they stand in the page structures.
 * Nothing is decoded in the kernel that user space can decode as well.
 */
#ifndef PINLEAK_BPF_CENSUS_H
#define PINLEAK_BPF_CENSUS_H

#include <linux/types.h>

#define PL_STRUCT_PAGE 64	  /* sizeof(struct page); other sizes are refused */
#define PL_CHUNK       64	  /* struct pages read at once: one page of them */
#define PL_FOUND       8192	  /* folios a run of the scan can hand over */
#define PL_READ	       4096	  /* bytes a run of `read` can hand over */
#define PL_NAME	       64	  /* bytes of a symbol's name */
#define PL_PLACE       128	  /* bytes of what `name` says */
#define PL_SCAN_STEP   (1U << 20) /* page frames a run looks at, at most */

/* Why a folio is handed over. */
enum pl_found_why {
	PL_FOUND_PINNED = 1,   /* its count says that it may be pinned */
	PL_FOUND_UNMAPPED = 2, /* nothing maps it, no cache has it, and yet it is referenced */
	PL_FOUND_NEGATIVE = 4, /* a count below zero: more was released than taken */
};

struct pl_found {
	__u64 pfn;
	__u32 why;
	__u32 pad;
	__u8 pages[2 * PL_STRUCT_PAGE]; /* the folio's first two; the second only if it has one */
};

/* Byte offsets and bit numbers, from BTF. */
struct pl_scan_layout {
	__u32 flags;
	__u32 mapping;
	__u32 mapcount;
	__u32 refcount;
	__u32 compound_head;
	__u32 pincount;	       /* of a large folio, from its first struct page */
	__u32 entire_mapcount; /* the same */
	__u32 order;	       /* the same; one byte */
	__u32 head_bit;
	__u32 lru_bit;
	__u32 swapcache_bit;
	__u32 pad;
};

/* Argument of `scan`. */
struct pl_scan {
	__u64 vmemmap; /* struct page of frame 0 */
	__u64 next;    /* page frame to begin with; where to go on */
	__u64 end;     /* the first page frame not to be looked at */
	__u32 why;     /* enum pl_found_why, or-ed: what to look for */
	__u32 found;   /* how many were handed over */
	__u64 holes;   /* page frames without a struct page, added up */
};

/* What `find` found; its question is in bytes[]. */
struct pl_find {
	__u64 addr;
	__s32 err; /* -errno */
	__u32 pad;
};

/* Argument of `read` and, without a size, of `name`. */
struct pl_read {
	__u64 addr;
	__u32 size;
	__s32 err;
};

#endif
