/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The file of a module as the kernel gets it: read, and unpacked when it is compressed. */
#ifndef PINLEAK_KERNEL_MODFILE_H
#define PINLEAK_KERNEL_MODFILE_H

#include <stddef.h>
#include <stdint.h>

#define MODFILE_MAX (256u << 20) /* bytes, unpacked; with debug information there are 100 MiB */

/*
 * By its first bytes, not its name, xz, zstd, gzip or as it is. For free(). -errno of reading it;
 * -EBADMSG: cut off or damaged; -EFBIG: larger than MODFILE_MAX; -EINVAL: no regular file; -ENOMEM.
 */
int modfile_read(const char *path, uint8_t **out, size_t *size);

/* What an error of modfile_read() means, for people. */
const char *modfile_error(int err);

#endif
