// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "store/aside.h"
#include "store/history.h"
#include "store/past.h"
#include "store/series.h"

#define BEGIN INT64_C(1795000000) /* s since 1970, no whole minute and no whole hour */
#define DAY   86400

static char place[] = "/dev/shm/pinleak-history-XXXXXX"; /* no disk: a week is written */
static char path[PATH_MAX];
static const struct history_run here = {"1.2.3", "host", "6.x", "boot"};

static int setup(void **state)
{
	(void)state;
	strcpy(place + strlen(place) - 6, "XXXXXX");
	assert_non_null(mkdtemp(place));
	snprintf(path, sizeof(path), "%s/history.db", place);
	return 0;
}

static int teardown(void **state)
{
	char command[PATH_MAX];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", place);
	return system(command);
}

/* ---- what is told --------------------------------------------------------------------- */

static json_t *event(const char *type, int64_t s)
{
	time_t seconds = (time_t)s;
	char text[40];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	return json_pack("{s:s, s:s}", "type", type, "time", text);
}

static void tell(struct history *h, json_t *o)
{
	history_take(h, o);
	json_decref(o);
}

static void tell_sample(struct history *h, int64_t s, json_int_t pins)
{
	json_t *o = event("sample", s);

	json_object_set_new(o, "outstanding", json_integer(pins));
	json_object_set_new(o, "memory_available", json_integer(1 << 30));
	json_object_set_new(o, "memory_total", json_integer((json_int_t)1 << 32));
	tell(h, o);
}

static void tell_drivers(struct history *h, int64_t s, size_t nr)
{
	json_t *o = event("drivers", s), *rows = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(rows, json_pack("{s:o, s:I, s:I, s:I}", "driver",
						      json_sprintf("driver%zu", i), "held_pins",
						      (json_int_t)2, "leaked_pins", (json_int_t)3,
						      "bytes", (json_int_t)4096));
	json_object_set_new(o, "drivers", rows);
	tell(h, o);
}

static json_t *verdict(int64_t s, const char *driver, json_int_t pins)
{
	json_t *o = event("verdict", s);

	json_object_set_new(o, "driver", json_pack("{s:s, s:s}", "name", driver, "kind", "module"));
	json_object_set_new(o, "evidence", json_string("orphaned"));
	json_object_set_new(o, "cause", json_string("missing-release"));
	json_object_set_new(o, "severity", json_string("warning"));
	json_object_set_new(o, "pins", json_integer(pins));
	json_object_set_new(o, "bytes", json_integer(pins * 4096));
	return o;
}

/* ---- what is kept --------------------------------------------------------------------- */

static struct history *open_limited(const struct history_limits *limits)
{
	struct database opened;
	struct history *h = NULL;

	assert_int_equal(history_open(path, limits, &here, false, &h, &opened), 0);
	assert_string_equal(opened.aside, "");
	return h;
}

static struct history *open_here(void)
{
	const struct history_limits limits = history_defaults();

	return open_limited(&limits);
}

static int refusal(struct database *opened)
{
	const struct history_limits limits = history_defaults();
	struct history *h = NULL;
	int err = history_open(path, &limits, &here, false, &h, opened);

	assert_true(err ? !h : h != NULL);
	history_close(h, true);
	return err;
}

/* A number that is in the file, as another process reads it. */
static int64_t kept(const char *query)
{
	struct database d;
	int64_t n;

	assert_int_equal(database_open_to_read(&d, path, &history_kind), 0);
	assert_int_equal(database_number(d.sql, query, &n), 0);
	database_close(&d);
	return n;
}

/* Points of an hour that are older. */
static int64_t kept_before(int64_t s)
{
	char query[128];

	snprintf(query, sizeof(query),
		 "SELECT count(*) FROM machine_point WHERE tier = 2 AND at < %lld",
		 (long long)s * 1000);
	return kept(query);
}

