// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "series.h"

#define APPLICATION 0x506e4c6b /* PnLk */
#define HOUR_MS	    INT64_C(3600000)
#define ITEM_ROOM   ((size_t)256 << 10) /* bytes of an object; of one that is larger, a part */
#define ITEMS_ROOM  ((size_t)2 << 20)	/* of all that wait */
#define TRIM_PAUSE  60000		/* ms between two looks for what is too old */
#define TRIM_ROWS   4096		/* at a time */
#define TRIM_STEP   HOUR_MS		/* of the oldest, at a time */
#define ASIDE_PAUSE 60000		/* ms between two files that are set aside */
#define SPARE_PAGES 256			/* free ones that are left for what comes */
#define VACUUM_STEP 64			/* pages */

/* An object that waits to be written. */
struct item {
	struct item *next;
	int64_t at;
	size_t size;
	bool cut; /* a part of it is left out */
	char type[16];
	char text[];
};

struct history {
	struct database db;
	char *path;
	struct history_limits limits;
	struct history_state state;
	struct series machine;
	struct series drivers;
	struct item *first;
	struct item **last;
	size_t waiting; /* bytes of them */
	struct {
		char *version, *host, *kernel, *boot;
		int64_t id; /* 0: not written yet */
		int64_t began;
		int64_t memory;
	} run;
	int64_t now;	 /* of the last object */
	int64_t written; /* the time of the last writing */
	int64_t trimmed;
	int64_t renewed; /* when it was found to be damaged last */
};

/* ---- the tables ----------------------------------------------------------------------- */

static const char *const steps[] = {
	"CREATE TABLE run (id INTEGER PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER NOT NULL,"
	" clean INTEGER NOT NULL, version TEXT NOT NULL, host TEXT NOT NULL, kernel TEXT NOT NULL,"
	" boot TEXT, memory INTEGER NOT NULL, lost INTEGER NOT NULL);"
	"CREATE TABLE machine_point (tier INTEGER NOT NULL, at INTEGER NOT NULL,"
	" name TEXT NOT NULL, n INTEGER NOT NULL,"
	" pins_min INTEGER NOT NULL, pins_sum REAL NOT NULL, pins_max INTEGER NOT NULL,"
	" available_min INTEGER NOT NULL, available_sum REAL NOT NULL,"
	" available_max INTEGER NOT NULL, PRIMARY KEY (tier, at, name)) WITHOUT ROWID;"
	"CREATE TABLE driver_point (tier INTEGER NOT NULL, at INTEGER NOT NULL,"
	" name TEXT NOT NULL, n INTEGER NOT NULL,"
	" held_min INTEGER NOT NULL, held_sum REAL NOT NULL, held_max INTEGER NOT NULL,"
	" leaked_min INTEGER NOT NULL, leaked_sum REAL NOT NULL, leaked_max INTEGER NOT NULL,"
	" bytes_min INTEGER NOT NULL, bytes_sum REAL NOT NULL, bytes_max INTEGER NOT NULL,"
	" PRIMARY KEY (tier, at, name)) WITHOUT ROWID;"
	"CREATE TABLE event (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at INTEGER NOT NULL,"
	" type TEXT NOT NULL, object TEXT NOT NULL);"
	"CREATE INDEX event_at ON event (at);"
	"CREATE TABLE incident (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL,"
	" first INTEGER NOT NULL, last INTEGER NOT NULL, driver TEXT NOT NULL,"
	" kind TEXT NOT NULL, plain INTEGER NOT NULL, evidence TEXT NOT NULL,"
	" cause TEXT NOT NULL, severity TEXT NOT NULL, pins INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, updates INTEGER NOT NULL, cut INTEGER NOT NULL,"
	" verdict TEXT NOT NULL);"
	"CREATE INDEX incident_last ON incident (last);"
	"CREATE TABLE course (incident INTEGER NOT NULL, at INTEGER NOT NULL,"
	" evidence TEXT NOT NULL, severity TEXT NOT NULL, pins INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, PRIMARY KEY (incident, at)) WITHOUT ROWID;",
};

const struct database_kind history_kind = {
	.application = APPLICATION,
	.steps = steps,
	.nr_steps = sizeof(steps) / sizeof(*steps),
};

