/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A fuzz target: bytes that anybody may have chosen, and seeds to begin with.
 *
 * With -Dfuzz=true libFuzzer drives it; else fuzz/drive.c does, with the seeds and a fixed number
 * of pseudo-random mutations, as a test like any other.
 */
#ifndef PINLEAK_TESTS_FUZZ_H
#define PINLEAK_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Called by the driver; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the nth seed, at most room bytes, and returns its size; 0: there are no more. */
size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room);

/* What must hold, whatever the bytes. Not assert(), which NDEBUG removes. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
