/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What /proc and /sys tell of modules, devices and processes. */
#ifndef PINLEAK_KERNEL_SYSFS_H
#define PINLEAK_KERNEL_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/snapshot.h"

/* A whole file as a string, at most max bytes of it; NULL when it cannot be read. For free(). */
char *sysfs_slurp(const char *path, size_t max);

/* The first line of a small file; false and "" when it cannot be read. */
bool sysfs_line(const char *path, char *out, size_t size);

/* The last part of what a link leads to; false and "": it is none. */
bool sysfs_link(const char *path, char *out, size_t size);

/* Fills what sysfs and modules.dep know of a loaded module. */
void sysfs_module(const char *name, struct snap_driver *out);

/* The same but for its path: the list of all modules' files is not read. */
void sysfs_module_loaded(const char *name, struct snap_driver *out);

/* The file that modules.dep has for a module, loaded or not; false and "": none. */
bool sysfs_module_file(const char *name, char *out, size_t size);

/* Is there a module of that name in the kernel itself, by modules.builtin? */
bool sysfs_is_built_in(const char *name);

/*
 * Device node ("vfio/vfio", without /dev/) and driver of a character or block device. rdev is
 * the kernel's dev_t: 12 bits major, 20 bits minor.
 */
void sysfs_device(uint32_t rdev, bool block, char *node, size_t node_size, char *driver,
		  size_t driver_size);

/*
 * Is the process that started at start_ns (CLOCK_BOOTTIME) still there? A zombie is not: its
 * files and its memory are gone.
 */
bool sysfs_process_lives(uint32_t tgid, uint64_t start_ns);

/* Do we see the process numbers the kernel uses? Not in a container's own PID namespace. */
bool sysfs_sees_all_processes(void);

#endif
