/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The books at one moment, as a source (the live kernel, say) hands them to the core. */
#ifndef PINLEAK_CORE_SNAPSHOT_H
#define PINLEAK_CORE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "../bpf/record.h"
#include "blame.h"
#include "map64.h"
#include "modgraph.h"

/* Does a folio lie in a pipe or a socket? Asked of plain references only. */
enum snap_queued {
	SNAP_QUEUED_NO,
	SNAP_QUEUED_YES,
	SNAP_QUEUED_UNKNOWN, /* it has to be looked */
};

struct snap_page {
	uint64_t folio;
	enum snap_queued queued;
	struct pl_page page;
};

struct snap_owner {
	uint64_t key;
	struct pl_owner owner;
	uint64_t file_end_ns; /* when the file's release had returned; 0: not yet, or no file */
	uint64_t dead_ns;     /* when the process was first seen gone; 0: it lives, or unknown */
	char node[64];	      /* the device node the file is, without /dev/; "" when none */
	char node_driver[MODGRAPH_NAME]; /* its device's driver by sysfs, "" when none */
};

/* A module as sysfs described it when its first pin was seen; "" for what it does not say. */
struct snap_driver {
	char version[64];
	char srcversion[PL_SRCVER];
	char taint[16];
	char path[256];
};

/* Kept by the source from one snapshot to the next: a call path never changes. */
struct snap_site {
	uint64_t key;
	const struct snap_site *same; /* an earlier one that differs in offsets only, or NULL */
	struct pl_site site;
	struct blame blame;
	struct snap_driver driver;
};

struct snap_failure {
	uint64_t call;
	struct pl_failure failure;
};

/* Releases of pins that were not there; `by` was the first. */
struct snap_wrong {
	struct pl_wrong wrong;
	struct snap_owner by;
};

/* A call that failed, perhaps for a limit. */
struct snap_refusal {
	struct pl_refusal refusal;
	struct snap_owner by;
	uint64_t dma_entries; /* dma_entry_limit of vfio_iommu_type1; 0: not known */
};

struct snap_unload {
	char module[PL_MODNAME];
	struct pl_unload unload;
};

struct snapshot {
	uint64_t now_ns;
	struct snap_page *pages;
	size_t nr_pages;
	struct snap_owner *owners;
	size_t nr_owners;
	struct snap_site *const *sites;
	size_t nr_sites;
	struct snap_failure *failures;
	size_t nr_failures;
	struct snap_unload *unloads;
	size_t nr_unloads;
	struct snap_wrong *wrongs;
	size_t nr_wrongs;
	struct snap_refusal *refusals;
	size_t nr_refusals;
	const struct modgraph *modules;
	struct map64 owner_at;	 /* key -> place in owners */
	struct map64 site_at;	 /* key -> place in sites */
	struct map64 failure_at; /* call -> place in failures */
	uint64_t stats[PL_STATS];
	uint64_t missed_runs; /* program runs the kernel skipped (recursion) */
	uint32_t sample_rate; /* of folios of a kind 1 in so many has a record, or more */
	uint32_t base_page;   /* bytes */
	uint8_t movable_zone; /* as pl_page.zone; 0: not known */
};

#endif
