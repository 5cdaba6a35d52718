// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "package.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define NS_PER_S   INT64_C(1000000000)
#define NS_PER_MS  INT64_C(1000000)
#define ANSWER_MAX (256 << 10) /* bytes of an answer that are read */

/* ---- asking a program -------------------------------------------------------------------- */

/* What is more than there is room for is read, too, and forgotten: the program must not wait. */
static int read_answer(int fd, char *out, size_t size)
{
	uint64_t end = clock_now_ns() + PACKAGE_SECONDS * NS_PER_S;
	size_t got = 0;
	char spill[512];

	out[0] = '\0';
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = (int64_t)(end - clock_now_ns()) / NS_PER_MS;
		ssize_t n;

		if (left <= 0 || !poll(&p, 1, (int)left))
			return -ETIMEDOUT;
		n = got + 1 < size ? read(fd, out + got, size - got - 1)
				   : read(fd, spill, sizeof(spill));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		got += got + 1 < size ? (size_t)n : 0;
		out[got] = '\0';
	}
}

static int start(const char *const argv[], int to, pid_t *pid)
{
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); /* to end its children, too */
	err = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)argv,
			  (char *const *)env); /* POSIX: neither is changed */
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

/* Runs a program, without a shell. Its exit status, or -ETIMEDOUT, -ENOENT, -errno. */
static int ask(const char *const argv[], char *out, size_t size)
{
	int pipe_fd[2], status = 0, err;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	err = start(argv, pipe_fd[1], &pid);
	close(pipe_fd[1]);
	if (!err) {
		err = read_answer(pipe_fd[0], out, size);
		if (err)
			kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipe_fd[0]);
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* A program's failure in words: what it said, or that it did not answer. Returns -errno. */
static int failed(const char *program, int status, const char *said, char *why, size_t size)
{
	if (status == -ETIMEDOUT)
		snprintf(why, size, "%s did not answer within %d s", program, PACKAGE_SECONDS);
	else if (status < 0)
		snprintf(why, size, "%s: %s", program, strerror(-status));
	else
		snprintf(why, size, "%s failed: %.*s", program, (int)strcspn(said, "\n"), said);
	return status < 0 ? status : -EIO;
}

/* ---- the package managers ---------------------------------------------------------------- */

/* /lib may be a link to /usr/lib, and dpkg knows a file by one of the names only. */
static int dpkg_search(const char *path, char *answer, size_t size)
{
	const char *argv[] = {"/usr/bin/dpkg-query", "-S", path, NULL};
	char other[512];
	int status = ask(argv, answer, size);

	if (status != 1 || !strstr(answer, "no path found"))
		return status;
	if (!strncmp(path, "/usr/", 5))
		snprintf(other, sizeof(other), "%s", path + 4);
	else
		snprintf(other, sizeof(other), "/usr%s", path);
	argv[2] = other;
	return ask(argv, answer, size);
}

/* Is the name one of those in a list of dependencies, "a (= 1), b | c"? */
static bool is_listed(const char *list, const char *end, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) && at < end; at += len)
		if (strchr("\t ,", at[-1]) && strchr(" ,\n(", at[len]))
			return true;
	return false;
}

/* Lines "PACKAGE\tVERSION\tDEPENDS": who depends on the image brings the next one, too. */
static void read_versions(const char *text, struct inspect_package *out,
			  struct inspect_package *kernel)
{
	while (*text) {
		const char *end = text + strcspn(text, "\n"), *version = strchr(text, '\t');
		const char *depends = version ? strchr(version + 1, '\t') : NULL;
		struct inspect_package *of = NULL;

		if (depends && depends < end) {
			if (!strncmp(text, out->name, (size_t)(version - text)) &&
			    !out->name[version - text])
				of = out;
			else if (kernel && !kernel->name[0] && is_listed(depends, end, out->name))
				of = kernel;
		}
		if (of) {
			snprintf(of->name, sizeof(of->name), "%.*s", (int)(version - text), text);
			snprintf(of->installed, sizeof(of->installed), "%.*s",
				 (int)(depends - version - 1), version + 1);
		}
		text = end + (*end == '\n');
	}
}

/* Sections of apt-cache begin with "PACKAGE:" at the left end. */
static void read_candidate(const char *text, struct inspect_package *p)
{
	char head[128];
	size_t len = (size_t)snprintf(head, sizeof(head), "%s:\n", p->name);

	while (*text && strncmp(text, head, len) != 0)
		text += strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n');
	inspect_labelled(text, "Candidate:", p->available, sizeof(p->available));
	if (!strcmp(p->available, "(none)"))
		p->available[0] = '\0';
}

