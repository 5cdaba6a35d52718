// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "drain.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MPOL_LOCAL   4	 /* include/uapi/linux/mempolicy.h */
#define MPOL_MF_MOVE 0x2 /* the same */

/*
 * There is no call that does just this. mbind() with MPOL_MF_MOVE does it first of all
 * (do_mbind() -> lru_cache_disable(), since 5.13), for any mapping and however small.
 */
int drain_lru(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	if (page == MAP_FAILED)
		return -errno;
	if (syscall(SYS_mbind, page, size, MPOL_LOCAL, NULL, 0, MPOL_MF_MOVE))
		err = -errno;
	munmap(page, size);
	return err;
}
