/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the unit tests share: books made by hand, and randomness that can be repeated. */
#ifndef PINLEAK_TESTS_FIXTURE_H
#define PINLEAK_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/snapshot.h"

#define NR(array) (sizeof(array) / sizeof(*(array)))
#define SEC(n)	  ((uint64_t)((n)*UINT64_C(1000000000)))
#define MSEC(n)	  ((uint64_t)((n)*UINT64_C(1000000)))

/* ---- random numbers ------------------------------------------------------------------- */

struct rng {
	uint64_t state;
};

uint32_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* n at least 1 */
bool rng_chance(struct rng *r, uint32_t percent);
void rng_bytes(struct rng *r, void *out, size_t size);

/* The seed of a random test: fixed, but for PINLEAK_SEED in the environment. */
uint64_t random_seed(void);

/* Cases of a random test: PINLEAK_CASES in the environment, fewer under valgrind. */
uint64_t random_cases(uint64_t usual);

/* ---- books ---------------------------------------------------------------------------- */

#define BOOKS_NOW   SEC(1000)
#define BOOKS_GRACE SEC(2)

#define BOOKS_PAGES    256
#define BOOKS_OWNERS   160
#define BOOKS_SITES    32
#define BOOKS_FAILURES 8
#define BOOKS_UNLOADS  4
#define BOOKS_WRONGS   16
#define BOOKS_REFUSALS 32

/* A snapshot that is filled by the functions below; what they return stays where it is. */
struct books {
	struct snapshot s;
	struct modgraph modules;
	struct snap_page pages[BOOKS_PAGES];
	struct snap_owner owners[BOOKS_OWNERS];
	struct snap_site site_room[BOOKS_SITES];
	struct snap_site *sites[BOOKS_SITES];
	struct snap_failure failures[BOOKS_FAILURES];
	struct snap_unload unloads[BOOKS_UNLOADS];
	struct snap_wrong wrongs[BOOKS_WRONGS];
	struct snap_refusal refusals[BOOKS_REFUSALS];
};

/* At BOOKS_NOW, pages of 4 KiB, each folio recorded, no module loaded. */
struct books *books_create(void);
void books_destroy(struct books *b);

/* The text of /proc/modules. */
void books_modules(struct books *b, const char *text);

/* A call path of the driver. */
struct snap_site *books_site(struct books *b, enum blame_kind kind, const char *driver);

/* Its owner: an open device file of a process that lives, last used 100 s ago. */
struct snap_owner *books_owner(struct books *b, const struct snap_site *site);

/* The same without a file: a kernel worker took the pins. */
struct snap_owner *books_worker(struct books *b, const struct snap_site *site);

/* The file was closed, the process seen gone, so many ns before the books. */
void owner_closed(const struct books *b, struct snap_owner *o, uint64_t ns_ago);
void owner_died(const struct books *b, struct snap_owner *o, uint64_t ns_ago);

/* A folio with so many pins, nobody's so far; first seen 100 s ago. */
struct pl_page *books_folio(struct books *b, uint32_t pins);

/* The owner took so many pins of the folio. */
struct pl_slot *folio_claim(struct pl_page *p, const struct snap_owner *o, uint32_t refs);

/* A path released so many, and it could not be told whose. */
void folio_release(struct pl_page *p, const struct snap_site *site, uint32_t refs);

/* A folio that the owner alone pinned. */
struct pl_page *books_pin(struct books *b, const struct snap_owner *o, uint32_t pins);

/* The path released so many pins that were not there; and what had gone before on that folio. */
struct pl_wrong *books_wrong(struct books *b, enum pl_wrong_kind kind, const struct snap_site *site,
			     uint32_t refs);
void wrong_claim(struct pl_wrong *w, const struct snap_site *site, uint32_t refs);
void wrong_release(struct pl_wrong *w, const struct snap_site *site, uint32_t refs);

void books_failure(struct books *b, uint64_t call, uint64_t ns_ago);
/* A call of the owner failed, that had taken so many pins; 8 MiB may be locked. */
struct pl_refusal *books_refusal(struct books *b, const struct snap_owner *o, int error,
				 uint64_t taken);

void books_unload(struct books *b, const char *module, uint64_t ns_ago);

/* The record was lost: the key leads nowhere. */
void books_lose_owner(struct books *b, const struct snap_owner *o);
void books_lose_site(struct books *b, const struct snap_site *site);

#endif
