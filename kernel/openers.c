// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "openers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/grow.h"
#include "../core/procfs.h"
#include "sysfs.h"

#define CGROUPS	  "/sys/fs/cgroup"
#define SMALL	  8192 /* bytes of a file of /proc/PID */
#define DMA_LIMIT "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

/* ---- limits ----------------------------------------------------------------------------- */

static int add_limit(struct inspect *i, const struct inspect_limit *l)
{
	int err = grow((void **)&i->limits, &i->room_limits, i->nr_limits, sizeof(*l));

	if (!err)
		i->limits[i->nr_limits++] = *l;
	return err;
}

/* A process locks by one of its two accounts, and drivers differ in which one they go by. */
static int add_memlock(struct inspect *i, const struct inspect_process *p)
{
	struct inspect_limit l = {.kind = LIMITED_BY_MEMLOCK,
				  .pid = p->pid,
				  .used = p->pinned,
				  .allowed = p->memlock_soft,
				  .applies = !p->exempt};

	if (p->locked != INSPECT_UNKNOWN && (l.used == INSPECT_UNKNOWN || p->locked > p->pinned))
		l.used = p->locked;
	snprintf(l.where, sizeof(l.where), "%s", p->comm);
	return add_limit(i, &l);
}

static uint64_t read_bytes(const char *group, const char *file)
{
	char path[512], line[32];

	snprintf(path, sizeof(path), CGROUPS "%s/%s", group, file);
	if (!sysfs_line(path, line, sizeof(line)))
		return INSPECT_UNKNOWN;
	if (!strcmp(line, "max"))
		return INSPECT_UNLIMITED;
	return isdigit((unsigned char)line[0]) ? strtoull(line, NULL, 10) : INSPECT_UNKNOWN;
}

static bool is_known_group(const struct inspect *i, const char *group)
{
	for (size_t n = 0; n < i->nr_limits; n++)
		if (i->limits[n].kind != LIMITED_BY_MEMLOCK && !strcmp(i->limits[n].where, group))
			return true;
	return false;
}

/* The root has no such files: it cannot be limited. */
static int add_group(struct inspect *i, const char *group)
{
	static const struct {
		enum inspect_limit_kind kind;
		const char *file;
	} files[] = {{LIMITED_BY_CGROUP_MAX, "memory.max"},
		     {LIMITED_BY_CGROUP_HIGH, "memory.high"}};
	struct inspect_limit l = {.used = read_bytes(group, "memory.current"), .applies = true};
	int err = 0;

	snprintf(l.where, sizeof(l.where), "%s", group);
	for (size_t k = 0; k < 2 && !err; k++) {
		l.kind = files[k].kind;
		l.allowed = read_bytes(group, files[k].file);
		if (l.allowed != INSPECT_UNKNOWN)
			err = add_limit(i, &l);
	}
	return err;
}

/* All groups on the way up bind. */
static int add_groups(struct inspect *i, const char *cgroup)
{
	char group[sizeof(((struct inspect_process *)NULL)->cgroup)], *slash;
	int err = 0;

	snprintf(group, sizeof(group), "%s", cgroup);
	while (!err && (slash = strrchr(group, '/')) && slash[1]) {
		if (!is_known_group(i, group))
			err = add_group(i, group);
		*slash = '\0';
	}
	return err;
}

/* How many mappings a container has is not shown by the kernel. */
static int add_dma_limit(struct inspect *i)
{
	struct inspect_limit l = {.kind = LIMITED_BY_DMA_ENTRIES, .used = INSPECT_UNKNOWN};
	char line[32];

	if (!sysfs_line(DMA_LIMIT, line, sizeof(line)))
		return 0;
	l.allowed = strtoull(line, NULL, 10);
	l.applies = !strncmp(i->driver, "vfio", 4);
	return add_limit(i, &l);
}

/* ---- processes -------------------------------------------------------------------------- */

static char *slurp_of(uint32_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, file);
	return sysfs_slurp(path, SMALL);
}

/* Who has ended meanwhile leaves what cannot be read unknown. */
static void describe(struct inspect_process *p)
{
	char *status = slurp_of(p->pid, "status"), *limits = slurp_of(p->pid, "limits");
	char *cgroup = slurp_of(p->pid, "cgroup"), *comm = slurp_of(p->pid, "comm");

	inspect_status(status ? status : "", p);
	inspect_limits(limits ? limits : "", p);
	procfs_cgroup(cgroup ? cgroup : "", p->cgroup, sizeof(p->cgroup));
	if (comm)
		snprintf(p->comm, sizeof(p->comm), "%.*s", (int)strcspn(comm, "\n"), comm);
	free(status);
	free(limits);
	free(cgroup);
	free(comm);
}

static const char *node_of(const struct inspect *i, const struct statx *st)
{
	bool block = S_ISBLK(st->stx_mode);
	uint32_t rdev = st->stx_rdev_major << 20 | st->stx_rdev_minor;

	if (!block && !S_ISCHR(st->stx_mode))
		return NULL;
	for (size_t n = 0; n < i->nr_devices; n++)
		if (i->devices[n].rdev[block] == rdev)
			return i->devices[n].node[block];
	return NULL;
}

/* *seen: its descriptors could be looked at. */
static int look_at_process(struct inspect *i, uint32_t pid, bool *seen)
{
	struct inspect_process p = {.pid = pid};
	char path[64];
	struct dirent *d;
	struct statx st;
	DIR *dir;
	int err;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	dir = opendir(path);
	*seen = dir || errno != EACCES;
	while (dir && (d = readdir(dir))) {
		/* a server that does not answer is not waited for: what is known of a file will do
		 */
		bool known = !statx(dirfd(dir), d->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &st);
		const char *node = known ? node_of(i, &st) : NULL;

		if (node && !p.files++)
			snprintf(p.node, sizeof(p.node), "%s", node);
	}
	if (dir)
		closedir(dir);
	if (!p.files)
		return 0;
	describe(&p);
	err = grow((void **)&i->processes, &i->room_processes, i->nr_processes, sizeof(p));
	if (err)
		return err;
	i->processes[i->nr_processes++] = p;
	err = add_memlock(i, &p);
	return err ? err : add_groups(i, p.cgroup);
}

static bool has_nodes(const struct inspect *i)
{
	for (size_t n = 0; n < i->nr_devices; n++)
		if (i->devices[n].rdev[0] || i->devices[n].rdev[1])
			return true;
	return false;
}

int openers_read(struct inspect *i)
{
	DIR *proc = has_nodes(i) ? opendir("/proc") : NULL;
	unsigned hidden = 0;
	struct dirent *d;
	int err = add_dma_limit(i);

	while (proc && !err && (d = readdir(proc))) {
		bool seen;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		err = look_at_process(i, (uint32_t)strtoul(d->d_name, NULL, 10), &seen);
		hidden += !seen;
	}
	if (proc)
		closedir(proc);
	if (hidden)
		inspect_gap(i, "processes", "the open files of %u processes are hidden from us",
			    hidden);
	if (i->nr_processes && access(CGROUPS "/cgroup.controllers", F_OK))
		inspect_gap(i, "limits", "no unified control groups are at " CGROUPS);
	return err;
}
