// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "devices.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/grow.h"
#include "sysfs.h"

#define SYS	 "/sys"
#define BELOW	 (PATH_MAX + 256) /* bytes of a path and a name */
#define SHORTEST 5		  /* letters of a name that may be the beginning of a module's */

static bool link_below(const char *dir, const char *name, char *out, size_t size)
{
	char path[BELOW];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return sysfs_link(path, out, size);
}

static bool line_below(const char *dir, const char *name, char *out, size_t size)
{
	char path[BELOW];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return sysfs_line(path, out, size);
}

/* Calls each(), which returns 0 or -errno, for each entry of a directory. -ENOENT: none is there.
 */
static int each_entry(const char *path, int (*each)(void *ctx, const char *dir, const char *name),
		      void *ctx)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int err = dir ? 0 : -errno;

	while (dir && !err && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			err = each(ctx, path, d->d_name);
	if (dir)
		closedir(dir);
	return err;
}

/* ---- drivers ----------------------------------------------------------------------------- */

static int add_driver(struct devices_drivers *d, const char *bus, size_t bus_len, const char *name)
{
	int err = grow((void **)&d->list, &d->room, d->nr, sizeof(*d->list));

	if (err)
		return err;
	snprintf(d->list[d->nr].bus, sizeof(d->list->bus), "%.*s", (int)bus_len, bus);
	snprintf(d->list[d->nr].name, sizeof(d->list->name), "%s", name);
	d->nr++;
	return 0;
}

/* Links are called "pci:virtio-pci". */
static int add_of_module(void *ctx, const char *dir, const char *entry)
{
	const char *colon = strchr(entry, ':');

	(void)dir;
	return colon ? add_driver(ctx, entry, (size_t)(colon - entry), colon + 1) : 0;
}

struct by_name {
	const char *name;
	char *module;
	size_t size;
	struct devices_drivers *out;
};

static int add_if_on_bus(void *ctx, const char *dir, const char *bus)
{
	struct by_name *b = ctx;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/drivers/%s", dir, bus, b->name);
	if (strchr(b->name, '/') || access(path, F_OK))
		return 0;
	if (!b->module[0])
		link_below(path, "module", b->module, b->size);
	return add_driver(b->out, bus, strlen(bus), b->name);
}

int devices_drivers(const char *name, char *module, size_t size, struct devices_drivers *out)
{
	struct by_name b = {name, module, size, out};
	char path[128];
	int err;

	*out = (struct devices_drivers){0};
	module[0] = '\0';
	snprintf(path, sizeof(path), SYS "/module/%.64s/drivers", name);
	err = each_entry(path, add_of_module, out);
	if (err == -ENOMEM || out->nr)
		return err;
	err = each_entry(SYS "/bus", add_if_on_bus, &b);
	return err || out->nr ? err : -ENOENT;
}

void devices_drivers_free(struct devices_drivers *d)
{
	free(d->list);
	*d = (struct devices_drivers){0};
}

/* ---- whose a device is -------------------------------------------------------------------- */

/* "rxe9" -> "rxe": letters and digits up to the number that counts the devices. */
static size_t stem(const char *name)
{
	size_t len = strcspn(name, "-.:");

	while (len && isdigit((unsigned char)name[len - 1]))
		len--;
	return len;
}

/*
 * leaky has leaky, rdma_rxe has rxe0, null_blk has nullb0: nothing else in sysfs leads from such a
 * device to its module. The whole name, its last part, or its beginning without underscores; but
 * /dev/null is not null_blk's.
 */
static bool sounds_like(const char *device, const char *module)
{
	size_t len = stem(device), n = 0;
	const char *last = module + strlen(module);
	char squeezed[INSPECT_NAME];

	while (last > module && last[-1] != '_' && last[-1] != '-')
		last--;
	for (const char *at = module; *at && n + 1 < sizeof(squeezed); at++)
		if (*at != '_' && *at != '-')
			squeezed[n++] = *at;
	squeezed[n] = '\0';
	return modinfo_same(device, len, module, strlen(module)) ||
	       (len > 2 && modinfo_same(device, len, last, strlen(last))) ||
	       (len >= SHORTEST && !strncmp(squeezed, device, len));
}

/*
 * The driver of the device at a path below /sys, or of the next one above it. False: none has
 * one. What is below /devices/virtual is nobody's child.
 */
static bool driver_above(const char *path, char *driver, size_t size, char *at)
{
	char *slash;

	snprintf(at, PATH_MAX, "%s", path);
	for (;;) {
		if (link_below(at, "driver", driver, size))
			return true;
		slash = strrchr(at, '/');
		if (!slash || slash - at < (ptrdiff_t)strlen(SYS "/devices/"))
			return false;
		*slash = '\0';
	}
}

