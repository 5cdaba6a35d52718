// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "barrier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "barrier.skel.h"
#include "btfq.h"
#include "kept.h"
#include "sysfs.h"

struct barrier {
	struct barrier_bpf *skel;
	enum barrier_way way;
};

static const struct {
	const char *program, *function;
	enum barrier_way way;
} programs[] = {
	{"lsm_ioctl", "bpf_lsm_file_ioctl", BARRIER_LSM},
	{"lsm_ioctl_compat", "bpf_lsm_file_ioctl_compat", BARRIER_LSM},
	{"lsm_write", "bpf_lsm_file_permission", BARRIER_LSM},
	{"lsm_mmap", "bpf_lsm_mmap_file", BARRIER_LSM},
	{"modify_ioctl", "security_file_ioctl", BARRIER_MODIFY},
	{"modify_ioctl_compat", "security_file_ioctl_compat", BARRIER_MODIFY},
	{"modify_write", "security_file_permission", BARRIER_MODIFY},
	{"modify_mmap", "security_mmap_file", BARRIER_MODIFY},
};
#define PROGRAMS (sizeof(programs) / sizeof(*programs))

const char *barrier_way_name(enum barrier_way w)
{
	static const char *const names[] = {"lsm", "modify"};

	return names[w];
}

static int fail(char why[BARRIER_WHY], int err, const char *what)
{
	snprintf(why, BARRIER_WHY, "%s: %s", what, strerror(-err));
	return err;
}

/* ---- loading -------------------------------------------------------------------------- */

/* A kernel without a function has no such calls, but for the one of 32-bit programs: see below. */
static int choose(struct barrier *b, enum barrier_way way, char why[BARRIER_WHY])
{
	struct btf *btf;
	int err = btfq_open(NULL, &btf);

	if (err)
		return fail(why, err, "the kernel's BTF");
	for (size_t i = 0; i < PROGRAMS && !err; i++) {
		bool there = btfq_function(btf, programs[i].function);
		struct bpf_program *p =
			bpf_object__find_program_by_name(b->skel->obj, programs[i].program);

		bpf_program__set_autoload(p, programs[i].way == way && there);
		/* Before it was there, file_ioctl() was asked for 32-bit programs too. */
		if (programs[i].way == way && !there && !strstr(programs[i].program, "compat"))
			err = fail(why, -ENOTSUP, programs[i].function);
	}
	btf__free(btf);
	return err;
}

static int share_count(struct barrier *b, const struct tracker *t)
{
	struct quota_maps of;
	int err;

	if (!t)
		return 0;
	of = tracker_quota_maps(t);
	err = bpf_map__reuse_fd(b->skel->maps.quotas, of.quotas);
	if (!err)
		err = bpf_map__reuse_fd(b->skel->maps.crossings, of.crossings);
	if (!err)
		err = bpf_map__reuse_fd(b->skel->maps.visits, of.visits);
	if (!err)
		err = bpf_map__reuse_fd(b->skel->maps.pages, of.pages);
	if (!err)
		err = bpf_map__reuse_fd(b->skel->maps.shares, of.shares);
	return err ? err : bpf_map__reuse_fd(b->skel->maps.habits, of.habits);
}

static int put_all(const struct bpf_map *map, const void *keys, size_t size, size_t nr)
{
	uint8_t one = 1;

	for (size_t i = 0; i < nr; i++)
		if (bpf_map_update_elem(bpf_map__fd(map), (const char *)keys + i * size, &one,
					BPF_ANY))
			return -errno;
	return 0;
}

static int put_orders(struct barrier *b, const struct barrier_exempt *e)
{
	for (size_t i = 0; i < e->nr_ioctls; i++)
		if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.ioctls), &e->ioctls[i].command,
					&e->ioctls[i].order, BPF_ANY))
			return -errno;
	return 0;
}

static int put_exempt(struct barrier *b, const struct barrier_exempt *e, char why[BARRIER_WHY])
{
	int err = put_all(b->skel->maps.pids, e->pids, sizeof(*e->pids), e->nr_pids);

	if (!err)
		err = put_all(b->skel->maps.commands, e->commands, sizeof(*e->commands),
			      e->nr_commands);
	if (!err)
		err = put_orders(b, e);
	for (uint32_t i = 0; i < e->nr_cgroups && !err; i++)
		if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.cgroups), &i, &e->cgroups[i],
					BPF_ANY))
			err = -errno;
	return err ? fail(why, err, "what is exempt") : 0;
}

