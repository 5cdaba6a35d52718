/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who takes more and more pins that he may rightly hold: an application that hoards, or one whose
 * driver leaks while its file is open. Nobody is accused for it.
 */
#ifndef PINLEAK_CORE_HOARD_H
#define PINLEAK_CORE_HOARD_H

#include "ledger.h"

#define HOARD_MAX  64 /* owners that are watched at a time */
#define HOARD_PINS 64 /* a rise of an owner's pins that is worth a word */

struct hoard {
	struct {
		uint64_t key;
		uint64_t first, most; /* pins */
		uint32_t rises;	      /* windows in a row, to more than ever before */
		uint64_t seen_ns;
	} owner[HOARD_MAX];
	uint32_t nr;
	uint64_t look_ns;
	struct {
		uint64_t ns; /* 0: nobody */
		uint32_t tgid;
		uint64_t start_ns;
		char driver[PL_SYM];
	} told[HOARD_MAX];
	uint32_t next; /* place of the next one that is told */
};

/* Tracking has ended: records begin anew. Who was told stays known. */
void hoard_reset(struct hoard *h);

struct hoard_news {
	const struct holding *holding;
	int64_t rise; /* pins, since it was first seen */
};

/*
 * One look a window, so that I/O in flight does not count; more often nothing is done. Stores up to
 * HOARD_MAX of those who have not been told of for a day, and returns their number. *growing:
 * somebody holds more than ever before, for some time now.
 */
size_t hoard_look(struct hoard *h, const struct ledger *l, uint64_t now_ns, uint64_t window_ns,
		  struct hoard_news *news, bool *growing);

#endif