static void assert_whole(void)
{
	assert_int_equal(kept("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static int64_t size_of(const char *suffix)
{
	char name[PATH_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) ? -1 : st.st_size;
}

static void fill_file(const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static size_t read_whole(char *out, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, room, f);
	fclose(f);
	return n;
}

/* ---- points --------------------------------------------------------------------------- */

static void test_seconds_become_minutes_and_hours_with_least_mean_and_most(void **state)
{
	struct history *h = open_here();

	(void)state;
	for (int i = 0; i < 7200; i++)
		tell_sample(h, BEGIN + i, i % 60 == 7 ? 1000 : i % 10);
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 0"), 7200);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 1"), 121);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 2"), 3);
	for (int tier = 0; tier < SERIES_TIERS; tier++) {
		char query[128];

		snprintf(query, sizeof(query), "SELECT sum(n) FROM machine_point WHERE tier = %d",
			 tier);
		assert_int_equal(kept(query), 7200);
		snprintf(query, sizeof(query),
			 "SELECT sum(pins_sum) FROM machine_point WHERE tier = %d", tier);
		assert_int_equal(kept(query), 120 * (54 * 45 / 9 + 993));
		snprintf(query, sizeof(query),
			 "SELECT max(pins_max) - min(pins_min) FROM machine_point WHERE tier = %d",
			 tier);
		assert_int_equal(kept(query), 1000);
	}
	assert_int_equal(kept("SELECT at % 3600000 FROM machine_point WHERE tier = 2 LIMIT 1"), 0);
}

static void test_a_second_run_adds_to_the_points_of_the_first(void **state)
{
	(void)state;
	for (int run = 0; run < 2; run++) {
		struct history *h = open_here();

		tell_sample(h, BEGIN + run, 10 * (run + 1));
		history_close(h, run);
	}
	assert_int_equal(kept("SELECT n FROM machine_point WHERE tier = 2"), 2);
	assert_int_equal(kept("SELECT pins_min FROM machine_point WHERE tier = 2"), 10);
	assert_int_equal(kept("SELECT pins_max FROM machine_point WHERE tier = 2"), 20);
	assert_int_equal(kept("SELECT count(*) FROM run"), 2);
	assert_int_equal(kept("SELECT clean FROM run ORDER BY id"), 0);
	assert_int_equal(kept("SELECT clean FROM run ORDER BY id DESC"), 1);
}

static void test_drivers_beyond_the_largest_are_added_up(void **state)
{
	struct history *h = open_here();

	(void)state;
	tell_drivers(h, BEGIN, HISTORY_DRIVERS + 5);
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM driver_point WHERE tier = 0"),
			 HISTORY_DRIVERS + 1);
	assert_int_equal(kept("SELECT bytes_sum FROM driver_point WHERE tier = 0 AND name = ''"),
			 5 * 4096);
	assert_int_equal(kept("SELECT leaked_max FROM driver_point WHERE name = 'driver15'"), 3);
}

static void test_what_cannot_wait_any_more_is_counted(void **state)
{
	struct series s = {0};
	const int64_t value = 1;
	uint64_t count[SERIES_TIERS] = {0};
	int err = 0;

	(void)state;
	for (int64_t i = 0; i < SERIES_ROOM; i++)
		err = series_add(&s, "", i * 1000, &value, 1);
	assert_int_equal(err, -ENOMEM);
	assert_true(s.nr <= SERIES_ROOM);
	for (size_t i = 0; i < s.nr; i++)
		count[s.points[i].tier] += s.points[i].n;
	assert_int_equal(count[0] + s.lost, SERIES_ROOM);
	assert_int_equal(count[1], SERIES_ROOM); /* the coarse ones are whole */
	assert_int_equal(count[2], SERIES_ROOM);
	series_free(&s);
}

/* ---- incidents ------------------------------------------------------------------------ */

