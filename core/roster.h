/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* How much each driver has pinned, and through which call paths. */
#ifndef PINLEAK_CORE_ROSTER_H
#define PINLEAK_CORE_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "map64.h"
#include "snapshot.h"

/* A call path, or all those of a driver. */
struct roster_row {
	const struct snap_site *site; /* the path; of a driver: the first of its paths */
	uint64_t held;		      /* pins that somebody may rightly hold, at most */
	uint64_t leaked;	      /* pins that are proved to be left */
	uint64_t bytes;		      /* of the folios, each once a row: what cannot be moved */
	uint32_t driver;	      /* place among the drivers, until they are sorted */
};

/* What one claim has in a folio. */
struct roster_share {
	const struct snap_site *site; /* NULL: lost, which is left out */
	uint32_t held;
	uint32_t leaked;
};

/* {0} is ready to use. */
struct roster {
	struct roster_row *drivers;
	size_t nr_drivers;
	struct roster_row *sites;
	size_t nr_sites;
	size_t room_drivers;
	size_t room_sites;
	struct map64 site_at; /* its address -> place among the sites, until they are sorted */
};

void roster_free(struct roster *r);
void roster_clear(struct roster *r);

/* The shares in one folio of so many bytes, PL_SLOTS at most. -ENOMEM. */
int roster_add(struct roster *r, const struct roster_share *shares, size_t nr, uint64_t bytes)
	__attribute__((warn_unused_result));

/* The rows with most bytes first; nothing is added then, before it is cleared. */
void roster_sort(struct roster *r);

#endif