/* Where /sys/dev/char/M:m leads. */
static bool node_path(uint32_t rdev, bool block, char *out)
{
	char path[64];

	snprintf(path, sizeof(path), SYS "/dev/%s/%u:%u", block ? "block" : "char", rdev >> 20,
		 rdev & 0xfffff);
	return realpath(path, out) != NULL;
}

/* uverbs0 has no name of its driver's, but the file ibdev says "rxe9". */
static void known_name(const char *path, char *out, size_t size)
{
	if (!line_below(path, "ibdev", out, size))
		snprintf(out, size, "%s", strrchr(path, '/') + 1);
}

struct guess {
	const char *device;
	char *driver;
	size_t size;
	unsigned found;
};

static int try_module(void *ctx, const char *dir, const char *name)
{
	struct guess *g = ctx;

	(void)dir;
	if (!sounds_like(g->device, name))
		return 0;
	/* of several that would do, the one that has the very name */
	if (!g->found++ || modinfo_same(g->device, stem(g->device), name, strlen(name)))
		snprintf(g->driver, g->size, "%s", name);
	return 0;
}

int devices_of_node(uint32_t rdev, bool block, char *driver, size_t size, bool *guess)
{
	char path[PATH_MAX], at[PATH_MAX], name[INSPECT_NAME];
	struct guess g = {name, driver, size, 0};

	*guess = false;
	if (!node_path(rdev, block, path))
		return -ENOENT;
	if (driver_above(path, driver, size, at))
		return 0;
	known_name(path, name, sizeof(name));
	*guess = true;
	each_entry(SYS "/module", try_module, &g);
	return g.found ? 0 : -ENOENT;
}

/* ---- a device ----------------------------------------------------------------------------- */

static int64_t number_below(const char *dir, const char *name)
{
	char line[32];

	if (!line_below(dir, name, line, sizeof(line)) || !isdigit((unsigned char)line[0]))
		return -1;
	return strtoll(line, NULL, 10);
}

static void read_group(const char *path, struct inspect_device *d)
{
	char type[96];

	if (!link_below(path, "iommu_group", d->group, sizeof(d->group)))
		return;
	snprintf(type, sizeof(type), SYS "/kernel/iommu_groups/%s/type", d->group);
	sysfs_line(type, d->group_type, sizeof(d->group_type));
}

static void describe(const char *path, struct inspect_device *d)
{
	snprintf(d->name, sizeof(d->name), "%.*s", (int)sizeof(d->name) - 1,
		 strrchr(path, '/') + 1);
	snprintf(d->path, sizeof(d->path), "%.*s", (int)sizeof(d->path) - 1, path + strlen(SYS));
	link_below(path, "driver", d->driver, sizeof(d->driver));
	link_below(path, "subsystem", d->bus, sizeof(d->bus));
	read_group(path, d);
	d->dma_mask_bits = number_below(path, "dma_mask_bits");
	d->consistent_dma_mask_bits = number_below(path, "consistent_dma_mask_bits");
	d->numa_node = number_below(path, "numa_node");
	line_below(path, "power/runtime_status", d->power, sizeof(d->power));
	line_below(path, "power_state", d->state, sizeof(d->state));
}

static struct inspect_device *find_device(struct inspect *i, const char *path)
{
	for (size_t n = 0; n < i->nr_devices; n++)
		if (!strcmp(i->devices[n].path, path + strlen(SYS)))
			return &i->devices[n];
	return NULL;
}

/* The device at a path, which is added when it is not there yet. */
static int add_device(struct inspect *i, const char *path, struct inspect_device **out)
{
	int err = 0;

	*out = find_device(i, path);
	if (*out)
		return 0;
	err = grow((void **)&i->devices, &i->room_devices, i->nr_devices, sizeof(**out));
	if (err)
		return err;
	*out = &i->devices[i->nr_devices++];
	**out = (struct inspect_device){0};
	describe(path, *out);
	return 0;
}

static int add_bound(void *ctx, const char *dir, const char *entry)
{
	char path[PATH_MAX], real[PATH_MAX];
	struct inspect_device *d;

	snprintf(path, sizeof(path), "%s/%s", dir, entry);
	if (!strcmp(entry, "module") || !realpath(path, real) ||
	    strncmp(real, SYS "/devices/", strlen(SYS "/devices/")) != 0)
		return 0; /* bind, uevent and the like */
	return add_device(ctx, real, &d);
}

/* ---- nodes -------------------------------------------------------------------------------- */

struct nodes {
	struct inspect *inspect;
	const struct devices_drivers *drivers;
	bool block;
};

static bool is_ours(const struct nodes *n, const char *driver)
{
	for (size_t k = 0; k < n->drivers->nr; k++)
		if (!strcmp(n->drivers->list[k].name, driver))
			return true;
	return false;
}

