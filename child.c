// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- signals -------------------------------------------------------------------------- */

void child_signals(struct child_signals *before, sigset_t *waited)
{
	static const int numbers[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	struct sigaction usual = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN};

	sigemptyset(waited);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(waited, numbers[i]);
	sigprocmask(SIG_BLOCK, waited, &before->mask);
	sigaction(SIGCHLD, &usual, &before->chld); /* ignored, the status would be lost */
	sigaction(SIGPIPE, &ignored, &before->pipe);
}

/* ---- in the child --------------------------------------------------------------------- */

static __attribute__((noreturn)) void become(char *const *command, int go, int trouble,
					     const struct child_signals *before)
{
	int err;
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(CHILD_CANNOT_EXECUTE);
	sigaction(SIGCHLD, &before->chld, NULL);
	sigaction(SIGPIPE, &before->pipe, NULL);
	sigprocmask(SIG_SETMASK, &before->mask, NULL);
	execvp(command[0], command);
	err = errno;
	while (write(trouble, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(err == ENOENT ? CHILD_NOT_FOUND : CHILD_CANNOT_EXECUTE);
}

/* ---- the child ------------------------------------------------------------------------ */

static void close_both(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

int child_hold(struct child *c, char *const *command, const struct child_signals *before)
{
	int go[2], trouble[2], err;

	*c = (struct child){.status = -1};
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(trouble, O_CLOEXEC)) {
		err = -errno;
		close_both(go);
		return err;
	}
	c->pid = fork();
	if (c->pid < 0) {
		err = -errno;
		close_both(go);
		close_both(trouble);
		return err;
	}
	if (!c->pid) {
		close(go[1]); /* or the end of the file would never come */
		become(command, go[0], trouble[1], before);
	}
	close(go[0]);
	close(trouble[1]);
	c->go = go[1];
	c->trouble = trouble[0];
	return 0;
}

static void await(struct child *c)
{
	int status;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
}

void child_drop(struct child *c)
{
	close(c->go);
	close(c->trouble);
	await(c);
}

int child_go(struct child *c)
{
	int err = 0;

	while (write(c->go, "", 1) < 0 && errno == EINTR)
		;
	close(c->go);
	/* Nothing comes when execvp() has closed the other end. */
	while (read(c->trouble, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	close(c->trouble);
	if (err)
		await(c);
	return -err;
}

bool child_has_ended(struct child *c)
{
	int status;

	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	if (WIFSIGNALED(status))
		c->signal = WTERMSIG(status);
	else
		c->status = WEXITSTATUS(status);
	return true;
}
