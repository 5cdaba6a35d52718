/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The BPF programs of a plan: loaded, attached by level, asked for what they counted. */
#ifndef PINLEAK_KERNEL_PROGRAMS_H
#define PINLEAK_KERNEL_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/quota.h"
#include "../core/report.h"
#include "plan.h"

struct bpf_link;
struct bpf_program;
struct pinleak_bpf;

/* One for each slot, one more as a probe has two ends, and those without a slot. */
#define PROGRAMS_MAX (PL_HOOKS + 1 + 8)

struct programs {
	struct pinleak_bpf *skel; /* NULL: nothing is loaded */
	const struct plan *plan;
	struct {
		struct bpf_program *program;
		struct bpf_link *link;
		const char *probe; /* function for a kprobe; NULL: the program knows its target */
		bool at_return;
		enum level level; /* attached from this level on */
	} hooked[PROGRAMS_MAX];
	size_t nr_hooked;
	struct pl_quota
		*quota;	   /* of the driver that has a limit, as the programs see it; or NULL */
	uint64_t dealt_ns; /* when it was last said how much is recorded */
	char error[256];   /* what went wrong last, for people; "" */
};

/* Keeps the text in error and returns err. */
int programs_fail(struct programs *ps, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Sizes of tables, in entries. */
struct programs_room {
	uint32_t folios;
	uint32_t processes; /* of the tree that is followed; 0: none is */
	uint32_t groups;    /* programs_groups(), when not all need be recorded; 0: all is */
	bool quota;	    /* the pins of one driver are counted: see bpf/quota.h */
};

/* Of 64 pages, that all memory has: see struct pl_sieve. */
uint32_t programs_groups(void);

/* Loads everything the plan can use, attaches nothing. The plan must outlive the programs. */
int programs_load(struct programs *ps, const struct plan *plan, const struct programs_room *room);

/* Detaches and unloads everything, and frees the maps. */
void programs_unload(struct programs *ps);

/* Attaches what the level needs and detaches the rest. */
int programs_attach(struct programs *ps, enum level level);

/*
 * Before 6.6 BTF does not know FOLL_PIN; a release of our own shows it: it passes just that. To
 * be called with the release hooks attached. The bit into *out; -EBADE: it was no single bit.
 */
int programs_learn_foll_pin(struct programs *ps, uint32_t *out);

/* From now on pins are booked; before, they are only counted. */
void programs_arm(struct programs *ps);

/* The deep level: the acquire hooks write the ledger, the API hooks do not. */
void programs_go_deep(struct programs *ps, bool deep);

/* Is the process in the tree that is followed? */
bool programs_follow(const struct programs *ps, uint32_t tgid);

/* Eight bytes of kernel memory. -errno: there are none. */
int programs_peek(struct programs *ps, uint64_t addr, uint64_t *out);

/* Sums of the counters of all processors, PL_STATS of them. */
int programs_stats(struct programs *ps, uint64_t *out);

struct programs_runs {
	uint64_t missed; /* skipped, as the program was already running on the processor */
	uint64_t ns;	 /* they took; 0 while kernel.bpf_stats_enabled is 0 */
};

/* Since the programs were loaded; of those that are hooked in somewhere. */
struct programs_runs programs_runs(const struct programs *ps);

/* Kernel memory of all maps. */
uint64_t programs_bytes(const struct programs *ps);

/*
 * Reads the pin count of every recorded folio into its record; forgets what has not been pinned
 * for a while.
 */
int programs_sweep(struct programs *ps);

#endif
