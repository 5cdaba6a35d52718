// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"

#define PRIVATE 0600
#define PATIENCE                                                                                   \
	50 /* ms for another process's write to end: somebody's sqlite3, never pinleak's           \
	    */

/* Of https://www.sqlite.org/fileformat.html#the_database_header */
#define HEADER		   100
#define HEADER_MAGIC	   "SQLite format 3"
#define HEADER_VERSION	   60
#define HEADER_APPLICATION 68

/* ---- statements ----------------------------------------------------------------------- */

int database_errno(sqlite3 *sql, int code)
{
	int system = sql ? sqlite3_system_errno(sql) : 0;

	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EACCES;
	default:
		return system > 0 ? -system : -EIO;
	}
}

static int bind(sqlite3_stmt *s, const char *types, va_list args)
{
	int err = SQLITE_OK;

	for (int i = 1; types[i - 1] && err == SQLITE_OK; i++)
		switch (types[i - 1]) {
		case 'i':
			err = sqlite3_bind_int64(s, i, va_arg(args, int64_t));
			break;
		case 'd':
			err = sqlite3_bind_double(s, i, va_arg(args, double));
			break;
		default:
			err = sqlite3_bind_text(s, i, va_arg(args, const char *), -1,
						SQLITE_STATIC);
		}
	return err;
}

int database_run(sqlite3 *sql, const char *statement, const char *types, ...)
{
	sqlite3_stmt *s = NULL;
	va_list args;
	int err = sqlite3_prepare_v2(sql, statement, -1, &s, NULL);

	va_start(args, types);
	if (err == SQLITE_OK)
		err = bind(s, types, args);
	va_end(args);
	if (err == SQLITE_OK)
		err = sqlite3_step(s);
	err = database_errno(sql, err);
	sqlite3_finalize(s);
	return err;
}

int database_number(sqlite3 *sql, const char *statement, int64_t *out)
{
	sqlite3_stmt *s = NULL;
	int err = sqlite3_prepare_v2(sql, statement, -1, &s, NULL);

	if (err == SQLITE_OK)
		err = sqlite3_step(s);
	*out = err == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	err = database_errno(sql, err);
	sqlite3_finalize(s);
	return err;
}

int database_script(sqlite3 *sql, const char *script)
{
	return database_errno(sql, sqlite3_exec(sql, script, NULL, NULL, NULL));
}

/* ---- one writer ----------------------------------------------------------------------- */

