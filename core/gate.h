/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * May a run pass? What the drivers of one run have leaked, what of it is allowed, and how long
 * to wait for the rest.
 */
#ifndef PINLEAK_CORE_GATE_H
#define PINLEAK_CORE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"
#include "report.h"

/* So many leaked pins of a driver are tolerated. */
struct gate_allowance {
	char driver[PL_SYM];
	uint64_t pins;
};

/* A driver that was found to leak. */
struct gate_leak {
	char driver[PL_SYM];
	enum blame_kind kind;
	bool plain;		/* pins are plain references, no pins */
	enum evidence evidence; /* the strongest there was */
	uint64_t pins;		/* the most that were proved at one time */
	uint64_t bytes;
	uint64_t remaining; /* pins, at the end: fewer when some came back after all */
	bool allowed;
	char *text; /* the verdict for people, or NULL: set by the user, freed by the gate */
};

/* {0} is ready to use. */
struct gate {
	struct gate_allowance *allowances;
	size_t nr_allowances, room_allowances;
	struct gate_leak *leaks;
	size_t nr_leaks, room_leaks;
	uint32_t verdicts; /* told, updates too */
};

void gate_free(struct gate *g);

/*
 * Takes "DRIVER=PINS". A driver may be named as its file is, rdma-rxe for rdma_rxe; named twice,
 * the last one holds. -EINVAL: it is not that; -ENOMEM.
 */
int gate_allow(struct gate *g, const char *text) __attribute__((warn_unused_result));

/* Notes a verdict. The driver's leak into *out, until the next verdict. -ENOMEM. */
int gate_verdict(struct gate *g, const struct finding *f, bool plain, struct gate_leak **out)
	__attribute__((warn_unused_result));

/* Notes what is left of each leak at the end. */
void gate_end(struct gate *g, const struct report_summary *s);

/* Has a driver leaked more than is allowed? */
bool gate_is_shut(const struct gate *g);

/* The sum over the leaks: of all, or of those that are allowed. */
struct gate_sum {
	uint64_t pins, references, bytes;
	uint64_t allowed; /* of both */
};
struct gate_sum gate_sum(const struct gate *g);

/* A run, at its end. */
struct report_run {
	uint64_t now_ns;
	char *const *command; /* and its arguments, ended by NULL */
	const char *trouble;  /* why it was not run or not tracked to its end, or NULL */
	enum level level;
	int status;	/* of its exit; -1: it has none */
	int signal;	/* that killed it, or 0 */
	double seconds; /* from its start to its end */
	const struct gate *gate;
	uint64_t held;	   /* pins of the tree that somebody may rightly hold, at most */
	uint64_t unproved; /* pins that nobody may, without proof that the tree has left them */
	bool incomplete;   /* something was lost: there may be more */
	bool interrupted;  /* a signal cut the waiting for late releases short */
	int exit_status;   /* pinleak's own */
};

/*
 * The command ended at end_ns: is there nothing left to wait for? Pins of the tree that are still
 * there get the grace time, and those whose file or process ended later their own; those that are
 * open, of which it has to be looked who holds them, that look. But not for ever, when a
 * descendant goes on and on.
 */
bool gate_is_settled(const struct ledger *l, uint64_t open, uint64_t end_ns, uint64_t now_ns);

#endif
