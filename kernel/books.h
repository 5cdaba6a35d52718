/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The maps of the loaded programs, read and put together as a snapshot for the core. */
#ifndef PINLEAK_KERNEL_BOOKS_H
#define PINLEAK_KERNEL_BOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/snapshot.h"
#include "programs.h"

/* An array that grows, of elements of one size. */
struct array {
	void *items;
	size_t nr, room, size;
};

/* The maps the books are read from. */
enum book {
	BOOK_PAGES,
	BOOK_FREED,
	BOOK_OWNERS,
	BOOK_WRONGS,
	BOOK_SITES,
	BOOK_FAILURES,
	BOOK_UNLOADS,
	BOOK_FILE_ENDS,
	BOOK_REFUSALS,
	BOOKS,
};

struct books {
	struct programs *programs; /* NULL: they are another process's, see books_find() */
	int maps[BOOKS];	   /* descriptors */
	uint32_t watcher;	   /* the process whose books they are; 0: this one */
	struct snapshot s;
	struct programs_runs runs; /* until then */
	struct array pages, owners, failures, unloads, wrongs, refusals, sites, devices;
	struct map64 device_at; /* device number, and 1 << 32 for a block device -> its place */
	struct modgraph modules;
	struct map64 dead;	/* owner -> 0.1 s after `born` when first seen gone */
	struct map64 used;	/* owners that a folio names */
	struct map64 used_more; /* calls and file ids in use */
	uint64_t born;
};

/* The programs must outlive the books, and be loaded for books_read(). */
void books_open(struct books *b, struct programs *programs);
void books_close(struct books *b);

/*
 * Opens the books of a pinleak that runs in another process: nothing of it is changed. -ENOENT:
 * there is none; -EPROTO: it is of another version.
 */
int books_find(struct books *b);

/* Forgets what belongs to one loading of the programs. */
void books_reset(struct books *b);

/* The snapshot belongs to the books and lives until the next call. -errno. */
int books_read(struct books *b, const struct snapshot **out);

#endif
