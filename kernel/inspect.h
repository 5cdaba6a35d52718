/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Collects all that is told of a driver; see core/inspect.h. */
#ifndef PINLEAK_KERNEL_INSPECT_H
#define PINLEAK_KERNEL_INSPECT_H

#include "../core/inspect.h"

struct inspect_options {
	const char *file; /* the module's file; NULL: as modules.dep says */
	bool census;	  /* look for what it holds now: root, and up to a few seconds */
};

/*
 * Of a driver, a module (loaded or not, built in) or a device node, which begins with a slash. What
 * cannot be seen is noted in the report and is no failure. -ENOENT: there is no such driver or
 * node; -ENOTBLK: no device node; -ENODEV: a node, and nothing tells whose; -errno of the node;
 * -ENOMEM. inspect_free() in any case.
 */
int inspect_collect(const char *what, const struct inspect_options *o, struct inspect *out);

#endif
