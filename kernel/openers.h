/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Which processes have a driver's nodes open, and what bounds the memory that they may lock. */
#ifndef PINLEAK_KERNEL_OPENERS_H
#define PINLEAK_KERNEL_OPENERS_H

#include "../core/inspect.h"

/* Fills processes and limits for the nodes of the devices. Gaps are noted. -ENOMEM. */
int openers_read(struct inspect *i);

#endif
