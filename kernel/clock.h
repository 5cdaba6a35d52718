/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The clock that samples, records and time limits have in common. */
#ifndef PINLEAK_KERNEL_CLOCK_H
#define PINLEAK_KERNEL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, in nanoseconds. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
