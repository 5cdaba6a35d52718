// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The programs that watch pins being taken and dropped.
 *
 * They are written for roles, not for functions: user space reads the kernel's BTF, decides
 * which function plays which role (kernel/plan.c), and fills hooks[]. Nothing here compares
 * kernel versions.
 *
 * The rule that keeps the books honest: claims on a folio only grow, the folio's own pin count
 * tells how many pins are left, and core/proof.c concludes from both. A release that is missed
 * can therefore never accuse anybody.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kernel.h"
#include "quota.h"
#include "record.h"
#include "tables.h"
#include "visit.h"
#include "whose.h"

#define EPERM	    1
#define EINTR	    4
#define E2BIG	    7
#define EAGAIN	    11
#define ENOMEM	    12
#define EEXIST	    17
#define ENOSPC	    28
#define ENOBUFS	    105
#define EINPROGRESS 115
#define ETIME	    62
#define ETIMEDOUT   110
#define ERESTARTSYS 512 /* this and beyond never reach user space */

#define LOCK_TRIES 64
#define READ_TRIES 4  /* of a folio that seems to lack references */
#define PIN_SHIFT  10 /* GUP_PIN_COUNTING_BIAS is 1 << 10 in every version: a small folio's pin */
#define PIN	   (1 << PIN_SHIFT)
#define SKEW	   64 /* references by which a reading may be off: its numbers change meanwhile */
#define SHORT	   64 /* missing references that are taken for wrong puts, whatever is held */
#define OVER_MAX   16 /* pins of one record that were not there and are told apart */
#define KNOWN_BITS 23

#define FLOW_BITS  12
#define FLOW_PINS  256U /* of a flow that are recorded between two looks, whatever others pin */
#define STACK_PINS 8	/* so many pins does it take to find out who pins */
#define BLOCK	   512
#define HANDFUL	   64 /* pages of an array that are read at once */

/* From BTF, before loading. */
const volatile struct pl_hook hooks[PL_HOOKS] = {};
const volatile struct pl_layout layout = {};
const volatile __u8 syscall_file_arg[PL_SYSCALLS] = {}; /* argument number + 1, 0: none */
const volatile __u8 syscall_exit_seen[PL_SYSCALLS] = {};
const volatile __u32 own_tgid = 0;
const volatile __u8 plain = 0;	    /* the hooks are on get_user_pages(): see folio_extra() */
const volatile __u8 follows = 0;    /* what our children and their descendants pin is marked */
const volatile __u8 limits = 0;	    /* the pins of one driver are counted: see quotas */
const volatile __u8 thins = 0;	    /* at level light not all is recorded when much is pinned */
const volatile __u64 nr_groups = 0; /* in sieves */

/* Calibrated or chosen while running. */
__u64 foll_pin = 0;	/* FOLL_PIN of this kernel */
__u64 foll_learned = 0; /* flags of the last release by our own process */
__u64 zero_page = 0;	/* struct page of the shared zero page: never pinned */
__u64 page_base = 0;	/* struct page of page frame 0; 0: not known */
__u64 look = 0;		/* user space counts its looks */
__u64 ration = 0;	/* pins that are recorded from look to look before any are left out */
__u64 eaten = 0;	/* of them, roughly */
__u32 armed = 0;	/* all hooks are in and the counters read: book from now on */
__u32 deep = 0;		/* the acquire hooks write the ledger, the API hooks do not */
__u64 deep_since = 0;	/* when that began, CLOCK_BOOTTIME */
__u64 spare = 0;	/* records there may be before those without pins go at once */

/* Records there are, roughly. On a cache line of its own: it changes with every new record. */
struct {
	__u64 n;
	__u64 pad[15];
} records __attribute__((aligned(128))) = {};

/*
 * Pins of one thread, by one function and so many at once, since the last look: see thin_of(). Who
 * pins little is so told from who pins much. Two may share a place, until the next look.
 */
__u64 flows[1 << FLOW_BITS] = {}; /* the look in the upper half */

/* The pages or folios a call has filled its array with, one after the other. */
struct walk {
	__u64 array;
	__u64 owner;
	__u64 call;
	__u64 folio; /* of the run being gathered */
	__u32 run;
	__u32 slot;
	__u32 are_pages;
	__u32 seek; /* only look whether one is chosen */
	__u32 found;
	__u32 unpinned; /* objects that hold no pin: the zero page */
	__u32 thin;	/* see struct pl_sieve */
	__u32 n;
	__u32 at; /* so many have been sifted */
	__u64 handful[HANDFUL];
};

/*
 * Work space too large for the stack. The walk is here as well: what the verifier cannot know it
 * does not follow through every turn of the loop.
 */
struct scratch {
	struct pl_site site;
	struct pl_page page;
	struct pl_owner owner;
	struct pl_wrong wrong;
	struct pl_refusal refusal;
	struct walk walk;
	__u32 limited; /* the pins being taken are those of the limited driver */
	__u32 thin;    /* how much of the call's pins is left out */
};

/* A call that takes pins, while it runs. Key: thread id. */
struct call {
	__u64 id; /* time it began; the low 16 bits count its API calls */
	__u64 owner;
	__s64 net;   /* pins taken less pins dropped inside the API call */
	__u64 pins;  /* taken by all API calls */
	__u64 array; /* of a probed API call: what it fills */
	__u32 in_api;
	__u32 in_syscall;
	__u32 limited; /* the API call is one of the limited driver */
	__u32 deep;    /* it began at level deep: the acquire hooks book all of its pins */
};

/*
 * Preallocated: try_grab_folio_fast() runs with interrupts off, where the allocator of the other
 * maps has only some hundred elements to give.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct pl_page);
} pages SEC(".maps");

/*
 * What the programs have to look at more closely: which pages have a record, and which are chosen
 * when not all are. One element, of the size of all memory; pages beyond are looked at always.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pl_sieve));
} sieves SEC(".maps");

/* Records of large folios that were freed with pins: those are lost, whatever becomes of the pages.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct pl_page);
} freed SEC(".maps");

/* Preallocated: pins are released in interrupts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct pl_wrong);
} wrongs SEC(".maps");

/* A bit for each folio, by its hash, that was pinned or released while tracking was on. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << (KNOWN_BITS - 6));
	__type(key, __u32);
	__type(value, __u64);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct pl_owner);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct pl_site);
} sites SEC(".maps");

/* Open files that pins came through: struct file -> id. Left at __fput(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} files SEC(".maps");

/* When a file id's release method had returned. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} file_ends SEC(".maps");

/* What hangs on a file whose release method runs; 0: nothing. */
struct closing {
	__u64 id;
	__u64 owner; /* that a link to the file kept alive */
};

struct closing_key {
	__u64 file;
	__u64 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct closing_key);
	__type(value, struct closing);
} closings SEC(".maps");

/* Files made since the deep level began; what finds no room counts as older. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
} births SEC(".maps");

/* Files created inside a pinning call (a dma-buf): struct file -> owner they keep alive. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} file_links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct pl_failure);
} failures SEC(".maps");

/* The oldest go when it is full: it is information, no proof rests on it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct pl_refusal);
} refusals SEC(".maps");

struct unload_key {
	char name[PL_MODNAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, struct unload_key);
	__type(value, struct pl_unload);
} unloads SEC(".maps");

/*
 * The processes that are followed: thread group -> its start (CLOCK_BOOTTIME). Preallocated: a
 * process must not get away because memory is short. Room for more is made before loading.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} tree SEC(".maps");

/*
 * The limited driver's pins on each folio, never more than the folio has. Changed under the lock of
 * the folio's record only, and gone with it. Preallocated, as pages is; room is made before
 * loading.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} shares SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PL_STATS);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

/*
 * One scratch a hook slot: a program may be preempted by another one on its processor, but the
 * kernel never runs the same program twice there (__bpf_prog_enter_recur).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PL_HOOKS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/*
 * The result is cut to an int: before 6.3 the map's own function is called in the helper's place,
 * returns an int, and leaves the upper half of the register as it was.
 */
static __always_inline int map_put(void *map, const void *key, const void *value, __u64 flags)
{
	return (int)bpf_map_update_elem(map, key, value, flags);
}

static __always_inline void count(__u32 stat, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&stats, &stat);

	if (v)
		__sync_fetch_and_add(v, n);
}

/* The key is a copy: with its address taken the slot would be no constant to the verifier. */
static __always_inline struct scratch *scratch_of(__u32 slot)
{
	__u32 key = slot;

	return bpf_map_lookup_elem(&scratches, &key);
}

static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15ULL; /* 2^64 / golden ratio */
	return h ^ (h >> 29);
}

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

/* ---- page structures ---------------------------------------------------------------- */

static __always_inline int is_head(__u64 page)
{
	return (peek64(page + layout.flags) >> layout.head_bit) & 1;
}

/*
 * compound_head(). With hugetlb vmemmap optimisation the tail struct pages are mapped onto the
 * head's, so one that starts a page of struct pages looks like a head: its neighbour tells
 * (page_fixed_fake_head()).
 */
__noinline __u64 folio_of(__u64 page)
{
	__u64 head = peek64(page + layout.compound_head);

	if (head & 1)
		return head - 1;
	if (!(page & (layout.base_page - 1)) && is_head(page)) {
		head = peek64(page + layout.page_size + layout.compound_head);
		if (head & 1)
			return head - 1;
	}
	return page;
}

/* Mappings, each of which holds a reference; on some kernels not all of a large folio. */
static __always_inline __s32 folio_mappings(__u64 folio, int large)
{
	__u32 at = large ? layout.large_mapcount : layout.mapcount;
	__s32 n = at ? (__s32)peek32(folio + at) + 1 : 0;

	return n > 0 ? n : 0; /* a page of another kind has its type there */
}

/*
 * Plain references of an anonymous or shared folio that nothing of the kernel's own explains:
 * neither mappings, page cache, swap cache, pins, nor somebody who took it off its LRU list or
 * has not put it there yet. They stand for pins when get_user_pages() is tracked.
 */
static __noinline __s32 folio_extra(__u64 folio)
{
	__u64 flags = peek64(folio + layout.flags), mapping = peek64(folio + layout.mapping);
	__s32 extra = peek32(folio + layout.refcount), pages = 1;
	int large = (flags >> layout.head_bit) & 1;
	__u8 order = 0;

	if (!((flags >> layout.swapbacked_bit) & 1) || (large && !layout.large_known))
		return 0;
	if (large) {
		bpf_probe_read_kernel(&order, 1, (void *)(folio + layout.order));
		pages <<= order & 31;
		extra -= (__s32)peek32(folio + layout.pincount);
	}
	extra -= folio_mappings(folio, large);
	if (mapping && !(mapping & 1))
		extra -= pages;
	if ((flags >> layout.swapcache_bit) & 1)
		extra -= pages;
	if (!((flags >> layout.lru_bit) & 1))
		extra--;
	if (!large && extra >= PIN)
		extra &= PIN - 1;
	return extra > 0 ? extra : 0;
}

