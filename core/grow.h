/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Arrays that grow. */
#ifndef PINLEAK_CORE_GROW_H
#define PINLEAK_CORE_GROW_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* Makes room for one more than nr elements of a size. -ENOMEM; the array stays as it was. */
static inline int grow(void **array, size_t *room, size_t nr, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *bigger;

	if (nr < *room)
		return 0;
	bigger = realloc(*array, more * size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*room = more;
	return 0;
}

#endif