struct history_limits history_defaults(void)
{
	return (struct history_limits){.bytes = (uint64_t)64 << 20,
				       .seconds_ms = 6 * HOUR_MS,
				       .minutes_ms = 14 * 24 * HOUR_MS,
				       .age_ms = 365 * 24 * HOUR_MS,
				       .pause_ms = 5000};
}

static int64_t shorter(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void history_limit_age(struct history_limits *l, int64_t age_ms)
{
	l->age_ms = age_ms;
	l->seconds_ms = shorter(l->seconds_ms, age_ms);
	l->minutes_ms = shorter(l->minutes_ms, age_ms);
}

/* ---- objects that wait ---------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* "2026-11-22T20:00:00.000Z", in ms. */
static bool read_time(const json_t *o, int64_t *at)
{
	const char *text = text_of(o, "time"), *end;
	struct tm tm = {0};
	int ms = 0;

	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || sscanf(end, ".%3dZ", &ms) != 1)
		return false;
	*at = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}

static void drop_first(struct history *h)
{
	struct item *i = h->first;

	h->first = i->next;
	if (!h->first)
		h->last = &h->first;
	h->waiting -= i->size;
	free(i);
}

/* An object with at most so many elements in each of its arrays. */
static json_t *with_short_arrays(json_t *o, size_t most)
{
	json_t *copy = json_copy(o), *value, *array;
	const char *key;

	json_object_foreach(o, key, value)
	{
		if (json_array_size(value) <= most)
			continue;
		array = json_array();
		for (size_t i = 0; i < most; i++)
			json_array_append(array, json_array_get(value, i));
		json_object_set_new(copy, key, array);
	}
	return copy;
}

static char *dump(const json_t *o)
{
	return json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
}

/* As much of it as there is room for; NULL: there is no memory, or none of it fits. */
static char *dump_what_fits(json_t *o, bool *cut)
{
	char *text = dump(o);
	json_t *less;

	*cut = false;
	for (size_t most = 16; text && strlen(text) >= ITEM_ROOM; most /= 4) {
		free(text);
		text = NULL;
		if (*cut && !most)
			break;
		*cut = true;
		less = with_short_arrays(o, most);
		text = less ? dump(less) : NULL;
		json_decref(less);
	}
	return text;
}

static void keep(struct history *h, json_t *o, const char *type)
{
	struct item *i = NULL;
	bool cut;
	char *text = dump_what_fits(o, &cut);
	size_t size = text ? strlen(text) + 1 : 0;

	while (h->first && h->waiting + size > ITEMS_ROOM) {
		drop_first(h);
		h->state.lost++;
	}
	if (text)
		i = malloc(sizeof(*i) + size);
	if (i) {
		*i = (struct item){.at = h->now, .size = size, .cut = cut};
		snprintf(i->type, sizeof(i->type), "%s", type);
		memcpy(i->text, text, size);
		*h->last = i;
		h->last = &i->next;
		h->waiting += size;
	} else {
		h->state.lost++;
	}
	free(text);
}

/* ---- points --------------------------------------------------------------------------- */

static void add_point(struct history *h, struct series *s, const char *name, const int64_t *values,
		      size_t nr)
{
	uint64_t lost = s->lost;

	if (series_add(s, name, h->now, values, nr))
		h->state.lost += s->lost - lost;
}

static void take_sample(struct history *h, const json_t *o)
{
	const int64_t values[] = {number_of(o, "outstanding"), number_of(o, "memory_available")};

	h->run.memory = number_of(o, "memory_total");
	add_point(h, &h->machine, "", values, 2);
}

static void take_drivers(struct history *h, const json_t *o)
{
	const json_t *rows = json_object_get(o, "drivers"), *row;
	int64_t others[SERIES_VALUES] = {0};
	size_t i, nr = json_array_size(rows);

	json_array_foreach(rows, i, row)
	{
		const char *name = text_of(row, "driver");
		const int64_t values[] = {number_of(row, "held_pins"),
					  number_of(row, "leaked_pins"), number_of(row, "bytes")};

		if (i < HISTORY_DRIVERS)
			add_point(h, &h->drivers, *name ? name : "?", values, SERIES_VALUES);
		else
			for (size_t k = 0; k < SERIES_VALUES; k++)
				others[k] += values[k];
	}
	if (nr > HISTORY_DRIVERS)
		add_point(h, &h->drivers, HISTORY_OTHERS, others, SERIES_VALUES);
}

