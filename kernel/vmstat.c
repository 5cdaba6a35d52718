// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "vmstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM 32768 /* bytes; /proc/vmstat has about 5,000 */

struct vmstat {
	int vmstat, meminfo, refresh;
	char text[ROOM];
};

static int slurp(int fd, char *out)
{
	ssize_t n, len = 0;

	while (len < ROOM - 1) {
		n = pread(fd, out + len, (size_t)(ROOM - 1 - len), len);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	out[len] = '\0';
	return 0;
}

/* The number after a key at the start of a line. */
static bool number_of(const char *text, const char *key, int64_t *out)
{
	size_t len = strlen(key);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, len) != 0)
			continue;
		*out = strtoll(at + len, NULL, 10);
		return true;
	}
	return false;
}

int vmstat_open(struct vmstat **out)
{
	struct vmstat *v = calloc(1, sizeof(*v));
	struct sample s;
	int err;

	if (!v)
		return -ENOMEM;
	v->vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	err = v->vmstat < 0 ? -errno : 0;
	v->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	v->refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	if (!err)
		err = vmstat_read(v, false, &s);
	if (err) {
		vmstat_close(v);
		return err;
	}
	*out = v;
	return 0;
}

void vmstat_close(struct vmstat *v)
{
	if (!v)
		return;
	if (v->vmstat >= 0)
		close(v->vmstat);
	if (v->meminfo >= 0)
		close(v->meminfo);
	if (v->refresh >= 0)
		close(v->refresh);
	free(v);
}

int vmstat_read(struct vmstat *v, bool exact, struct sample *out)
{
	struct sample s = {0};
	struct timespec now;
	int64_t kib;
	int err;

	s.exact = exact && v->refresh >= 0 && pwrite(v->refresh, "1", 1, 0) == 1;
	err = slurp(v->vmstat, v->text);
	if (err)
		return err;
	if (!number_of(v->text, "nr_foll_pin_acquired ", &s.acquired) ||
	    !number_of(v->text, "nr_foll_pin_released ", &s.released))
		return -ENOENT;
	clock_gettime(CLOCK_MONOTONIC, &now);
	s.now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (v->meminfo >= 0 && !slurp(v->meminfo, v->text)) {
		if (number_of(v->text, "MemTotal:", &kib))
			s.memory_total = (uint64_t)kib * 1024;
		if (number_of(v->text, "MemAvailable:", &kib))
			s.memory_available = (uint64_t)kib * 1024;
	}
	*out = s;
	return 0;
}
