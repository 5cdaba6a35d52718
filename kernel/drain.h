/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Pages on their way to and between the LRU lists. */
#ifndef PINLEAK_KERNEL_DRAIN_H
#define PINLEAK_KERNEL_DRAIN_H

/*
 * Empties the batches in which each processor keeps pages that it is about to put on a list, or to
 * move between lists: they hold a reference of each, for as long as the processor likes. -errno.
 */
int drain_lru(void);

#endif
