/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Many hands for many runs that have nothing to do with each other. */
#ifndef PINLEAK_SIM_CREW_H
#define PINLEAK_SIM_CREW_H

#include <stddef.h>
#include <stdint.h>

/* Does number `number`; what comes of it is written to result. -errno. */
typedef int (*crew_fn)(void *ctx, uint64_t number, void *result);

struct crew {
	uint32_t jobs;	  /* processes */
	const char *what; /* for people, on a terminal */
	crew_fn work;
	void *ctx;
	size_t size; /* bytes of a result */
};

/*
 * Does numbers 0 to nr - 1; results are the same however many jobs there are. *out is an array of
 * nr results, to be given to crew_free(). -errno, also that of the work.
 */
int crew_do(const struct crew *c, uint64_t nr, void **out) __attribute__((warn_unused_result));
void crew_free(const struct crew *c, uint64_t nr, void *results);

#endif