static void test_a_verdict_is_there_at_once_and_the_rest_after_the_pause(void **state)
{
	struct history *h = open_here();

	(void)state;
	tell_sample(h, BEGIN, 1);
	tell_sample(h, BEGIN + 4, 1);
	assert_int_equal(kept("SELECT count(*) FROM machine_point"), 0);
	tell(h, verdict(BEGIN + 4, "leaky", 8));
	assert_int_equal(kept("SELECT pins FROM incident"), 8);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 0"), 2);
	tell(h, event("suspicion", BEGIN + 5));
	assert_int_equal(kept("SELECT count(*) FROM event"), 0);
	tell_sample(h, BEGIN + 9, 1);
	assert_int_equal(kept("SELECT count(*) FROM event"), 1);
	history_close(h, true);
}

static void test_verdicts_about_a_driver_are_one_incident_with_its_course(void **state)
{
	struct history *h = open_here();
	json_t *o = NULL, *again;
	struct database d;

	(void)state;
	tell(h, verdict(BEGIN, "leaky", 8));
	tell(h, verdict(BEGIN, "other", 1));
	tell(h, verdict(BEGIN + 60, "leaky", 16));
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 2);
	assert_int_equal(database_open_to_read(&d, path, &history_kind), 0);
	assert_int_equal(past_incident(d.sql, 1, &o), 0);
	assert_int_equal(json_integer_value(json_object_get(o, "pins")), 16);
	assert_int_equal(json_integer_value(json_object_get(o, "updates")), 1);
	assert_int_equal(json_array_size(json_object_get(o, "course")), 2);
	again = verdict(BEGIN + 60, "leaky", 16);
	assert_true(json_equal(json_object_get(o, "verdict"), again));
	json_decref(again);
	json_decref(o);
	assert_int_equal(past_incident(d.sql, 3, &o), -ENOENT);
	database_close(&d);
}

static void test_the_course_keeps_the_first_and_the_newest(void **state)
{
	struct history *h = open_here();

	(void)state;
	for (int i = 0; i < 2 * HISTORY_COURSE; i++)
		tell(h, verdict(BEGIN + i, "leaky", i));
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM course"), HISTORY_COURSE + 1);
	assert_int_equal(kept("SELECT min(pins) FROM course"), 0);
	assert_int_equal(kept("SELECT min(pins) FROM course WHERE pins > 0"), HISTORY_COURSE);
}

static void test_a_verdict_that_is_too_large_is_kept_in_part(void **state)
{
	struct history *h = open_here();
	json_t *o = verdict(BEGIN, "leaky", 8), *sites = json_array();

	(void)state;
	for (int i = 0; i < 100000; i++)
		json_array_append_new(sites, json_string("a call path"));
	json_object_set_new(o, "sites", sites);
	tell(h, o);
	history_close(h, true);
	assert_int_equal(kept("SELECT cut FROM incident"), 1);
	assert_int_equal(kept("SELECT json_array_length(verdict, '$.sites') FROM incident"), 16);
}

/* ---- bounds --------------------------------------------------------------------------- */

static void test_a_week_of_samples_stays_within_its_bounds(void **state)
{
	struct history_limits limits = history_defaults();
	int64_t end = RUNNING_ON_VALGRIND ? DAY : 7 * DAY, most = 0, log = 0;
	struct history *h;

	(void)state;
	limits.bytes = (uint64_t)2 << 20;
	limits.pause_ms = 30000;
	h = open_limited(&limits);
	for (int64_t i = 0; i < end; i++) {
		tell_sample(h, BEGIN + i, i);
		if (i % 10 == 0)
			tell_drivers(h, BEGIN + i, 3);
		if (i % 3600 == 0) {
			tell(h, verdict(BEGIN + i, "leaky", i));
			most = size_of("") > most ? size_of("") : most;
			log = size_of("-wal") > log ? size_of("-wal") : log;
		}
	}
	assert_int_equal(history_state(h)->error, 0);
	assert_int_equal(history_state(h)->lost, 0);
	history_close(h, true);
	assert_true(most <= (int64_t)limits.bytes);
	assert_true(log <= (8 << 20));
	assert_whole();
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 2"), end);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 1);
}

