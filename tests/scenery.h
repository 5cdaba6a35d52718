/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A machine as there might be one, for the picture of the page: a driver that takes and releases
 * all the time, one that begins to leak after a while, and what inspect would find of it.
 */
#ifndef PINLEAK_TESTS_SCENERY_H
#define PINLEAK_TESTS_SCENERY_H

#include "core/inspect.h"
#include "core/source.h"

#define SCENERY_FOLIOS 8192 /* that may leak */
#define SCENERY_OWNERS 128
#define SCENERY_SITES  2

struct scenery {
	uint64_t looks; /* so far; each takes a second */
	enum level level;
	uint64_t tracked_ns; /* since when */
	struct sample sample;
	struct sample base; /* when tracking began */
	struct snapshot books;
	struct snap_page pages[SCENERY_FOLIOS];
	struct snap_owner owners[SCENERY_OWNERS];
	struct snap_site site_room[SCENERY_SITES];
	struct snap_site *sites[SCENERY_SITES];
	uint32_t leaks[SCENERY_OWNERS]; /* folios, by owner */
	uint64_t leaked;		/* folios, of all */
	struct modgraph modules;
};

extern const struct source scenery_source; /* its context: a struct scenery */

/* The first look is a second after now_ns. */
void scenery_open(struct scenery *s, uint64_t now_ns);
void scenery_close(struct scenery *s);

/* What is found of any driver; inspect_free() in any case. -ENOMEM. */
int scenery_inspect(const char *driver, struct inspect *out) __attribute__((warn_unused_result));

#endif
