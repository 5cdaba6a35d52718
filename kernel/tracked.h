/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What a pinleak that is running knows of the folios that a census finds. */
#ifndef PINLEAK_KERNEL_TRACKED_H
#define PINLEAK_KERNEL_TRACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/census.h"
#include "books.h"

#define TRACKED_DRIVERS 64

struct tracked {
	struct books books;
	const struct snapshot *s; /* NULL: nobody tracks */
	struct map64 page_at;	  /* folio -> place in the snapshot's pages */
	const struct blame *drivers[TRACKED_DRIVERS];
	uint32_t nr_drivers;
};

/* Numbers of drivers: 0 unknown, TRACKED_SEVERAL, then the place in drivers[] + TRACKED_FIRST. */
#define TRACKED_SEVERAL 1
#define TRACKED_FIRST	2

/* -ENOENT: nobody tracks; -EPROTO: another version of pinleak does. */
int tracked_open(struct tracked *t);
void tracked_close(struct tracked *t);

/* Fills driver and site of an entry, and whether somebody may rightly hold its pins. */
void tracked_describe(struct tracked *t, struct census_entry *e);

#endif
