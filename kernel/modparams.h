/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The parameters of a module: their values now, and what was set for them. */
#ifndef PINLEAK_KERNEL_MODPARAMS_H
#define PINLEAK_KERNEL_MODPARAMS_H

#include "../core/elf64.h"
#include "../core/inspect.h"

/*
 * Those that the file declares and those that sysfs shows, with values; defaults out of the file
 * (NULL: there is none to read). What cannot be read is noted as a gap. -ENOMEM.
 */
int modparams_read(struct inspect *i, const struct elf64 *file);

/* What the kernel command line and modprobe.d set for the module. -ENOMEM. */
int modparams_settings(struct inspect *i);

#endif