static void test_what_is_too_old_goes(void **state)
{
	struct history_limits limits = history_defaults();
	struct history *h;

	(void)state;
	limits.age_ms = INT64_C(1000) * DAY;
	history_limit_age(&limits, INT64_C(2000) * DAY);
	h = open_limited(&limits);
	tell_sample(h, BEGIN, 1);
	tell(h, verdict(BEGIN, "leaky", 8));
	tell(h, event("suspicion", BEGIN));
	history_close(h, true);
	h = open_limited(&limits);
	tell_sample(h, BEGIN + 7 * 3600, 1);
	assert_int_equal(limits.minutes_ms, INT64_C(2000) * DAY);
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 0"), 1);
	assert_int_equal(kept("SELECT count(*) FROM machine_point WHERE tier = 1"), 2);
	h = open_limited(&limits);
	for (int i = 0; i < 16; i++) /* an hour of it a minute */
		tell_sample(h, BEGIN + 3 * DAY + 61 * i, 1);
	history_close(h, true);
	assert_int_equal(kept_before(BEGIN + 2 * DAY), 0);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 0);
	assert_int_equal(kept("SELECT count(*) FROM course"), 0);
	assert_int_equal(kept("SELECT count(*) FROM event"), 0);
	assert_int_equal(kept("SELECT count(*) FROM run"), 1);
}

/* A clock that is years ahead at the boot, and is set right by the network later. */
static void test_a_clock_that_is_far_ahead_takes_little_away(void **state)
{
	const int64_t year = INT64_C(365) * DAY;
	struct history *h = open_here();
	int64_t points;

	(void)state;
	for (int64_t i = 0; i < 30 * 24; i++)
		tell_sample(h, BEGIN + i * 3600, 1);
	tell(h, verdict(BEGIN + 30 * DAY, "leaky", 8));
	history_close(h, true);
	points = kept("SELECT count(*) FROM machine_point WHERE tier = 2");
	h = open_here();
	for (int i = 0; i < 600; i++)
		tell_sample(h, BEGIN + 70 * year + i, 1);
	for (int i = 0; i < 600; i++)
		tell_sample(h, BEGIN + 31 * DAY + i, 1);
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 1);
	assert_in_range(kept_before(BEGIN + 40 * DAY), points - 10, points + 2);
}

/* ---- what goes wrong ------------------------------------------------------------------ */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_what_could_not_be_written_is_when_there_is_room_again(void **state)
{
	struct history *h;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	h = open_here();
	tell_sample(h, BEGIN, 1);
	tell_sample(h, BEGIN + 5, 1);
	limit_files((rlim_t)size_of("-wal"));
	for (int i = 6; i < 60; i++)
		tell_sample(h, BEGIN + i, 1);
	assert_int_not_equal(history_state(h)->error, 0);
	tell(h, verdict(BEGIN + 60, "leaky", 8));
	limit_files(RLIM_INFINITY);
	tell_sample(h, BEGIN + 65, 1);
	assert_int_equal(history_state(h)->error, 0);
	assert_int_equal(history_state(h)->lost, 0);
	history_close(h, true);
	assert_whole();
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 0"), 57);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 1);
}

static void test_what_waits_too_long_for_a_full_disk_is_counted_and_told(void **state)
{
	struct history *h;
	int64_t lost;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	h = open_here();
	tell_sample(h, BEGIN, 1);
	tell_sample(h, BEGIN + 5, 1);
	limit_files((rlim_t)size_of("-wal"));
	for (int i = 0; i < 2 * SERIES_ROOM; i++)
		tell_sample(h, BEGIN + i, 1);
	limit_files(RLIM_INFINITY);
	tell_sample(h, BEGIN + 2 * SERIES_ROOM + 5, 1);
	assert_int_equal(history_state(h)->error, 0);
	lost = (int64_t)history_state(h)->lost;
	assert_true(lost > SERIES_ROOM);
	history_close(h, true);
	assert_int_equal(kept("SELECT lost FROM run"), lost);
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 0") + lost,
			 2 * SERIES_ROOM + 3);
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 1"),
			 2 * SERIES_ROOM + 3);
	assert_whole();
}