/* The most pins the folio can have by its own count. After wrong releases that is below zero. */
static __always_inline __u32 folio_pins(__u64 folio)
{
	__s32 n = plain		   ? folio_extra(folio)
		  : is_head(folio) ? (__s32)peek32(folio + layout.pincount)
				   : (__s32)peek32(folio + layout.refcount) >> PIN_SHIFT;

	return n > 0 ? n : 0;
}

/* What a folio's own numbers say. */
struct reading {
	__s32 pins; /* of a large folio */
	__s32 refs; /* references that no mapping holds */
	__u8 large;
	__u8 order;
};

static __always_inline __s32 lesser(__s32 a, __s32 b)
{
	return a < b ? a : b;
}

/*
 * The numbers change while they are read: mappings and pins come after their references and go
 * before them, so of two readings of them the lesser is used.
 */
static __always_inline void folio_read(__u64 folio, struct reading *r)
{
	__s32 mappings, pins = 0, refs;

	r->large = is_head(folio);
	r->order = 0;
	if (plain) { /* as if each were a pin of a large folio, and nothing lacked */
		if (r->large)
			bpf_probe_read_kernel(&r->order, 1, (void *)(folio + layout.order));
		r->large = 1;
		r->pins = r->refs = folio_extra(folio);
		return;
	}
	if (r->large) {
		bpf_probe_read_kernel(&r->order, 1, (void *)(folio + layout.order));
		pins = peek32(folio + layout.pincount);
	}
	mappings = folio_mappings(folio, r->large);
	refs = peek32(folio + layout.refcount);
	mappings = lesser(mappings, folio_mappings(folio, r->large));
	if (r->large)
		pins = lesser(pins, peek32(folio + layout.pincount));
	r->pins = pins > 0 ? pins : 0;
	r->refs = refs - mappings;
}

/* PAGE_MAPPING_ANON is the lowest bit of the mapping in every version. */
static __always_inline __u8 folio_memory(__u64 folio)
{
	__u64 mapping = peek64(folio + layout.mapping);

	return !mapping ? PL_MEM_UNKNOWN : mapping & 1 ? PL_MEM_ANON : PL_MEM_FILE;
}

/* ---- what is recorded --------------------------------------------------------------- */

/*
 * The rule that keeps this honest: a page that has a record is marked, and no pin of a marked page
 * is left out. So what is recorded of a page is all of it, and which pages get a record may be
 * decided by what it costs.
 */
static __always_inline struct pl_sieve *sieve_all(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sieves, &zero);
}

/* NULL: there is none for this page. */
static __always_inline struct pl_sieve *sieve_of(__u64 page)
{
	struct pl_sieve *all = sieve_all();
	__u64 at = (page - page_base) >> PL_SIEVE_SHIFT;

	return all && at < nr_groups ? all + at : 0;
}

static __always_inline __u64 sieve_bit(__u64 page)
{
	return 1ULL << ((page >> PL_PAGE_SHIFT) & 63);
}

struct marking {
	__u64 folio;
	__s64 add;
};

static long mark_step(__u32 i, struct marking *m)
{
	struct pl_sieve *s = sieve_of(m->folio + ((__u64)i << PL_SIEVE_SHIFT));

	if (s)
		__sync_fetch_and_add(&s->mesh, m->add);
	return 0;
}

/* order: of the folio, as it is to be remembered for unmark(). */
static __noinline int mark_change(__u64 folio, __u32 order, __u32 on)
{
	struct marking m = {.folio = folio, .add = on ? PL_SIEVE_LARGE : -PL_SIEVE_LARGE};
	struct pl_sieve *s;

	if (order) {
		bpf_loop(order > 6 ? 1 << ((order - 6) & 31) : 1, mark_step, &m, 0);
		return 0;
	}
	s = sieve_of(folio);
	if (s && on)
		__sync_fetch_and_or(&s->small, sieve_bit(folio));
	else if (s)
		__sync_fetch_and_and(&s->small, ~sieve_bit(folio));
	return 0;
}

/* Under the record's lock. It is in force when it returns: what is pinned later is seen. */
static __always_inline void page_mark(struct pl_page *p, __u8 order)
{
	if (!thins || p->marked == order + 1)
		return;
	if (p->marked)
		mark_change(p->folio, p->marked - 1, 0);
	mark_change(p->folio, order, 1);
	p->marked = order + 1;
}

static __always_inline void page_unmark(struct pl_page *p)
{
	if (thins && p->marked)
		mark_change(p->folio, p->marked - 1, 0);
	p->marked = 0;
}

/* May its record begin, at this thinness? */
static __always_inline int is_chosen(__u64 folio, __u32 thin)
{
	struct pl_sieve *s;

	if (!thins || !thin)
		return 1;
	s = sieve_of(folio);
	return !s || (s->mesh >> thin) & 1;
}

/*
 * How much of this call's pins is left out. Nothing before the ration is eaten, and nothing of a
 * flow's first pins; then what is recorded of as many again halves each time they double.
 */
static __always_inline __u32 thin_of(__u32 slot, __u32 n)
{
	__u64 key, *flow;
	__u32 had;

	if (!thins || deep || eaten + n <= ration)
		return 0;
	n += STACK_PINS;
	key = (__u64)bpf_get_current_task() ^ look << 48 ^ (__u64)n << 8 ^ slot;
	flow = &flows[(key * 0x9E3779B97F4A7C15ULL) >> (64 - FLOW_BITS)];
	had = n + (*flow >> 32 == (__u32)look ? (__u32)*flow : 0);
	*flow = look << 32 | had;
	if (had > FLOW_PINS << (PL_THINNEST / 2))
		return PL_THINNEST;
	for (__u32 thin = 0; thin < PL_THINNEST; thin += 2)
		if (had <= FLOW_PINS << thin / 2)
			return thin;
	return PL_THINNEST;
}

/* ---- who is it ---------------------------------------------------------------------- */

static __always_inline void site_names(struct pl_site *site)
{
	for (__u32 i = 0; i < PL_FRAMES; i++) {
		__u64 ip = site->ip[i];

		if (i >= site->nr)
			break;
		/* Resolved by the kernel at once: the names outlive an unloading of the module. */
		bpf_snprintf(site->sym[i], PL_SYM, "%pB", &ip, sizeof(ip));
	}
}

static __noinline __u64 site_store(struct scratch *s, __u64 key)
{
	int err;

	if (!s)
		return 0;
	s->site.first_ns = bpf_ktime_get_ns();
	site_names(&s->site);
	err = map_put(&sites, &key, &s->site, BPF_NOEXIST);
	if (err && err != -EEXIST)
		count(PL_LOST_SITES, 1);
	return key;
}

/* frames: PL_FRAMES, or PL_NEAR where only the function that called matters. */
static __always_inline __u64 site_walk(void *ctx, struct scratch *s, __u32 frames)
{
	__u64 h = 0x70696e6c65616bULL;
	long len = bpf_get_stack(ctx, s->site.ip, frames * sizeof(s->site.ip[0]), 0);

	if (len <= 0) {
		count(PL_LOST_STACK, 1);
		return 0;
	}
	s->site.nr = (__u32)len / 8;
	s->site.truncated = s->site.nr >= frames;
	if (s->site.truncated && frames == PL_FRAMES)
		count(PL_TRUNC_STACK, 1);
	for (__u32 i = 0; i < frames; i++) {
		if (i >= s->site.nr)
			break;
		h = mix(h, s->site.ip[i]);
	}
	if (bpf_map_lookup_elem(&sites, &h))
		return h;
	return site_store(s, h);
}

static __always_inline __u64 site_get(void *ctx, struct scratch *s)
{
	return site_walk(ctx, s, PL_FRAMES);
}

/* The file descriptor argument of the current system call, as an open file. */
static __always_inline __u64 syscall_file(struct task_struct *task, __u32 *nr_out)
{
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct fdtable *fdt;
	struct file **fds, *file = 0;
	__u64 nr, fd;
	__u8 arg;

	if (BPF_CORE_READ(task, thread_info.status) & TS_COMPAT)
		return 0; /* 32-bit numbers and registers */
	nr = BPF_CORE_READ(regs, orig_ax);
	if (nr >= PL_SYSCALLS)
		return 0;
	*nr_out = nr;
	arg = syscall_file_arg[nr];
	if (!arg)
		return 0;
	fd = (__u32)(arg == 5 ? BPF_CORE_READ(regs, r8) : BPF_CORE_READ(regs, di));
	fdt = BPF_CORE_READ(task, files, fdt);
	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	fds = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), fds + fd);
	return (__u64)file;
#else
	return 0;
#endif
}

static __always_inline __u64 file_id(__u64 file)
{
	__u64 id, *known = bpf_map_lookup_elem(&files, &file);

	if (known)
		return *known;
	id = (bpf_ktime_get_ns() << 8) | (bpf_get_smp_processor_id() & 0xff);
	if (map_put(&files, &file, &id, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&files, &file);
		if (known)
			return *known;
		count(PL_LOST_FILES, 1);
		return 0;
	}
	return id;
}

/* Numbers are given out again; with the start they are one process's for ever. */
static __always_inline int is_followed(__u32 tgid, __u64 start_ns)
{
	__u64 *started = follows ? bpf_map_lookup_elem(&tree, &tgid) : 0;

	return started && *started == start_ns;
}

static __always_inline int is_followed_task(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return is_followed(BPF_CORE_READ(task, tgid),
			   BPF_CORE_READ(task, group_leader, start_boottime));
}

static __always_inline void owner_process(struct pl_owner *o, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	o->tgid = BPF_CORE_READ(task, tgid);
	o->start_ns = BPF_CORE_READ(leader, start_boottime);
	o->tree = is_followed(o->tgid, o->start_ns);
	bpf_probe_read_kernel_str(o->comm, sizeof(o->comm), leader->comm);
}

static __always_inline void owner_node(struct pl_owner *o, struct file *file)
{
	o->mode = BPF_CORE_READ(file, f_inode, i_mode);
	o->rdev = BPF_CORE_READ(file, f_inode, i_rdev);
}

static __always_inline void owner_file(struct pl_owner *o, struct task_struct *task, __u32 *syscall)
{
	struct file *file = (struct file *)syscall_file(task, syscall);

	if (!file)
		return;
	o->file_id = file_id((__u64)file);
	owner_node(o, file);
}

