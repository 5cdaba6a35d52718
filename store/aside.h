/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Damaged databases, which are kept: somebody may want to know what was in them. */
#ifndef PINLEAK_STORE_ASIDE_H
#define PINLEAK_STORE_ASIDE_H

#include <limits.h>

#define ASIDE_MOST 3 /* of one database that are kept */

/*
 * Renames a file to PATH.damaged-TIME, its write-ahead log with it, and fills `aside` (PATH_MAX
 * bytes) with the new name. When there are more than ASIDE_MOST then, the smallest of the others
 * go: a disk that damages each new one shall not take the one that has most in it. -errno: it is
 * where it was.
 */
int aside_move(const char *path, char *aside) __attribute__((warn_unused_result));

#endif
