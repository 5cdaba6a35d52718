// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "running.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
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
#define BSS    "pinleak_.bss"

static int program_maps(uint32_t id, char *name, uint32_t *maps, uint32_t *nr)
{
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)maps};
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	close(fd);
	if (!err && info.created_by_uid)
		err = -EPERM; /* whoever it is, what he says is not to be relied on */
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

/* The map of that name among a program's maps, 0: none. */
static uint32_t find_map(const char *name, const uint32_t *maps, uint32_t nr)
{
	struct bpf_map_info info;

	for (uint32_t i = 0; i < nr; i++) {
		int fd = open_map(maps[i], &info);

		if (fd < 0)
			continue;
		close(fd);
		if (!strcmp(info.name, name))
			return maps[i];
	}
	return 0;
}

/* What all programs of one loading share, and nobody else's do. */
struct loading {
	uint32_t rodata, bss; /* maps: the constants, the variables */
};

/* Goes on behind program *id. -ENOENT: no more. */
static int next_loading(uint32_t *id, struct loading *out)
{
	uint32_t maps[MAPS_MAX], nr;
	char name[BPF_OBJ_NAME_LEN];

	while (!bpf_prog_get_next_id(*id, id)) {
		if (program_maps(*id, name, maps, &nr) || strcmp(name, SWEEP) != 0)
			continue;
		out->rodata = find_map(RODATA, maps, nr);
		out->bss = find_map(BSS, maps, nr);
		if (out->rodata && out->bss)
			return 0;
	}
	return -errno;
}

/* Whose programs they are. -ENOENT: they track plain references. */
static int read_constants(uint32_t rodata, uint32_t *pid)
{
	struct bpf_map_info info;
	struct pinleak_bpf__rodata *ro;
	char value[CONSTANTS_MAX];
	int fd = open_map(rodata, &info), err;
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (info.value_size > sizeof(value) || info.value_size < offsetof(__typeof__(*ro), plain))
		err = -EPROTO;
	else
		err = bpf_map_lookup_elem(fd, &zero, value) ? -errno : 0;
	close(fd);
	if (err)
		return err;
	memcpy(pid, value + offsetof(__typeof__(*ro), own_tgid), sizeof(*pid));
	return value[offsetof(__typeof__(*ro), plain)] ? -ENOENT : 0;
}

/*
 * -ENOENT: nobody tracks with them, they are only there for when they are wanted, or count for a
 * limit that is kept.
 */
static int check_armed(uint32_t id)
{
	const struct pinleak_bpf__bss *bss = MAP_FAILED;
	struct bpf_map_info info;
	int fd = open_map(id, &info), err = -EPROTO;

	if (fd < 0)
		return fd;
	if (info.value_size >= sizeof(*bss)) {
		bss = mmap(NULL, sizeof(*bss), PROT_READ, MAP_SHARED, fd, 0);
		err = bss == MAP_FAILED ? -errno : bss->armed && !bss->kept ? 0 : -ENOENT;
	}
	close(fd);
	if (bss != MAP_FAILED)
		munmap((void *)bss, sizeof(*bss));
	return err;
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

int running_find(struct running_map *maps, size_t nr, uint32_t *pid)
{
	struct loading found = {0};
	uint32_t id = 0;
	int err, other = -ENOENT;

	for (size_t i = 0; i < nr; i++)
		maps[i].fd = -1;
	while (!(err = next_loading(&id, &found))) {
		err = read_constants(found.rodata, pid);
		if (!err)
			err = check_armed(found.bss);
		if (!err)
			err = take_maps(found.rodata, maps, nr);
		if (!err)
			return 0;
		if (err != -ENOENT)
			other = err;
	}
	*pid = 0;
	return err == -ENOENT ? other : err;
}