/* ---- writing -------------------------------------------------------------------------- */

static int write_run(struct history *h)
{
	sqlite3 *sql = h->db.sql;
	int err;

	if (h->run.id)
		return database_run(sql,
				    "UPDATE run SET ended = ?, memory = ?, lost = ? WHERE id = ?",
				    "iiii", h->now, h->run.memory, (int64_t)h->state.lost,
				    h->run.id);
	err = database_run(sql,
			   "INSERT INTO run (began, ended, clean, version, host, kernel, boot,"
			   " memory, lost) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
			   "iittttii", h->run.began, h->now, h->run.version, h->run.host,
			   h->run.kernel, h->run.boot, h->run.memory, (int64_t)h->state.lost);
	if (!err)
		h->run.id = sqlite3_last_insert_rowid(sql);
	return err;
}

/* What is there of the same time is of this run or of one before, and is added to. */
#define MERGE(value)                                                                               \
	value "_min = min(" value "_min, excluded." value "_min), " value "_sum = " value          \
	      "_sum + excluded." value "_sum, " value "_max = max(" value "_max, excluded." value  \
	      "_max)"
#define INTO " ON CONFLICT (tier, at, name) DO UPDATE SET n = n + excluded.n, "

static const char write_machine[] =
	"INSERT INTO machine_point VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" INTO MERGE(
		"pins") ", " MERGE("available");
static const char write_driver[] =
	"INSERT INTO driver_point VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" INTO MERGE(
		"held") ", " MERGE("leaked") ", " MERGE("bytes");

static int write_point(sqlite3_stmt *s, const struct series_point *p, int values)
{
	int err;

	sqlite3_bind_int(s, 1, p->tier);
	sqlite3_bind_int64(s, 2, p->at);
	sqlite3_bind_text(s, 3, p->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 4, (int64_t)p->n);
	for (int i = 0; i < values; i++) {
		sqlite3_bind_int64(s, 5 + 3 * i, p->value[i].least);
		sqlite3_bind_double(s, 6 + 3 * i, p->value[i].sum);
		sqlite3_bind_int64(s, 7 + 3 * i, p->value[i].most);
	}
	err = sqlite3_step(s);
	sqlite3_reset(s);
	return err;
}

static int write_points(sqlite3 *sql, const char *statement, const struct series *series,
			int values)
{
	sqlite3_stmt *s = NULL;
	int err = series->nr ? sqlite3_prepare_v2(sql, statement, -1, &s, NULL) : SQLITE_DONE;

	if (err == SQLITE_OK)
		err = SQLITE_DONE;
	for (size_t i = 0; i < series->nr && err == SQLITE_DONE; i++)
		err = write_point(s, &series->points[i], values);
	err = database_errno(sql, err);
	sqlite3_finalize(s);
	return err;
}

/* The incident of this run that a verdict is about; 0: a new one. */
static int find_incident(struct history *h, const char *driver, const char *kind, bool plain,
			 int64_t *id)
{
	sqlite3_stmt *s = NULL;
	int err = sqlite3_prepare_v2(h->db.sql,
				     "SELECT id FROM incident WHERE run = ? AND driver = ? AND"
				     " kind = ? AND plain = ? ORDER BY id DESC LIMIT 1",
				     -1, &s, NULL);

	if (err == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, h->run.id);
		sqlite3_bind_text(s, 2, driver, -1, SQLITE_STATIC);
		sqlite3_bind_text(s, 3, kind, -1, SQLITE_STATIC);
		sqlite3_bind_int(s, 4, plain);
		err = sqlite3_step(s);
	}
	*id = err == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	err = database_errno(h->db.sql, err);
	sqlite3_finalize(s);
	return err;
}

static int write_course(struct history *h, int64_t id, const struct item *i, const json_t *v,
			int64_t pins)
{
	int err = database_run(h->db.sql, "INSERT OR REPLACE INTO course VALUES (?, ?, ?, ?, ?, ?)",
			       "iittii", id, i->at, text_of(v, "evidence"), text_of(v, "severity"),
			       pins, number_of(v, "bytes"));

	if (err)
		return err;
	return database_run(h->db.sql,
			    "DELETE FROM course WHERE incident = ?1 AND"
			    " at > (SELECT min(at) FROM course WHERE incident = ?1) AND"
			    " at <= (SELECT at FROM course WHERE incident = ?1"
			    " ORDER BY at DESC LIMIT 1 OFFSET ?2)",
			    "ii", id, (int64_t)HISTORY_COURSE);
}

