// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "running.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/record.h"
#include "pinleak.skel.h"

#define MAPS_MAX      32   /* of one program */
#define CONSTANTS_MAX 8192 /* bytes */

/* The names of a program's maps; BPF_OBJ_NAME_LEN cuts "pinleak_bpf.rodata". */
#define SWEEP  "sweep"
#define RODATA "pinleak_.rodata"

static int program_maps(uint32_t id, char *name, uint32_t *maps, uint32_t *nr)
{
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)maps};
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	close(fd);
	memcpy(name, info.name, sizeof(info.name));
	*nr = info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX;
	return err;
}

/* A descriptor of the map, or -errno. */
static int open_map(uint32_t id, struct bpf_map_info *info)
{
	uint32_t size = sizeof(*info);
	int fd = bpf_map_get_fd_by_id(id);

	*info = (struct bpf_map_info){0};
	if (fd < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(fd, info, &size))
		return fd;
	close(fd);
	return -EIO;
}

/* The constants of a loading: all its programs share this map, and nobody else's do. 0: none. */
static uint32_t constants_of(uint32_t sweep)
{
	uint32_t maps[MAPS_MAX], nr;
	struct bpf_map_info info;
	char name[BPF_OBJ_NAME_LEN];

	if (program_maps(sweep, name, maps, &nr) || strcmp(name, SWEEP) != 0)
		return 0;
	for (uint32_t i = 0; i < nr; i++) {
		int fd = open_map(maps[i], &info);

		if (fd < 0)
			continue;
		close(fd);
		if (!strcmp(info.name, RODATA))
			return maps[i];
	}
	return 0;
}

/* The process, and whether it is plain references that it tracks here. */
static int read_constants(uint32_t rodata, uint32_t *pid, bool *plain)
{
	struct bpf_map_info info;
	char value[CONSTANTS_MAX];
	int fd = open_map(rodata, &info), err;
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (info.value_size > sizeof(value) ||
	    info.value_size <= offsetof(struct pinleak_bpf__rodata, plain))
		err = -EPROTO;
	else
		err = bpf_map_lookup_elem(fd, &zero, value) ? -errno : 0;
	close(fd);
	if (err)
		return err;
	memcpy(pid, value + offsetof(struct pinleak_bpf__rodata, own_tgid), sizeof(*pid));
	*plain = value[offsetof(struct pinleak_bpf__rodata, plain)];
	return 0;
}

/* Keeps the map's descriptor when it is one that is asked for. */
static int take_map(uint32_t id, struct running_map *maps, size_t nr)
{
	struct bpf_map_info info;
	int fd = open_map(id, &info);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < nr; i++) {
		if (maps[i].fd >= 0 || strcmp(info.name, maps[i].name) != 0)
			continue;
		if (info.key_size != maps[i].key || info.value_size != maps[i].value) {
			close(fd);
			return -EPROTO;
		}
		maps[i].fd = fd;
		return 0;
	}
	close(fd);
	return 0;
}

static void drop_maps(struct running_map *maps, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (maps[i].fd >= 0)
			close(maps[i].fd);
		maps[i].fd = -1;
	}
}

/* -ENOENT when some are not there: it is just being loaded, or goes. */
static int take_maps(uint32_t rodata, struct running_map *maps, size_t nr)
{
	uint32_t id = 0, ids[MAPS_MAX], n;
	char name[BPF_OBJ_NAME_LEN];
	int err = 0;

	while (!err && !bpf_prog_get_next_id(id, &id)) {
		bool ours = false;

		if (program_maps(id, name, ids, &n))
			continue;
		for (uint32_t i = 0; i < n; i++)
			ours |= ids[i] == rodata;
		for (uint32_t i = 0; ours && i < n && !err; i++)
			err = take_map(ids[i], maps, nr);
	}
	for (size_t i = 0; i < nr && !err; i++)
		err = maps[i].fd < 0 ? -ENOENT : 0;
	if (err)
		drop_maps(maps, nr);
	return err;
}

static int take_loading(uint32_t sweep, struct running_map *maps, size_t nr, uint32_t *pid)
{
	uint32_t rodata = constants_of(sweep);
	bool plain;
	int err = rodata ? read_constants(rodata, pid, &plain) : -ENOENT;

	if (!err && plain)
		err = -ENOENT; /* its records are not of pins */
	return err ? err : take_maps(rodata, maps, nr);
}

int running_find(struct running_map *maps, size_t nr, uint32_t *pid)
{
	uint32_t id = 0;
	int err, why = -ENOENT;

	for (size_t i = 0; i < nr; i++)
		maps[i].fd = -1;
	while (!bpf_prog_get_next_id(id, &id)) {
		err = take_loading(id, maps, nr, pid);
		if (!err)
			return 0;
		why = err == -ENOENT ? why : err;
	}
	return errno == ENOENT ? why : -errno;
}
