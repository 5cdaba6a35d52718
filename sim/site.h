/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A call path of a driver, and the processes that pin and unpin through it.
 *
 * What lives shorter than a second is drawn anew for each sample, from how much of it there is at
 * any moment; what lives longer is kept. Pins are told apart only while they are tracked: those
 * taken since then.
 */
#ifndef PINLEAK_SIM_SITE_H
#define PINLEAK_SIM_SITE_H

#include "../core/snapshot.h"
#include "dice.h"

#define SITE_REGIONS 96
#define SITE_HOLDERS 32
#define SITE_NEVER   UINT64_MAX

/* What pins are taken through, and what its end says therefore. */
enum identity {
	ID_DEVICE, /* a module's device node */
	ID_RING,   /* io_uring: an anonymous inode, built-in */
	ID_SOCKET, /* AF_XDP: built-in */
	ID_FILE,   /* O_DIRECT on a file system that is a module */
	ID_VFIO,   /* a guest's memory */
};

/* How what one process holds grows: until it is full; then it drops; for ever. */
enum growth { GROWTH_NONE, GROWTH_PLATEAU, GROWTH_TEETH, GROWTH_EVER };

/* What a site does when nothing goes wrong. Times are averages, in seconds. */
struct habit {
	enum identity identity;
	/* in flight */
	double flight;	   /* calls, while busy */
	double calls_s;	   /* calls a second, while busy */
	uint32_t each;	   /* pins of a call */
	uint32_t depth;	   /* flight is what a queue of this depth lacks; 0: there is no queue */
	double busy, idle; /* idle 0: always busy */
	double swing;	   /* of the day, 0 to 1 */
	bool shared;	   /* the same folios are pinned by one process after the other */
	/* held by one process, more and more */
	enum growth growth;
	double top;	/* pins */
	double grow;	/* time to get there, or most of the way */
	uint32_t grain; /* pins a call */
	/* regions of memory that come and go */
	double regions; /* at a time */
	double life;
	double smallest, largest; /* pins of a region */
	double crowd; /* processes a second, while busy: each pins one region and lives for life */
	/* processes, one after the other */
	double session;		 /* how long one lives; 0: for ever */
	double gap;		 /* until the next one */
	double delay, delay_max; /* what it held is released so long after its end */
	bool heavy;		 /* mostly after delay, and now and then much later */
	bool survives;		 /* it closes the file and lives on */
	/* counted when they are released only */
	double sunk_s; /* pins a second */
};

enum leak_kind { LEAK_NONE, LEAK_RANDOM, LEAK_STEADY, LEAK_ONCE, LEAK_ERROR };

struct leak {
	enum leak_kind kind;
	double pins_s;	/* LEAK_ONCE: not used */
	uint32_t each;	/* pins that one call forgets */
	double start_s; /* after the machine's start */
};

struct region {
	uint64_t serial;
	uint64_t born_ns;
	uint64_t release_ns; /* SITE_NEVER: it is leaked */
	uint64_t call;	     /* that failed; 0: none, or several */
	uint32_t pins;
	uint8_t holder;
	bool leaked;
	bool bad; /* by a call that failed */
};

/* An open file and the process that has it. */
struct holder {
	uint64_t id; /* 0: this place was never used */
	uint64_t born_ns;
	uint64_t end_ns; /* 0: it is open; of a crowd known beforehand */
	uint32_t regions;
};

struct site {
	struct habit habit;
	struct leak leak;
	struct dice dice;
	uint64_t next_ns; /* the earliest of these */
	uint64_t session_ns, phase_ns, arrival_ns, release_ns, tide_ns;
	bool alive, busy, tracked;
	struct poisson calls, grains, failures, sinking;
	int64_t pins; /* all of these: */
	int64_t inflight;
	int64_t lost; /* of it: no hook saw them taken */
	int64_t grown;
	int64_t held; /* in regions that will be released */
	int64_t leaked;
	int64_t sunk;	      /* counted as released, and never as acquired */
	int64_t grown_before; /* of grown: from before tracking */
	double flow;	      /* pins taken and released again, a second */
	uint64_t leak_due;    /* when the leak begins; SITE_NEVER: it has been */
	uint64_t proof_ns;    /* since when something leaked is nobody's any more; 0: it is not */
	double leak_rest;     /* of a steady leak, less than a call's */
	uint64_t serial;
	uint32_t nr_regions;
	uint32_t current; /* holder */
	struct region regions[SITE_REGIONS];
	struct holder holders[SITE_HOLDERS];
	struct snap_site path;
};

void site_init(struct site *s, const struct habit *h, const struct leak *l, const char *driver,
	       uint64_t seed, uint32_t number, uint64_t now_ns);

/* What has come due by now; only when it is time: see next_ns. */
void site_live(struct site *s, uint64_t now_ns);

/* Pins are told apart from now on, or no longer. */
void site_track(struct site *s, bool on);

/* Pins that calls of this second forget; and that they have done so. */
int64_t site_leaks(struct site *s, uint64_t now_ns);
void site_forget(struct site *s, uint64_t now_ns, int64_t pins);

static inline int64_t site_in_flight(struct site *s)
{
	int64_t n = poisson_draw(&s->dice, &s->calls);

	if (s->habit.depth)
		n = n < s->habit.depth ? s->habit.depth - n : 0;
	return n * s->habit.each;
}

/* A second has passed. All pins that the site has now. */
static inline int64_t site_pass(struct site *s, uint64_t now_ns)
{
	if (now_ns >= s->next_ns)
		site_live(s, now_ns);
	if (s->busy)
		s->inflight = site_in_flight(s);
	if (s->grains.mean > 0 && s->alive)
		s->grown += s->habit.grain * poisson_draw(&s->dice, &s->grains);
	if (s->sinking.mean > 0)
		s->sunk += poisson_draw(&s->dice, &s->sinking);
	if (s->leak.kind && s->alive) {
		int64_t pins = site_leaks(s, now_ns);

		if (pins)
			site_forget(s, now_ns, pins);
	}
	return s->inflight + s->grown + s->held + s->leaked;
}

#endif
