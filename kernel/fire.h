/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Pins of our own, taken and dropped on purpose, to see what the hooks see. */
#ifndef PINLEAK_KERNEL_FIRE_H
#define PINLEAK_KERNEL_FIRE_H

struct fire {
	const char *name;
	/* Takes and drops at least one pin. 0, -EOPNOTSUPP: not to be had here, -errno. */
	int (*shoot)(void);
};

/* Ends with an entry whose name is NULL; the first one works on every kernel. */
extern const struct fire fires[];

/* Takes and drops a plain reference of a page of our own. 0 or -errno. */
int fire_reference(void);

#endif
