/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A limit on what one driver may hold pinned: what the programs that count (pinleak.bpf.c) and the
 * programs that refuse (barrier.bpf.c) share with each other and with user space.
 */
#ifndef PINLEAK_BPF_QUOTA_H
#define PINLEAK_BPF_QUOTA_H

#include <linux/types.h>

#include "record.h"

#define PL_CGROUPS    8	   /* control groups that can be exempt */
#define PL_EXEMPTIONS 64   /* processes, commands, ioctls: of each sort */
#define PL_CROSSINGS  1024 /* processes told apart; those not seen for longest go first */
#define PL_VISITS     8192 /* threads told apart that call the driver; the same */
#define PL_KINDS      512  /* kinds of calls that a driver pins or releases by */

/* Mapped by user space. Pins are references, one for each page that was asked for. */
struct pl_quota {
	__u64 module;	/* the driver's struct module; 0: it was unloaded */
	__u64 text;	/* its code, from here */
	__u64 text_end; /* the first byte behind it */
	__s64 limit;	/* pins */
	__s64 pins;  /* taken by calls through the driver's code and not released, since it began */
	__u64 taken; /* all of them that were ever taken */
	__u64 by_worker; /* of taken: by kernel threads and io_uring's */
	__u64 uncounted; /* taken, and the folio has no record: in no other number */
	__u64 refused;	 /* calls */
	__u64 alive_ns;	 /* when the count was corrected last; CLOCK_MONOTONIC */
	__u64 stale_ns;	 /* nothing is refused when that is longer ago */
	__u64 began_ns;	 /* of a limit that is kept: CLOCK_MONOTONIC */
	__u32 kept;	 /* it lasts without pinleak: who refuses corrects the count */
	__u32 way;	 /* of a limit that is kept: enum barrier_way */
};

enum pl_call {
	PL_CALL_PIN = 0, /* no call was refused: its pins took the driver beyond its limit */
	PL_CALL_IOCTL,
	PL_CALL_WRITE,
	PL_CALL_MMAP,
	PL_CALLS,
};

/* Who took a driver beyond its limit, or was refused for it. The key is made of process and call.
 */
struct pl_crossing {
	__u64 first_ns;
	__u64 last_ns;
	__u64 start_ns; /* the process's start, CLOCK_BOOTTIME */
	__u64 count;
	__s64 pins;    /* of the driver, the last time */
	__u32 tgid;    /* 0: not known */
	__u32 rdev;    /* the device file's; 0: none */
	__u32 command; /* of the last ioctl */
	__u8 call;     /* enum pl_call */
	__u8 worker;   /* taken by a kernel thread */
	__u8 pad[2];
	char comm[PL_COMM];
};

/* A kind of call. It is known by what it calls, so that all devices of a driver share it. */
struct pl_kind {
	__u64 ops;     /* the file's operations */
	__u32 call;    /* enum pl_call */
	__u32 command; /* of an ioctl */
};

/* What calls of a kind have done with the driver's pins. */
struct pl_habit {
	__u32 pinned;	/* calls that took some, whatever else they did */
	__u32 released; /* calls that have released some, and taken none */
};

/* The call on the driver's devices that a thread has made last. Key: thread id. */
struct pl_visit {
	struct pl_kind kind;
	__u64 syscall; /* by which it is known whether that call is still the one under way */
	__u8 pinned, released;
	__u8 pad[6];
};

/* What the operator has said of an ioctl. */
enum pl_order {
	PL_ALLOW = 1,
	PL_REFUSE,
};

struct pl_command {
	char comm[PL_COMM]; /* filled up with NULs */
};

#endif
