/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the BPF programs write and the rest of pinleak reads.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise; pins are
 * references (one per 4 KiB page for pin_user_pages, one per folio for
 * memfd_pin_folios); `folio` and `file` values are kernel addresses used as names.
 */
#ifndef PINLEAK_BPF_RECORD_H
#define PINLEAK_BPF_RECORD_H

#include <linux/types.h>

#define PL_SLOTS    4  /* claims kept apart on one folio */
#define PL_RELS	    3  /* release call paths kept apart on one folio */
#define PL_FRAMES   32 /* frames of a kernel stack */
#define PL_NEAR	    8  /* of them: walked at a release that can only be one owner's */
#define PL_SYM	    72 /* bytes of one symbolised frame, NUL included */
#define PL_MODNAME  56 /* MODULE_NAME_LEN of a 64-bit kernel */
#define PL_SRCVER   32
#define PL_COMM	    16	/* TASK_COMM_LEN */
#define PL_HOOKS    49	/* hook slots: see enum pl_first_slot */
#define PL_SYSCALLS 512 /* syscall numbers the file table covers */

/* Each hook program has a number; programs of one kind lie side by side. */
enum pl_first_slot {
	PL_API_EXIT = 0,   /* fexit of pin_user_pages() and its siblings */
	PL_API_ENTER = 8,  /* fentry of the same, deep level only */
	PL_ACQUIRE = 16,   /* fexit of the functions that take a pin */
	PL_RELEASE = 24,   /* fentry of the functions that drop a pin */
	PL_SYS_EXIT = 32,  /* fexit of system calls whose failure matters */
	PL_API_PROBE = 40, /* kprobe and kretprobe of an API function with too many arguments */
	PL_SYS_ENTER = 41, /* fentry of the PL_SYS_EXIT functions */
};
#define PL_PER_KIND 8

/* What the hooked function's object argument points to. */
enum pl_object {
	PL_OBJ_PAGE = 1, /* struct page *, perhaps a tail */
	PL_OBJ_FOLIO,	 /* struct folio * */
	PL_OBJ_PAGES,	 /* struct page **, filled by the call */
	PL_OBJ_FOLIOS,	 /* struct folio **, filled by the call */
};

/* How the hooked function says that it succeeded. */
enum pl_success {
	PL_RET_ALWAYS = 1, /* void */
	PL_RET_ZERO,	   /* int, 0 is success */
	PL_RET_TRUE,	   /* bool */
	PL_RET_POINTER,	   /* NULL is failure */
	PL_RET_COUNT,	   /* number of objects taken, or -errno */
};

/* One hooked function, as read from the kernel's BTF. Argument numbers start at 0. */
struct pl_hook {
	__s8 object_arg;
	__s8 refs_arg;	/* -1: one reference */
	__s8 flags_arg; /* -1: always a pin */
	__s8 mm_arg;	/* -1: the current task's memory */
	__u8 object;	/* enum pl_object */
	__u8 success;	/* enum pl_success */
	__u8 uncounted; /* the kernel's nr_foll_pin_acquired does not see it */
	__u8 pad;
};

/* Where the page structures keep what we read: byte offsets, from BTF. */
struct pl_layout {
	__u32 page_size; /* sizeof(struct page) */
	__u32 flags;
	__u32 refcount;
	__u32 compound_head;
	__u32 pincount;	       /* of a large folio */
	__u32 order;	       /* of a large folio: one byte */
	__u32 head_bit;	       /* PG_head in flags */
	__u32 mapping;	       /* of the folio */
	__u32 base_page;       /* PAGE_SIZE in bytes */
	__u32 mapcount;	       /* of a small folio */
	__u32 large_mapcount;  /* mappings of a large folio, or some of them; 0: not known */
	__u32 entire_mapcount; /* mappings of all of a large folio at once; 0: not known */
	__u32 large_known;     /* all of them are in large_mapcount */
	__u32 lru_bit;	       /* bits of flags */
	__u32 swapcache_bit;
	__u32 swapbacked_bit;
	__u8 zone_shift; /* where the flags keep zone and node */
	__u8 zone_bits;	 /* 0: not known */
	__u8 node_shift;
	__u8 node_bits;
	__u32 movable_zone; /* 1 + ZONE_MOVABLE; 0: not known */
	/*
	 * Where a task's limits are: not by CO-RE, for which libbpf goes through the whole BTF once
	 * for each further type.
	 */
	__u32 task_signal;
	__u32 task_cred;
	__u32 signal_memlock; /* 0: not known */
	__u32 cred_user;
	__u32 cred_caps;
	__u32 user_locked; /* 0: not known */
};