static int dpkg_versions(struct inspect_package *out, struct inspect_package *kernel, char *answer,
			 char *why, size_t size)
{
	const char *query[] = {"/usr/bin/dpkg-query",
			       "-W",
			       "-f",
			       "${Package}\t${Version}\t${Depends}\n",
			       out->name,
			       NULL,
			       NULL};
	const char *policy[] = {"/usr/bin/apt-cache", "policy", out->name, NULL, NULL};
	int status;

	if (kernel)
		query[5] = "linux-image*";
	status = ask(query, answer, ANSWER_MAX);
	if (status)
		return failed("dpkg-query", status, answer, why, size);
	read_versions(answer, out, kernel);
	if (kernel)
		kernel->manager = out->manager;
	if (kernel && kernel->name[0])
		policy[3] = kernel->name;
	status = ask(policy, answer, ANSWER_MAX);
	if (status)
		return failed("apt-cache", status, answer, why, size);
	read_candidate(answer, out);
	if (kernel && kernel->name[0])
		read_candidate(answer, kernel);
	return 0;
}

/* "linux-image-6.12.1-amd64: /usr/lib/modules/..."; several packages may share a directory. */
static int ask_dpkg(const char *path, struct inspect_package *out, struct inspect_package *kernel,
		    char *answer, char *why, size_t size)
{
	int status = dpkg_search(path, answer, ANSWER_MAX);

	if (status == 1 && strstr(answer, "no path found"))
		return -ESRCH;
	if (status)
		return failed("dpkg-query", status, answer, why, size);
	snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(answer, ":,\n"), answer);
	return dpkg_versions(out, kernel, answer, why, size);
}

/* rpm and pacman print name and version; what is to be had they know only from the network. */
static int ask_rpm(const char *path, struct inspect_package *out, struct inspect_package *kernel,
		   char *answer, char *why, size_t size)
{
	const char *argv[] = {"/usr/bin/rpm", "-qf", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n",
			      path,	      NULL};
	int status = ask(argv, answer, ANSWER_MAX);

	(void)kernel;
	if (status == 1 && strstr(answer, "not owned"))
		return -ESRCH;
	if (status)
		return failed("rpm", status, answer, why, size);
	if (sscanf(answer, "%95s %63s", out->name, out->installed) != 2)
		return failed("rpm", -EPROTO, answer, why, size);
	return 0;
}

/* "/usr/lib/modules/x.ko is owned by linux 6.12.1-1" */
static int ask_pacman(const char *path, struct inspect_package *out, struct inspect_package *kernel,
		      char *answer, char *why, size_t size)
{
	const char *argv[] = {"/usr/bin/pacman", "-Qo", path, NULL};
	int status = ask(argv, answer, ANSWER_MAX);
	const char *owner = strstr(answer, " is owned by ");

	(void)kernel;
	if (status == 1 && strstr(answer, "No package owns"))
		return -ESRCH;
	if (status)
		return failed("pacman", status, answer, why, size);
	if (!owner || sscanf(owner, " is owned by %95s %63s", out->name, out->installed) != 2)
		return failed("pacman", -EPROTO, answer, why, size);
	return 0;
}

int package_of(const char *path, struct inspect_package *out, struct inspect_package *kernel,
	       char *why, size_t size)
{
	static const struct {
		const char *name, *program;
		int (*ask)(const char *path, struct inspect_package *out,
			   struct inspect_package *kernel, char *answer, char *why, size_t size);
	} managers[] = {{"dpkg", "/usr/bin/dpkg-query", ask_dpkg},
			{"rpm", "/usr/bin/rpm", ask_rpm},
			{"pacman", "/usr/bin/pacman", ask_pacman}};
	char *answer = malloc(ANSWER_MAX);
	int err = answer ? -ENOENT : -ENOMEM;

	*out = (struct inspect_package){0};
	why[0] = '\0';
	for (size_t i = 0; answer && i < sizeof(managers) / sizeof(*managers); i++) {
		if (access(managers[i].program, X_OK))
			continue;
		out->manager = managers[i].name;
		err = managers[i].ask(path, out, kernel, answer, why, size);
		break;
	}
	free(answer);
	return err;
}
