/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The devices of a driver, as sysfs has them, and whose driver a device node is. */
#ifndef PINLEAK_KERNEL_DEVICES_H
#define PINLEAK_KERNEL_DEVICES_H

#include "../core/inspect.h"

/* The names under which a module's drivers are on their buses. */
struct devices_driver {
	char bus[32];
	char name[INSPECT_NAME];
};

struct devices_drivers {
	struct devices_driver *list;
	size_t nr, room;
};

/*
 * The drivers of a module (/sys/module/NAME/drivers), or the one of that name on any bus, whose
 * module goes to `module` ("": built in, and not told). -ENOENT: there is none; -ENOMEM.
 */
int devices_drivers(const char *name, char *module, size_t size, struct devices_drivers *out);
void devices_drivers_free(struct devices_drivers *d);

/*
 * The driver of a device node: of the next device above it that has one. guess: by nothing but the
 * node's name. -ENOENT: sysfs does not know.
 */
int devices_of_node(uint32_t rdev, bool block, char *driver, size_t size, bool *guess);

/* Fills devices and neighbours. -ENOMEM; what cannot be read is noted as a gap. */
int devices_read(struct inspect *i, const struct devices_drivers *drivers);

#endif
