/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The kernel's log, as far back as its buffer goes. */
#ifndef PINLEAK_KERNEL_KLOG_H
#define PINLEAK_KERNEL_KLOG_H

#include "../core/kmsg.h"

/*
 * Adds the lines that bear the signs. *lost: records that were overwritten while they were read,
 * *odd: those that are no records. -EPERM, -errno of /dev/kmsg; -ENOMEM.
 */
int klog_read(const struct kmsg_signs *signs, struct kmsg_log *log, uint64_t *lost, uint64_t *odd);

#endif
