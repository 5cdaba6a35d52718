/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Looks out for plain references that nothing explains: pages of processes that nothing maps and
 * something references all the same. The kernel does not count them, so somebody has to look.
 */
#ifndef PINLEAK_KERNEL_LOOKOUT_H
#define PINLEAK_KERNEL_LOOKOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/census.h"
#include "../core/snapshot.h"

struct lookout {
	struct census seen;    /* at the first look */
	uint64_t first_ns;     /* when that was; 0: none is waiting for its second */
	uint64_t last_ns;      /* when the last pair of looks ended */
	uint64_t cost_ns;      /* how long that pair took */
	struct map64 known;    /* of folios of a snapshot: do they lie in pipes or sockets? */
	uint64_t listed_ns;    /* when all of these were listed last */
	uint64_t list_cost_ns; /* how long that took */
};

void lookout_close(struct lookout *l);

/* Is it time for one of the two looks, when there is to be a pair every so often? */
bool lookout_is_due(const struct lookout *l, uint64_t now_ns, uint64_t every_ns, uint64_t grace_ns);

/*
 * One of the two looks. After the second *folios is how many are still so, and *done is set.
 * -errno when it could not be looked.
 */
int lookout_look(struct lookout *l, uint64_t now_ns, bool *done, uint64_t *folios);

/*
 * Notes in a snapshot of references which folios lie in pipes or sockets. Only those are looked
 * for that could prove a leak: a file, a process or a module has ended, or a call failed. -ENOMEM.
 */
int lookout_clear(struct lookout *l, const struct snapshot *s);

#endif
