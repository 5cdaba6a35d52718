/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Which loaded modules can hold pages of processes: told by what their files call. */
#ifndef PINLEAK_KERNEL_PINNERS_H
#define PINLEAK_KERNEL_PINNERS_H

#include <stdbool.h>
#include <stddef.h>

#include "../core/holder.h"
#include "../core/modgraph.h"

struct pinner {
	char name[MODGRAPH_NAME];
	int refcount;		 /* as /proc/modules has it; -1: the kernel cannot tell */
	bool in_use;		 /* by more than the modules that build upon it */
	bool unknown;		 /* there is no file that is surely the module's: it could pin */
	enum holder_reach own;	 /* by its own calls */
	enum holder_reach reach; /* and by those of the modules it builds upon */
};

struct pinners {
	struct pinner *list; /* every loaded module, in the order of /proc/modules */
	size_t nr;
	struct modgraph graph;
};

/*
 * Reads the files of all loaded modules (/lib/modules, by libkmod): that takes seconds where there
 * are many. -errno: /proc/modules cannot be read; -ENOMEM. The caller closes it in any case.
 */
int pinners_read(struct pinners *p);
void pinners_close(struct pinners *p);

/* The furthest reach of a module and of those that build upon it; of an unknown one: pins. */
enum holder_reach pinners_reach(const struct pinners *p, const char *module);

#endif
