/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the programs that count for a limit and those that refuse share: for programs only.
 *
 * The tables are those of pinleak.bpf.c, which barrier.bpf.c is given when it is loaded. Without a
 * limit they have as little room as can be had; for one, room is made before loading.
 */
#ifndef PINLEAK_BPF_TABLES_H
#define PINLEAK_BPF_TABLES_H

#include "quota.h"

/* The driver that has a limit: one at most. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pl_quota);
} quotas SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PL_CROSSINGS);
	__type(key, __u64);
	__type(value, struct pl_crossing);
} crossings SEC(".maps");

/* Written by barrier.bpf.c; empty when nobody is refused. PL_VISITS. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct pl_visit);
} visits SEC(".maps");

/* Read by it. Preallocated: pins are taken where memory cannot be had. PL_KINDS. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct pl_kind);
	__type(value, struct pl_habit);
} habits SEC(".maps");

/*
 * The records of folios. Room is made before loading. Preallocated: try_grab_folio_fast() runs with
 * interrupts off, where the allocator of the other maps has only some hundred elements to give.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct pl_page);
} pages SEC(".maps");

/*
 * The limited driver's pins on each folio, never more than the folio has. Changed under the lock of
 * the folio's record only, and gone with it. Preallocated, as pages is.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} shares SEC(".maps");

#endif
