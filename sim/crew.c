// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "crew.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SILENT_S 2

/* In memory that all of them see. */
struct board {
	_Atomic uint64_t next, done;
	_Atomic int err;
};

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void work(const struct crew *c, struct board *b, uint64_t nr, char *results)
{
	for (;;) {
		uint64_t number = atomic_fetch_add(&b->next, 1);
		int err;

		if (number >= nr || b->err)
			return;
		err = c->work(c->ctx, number, results + number * c->size);
		if (err)
			b->err = err;
		atomic_fetch_add(&b->done, 1);
	}
}

static void show(const struct crew *c, const struct board *b, uint64_t nr, time_t since)
{
	if (time(NULL) > since + SILENT_S && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " ", c->what, b->done, nr);
}

static int wait_for(const struct crew *c, struct board *b, uint64_t nr, uint32_t left)
{
	struct timespec pause = {.tv_nsec = 100000000};
	time_t since = time(NULL);
	int status;

	while (left) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0)
			return -errno;
		if (pid && (!WIFEXITED(status) || WEXITSTATUS(status)))
			b->err = -ECHILD;
		left -= pid > 0;
		if (pid)
			continue;
		show(c, b, nr, since);
		nanosleep(&pause, NULL);
	}
	if (time(NULL) > since + SILENT_S && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return b->err;
}

static int hire(const struct crew *c, struct board *b, uint64_t nr, char *results)
{
	uint32_t hired = 0;
	int err = 0;

	fflush(NULL);
	while (hired < c->jobs && !err) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would want the results */
			work(c, b, nr, results);
			fflush(NULL);
			_exit(0);
		}
		if (pid < 0)
			b->err = err = -errno;
		hired += pid > 0;
	}
	return wait_for(c, b, nr, hired);
}

int crew_do(const struct crew *c, uint64_t nr, void **out)
{
	struct board *b = share(sizeof(*b));
	char *results = share(nr * c->size);
	int err = b && results ? 0 : -ENOMEM;

	if (!err)
		err = hire(c, b, nr, results);
	if (b)
		munmap(b, sizeof(*b));
	if (!err)
		*out = results;
	else if (results)
		crew_free(c, nr, results);
	return err;
}

void crew_free(const struct crew *c, uint64_t nr, void *results)
{
	munmap(results, nr * c->size);
}
