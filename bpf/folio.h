/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Reading kernel memory, and a folio's own pin count: for programs only. */
#ifndef PINLEAK_BPF_FOLIO_H
#define PINLEAK_BPF_FOLIO_H

#include "record.h"

#define PIN_SHIFT 10 /* GUP_PIN_COUNTING_BIAS is 1 << 10 in every version: a small folio's pin */

const volatile struct pl_layout layout = {}; /* from BTF, before loading */

static __always_inline __u64 peek64(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	return v;
}

static __always_inline __u32 peek32(__u64 addr)
{
	__u32 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	return v;
}

static __always_inline int is_head(__u64 page)
{
	return (peek64(page + layout.flags) >> layout.head_bit) & 1;
}

/* After wrong releases it is below zero. */
static __always_inline __s32 folio_pincount(__u64 folio)
{
	return is_head(folio) ? (__s32)peek32(folio + layout.pincount)
			      : (__s32)peek32(folio + layout.refcount) >> PIN_SHIFT;
}

#endif
