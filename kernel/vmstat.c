// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "vmstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAG                                                                                        \
	125 /* pins of either counter that a processor keeps to itself at most: stat_threshold */
#define ROOM 32768 /* bytes; /proc/vmstat has about 5,000 */

struct vmstat {
	int vmstat, meminfo, refresh;
	uint32_t lag;
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
	v->lag = 2 * LAG * (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
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

static int read_pins(struct vmstat *v, int64_t *acquired, int64_t *released)
{
	int err = slurp(v->vmstat, v->text);

	if (err)
		return err;
	if (!number_of(v->text, "nr_foll_pin_acquired ", acquired) ||
	    !number_of(v->text, "nr_foll_pin_released ", released))
		return -ENOENT;
	return 0;
}

/* Has each processor add its remainders to the sums. */
static bool refresh(const struct vmstat *v)
{
	return v->refresh >= 0 && pwrite(v->refresh, "1", 1, 0) == 1;
}

int vmstat_glance(struct vmstat *v, bool exact, int64_t *outstanding)
{
	int64_t acquired, released;
	int err;

	if (exact)
		refresh(v);
	err = read_pins(v, &acquired, &released);
	if (!err)
		*outstanding = acquired - released;
	return err;
}

int vmstat_read(struct vmstat *v, bool exact, struct sample *out)
{
	struct sample s = {0};
	struct timespec now;
	int64_t kib;
	int err;

	s.exact = exact && refresh(v);
	s.lag = s.exact ? 0 : v->lag;
	err = read_pins(v, &s.acquired, &s.released);
	if (err)
		return err;
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