/* What a folio belongs to, by its mapping. */
enum pl_memory {
	PL_MEM_UNKNOWN = 0, /* no mapping: a kernel page, a device's, or truncated */
	PL_MEM_ANON,
	PL_MEM_FILE, /* page cache, shared memory, hugetlbfs */
};

/* One claim on a folio: who took how many pins of it. Counts only grow; see core/proof.h. */
struct pl_slot {
	__u64 owner;	 /* key into owners */
	__u64 call;	 /* last call that took pins, 0 when unknown */
	__u32 refs;	 /* acquired */
	__u32 released;	 /* released while this was the folio's only claim */
	__u32 refs_call; /* of refs: by the last call */
	__u32 refs_bad;	 /* of refs: by earlier calls that failed */
};

struct pl_release {
	__u64 site; /* key into sites: the path that released */
	__u32 refs; /* released while there were several claims */
	__u32 sole; /* released while there was one: they are in that claim's `released` too */
};

/* One pinned folio. */
struct pl_page {
	__u64 folio; /* its key again: see page_get() */
	__u64 first_ns;
	__u64 last_ns;
	__u32 pins;  /* the folio's own count, as read by the last sweep */
	__u32 base;  /* pins there were before the first claim: nobody knows whose */
	__u32 extra; /* acquired by claims beyond PL_SLOTS */
	__u32 lock;
	__u8 nr_slots;
	__u8 nr_rels;
	__u8 order;
	__u8 dead;   /* being deleted */
	__u8 torn;   /* two processors met in it: its claims prove nothing */
	__u8 memory; /* enum pl_memory, as it was at the first claim */
	__u8 whole; /* begun at level deep with no pin there: all its pins and releases are known */
	__u8 untraced; /* a release was not kept in rel[] */
	__u8 freed;    /* the folio was freed with `pins` pins */
	__u8 zone;     /* 1 + enum zone_type, from the first sweep on; 0: not known */
	__u16 node;    /* of NUMA, when the zone is known */
	__u32 thin;    /* 1 in 2^thin of such folios have a record */
	__u32 marked;  /* 1 + order that its mark is for, see struct pl_sieve; 0: none */
	__u32 held;    /* of a whole record: acquired less released */
	__u32 wrong;   /* references it lacks, see sweep_step(); as read by the last sweep */
	__u32 over;    /* released beyond its count */
	struct pl_slot slot[PL_SLOTS];
	struct pl_release rel[PL_RELS];
};

/*
 * Of 64 pages that lie side by side. Blocks of 512 pages are chosen, so that a huge page is in
 * one.
 */
struct pl_sieve {
	__u64 small; /* a bit for each small folio that has a record */
	__u64 mesh; /* bit n: chosen at thinness n; PL_SIEVE_LARGE for each record of a large one */
};

#define PL_PAGE_SHIFT  6 /* of a struct page's size */
#define PL_SIEVE_SHIFT (PL_PAGE_SHIFT + 6)
#define PL_SIEVE_BLOCK 8 /* of them are a block */
#define PL_BLOCK_SHIFT (PL_SIEVE_SHIFT + 3)
#define PL_SIEVE_LARGE (1LL << 16)
#define PL_THINNEST    12 /* at thinness n one block in 2^n is chosen */

/* Who holds: a call path, the open file it came through, the process. */
struct pl_owner {
	__u64 site;
	__u64 file_id;	/* 0: no file known */
	__u64 start_ns; /* the process's start, CLOCK_BOOTTIME */
	__u64 first_ns;
	__u64 last_ns;
	__s32 links; /* open files the call itself created (a dma-buf, say) */
	__u32 tgid;  /* 0: no process known */
	__u32 rdev;  /* the kernel's dev_t, 0 when not a device file */
	__u16 mode;  /* inode mode */
	__u8 worker; /* taken by a kernel thread */
	__u8 tree;   /* the process is in the tree that is followed */
	char comm[PL_COMM];
};

/* One call path, with the names as they were when the pin was taken. */
struct pl_site {
	__u64 first_ns;
	__u32 nr;
	__u32 truncated;
	__u64 ip[PL_FRAMES];
	char sym[PL_FRAMES][PL_SYM];
};

