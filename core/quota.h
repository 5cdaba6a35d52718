/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A limit on what one driver may hold pinned: how much it is, what of it is worth a word, and who
 * holds what. (Limits of the kernel's own that a call has hit are in limit.h.)
 */
#ifndef PINLEAK_CORE_QUOTA_H
#define PINLEAK_CORE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/quota.h"
#include "snapshot.h"

#define QUOTA_MORE 10 /* refused so many times as often as told: worth another word */

enum quota_unit {
	QUOTA_PAGES,
	QUOTA_BYTES, /* "64MiB" */
	QUOTA_SHARE, /* percent of memory: "5%", "0.5" */
};

/*
 * A limit as people write it, in pages of `page` bytes, rounded down. -EINVAL: it is not that;
 * -ERANGE: less than a page, or more than the memory.
 */
int quota_pages(enum quota_unit unit, const char *text, uint64_t memory, uint32_t page,
		uint64_t *pages);

/*
 * The name of a module, as the kernel writes it: it has _ where people may write -. -EINVAL: no
 * module has such a name.
 */
int quota_name(const char *text, size_t len, char name[PL_MODNAME]);

/* What a driver is to be held to. */
struct quota_order {
	char driver[PL_MODNAME];
	uint64_t pages;
	bool enforce;
};

/*
 * "vivid:1000", "vivid:64MiB", "vivid:5%:enforce": pages unless there is a unit. Errors as of
 * quota_pages(); then *out is as it was.
 */
int quota_order(const char *text, uint64_t memory, uint32_t page, struct quota_order *out);

/* A limit that lasts without pinleak. */
struct quota_kept {
	char driver[PL_MODNAME];
	struct pl_quota quota; /* kept == 0: it was not kept to the end, and refuses nobody */
	uint64_t now_ns;
};

/* Crossings that were told. {0} is ready to use. */
struct quota_told {
	struct {
		uint64_t start_ns;
		uint64_t count; /* when it was told */
		uint32_t tgid;
		uint8_t call;
	} told[PL_CROSSINGS];
	size_t nr, next;
};

/*
 * Is it worth a word: a process that is new, or has crossed the limit again, or was refused ten
 * times as often? Then it is kept as told.
 */
bool quota_take(struct quota_told *t, const struct pl_crossing *c);

/* ---- kinds of calls ------------------------------------------------------------------- */

struct quota_kind {
	struct pl_kind kind;
	struct pl_habit habit;
};

/* What happens to calls of a kind when the limit is reached. */
enum quota_answer {
	QUOTA_UNKNOWN = 0, /* let through: none of them has pinned yet */
	QUOTA_REFUSED,
	QUOTA_BOTH, /* let through: some have released */
	QUOTA_ANSWERS,
};
enum quota_answer quota_answer(const struct pl_habit *h);

/* Kinds that were told. {0} is ready to use. */
struct quota_learned {
	struct {
		struct pl_kind kind;
		enum quota_answer answer; /* when it was told */
	} told[PL_KINDS];
	size_t nr;
};

/* Is it worth a word: a kind that pins and is new, or is answered otherwise than was told? */
bool quota_learn(struct quota_learned *l, const struct quota_kind *k);

/* Does the call path run through the module's code? (So not every pin of a driver's does.) */
bool quota_runs_through(const struct pl_site *site, const char *module);

/*
 * Pins that a process holds through a module, by its code on the call path or by its device, as the
 * records have it: where several have pinned a folio, it may be fewer.
 */
uint64_t quota_pins_of(const struct snapshot *s, const char *module, uint32_t tgid,
		       uint64_t start_ns);

#endif
