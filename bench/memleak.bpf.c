// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Pins followed as bcc's memleak follows allocations: a record with time and stack for each, and
 * totals by stack. A peer to measure pinleak against; for Linux 6.12, losses are not counted.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define FOLL_PIN (1 << 19)

struct taken {
	__u64 bytes, when_ns;
	__s32 stack;
};

struct total {
	__u64 bytes, number;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288);
	__type(key, __u64);
	__type(value, struct taken);
} pins SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __s32);
	__type(value, struct total);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 10240);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

static __always_inline void took(void *ctx, __u64 folio, int refs)
{
	struct taken t = {.bytes = (__u64)refs << 12, .when_ns = bpf_ktime_get_ns()};
	struct total *total, none = {};

	t.stack = (int)bpf_get_stackid(ctx, &stacks, 0);
	bpf_map_update_elem(&pins, &folio, &t, BPF_ANY);
	total = bpf_map_lookup_elem(&totals, &t.stack);
	if (!total) {
		bpf_map_update_elem(&totals, &t.stack, &none, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&totals, &t.stack);
	}
	if (total) {
		__sync_fetch_and_add(&total->bytes, t.bytes);
		__sync_fetch_and_add(&total->number, 1);
	}
}

SEC("fexit/try_grab_folio")
int BPF_PROG(grab, void *folio, int refs, unsigned int flags, int status)
{
	if (flags & FOLL_PIN && !status)
		took(ctx, (__u64)folio, refs);
	return 0;
}

SEC("fexit/try_grab_folio_fast")
int BPF_PROG(grab_fast, void *page, int refs, unsigned int flags, void *folio)
{
	if (flags & FOLL_PIN && folio)
		took(ctx, (__u64)folio, refs);
	return 0;
}

SEC("fentry/gup_put_folio")
int BPF_PROG(put, void *folio, int refs, unsigned int flags)
{
	__u64 key = (__u64)folio;
	struct taken *t;
	struct total *total;

	t = bpf_map_lookup_elem(&pins, &key);
	if (!(flags & FOLL_PIN) || !t)
		return 0;
	total = bpf_map_lookup_elem(&totals, &t->stack);
	if (total) {
		__sync_fetch_and_sub(&total->bytes, t->bytes);
		__sync_fetch_and_sub(&total->number, 1);
	}
	bpf_map_delete_elem(&pins, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