/* A call that failed: of one API call, or (low 16 bits zero) of the whole system call. */
struct pl_failure {
	__u64 ns;
	__s64 ret;
};

/*
 * A system call that failed as one does that hits a limit, and what the limits were then. The key
 * is made of process, error, device and limit.
 */
struct pl_refusal {
	__u64 first_ns;
	__u64 last_ns;
	__u64 count;
	__u64 taken;	       /* pins that the last one had taken before it failed */
	__u64 memlock;	       /* RLIMIT_MEMLOCK in bytes; ~0: none */
	__u64 pinned;	       /* pages: VmPin of the process */
	__u64 locked;	       /* pages: VmLck of the process */
	__u64 user_locked;     /* pages of all the user's processes: io_uring, AF_XDP, iommufd */
	__s32 error;	       /* positive */
	__u16 privileged;      /* CAP_IPC_LOCK: RLIMIT_MEMLOCK does not count */
	__u16 option_level;    /* of setsockopt(); 0: another call */
	struct pl_owner owner; /* site 0: it took no pins; file_id is not filled */
};

/* What is known of releases of pins that were not there. */
enum pl_wrong_kind {
	PL_WRONG_UNCLEAR = 1, /* whose mistake it was cannot be told */
	PL_WRONG_NEVER,	      /* nobody has pinned the folio since tracking began */
	PL_WRONG_CLAIMED, /* it was pinned, and all that was has been released: see claim, rel */
};

struct pl_wrong_claim {
	__u64 site;
	__u32 refs;
	__u32 pad;
};

/*
 * Releases of pins that were not there: of one path, and of folios with the same history. The
 * key is made of these.
 */
struct pl_wrong {
	__u64 site;  /* the path of the release that found no pin left */
	__u64 folio; /* the last of them */
	__u64 first_ns;
	__u64 last_ns;
	__u64 refs; /* released beyond the folios' counts */
	__u32 each; /* of them: on one folio at once */
	__u8 kind;  /* enum pl_wrong_kind */
	__u8 nr_claims;
	__u8 nr_rels;
	__u8 pad;
	struct pl_wrong_claim claim[PL_SLOTS];
	struct pl_release rel[PL_RELS]; /* this release included */
	struct pl_owner owner;		/* who released first */
};

struct pl_unload {
	__u64 ns;
	char srcversion[PL_SRCVER];
};

/* Per-processor counters, only ever growing while the programs are loaded. */
enum pl_stat {
	PL_SEEN_ACQUIRED = 0, /* pins seen by the acquire hooks, as the kernel counts them */
	PL_SEEN_RELEASED,
	PL_SEEN_UNCOUNTED, /* pins the kernel does not count as acquired */
	PL_SEEN_API,	   /* pins seen by the API hooks */
	PL_API_CALLS,
	PL_REL_UNKNOWN,	 /* released, but taken before tracking or not chosen */
	PL_REL_UNTRACED, /* released by a path beyond PL_RELS */
	PL_REPAIRED,	 /* pins of whole records that were gone, and no hook saw them released */
	PL_LEFT_OUT,	 /* pins of calls of which some or all were left out, see thin_of() */
	PL_LOST_PAGES,	 /* pins not recorded: table full */
	PL_LOST_BUSY,	 /* pins not recorded: the map refused (EBUSY, ENOMEM) */
	PL_LOST_STACK,	 /* stacks that could not be walked */
	PL_LOST_SITES,	 /* call paths not recorded: table full */
	PL_LOST_OWNERS,	 /* owners not recorded: table full */
	PL_LOST_FILES,	 /* open files or their ends not recorded: table full */
	PL_LOST_CALLS,	 /* failing calls not recorded: table full */
	PL_TRUNC_STACK,	 /* stacks deeper than PL_FRAMES */
	PL_CONTENDED,	 /* records torn by two processors at once */
	PL_SLOTS_FULL,	 /* claims beyond PL_SLOTS on one folio */
	PL_LOST_TREE,	 /* processes not followed: table full */
	PL_LOST_WRONGS,	 /* wrong releases not recorded: table full */
	PL_STATS,
};

/* Argument of the `peek` program. */
struct pl_peek {
	__u64 addr;
	__u64 value;
	__s32 err;
	__u32 pad;
};

/* Argument of the `sweep` program. */
struct pl_sweep {
	__u64 now_ns;
	__u64 keep_ns; /* a record of a folio without pins is kept for so long */
};

#endif
