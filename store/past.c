// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "past.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "series.h"

/* ---- rows ----------------------------------------------------------------------------- */

static json_t *time_text(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[40];
	struct tm tm;
	size_t n;

	if (!gmtime_r(&seconds, &tm))
		return json_null();
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(ms % 1000));
	return json_string(text);
}

static json_t *text_of(sqlite3_stmt *s, int column)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	json_t *o = text ? json_string(text) : NULL;

	return o ? o : json_null(); /* no UTF-8: somebody else has written it */
}

/*
 * The columns of a row by the first letter of their names, which is their kind: t_ a time, i_ a
 * number, d_ a real number, b_ true or false, s_ text, o_ an object.
 */
static json_t *object_of(sqlite3_stmt *s)
{
	json_t *o = json_object(), *value;

	for (int i = 0; i < sqlite3_column_count(s); i++) {
		const char *name = sqlite3_column_name(s, i);

		switch (name[0]) {
		case 't':
			value = time_text(sqlite3_column_int64(s, i));
			break;
		case 'i':
			value = json_integer(sqlite3_column_int64(s, i));
			break;
		case 'd':
			value = json_real(sqlite3_column_double(s, i));
			break;
		case 'b':
			value = json_boolean(sqlite3_column_int(s, i));
			break;
		case 'o':
			value = json_loads((const char *)sqlite3_column_text(s, i), 0, NULL);
			value = value ? value : json_null();
			break;
		default:
			value = text_of(s, i);
		}
		json_object_set_new(o, name + 2, value);
	}
	return o;
}

/* The rows as objects, with up to three numbers as parameters. */
static int rows(sqlite3 *sql, const char *statement, int64_t a, int64_t b, int64_t c, json_t **out)
{
	sqlite3_stmt *s = NULL;
	int err = sqlite3_prepare_v2(sql, statement, -1, &s, NULL);
	json_t *array = json_array();

	if (err == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, a);
		sqlite3_bind_int64(s, 2, b);
		sqlite3_bind_int64(s, 3, c);
		while ((err = sqlite3_step(s)) == SQLITE_ROW)
			json_array_append_new(array, object_of(s));
	}
	err = database_errno(sql, err);
	sqlite3_finalize(s);
	if (err)
		json_decref(array);
	else
		*out = array;
	return err;
}

static int add_rows(sqlite3 *sql, json_t *to, const char *key, const char *statement, int64_t a,
		    int64_t b, int64_t c)
{
	json_t *array;
	int err = rows(sql, statement, a, b, c, &array);

	return err ? err : json_object_set_new(to, key, array) ? -ENOMEM : 0;
}

static int number(sqlite3 *sql, const char *statement, int64_t a, int64_t *out)
{
	sqlite3_stmt *s = NULL;
	int err = sqlite3_prepare_v2(sql, statement, -1, &s, NULL);

	if (err == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, a);
		err = sqlite3_step(s);
	}
	*out = err == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	err = database_errno(sql, err);
	sqlite3_finalize(s);
	return err;
}

/* ---- points --------------------------------------------------------------------------- */

struct span {
	int64_t from;
	int64_t to;
	int tier;
	int64_t step;
};

#define LAST_MS INT64_C(253402300799000) /* of the year 9999 */

/* A file from elsewhere may tell any time. */
static int64_t within_time(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms < LAST_MS ? ms : LAST_MS;
}

/* The finest tier that reaches back to the beginning, in steps that there are not too many of. */
static int find_span(sqlite3 *sql, int64_t since, struct span *out)
{
	struct span s = {.tier = SERIES_TIERS - 1};
	int64_t first, reaches, want;
	int err = number(sql, "SELECT min(began) FROM run WHERE ended >= ?", since, &first);

	if (!err)
		err = number(sql, "SELECT max(ended) FROM run WHERE ended >= ?", since, &s.to);
	s.from = within_time(since > first ? since : first);
	s.to = within_time(s.to);
	if (s.to < s.from)
		s.to = s.from;
	for (int tier = SERIES_TIERS - 1; !err && tier >= 0; tier--) {
		err = number(sql, "SELECT min(at) FROM machine_point WHERE tier = ?", tier,
			     &reaches);
		if (reaches && reaches <= s.from + (s.to - s.from) / 10 + series_width[tier])
			s.tier = tier;
	}
	want = (s.to - s.from) / PAST_POINTS + 1;
	s.step = (want + series_width[s.tier] - 1) / series_width[s.tier] * series_width[s.tier];
	s.from -= s.from % s.step;
	*out = s;
	return err;
}

/* clang-format off */
#define VALUE(name)								\
	"min(" name "_min) AS i_" name "_min, sum(" name "_sum) / sum(n) AS d_"	\
	name "_mean, max(" name "_max) AS i_" name "_max"
#define STEPS(table, columns)							\
	"SELECT at / ?1 * ?1 AS t_time, name AS s_name, " columns " FROM "	\
	table " WHERE at >= ?2 AND tier = ?3 GROUP BY at / ?1, name ORDER BY at / ?1, name"
/* clang-format on */

