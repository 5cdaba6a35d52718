/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A census of the live machine: every pinned folio, and whose it is. */
#ifndef PINLEAK_KERNEL_SURVEY_H
#define PINLEAK_KERNEL_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/census.h"
#include "holders.h"
#include "memory.h"
#include "objects.h"
#include "owned.h"
#include "scan.h"
#include "tracked.h"

struct survey {
	struct memory memory;
	struct scan scan;
	struct objects objects;
	struct census census;
	struct tracked tracked; /* {0}: nobody tracks */
	struct holders holders;
	struct owned owned;		   /* what the holders' own structures list */
	struct census_holder *holder_list; /* those of holders that could hold pins */
	size_t nr_holders;
	struct census_second second;
	double seconds; /* that the walk over the page structures took */
	char name[160]; /* of the label asked for last */
	char command[MAPPERS_CMDLINE];
	bool movable_known;
	uint8_t movable_zone;
	/* set by the user */
	uint64_t grace_ns; /* a driver's time to release after its file's and process's end */
	uint32_t pid;	   /* only what this process has mapped; 0: everything */
	bool owners_only;  /* who could hold pins is not asked for: no module's file is read */
	bool plain;	   /* look for references that nothing explains, too */
	int (*progress)(void *ctx, uint64_t done, uint64_t all); /* see struct scan_visitor */
	int (*folio)(void *ctx, const struct census_entry *e);	 /* each of them, or NULL */
	void *ctx;
};

/* As memory_open(); survey_error() says more. survey_close() is needed in any case. */
int survey_open(struct survey *s);
void survey_close(struct survey *s);

/* One line for people; "" when nothing went wrong. */
const char *survey_error(const struct survey *s);

/* The process of that number, or that has a thread of that number; 0: there is none. */
uint32_t survey_process(uint32_t pid);

/* Walks all page structures and draws up the census. -errno, or what progress() returned. */
int survey_look(struct survey *s);

/* Just adds up what is pinned; no survey is needed. -errno. */
int survey_sum(struct census_sum *out);

/*
 * Looks again, after the grace time, at the folios that nobody maps, and at who could hold them.
 * -ENOENT: there are none.
 */
int survey_look_again(struct survey *s);

/* A struct census_report's label(); the survey is the context. */
void survey_label(void *survey, enum census_by by, uint64_t id, struct census_label *out);

#endif
