/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the commands that track share: options, the ground, the start, waiting for the next look. */
#ifndef PINLEAK_SESSION_H
#define PINLEAK_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "command.h"
#include "core/conductor.h"
#include "kernel/live.h"

/* Rows of options that several commands have, without the braces. */
#define SESSION_INTERVAL "interval", "TIME", "between two looks at the counters [1s]", NULL
#define SESSION_LEVEL                                                                              \
	"level", "LEVEL",                                                                          \
		"level that tracking begins with [light]\n"                                        \
		"light: a hook a call; deep: a hook a pin",                                        \
		"light deep"
#define SESSION_GRACE                                                                              \
	"grace", "TIME",                                                                           \
		"how long a driver may take to release after its\n"                                \
		"file was closed and its process ended [30s; 75s\n"                                \
		"for one or two processes, 4s for many]",                                          \
		NULL
#define SESSION_TABLE_SIZE                                                                         \
	"table-size", "N",                                                                         \
		"folios to keep records of [by memory: 16,384\n"                                   \
		"to 65,536], 0.3 KiB each; more are sampled",                                      \
		NULL
#define SESSION_OMIT_HOOK                                                                          \
	"omit-hook", "FUNCTION", "leave a hook out, to see that the audit notices", NULL

/* Takes the value of such an option. STATUS_OK, or what option_bad() returns. */
int session_set_interval(const struct command *c, const struct option_row *row, const char *value,
			 uint64_t *ns);
int session_set_track(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to);
int session_set_level(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to);
int session_set_grace(const struct command *c, const struct option_row *row, const char *value,
		      struct monitor_config *to);
int session_set_table_size(const struct command *c, const struct option_row *row, const char *value,
			   struct tracker_config *to);
int session_set_omit(const struct command *c, const struct option_row *row, const char *value,
		     struct tracker_config *to);

struct session {
	struct live live; /* what its user sets: set by the user */
	struct conductor conductor;
};

/* Surveys the machine. False: no tracking here; why not, and what to do, is on standard error. */
bool session_may_track(struct session *s);

/*
 * The same as an exit status: where tracking was not asked for, only possible, it goes on without,
 * if the counters can be had, and says so.
 */
int session_ground(struct session *s, enum track track);

/*
 * Opens the live kernel and makes a monitor, which reports to `to`. -errno, and what failed is on
 * standard error.
 */
int session_open(struct session *s, const struct monitor_config *config, const struct reporter *to,
		 void *ctx);
void session_close(struct session *s);

/* Waits for the time or a (blocked) signal: its number, or 0. A time that has passed is no error.
 */
int session_wait(const sigset_t *signals, const struct timespec *until);

/* Between two glances at the counters while pins come and go, in ns. */
uint64_t session_glance_pause(uint64_t interval_ns);

void session_add_ns(struct timespec *t, uint64_t ns);
/* By CLOCK_MONOTONIC. */
uint64_t session_now_ns(void);
int64_t session_ns_until(const struct timespec *t);

#endif
