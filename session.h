/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the commands that track share: the ground, the levels, a look, and waiting for the next. */
#ifndef PINLEAK_SESSION_H
#define PINLEAK_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/monitor.h"
#include "kernel/ground.h"
#include "kernel/tracker.h"
#include "kernel/vmstat.h"

struct session {
	struct tracker_config config; /* set by the user */
	struct ground ground;
	struct vmstat *counters;
	struct monitor *monitor;
	struct tracker *tracker; /* NULL until it is needed */
	struct sample sample;	 /* the last one */
};

/* Surveys the machine. False: no tracking here; why not, and what to do, is on standard error. */
bool session_may_track(struct session *s);

/*
 * Opens the counters and makes a monitor, which reports to `to`. -errno, and what failed is on
 * standard error.
 */
int session_open(struct session *s, const struct monitor_config *config, const struct reporter *to,
		 void *ctx);
void session_close(struct session *s);

/* One look at the counters and, above level counters, at the books. -errno. */
int session_step(struct session *s);

/*
 * Brings about the level that the monitor wants, and tells the monitor what came of it: a level
 * that cannot be had is no error. -errno.
 */
int session_change_level(struct session *s);
enum level session_level(const struct session *s);

/* What went wrong, for people. */
const char *session_error(const struct session *s, int err);

/* Waits for the time or a (blocked) signal: its number, or 0. A time that has passed is no error.
 */
int session_wait(const sigset_t *signals, const struct timespec *until);

void session_add_ns(struct timespec *t, uint64_t ns);
/* By CLOCK_MONOTONIC. */
uint64_t session_now_ns(void);
int64_t session_ns_until(const struct timespec *t);

#endif