static int write_verdict(struct history *h, const struct item *i)
{
	json_t *v = json_loads(i->text, 0, NULL);
	const json_t *driver = json_object_get(v, "driver");
	int64_t references = number_of(v, "references"), pins = number_of(v, "pins") + references;
	int64_t id;
	int err = v ? find_incident(h, text_of(driver, "name"), text_of(driver, "kind"), references,
				    &id)
		    : -ENOMEM;

	if (!err && !id) {
		err = database_run(h->db.sql,
				   "INSERT INTO incident (run, first, last, driver, kind, plain,"
				   " evidence, cause, severity, pins, bytes, updates, cut, verdict)"
				   " VALUES (?, ?, 0, ?, ?, ?, '', '', '', 0, 0, -1, 0, '')",
				   "iitti", h->run.id, i->at, text_of(driver, "name"),
				   text_of(driver, "kind"), (int64_t)(references != 0));
		id = sqlite3_last_insert_rowid(h->db.sql);
	}
	if (!err)
		err = database_run(h->db.sql,
				   "UPDATE incident SET last = ?, evidence = ?, cause = ?,"
				   " severity = ?, pins = ?, bytes = ?, updates = updates + 1,"
				   " cut = ?, verdict = ? WHERE id = ?",
				   "itttiiiti", i->at, text_of(v, "evidence"), text_of(v, "cause"),
				   text_of(v, "severity"), pins, number_of(v, "bytes"),
				   (int64_t)i->cut, i->text, id);
	if (!err)
		err = write_course(h, id, i, v, pins);
	json_decref(v);
	return err;
}

static int write_item(struct history *h, const struct item *i)
{
	if (!strcmp(i->type, "verdict"))
		return write_verdict(h, i);
	return database_run(h->db.sql,
			    "INSERT INTO event (run, at, type, object) VALUES (?, ?, ?, ?)", "iitt",
			    h->run.id, i->at, i->type, i->text);
}

static int write_all(struct history *h)
{
	int err = write_run(h);

	if (!err)
		err = write_points(h->db.sql, write_machine, &h->machine, 2);
	if (!err)
		err = write_points(h->db.sql, write_driver, &h->drivers, SERIES_VALUES);
	for (const struct item *i = h->first; i && !err; i = i->next)
		err = write_item(h, i);
	return err;
}

/* All or nothing: what could not be written waits for the next time. */
static int write_waiting(struct history *h)
{
	int64_t run = h->run.id;
	int err = database_script(h->db.sql, "BEGIN IMMEDIATE");

	if (!err)
		err = write_all(h);
	if (!err)
		err = database_script(h->db.sql, "COMMIT");
	if (err) {
		if (!sqlite3_get_autocommit(h->db.sql))
			sqlite3_exec(h->db.sql, "ROLLBACK", NULL, NULL, NULL);
		h->run.id = run;
		return err;
	}
	series_clear(&h->machine);
	series_clear(&h->drivers);
	while (h->first)
		drop_first(h);
	return 0;
}

/* ---- bounds --------------------------------------------------------------------------- */

/* The oldest TRIM_ROWS rows, or those of them that are older than a time. */
static const struct {
	const char *statement; /* ?1 the tier, ?2 the time, ?3 rows */
	int tier;
} trims[] = {
/* clang-format off */
#define TRIM_POINTS(table)								\
	"DELETE FROM " table " WHERE tier = ?1 AND at < ?2 AND at <= ifnull((SELECT at FROM "	\
	table " WHERE tier = ?1 ORDER BY at LIMIT 1 OFFSET ?3), ?2)"
/* clang-format on */
#define TRIM_ROWS_OF(table, at)                                                                    \
	"DELETE FROM " table " WHERE ?1 = 0 AND id IN (SELECT id FROM " table " WHERE " at         \
	" < ?2 ORDER BY " at " LIMIT ?3)"
	{TRIM_POINTS("driver_point"), 0},  {TRIM_POINTS("machine_point"), 0},
	{TRIM_POINTS("driver_point"), 1},  {TRIM_POINTS("machine_point"), 1},
	{TRIM_ROWS_OF("event", "at"), 0},  {TRIM_POINTS("driver_point"), 2},
	{TRIM_POINTS("machine_point"), 2}, {TRIM_ROWS_OF("incident", "last"), 0},
	{TRIM_ROWS_OF("run", "ended"), 0},
};
#define TRIMS (sizeof(trims) / sizeof(*trims))

