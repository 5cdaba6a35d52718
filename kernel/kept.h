/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Limits that last without pinleak: their programs are pinned below KEPT_ROOT, a directory for each
 * driver, and stay in the kernel until that is removed or the machine is started anew.
 */
#ifndef PINLEAK_KERNEL_KEPT_H
#define PINLEAK_KERNEL_KEPT_H

#include <stdbool.h>

#include "../bpf/quota.h"
#include "../core/quota.h"

#define KEPT_FS	  "/sys/fs/bpf"
#define KEPT_ROOT KEPT_FS "/pinleak"
#define KEPT_PATH 256

struct bpf_link;
struct tracker;
struct barrier;

/* Is there a BPF file system? */
bool kept_possible(void);

/*
 * Could a limit of the driver (see quota_name()) be kept? -EEXIST: one is, or what is left of one;
 * -ENOTSUP: there is no BPF file system.
 */
int kept_check(const char *driver);

/* Keeps the limit that the two count and enforce, from now on. As kept_check(); -errno. */
int kept_keep(const char *driver, struct tracker *t, struct barrier *b);

/* For kept_keep(): pins a link under its name; it does not end with us any more. */
int kept_link(const char *dir, const char *name, struct bpf_link *link);

/* All that are kept, their counts corrected. take() returns -errno to end. -errno. */
int kept_each(int (*take)(void *ctx, const struct quota_kept *k), void *ctx);

/* From now on nobody is refused, and nothing stays. -ENOENT: none is kept; -errno. */
int kept_remove(const char *driver);

#endif
