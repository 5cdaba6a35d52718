/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A hash table from 64-bit keys to 32-bit numbers (usually places in an array). */
#ifndef PINLEAK_CORE_MAP64_H
#define PINLEAK_CORE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map64 {
	struct map64_cell *cells;
	uint32_t mask; /* number of cells less one, or 0 */
	uint32_t used;
};

/* {0} is an empty table. map64_clear() keeps the memory, map64_free() gives it back. */
void map64_clear(struct map64 *m);
void map64_free(struct map64 *m);

/* -ENOMEM when it cannot grow; an existing key gets the new value. */
int map64_put(struct map64 *m, uint64_t key, uint32_t value) __attribute__((warn_unused_result));

bool map64_get(const struct map64 *m, uint64_t key, uint32_t *value);

#endif
