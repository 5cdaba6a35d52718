/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Runs a command for each verdict, which reads the verdict's JSON as its standard input: one at a
 * time, never through a shell, for COURIER_LIMIT at most. Nothing here waits but courier_end().
 */
#ifndef PINLEAK_COURIER_H
#define PINLEAK_COURIER_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COURIER_LIMIT UINT64_C(30000000000) /* ns; then it is killed */
#define COURIER_QUEUE 16		    /* verdicts that wait; more are dropped, and counted */

/* {0} with command set is ready to use. */
struct courier {
	char *const *command; /* NULL: there is none, and nothing is done */
	pid_t pid;	      /* that runs, or 0; it leads a process group of its own */
	uint64_t until_ns;    /* it may, by CLOCK_MONOTONIC */
	bool killed;	      /* it took too long */
	char *waiting[COURIER_QUEUE];
	unsigned nr_waiting;
	uint64_t run, failed, dropped;
	json_t *told; /* the severity last told, by driver and evidence */
};

/* A verdict, new or an update: the command is run for new ones, and when it is graver than told. */
void courier_verdict(struct courier *c, const json_t *verdict);

/* Looks after the one that runs, and starts the next. */
void courier_tend(struct courier *c);

/* When courier_tend() is due, if SIGCHLD does not come before; UINT64_MAX: nothing runs. */
uint64_t courier_due_ns(const struct courier *c);

/*
 * Lets all that wait have their turn within COURIER_LIMIT, or until SIGINT or SIGTERM, which
 * are blocked; then the rest is killed. Says so when some were not delivered, and frees all.
 */
void courier_end(struct courier *c);

#endif
