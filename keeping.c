// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "keeping.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/errors.h"
#include "core/units.h"

/* systemd may name several, separated by colons. */
static int in_state_directory(const char *directory, char *path)
{
	int n = snprintf(path, PATH_MAX, "%.*s/%s", (int)strcspn(directory, ":"), directory,
			 HISTORY_NAME);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static const char *state_directory(void)
{
	const char *directory = getenv("STATE_DIRECTORY");

	return directory && *directory ? directory : NULL;
}

int keeping_home(char *path)
{
	const char *directory = state_directory();

	return in_state_directory(directory ? directory : HISTORY_HOME, path);
}

/* "": nothing is to be kept. */
static int find_path(struct keeping *k, const char *file)
{
	const char *directory = state_directory();
	size_t len = file ? strlen(file) : 0;

	if (file && strcmp(file, "none") != 0) {
		if (len >= sizeof(k->path))
			return -ENAMETOOLONG;
		memcpy(k->path, file, len + 1);
	} else if (!file && directory) {
		return in_state_directory(directory, k->path);
	}
	return 0;
}

static void tell_aside(const struct keeping *k, const char *where)
{
	char aside[PATH_MAX];

	units_clean(where, PATH_MAX, aside, sizeof(aside));
	fprintf(stderr,
		"pinleak: %s: the history is damaged, a new one is begun\n"
		"  the damaged one is kept: %s\n",
		k->name, aside);
}

static int refuse(const struct keeping *k, const struct command *self, int err, int version)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
	case -EISDIR:
	case -ENAMETOOLONG:
		return usage_error(self, ERROR_FILE_NOT_FOUND, "--store %s: %s", k->name,
				   strerror(-err));
	case -EMEDIUMTYPE:
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "--store %s: this is a file of something else", k->name);
	case -EBUSY:
		fprintf(stderr, "pinleak: %s: another pinleak writes to this history\n", k->name);
		break;
	case -EPROTONOSUPPORT:
		fprintf(stderr,
			"pinleak: %s: a history of version %d; pinleak %s writes version %d\n",
			k->name, version, PINLEAK_VERSION, history_kind.nr_steps);
		break;
	default:
		fprintf(stderr, "pinleak: %s: no history can be kept: %s\n", k->name,
			strerror(-err));
	}
	return STATUS_CANNOT;
}

int keeping_open(struct keeping *k, const struct command *self, const char *file,
		 const struct history_limits *limits, const struct history_run *run, bool later,
		 const struct render *like, struct tee *tee)
{
	struct database opened = {0};
	int err = find_path(k, file);

	if (!err && !k->path[0])
		return STATUS_OK;
	units_clean(err ? file : k->path, PATH_MAX, k->name, sizeof(k->name));
	if (!err)
		err = history_open(k->path, limits, run, later, &k->history, &opened);
	if (opened.aside[0]) {
		tell_aside(k, opened.aside);
		k->asides++;
	}
	k->failed = err;
	k->render = *like;
	k->render.take = history_take;
	k->render.taker = k->history;
	if (k->history)
		tee_add(tee, &json_feed, &k->render);
	return err ? refuse(k, self, err, opened.version) : STATUS_OK;
}

void keeping_check(struct keeping *k)
{
	const struct history_state *s;

	if (!k->history)
		return;
	s = history_state(k->history);
	if (s->asides != k->asides)
		tell_aside(k, s->aside);
	k->asides = s->asides;
	if (s->error && !k->failed)
		fprintf(stderr, "pinleak: %s: the history cannot be written, trying again: %s\n",
			k->name, strerror(-s->error));
	else if (!s->error && k->failed)
		fprintf(stderr, "pinleak: %s: the history is written again; %" PRIu64 " lost\n",
			k->name, s->lost);
	k->failed = s->error;
}

void keeping_close(struct keeping *k, bool clean)
{
	keeping_check(k);
	history_close(k->history, clean);
	k->history = NULL;
}
