// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAMAGED ".damaged-"

static int join(const char *a, const char *b, char *out)
{
	return snprintf(out, PATH_MAX, "%s%s", a, b) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* A name that is not taken. */
static int name_it(const char *path, char *aside)
{
	char suffix[64], tried[64];
	time_t now = time(NULL);
	struct tm tm;
	int err;

	gmtime_r(&now, &tm);
	strftime(suffix, sizeof(suffix), DAMAGED "%Y%m%dT%H%M%SZ", &tm);
	err = join(path, suffix, aside);
	for (int i = 2; !err && !access(aside, F_OK); i++) {
		snprintf(tried, sizeof(tried), "%.40s-%d", suffix, i);
		err = join(path, tried, aside);
	}
	return err;
}

/* ---- how many ------------------------------------------------------------------------- */

/* The log of a damaged file, and what sqlite3 makes of it, go when it goes. */
static bool is_companion(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && (!strcmp(name + len - 4, "-wal") || !strcmp(name + len - 4, "-shm"));
}

/* Looks for those beside the last one; how many, and the smallest. */
static int count(int dir, const char *base, const char *last, char *smallest)
{
	DIR *d = fdopendir(dup(dir));
	size_t len = strlen(base);
	const struct dirent *e;
	off_t least = 0;
	struct stat st;
	int nr = 0;

	if (!d)
		return 0;
	rewinddir(d);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, base, len) != 0 ||
		    strncmp(e->d_name + len, DAMAGED, strlen(DAMAGED)) != 0 ||
		    is_companion(e->d_name) || !strcmp(e->d_name, last) ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (!nr++ || st.st_size < least) {
			least = st.st_size;
			snprintf(smallest, NAME_MAX + 1, "%s", e->d_name);
		}
	}
	closedir(d);
	return nr;
}

static bool take_away(int dir, const char *name)
{
	static const char *const companions[] = {"-wal", "-shm"};
	char companion[NAME_MAX + 5];

	for (size_t i = 0; i < sizeof(companions) / sizeof(*companions); i++) {
		snprintf(companion, sizeof(companion), "%s%s", name, companions[i]);
		unlinkat(dir, companion, 0);
	}
	return !unlinkat(dir, name, 0);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void bound(const char *path, const char *aside)
{
	const char *base = base_of(path);
	char directory[PATH_MAX], smallest[NAME_MAX + 1];
	int dir;

	snprintf(directory, sizeof(directory), "%.*s.", (int)(base - path), path);
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	while (count(dir, base, base_of(aside), smallest) >= ASIDE_MOST && take_away(dir, smallest))
		;
	close(dir);
}

/* ---- all of it ------------------------------------------------------------------------ */

int aside_move(const char *path, char *aside)
{
	char log[PATH_MAX], moved[PATH_MAX];
	int err = name_it(path, aside);

	if (err)
		return err;
	if (rename(path, aside))
		return -errno;
	/* sqlite3 finds the log there under the new name. */
	if (!join(path, "-wal", log) && !join(aside, "-wal", moved))
		rename(log, moved);
	if (!join(path, "-shm", log))
		unlink(log);
	bound(path, aside);
	return 0;
}
