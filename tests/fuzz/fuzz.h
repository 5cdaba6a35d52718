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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* What fuzz_seed() does where the seeds are texts, nr of them. */
static inline size_t fuzz_text_seed(const char *const *seeds, size_t nr, unsigned nth, uint8_t *out,
				    size_t room)
{
	size_t len = nth < nr ? strlen(seeds[nth]) : 0;

	len = len < room ? len : room;
	if (len)
		memcpy(out, seeds[nth], len);
	return len;
}

/* The bytes as a text, in memory of just its size; to be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
