/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Do the ledger's records agree with the page structures? */
#ifndef PINLEAK_CORE_AGREE_H
#define PINLEAK_CORE_AGREE_H

#include <stdint.h>

#include "../bpf/record.h"
#include "folio.h"

enum agree {
	AGREE,
	AGREE_NO_PIN,	    /* the record claims pins, the folio has none: a missed release */
	AGREE_UNATTRIBUTED, /* the folio has more pins than the record knows of */
};

/*
 * Compares a record with the folio as it is now (NULL: it is none any more). A folio that was
 * just pinned or released may disagree for a moment: only what disagrees twice counts.
 */
enum agree agree_record(const struct pl_page *p, const struct folio *now);

/* Pins of the folio beyond what the record knows; 0 when it knows of all. */
uint64_t agree_unattributed(const struct pl_page *p, const struct folio *now);

/* What comparing all records gave. */
struct agreement {
	uint32_t pid; /* of the process whose records they are */
	uint64_t records;
	uint64_t no_pin;       /* records */
	uint64_t unattributed; /* pins */
};

#endif