/* A worker pins on behalf of somebody: the mm's owner, where the kernel keeps it. */
static __always_inline void owner_of_mm(struct pl_owner *o, __u64 mm)
{
	struct task_struct *task = 0;

	if (!mm || !bpf_core_field_exists(((struct mm_struct *)0)->owner))
		return;
	task = BPF_CORE_READ((struct mm_struct *)mm, owner);
	if (task)
		owner_process(o, task);
}

static __noinline __u64 owner_store(struct scratch *s)
{
	struct pl_owner *known;
	__u64 key = 0;

	if (!s)
		return 0;
	key = mix(mix(mix(mix(0, s->owner.site), s->owner.file_id), s->owner.tgid),
		  s->owner.start_ns);
	known = bpf_map_lookup_elem(&owners, &key);
	if (known) {
		known->last_ns = s->owner.last_ns;
		return key;
	}
	if (map_put(&owners, &key, &s->owner, BPF_NOEXIST) == -E2BIG)
		count(PL_LOST_OWNERS, 1);
	return key;
}

static __always_inline __u64 owner_of(void *ctx, __u32 slot, __u64 mm, __u32 *syscall)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = scratch_of(slot);
	__u32 flags = BPF_CORE_READ(task, flags);

	if (!s)
		return 0;
	__builtin_memset(&s->owner, 0, sizeof(s->owner));
	s->owner.site = site_get(ctx, s);
	s->owner.first_ns = s->owner.last_ns = bpf_ktime_get_ns();
	if (flags & PF_KTHREAD) {
		s->owner.worker = 1;
		owner_of_mm(&s->owner, mm);
	} else {
		owner_process(&s->owner, task);
		if (!(flags & (PF_IO_WORKER | PF_USER_WORKER)))
			owner_file(&s->owner, task, syscall);
	}
	return owner_store(s);
}

static __always_inline __u64 owner_get(void *ctx, __u32 slot, __u32 *syscall)
{
	__u64 mm = 0;

	if (hooks[slot].mm_arg >= 0)
		bpf_get_func_arg(ctx, hooks[slot].mm_arg, &mm);
	return owner_of(ctx, slot, mm, syscall);
}

/* ---- calls -------------------------------------------------------------------------- */

/* Numbers the call that has taken so many pins; 0 when its end will not be seen. */
static __always_inline __u64 call_of_syscall(__u64 owner, __u32 syscall, __u32 pins)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *known, fresh = {};

	if (syscall >= PL_SYSCALLS || !syscall_exit_seen[syscall])
		return 0;
	known = bpf_map_lookup_elem(&calls, &tid);
	if (known) {
		known->owner = owner;
		known->pins += pins;
		return known->id;
	}
	fresh.id = bpf_ktime_get_ns() << 16;
	fresh.owner = owner;
	fresh.pins = pins;
	fresh.in_syscall = 1;
	if (map_put(&calls, &tid, &fresh, BPF_ANY)) {
		struct pl_owner *o = bpf_map_lookup_elem(&owners, &owner);

		if (o) /* a file that the call creates will not be linked: innocent for ever */
			__sync_fetch_and_add(&o->links, 1);
		count(PL_LOST_CALLS, 1);
		return 0;
	}
	return fresh.id;
}

/*
 * Has the call given up? Not when it will be tried again or goes on without its caller: a device
 * that was waited for in vain may still be at work.
 */
static __always_inline int is_failure(__s64 ret)
{
	return ret < 0 && ret > -ERESTARTSYS && ret != -EINTR && ret != -EAGAIN &&
	       ret != -EINPROGRESS && ret != -ETIME && ret != -ETIMEDOUT;
}

static __always_inline void call_failed(__u64 id, __s64 ret)
{
	struct pl_failure f = {.ns = bpf_ktime_get_ns(), .ret = ret};

	if (map_put(&failures, &id, &f, BPF_ANY))
		count(PL_LOST_CALLS, 1);
}

static __always_inline int call_is_bad(__u64 id)
{
	__u64 whole = id & ~0xffffULL;

	return bpf_map_lookup_elem(&failures, &id) || bpf_map_lookup_elem(&failures, &whole);
}

/* ---- where are we ------------------------------------------------------------------- */

/* The preemption counter: a variable of its own, and from 6.2 to 6.14 a field. */
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

#define IN_INTERRUPT 0x00ff0100 /* NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET */

/* An interrupt has nothing to do with the call that it came into. 0 when that is not known. */
static __always_inline int in_interrupt(void)
{
	int count = 0;

	if (&__preempt_count)
		count = *(const int *)bpf_this_cpu_ptr(&__preempt_count);
	else if (&pcpu_hot)
		count = BPF_CORE_READ((struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot),
				      preempt_count);
	return count & IN_INTERRUPT;
}

/* ---- the limited driver ------------------------------------------------------------- */

static __always_inline struct pl_quota *quota_get(void)
{
	__u32 zero = 0;

	return limits ? bpf_map_lookup_elem(&quotas, &zero) : 0;
}

/* Does the call path that was walked last run through the driver's code? */
static __always_inline int runs_through_limited(const struct scratch *s, const struct pl_quota *q)
{
	for (__u32 i = 0; i < PL_FRAMES; i++) {
		if (i >= s->site.nr)
			break;
		if (s->site.ip[i] >= q->text && s->site.ip[i] < q->text_end)
			return 1;
	}
	return 0;
}

/*
 * Is it a call on one of the driver's devices? A framework may do all of it in the driver's place:
 * videobuf2 pins without a word to the driver.
 */
