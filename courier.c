// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "courier.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/severity.h"
#include "session.h"

/* While it runs, a reload may take the command away. */
static const char *name_of(const struct courier *c)
{
	return c->command ? c->command[0] : "(there is none any more)";
}

static void failed(struct courier *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void failed(struct courier *c, const char *format, ...)
{
	char why[128];
	va_list args;

	c->failed++;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	fprintf(stderr, "pinleak: --on-verdict %s: %s (%" PRIu64 " of %" PRIu64 " failed)\n",
		name_of(c), why, c->failed, c->run);
}

/* ---- one command ---------------------------------------------------------------------- */

/* A file in memory: the command may read it as slowly as it likes, or not at all. */
static int text_file(const char *text)
{
	int fd = memfd_create("verdict", MFD_CLOEXEC), err;
	size_t left = strlen(text);

	while (fd >= 0 && left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n ? errno : EIO;
			close(fd);
			errno = err;
			return -1;
		}
		text += n;
		left -= (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Our output is for verdicts: what the command prints goes where complaints go. */
static int spawn(struct courier *c, int input)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, usual;
	int err;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &usual);
	posix_spawnattr_setpgroup(&how, 0);
	err = posix_spawnp(&c->pid, c->command[0], &files, &how, c->command, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static void start(struct courier *c, const char *text)
{
	int input = text_file(text), err = input < 0 ? errno : spawn(c, input);

	c->run++;
	c->killed = false;
	if (input >= 0)
		close(input);
	if (err) {
		c->pid = 0;
		failed(c, "%s", strerror(err));
		return;
	}
	c->until_ns = session_now_ns() + COURIER_LIMIT;
}

static void ended(struct courier *c, int status)
{
	if (c->killed)
		failed(c, "killed after %u s", (unsigned)(COURIER_LIMIT / 1000000000));
	else if (WIFSIGNALED(status))
		failed(c, "ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		failed(c, "exit status %d", WEXITSTATUS(status));
	c->pid = 0;
}

/* ---- all of them ---------------------------------------------------------------------- */

static void drop_waiting(struct courier *c)
{
	c->dropped += c->nr_waiting;
	while (c->nr_waiting)
		free(c->waiting[--c->nr_waiting]);
}

static void start_next(struct courier *c)
{
	if (!c->command)
		drop_waiting(c);
	while (!c->pid && c->nr_waiting) {
		char *text = c->waiting[0];

		c->nr_waiting--;
		memmove(c->waiting, c->waiting + 1, c->nr_waiting * sizeof(*c->waiting));
		start(c, text);
		free(text);
	}
}

void courier_tend(struct courier *c)
{
	int status;

	if (c->pid && session_now_ns() >= c->until_ns && !c->killed) {
		kill(-c->pid, SIGKILL);
		c->killed = true;
	}
	if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid)
		ended(c, status);
	start_next(c);
}

uint64_t courier_due_ns(const struct courier *c)
{
	return c->pid && !c->killed ? c->until_ns : UINT64_MAX;
}

static int rank(const json_t *verdict)
{
	const char *name = json_string_value(json_object_get(verdict, "severity"));

	for (int s = SEVERITY_CRITICAL; name && s > SEVERITY_INFO; s--)
		if (!strcmp(name, severity_name((enum severity)s)))
			return s;
	return SEVERITY_INFO;
}

/* What a verdict is about: driver, evidence, pins or plain references. */
static void subject(const json_t *verdict, char *out, size_t size)
{
	const json_t *driver = json_object_get(verdict, "driver");
	const char *name = json_string_value(json_object_get(driver, "name")),
		   *kind = json_string_value(json_object_get(driver, "kind")),
		   *evidence = json_string_value(json_object_get(verdict, "evidence"));

	snprintf(out, size, "%s %s %s %d", kind ? kind : "", name ? name : "",
		 evidence ? evidence : "",
		 json_integer_value(json_object_get(verdict, "references")) > 0);
}

/* Is it new, or graver than what was told of the same? */
static bool is_news(const struct courier *c, const json_t *verdict, const char *key)
{
	const json_t *before = json_object_get(c->told, key);

	return !json_is_true(json_object_get(verdict, "update")) || !before ||
	       rank(verdict) > json_integer_value(before);
}

void courier_verdict(struct courier *c, const json_t *verdict)
{
	char key[256], *text;

	subject(verdict, key, sizeof(key));
	if (!c->command || !is_news(c, verdict, key))
		return;
	text = json_dumps(verdict, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (!text || c->nr_waiting == COURIER_QUEUE) {
		free(text);
		c->dropped++;
		fprintf(stderr, "pinleak: --on-verdict %s: a verdict is not delivered, %u wait\n",
			c->command[0], c->nr_waiting);
		return;
	}
	if (!c->told)
		c->told = json_object();
	json_object_set_new(c->told, key, json_integer(rank(verdict)));
	c->waiting[c->nr_waiting++] = text;
	start_next(c);
}

void courier_end(struct courier *c)
{
	struct timespec until;
	sigset_t all;
	int signal = SIGCHLD;

	sigemptyset(&all);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &until);
	session_add_ns(&until, COURIER_LIMIT);
	courier_tend(c);
	while (c->pid && signal == SIGCHLD) {
		signal = session_wait(&all, &until);
		courier_tend(c);
	}
	if (c->pid) {
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		failed(c, "killed at the end");
	}
	drop_waiting(c);
	if (c->dropped)
		fprintf(stderr, "pinleak: --on-verdict: %" PRIu64 " verdicts were not delivered\n",
			c->dropped);
	json_decref(c->told);
}
