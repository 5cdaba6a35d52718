/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What this machine and kernel permit, found out by trying. */
#ifndef PINLEAK_KERNEL_GROUND_H
#define PINLEAK_KERNEL_GROUND_H

#include <stdbool.h>

struct ground {
	bool counters;	   /* /proc/vmstat counts pins */
	bool root;	   /* CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN */
	bool btf;	   /* /sys/kernel/btf/vmlinux can be read */
	bool tracing;	   /* a tracing program was loaded */
	bool symbols;	   /* /proc/kallsyms shows addresses */
	bool first_pids;   /* process numbers are the kernel's own */
	char lockdown[32]; /* "none", "integrity", "confidentiality", or "" when not known */
	char release[72];  /* uname -r */
	char why[160];	   /* the first thing that stands in the way of tracking; "" */
	char todo[160];	   /* what to do about it; "" */
};

/* Looks at everything; loads one small program and unloads it again. */
void ground_survey(struct ground *g);

#endif
