// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "vmstat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define ROOM	   32768	  /* bytes; /proc/vmstat has about 5,000 */
#define MOVABLE_NS 60000000000ULL /* between two looks at the sizes of zones */

#define NR(array) (sizeof(array) / sizeof(*(array)))

struct vmstat {
	int vmstat, meminfo, psi, refresh;
	uint64_t movable; /* bytes, as read before movable_due_ns */
	uint64_t movable_due_ns;
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

/* ---- figures in a text ------------------------------------------------------------------ */

/* A number that stands after its key at the start of a line. */
struct figure {
	const char *key; /* "x_": of all keys that begin so, added up */
	uint64_t *to;	 /* is added to */
	bool found;
};

static bool is_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	return !strncmp(line, key, len) &&
	       (key[len - 1] == '_' || line[len] == ' ' || line[len] == ':');
}

/* One pass for all of them. */
static void read_figures(const char *text, struct figure *figures, size_t nr)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		for (size_t i = 0; i < nr; i++) {
			if (!is_key(line, figures[i].key))
				continue;
			*figures[i].to += strtoull(line + strcspn(line, " \n"), NULL, 10);
			figures[i].found = true;
		}
	}
}

/* ---- life ------------------------------------------------------------------------------- */

int vmstat_open(struct vmstat **out)
{
	struct vmstat *v = calloc(1, sizeof(*v));
	struct sample s;
	int err;

	if (!v)
		return -ENOMEM;
	v->lag = SAMPLE_LAG * (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	v->vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	err = v->vmstat < 0 ? -errno : 0;
	v->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	v->psi = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
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
	if (v->psi >= 0)
		close(v->psi);
	if (v->refresh >= 0)
		close(v->refresh);
	free(v);
}

/* ---- a reading -------------------------------------------------------------------------- */

static int read_counters(struct vmstat *v, struct sample *s)
{
	struct pressure *p = &s->pressure;
	uint64_t acquired = 0, released = 0;
	struct figure figures[] = {
		{"nr_foll_pin_acquired", &acquired},
		{"nr_foll_pin_released", &released},
		{"compact_stall", &p->compact_stalls},
		{"compact_fail", &p->compact_fails},
		{"compact_success", &p->compact_successes},
		{"allocstall_", &p->alloc_stalls}, /* one for each zone */
	};
	int err = slurp(v->vmstat, v->text);

	if (err)
		return err;
	read_figures(v->text, figures, NR(figures));
	if (!figures[0].found || !figures[1].found)
		return -ENOENT;
	s->acquired = (int64_t)acquired;
	s->released = (int64_t)released;
	p->counted = figures[2].found && figures[5].found;
	return 0;
}

static void read_memory(struct vmstat *v, struct sample *s)
{
	struct pressure *p = &s->pressure;
	struct figure figures[] = {
		{"MemTotal", &s->memory_total},	  {"MemAvailable", &s->memory_available},
		{"Unevictable", &p->unevictable}, {"CmaTotal", &p->cma_total},
		{"CmaFree", &p->cma_free},
	};

	if (v->meminfo < 0 || slurp(v->meminfo, v->text))
		return;
	read_figures(v->text, figures, NR(figures));
	for (size_t i = 0; i < NR(figures); i++)
		*figures[i].to *= 1024;
}

/* "some avg10=0.12 avg60=0.01 avg300=0.00 total=4711" */
static bool read_stall(const char *text, const char *kind, uint32_t *avg10, uint64_t *us)
{
	const char *line = strstr(text, kind);
	unsigned int whole, part;
	uint64_t total;

	if (!line ||
	    sscanf(line + strlen(kind), " avg10=%u.%2u avg60=%*s avg300=%*s total=%" SCNu64, &whole,
		   &part, &total) != 3)
		return false;
	*avg10 = whole * 100 + part;
	*us = total;
	return true;
}

/* With psi=0 the file is not there, or cannot be read. */
static void read_psi(struct vmstat *v, struct pressure *p)
{
	if (v->psi < 0 || slurp(v->psi, v->text))
		return;
	p->psi = read_stall(v->text, "some", &p->some_avg10, &p->some_us) &&
		 read_stall(v->text, "full", &p->full_avg10, &p->full_us);
}

/* Its size changes when memory is plugged in; the file grows with the processors. */
static void read_movable(struct vmstat *v, uint64_t now_ns)
{
	FILE *f = now_ns >= v->movable_due_ns ? fopen("/proc/zoneinfo", "re") : NULL;
	char line[256], zone[32] = "";
	uint64_t pages = 0, n;

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Node %*u, zone %31s", zone);
		if (!strcmp(zone, "Movable") && sscanf(line, " managed %" SCNu64, &n) == 1)
			pages += n;
	}
	fclose(f);
	v->movable = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	v->movable_due_ns = now_ns + MOVABLE_NS;
}

/* Has each processor add its remainders to the sums. */
static bool refresh(const struct vmstat *v)
{
	return v->refresh >= 0 && pwrite(v->refresh, "1", 1, 0) == 1;
}

int vmstat_glance(struct vmstat *v, bool exact, int64_t *outstanding)
{
	struct sample s = {0};
	int err;

	if (exact)
		refresh(v);
	err = read_counters(v, &s);
	if (!err)
		*outstanding = s.acquired - s.released;
	return err;
}

int vmstat_read(struct vmstat *v, bool exact, struct sample *out)
{
	struct sample s = {0};
	int err;

	s.lag = exact && refresh(v) ? 0 : v->lag;
	err = read_counters(v, &s);
	if (err)
		return err;
	s.now_ns = clock_now_ns();
	read_memory(v, &s);
	read_psi(v, &s.pressure);
	read_movable(v, s.now_ns);
	s.pressure.movable = v->movable;
	*out = s;
	return 0;
}
