/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Which package a file is of, asked of the machine's package manager; nothing is fetched. */
#ifndef PINLEAK_KERNEL_PACKAGE_H
#define PINLEAK_KERNEL_PACKAGE_H

#include <stddef.h>

#include "../core/inspect.h"

#define PACKAGE_SECONDS 2 /* that a package manager may take for an answer */

/*
 * Fills manager, and what is known of the package that owns the file. With dpkg also the package
 * that brings new kernels, if the owner is a kernel and `kernel` is not NULL. -ENOENT: no package
 * manager; -ESRCH: no package owns it; -ETIMEDOUT; -EIO: it failed, then `why` tells, for people;
 * what was answered before stays.
 */
int package_of(const char *path, struct inspect_package *out, struct inspect_package *kernel,
	       char *why, size_t size);

#endif