static void test_there_is_one_writer(void **state)
{
	struct history *h = open_here();
	struct database opened;

	(void)state;
	assert_int_equal(refusal(&opened), -EBUSY);
	tell_sample(h, BEGIN, 1);
	history_close(h, true);
	assert_int_equal(kept("SELECT count(*) FROM machine_point"), 3);
	assert_int_equal(refusal(&opened), 0);
}

static struct history *open_later(int err)
{
	const struct history_limits limits = history_defaults();
	struct history *h = NULL;
	struct database opened;

	assert_int_equal(history_open(path, &limits, &here, true, &h, &opened), err);
	assert_non_null(h);
	return h;
}

static void test_what_cannot_be_opened_is_when_it_can_and_nothing_is_lost(void **state)
{
	struct history *first = open_here(), *h = open_later(-EBUSY);

	(void)state;
	for (int i = 0; i < 60; i++)
		tell_sample(h, BEGIN + i, 1);
	tell(h, verdict(BEGIN + 60, "leaky", 8));
	assert_int_equal(history_state(h)->error, -EBUSY);
	tell_sample(first, BEGIN, 1);
	history_close(first, true);
	tell_sample(h, BEGIN + 70, 1);
	assert_int_equal(history_state(h)->error, 0);
	assert_int_equal(history_state(h)->lost, 0);
	history_close(h, true);
	assert_whole();
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 0"), 62);
	assert_int_equal(kept("SELECT count(*) FROM incident"), 1);
	assert_int_equal(kept("SELECT began FROM run ORDER BY id DESC"), BEGIN * 1000);
	history_close(open_later(0), true);
}

static void test_one_that_never_could_be_opened_ends_all_the_same(void **state)
{
	struct history *first = open_here(), *h = open_later(-EBUSY);

	(void)state;
	history_close(h, true);
	h = open_later(-EBUSY);
	tell_sample(h, BEGIN, 1);
	history_close(h, true);
	history_close(first, true);
	assert_int_equal(kept("SELECT count(*) FROM run"), 0);
}

