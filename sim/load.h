/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The loads that pin and do not leak, and machines that have some of them. */
#ifndef PINLEAK_SIM_LOAD_H
#define PINLEAK_SIM_LOAD_H

#include "machine.h"

enum load {
	LOAD_POISSON,  /* I/O that comes by chance */
	LOAD_BURSTS,   /* now much, now nothing */
	LOAD_DIURNAL,  /* by the hour of the day */
	LOAD_WARMUP,   /* grows until it is full */
	LOAD_SAWTOOTH, /* grows and drops */
	LOAD_QUEUE,    /* a full queue: as many calls in flight at any time */
	LOAD_LARGE,    /* the same, of 64 calls with 1 MiB */
	LOAD_TEARDOWN, /* what a process held is released after its end */
	LOAD_LATE,     /* the same, now and then much later */
	LOAD_POOL,     /* regions of memory that come and go */
	LOAD_GUEST,    /* all memory of a virtual machine */
	LOAD_HOARD,    /* one process that holds more and more */
	LOAD_CHURN,    /* processes that are killed in the middle of their I/O */
	LOAD_SINKING,  /* pins that are counted at their release only */
	LOAD_CROWD,    /* short processes side by side, released late and always as late */
	LOADS
};
const char *load_name(enum load load);

/* A habit of this kind, for a machine with so many bytes of memory. */
void load_habit(enum load load, uint64_t memory, struct dice *d, struct habit *out);

/* A machine without a site, of any size. */
void load_machine(struct machine_plan *plan, struct dice *d);

#endif
