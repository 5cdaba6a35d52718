/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The kernel's own count of pins, its memory, and what the lack of it costs. */
#ifndef PINLEAK_KERNEL_VMSTAT_H
#define PINLEAK_KERNEL_VMSTAT_H

#include <stdbool.h>

#include "../core/report.h"

struct vmstat;

/* -ENOENT: the kernel has no pin counters (before 5.7); -errno. */
int vmstat_open(struct vmstat **out);
void vmstat_close(struct vmstat *v);

/*
 * Reads the counters into *out. With exact, the processors' remainders are collected first, which
 * needs root: without it the reading is made all the same, and out->lag says how far it may be off.
 * -errno.
 */
int vmstat_read(struct vmstat *v, bool exact, struct sample *out);

/* Outstanding pins only, for a quick look in between. -errno. */
int vmstat_glance(struct vmstat *v, bool exact, int64_t *outstanding);

#endif
