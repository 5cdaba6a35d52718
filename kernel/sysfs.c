// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PROC_PID_INIT_INO 0xEFFFFFFCU /* include/linux/proc_ns.h: the first PID namespace */
#define DEP_MAX		  (8 << 20)   /* bytes of modules.dep: distributions have under 1 MiB */

char *sysfs_slurp(const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t room = 4096, len = 0;
	char *text = fd < 0 ? NULL : malloc(room);

	while (text && len < max) {
		ssize_t n;

		if (len + 1 >= room) {
			char *more = realloc(text, room * 2);

			if (!more)
				break;
			text = more;
			room *= 2;
		}
		n = read(fd, text + len, max - len < room - len - 1 ? max - len : room - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (text)
		text[len] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

bool sysfs_line(const char *path, char *out, size_t size)
{
	char *text = sysfs_slurp(path, size);

	out[0] = '\0';
	if (!text)
		return false;
	snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return true;
}

bool sysfs_link(const char *path, char *out, size_t size)
{
	char to[512], *slash;
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	out[0] = '\0';
	if (n <= 0)
		return false;
	to[n] = '\0';
	slash = strrchr(to, '/');
	snprintf(out, size, "%.*s", (int)size - 1, slash ? slash + 1 : to);
	return true;
}

static void module_line(const char *name, const char *what, char *out, size_t size)
{
	char path[192];

	snprintf(path, sizeof(path), "/sys/module/%s/%s", name, what);
	sysfs_line(path, out, size);
}

/* Module names have _ where file names may have -. */
static bool is_module_file(const char *file, size_t len, const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (i >= len || (file[i] != name[i] && !(file[i] == '-' && name[i] == '_')))
			return false;
	return len > i + 2 && !strncmp(file + i, ".ko", 3);
}

/* The entry of a list of files, modules.dep or modules.builtin, that is the module's. */
static bool find_listed(const char *list, const char *name, char *out, size_t size)
{
	struct utsname u;
	char path[192];
	char *text;

	out[0] = '\0';
	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%.64s/%s", u.release, list);
	text = sysfs_slurp(path, DEP_MAX);
	for (char *line = text; line && *line; line = strchr(line, '\n') + 1) {
		size_t len = strcspn(line, ":\n");
		char *slash = memrchr(line, '/', len);
		char *file = slash ? slash + 1 : line;

		if (is_module_file(file, len - (size_t)(file - line), name)) {
			snprintf(out, size, "/lib/modules/%.64s/%.*s", u.release, (int)len, line);
			break;
		}
		if (!strchr(line, '\n'))
			break;
	}
	free(text);
	return out[0];
}

bool sysfs_module_file(const char *name, char *out, size_t size)
{
	return find_listed("modules.dep", name, out, size);
}

bool sysfs_is_built_in(const char *name)
{
	char path[256];

	return find_listed("modules.builtin", name, path, sizeof(path));
}

void sysfs_module_loaded(const char *name, struct snap_driver *out)
{
	module_line(name, "version", out->version, sizeof(out->version));
	module_line(name, "srcversion", out->srcversion, sizeof(out->srcversion));
	module_line(name, "taint", out->taint, sizeof(out->taint));
	out->path[0] = '\0';
}

void sysfs_module(const char *name, struct snap_driver *out)
{
	sysfs_module_loaded(name, out);
	sysfs_module_file(name, out->path, sizeof(out->path));
	if (strchr(out->taint, 'O')) /* loaded from elsewhere: a file of that name is another one */
		out->path[0] = '\0';
}

void sysfs_device(uint32_t rdev, bool block, char *node, size_t node_size, char *driver,
		  size_t driver_size)
{
	char path[96], *text, *name;

	node[0] = driver[0] = '\0';
	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", block ? "block" : "char",
		 rdev >> 20, rdev & 0xfffff);
	text = sysfs_slurp(path, 4096);
	name = text ? strstr(text, "DEVNAME=") : NULL;
	if (name)
		snprintf(node, node_size, "%.*s", (int)strcspn(name + 8, "\n"), name + 8);
	free(text);
	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/device/driver", block ? "block" : "char",
		 rdev >> 20, rdev & 0xfffff);
	sysfs_link(path, driver, driver_size);
}

bool sysfs_process_lives(uint32_t tgid, uint64_t start_ns)
{
	long threads = 0;
	unsigned long long ticks = 0,
			   want = start_ns / (1000000000ULL / (unsigned)sysconf(_SC_CLK_TCK));
	char path[64], state = 'X', *text, *at;

	snprintf(path, sizeof(path), "/proc/%u/stat", tgid);
	text = sysfs_slurp(path, 2048);
	at = text ? strrchr(text, ')') : NULL; /* the name before may hold anything */
	if (!text && errno != ENOENT && errno != ESRCH)
		return true; /* not known: nobody is buried on a failure of ours */
	/* field 3 is the state, field 20 the number of threads, field 22 the start */
	if (at)
		sscanf(at + 1,
		       " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld "
		       "%*s %llu",
		       &state, &threads, &ticks);
	free(text);
	/* A leader that has ended is a zombie for as long as its other threads run. */
	if (state == 'X' || state == 'x' || (state == 'Z' && threads <= 1))
		return false;
	return ticks + 1 >= want && ticks <= want + 1;
}

bool sysfs_sees_all_processes(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == PROC_PID_INIT_INO;
}
