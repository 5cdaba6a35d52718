/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A command that is held until we are ready for it, and then runs as if we were not there. */
#ifndef PINLEAK_CHILD_H
#define PINLEAK_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Statuses for a command that could not be run, as shells have them. */
#define CHILD_CANNOT_EXECUTE 126
#define CHILD_NOT_FOUND	     127
#define CHILD_KILLED	     128 /* plus the signal */

/* How signals were before us: the command gets them back so. */
struct child_signals {
	sigset_t mask;
	struct sigaction chld, pipe;
};

struct child {
	pid_t pid;
	int go;	     /* a byte lets it go; closed, it ends */
	int trouble; /* the errno of an execvp() that failed comes from here */
	int status;  /* of its exit; -1: it has none */
	int signal;  /* that killed it, or 0 */
};

/*
 * Blocks the signals that are waited for while a command runs: its end, and what would end us
 * (SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM) into *waited. SIGPIPE is ignored.
 */
void child_signals(struct child_signals *before, sigset_t *waited);

/* Forks a child that waits. -errno. */
int child_hold(struct child *c, char *const *command, const struct child_signals *before);

/* Lets it go. 0 when the command runs, or -errno of execvp(): it has ended then. */
int child_go(struct child *c);

/* Ends a child that still waits. */
void child_drop(struct child *c);

/* Has it ended? Then status or signal say how. */
bool child_has_ended(struct child *c);

#endif
