/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Sinks and springs of memory alone: nothing comes after what there is. */
#ifndef PINLEAK_TESTS_ENDS_H
#define PINLEAK_TESTS_ENDS_H

#include <errno.h>

#include "store/bytes.h"

static inline int no_room(struct sink *s)
{
	(void)s;
	return -ENOSPC;
}

static inline int no_more(struct spring *s)
{
	(void)s;
	return -ENODATA;
}

#endif
