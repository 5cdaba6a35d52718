/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the files of /proc/PID say, as pure text and numbers. */
#ifndef PINLEAK_CORE_PROCFS_H
#define PINLEAK_CORE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCFS_PATH 1024 /* bytes of the longest path that is kept, NUL included */

/*
 * The page frame of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 * False: nothing is mapped there, or the kernel hides the number (it then shows frame 0).
 */
bool procfs_frame(uint64_t entry, uint64_t *pfn);

/*
 * The cgroup of the text of /proc/PID/cgroup, "/system.slice/x.service": the unified hierarchy's,
 * or that of the memory controller when only version 1 has it. "" when the text names neither.
 */
void procfs_cgroup(const char *text, char *out, size_t size);

/*
 * Where a file is seen, given the text of /proc/PID/mountinfo, the device number of its file
 * system (the kernel's dev_t) and its path there. A mount of the whole file system goes before
 * one of a part of it. False, and the path as it came: it is mounted nowhere in the text.
 */
bool procfs_mounted(const char *mountinfo, uint32_t dev, const char *path, char *out, size_t size);

#endif
