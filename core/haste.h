/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * When the grace time need not run out once more.
 *
 * A driver may release late: seconds after the file was closed and the process gone. So what is
 * left gets a grace time. But pins that come back late make the number of outstanding pins level
 * off once the load has run for that long. Where the number has gone on rising for ten seconds
 * already, before tracking began and since, nothing of it has come back in that time;
 * and when what one driver has left since accounts for that rise, and nobody else has left
 * anything like it, then it is this driver's.
 */
#ifndef PINLEAK_CORE_HASTE_H
#define PINLEAK_CORE_HASTE_H

#include "detect.h"
#include "ledger.h"

#define HASTE_NS      UINT64_C(2000000000)  /* the grace time that a driver gets then */
#define HASTE_RISE_NS UINT64_C(10000000000) /* so long the rise must have gone on */
#define HASTE_FLOORS  16

struct haste {
	uint64_t grace_ns;  /* set by the user: the one that need not run out */
	uint64_t begin_ns;  /* of the rise; 0: there is none */
	int64_t begin_pins; /* outstanding then */
	struct {
		uint64_t ns;
		int64_t pins;
	} floors[HASTE_FLOORS]; /* when tracking began, and one a second since */
	uint32_t nr;
	int64_t floor; /* of the samples since the last one of them */
	uint64_t floor_ns;
	struct ledger ledger; /* as if the grace time were short */
};

void haste_free(struct haste *h);

/* A rise was suspected, and tracking has begun because of it: when, with what outstanding. */
void haste_begin(struct haste *h, const struct detect_suspicion *s, uint64_t suspected_ns,
		 int64_t suspected, uint64_t tracked_ns, int64_t tracked);
void haste_end(struct haste *h);

/* Each sample since then: the fewest outstanding pins. */
void haste_sample(struct haste *h, uint64_t now_ns, int64_t floor);

/*
 * Has the rise gone on for the grace time, and is it one driver's? *driver is its name then, NULL
 * else, and belongs to the snapshot. -ENOMEM.
 */
int haste_look(struct haste *h, const struct snapshot *s, const char **driver)
	__attribute__((warn_unused_result));

#endif
