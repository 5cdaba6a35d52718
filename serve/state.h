/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What is served: the monitor tells it what happens, the server reads. All of it is bounded, and
 * whoever reads holds the lock for a copy at most, so that a look never waits for a client.
 */
#ifndef PINLEAK_SERVE_STATE_H
#define PINLEAK_SERVE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "../render/render.h"
#include "curve.h"

#define STATE_DRIVERS	  64 /* told apart by name; all others are one, named "other" */
#define STATE_OTHER	  0  /* its place */
#define STATE_INCIDENTS	  64
#define STATE_EVENTS	  1024
#define STATE_EVENT_BYTES (4 << 20) /* of all events that are kept */
#define STATE_DIAGNOSES	  (4 << 20) /* bytes of all diagnoses that are kept */

/* A text that several may hold; it does not change. */
struct text {
	unsigned users; /* atomic */
	size_t size;
	char *data; /* from malloc(); ends with a 0 that size does not count */
};
struct text *text_hold(struct text *t);
void text_drop(struct text *t); /* NULL is none */

struct facts_driver {
	char name[PL_SYM];   /* clean */
	bool tracked;	     /* is in the books of the last look */
	uint64_t held;	     /* pins, and the next two, by the books */
	uint64_t leaked;     /* pins */
	uint64_t bytes;	     /* unmovable */
	uint64_t lost_bytes; /* by its last verdicts */
	double exhausted_s;  /* since 1970: memory runs out; 0: not known, or it rests */
	uint64_t verdicts[EVIDENCE_UNLOADED + 1]; /* given, by the evidence; updates as well */
};

struct facts {
	char host[72];
	char kernel[72];
	uint64_t interval_ns;
	int64_t since_ms; /* since 1970, as the next */
	int64_t last_ms;  /* of the last look */
	uint64_t last_ns; /* the same by CLOCK_MONOTONIC; 0: there was none */
	uint64_t looks;
	enum level level;
	bool refused; /* a level was wanted that cannot be had */
	int64_t acquired;
	int64_t released;
	bool exact;
	uint64_t memory_total;
	uint64_t memory_available;
	struct cost cost;
	uint64_t suspicions;
	uint64_t lost[PL_STATS]; /* over all trackings */
	uint64_t runs_missed;
	uint64_t events_lost; /* not kept: out of memory */
	uint32_t nr_incidents;
	uint32_t nr_drivers;
	struct facts_driver drivers[STATE_DRIVERS + 1]; /* STATE_OTHER is always there */
};

/* A driver that was found to leak, since this watch began. */
struct incident {
	uint64_t id; /* from 1 on */
	char driver[PL_SYM];
	enum blame_kind kind;
	bool plain; /* plain references, no pins */
	enum evidence evidence;
	enum severity severity;
	bool at_rest;
	uint64_t pins;
	uint64_t bytes;
	int64_t first_ms; /* since 1970, as the next */
	int64_t last_ms;
	uint64_t last_ns; /* the same by CLOCK_MONOTONIC */
	uint64_t verdicts;
	struct text *verdict;	/* the last one, as JSON */
	struct text *diagnosis; /* as JSON; NULL: nothing was told of it, or it is kept no longer */
};

struct state;

/* render: host, kernel and clock of what is watched. NULL: out of memory. */
struct state *state_create(const struct render *render, uint64_t interval_ns);
void state_destroy(struct state *s);

/* To be told by the monitor; its context is a struct state. */
extern const struct reporter state_reporter;

/* The offset of the clock of the day is another, and by step ns of it that clock was set. */
void state_set_clock(struct state *s, int64_t real_offset, int64_t step);

/* By which the thread of the watch tells what is told to no monitor; the state's own. */
const struct render *state_teller(const struct state *s);

/* What follows may be called in any thread. */

void state_facts(struct state *s, struct facts *out);

/* The render of its objects: for json_event(). */
void state_render(struct state *s, struct render *out);

/* The last "drivers" object; NULL: nothing has been tracked. The caller drops it. */
struct text *state_drivers(struct state *s);

/* All incidents, the first one first, each to be let go of. Returns how many. */
size_t state_incidents(struct state *s, struct incident *out);
/* False: there is none. */
bool state_incident(struct state *s, uint64_t id, struct incident *out);
void incident_drop(struct incident *i);

/*
 * The points since a time (ms since 1970) as an array that the caller frees, and their number.
 * -ENOMEM.
 */
int state_points(struct state *s, int64_t since_ms, struct curve_point **out, size_t *nr,
		 uint32_t *step_s);

/* Numbers rise by one an event, also from one run of the server to the next. */
uint64_t state_last_event(struct state *s);
/*
 * The event after *id, which the caller drops, and *id is its number then; NULL: there is none yet.
 * *missed: events between that are no longer there; STATE_UNKNOWN when *id is not of this run.
 */
#define STATE_UNKNOWN UINT64_MAX
struct text *state_next_event(struct state *s, uint64_t *id, uint64_t *missed);

/* Waits until there is an event after id, for so long, or until state_wake(). */
void state_wait(struct state *s, uint64_t id, unsigned ms);
void state_wake(struct state *s); /* from now on nobody waits */

#endif
