/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Snapshots as what changed since the one before, which the writer and the reader both keep.
 *
 * Decisions and what is shown depend on the order of pages, owners and call paths, so that is kept:
 * an array is told as runs of the array before, with new and changed records between them.
 */
#ifndef PINLEAK_STORE_MIRROR_H
#define PINLEAK_STORE_MIRROR_H

#include <stdbool.h>

#include "fields.h"

enum rows {
	ROWS_PAGES,
	ROWS_OWNERS,
	ROWS_SITES,
	ROWS_FAILURES,
	ROWS_UNLOADS,
	ROWS_WRONGS,
	ROWS_REFUSALS,
	ROWS_MODULES,
	ROWS,
};

/* An array of records, in bytes a multiple of their size. */
struct array_of {
	char *items;
	size_t nr, room; /* records */
};

/* {0} is that of no snapshot at all. One is for writing or for reading, not for both. */
struct mirror {
	struct array_of before[ROWS]; /* as the other side has them */
	struct array_of now[ROWS];    /* room to make the next in */
	struct array_of text, new_text;
	struct snapshot last; /* what is no array of it */
	/* what is handed out */
	struct array_of pages, sites, modules;
	struct modgraph graph;
	struct snapshot out;
};

void mirror_free(struct mirror *m);

/* -ENOMEM; the errors of the sink stay there. After one the mirror is good for nothing more. */
int mirror_put(struct mirror *m, struct sink *s, const struct snapshot *books)
	__attribute__((warn_unused_result));

/*
 * The snapshot belongs to the mirror and lives until the next one is read; its owners and call
 * paths, which verdicts point to, stay if that fails. Its arrays have at most `room` bytes
 * together, and the mirror takes up to eight times as much. -EFBIG: they would have more; -EBADMSG,
 * -ENOMEM, or the spring's error.
 */
int mirror_get(struct mirror *m, struct spring *s, size_t room, const struct snapshot **out)
	__attribute__((warn_unused_result));

#endif