static __noinline int is_limited_file(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pl_quota *q = quota_get();
	__u32 syscall;
	__u64 file;

	if (!q || BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return 0;
	file = syscall_file(task, &syscall);
	return file ? is_drivers(q, (struct file *)file) : 0;
}

/* Are the pins, by the call path that owner_of() has just walked, or by the file, the driver's? */
static __always_inline int is_limited_call(__u32 slot)
{
	struct pl_quota *q = quota_get();
	struct scratch *s = scratch_of(slot);

	if (!q || !s)
		return 0;
	return (s->owner.site && runs_through_limited(s, q)) || is_limited_file();
}

/* The call on the driver's devices that this thread is in; 0 when it is in none. */
static __always_inline struct pl_visit *visit_now(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct pl_visit *v = limits ? bpf_map_lookup_elem(&visits, &tid) : 0;

	return v && v->syscall == visit_syscall() ? v : 0;
}

static __always_inline struct pl_habit *habit_of(const struct pl_visit *v)
{
	struct pl_habit fresh = {}, *known;
	struct pl_kind kind = v->kind;

	known = bpf_map_lookup_elem(&habits, &kind);
	if (known)
		return known;
	map_put(&habits, &kind, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&habits, &kind); /* none: full, and such calls are let through */
}

/* This call takes pins. If it has released some before, it was not in order to release. */
static __noinline int visit_pins(void)
{
	struct pl_visit *v = visit_now();
	struct pl_habit *habit;

	if (!v || v->pinned)
		return 0;
	habit = habit_of(v);
	if (!habit)
		return 0;
	__sync_fetch_and_add(&habit->pinned, 1);
	if (v->released)
		__sync_fetch_and_add(&habit->released, -1);
	v->pinned = 1;
	v->released = 0;
	return 0;
}

/*
 * Does the thread end, or is it the kernel's own? What it had in its registers is the call that it
 * was in before: what is released now, by closing its files, that call did not release.
 */
static __always_inline int is_beyond_calls(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return !!(BPF_CORE_READ(task, flags) &
		  (PF_EXITING | PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD));
}

/* It releases pins, of whichever call; those that it took itself are no release. */
static __noinline int visit_releases(void)
{
	struct pl_visit *v = visit_now();
	struct pl_habit *habit;

	if (!v || v->pinned || v->released || in_interrupt() || is_beyond_calls())
		return 0;
	habit = habit_of(v);
	if (!habit)
		return 0;
	__sync_fetch_and_add(&habit->released, 1);
	v->released = 1;
	return 0;
}

/* With these pins the driver has more than its limit. */
static __noinline int quota_crossed(__u64 owner, __s64 pins)
{
	struct pl_owner *o = bpf_map_lookup_elem(&owners, &owner);
	struct pl_crossing fresh = {.count = 1}, *known_crossing;
	__u64 key;

	if (o) { /* else there was no room for the owner: it is told without one */
		fresh.start_ns = o->start_ns;
		fresh.tgid = o->tgid;
		fresh.rdev = o->rdev;
		fresh.worker = o->worker;
		__builtin_memcpy(fresh.comm, o->comm, sizeof(fresh.comm));
	}
	key = mix(mix(mix(0, fresh.tgid), fresh.start_ns), PL_CALL_PIN);
	known_crossing = bpf_map_lookup_elem(&crossings, &key);
	if (known_crossing) {
		known_crossing->last_ns = bpf_ktime_get_ns();
		known_crossing->pins = pins;
		__sync_fetch_and_add(&known_crossing->count, 1);
		return 0;
	}
	fresh.first_ns = fresh.last_ns = bpf_ktime_get_ns();
	fresh.pins = pins;
	map_put(&crossings, &key, &fresh, BPF_ANY);
	return 0;
}

/* The driver's pins of a folio that has no record: nobody would see them go. */
static __always_inline void quota_lost(__u32 refs)
{
	struct pl_quota *q = quota_get();

	if (q)
		__sync_fetch_and_add(&q->uncounted, refs);
}

/* Under the lock of the folio's record; the pins are in the folio's count. */
static __noinline int quota_add(__u64 folio, __u32 refs, __u64 owner)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pl_quota *q = quota_get();
	__u32 *share = bpf_map_lookup_elem(&shares, &folio);
	__s64 before;

	if (!q)
		return 0;
	if (share) {
		*share += refs;
	} else if (map_put(&shares, &folio, &refs, BPF_ANY)) {
		quota_lost(refs);
		return 0;
	}
	__sync_fetch_and_add(&q->taken, refs);
	if (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		__sync_fetch_and_add(&q->by_worker, refs);
	before = __sync_fetch_and_add(&q->pins, refs);
	if (before <= q->limit && before + refs > q->limit)
		quota_crossed(owner, before + refs);
	return 0;
}

/* So many pins less on a folio, as far as they are the driver's. Under the record's lock. */
static __noinline int quota_take(__u64 folio, __u32 refs)
{
	struct pl_quota *q = quota_get();
	__u32 *share = bpf_map_lookup_elem(&shares, &folio);
	__u32 n;

	if (!q || !share)
		return 0;
	n = *share < refs ? *share : refs;
	*share -= n;
	__sync_fetch_and_add(&q->pins, -(__s64)n);
	return 0;
}

static __always_inline void quota_take_all(__u64 folio)
{
	if (limits)
		quota_take(folio, ~0U);
}

/* The limited driver's code goes, and its place may be another's at once. */
static __always_inline void quota_unloaded(__u64 module)
{
	struct pl_quota *q = quota_get();

	if (q && q->module == module)
		q->module = q->text_end = 0;
}

/* ---- the ledger --------------------------------------------------------------------- */

/*
 * Two processors may meet in one record; a release may even interrupt an acquire on the same
 * processor, where waiting would never end. So: try for a while, then mark the record as torn,
 * and it will not be used as proof.
 */
static __always_inline int page_lock(struct pl_page *p)
{
	for (int i = 0; i < LOCK_TRIES; i++)
		if (!__sync_val_compare_and_swap(&p->lock, 0, 1))
			return 1;
	p->torn = 1;
	count(PL_CONTENDED, 1);
	return 0;
}

static __always_inline void page_unlock(struct pl_page *p)
{
	__sync_val_compare_and_swap(&p->lock, 1, 0);
}

static __always_inline void slot_add(struct pl_slot *c, __u64 call, __u32 refs)
{
	if (c->call != call) {
		if (c->call && call_is_bad(c->call))
			c->refs_bad += c->refs_call;
		c->call = call;
		c->refs_call = 0;
	}
	c->refs_call += refs;
	c->refs += refs;
}

static __always_inline void claim_add(struct pl_page *p, __u64 owner, __u64 call, __u32 refs)
{
	for (int i = 0; i < PL_SLOTS; i++) {
		struct pl_slot *c = &p->slot[i];

		if (i < p->nr_slots) {
			if (c->owner != owner)
				continue;
			slot_add(c, call, refs);
			return;
		}
		__builtin_memset(c, 0, sizeof(*c));
		c->owner = owner;
		slot_add(c, call, refs);
		p->nr_slots = i + 1;
		return;
	}
	p->extra += refs;
	count(PL_SLOTS_FULL, refs);
}

/* Nothing that was claimed before is still pinned. */
static __always_inline void page_reset(struct pl_page *p)
{
	p->base = 0;
	p->extra = 0;
	p->nr_slots = 0;
	p->nr_rels = 0;
	p->torn = 0;
	p->whole = 0;
	p->untraced = 0;
	p->held = 0;
	p->over = 0;
	quota_take_all(p->folio);
}

/*
 * References that the pins of a record need and the folio does not have, 0 when none. Whoever
 * unpins takes the pin's 1024 at once (of a large folio: its pin and its reference); put_page()
 * takes one.
 *
 * A small folio of a whole record: its pins are known. A release that no hook saw would leave it
 * about 1024 short, so only little counts. Of other records one can only say that what is left of
 * 1024 looks like it.
 */
static __always_inline __u32 page_lacks(const struct pl_page *p, const struct reading *r)
{
	__u32 most = 0;
	__s32 gap;

	if (r->large)
		return r->pins > r->refs ? r->pins - r->refs : 0;
	if (p->whole) {
		gap = (__s32)(p->held << PIN_SHIFT) - r->refs;
		most = p->held > SHORT ? p->held : SHORT;
		return p->held && gap > 0 && (__u32)gap <= most ? gap : 0;
	}
	for (__u32 i = 0; i < PL_SLOTS; i++)
		if (i < p->nr_slots)
			most += p->slot[i].refs;
	gap = PIN - (r->refs & (PIN - 1));
	return r->refs > 0 && gap <= lesser(most, SHORT) ? gap : 0;
}

/* Pins of the folio, and of a whole record no more than its claims have: the rest are no pins. */
static __always_inline __u32 page_pins(const struct pl_page *p, const struct reading *r)
{
	__u32 pins = r->large ? r->pins : r->refs > 0 ? r->refs >> PIN_SHIFT : 0;

	if (!p->whole)
		return pins;
	return pins > p->held || (!r->large && page_lacks(p, r)) ? p->held : pins;
}

/*
 * Pins there were before the last `refs` of those that were read. A mistake makes it larger: the
 * base is nobody's.
 */
static __always_inline __u32 pins_before(const struct reading *r, __u32 refs)
{
	__s32 left = r->large ? r->pins - (__s32)refs : r->refs - (__s32)(refs << PIN_SHIFT);

	if (left <= 0)
		return 0;
	return r->large ? left : (left + SKEW) >> PIN_SHIFT;
}

/*
 * Only what the folio says after it was marked will do: what is pinned later is seen, what was
 * before is in the base.
 */
static __always_inline void page_begin(struct pl_page *p, struct reading *r, __u32 refs, __u64 now,
				       __u32 thin)
{
	page_reset(p);
	if (thins && p->marked != r->order + 1) {
		page_mark(p, r->order);
		folio_read(p->folio, r);
	}
	p->first_ns = now;
	p->base = pins_before(r, refs);
	p->whole = deep && !p->base;
	p->thin = thin;
	p->memory = folio_memory(p->folio);
}

/* Has everything gone that was claimed before the last `refs` pins were taken? */
static __always_inline int is_over(const struct pl_page *p, struct reading r, __u32 refs)
{
	if (!p->nr_slots)
		return 1;
	if (p->whole && p->held) {
		r.refs -= (__s32)(refs << PIN_SHIFT);
		if (!r.large && page_lacks(p, &r))
			return 0;
		r.refs += (__s32)(refs << PIN_SHIFT);
	}
	return pins_before(&r, refs) <= p->base;
}

static __always_inline struct pl_page *page_create(__u64 folio, __u32 slot, __u64 now)
{
	struct scratch *s = scratch_of(slot);
	int err;

	if (!s)
		return 0;
	__builtin_memset(&s->page, 0, sizeof(s->page));
	s->page.folio = folio;
	s->page.first_ns = now;
	s->page.lock = 1; /* ours until the claim is in */
	err = map_put(&pages, &folio, &s->page, BPF_NOEXIST);
	if (err && err != -EEXIST) {
		count(err == -E2BIG ? PL_LOST_PAGES : PL_LOST_BUSY, 1);
		return 0;
	}
	if (err) /* another processor was first: its record will do */
		return 0;
	__sync_fetch_and_add(&records.n, 1);
	return bpf_map_lookup_elem(&pages, &folio);
}

/* Forgets a record that is locked. If it has to stay it claims nothing: others passed it by. */
static __always_inline void page_drop(void *map, __u64 folio, struct pl_page *p)
{
	__u32 marked = p->marked;

	quota_take_all(folio);
	if (limits)
		bpf_map_delete_elem(&shares, &folio);
	page_reset(p);
	p->dead = 1;
	page_unmark(p);
	if (bpf_map_delete_elem(map, &folio)) { /* the map is busy: it stays */
		if (marked)
			page_mark(p, marked - 1);
		p->dead = 0;
		page_unlock(p);
		return;
	}
	/* Its memory may be another folio's now, with a lock of its own: this one is not let go. */
	__sync_fetch_and_sub(&records.n, 1);
}

/*
 * Is it over? What was read before the lock may lack pins that were booked since; they would be
 * forgotten.
 */
static __always_inline int is_over_now(const struct pl_page *p, struct reading *r, __u32 refs)
{
	if (!is_over(p, *r, refs))
		return 0;
	folio_read(p->folio, r);
	return is_over(p, *r, refs);
}

/*
 * The folio's record, locked; made when there is none. The sweep may delete a record we have
 * found, and the map give its memory to another folio at once: then it is not ours any more.
 */
static __always_inline struct pl_page *page_get(__u64 folio, __u32 slot, struct reading *r,
						__u32 refs, __u64 now, __u32 thin)
{
	struct pl_page *p = bpf_map_lookup_elem(&pages, &folio);

	if (p && page_lock(p)) {
		if (!p->dead && p->folio == folio) {
			if (is_over_now(p, r, refs))
				page_begin(p, r, refs, now, thin);
			return p;
		}
		page_unlock(p);
	} else if (p) {
		return 0;
	}
	p = page_create(folio, slot, now);
	if (p) { /* what was read before may lack a pin that was not booked: it is in the base now
		  */
		folio_read(folio, r);
		page_begin(p, r, refs, now, thin);
		return p;
	}
	p = bpf_map_lookup_elem(&pages, &folio);
	if (!p || !page_lock(p))
		return 0;
	if (!p->dead && p->folio == folio)
		return p;
	page_unlock(p);
	count(PL_LOST_BUSY, 1);
	return 0;
}

/* The folio's bit in `known`, and the word it is in. */
static __always_inline __u64 *known_word(__u64 folio, __u64 *bit)
{
	__u64 h = (folio * 0x9E3779B97F4A7C15ULL) >> (64 - KNOWN_BITS);
	__u32 at = h >> 6;

	*bit = 1ULL << (h & 63);
	return bpf_map_lookup_elem(&known, &at);
}

static __always_inline void folio_remember(__u64 folio)
{
	__u64 bit, *word = known_word(folio, &bit);

	if (word && !(*word & bit))
		__sync_fetch_and_or(word, bit);
}

static __always_inline int folio_is_known(__u64 folio)
{
	__u64 bit, *word = known_word(folio, &bit);

	return !word || *word & bit;
}

/* Books refs pins of a chosen folio. The pins are already in the folio's count. */
__noinline int page_acquired(__u64 folio, __u32 refs, __u64 owner, __u64 call, __u32 slot)
{
	__u64 now = bpf_ktime_get_ns();
	struct reading r = {};
	struct scratch *s;
	struct pl_page *p;
	__u32 thin;

	if (!armed)
		return 0; /* pins from before are the base of those who come later */
	if (!folio_pins(folio))
		return 0; /* a page that is never pinned, or already released again */
	folio_read(folio, &r);
	folio_remember(folio);
	s = limits || thins ? scratch_of(slot) : 0;
	thin = s ? s->thin : 0;
	if (thins && !deep)
		__sync_fetch_and_add(&eaten, 1);
	p = page_get(folio, slot, &r, refs, now, thin);
	if (!p) {
		if (limits && s && s->limited)
			quota_lost(refs);
		return 0;
	}
	p->last_ns = now;
	p->order = r.order;
	p->held += refs;
	if (thin < p->thin)
		p->thin = thin;
	claim_add(p, owner, call, refs);
	if (limits && s && s->limited)
		quota_add(folio, refs, owner);
	page_unlock(p);
	return 0;
}

/* ---- releases ----------------------------------------------------------------------- */

static __always_inline void release_add(struct pl_page *p, __u64 site, __u32 refs, int sole)
{
	for (int i = 0; i < PL_RELS; i++) {
		struct pl_release *r = &p->rel[i];

		if (i < p->nr_rels && r->site != site)
			continue;
		if (i >= p->nr_rels) {
			r->site = site;
			r->refs = r->sole = 0;
			p->nr_rels = i + 1;
		}
		if (sole)
			r->sole += refs;
		else
			r->refs += refs;
		return;
	}
	p->untraced = 1;
	if (!sole)
		count(PL_REL_UNTRACED, refs);
}

/*
 * Is this a system call on a file that was made since the deep level began? What came through a
 * file that is older, inherited or sent, may have been pinned before.
 */
static __always_inline int is_new_file(struct task_struct *task)
{
	__u32 syscall;
	__u64 file = syscall_file(task, &syscall);

	return file && bpf_map_lookup_elem(&births, &file);
}

/* Did the process begin after the deep level did? */
static __always_inline int is_new_here(struct task_struct *task)
{
	if (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return 0;
	return BPF_CORE_READ(task, group_leader, start_boottime) > deep_since;
}

static __always_inline void wrong_history(struct pl_wrong *w, const struct pl_page *p)
{
	for (__u32 i = 0; i < PL_SLOTS; i++) {
		__u64 key = p->slot[i].owner;
		struct pl_owner *o;

		if (i >= p->nr_slots)
			break;
		o = bpf_map_lookup_elem(&owners, &key);
		w->claim[i].site = o ? o->site : 0;
		w->claim[i].refs = p->slot[i].refs;
		w->nr_claims = i + 1;
	}
	for (__u32 i = 0; i < PL_RELS; i++) {
		if (i >= p->nr_rels)
			break;
		w->rel[i] = p->rel[i];
		w->nr_rels = i + 1;
	}
}

static __always_inline __u64 wrong_key(const struct pl_wrong *w)
{
	__u64 h = mix(mix(mix(0, w->kind), w->site), (__u64)w->each << 1 | w->owner.tree);

	for (__u32 i = 0; i < PL_SLOTS; i++)
		h = mix(mix(h, w->claim[i].site), w->claim[i].refs);
	for (__u32 i = 0; i < PL_RELS; i++)
		h = mix(mix(h, w->rel[i].site), w->rel[i].refs + w->rel[i].sole);
	return h;
}

static __always_inline int wrong_more(__u64 key, const struct pl_wrong *w)
{
	struct pl_wrong *known_wrong = bpf_map_lookup_elem(&wrongs, &key);

	if (!known_wrong)
		return 0;
	__sync_fetch_and_add(&known_wrong->refs, w->each);
	known_wrong->last_ns = w->last_ns;
	known_wrong->folio = w->folio;
	return 1;
}

/* A release by the path s->wrong.site of `each` pins that the folio did not have. */
static __noinline int wrong_store(struct scratch *s, const struct pl_page *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 syscall;
	__u64 key;

	if (!s)
		return 0;
	if (p && p->nr_slots) {
		if (p->whole && !p->torn && !p->extra && !p->untraced && p->over <= OVER_MAX) {
			s->wrong.kind = PL_WRONG_CLAIMED;
			wrong_history(&s->wrong, p);
		}
	} else if (!folio_is_known(s->wrong.folio) && is_new_here(task) && is_new_file(task)) {
		s->wrong.kind = PL_WRONG_NEVER;
	}
	s->wrong.first_ns = s->wrong.last_ns = bpf_ktime_get_ns();
	owner_process(&s->wrong.owner, task);
	key = wrong_key(&s->wrong);
	if (wrong_more(key, &s->wrong))
		return 0;
	s->wrong.refs = s->wrong.each;
	s->wrong.owner.site = s->wrong.site;
	s->wrong.owner.worker = !!(BPF_CORE_READ(task, flags) & PF_KTHREAD);
	owner_file(&s->wrong.owner, task, &syscall);
	if (map_put(&wrongs, &key, &s->wrong, BPF_NOEXIST) && !wrong_more(key, &s->wrong))
		count(PL_LOST_WRONGS, s->wrong.each);
	return 0;
}

static __always_inline void wrong_begin(struct scratch *s, __u64 site, __u64 folio, __u32 each)
{
	__builtin_memset(&s->wrong, 0, sizeof(s->wrong));
	s->wrong.kind = PL_WRONG_UNCLEAR;
	s->wrong.site = site;
	s->wrong.folio = folio;
	s->wrong.each = each;
}

/* Released beyond the folio's count, and what went before is not known. */
static __always_inline void release_wrong(void *ctx, __u64 folio, __u32 over, __u32 slot)
{
	struct scratch *s = scratch_of(slot);

	bpf_map_delete_elem(&freed, &folio); /* its pins were not lost after all */
	if (!s)
		return;
	wrong_begin(s, site_get(ctx, s), folio, over);
	wrong_store(s, 0);
}

/* Released, and not claimed by anybody we know. */
static __always_inline void release_unknown(__u64 folio, __u32 refs)
{
	count(PL_REL_UNKNOWN, refs);
	folio_remember(folio);
}

/*
 * A record all of whose pins and releases are known keeps them after the last pin has gone while
 * there is room, so that a release too many can be told from one that is another's fault.
 */
static __always_inline void release_whole(void *ctx, struct pl_page *p, __u32 refs, __u32 over,
					  __u32 slot)
{
	struct scratch *s = scratch_of(slot);
	int sole = p->nr_slots == 1 && !p->extra;
	__u64 site = 0;

	if (follows && !is_followed_task())
		p->untraced = 1; /* whose pin an outsider takes away, nobody else is to blame for */
	if (s && sole && !over)
		site = site_walk(ctx, s, PL_NEAR);
	else if (s)
		site = site_get(ctx, s);
	release_add(p, site, refs, sole);
	p->last_ns = bpf_ktime_get_ns();
	if (sole)
		p->slot[0].released += refs;
	p->held = p->held > refs ? p->held - refs : 0;
	if (!over || !s)
		return;
	p->over += over;
	wrong_begin(s, site, p->folio, over);
	wrong_store(s, p);
}

static __always_inline void release_part(void *ctx, struct pl_page *p, __u32 refs, __u32 pins,
					 __u32 slot)
{
	struct scratch *s;

	if (pins <= refs) {
		page_reset(p);
	} else if (p->nr_slots == 1 && !p->base && !p->extra) {
		p->slot[0].released += refs;
	} else {
		/* Several could be meant: the path that releases says which driver it is. */
		s = scratch_of(slot);
		release_add(p, s ? site_get(ctx, s) : 0, refs, 0);
	}
}

/*
 * Whose pins go? Where others hold some as well, the limited driver's only if it releases them
 * itself, or the others have no more. A driver whose pins the kernel releases for it, in an
 * interrupt say, is so held to have them until the others' have gone. Of a record that is not
 * whole the others' are not known, and the driver's go first.
 */
static __always_inline void quota_released(void *ctx, const struct pl_page *p, __u64 folio,
					   __u32 refs, __u32 slot)
{
	__u32 *share = bpf_map_lookup_elem(&shares, &folio), others;
	struct scratch *s = scratch_of(slot);
	struct pl_quota *q = quota_get();

	if (!share || !*share || !s || !q)
		return;
	others = p->whole && p->held > *share ? p->held - *share : 0;
	if (others && !(site_get(ctx, s) && runs_through_limited(s, q)) && !is_limited_file())
		refs = refs > others ? refs - others : 0;
	quota_take(folio, refs);
	if (refs)
		visit_releases();
}

/* Called before the pins leave the folio's count: they must be among those it has. */
static __always_inline void page_released(void *ctx, __u64 folio, __u32 refs, __u32 slot)
{
	struct pl_page *p = bpf_map_lookup_elem(&pages, &folio);
	__u32 pins = folio_pins(folio);
	__u32 over = refs > pins ? refs - pins : 0;

	if (!p || !p->nr_slots || p->folio != folio) {
		if (over)
			release_wrong(ctx, folio, over, slot);
		else
			release_unknown(folio, refs);
		return;
	}
	if (!page_lock(p))
		return;
	if (limits && p->folio == folio)
		quota_released(ctx, p, folio, refs, slot);
	if (p->folio == folio && p->whole)
		release_whole(ctx, p, refs, over, slot);
	else if (p->folio == folio)
		release_part(ctx, p, refs, pins, slot);
	if (!over && p->folio == folio && p->whole && !p->held && !p->over && records.n > spare) {
		page_drop(&pages, folio, p);
		return; /* it is not ours to look into any more */
	}
	page_unlock(p);
	if (over && !p->nr_slots)
		release_wrong(ctx, folio, over, slot);
}

/* ---- hooks that take pins ----------------------------------------------------------- */

/* pinleak's own pins, fired for calibration, are counted and not recorded. */
static __always_inline int is_own(void)
{
	return (__u32)(bpf_get_current_pid_tgid() >> 32) == own_tgid;
}

static __always_inline int is_pin(void *ctx, __u32 slot)
{
	__u64 flags = 0;

	if (hooks[slot].flags_arg < 0)
		return 1;
	bpf_get_func_arg(ctx, hooks[slot].flags_arg, &flags);
	if (is_own() && slot >= PL_RELEASE)
		foll_learned = (__u32)flags;
	return (__u32)flags & foll_pin ? 1 : 0;
}

static __always_inline __u32 refs_of(void *ctx, __u32 slot)
{
	__u64 refs = 1;

	if (hooks[slot].refs_arg >= 0)
		bpf_get_func_arg(ctx, hooks[slot].refs_arg, &refs);
	return refs;
}

static __always_inline int succeeded(void *ctx, __u32 slot)
{
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	switch (hooks[slot].success) {
	case PL_RET_ZERO:
		return (__s32)ret == 0;
	case PL_RET_TRUE:
		return (__u8)ret != 0;
	case PL_RET_POINTER:
		return ret != 0;
	default:
		return 1;
	}
}

static __noinline int walk_flush(struct walk *w)
{
	if (!w || !w->run)
		return 0;
	if (w->folio == zero_page)
		w->unpinned += w->run;
	else
		page_acquired(w->folio, w->run, w->owner, w->call, w->slot);
	w->run = 0;
	return 0;
}

static long walk_step(__u32 i, struct walk **at)
{
	struct walk *w = *at;
	__u64 folio = peek64(w->array + 8ULL * i);

	if (!folio)
		return 0;
	if (w->are_pages)
		folio = folio_of(folio);
	if (w->seek) {
		w->found = folio != zero_page;
		return w->found ? 1 : 0;
	}
	if (folio != w->folio) {
		walk_flush(w);
		w->folio = folio;
	}
	w->run++;
	return 0;
}

static __always_inline __u64 object_of(void *ctx, __u32 slot)
{
	__u64 object = 0;

	bpf_get_func_arg(ctx, hooks[slot].object_arg, &object);
	return object;
}

static __always_inline struct walk *walk_of(void *ctx, __u32 slot)
{
	struct scratch *s = scratch_of(slot);

	if (!s)
		return 0;
	__builtin_memset(&s->walk, 0, offsetof(struct walk, handful));
	s->walk.array = object_of(ctx, slot);
	s->walk.slot = slot;
	s->walk.are_pages = hooks[slot].object == PL_OBJ_PAGES;
	return &s->walk;
}

static __always_inline void walk_run(struct walk *w, __u32 n)
{
	bpf_loop(n, walk_step, &w, 0);
	walk_flush(w);
}

/*
 * Nothing that a record of this folio claims is pinned any more, and it is not chosen: what is
 * taken now needs no record either.
 */
static __noinline int page_shed(__u64 folio)
{
	struct pl_page *p = bpf_map_lookup_elem(&pages, &folio);
	struct reading r = {};

	if (!p)
		return 1;
	folio_read(folio, &r);
	if (!is_over(p, r, 1) || !page_lock(p))
		return 0;
	if (p->folio == folio && !p->dead && is_over_now(p, &r, 1)) {
		page_drop(&pages, folio, p);
		return 1;
	}
	page_unlock(p);
	return 0;
}

static __always_inline int is_wanted(__u64 folio, __u32 thin)
{
	return is_chosen(folio, thin) || !page_shed(folio);
}

static __always_inline __u64 mesh_of(__u32 thin)
{
	return 1ULL << thin | -PL_SIEVE_LARGE;
}

/* Has it to be looked at more closely? */
static __always_inline int is_held(__u64 page, __u32 thin)
{
	struct pl_sieve *s = sieve_of(page);

	return !s || s->mesh & mesh_of(thin) || s->small & sieve_bit(page);
}

/* Takes those of the handful that the sieve holds. */
static long sift_take(__u32 i, struct walk **at)
{
	struct walk *w = *at;
	__u64 object, folio;

	if (i >= HANDFUL)
		return 1;
	object = w->handful[i];
	if (!object || !is_held(object, w->thin))
		return 0;
	folio = w->are_pages ? folio_of(object) : object;
	if (folio == zero_page) {
		w->unpinned += w->seek;
	} else if (is_wanted(folio, w->thin)) {
		w->found = 1;
		if (w->seek)
			return 0;
		if (folio != w->folio) {
			walk_flush(w);
			w->folio = folio;
		}
		w->run++;
	}
	return 0;
}

/* Does the sieve hold anything of a group of pages that one of these is of? */
static __always_inline int sift_look(const struct walk *w, __u32 n)
{
	__u64 base = page_base, mesh = mesh_of(w->thin), holds = 0;
	const struct pl_sieve *all = sieve_all();

	if (!all)
		return 1;
	for (__u32 i = 0; i < HANDFUL; i++) {
		__u64 at;

		if (i >= n)
			break;
		at = (w->handful[i] - base) >> PL_SIEVE_SHIFT;
		if (at >= nr_groups)
			return 1;
		holds |= all[at].small | (all[at].mesh & mesh);
	}
	return !!holds;
}

/*
 * Is the page the first of a huge one that is mapped as a whole wherever it is? Then the pages
 * after it in the array are those after it in the huge page: nobody need look at each.
 */
static __always_inline int is_huge(__u64 page)
{
	__u8 order = 0;

	if ((page - page_base) & ((1 << PL_BLOCK_SHIFT) - 1) || !is_head(page))
		return 0;
	bpf_probe_read_kernel(&order, 1, (void *)(page + layout.order));
	return order == PL_BLOCK_SHIFT - PL_PAGE_SHIFT &&
	       peek32(page + layout.large_mapcount) == peek32(page + layout.entire_mapcount);
}

static __always_inline void sift_huge(struct walk *w, __u64 folio)
{
	struct pl_sieve *s = sieve_of(folio);

	if (s && !(s->mesh & mesh_of(w->thin)))
		return;
	if (!is_wanted(folio, w->thin))
		return;
	w->found = 1;
	if (w->seek)
		return;
	walk_flush(w);
	w->folio = folio;
	w->run = BLOCK;
}

static long sift_step(__u32 i, struct walk **at)
{
	struct walk *w = *at;
	__u64 from = w->array + 8ULL * w->at, page;

	if (w->at + HANDFUL > w->n)
		return 1;
	if (layout.entire_mapcount && w->are_pages && w->at + BLOCK <= w->n) {
		page = peek64(from);
		if (is_huge(page)) {
			sift_huge(w, page);
			w->at += BLOCK;
			return 0;
		}
	}
	bpf_probe_read_kernel(w->handful, sizeof(w->handful), (void *)from);
	if (sift_look(w, HANDFUL))
		bpf_loop(HANDFUL, sift_take, &w, 0);
	w->at += HANDFUL;
	return 0;
}

/* The pages of a call that are not left out. Global: the verifier goes through it once. */
__noinline int sift(struct walk *w)
{
	__u32 rest;

	if (!w)
		return 0;
	w->at = 0;
	if (w->n >= HANDFUL)
		bpf_loop(w->n / HANDFUL, sift_step, &w, 0);
	rest = w->n - w->at;
	if (!rest || rest >= HANDFUL)
		return 0;
	bpf_probe_read_kernel(w->handful, rest * sizeof(w->handful[0]),
			      (void *)(w->array + 8ULL * w->at));
	if (sift_look(w, rest))
		bpf_loop(rest, sift_take, &w, 0);
	return 0;
}

static __always_inline void api_owner(void *ctx, __u32 slot, struct walk *w, __u32 n)
{
	__u32 syscall = PL_SYSCALLS;

	w->owner = owner_get(ctx, slot, &syscall);
	w->call = call_of_syscall(w->owner, syscall, n);
	if (thins)
		__sync_fetch_and_add(&eaten, STACK_PINS);
}

/* A call that filled an array, most of whose pages are left out. */
static __always_inline void api_thin(void *ctx, __u32 slot, __u32 n, __u32 thin)
{
	struct walk *w = walk_of(ctx, slot);
	struct scratch *s = scratch_of(slot);

	if (!w || !s)
		return;
	w->thin = thin;
	w->n = n;
	w->seek = 1;
	sift(w);
	if (w->found) {
		s->thin = thin;
		api_owner(ctx, slot, w, n);
		w->seek = 0;
		sift(w);
		walk_flush(w);
	}
	count(PL_SEEN_API, n - w->unpinned);
}

/* A call that filled an array: a stack is walked only when a folio is in it. */
static __always_inline void api_light(void *ctx, __u32 slot, __u32 n)
{
	struct scratch *s = scratch_of(slot);
	struct walk *w;
	__u32 thin;

	thin = thin_of(slot, n);
	if (thin) {
		count(PL_LEFT_OUT, n);
		if (n == 1 && !is_held(peek64(object_of(ctx, slot)), thin))
			count(PL_SEEN_API, 1);
		else
			api_thin(ctx, slot, n, thin);
		return;
	}
	w = walk_of(ctx, slot);
	if (!w || !s)
		return;
	s->thin = 0;
	w->seek = 1;
	bpf_loop(n, walk_step, &w, 0);
	if (w->found)
		api_owner(ctx, slot, w, n);
	w->seek = 0;
	walk_run(w, n);
	count(PL_SEEN_API, n - w->unpinned);
}

/* A call that took pins of one folio. */
static __always_inline void api_light_folio(void *ctx, __u32 slot, __u32 refs)
{
	__u64 folio = object_of(ctx, slot), owner;
	__u32 syscall = PL_SYSCALLS, thin;
	struct scratch *s = scratch_of(slot);

	count(PL_SEEN_API, refs);
	if (!folio || !s)
		return;
	thin = thin_of(slot, refs);
	if (thin)
		count(PL_LEFT_OUT, refs);
	if (thin && !is_wanted(folio, thin))
		return;
	s->thin = thin;
	owner = owner_get(ctx, slot, &syscall);
	page_acquired(folio, refs, owner, call_of_syscall(owner, syscall, refs), slot);
}

/*
 * Deep: the acquire hooks have booked the pins one by one. Pins that the call took and did not
 * hand out are what a failing pin_user_pages() leaves behind (mm core before aa6f8b2593b5).
 */
static __always_inline void api_deep(__s64 ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);

	if (!c)
		return;
	if (c->in_api && ret <= 0 && c->net > 0)
		call_failed(c->id, ret);
	if (ret > 0)
		c->pins += ret;
	c->in_api = 0;
	if (!c->in_syscall)
		bpf_map_delete_elem(&calls, &tid);
}

/* Pins that a call of the API has handed out; 0 or less when it failed. */
static __always_inline __s64 api_result(void *ctx, __u32 slot)
{
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	if (hooks[slot].success == PL_RET_COUNT)
		return (__s32)ret; /* int or long: both hold a count or -errno */
	return succeeded(ctx, slot) ? refs_of(ctx, slot) : 0;
}

/*
 * The API call that ends, if its pins were booked one by one. It may have begun before level deep
 * did: then the acquire hooks have left it to its end.
 */
static __always_inline struct call *call_booked(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c = deep ? bpf_map_lookup_elem(&calls, &tid) : 0;

	return c && c->in_api && c->deep ? c : 0;
}

/*
 * Counts n pins that a call has handed out, and no zero pages among them. True when they need not
 * be booked. Nothing here is a copy of n: before Linux 6.5 the verifier takes what it knows of one
 * copy for true of the other on every path, and drops the rest of the program.
 */
static __always_inline int is_booked(__s64 n)
{
	struct call *c = call_booked();

	if (is_own())
		count(PL_SEEN_API, n);
	else if (c)
		count(PL_SEEN_API, c->net > 0 && c->net < n ? c->net : n);
	else
		return 0;
	return 1;
}

static __always_inline int api_exit(void *ctx, __u32 slot)
{
	__s64 n = api_result(ctx, slot);

	if (plain)
		count(PL_API_CALLS, 1);
	if (n > 0 && !is_booked(n)) {
		if (hooks[slot].success == PL_RET_COUNT)
			api_light(ctx, slot, n);
		else
			api_light_folio(ctx, slot, n);
	}
	if (deep || is_own())
		api_deep(n);
	return 0;
}

/* Notes that the task is inside an API call. */
static __always_inline struct call *call_enter(__u64 owner, __u32 syscall)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c, fresh = {};

	call_of_syscall(owner, syscall, 0);
	c = bpf_map_lookup_elem(&calls, &tid);
	if (!c) {
		fresh.id = bpf_ktime_get_ns() << 16;
		if (map_put(&calls, &tid, &fresh, BPF_ANY)) {
			count(PL_LOST_CALLS, 1);
			return 0;
		}
		c = bpf_map_lookup_elem(&calls, &tid);
		if (!c)
			return 0;
	}
	if ((c->id & 0xffff) != 0xffff)
		c->id++;
	c->owner = owner;
	c->net = 0;
	c->deep = deep;
	c->in_api = 1;
	return c;
}

