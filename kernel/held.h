/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The pins that a driver holds now, by a census. */
#ifndef PINLEAK_KERNEL_HELD_H
#define PINLEAK_KERNEL_HELD_H

#include "../core/inspect.h"

/* Fills pins, given driver and processes. Where no census can be taken a gap says why. -ENOMEM. */
int held_read(struct inspect *i);

#endif
