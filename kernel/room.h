/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* How much room the tables of the programs have. */
#ifndef PINLEAK_KERNEL_ROOM_H
#define PINLEAK_KERNEL_ROOM_H

#include <stdint.h>

#define ROOM_LEAST 16384 /* records of folios: 5 MiB of kernel memory, */
#define ROOM_MOST  65536 /* 20 MiB, and about as much of the process */

/*
 * Records of folios on a machine with so many pages of memory. More than there is room for is
 * sampled, so that a larger machine needs no larger table.
 */
uint32_t room_for_folios(uint64_t pages);

#endif