static __always_inline int api_enter(void *ctx, __u32 slot)
{
	__u32 syscall = PL_SYSCALLS;
	__u64 owner = owner_get(ctx, slot, &syscall);
	struct call *c = call_enter(owner, syscall);

	if (c)
		c->limited = is_limited_call(slot);
	return 0;
}

#ifdef __TARGET_ARCH_x86
static __always_inline __u64 register_arg(struct pt_regs *regs, int n)
{
	switch (n) {
	case 0:
		return BPF_CORE_READ(regs, di);
	case 1:
		return BPF_CORE_READ(regs, si);
	case 2:
		return BPF_CORE_READ(regs, dx);
	case 3:
		return BPF_CORE_READ(regs, cx);
	case 4:
		return BPF_CORE_READ(regs, r8);
	case 5:
		return BPF_CORE_READ(regs, r9);
	default:
		return 0;
	}
}

static __always_inline __u64 register_result(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, ax);
}
#else
#define register_arg(regs, n) 0
#define register_result(regs) 0
#endif

/*
 * Before 6.6 a trampoline takes six arguments, and pin_user_pages_remote() has seven. A kprobe
 * does instead; its arguments are noted at the entry, for the return.
 */
SEC("kprobe")
int api_probe_enter(struct pt_regs *regs)
{
	__u32 syscall = PL_SYSCALLS;
	__u64 mm = register_arg(regs, hooks[PL_API_PROBE].mm_arg);
	__u64 owner = owner_of(regs, PL_API_PROBE, mm, &syscall);
	struct call *c = call_enter(owner, syscall);

	if (!c)
		return 0;
	c->array = register_arg(regs, hooks[PL_API_PROBE].object_arg);
	c->limited = is_limited_call(PL_API_PROBE);
	return 0;
}

