/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the monitor tells, and the interface of those who show it. */
#ifndef PINLEAK_CORE_REPORT_H
#define PINLEAK_CORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "census.h"
#include "ledger.h"
#include "limit.h"
#include "pressure.h"
#include "severity.h"

enum level { LEVEL_COUNTERS, LEVEL_LIGHT, LEVEL_DEEP };
const char *level_name(enum level l);

/* Pins of both counters together that a processor keeps to itself at most: its stat_threshold. */
#define SAMPLE_LAG (2 * 125)

/* What the watching itself has cost, since its process began. {0}: nothing is known. */
struct cost {
	uint64_t cpu_ms;	 /* processor time of the process */
	uint64_t memory;	 /* bytes of the process, at most so far */
	uint64_t programs_ns;	 /* the programs ran; 0: the kernel does not count it */
	uint64_t programs_bytes; /* of the programs' maps, when they were loaded last; 0: never */
};

/* One reading of the kernel's counters, in pins, and of memory, in bytes. */
struct sample {
	uint64_t now_ns;
	int64_t acquired;
	int64_t released;
	int64_t below; /* so many pins fewer were outstanding at a glance since the last sample */
	uint32_t lag;  /* pins by which acquired less released may be off; 0: exact, as the
			  processors' remainders were collected just before */
	uint64_t memory_total;
	uint64_t memory_available;
	struct pressure pressure;
	struct cost cost;
};

/* How far the books of the tracking agree with the kernel's counters, since it began. */
struct balance {
	int64_t counted_acquired; /* by the kernel */
	int64_t counted_released;
	int64_t seen_acquired;	 /* by the hooks */
	int64_t seen_released;	 /* deep only */
	int64_t unseen;		 /* acquired, beyond what reading one after the other explains */
	int64_t unseen_released; /* the same of released; deep only */
	int64_t unseen_calls;	 /* acquired since the light level began, beyond the calls' pins;
				    grows at level deep, which sees more than calls */
	int64_t uncounted;	 /* pins the kernel counts at their release only; deep only */
	bool exact;		 /* deep: the hooks see each pin; light: each call */
};

struct report_sample {
	const struct sample *sample;
	enum level level;
};

struct report_state {
	uint64_t now_ns;
	enum level from;
	enum level to;
	const char *reason;
	const struct census_sum *pinned; /* then, on the whole machine; NULL: not looked */
};

struct report_suspicion {
	uint64_t now_ns;
	int64_t pins; /* the rise of the floor; below zero: more were released than taken */
	double pins_per_s;
	double span_s;
};

struct report_verdict {
	uint64_t now_ns;
	const struct finding *finding;
	enum severity severity;
	double share;		    /* of all memory, that is lost; negative: not known */
	double rate;		    /* bytes a second; negative: not known yet */
	double rate_low, rate_high; /* where it lies; negative: not known */
	double exhaustion;	    /* seconds until memory runs out; negative: not known */
	double exhaustion_low;	    /* negative: not known */
	double exhaustion_high;	    /* negative: not known, maybe never */
	enum level level;
	uint32_t sample_rate;
	uint64_t missed;	     /* pins acquired that no hook saw */
	uint64_t unattributed;	     /* pins the counters know and the ledger does not */
	int64_t before;		     /* rise of the counters from the first sample to tracking */
	bool incomplete;	     /* something was lost: there may be more */
	bool update;		     /* of a verdict given before; the evidence is the same */
	bool plain;		     /* the finding's pins are plain references, no pins */
	bool at_rest;		     /* nothing has been added for the settle time */
	struct pressure pressure;    /* counted since the watch began */
	const struct limits *limits; /* those that were hit through the driver are to be listed */
};

struct report_limit {
	uint64_t now_ns;
	const struct limit *limit;
};

/* Tracking of get_user_pages() goes on or off. */
struct report_references {
	uint64_t now_ns;
	bool on;
	uint64_t unexplained; /* folios that nothing maps and something references */
	const char *reason;
};

struct report_held {
	uint64_t now_ns;
	const struct holding *holding;
	int64_t rise; /* pins, since it was first seen */
	double share; /* of all memory, that it holds; negative: not known */
	bool remains; /* it is what a run has left, which need not grow */
};

/* Each a number of things lost since tracking began. */
struct report_loss {
	uint64_t now_ns;
	const uint64_t *stats; /* PL_STATS counters */
	uint64_t missed_runs;
	const struct balance *balance;
};

/* A driver that was found to leak, over all trackings. */
struct report_leak {
	const char *driver;
	enum blame_kind kind;
	enum evidence evidence;
	uint64_t pins;
	uint64_t bytes;
	uint64_t wrong;		/* releases */
	bool plain;		/* pins are plain references, no pins */
	enum severity severity; /* as last told */
	double share;		/* of all memory, that is lost; negative: not known */
};

struct report_summary {
	uint64_t now_ns;
	double seconds;
	int64_t rise;	/* outstanding pins, last less first */
	int64_t before; /* of it: before tracking began, so nobody knows whose */
	uint32_t suspicions;
	const struct report_leak *leaks;
	uint32_t nr_leaks;
	uint64_t leaked_pins; /* by all of them */
	uint64_t leaked_references;
	uint64_t leaked_bytes;
	enum level highest;
	bool tracking_failed;	  /* wanted and not to be had */
	struct pressure pressure; /* counted since the watch began */
	struct cost cost;
	const struct census_sum *pinned; /* when tracking began last; NULL: not looked */
	const struct report_loss *loss;	 /* NULL: never tracked */
	const struct ledger *ledger;	 /* NULL: not tracking now */
};

/* One look at the books. */
struct report_books {
	uint64_t now_ns;
	enum level level;
	const struct ledger *ledger;
	const struct roster *roster;	/* who has what, most bytes first */
	const struct report_loss *loss; /* of that look */
};

struct inspect;

/*
 * The arguments live only as long as the call. The monitor tells all but the diagnosis; who does
 * not want books has NULL there. Behind a tee any function may be NULL.
 */
struct reporter {
	void (*sample)(void *ctx, const struct report_sample *r);
	void (*suspicion)(void *ctx, const struct report_suspicion *r);
	void (*state)(void *ctx, const struct report_state *r);
	void (*verdict)(void *ctx, const struct report_verdict *r);
	void (*held)(void *ctx, const struct report_held *r);
	void (*loss)(void *ctx, const struct report_loss *r);
	void (*summary)(void *ctx, const struct report_summary *r);
	void (*references)(void *ctx, const struct report_references *r);
	void (*limit)(void *ctx, const struct report_limit *r);
	void (*books)(void *ctx, const struct report_books *r);
	void (*diagnosis)(void *ctx, const struct inspect *r); /* of a driver that was accused */
};

/* Is anything lost at all, so that there may be more than is shown? */
bool loss_any(const struct report_loss *loss);

#endif