/* Behind SQLite's back, all but the first page; and a change, so that it reads them again. */
static void damage(void)
{
	static const char noise[4096] = {0x5a};
	sqlite3 *other;
	int64_t size;
	FILE *f;

	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
			 SQLITE_OK);
	size = size_of("");
	f = fopen(path, "r+");
	assert_non_null(f);
	for (int64_t at = 4096; at < size; at += 4096) {
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		assert_int_equal(fwrite(noise, 1, sizeof(noise), f), sizeof(noise));
	}
	assert_int_equal(fclose(f), 0);
	assert_int_equal(sqlite3_exec(other, "PRAGMA user_version = 1", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(other);
}

static void test_damage_while_it_is_open_is_set_aside_at_once(void **state)
{
	struct history *h = open_here();

	(void)state;
	for (int i = 0; i < 60; i++)
		tell_sample(h, BEGIN + i, 1);
	damage();
	for (int i = 60; i < 66; i++)
		tell_sample(h, BEGIN + i, 1);
	assert_int_equal(history_state(h)->error, 0);
	assert_int_equal(history_state(h)->asides, 1);
	assert_int_equal(access(history_state(h)->aside, F_OK), 0);
	tell(h, verdict(BEGIN + 66, "leaky", 8));
	damage(); /* again within the minute: that is not mended at once */
	tell_sample(h, BEGIN + 75, 1);
	assert_int_equal(history_state(h)->error, -EBADMSG);
	tell_sample(h, BEGIN + 130, 1);
	assert_int_equal(history_state(h)->error, 0);
	assert_int_equal(history_state(h)->asides, 2);
	history_close(h, true);
	assert_whole();
	assert_int_equal(kept("SELECT sum(n) FROM machine_point WHERE tier = 0"), 2);
	assert_int_equal(kept("SELECT clean FROM run"), 1);
}

static int64_t damaged_files(const char *more)
{
	char command[PATH_MAX];
	int n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls %s | grep -c 'damaged-.*%s$'", place, more);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static void test_a_few_damaged_files_are_kept_and_the_one_with_most_in_it(void **state)
{
	static char noise[40 * 4096];
	struct database opened;
	char first[PATH_MAX];

	(void)state;
	memset(noise, 0x5a, sizeof(noise));
	history_close(open_here(), true); /* its lock tells that it is ours */
	for (int i = 0; i < 3 * ASIDE_MOST; i++) {
		fill_file(noise, i ? (size_t)(2 + i) * 4096 : sizeof(noise));
		assert_int_equal(refusal(&opened), 0);
		if (!i)
			snprintf(first, sizeof(first), "%s", opened.aside);
		assert_int_equal(access(first, F_OK), 0);
		assert_int_equal(access(opened.aside, F_OK), 0);
	}
	assert_int_equal(damaged_files(""), ASIDE_MOST);
}

static void test_a_newer_version_is_left_as_it_is(void **state)
{
	char before[65536], after[65536];
	struct database opened;
	size_t size;

	(void)state;
	history_close(open_here(), true);
	size = read_whole(before, sizeof(before));
	before[63] = (char)(history_kind.nr_steps + 1); /* PRAGMA user_version, big endian */
	fill_file(before, size);
	assert_int_equal(refusal(&opened), -EPROTONOSUPPORT);
	assert_int_equal(opened.version, history_kind.nr_steps + 1);
	assert_int_equal(database_open_to_read(&opened, path, &history_kind), -EPROTONOSUPPORT);
	database_close(&opened);
	assert_int_equal(read_whole(after, sizeof(after)), size);
	assert_memory_equal(before, after, size);
}

static void test_a_file_of_something_else_is_left_as_it_is(void **state)
{
	static const char text[] = "a letter to somebody, which is long enough for a header of an "
				   "SQLite file, and is none";
	struct database opened;
	char after[256];

	(void)state;
	fill_file(text, sizeof(text));
	for (int i = 0; i < 2; i++) /* not the second time either */
		assert_int_equal(refusal(&opened), -EMEDIUMTYPE);
	assert_int_equal(read_whole(after, sizeof(after)), sizeof(text));
	assert_string_equal(after, text);
	assert_int_equal(size_of("-lock"), -1);
}

static void test_a_damaged_file_is_set_aside_and_kept(void **state)
{
	char before[65536], aside[65536];
	struct database opened;
	struct history *h = open_here();
	size_t size;

	(void)state;
	tell_sample(h, BEGIN, 1);
	history_close(h, true);
	size = read_whole(before, sizeof(before));
	memset(before + 120, 0xa5, 3000); /* behind the header: the table of tables */
	fill_file(before, size);
	assert_int_equal(refusal(&opened), 0);
	assert_non_null(strstr(opened.aside, "history.db.damaged-2"));
	assert_int_equal(kept("SELECT count(*) FROM machine_point"), 0);
	strcpy(path, opened.aside);
	assert_int_equal(read_whole(aside, sizeof(aside)), size);
	assert_memory_equal(before, aside, size);
}

static void test_a_file_without_its_header_is_known_by_its_lock(void **state)
{
	char noise[8192];
	struct database opened;

	(void)state;
	history_close(open_here(), true);
	memset(noise, 0x5a, sizeof(noise));
	fill_file(noise, sizeof(noise));
	assert_int_equal(refusal(&opened), 0);
	assert_int_not_equal(opened.aside[0], 0);
}

static void test_what_has_no_time_is_counted(void **state)
{
	struct history *h = open_here();

	(void)state;
	tell(h, json_pack("{s:s}", "type", "sample"));
	tell(h, json_pack("{s:s, s:i}", "type", "verdict", "time", 7));
	assert_int_equal(history_state(h)->lost, 2);
	history_close(h, true);
}

/* ---- versions ------------------------------------------------------------------------- */

static int open_version(struct database *d, const char *const *steps, int nr)
{
	const struct database_kind kind = {.application = history_kind.application,
					   .steps = steps,
					   .nr_steps = nr};

	return database_open(d, path, &kind);
}

static void test_a_file_is_brought_to_the_newest_version_step_by_step(void **state)
{
	static const char *const steps[] = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)",
					    "CREATE TABLE b (x); INSERT INTO b SELECT x FROM a",
					    "DROP TABLE a"};
	struct database d;
	int64_t n;

	(void)state;
	assert_int_equal(open_version(&d, steps, 1), 0);
	database_close(&d);
	assert_int_equal(open_version(&d, steps, 3), 0);
	assert_int_equal(d.version, 1);
	assert_int_equal(database_number(d.sql, "SELECT x FROM b", &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(database_number(d.sql, "PRAGMA user_version", &n), 0);
	assert_int_equal(n, 3);
	database_close(&d);
	assert_int_equal(open_version(&d, steps, 2), -EPROTONOSUPPORT);
	database_close(&d);
}

static void test_a_step_that_fails_leaves_the_version_before(void **state)
{
	static const char *const steps[] = {"CREATE TABLE a (x)",
					    "CREATE TABLE b (x); INSERT INTO none VALUES (1)"};
	struct database d;
	int64_t n;

	(void)state;
	assert_int_equal(open_version(&d, steps, 1), 0);
	database_close(&d);
	assert_int_not_equal(open_version(&d, steps, 2), 0);
	database_close(&d);
	assert_int_equal(open_version(&d, steps, 1), 0);
	assert_int_equal(database_number(d.sql, "SELECT count(*) FROM sqlite_schema", &n), 0);
	assert_int_equal(n, 1);
	database_close(&d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_seconds_become_minutes_and_hours_with_least_mean_and_most),
		TEST(test_a_second_run_adds_to_the_points_of_the_first),
		TEST(test_drivers_beyond_the_largest_are_added_up),
		TEST(test_what_cannot_wait_any_more_is_counted),
		TEST(test_a_verdict_is_there_at_once_and_the_rest_after_the_pause),
		TEST(test_verdicts_about_a_driver_are_one_incident_with_its_course),
		TEST(test_the_course_keeps_the_first_and_the_newest),
		TEST(test_a_verdict_that_is_too_large_is_kept_in_part),
		TEST(test_a_week_of_samples_stays_within_its_bounds),
		TEST(test_what_is_too_old_goes),
		TEST(test_a_clock_that_is_far_ahead_takes_little_away),
		TEST(test_what_could_not_be_written_is_when_there_is_room_again),
		TEST(test_what_waits_too_long_for_a_full_disk_is_counted_and_told),
		TEST(test_there_is_one_writer),
		TEST(test_what_cannot_be_opened_is_when_it_can_and_nothing_is_lost),
		TEST(test_one_that_never_could_be_opened_ends_all_the_same),
		TEST(test_damage_while_it_is_open_is_set_aside_at_once),
		TEST(test_a_few_damaged_files_are_kept_and_the_one_with_most_in_it),
		TEST(test_a_newer_version_is_left_as_it_is),
		TEST(test_a_file_of_something_else_is_left_as_it_is),
		TEST(test_a_damaged_file_is_set_aside_and_kept),
		TEST(test_a_file_without_its_header_is_known_by_its_lock),
		TEST(test_what_has_no_time_is_counted),
		TEST(test_a_file_is_brought_to_the_newest_version_step_by_step),
		TEST(test_a_step_that_fails_leaves_the_version_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
