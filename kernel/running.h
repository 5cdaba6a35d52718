/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A pinleak that tracks in another process, found by its programs. */
#ifndef PINLEAK_KERNEL_RUNNING_H
#define PINLEAK_KERNEL_RUNNING_H

#include <stddef.h>
#include <stdint.h>

struct running_map {
	const char *name;
	uint32_t key, value; /* bytes; another size is another version's */
	int fd;		     /* out, for close(); -1: not found */
};

/*
 * Opens the maps of the first pinleak that is found to track pins (and not only plain references),
 * and says which process it is. -ENOENT: none does; -EPROTO: its maps are not what this version
 * knows; -EPERM.
 */
int running_find(struct running_map *maps, size_t nr, uint32_t *pid);

#endif