static __always_inline void api_probe_light(struct call *c, __u32 n)
{
	struct scratch *s = scratch_of(PL_API_PROBE);
	struct walk *w;

	if (!s)
		return;
	w = &s->walk;
	__builtin_memset(w, 0, offsetof(struct walk, handful));
	w->array = c->array;
	w->slot = PL_API_PROBE;
	w->are_pages = hooks[PL_API_PROBE].object == PL_OBJ_PAGES;
	w->owner = c->owner;
	w->call = c->in_syscall ? c->id : 0;
	walk_run(w, n);
	count(PL_SEEN_API, n - w->unpinned);
}

SEC("kretprobe")
int api_probe_exit(struct pt_regs *regs)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);
	__s64 n = (__s32)register_result(regs);

	if (plain)
		count(PL_API_CALLS, 1);
	if (!c)
		return 0;
	if (n > 0 && !is_booked(n))
		api_probe_light(c, n);
	api_deep(n);
	return 0;
}

static __always_inline __u64 folio_arg(void *ctx, __u32 slot)
{
	__u64 object = object_of(ctx, slot);

	return hooks[slot].object == PL_OBJ_PAGE ? folio_of(object) : object;
}

/* A function that takes pins of one folio, or (inlined in its caller) fills an array. */
static __always_inline int acquire(void *ctx, __u32 slot)
{
	__u32 tid = bpf_get_current_pid_tgid(), syscall = PL_SYSCALLS, refs;
	__u64 folio = 0, ret = 0, owner, call = 0;
	int array = hooks[slot].success == PL_RET_COUNT, limited;
	struct scratch *s;
	struct call *c;

	if (!is_pin(ctx, slot) || !succeeded(ctx, slot))
		return 0;
	refs = refs_of(ctx, slot);
	if (array) {
		bpf_get_func_ret(ctx, &ret);
		if ((__s32)ret <= 0)
			return 0;
		refs = ret;
	} else {
		folio = folio_arg(ctx, slot);
		if (!folio || folio == zero_page)
			return 0;
	}
	count(hooks[slot].uncounted ? PL_SEEN_UNCOUNTED : PL_SEEN_ACQUIRED, refs);
	c = bpf_map_lookup_elem(&calls, &tid);
	if (c && c->in_api)
		c->net += refs;
	if (!deep || is_own())
		return 0;
	if (c && c->in_api && !c->deep)
		return 0; /* it began before: its end books them all */
	if (c && c->in_api) {
		owner = c->owner;
		call = c->id;
		limited = c->limited;
	} else {
		owner = owner_get(ctx, slot, &syscall);
		call = call_of_syscall(owner, syscall, refs);
		limited = is_limited_call(slot);
	}
	s = limits ? scratch_of(slot) : 0;
	if (s)
		s->limited = limited;
	if (s && limited)
		visit_pins();
	if (array) {
		struct walk *w = walk_of(ctx, slot);

		if (!w)
			return 0;
		w->owner = owner;
		w->call = call;
		walk_run(w, refs);
	} else {
		page_acquired(folio, refs, owner, call, slot);
	}
	return 0;
}

