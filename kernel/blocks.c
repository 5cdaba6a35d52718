// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "blocks.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/grow.h"
#include "sysfs.h"

#define TOP "/sys/devices/system/memory"

/* Page frames of a block; 0: not known. */
static uint64_t block_size(void)
{
	char line[32];

	if (!sysfs_line(TOP "/block_size_bytes", line, sizeof(line)))
		return 0;
	return strtoull(line, NULL, 16) / (uint64_t)sysconf(_SC_PAGESIZE);
}

/* "going-offline" is not offline yet. */
static bool is_offline(uint64_t number)
{
	char path[80], line[32];

	snprintf(path, sizeof(path), TOP "/memory%" PRIu64 "/state", number);
	return sysfs_line(path, line, sizeof(line)) && !strcmp(line, "offline");
}

static int add(struct blocks *b, uint64_t number, uint64_t size)
{
	int err = grow((void **)&b->offline, &b->room, b->nr, sizeof(*b->offline));

	if (!err)
		b->offline[b->nr++] = (struct block){number * size, (number + 1) * size};
	return err;
}

static int by_start(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int blocks_read(struct blocks *b)
{
	uint64_t size = block_size(), number;
	DIR *top = size ? opendir(TOP) : NULL;
	const struct dirent *entry;
	int err = 0;

	*b = (struct blocks){0};
	if (!top)
		return 0;
	while (!err && (entry = readdir(top)))
		if (sscanf(entry->d_name, "memory%" SCNu64, &number) == 1 && is_offline(number))
			err = add(b, number, size);
	closedir(top);
	if (b->nr)
		qsort(b->offline, b->nr, sizeof(*b->offline), by_start);
	return err;
}

void blocks_free(struct blocks *b)
{
	free(b->offline);
	*b = (struct blocks){0};
}
