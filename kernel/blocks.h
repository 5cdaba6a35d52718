/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Memory blocks that are offline. Their page structures are there, but nobody has set them up
 * (memory that was plugged in and not put to use) or keeps them (memory that was taken away), so
 * that they may say anything.
 */
#ifndef PINLEAK_KERNEL_BLOCKS_H
#define PINLEAK_KERNEL_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

struct block {
	uint64_t start, end; /* page frames */
};

struct blocks {
	struct block *offline; /* by page frame */
	size_t nr, room;
};

/*
 * By /sys/devices/system/memory; a kernel without it takes no memory offline. -ENOMEM. Needs
 * blocks_free() in any case.
 */
int blocks_read(struct blocks *b);
void blocks_free(struct blocks *b);

#endif
