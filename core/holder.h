/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Can an open file keep pages of a process's memory? Told by what it is. In doubt it can: the
 * answer is used to say that nobody is left who could release a pin.
 */
#ifndef PINLEAK_CORE_HOLDER_H
#define PINLEAK_CORE_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

enum holder_kind {
	HOLDER_OTHER, /* by its name only */
	HOLDER_IO_URING,
	HOLDER_XDP,
	HOLDER_DMABUF,
	HOLDER_VFIO,
	HOLDER_UVERBS,
	HOLDER_VIDEO,
	HOLDER_KVM,
	HOLDER_VHOST,
	HOLDER_CHAR,   /* some other character device */
	HOLDER_BLOCK,  /* a block device */
	HOLDER_DIRECT, /* a file that is open for direct I/O, or a context of asynchronous I/O */
	HOLDER_PIPE,
	HOLDER_SOCKET,
};

enum holder_reach {
	HOLDER_NOTHING,
	HOLDER_REFERENCES, /* plain references, no pins */
	HOLDER_IN_FLIGHT,  /* pins too, while a request is in flight */
	HOLDER_PINS,	   /* pins too, for as long as it is open */
};

struct holder_facts {
	const char *ops;    /* name of its file operations in the kernel, "" when unknown */
	const char *module; /* that has them, "" when the kernel itself does */
	uint16_t mode;	    /* type and permissions, as in stat() */
	uint16_t family;    /* of a socket */
	uint32_t rdev;	    /* of a device node: the kernel's dev_t */
	uint32_t flags;	    /* open()'s; O_DIRECT counts */
	/* the furthest that the module, or one that builds upon it, can reach by what it calls */
	enum holder_reach module_reach;
};

struct holder_class {
	enum holder_kind kind;
	enum holder_reach reach;
};

struct holder_class holder_classify(const struct holder_facts *facts);

const char *holder_kind_name(enum holder_kind kind);

/* What a loaded module can come to hold by calling this function of the kernel. */
enum holder_reach holder_import(const char *module, const char *symbol);

#endif
