// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "procfs.h"

#include <stdio.h>
#include <string.h>

#define PRESENT	   (1ULL << 63)
#define FRAME_MASK ((1ULL << 55) - 1)

bool procfs_frame(uint64_t entry, uint64_t *pfn)
{
	*pfn = entry & PRESENT ? entry & FRAME_MASK : 0;
	return *pfn != 0;
}

/* ---- cgroup ----------------------------------------------------------------------------- */

/* Is the controller one of "cpu,memory"? */
static bool has_controller(const char *list, size_t len, const char *name)
{
	size_t want = strlen(name);

	for (const char *end = list + len; list < end;) {
		size_t n = strcspn(list, ",:\n");

		if (n == want && !memcmp(list, name, n))
			return true;
		list += n + 1;
	}
	return false;
}

/* Lines are "HIERARCHY:CONTROLLERS:PATH"; the unified hierarchy is 0 and lists none. */
void procfs_cgroup(const char *text, char *out, size_t size)
{
	out[0] = '\0';
	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *list = memchr(text, ':', len);
		const char *path =
			list ? memchr(list + 1, ':', len - (size_t)(list + 1 - text)) : NULL;

		if (path) {
			size_t controllers = (size_t)(path - list - 1);
			bool memory = has_controller(list + 1, controllers, "memory");

			if (memory || !controllers)
				snprintf(out, size, "%.*s", (int)(text + len - path - 1), path + 1);
			if (memory)
				return; /* version 1 has the memory controller: its path it is */
		}
		text += len + (text[len] == '\n');
	}
}

/* ---- mounts ----------------------------------------------------------------------------- */

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

/* Copies the field at `in`, undoing the \040 of mangle_path() (fs/seq_file.c). */
static void unescape(const char *in, char *out, size_t size)
{
	size_t n = 0;

	while (*in && *in != ' ' && *in != '\n' && n + 1 < size) {
		if (in[0] == '\\' && is_octal(in + 1)) {
			out[n++] = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			out[n++] = *in++;
		}
	}
	out[n] = '\0';
}

/* The part of the path below the root of a mount; NULL: it is not below it. */
static const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (!strcmp(root, "/"))
		return path;
	if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

/* "ID PARENT MAJOR:MINOR ROOT POINT ..." */
static bool read_mount(const char *line, uint32_t dev, char *root, char *point)
{
	unsigned major, minor;
	int at = 0;

	if (sscanf(line, "%*u %*u %u:%u %n", &major, &minor, &at) != 2 || !at)
		return false;
	if (major != dev >> 20 || minor != (dev & 0xfffff))
		return false;
	unescape(line + at, root, PROCFS_PATH);
	at += (int)strcspn(line + at, " \n");
	if (line[at] != ' ')
		return false;
	unescape(line + at + 1, point, PROCFS_PATH);
	return root[0] == '/' && point[0] == '/';
}

static void join(const char *point, const char *rest, char *out, size_t size)
{
	if (!strcmp(point, "/"))
		snprintf(out, size, "%s", *rest ? rest : "/");
	else
		snprintf(out, size, "%s%s", point, strcmp(rest, "/") ? rest : "");
}

bool procfs_mounted(const char *mountinfo, uint32_t dev, const char *path, char *out, size_t size)
{
	char root[PROCFS_PATH], point[PROCFS_PATH];
	size_t best = 0; /* 1: the whole file system; the longer a root else, the worse */
	const char *rest;

	snprintf(out, size, "%s", path);
	while (*mountinfo && best != 1) {
		size_t len = strcspn(mountinfo, "\n");

		rest = read_mount(mountinfo, dev, root, point) ? below(path, root) : NULL;
		if (rest && (!best || strlen(root) < best)) {
			best = strlen(root);
			join(point, rest, out, size);
		}
		mountinfo += len + (mountinfo[len] == '\n');
	}
	return best != 0;
}