static int beside(const char *path, const char *suffix, char *out)
{
	return snprintf(out, PATH_MAX, "%s%s", path, suffix) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* *known: there has been a lock before, so that the file is one of ours, whatever is in it. */
static int take_lock(struct database *d, const char *path, bool *known)
{
	char name[PATH_MAX];
	int err = beside(path, "-lock", name);

	if (err)
		return err;
	*known = !access(name, F_OK);
	d->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, PRIVATE);
	if (d->lock < 0)
		return -errno;
	/* Of the open file, so not one of those that SQLite takes and gives back on the database.
	 */
	if (!flock(d->lock, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

/* A file that is not ours shall not look so the next time. */
static void forget_lock(const char *path, bool known)
{
	char name[PATH_MAX];

	if (!known && !beside(path, "-lock", name))
		unlink(name);
}

/* ---- whose file it is ----------------------------------------------------------------- */

static uint32_t big_endian(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/*
 * Looks before SQLite does, which would write to the file. 0: there is none, it is empty, or ours;
 * also, if it is known to be ours, when it does not look so.
 */
static int look_at_header(struct database *d, const char *path, const struct database_kind *kind,
			  bool known)
{
	unsigned char header[HEADER] = {0};
	FILE *f = fopen(path, "re");
	size_t got;

	if (!f)
		return errno == ENOENT ? 0 : -errno;
	got = fread(header, 1, sizeof(header), f);
	fclose(f);
	if (!got)
		return 0;
	if (got < sizeof(header) || memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0 ||
	    big_endian(header + HEADER_APPLICATION) != kind->application)
		return known ? 0 : -EMEDIUMTYPE;
	d->version = (int)big_endian(header + HEADER_VERSION);
	return d->version > kind->nr_steps ? -EPROTONOSUPPORT : 0;
}

/* ---- opening -------------------------------------------------------------------------- */

static int check(sqlite3 *sql)
{
	sqlite3_stmt *s = NULL;
	int err = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &s, NULL);
	const char *said;

	if (err == SQLITE_OK)
		err = sqlite3_step(s);
	said = err == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : "";
	err = database_errno(sql, err);
	if (!err && (!said || strcmp(said, "ok") != 0))
		err = -EBADMSG;
	sqlite3_finalize(s);
	return err;
}

/* The order matters: the first takes effect in an empty file only, and the second is then in the
 * file itself, not in its write-ahead log. */
static int set_up(struct database *d, const struct database_kind *kind)
{
	char script[512];

	snprintf(script, sizeof(script),
		 "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d;"
		 "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
		 "PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -512;"
		 "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF",
		 (int)kind->application);
	return database_script(d->sql, script);
}

static int upgrade(struct database *d, const struct database_kind *kind)
{
	char number[64];
	int err = 0;

	for (int i = d->version; i < kind->nr_steps && !err; i++) {
		snprintf(number, sizeof(number), "PRAGMA user_version = %d; COMMIT", i + 1);
		err = database_script(d->sql, "BEGIN IMMEDIATE");
		if (!err)
			err = database_script(d->sql, kind->steps[i]);
		if (!err)
			err = database_script(d->sql, number);
	}
	return err;
}

static int read_version(struct database *d, const struct database_kind *kind)
{
	int64_t version;
	int err = database_number(d->sql, "PRAGMA user_version", &version);

	if (err)
		return err;
	d->version = (int)version;
	return version > kind->nr_steps ? -EPROTONOSUPPORT : version < 0 ? -EBADMSG : 0;
}

static int open_sql(struct database *d, const char *path, int flags)
{
	int err = database_errno(d->sql, sqlite3_open_v2(path, &d->sql, flags, NULL));

	if (err)
		return d->sql ? database_errno(d->sql, sqlite3_errcode(d->sql)) : -ENOMEM;
	sqlite3_extended_result_codes(d->sql, 1);
	sqlite3_busy_timeout(d->sql, PATIENCE);
	sqlite3_db_config(d->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return 0;
}

static int open_file(struct database *d, const char *path, const struct database_kind *kind)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, PRIVATE), err;

	if (fd < 0)
		return -errno;
	close(fd);
	err = open_sql(d, path, SQLITE_OPEN_READWRITE);
	if (!err)
		err = read_version(d, kind);
	if (!err)
		err = set_up(d, kind);
	if (!err)
		err = check(d->sql);
	return err ? err : upgrade(d, kind);
}

void database_shut(struct database *d)
{
	sqlite3_close(d->sql);
	d->sql = NULL;
}

int database_reopen(struct database *d, const char *path, const struct database_kind *kind)
{
	int err = 0;

	database_shut(d);
	if (d->damaged)
		err = aside_move(path, d->aside);
	if (err && err != -ENOENT)
		return err;
	d->damaged = false;
	err = open_file(d, path, kind);
	d->damaged = err == -EBADMSG;
	if (err)
		database_shut(d);
	return err;
}

int database_open(struct database *d, const char *path, const struct database_kind *kind)
{
	bool known = false;
	int err;

	*d = (struct database){.lock = -1};
	err = take_lock(d, path, &known);
	if (!err)
		err = look_at_header(d, path, kind, known);
	if (err == -EMEDIUMTYPE)
		forget_lock(path, known);
	if (err)
		return err;
	err = database_reopen(d, path, kind);
	return d->damaged ? database_reopen(d, path, kind) : err;
}

int database_open_to_read(struct database *d, const char *path, const struct database_kind *kind)
{
	int err;

	*d = (struct database){.lock = -1};
	if (access(path, F_OK))
		return -errno;
	err = look_at_header(d, path, kind, false);
	if (!err)
		err = open_sql(d, path, SQLITE_OPEN_READONLY);
	if (!err)
		err = database_script(d->sql, "PRAGMA trusted_schema = OFF; PRAGMA query_only = 1");
	return err ? err : read_version(d, kind);
}

void database_close(struct database *d)
{
	database_shut(d);
	if (d->lock >= 0)
		close(d->lock);
	d->lock = -1;
}
