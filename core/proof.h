/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What one pinned folio proves.
 *
 * Known of a folio: how many pins it has now (its own count), how many of them were there before
 * anybody was watched (base), and the claims: who took how many pins of it since. A claim says at
 * most how many of its pins may be left, never how many are: releases can be missed, or cannot be
 * told apart. So guilt is concluded as with pigeons and holes: pins that do not fit into
 * everybody else's claims must be the remaining driver's.
 *
 *     proved(D) = pins - base - what all others may hold - what D's innocent claims may hold
 *
 * Too many claims, missed releases and lost records can only make this smaller, never larger.
 * What could make it larger is an acquisition that was not seen; those are counted against the
 * kernel's own counters, and core/monitor.c holds a verdict back that they could explain.
 */
#ifndef PINLEAK_CORE_PROOF_H
#define PINLEAK_CORE_PROOF_H

#include <stdint.h>

#define PROOF_CLAIMS 8

struct proof_claim {
	uint32_t driver;   /* any number that tells drivers apart */
	uint32_t acquired; /* pins taken */
	uint32_t released; /* of them, for certain released again */
	uint32_t guilty;   /* of acquired: those that nobody may hold any more */
};

struct proof_release {
	uint32_t driver; /* of the path that released */
	uint32_t refs;
};

struct proof_page {
	uint32_t pins;	/* the folio's own count */
	uint32_t base;	/* pins from before the first claim */
	uint32_t extra; /* acquired by claims that are not in the list: held to be innocent */
	uint32_t nr_claims;
	uint32_t nr_releases;
	struct proof_claim claim[PROOF_CLAIMS];
	struct proof_release release[PROOF_CLAIMS];
};

struct proof_result {
	uint32_t proved[PROOF_CLAIMS]; /* pins, by claim; only guilty claims have any */
	uint32_t rest[PROOF_CLAIMS]; /* the most that a claim can have left beyond what is proved */
	uint32_t total;		     /* of proved */
	uint32_t ambiguous;	     /* perhaps leaked, perhaps held by somebody innocent */
	uint32_t held;		     /* the rest of pins - base */
	uint32_t base;		     /* of base: what can still be there */
};

void proof_conclude(const struct proof_page *page, struct proof_result *out);

#endif
