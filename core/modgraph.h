/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Which loaded module uses which, as /proc/modules tells it. */
#ifndef PINLEAK_CORE_MODGRAPH_H
#define PINLEAK_CORE_MODGRAPH_H

#include <stdbool.h>
#include <stddef.h>

#define MODGRAPH_NAME 56 /* MODULE_NAME_LEN of a 64-bit kernel */

struct modgraph_module {
	char name[MODGRAPH_NAME];
	int refcount; /* users, or -1 when the kernel cannot tell */
	size_t users; /* where its users' names begin in modgraph.text */
};

struct modgraph {
	struct modgraph_module *modules;
	size_t nr;
	char *text; /* the users' fields, each ended by a NUL */
};

/*
 * Reads the text of /proc/modules; lines that are no such lines are left out. -ENOMEM. The
 * caller frees the graph, also after a failure; {0} is an empty one.
 */
int modgraph_parse(const char *text, struct modgraph *out) __attribute__((warn_unused_result));
void modgraph_free(struct modgraph *g);

const struct modgraph_module *modgraph_find(const struct modgraph *g, const char *name);

/* Does module `user` depend on module `used`, directly or through others? */
bool modgraph_depends(const struct modgraph *g, const char *user, const char *used);

/*
 * The same of all modules at once: is_user[n] becomes true when the nth of them uses that one,
 * directly or not. There are g->nr. -ENOMEM.
 */
int modgraph_users(const struct modgraph *g, const struct modgraph_module *used, bool *is_user);

#endif
