/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Who calls whom, read from the code of the running kernel. */
#ifndef PINLEAK_KERNEL_TEXT_H
#define PINLEAK_KERNEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/*
 * Looks the named functions up and reads their code from /proc/kcore. -EPERM: addresses hidden
 * or kcore locked down; -ENOTSUP: a processor whose calls we cannot read; -errno.
 */
int text_open(const char *const *functions, size_t nr, struct text **out);
void text_close(struct text *t);

/* Does function a hold a direct call of, or jump to, function b? By their places in the list. */
bool text_calls(const struct text *t, size_t a, size_t b);

#endif
