/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Refuses calls on a driver's device files while it holds as many pins as it may. The programs are
 * held by file descriptors and, unless they are kept, by nothing else: they go with the process,
 * however it ends.
 */
#ifndef PINLEAK_KERNEL_BARRIER_H
#define PINLEAK_KERNEL_BARRIER_H

#include <stddef.h>
#include <stdint.h>

#include "../bpf/quota.h"
#include "tracker.h"

/* How the kernel lets a program refuse a call. */
enum barrier_way {
	BARRIER_LSM,	/* a BPF program among the security modules; lsm= must name bpf */
	BARRIER_MODIFY, /* one that changes what a security_ function returns (fmod_ret) */
	BARRIER_WAYS,
};
const char *barrier_way_name(enum barrier_way w);

/* What is let through whatever the driver holds; and ioctls that are not. */
struct barrier_exempt {
	uint32_t pids[PL_EXEMPTIONS];
	size_t nr_pids;
	struct pl_command commands[PL_EXEMPTIONS];
	size_t nr_commands;
	struct {
		uint32_t command;
		uint8_t order; /* enum pl_order */
	} ioctls[PL_EXEMPTIONS];
	size_t nr_ioctls;
	bool writes;		 /* of all processes */
	int cgroups[PL_CGROUPS]; /* descriptors of directories of cgroup v2; the user closes them */
	size_t nr_cgroups;
};

struct barrier;

#define BARRIER_WHY 256

/*
 * Loads and attaches the programs, and makes calls of our own to see that they are refused. They
 * go by the count of the tracker; NULL: by none, for a try. -errno, with the reason in why:
 * -ENOTSUP when the calls were not refused.
 */
int barrier_open(enum barrier_way way, const struct tracker *t, const struct barrier_exempt *exempt,
		 struct barrier **out, char why[BARRIER_WHY]);
void barrier_close(struct barrier *b);

enum barrier_way barrier_way(const struct barrier *b);

/* Pins the programs below a directory of kept.h: they do not end with us any more. -errno. */
int barrier_keep(struct barrier *b, const char *dir);

/* Does this machine refuse calls in that way? 0, or as barrier_open(). */
int barrier_try(enum barrier_way way, char why[BARRIER_WHY]);

#endif
