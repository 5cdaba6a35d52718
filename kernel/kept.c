// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "kept.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "barrier.h"
#include "clock.h"
#include "programs.h"
#include "tracker.h"

#define QUOTAS "quotas" /* the map with the count */

static void path_of(const char *driver, char dir[KEPT_PATH])
{
	snprintf(dir, KEPT_PATH, KEPT_ROOT "/%s", driver);
}

/* ---- keeping -------------------------------------------------------------------------- */

bool kept_possible(void)
{
	struct statfs fs;

	return !statfs(KEPT_FS, &fs) && fs.f_type == BPF_FS_MAGIC;
}

int kept_check(const char *driver)
{
	char dir[KEPT_PATH];

	if (!kept_possible())
		return -ENOTSUP;
	path_of(driver, dir);
	return access(dir, F_OK) ? 0 : -EEXIST;
}

int kept_link(const char *dir, const char *name, struct bpf_link *link)
{
	char path[KEPT_PATH + 64];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	err = bpf_link__pin(link, path);
	if (!err)
		bpf_link__disconnect(link); /* a probe's would be switched off, pinned or not */
	return err;
}

static int create(const char *driver, char dir[KEPT_PATH])
{
	int err = kept_check(driver);

	if (err)
		return err;
	path_of(driver, dir);
	if (mkdir(KEPT_ROOT, 0700) && errno != EEXIST)
		return -errno;
	return mkdir(dir, 0700) ? -errno : 0;
}

static int pin_count(const struct tracker *t, const char *dir)
{
	char path[KEPT_PATH + 64];

	snprintf(path, sizeof(path), "%s/" QUOTAS, dir);
	return bpf_obj_pin(tracker_quota_maps(t).quotas, path) ? -errno : 0;
}

int kept_keep(const char *driver, struct tracker *t, struct barrier *b)
{
	struct pl_quota *q = tracker_quota(t);
	char dir[KEPT_PATH];
	int err = create(driver, dir);

	if (err)
		return err;
	err = pin_count(t, dir);
	if (!err)
		err = tracker_keep(t, dir);
	if (!err)
		err = barrier_keep(b, dir);
	if (err) {
		kept_remove(driver);
		return err;
	}
	q->began_ns = q->alive_ns = clock_now_ns();
	q->way = barrier_way(b);
	/* Last: until then nobody is refused for long if we are killed. */
	__atomic_store_n(&q->kept, 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- what is kept --------------------------------------------------------------------- */

/* The descriptor of the map with the count. -EPROTO: it is another pinleak's. */
static int open_count(const char *dir)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	char path[KEPT_PATH + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/" QUOTAS, dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.value_size == sizeof(struct pl_quota))
		return fd;
	close(fd);
	return -EPROTO;
}

static int read_one(const char *driver, struct quota_kept *out)
{
	uint32_t zero = 0;
	char dir[KEPT_PATH];
	int fd, err;

	*out = (struct quota_kept){.now_ns = clock_now_ns()};
	snprintf(out->driver, sizeof(out->driver), "%s", driver);
	path_of(driver, dir);
	programs_sweep_kept(dir); /* what nobody looked after: the count, and records of no use */
	fd = open_count(dir);
	if (fd == -ENOENT)
		return 0; /* whoever wanted to keep it was ended meanwhile */
	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &zero, &out->quota) ? -errno : 0;
	if (!err && out->quota.way >= BARRIER_WAYS)
		err = -EPROTO;
	close(fd);
	return err;
}

int kept_each(int (*take)(void *ctx, const struct quota_kept *k), void *ctx)
{
	DIR *root = opendir(KEPT_ROOT);
	struct dirent *entry;
	int err = 0;

	if (!root)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(root))) {
		struct quota_kept k;
		char name[PL_MODNAME];

		if (quota_name(entry->d_name, strlen(entry->d_name), name))
			continue;
		err = read_one(name, &k);
		if (!err)
			err = take(ctx, &k);
	}
	closedir(root);
	return err;
}

/* ---- the end -------------------------------------------------------------------------- */

/* The programs go one after the other, and some time later: they are to refuse nobody by then. */
static void stop_refusing(const char *dir)
{
	struct pl_quota q;
	uint32_t zero = 0;
	int fd = open_count(dir);

	if (fd < 0)
		return;
	if (!bpf_map_lookup_elem(fd, &zero, &q)) {
		q.limit = INT64_MAX;
		bpf_map_update_elem(fd, &zero, &q, BPF_ANY);
	}
	close(fd);
}

int kept_remove(const char *driver)
{
	char dir[KEPT_PATH], path[KEPT_PATH + 256];
	struct dirent *entry;
	DIR *d;
	int err = 0;

	path_of(driver, dir);
	stop_refusing(dir);
	d = opendir(dir);
	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (unlink(path))
			err = -errno;
	}
	closedir(d);
	if (!err && rmdir(dir))
		err = -errno;
	rmdir(KEPT_ROOT); /* when it was the last */
	return err;
}
