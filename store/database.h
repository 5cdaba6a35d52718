/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * An SQLite file that one process writes, others read, and a crash does not harm: opened with its
 * integrity checked, brought to the newest version of its tables, set aside when it is damaged.
 */
#ifndef PINLEAK_STORE_DATABASE_H
#define PINLEAK_STORE_DATABASE_H

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a file is made of. */
struct database_kind {
	uint32_t application;	  /* PRAGMA application_id, which tells whose file it is */
	const char *const *steps; /* the SQL that leads from version i to i + 1 */
	int nr_steps;
};

struct database {
	sqlite3 *sql;
	int lock;	      /* fd; -1: for reading */
	char aside[PATH_MAX]; /* where a damaged file was moved to; "": there was none */
	int version;	      /* that was found */
	bool damaged;	      /* it was found to be: database_reopen() sets it aside */
};

/*
 * Opens for writing, and creates the file when there is none, for its owner only.
 *
 * -EBUSY: another process writes to it; -EPROTONOSUPPORT: of a newer version, in d->version;
 * -EMEDIUMTYPE: a file of something else. These leave it as it is. A damaged file of ours is
 * set aside as aside_move() does it, and a new one begun: see d->aside.
 * -ENOMEM, -errno of the file. database_close() is needed in any case.
 */
int database_open(struct database *d, const char *path, const struct database_kind *kind)
	__attribute__((warn_unused_result));

/* Opens for reading. As above; -EBADMSG: it is damaged; -ENOENT: there is none. */
int database_open_to_read(struct database *d, const char *path, const struct database_kind *kind)
	__attribute__((warn_unused_result));

/*
 * Opens it again, with the lock that it has, and begins a new one if it is damaged, where
 * database_open() would. Whoever finds it damaged sets d->damaged. Errors as there; d->sql is NULL
 * then.
 */
int database_reopen(struct database *d, const char *path, const struct database_kind *kind)
	__attribute__((warn_unused_result));

void database_shut(struct database *d); /* keeps the lock */
void database_close(struct database *d);

/* The -errno of an SQLite result code: -ENOSPC a full disk, -EBADMSG damage. 0 of success. */
int database_errno(sqlite3 *sql, int code);

/*
 * Runs one statement with its values: i int64_t, d double, t text (NULL is null). A row
 * that it answers is passed over.
 */
int database_run(sqlite3 *sql, const char *statement, const char *types, ...)
	__attribute__((warn_unused_result));

/* The first column of the first row; 0 when there is none. */
int database_number(sqlite3 *sql, const char *statement, int64_t *out)
	__attribute__((warn_unused_result));

/* Several statements without values. */
int database_script(sqlite3 *sql, const char *script) __attribute__((warn_unused_result));

#endif
