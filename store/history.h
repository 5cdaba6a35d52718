/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What was watched, kept in a database: see pinleak-report(1). The writer takes the objects that
 * `watch --json` prints, and keeps what becomes of them.
 */
#ifndef PINLEAK_STORE_HISTORY_H
#define PINLEAK_STORE_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "database.h"

/* Where it lies unless told otherwise: under $STATE_DIRECTORY, or here. */
#define HISTORY_NAME "history.db"
#define HISTORY_HOME "/var/lib/pinleak"

#define HISTORY_DRIVERS 16  /* of a look at the books, that have points of their own */
#define HISTORY_OTHERS	""  /* the name of all the rest together */
#define HISTORY_COURSE	500 /* updates kept of an incident, and the first */
#define HISTORY_LEAST	((uint64_t)1 << 20) /* bytes of the file that are enough to begin with */

/* The tables of the database, for those who read it. */
extern const struct database_kind history_kind;

struct history_limits {
	uint64_t bytes;	    /* of the file; HISTORY_LEAST at least */
	int64_t seconds_ms; /* points of a second are kept for so long */
	int64_t minutes_ms; /* of a minute */
	int64_t age_ms;	    /* all else */
	int64_t pause_ms;   /* between two writes, by the time of what is written */
};

/* 64 MiB; six hours, two weeks, a year; 5 s. */
struct history_limits history_defaults(void);

/* All is to go after so long, what has a shorter limit of its own then. */
void history_limit_age(struct history_limits *l, int64_t age_ms);

/* What watches, and where. Lent for the call. */
struct history_run {
	const char *version;
	const char *host;
	const char *kernel;
	const char *boot; /* the boot's id; NULL: not known */
};

struct history;

/*
 * Errors as of database_open(). *opened says what was found in any case: opened->aside is where a
 * damaged file went, opened->version what a newer one has; it is not to be closed. later: where the
 * error may pass, *out is there all the same, and each writing tries again to open the file.
 */
int history_open(const char *path, const struct history_limits *limits,
		 const struct history_run *run, bool later, struct history **out,
		 struct database *opened) __attribute__((warn_unused_result));

/*
 * Takes an object of the feed, see render.take; `history` is a struct history. It is written with
 * others, at the latest after limits.pause_ms; a verdict, and all before it, at once.
 */
void history_take(void *history, json_t *object);

/* Writes what there is; clean: the watch has ended as it should. NULL is nothing. */
void history_close(struct history *h, bool clean);

struct history_state {
	int error;     /* -errno: why nothing can be written now, which is tried again; 0: it can */
	uint64_t lost; /* points and events that could not be kept until it can */
	uint64_t taken;	      /* objects */
	uint32_t asides;      /* files that were damaged; a new one was begun each time */
	char aside[PATH_MAX]; /* where the last of them is */
};

const struct history_state *history_state(const struct history *h);

#endif