static int trim(struct history *h, size_t i, int64_t before, int64_t rows, int *gone)
{
	int err = database_run(h->db.sql, trims[i].statement, "iii", (int64_t)trims[i].tier, before,
			       rows);

	*gone = err ? 0 : sqlite3_changes(h->db.sql);
	return err;
}

static int trim_course(struct history *h)
{
	return database_run(h->db.sql,
			    "DELETE FROM course WHERE incident NOT IN (SELECT id FROM incident)",
			    "");
}

/*
 * Of each tier, before which time it is too old. From the oldest points on it is a step at a time:
 * a clock that is far ahead, as some are at the boot until the network tells them the time, shall
 * not take a year with it.
 */
static int find_old(struct history *h, int64_t *before)
{
	const int64_t kept[] = {h->limits.seconds_ms, h->limits.minutes_ms, h->limits.age_ms};
	int64_t oldest;
	char query[80];
	int err = 0;

	for (int tier = 0; tier < SERIES_TIERS && !err; tier++) {
		snprintf(query, sizeof(query), "SELECT min(at) FROM machine_point WHERE tier = %d",
			 tier);
		err = database_number(h->db.sql, query, &oldest);
		before[tier] = shorter(h->now - kept[tier], shorter(oldest, h->now) + TRIM_STEP);
	}
	return err;
}

static int trim_old(struct history *h)
{
	int64_t before[SERIES_TIERS];
	bool points;
	int err = find_old(h, before), gone;

	for (size_t i = 0; i < TRIMS && !err; i++) {
		points = strstr(trims[i].statement, "_point");
		err = trim(h, i, before[points ? trims[i].tier : SERIES_TIERS - 1], TRIM_ROWS,
			   &gone);
	}
	return err ? err : trim_course(h);
}

/* One step at the finest detail that there is, of the oldest of it; never at this very run. */
static int trim_large(struct history *h)
{
	int err = 0, gone = 0;

	for (size_t i = 0; i < TRIMS && !err && !gone; i++)
		err = trim(h, i, h->now - TRIM_PAUSE, i < 4 ? TRIM_ROWS : TRIM_ROWS / 16, &gone);
	return err ? err : trim_course(h);
}

static int pages(struct history *h, int64_t *used, int64_t *spare)
{
	int err = database_number(h->db.sql, "PRAGMA page_count", used);

	if (!err)
		err = database_number(h->db.sql, "PRAGMA freelist_count", spare);
	*used -= *spare;
	return err;
}

static int vacuum(struct history *h)
{
	char step[64];

	snprintf(step, sizeof(step), "PRAGMA incremental_vacuum(%d)", VACUUM_STEP);
	return database_script(h->db.sql, step);
}

/* In small steps, so that the watch is not kept waiting. */
static int keep_within_bounds(struct history *h)
{
	int64_t most = (int64_t)(h->limits.bytes / 8 * 7), used, spare, size;
	int err = 0;

	if (h->now - h->trimmed >= TRIM_PAUSE || h->now < h->trimmed) {
		h->trimmed = h->now;
		err = trim_old(h);
	}
	if (!err)
		err = database_number(h->db.sql, "PRAGMA page_size", &size);
	if (!err)
		err = pages(h, &used, &spare);
	if (!err && used * size > most)
		err = trim_large(h);
	if (!err && spare > SPARE_PAGES)
		err = vacuum(h);
	return err;
}

/* ---- the file ------------------------------------------------------------------------- */

static int set_size(struct history *h)
{
	char script[64];
	int64_t size;
	int err = database_number(h->db.sql, "PRAGMA page_size", &size);

	if (err)
		return err;
	snprintf(script, sizeof(script), "PRAGMA max_page_count = %lld",
		 (long long)(h->limits.bytes / (uint64_t)size));
	return database_script(h->db.sql, script);
}