static void keep_node(struct inspect_device *d, bool block, const char *number, const char *path)
{
	char uevent[BELOW], *text;
	unsigned major, minor;

	snprintf(uevent, sizeof(uevent), "%s/uevent", path);
	text = sysfs_slurp(uevent, 4096);
	if (sscanf(number, "%u:%u", &major, &minor) == 2)
		d->rdev[block] = major << 20 | minor;
	if (text)
		inspect_labelled(text, "DEVNAME=", d->node[block], sizeof(d->node[block]));
	free(text);
}

static int add_node(void *ctx, const char *dir, const char *number)
{
	struct nodes *n = ctx;
	char path[PATH_MAX], real[PATH_MAX], at[PATH_MAX], name[INSPECT_NAME];
	struct inspect_device *d;
	bool guess = false;
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, number);
	if (!realpath(path, real))
		return 0;
	if (!driver_above(real, name, sizeof(name), at)) {
		known_name(real, name, sizeof(name));
		guess = sounds_like(name, n->inspect->driver);
		if (!guess)
			return 0;
	} else if (!is_ours(n, name)) {
		return 0;
	}
	err = add_device(n->inspect, real, &d);
	if (err)
		return err;
	d->guess = guess;
	keep_node(d, n->block, number, real);
	return 0;
}

/* ---- neighbours --------------------------------------------------------------------------- */

static int add_neighbour(struct inspect *i, size_t device, const char *relation, const char *name,
			 const char *driver)
{
	struct inspect_neighbour *n;
	int err = grow((void **)&i->neighbours, &i->room_neighbours, i->nr_neighbours, sizeof(*n));

	if (err)
		return err;
	n = &i->neighbours[i->nr_neighbours++];
	*n = (struct inspect_neighbour){.device = device, .relation = relation};
	snprintf(n->name, sizeof(n->name), "%s", name);
	snprintf(n->driver, sizeof(n->driver), "%s", driver);
	return 0;
}

struct around {
	struct inspect *inspect;
	size_t device;
	const char *relation;
};

/* A device below, or in the same group, that has a driver. */
static int add_if_driven(void *ctx, const char *dir, const char *entry)
{
	struct around *a = ctx;
	char path[PATH_MAX], driver[INSPECT_NAME];

	snprintf(path, sizeof(path), "%s/%s", dir, entry);
	if (!strcmp(entry, "subsystem") || !strcmp(entry, "firmware_node") ||
	    !strcmp(entry, a->inspect->devices[a->device].name) ||
	    !link_below(path, "driver", driver, sizeof(driver)))
		return 0;
	return add_neighbour(a->inspect, a->device, a->relation, entry, driver);
}

static int read_neighbours(struct inspect *i, size_t device)
{
	const struct inspect_device *d = &i->devices[device];
	char path[PATH_MAX], at[PATH_MAX], driver[INSPECT_NAME], *slash;
	struct around a = {i, device, "below"};
	int err = 0;

	snprintf(path, sizeof(path), SYS "%s", d->path);
	if (d->driver[0])
		err = each_entry(path, add_if_driven, &a);
	slash = strrchr(path, '/');
	*slash = '\0';
	if (err != -ENOMEM && d->driver[0] && driver_above(path, driver, sizeof(driver), at))
		err = add_neighbour(i, device, "above", strrchr(at, '/') + 1, driver);
	if (err == -ENOMEM || !d->group[0])
		return err == -ENOMEM ? err : 0;
	a.relation = "same group";
	snprintf(path, sizeof(path), SYS "/kernel/iommu_groups/%s/devices", d->group);
	err = each_entry(path, add_if_driven, &a);
	return err == -ENOMEM ? err : 0;
}

/* ---- all ---------------------------------------------------------------------------------- */

int devices_read(struct inspect *i, const struct devices_drivers *drivers)
{
	struct nodes n = {i, drivers, false};
	char path[192];
	int err = 0;

	for (size_t k = 0; k < drivers->nr && err != -ENOMEM; k++) {
		snprintf(path, sizeof(path), SYS "/bus/%s/drivers/%s", drivers->list[k].bus,
			 drivers->list[k].name);
		err = each_entry(path, add_bound, i);
	}
	if (err != -ENOMEM)
		err = each_entry(SYS "/dev/char", add_node, &n);
	n.block = true;
	if (err != -ENOMEM)
		err = each_entry(SYS "/dev/block", add_node, &n);
	if (err && err != -ENOMEM)
		inspect_gap(i, "devices", "sysfs cannot be read: %s", strerror(-err));
	if (i->identity.kind == INSPECT_BUILT_IN && !drivers->nr)
		inspect_gap(i, "devices", "sysfs links no driver to this built-in module");
	for (size_t k = 0; k < i->nr_devices && err != -ENOMEM; k++)
		err = read_neighbours(i, k);
	return err == -ENOMEM ? err : 0;
}
