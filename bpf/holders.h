/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the programs that list open files write. */
#ifndef PINLEAK_BPF_HOLDERS_H
#define PINLEAK_BPF_HOLDERS_H

#include <linux/types.h>

/* A file descriptor or a mapping of a file. */
struct pl_open {
	__u64 file; /* the kernel's struct file: its name */
	__u64 ops;  /* its f_op */
	__u64 data; /* its private_data */
	__u64 sock; /* of a socket: its struct sock, else 0 */
	__u64 ino;
	__u64 start_ns; /* of the process; CLOCK_BOOTTIME */
	__u32 tgid;
	__s32 fd;     /* -1: a mapping */
	__u32 flags;  /* f_flags */
	__u32 rdev;   /* of a device node: the kernel's dev_t */
	__u16 mode;   /* type and permissions, as in stat() */
	__u16 family; /* of a socket */
	__u32 pad;
	char comm[16];
};

#endif