/* ---- does it refuse? ------------------------------------------------------------------ */

/* Calls that are made by nobody but us while we look, on devices that everybody has. */
static bool is_refused(int fd, int zero)
{
	struct termios unused;
	void *at;

	if (!ioctl(fd, TCGETS, &unused) || errno != ENOMEM)
		return false;
	if (write(fd, "", 1) >= 0 || errno != ENOMEM)
		return false;
	at = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, zero, 0);
	if (at == MAP_FAILED)
		return errno == ENOMEM;
	munmap(at, 1);
	return false;
}

static int fire(struct barrier *b, enum barrier_way way, char why[BARRIER_WHY])
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC),
	    zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int err = fd < 0 || zero < 0 ? -errno : 0;
	char modules[160];

	b->skel->bss->trial = (uint32_t)getpid();
	if (!err && !is_refused(fd, zero))
		err = -ENOTSUP;
	b->skel->bss->trial = 0;
	if (fd >= 0)
		close(fd);
	if (zero >= 0)
		close(zero);
	if (err != -ENOTSUP)
		return err ? fail(why, err, "/dev/null") : 0;
	sysfs_line("/sys/kernel/security/lsm", modules, sizeof(modules));
	if (way == BARRIER_LSM)
		snprintf(why, BARRIER_WHY,
			 "the kernel does not ask BPF programs: bpf is not in its lsm= (%s)",
			 modules[0] ? modules : "not shown: securityfs is not mounted");
	else
		snprintf(why, BARRIER_WHY, "the programs are attached and calls are not refused");
	return err;
}

/* ---- life ----------------------------------------------------------------------------- */

static int load(struct barrier *b, enum barrier_way way, const struct tracker *t,
		const struct barrier_exempt *exempt, char why[BARRIER_WHY])
{
	int err = choose(b, way, why);

	if (err)
		return err;
	b->skel->rodata->nr_cgroups = (uint32_t)exempt->nr_cgroups;
	b->skel->rodata->writes_allowed = exempt->writes;
	if (t)
		b->skel->rodata->layout = tracker_plan(t)->layout;
	err = share_count(b, t);
	if (!err)
		err = barrier_bpf__load(b->skel);
	if (err)
		return fail(why, err, "the kernel refuses the programs");
	b->skel->bss->own_pid = (uint32_t)getpid();
	err = put_exempt(b, exempt, why);
	if (err)
		return err;
	err = barrier_bpf__attach(b->skel);
	if (err)
		return fail(why, err, "the programs cannot be attached");
	return fire(b, way, why);
}

int barrier_open(enum barrier_way way, const struct tracker *t, const struct barrier_exempt *exempt,
		 struct barrier **out, char why[BARRIER_WHY])
{
	struct barrier *b = calloc(1, sizeof(*b));
	int err = -ENOMEM;

	why[0] = '\0';
	if (b)
		*b = (struct barrier){.way = way, .skel = barrier_bpf__open()};
	if (!b || !b->skel)
		err = fail(why, b ? -errno : -ENOMEM, "the programs cannot be opened");
	else
		err = load(b, way, t, exempt, why);
	if (err) {
		barrier_close(b);
		return err;
	}
	*out = b;
	return 0;
}

void barrier_close(struct barrier *b)
{
	if (!b)
		return;
	barrier_bpf__destroy(b->skel);
	free(b);
}

enum barrier_way barrier_way(const struct barrier *b)
{
	return b->way;
}

int barrier_keep(struct barrier *b, const char *dir)
{
	const struct bpf_object_skeleton *s = b->skel->skeleton;
	int err = 0;

	b->skel->bss->own_pid = 0;
	for (int i = 0; i < s->prog_cnt && !err; i++) {
		struct bpf_link *link = *s->progs[i].link;

		if (link && link != b->skel->links.limiter_exits)
			err = kept_link(dir, s->progs[i].name, link);
	}
	return err;
}

int barrier_try(enum barrier_way way, char why[BARRIER_WHY])
{
	static const struct barrier_exempt nothing;
	struct barrier *b;
	int err = barrier_open(way, NULL, &nothing, &b, why);

	if (!err)
		barrier_close(b);
	return err;
}