static __always_inline int release(void *ctx, __u32 slot)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u32 refs;
	struct call *c;
	__u64 folio;

	if (!is_pin(ctx, slot))
		return 0;
	folio = folio_arg(ctx, slot);
	if (!folio || folio == zero_page)
		return 0;
	refs = refs_of(ctx, slot);
	count(PL_SEEN_RELEASED, refs);
	c = bpf_map_lookup_elem(&calls, &tid);
	if (c && c->in_api)
		c->net -= refs;
	if (deep && !is_own())
		page_released(ctx, folio, refs, slot);
	return 0;
}

/*
 * Limits of pinned memory answer so: RLIMIT_MEMLOCK with ENOMEM (io_uring, RDMA, VFIO), ENOBUFS
 * (AF_XDP) or, when it is 0, EPERM (can_do_mlock()); VFIO's dma_entry_limit with ENOSPC.
 */
static __always_inline int is_refusal(__s64 ret)
{
	return ret == -ENOMEM || ret == -ENOBUFS || ret == -EPERM || ret == -ENOSPC;
}

static __always_inline void refusal_limits(struct pl_refusal *r, struct task_struct *task)
{
	__u64 signal = peek64((__u64)task + layout.task_signal);
	__u64 cred = peek64((__u64)task + layout.task_cred);

	r->privileged = (peek32(cred + layout.cred_caps) >> CAP_IPC_LOCK) & 1;
	r->memlock = peek64(signal + layout.signal_memlock);
	r->pinned = BPF_CORE_READ(task, mm, pinned_vm.counter);
	r->locked = BPF_CORE_READ(task, mm, locked_vm);
	if (layout.user_locked)
		r->user_locked = peek64(peek64(cred + layout.cred_user) + layout.user_locked);
}

/* Can it be a limit at all? */
static __always_inline int refusal_is_likely(const struct pl_refusal *r)
{
	if (r->error == ENOSPC)
		return 1;
	if (r->privileged || r->memlock == ~0ULL)
		return 0;
	return r->error != EPERM || !r->memlock;
}

/* The second argument of the current system call. */
static __always_inline __u64 syscall_arg1(struct task_struct *task)
{
	return register_arg((struct pt_regs *)bpf_task_pt_regs(task), 1);
}

static __always_inline void refusal_owner(struct pl_refusal *r, struct task_struct *task, __u64 key)
{
	struct pl_owner *o = &r->owner;
	struct pl_owner *known_owner;
	__u32 syscall = PL_SYSCALLS;
	struct file *file;

	owner_process(o, task);
	file = (struct file *)syscall_file(task, &syscall);
	if (file)
		owner_node(o, file);
	if (syscall == SETSOCKOPT)
		r->option_level = syscall_arg1(task);
	known_owner = bpf_map_lookup_elem(&owners, &key);
	if (known_owner)
		o->site = known_owner->site;
}

/* Not inlined: each copy would cost libbpf the work of its relocations. */
static __noinline int refusal_note(struct scratch *s, __u64 owner, __u64 pins, __s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pl_refusal *r, *before;
	__u64 key;

	if (!s)
		return 0;
	r = &s->refusal;
	__builtin_memset(r, 0, sizeof(*r));
	r->error = -ret;
	r->taken = pins;
	refusal_limits(r, task);
	if (!refusal_is_likely(r))
		return 0;
	refusal_owner(r, task, owner);
	key = mix(mix(mix(mix(0, r->owner.tgid), r->owner.start_ns), r->owner.rdev),
		  r->memlock ^ (__u64)r->error << 32);
	before = bpf_map_lookup_elem(&refusals, &key);
	r->last_ns = bpf_ktime_get_ns();
	r->first_ns = before ? before->first_ns : r->last_ns;
	r->count = before ? before->count + 1 : 1;
	map_put(&refusals, &key, r, BPF_ANY);
	return 0;
}

/* A system call returns that may have taken pins. */
static __always_inline int sys_exit(void *ctx, __u32 slot)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	if (armed && layout.signal_memlock && is_refusal(ret))
		refusal_note(scratch_of(slot), c ? c->owner : 0, c ? c->pins : 0, ret);
	if (!c)
		return 0;
	if (is_failure(ret))
		call_failed(c->id & ~0xffffULL, ret);
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

#define SLOTS8(KIND, sec, name, body)                                                              \
	SLOT(KIND, sec, name, body, 0)                                                             \
	SLOT(KIND, sec, name, body, 1)                                                             \
	SLOT(KIND, sec, name, body, 2)                                                             \
	SLOT(KIND, sec, name, body, 3)                                                             \
	SLOT(KIND, sec, name, body, 4)                                                             \
	SLOT(KIND, sec, name, body, 5)                                                             \
	SLOT(KIND, sec, name, body, 6)                                                             \
	SLOT(KIND, sec, name, body, 7)

#define SLOT(KIND, sec, name, body, n)                                                             \
	SEC(sec)                                                                                   \
	int name##n(__u64 *ctx)                                                                    \
	{                                                                                          \
		return body(ctx, KIND + n);                                                        \
	}

