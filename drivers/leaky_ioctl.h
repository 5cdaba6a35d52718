/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What /dev/leaky and /dev/second take. Every shape is one ioctl:
 *
 *	ioctl(fd, LEAKY_IOC(LEAKY_HOLD), &req)
 *
 * README.md tells what each shape does with the pages.
 */
#ifndef LEAKY_IOCTL_H
#define LEAKY_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct leaky_req {
	__u64 addr;	/* start of the buffer, on a page boundary */
	__u64 pages;	/* its length in base pages */
	__u64 arg;	/* the shape's own number; 0 takes its default */
};

enum leaky_shape {
	/* innocent */
	LEAKY_USE,
	LEAKY_HOLD,
	LEAKY_ASYNC,
	LEAKY_UNREGISTER,
	LEAKY_GET_USE,
	LEAKY_GET_FAIL,
	/* guilty */
	LEAKY_KEEP_ONE,
	LEAKY_ERROR,
	LEAKY_PARTIAL,
	LEAKY_CLOSE,
	LEAKY_WORK,
	LEAKY_RMMOD,
	LEAKY_PUT_PAGE,
	LEAKY_GET_LEAK,
	LEAKY_DOUBLE_UNPIN,
	LEAKY_UNPIN_GET,
	LEAKY_UNPIN_NEVER,
	LEAKY_SUBPAGE,
};

#define LEAKY_IOC(shape) _IOW('L', (shape), struct leaky_req)

#endif
