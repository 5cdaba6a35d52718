/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Which processes have a folio in their page tables, and where. The kernel's reverse maps are
 * followed without their locks, so they only say where to look; what is told was then seen in
 * /proc/PID/pagemap. That takes CAP_SYS_ADMIN: without it nobody is told.
 */
#ifndef PINLEAK_KERNEL_MAPPERS_H
#define PINLEAK_KERNEL_MAPPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/folio.h"
#include "../core/map64.h"
#include "../core/procfs.h"
#include "memory.h"

#define MAPPERS_PROCESSES 8192 /* entries of the table, the first included */
#define MAPPERS_CMDLINE	  256

/* Entry 0 of the table stands for all those there was no room for; its tgid is 0. */
struct process {
	uint32_t tgid;
	uint64_t start_ns; /* CLOCK_BOOTTIME; tgid and start are a process for ever */
	char comm[16];
	char cmdline[MAPPERS_CMDLINE]; /* as /proc has it: anything, with NULs in it */
	size_t cmdline_len;
	char cgroup[PROCFS_PATH]; /* "" when unknown */
};

struct mapper {
	uint32_t process; /* place in the table */
	uint64_t addr;	  /* where in the process; of the first page of the folio it maps */
};

struct mappers_layout {
	uint32_t anon_root, chain_vma, chain_anon, chain_rb, rb_left, rb_right;
	uint32_t vm_start, vm_end, vm_mm, vm_pgoff, vm_shared, i_mmap;
	uint32_t owner, pid, tgid, start, comm, leader;
	uint32_t chain_size, vma_size;
	bool hugetlb_index; /* a hugetlb folio's index counts folios, before 6.7 */
};

struct mappers {
	struct memory *memory;
	struct mappers_layout at;
	struct process **processes;
	size_t nr_processes;
	uint64_t unverified; /* mappers the kernel's reverse map named and no page table bore out */
	bool blind;	     /* the kernel hides page frame numbers from us: nobody is told */

	/* what was read lately; see mappers.c */
	struct map64 by_tgid, by_mapping;
	struct mappers_cache *cache;
};

/* -ENOTSUP: memory's error says what is missing (CONFIG_MEMCG, for one); -ENOMEM. */
int mappers_open(struct mappers *m, struct memory *memory);
void mappers_close(struct mappers *m);

/*
 * Fills out with up to max mappers and returns their number. *more: there are others, or there
 * was too much to look through. Never fails: what cannot be read is not told.
 */
size_t mappers_of(struct mappers *m, const struct folio *f, struct mapper *out, size_t max,
		  bool *more);

#endif
