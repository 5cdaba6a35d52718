/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A machine: its sites, its kernel's counters and its memory; and the truth about all of it. */
#ifndef PINLEAK_SIM_MACHINE_H
#define PINLEAK_SIM_MACHINE_H

#include "../core/modgraph.h"
#include "../core/report.h"
#include "../core/snapshot.h"
#include "site.h"

#define MACHINE_SITES 10
#define MACHINE_STEP  UINT64_C(1000000000) /* ns */
#define MACHINE_START UINT64_C(100000000000)
#define MACHINE_PAGE  4096

/* How a machine is made. */
struct machine_plan {
	uint64_t seed;
	uint64_t memory; /* bytes */
	uint32_t cpus;
	double lost;	  /* of the acquisitions, at level light: counted, and no hook saw them */
	double available; /* of the memory, on average, without the leak */
	uint32_t sample_rate; /* a power of two: one in so many folios is recorded; 0: each is */
	uint32_t nr_sites;
	struct habit habit[MACHINE_SITES];
	struct leak leak; /* of the first site */
};

/* What nobody tells the monitor. */
struct truth {
	const char *driver; /* that leaks; NULL: none does */
	uint64_t since_ns;
	double bytes_s;	   /* expected; 0: it does not go on */
	uint64_t proof_ns; /* since when it can be proved at all; 0: not yet */
	uint64_t leaked;   /* bytes, so far */
	double gone_s;	   /* until it has taken what is available; negative: never */
};

/* Folios, owners, sites: made anew for each look at the books. */
struct records {
	struct snapshot snapshot;
	struct modgraph modules;
	struct snap_site *sites[MACHINE_SITES];
	size_t room_pages, room_owners, room_failures;
};

struct machine {
	struct machine_plan plan;
	struct dice dice;
	struct site site[MACHINE_SITES];
	char names[MACHINE_SITES][24];
	uint64_t now_ns;
	int64_t outstanding; /* pins that there are */
	int64_t acquired;
	int64_t shown_acquired, shown_released;
	double flow, flow_rest;
	int64_t batch;	     /* pins that a processor may hold back */
	int64_t plenty;	     /* pins a second with which all of them do */
	double most_kept;    /* then: standard deviation of the counters, in pins */
	double memory_noise; /* of the memory, beside plan.available */
	uint64_t noise_ns;
	enum level level;
	uint64_t since_ns;		      /* when tracking began */
	uint64_t level_ns;		      /* when the level did */
	int64_t base_acquired, base_released; /* when the level began */
	double lost_rest;
	int64_t lost;	    /* acquisitions that no hook saw, since the level began */
	int64_t lost_light; /* and at level light before it */
	struct records records;
};

/* -ENOMEM. The machine is large: kept by the caller, and reused. */
int machine_boot(struct machine *m, const struct machine_plan *plan)
	__attribute__((warn_unused_result));
void machine_halt(struct machine *m);

/* A second passes. */
void machine_pass(struct machine *m);

/* The counters, as they are read: with the processors' remainders or without. */
void machine_sample(const struct machine *m, bool exact, struct sample *out);

void machine_track(struct machine *m, enum level level);
void machine_truth(const struct machine *m, struct truth *out);

/* Driver's number, as told by its name; -1: no driver of this machine. */
int machine_driver(const struct machine *m, const char *name);

#endif