/* Whatever an earlier system call of this thread left behind: its return was not seen. */
static __always_inline int sys_enter(void)
{
	__u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

#define sys_enter_slot(ctx, slot) sys_enter()

SLOTS8(PL_API_EXIT, "fexit", api_exit_, api_exit)
SLOTS8(PL_API_ENTER, "fentry", api_enter_, api_enter)
SLOTS8(PL_ACQUIRE, "fexit", acquire_, acquire)
SLOTS8(PL_RELEASE, "fentry", release_, release)
SLOTS8(PL_SYS_EXIT, "fexit", sys_exit_, sys_exit)
SLOTS8(PL_SYS_ENTER, "fentry", sys_enter_, sys_enter_slot)

/* ---- ends --------------------------------------------------------------------------- */

/* Every open file is made here, whatever becomes of it. */
SEC("fexit/alloc_empty_file")
int file_born(__u64 *ctx)
{
	__u64 file = 0;
	__u8 one = 1;

	bpf_get_func_ret(ctx, &file);
	if (file && (long)file > -4096 && (long)file < 0)
		return 0; /* ERR_PTR() */
	map_put(&births, &file, &one, BPF_ANY);
	return 0;
}

/*
 * A file is over when its release method has returned: one that waits for a device, or has a whole
 * machine's memory to unpin, is at work until then. The file's memory may be another's by that
 * time, so that what hangs on it is put aside at the entry.
 */
static __always_inline struct closing_key closing_key(__u64 file)
{
	return (struct closing_key){.file = file, .tid = (__u32)bpf_get_current_pid_tgid()};
}

static __always_inline void file_over(const struct closing *c)
{
	__u64 id = c->id, now = bpf_ktime_get_ns(), key = c->owner;
	struct pl_owner *owner = key ? bpf_map_lookup_elem(&owners, &key) : 0;

	if (id && map_put(&file_ends, &id, &now, BPF_ANY))
		count(PL_LOST_FILES, 1);
	if (owner)
		__sync_fetch_and_add(&owner->links, -1);
}

/* The last reference to an open file has gone; its release method runs next. */
SEC("fentry/__fput")
int file_releasing(__u64 *ctx)
{
	struct closing_key key = closing_key(ctx[0]);
	__u64 file = ctx[0], *id, *owner;
	struct closing c = {};

	bpf_map_delete_elem(&births, &file);
	id = bpf_map_lookup_elem(&files, &file);
	owner = bpf_map_lookup_elem(&file_links, &file);
	if (id)
		c.id = *id;
	if (owner)
		c.owner = *owner;
	if (!c.id && !c.owner)
		return 0;
	bpf_map_delete_elem(&files, &file);
	bpf_map_delete_elem(&file_links, &file);
	if (map_put(&closings, &key, &c, BPF_ANY))
		count(PL_LOST_FILES, 1);
	return 0;
}

SEC("fexit/__fput")
int file_released(__u64 *ctx)
{
	struct closing_key key = closing_key(ctx[0]);
	struct closing *c = bpf_map_lookup_elem(&closings, &key);

	if (!c)
		return 0;
	file_over(c);
	bpf_map_delete_elem(&closings, &key);
	return 0;
}

/* fd_install(fd, file): a call that pins and returns a new file hands the pins to that file. */
SEC("fentry/fd_install")
int file_installed(__u64 *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);
	__u64 file = ctx[1], key;
	struct pl_owner *owner;

	if (!c || !c->owner)
		return 0;
	key = c->owner;
	owner = bpf_map_lookup_elem(&owners, &key);
	if (!owner)
		return 0;
	__sync_fetch_and_add(&owner->links, 1);
	/* Not recorded means never taken back: the owner then stays innocent for ever. */
	if (map_put(&file_links, &file, &key, BPF_ANY))
		count(PL_LOST_FILES, 1);
	return 0;
}

/*
 * mm_page_free(page, order), before the page structures are cleared. A large folio that is freed
 * has no reference left; pins that it still has are nobody's any more.
 */
SEC("tp_btf/mm_page_free")
int page_freed(__u64 *ctx)
{
	__u64 folio = ctx[0];
	struct pl_page *p;
	__s32 pins;

	if (!(__u32)ctx[1] || !is_head(folio))
		return 0;
	pins = peek32(folio + layout.pincount);
	if (pins <= 0)
		return 0;
	p = bpf_map_lookup_elem(&pages, &folio);
	if (!p || !p->nr_slots || !page_lock(p))
		return 0;
	if (p->folio == folio) {
		p->pins = pins;
		p->freed = 1;
		if (map_put(&freed, &folio, p, BPF_ANY))
			count(PL_LOST_WRONGS, pins);
		p->freed = 0;
		page_reset(p);
	}
	page_unlock(p);
	return 0;
}

SEC("tp_btf/module_free")
int module_unloaded(__u64 *ctx)
{
	struct module *mod = (void *)ctx[0];
	struct unload_key key = {};
	struct pl_unload u = {};

	u.ns = bpf_ktime_get_ns();
	bpf_probe_read_kernel_str(key.name, sizeof(key.name), mod->name);
	if (bpf_core_field_exists(mod->srcversion))
		bpf_probe_read_kernel_str(u.srcversion, sizeof(u.srcversion),
					  BPF_CORE_READ(mod, srcversion));
	map_put(&unloads, &key, &u, BPF_ANY);
	quota_unloaded((__u64)mod);
	return 0;
}

/* ---- the tree of processes ------------------------------------------------------------ */

/*
 * kernel_clone() has made a task that does not run yet. Our own children are followed, and the
 * children of those who are.
 */
SEC("tp_btf/sched_process_fork")
int process_forked(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	__u32 from = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	__u64 start_ns = BPF_CORE_READ(child, start_boottime);

	if (from == tgid) /* a thread */
		return 0;
	if (from != own_tgid &&
	    !is_followed(from, BPF_CORE_READ(parent, group_leader, start_boottime)))
		return 0;
	if (map_put(&tree, &tgid, &start_ns, BPF_ANY))
		count(PL_LOST_TREE, 1);
	return 0;
}

/*
 * Not at sched_process_exit: files are closed after it, and a worker may still pin for the
 * process. When another thread than the first one has called execve(), de_thread() gave it the
 * number and the start of the first, which goes with another number.
 */
SEC("tp_btf/sched_process_free")
int process_freed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if ((__u32)BPF_CORE_READ(task, pid) == tgid &&
	    is_followed(tgid, BPF_CORE_READ(task, start_boottime)))
		bpf_map_delete_elem(&tree, &tgid);
	return 0;
}

/* ---- called by user space ----------------------------------------------------------- */

/* Where the folio lies: page_zonenum() and page_to_nid(). It stays there. */
static __always_inline void page_place(struct pl_page *p, __u64 folio)
{
	__u64 flags = peek64(folio + layout.flags);

	if (!layout.zone_bits)
		return;
	p->node = (flags >> layout.node_shift) & ((1ULL << layout.node_bits) - 1);
	p->zone = 1 + ((flags >> layout.zone_shift) & ((1ULL << layout.zone_bits) - 1));
}

/* What the folio's own numbers say now. References that seem to lack must do so every time. */
static __always_inline void page_reread(struct pl_page *p, __u64 folio)
{
	struct reading r = {};
	__u32 lacks = 0;

	for (int i = 0; i < READ_TRIES; i++) {
		__u32 n;

		folio_read(folio, &r);
		n = page_lacks(p, &r);
		lacks = !i || n < lacks ? n : lacks;
		if (!lacks)
			break;
	}
	p->order = r.order;
	p->pins = page_pins(p, &r);
	p->wrong = lacks;
	if (!p->zone)
		page_place(p, folio);
}

/*
 * A whole record of a folio that has no pin left: the kernel has skipped the run of a release hook
 * (an interrupt released while the same program ran), or another function released. A pin is
 * counted before its hook runs and until after its release's, so under the lock nobody is between.
 */
static __always_inline void page_repair(struct pl_page *p, __u64 folio)
{
	if (__sync_val_compare_and_swap(&p->lock, 0, 1))
		return; /* the next sweep will do */
	if (p->folio == folio && p->whole && p->held && !p->torn && !folio_pins(folio)) {
		count(PL_REPAIRED, p->held);
		page_reset(p);
	}
	page_unlock(p);
}

/*
 * The limited driver has no more pins on a folio than the folio has: what is beyond was released
 * and no hook saw it. Under the lock nobody is between, see page_repair().
 */
static __noinline int quota_check(struct pl_page *p, __u64 folio)
{
	__u32 *share, pins;

	if (!p || __sync_val_compare_and_swap(&p->lock, 0, 1))
		return 0;
	share = bpf_map_lookup_elem(&shares, &folio);
	if (share && *share && p->folio == folio) {
		pins = folio_pins(folio);
		if (*share > pins)
			quota_take(folio, *share - pins);
	}
	page_unlock(p);
	return 0;
}

/*
 * A record of a folio that was freed, and is one of another size now or part of one: its mark does
 * not find the pins of all of it.
 */
static __always_inline void page_outlived(struct pl_page *p, __u64 folio)
{
	struct reading r = {};

	if (!p->marked || p->marked == p->order + 1 || __sync_val_compare_and_swap(&p->lock, 0, 1))
		return;
	folio_read(folio, &r);
	if (p->folio == folio && p->marked != r.order + 1) {
		page_reset(p);
		p->pins = p->wrong = 0;
	}
	page_unlock(p);
}

static __always_inline int is_fresh(const struct pl_page *p, const struct pl_sweep *sum)
{
	return p->last_ns + sum->keep_ns > sum->now_ns;
}

static long sweep_step(void *map, __u64 *key, struct pl_page *p, struct pl_sweep *sum)
{
	page_reread(p, *key);
	if (thins)
		page_outlived(p, *key);
	if (limits)
		quota_check(p, *key);
	if (p->whole && p->held && !p->pins && !p->wrong)
		page_repair(p, *key);
	if (p->pins || p->wrong || is_fresh(p, sum))
		return 0;
	if (__sync_val_compare_and_swap(&p->lock, 0, 1))
		return 0;			  /* somebody is booking a pin */
	if (is_fresh(p, sum) || p->folio != *key) /* or has done so since it was read */
		page_unlock(p);
	else
		page_drop(map, *key, p);
	return 0;
}

/* Reads the pin count of every recorded folio and forgets those that have none. */
SEC("syscall")
int sweep(struct pl_sweep *arg)
{
	struct pl_sweep sum = {.now_ns = bpf_ktime_get_ns(), .keep_ns = arg->keep_ns};

	if (thins && zero_page) /* it is handed out, and holds no pin: to be told apart */
		mark_change(zero_page, 0, 1);
	bpf_for_each_map_elem(&pages, sweep_step, &sum, 0);
	return 0;
}

/* Reads eight bytes of kernel memory: for variables that BTF names and /proc does not show. */
SEC("syscall")
int peek(struct pl_peek *arg)
{
	__u64 v = 0;

	arg->err = bpf_probe_read_kernel(&v, sizeof(v), (void *)arg->addr);
	arg->value = v;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