/* Opened for the first time, or again, and begun anew when it is damaged. */
static int open_file(struct history *h)
{
	bool locked = h->db.lock >= 0;
	int err;

	h->db.aside[0] = '\0';
	err = locked ? database_reopen(&h->db, h->path, &history_kind)
		     : database_open(&h->db, h->path, &history_kind);
	if (!err)
		err = set_size(h);
	if (h->db.aside[0]) {
		memcpy(h->state.aside, h->db.aside, sizeof(h->state.aside));
		h->state.asides++;
	}
	if (err && locked)
		database_shut(&h->db);
	else if (err)
		database_close(&h->db);
	h->run.id = 0;
	return err;
}

/* Where the file has its greatest size already, only the second makes room for the first. */
static int write_bounded(struct history *h)
{
	int err = write_waiting(h), bounds = keep_within_bounds(h);

	return err ? err : bounds;
}

static bool may_renew(const struct history *h)
{
	return !h->renewed || h->now < h->renewed || h->now - h->renewed >= ASIDE_PAUSE;
}

static void write_now(struct history *h)
{
	int err = h->db.sql ? 0 : open_file(h);

	if (!err)
		err = write_bounded(h);
	if (err == -EBADMSG && h->db.sql && may_renew(h)) {
		h->renewed = h->now;
		h->db.damaged = true;
		err = open_file(h);
		if (!err)
			err = write_bounded(h);
	}
	h->written = h->now;
	h->state.error = err;
}

/* ---- the writer ----------------------------------------------------------------------- */

void history_take(void *history, json_t *object)
{
	struct history *h = history;
	const char *type = text_of(object, "type");
	bool at_once = !strcmp(type, "verdict") && !h->state.error;

	h->state.taken++;
	if (!read_time(object, &h->now)) {
		h->state.lost++;
		return;
	}
	if (!h->run.began)
		h->run.began = h->written = h->now;
	if (!strcmp(type, "sample"))
		take_sample(h, object);
	else if (!strcmp(type, "drivers"))
		take_drivers(h, object);
	else
		keep(h, object, type);
	if (at_once || h->now < h->written || h->now - h->written >= h->limits.pause_ms ||
	    (!h->state.error && (h->machine.nr + h->drivers.nr > SERIES_ROOM / 2)))
		write_now(h);
}

const struct history_state *history_state(const struct history *h)
{
	return &h->state;
}

static int copy_names(struct history *h, const char *path, const struct history_run *run)
{
	h->path = strdup(path);
	h->run.version = strdup(run->version);
	h->run.host = strdup(run->host);
	h->run.kernel = strdup(run->kernel);
	h->run.boot = run->boot ? strdup(run->boot) : NULL;
	return h->path && h->run.version && h->run.host && h->run.kernel &&
			       (h->run.boot || !run->boot)
		       ? 0
		       : -ENOMEM;
}

static void destroy(struct history *h)
{
	while (h->first)
		drop_first(h);
	series_free(&h->machine);
	series_free(&h->drivers);
	database_close(&h->db);
	free(h->path);
	free(h->run.version);
	free(h->run.host);
	free(h->run.kernel);
	free(h->run.boot);
	free(h);
}

/* May it be opened later, without anybody doing anything about it? */
static bool may_pass(int err)
{
	return err == -EBUSY || err == -ENOSPC || err == -EACCES || err == -EROFS || err == -EIO;
}

int history_open(const char *path, const struct history_limits *limits,
		 const struct history_run *run, bool later, struct history **out,
		 struct database *opened)
{
	struct history *h = calloc(1, sizeof(*h));
	int err;

	*opened = (struct database){.lock = -1};
	if (!h)
		return -ENOMEM;
	h->limits = *limits;
	h->last = &h->first;
	h->db.lock = -1;
	err = copy_names(h, path, run);
	if (!err)
		err = open_file(h);
	*opened = h->db;
	h->state.error = err;
	if (!err || (later && may_pass(err)))
		*out = h;
	else
		destroy(h);
	return err;
}

void history_close(struct history *h, bool clean)
{
	if (!h)
		return;
	if (h->run.began)
		write_now(h);
	if (clean && h->run.id && !h->state.error)
		h->state.error = database_run(h->db.sql, "UPDATE run SET clean = 1 WHERE id = ?",
					      "i", h->run.id);
	destroy(h);
}
