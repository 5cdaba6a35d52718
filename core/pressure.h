/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What it costs a machine that memory cannot be moved or freed, as the kernel tells it. */
#ifndef PINLEAK_CORE_PRESSURE_H
#define PINLEAK_CORE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* {0}: nothing is known. */
struct pressure {
	/* counted since the boot: /proc/vmstat */
	bool counted;
	uint64_t compact_stalls;    /* allocations that had to compact memory first */
	uint64_t compact_fails;	    /* of them: in vain */
	uint64_t compact_successes; /* of them */
	uint64_t alloc_stalls;	    /* allocations that had to free memory first */
	/* /proc/pressure/memory, which a kernel may be built or booted without */
	bool psi;
	uint32_t some_avg10; /* 0.01 % of the last 10 s: some tasks waited for memory */
	uint32_t full_avg10; /* the same: all of them did */
	uint64_t some_us;    /* since the boot */
	uint64_t full_us;
	/* bytes, now */
	uint64_t unevictable;
	uint64_t cma_total; /* 0: the kernel has no CMA area */
	uint64_t cma_free;
	uint64_t movable; /* zones that must stay movable */
};

/* What has been counted since `first`; all else as it is now. Unknown when either is. */
struct pressure pressure_since(const struct pressure *first, const struct pressure *now);

#endif
