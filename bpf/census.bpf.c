// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Programs that look and change nothing: a walk over all struct pages, and reading memory of the
 * kernel for user space to follow its structures. They are run by system call and attached to
 * nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "census.h"

/* Page frames whose struct pages are there together or not at all: a subsection, 2 MiB of memory.
 */
#define HOLE (1ULL << 9)

const volatile struct pl_scan_layout layout = {};

struct pl_found found[PL_FOUND];
__u8 bytes[PL_READ];

struct step {
	__u64 vmemmap;
	__u64 next, end;
	__u64 base; /* frame of the first struct page of the chunk */
	__u64 holes;
	__u32 why;
	__u32 found;
};

struct chunk {
	__u8 page[PL_CHUNK][PL_STRUCT_PAGE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chunk);
} chunks SEC(".maps");

#define FIELD(page, type, offset) (*(type *)((page) + ((offset) & (PL_STRUCT_PAGE - 4))))

static __always_inline int is_pinned_small(__s32 refs)
{
	return refs >= 1024; /* GUP_PIN_COUNTING_BIAS in every version */
}

/*
 * Anonymous, or cut out of its file; on an LRU list, where only pages of processes and files are;
 * mapped by nobody as far as the head tells; and in no swap cache.
 */
static __always_inline int is_unmapped(__u8 *head, __u64 flags, __s32 refs)
{
	__u64 mapping = *(__u64 *)(head + (layout.mapping & (PL_STRUCT_PAGE - 8)));

	if (refs <= 0 || !((flags >> layout.lru_bit) & 1) || ((flags >> layout.swapcache_bit) & 1))
		return 0;
	return !mapping || mapping & 1;
}

static __always_inline __u32 look_small(__u8 *page, __u64 flags)
{
	__s32 refs = FIELD(page, __s32, layout.refcount);

	if (is_pinned_small(refs))
		return PL_FOUND_PINNED;
	if (refs < 0)
		return PL_FOUND_NEGATIVE;
	return refs && FIELD(page, __s32, layout.mapcount) == -1 && is_unmapped(page, flags, refs)
		       ? PL_FOUND_UNMAPPED
		       : 0;
}

static __always_inline __u32 look_large(__u8 *page, __u8 *tail, __u64 flags)
{
	__s32 pins = FIELD(tail, __s32, layout.pincount - PL_STRUCT_PAGE);
	__s32 refs = FIELD(page, __s32, layout.refcount);

	if (pins > 0)
		return PL_FOUND_PINNED;
	if (pins < 0 || refs < 0)
		return PL_FOUND_NEGATIVE;
	return FIELD(tail, __s32, layout.entire_mapcount - PL_STRUCT_PAGE) == -1 &&
			       is_unmapped(page, flags, refs)
		       ? PL_FOUND_UNMAPPED
		       : 0;
}

/* The struct pages are read again: a copy of this size is too much for the compiler's stack. */
static __noinline int hand_over(struct step *s, __u64 pfn, __u32 why)
{
	struct pl_found *f;

	if (!s || s->found >= PL_FOUND)
		return 0;
	f = &found[s->found & (PL_FOUND - 1)];
	if (bpf_probe_read_kernel(f->pages, sizeof(f->pages),
				  (void *)(s->vmemmap + pfn * PL_STRUCT_PAGE)))
		return 0;
	f->pfn = pfn;
	f->why = why;
	s->found++;
	return 0;
}

/*
 * One struct page of a chunk. A folio is looked at once, at its head; its tails are passed over, so
 * that with hugetlb vmemmap optimisation, where the head's struct page shows up again for every
 * 64th tail, nothing is counted twice.
 */
static long look_page(__u32 i, struct step *s)
{
	__u32 zero = 0, why, order;
	struct chunk *c = bpf_map_lookup_elem(&chunks, &zero);
	__u64 pfn = s->base + i, flags;
	__u8 *page, *tail;

	if (!c || pfn < s->next)
		return 0;
	page = c->page[i & (PL_CHUNK - 1)];
	flags = *(__u64 *)(page + (layout.flags & (PL_STRUCT_PAGE - 8)));
	if (flags == ~0ULL)
		return 0; /* poisoned: never initialised */
	if (!((flags >> layout.head_bit) & 1)) {
		/* A tail whose head went by, or was split as we looked. */
		if (page[layout.compound_head & (PL_STRUCT_PAGE - 1)] & 1)
			return 0;
		why = look_small(page, flags) & s->why;
		if (why)
			hand_over(s, pfn, why);
		return 0;
	}
	if (i + 1 >= PL_CHUNK)
		return 0; /* a large folio is aligned: this one is just coming or going */
	tail = c->page[(i + 1) & (PL_CHUNK - 1)];
	order = tail[(layout.order - PL_STRUCT_PAGE) & (PL_STRUCT_PAGE - 1)];
	if (!order || order > 20 || pfn & ((1ULL << order) - 1))
		return 0;
	s->next = pfn + (1ULL << order);
	why = look_large(page, tail, flags) & s->why;
	if (why)
		hand_over(s, pfn, why);
	return 0;
}

static long scan_step(__u32 n, struct step *s)
{
	__u64 at = s->next;
	__u32 zero = 0;
	struct chunk *c = bpf_map_lookup_elem(&chunks, &zero);

	if (!c || at >= s->end || s->found > PL_FOUND - PL_CHUNK)
		return 1;
	s->base = at & ~(PL_CHUNK - 1ULL);
	if (bpf_probe_read_kernel(c, sizeof(*c), (void *)(s->vmemmap + s->base * PL_STRUCT_PAGE))) {
		s->next = (at | (HOLE - 1)) + 1;
		if (s->next > s->end)
			s->next = s->end;
		s->holes += s->next - at;
		return 0;
	}
	bpf_loop(PL_CHUNK, look_page, s, 0);
	if (s->next < s->base + PL_CHUNK)
		s->next = s->base + PL_CHUNK;
	return 0;
}

/* Walks the page structures from arg->next on, until the end or until found[] is full. */
SEC("syscall")
int scan(struct pl_scan *arg)
{
	struct step s = {.vmemmap = arg->vmemmap,
			 .next = arg->next,
			 .end = arg->end,
			 .why = arg->why};

	bpf_loop(PL_SCAN_STEP / PL_CHUNK, scan_step, &s, 0);
	arg->next = s.next < s.end ? s.next : s.end;
	arg->found = s.found;
	arg->holes += s.holes;
	return 0;
}

/* The address of the kernel's symbol whose name, with zeros after it, is in bytes[]. */
SEC("syscall")
int find(struct pl_find *arg)
{
	__u64 addr = 0;

	arg->err = (__s32)bpf_kallsyms_lookup_name((const char *)bytes, PL_NAME, 0, &addr);
	arg->addr = addr;
	return 0;
}

/* Which symbol an address is in, as "name+0x0/0x10 [module]", into bytes[]. */
SEC("syscall")
int name(struct pl_read *arg)
{
	__u64 addr = arg->addr;

	arg->err = bpf_snprintf((char *)bytes, PL_PLACE, "%pS", &addr, sizeof(addr)) < 0;
	return 0;
}

/* Reads memory of the kernel into bytes[]. */
SEC("syscall")
int read(struct pl_read *arg)
{
	__u32 size = arg->size;

	if (size > PL_READ)
		size = PL_READ;
	arg->err = bpf_probe_read_kernel(bytes, size, (void *)arg->addr);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
