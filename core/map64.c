// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "map64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MIN 64

struct map64_cell {
	uint64_t key;
	uint32_t value;
	uint32_t full;
};

void map64_clear(struct map64 *m)
{
	if (m->cells)
		memset(m->cells, 0, ((size_t)m->mask + 1) * sizeof(*m->cells));
	m->used = 0;
}

void map64_free(struct map64 *m)
{
	free(m->cells);
	*m = (struct map64){0};
}

/* The key's cell, or the empty one where it belongs. */
static struct map64_cell *cell_of(const struct map64 *m, uint64_t key)
{
	uint64_t h = key * 0x9E3779B97F4A7C15ULL; /* 2^64 / golden ratio */
	uint32_t at = (uint32_t)(h >> 32) & m->mask;

	while (m->cells[at].full && m->cells[at].key != key)
		at = (at + 1) & m->mask;
	return &m->cells[at];
}

static int grow(struct map64 *m)
{
	size_t old = m->cells ? (size_t)m->mask + 1 : 0;
	size_t cells = old ? old * 2 : CELLS_MIN;
	struct map64 bigger = {.mask = (uint32_t)(cells - 1), .used = m->used};

	bigger.cells = calloc(cells, sizeof(*bigger.cells));
	if (!bigger.cells)
		return -ENOMEM;
	for (size_t i = 0; i < old; i++)
		if (m->cells[i].full)
			*cell_of(&bigger, m->cells[i].key) = m->cells[i];
	free(m->cells);
	*m = bigger;
	return 0;
}

int map64_put(struct map64 *m, uint64_t key, uint32_t value)
{
	struct map64_cell *c;

	if (!m->cells || m->used >= m->mask - m->mask / 4) {
		int err = grow(m);

		if (err)
			return err;
	}
	c = cell_of(m, key);
	m->used += !c->full;
	*c = (struct map64_cell){key, value, 1};
	return 0;
}

bool map64_get(const struct map64 *m, uint64_t key, uint32_t *value)
{
	const struct map64_cell *c = m->cells ? cell_of(m, key) : NULL;

	if (!c || !c->full)
		return false;
	*value = c->value;
	return true;
}