static int add_points(sqlite3 *sql, json_t *o, const struct span *s)
{
	int err = add_rows(sql, o, "points",
			   STEPS("machine_point", VALUE("pins") ", " VALUE("available")), s->step,
			   s->from, s->tier);
	const json_t *points = json_object_get(o, "points");
	json_t *point;
	size_t i;

	json_array_foreach(points, i, point) json_object_del(point, "name");
	if (err)
		return err;
	return add_rows(sql, o, "driver_points",
			STEPS("driver_point",
			      VALUE("held") ", " VALUE("leaked") ", " VALUE("bytes")),
			s->step, s->from, s->tier);
}

/* ---- the history ---------------------------------------------------------------------- */

static const char runs[] =
	"SELECT id AS i_id, began AS t_began, ended AS t_ended, clean AS b_clean,"
	" version AS s_version, host AS s_host, kernel AS s_kernel, boot AS s_boot,"
	" memory AS i_memory_total, lost AS i_lost FROM run WHERE ended >= ? ORDER BY id";

/* From the end of a run to the beginning of the next. */
static const char gaps[] =
	"SELECT ended AS t_from, next AS t_to, clean AS b_clean, next - ended AS i_ms FROM"
	" (SELECT ended, clean, lead(began) OVER (ORDER BY id) AS next FROM run)"
	" WHERE next > ended AND next >= ?1";

#define INCIDENT                                                                                   \
	"SELECT incident.id AS i_id, first AS t_first, last AS t_last, version AS s_version,"      \
	" driver AS s_driver, kind AS s_kind, plain AS b_references, evidence AS s_evidence,"      \
	" cause AS s_cause, severity AS s_severity, pins AS i_pins, bytes AS i_bytes,"             \
	" updates AS i_updates, cut AS b_cut"
#define FROM " FROM incident LEFT JOIN run ON run.id = incident.run "

static const char incidents[] = INCIDENT FROM "WHERE last >= ?1 ORDER BY incident.id DESC LIMIT ?2";
static const char events[] =
	"SELECT object AS o_object FROM event WHERE at >= ?1 AND type <> 'loss'"
	" ORDER BY id DESC LIMIT ?2";
static const char losses[] = "SELECT object AS o_object FROM event WHERE at >= ?1 AND type = 'loss'"
			     " ORDER BY id DESC LIMIT ?2";

/* [{"object": X}, ...] becomes [X, ...], the oldest first. */
static void flatten(json_t *o, const char *key)
{
	const json_t *rows_of = json_object_get(o, key);
	json_t *flat = json_array();

	for (size_t i = json_array_size(rows_of); i--;)
		json_array_append(flat, json_object_get(json_array_get(rows_of, i), "object"));
	json_object_set_new(o, key, flat);
}

int past_history(sqlite3 *sql, int64_t since, json_t **out)
{
	json_t *o = json_object();
	struct span s = {0};
	int64_t nr = 0;
	int err = find_span(sql, since, &s);

	if (!err)
		err = number(sql, "SELECT count(*) FROM incident WHERE last >= ?", since, &nr);
	json_object_set_new(o, "type", json_string("history"));
	json_object_set_new(o, "from", time_text(s.from));
	json_object_set_new(o, "to", time_text(s.to));
	json_object_set_new(o, "step_s", json_integer(s.step / 1000));
	json_object_set_new(o, "incidents_total", json_integer(nr));
	if (!err)
		err = add_rows(sql, o, "runs", runs, since, 0, 0);
	if (!err)
		err = add_rows(sql, o, "gaps", gaps, since, 0, 0);
	if (!err)
		err = add_rows(sql, o, "incidents", incidents, since, PAST_INCIDENTS, 0);
	if (!err)
		err = add_rows(sql, o, "events", events, since, PAST_EVENTS, 0);
	if (!err)
		err = add_rows(sql, o, "losses", losses, since, PAST_EVENTS, 0);
	if (!err)
		err = add_points(sql, o, &s);
	if (err) {
		json_decref(o);
		return err;
	}
	flatten(o, "events");
	flatten(o, "losses");
	*out = o;
	return 0;
}

int past_incident(sqlite3 *sql, int64_t id, json_t **out)
{
	json_t *found, *o, *type;
	int err =
		rows(sql,
		     INCIDENT ", verdict AS o_verdict" FROM
			      "WHERE incident.id = ?1 OR ?1 = 0 ORDER BY incident.id DESC LIMIT 1",
		     id, 0, 0, &found);

	if (err)
		return err;
	o = json_incref(json_array_get(found, 0));
	json_decref(found);
	if (!o)
		return -ENOENT;
	type = json_pack("{s:s}", "type", "incident");
	json_object_update(type, o);
	id = json_integer_value(json_object_get(o, "id"));
	json_decref(o);
	err = add_rows(sql, type, "course",
		       "SELECT at AS t_time, evidence AS s_evidence, severity AS s_severity,"
		       " pins AS i_pins, bytes AS i_bytes FROM course WHERE incident = ?1"
		       " ORDER BY at",
		       id, 0, 0);
	if (err)
		json_decref(type);
	else
		*out = type;
	return err;
}
