/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who could hold pages of processes at this moment: open and mapped files, modules, files on
 * their way from one process to another. Every process of the machine is looked at, those in
 * other PID namespaces too.
 */
#ifndef PINLEAK_KERNEL_HOLDERS_H
#define PINLEAK_KERNEL_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/holder.h"
#include "memory.h"
#include "pinners.h"
#include "queues.h"

#define HOLDERS_MAX 131072 /* files looked at; beyond them anything is possible */

/* A file that can hold something. */
struct holder {
	enum holder_kind kind;
	enum holder_reach reach; /* never HOLDER_NOTHING */
	uint32_t tgid;		 /* of the first process that was seen with it */
	uint64_t start_ns;	 /* of that process; CLOCK_BOOTTIME */
	int32_t fd;		 /* there; -1: it is only mapped */
	uint32_t places;	 /* descriptors and mappings of it, of all processes */
	char comm[16];
	char what[64]; /* its device node, or the name of its file operations; "" when unknown */
	char module[MODGRAPH_NAME]; /* that implements it; "": the kernel itself */
	uint16_t mode;		    /* as in stat() */
	uint16_t family;	    /* of a socket */
	uint32_t rdev;		    /* of a device node: the kernel's dev_t */
	uint64_t file;		    /* the kernel's struct file */
	uint64_t data;		    /* its private_data */
	uint64_t sock;		    /* of a socket: its struct sock */
};

struct holders {
	struct holder *list; /* each file once */
	size_t nr;
	uint64_t harmless; /* files that can hold nothing; those of file systems are not counted */
	bool cut;	   /* there were more files than HOLDERS_MAX */
	uint64_t inflight; /* files sent over a socket and not yet received */
	bool inflight_known;
	uint32_t in_call; /* threads whose system call may hold pages until it returns */
	struct pinners pinners;
	struct queues queues;
};

/*
 * Modules: their files are read too, which takes seconds where there are many. Else there are no
 * pinners, and a module's file could hold anything.
 *
 * -EPERM, -ENOTSUP, -ENOMEM and others: memory's error says what went wrong. holders_close() is
 * needed in any case. The memory must outlive it.
 */
int holders_read(struct memory *m, bool modules, struct holders *out);
void holders_close(struct holders *h);

/*
 * Could something hold at least this: an open file, a file in flight, a module in use? What could
 * not be seen could. Not listed is a process that is inside of a call just now, and holds its pages
 * until it returns: look at a folio twice.
 */
bool holders_could(const struct holders *h, enum holder_reach at_least);

/*
 * Plain references to a folio (its first struct page) that lie in pipes and sockets. False: not
 * all of these could be looked at (some are on their way to another process, say), *refs is what
 * was found.
 */
bool holders_explains(const struct holders *h, uint64_t folio, uint32_t *refs);

#endif
