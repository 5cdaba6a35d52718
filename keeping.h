/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Keeping a history of what is watched, as watch, record and replay do it; and where it lies. */
#ifndef PINLEAK_KEEPING_H
#define PINLEAK_KEEPING_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "render/render.h"
#include "render/tee.h"
#include "store/history.h"

/* {0}: nothing is kept. */
struct keeping {
	char path[PATH_MAX];
	char name[256]; /* of it, for people */
	struct history *history;
	struct render render;
	bool failed;	 /* the last writing, and it was said so */
	uint32_t asides; /* damaged files that were told of */
};

/* Where the history is of this machine's service. -ENAMETOOLONG. */
int keeping_home(char *path) __attribute__((warn_unused_result));

/*
 * Opens the file, NULL the one in $STATE_DIRECTORY if that is set and none else, "none" none, and
 * adds to the tee a reporter that tells as `like` does. Else, with what is wrong being said:
 * STATUS_USAGE, or STATUS_CANNOT where a watch may well go on without; if k->history is there
 * then, which it may be with `later`, opening is tried again.
 */
int keeping_open(struct keeping *k, const struct command *self, const char *file,
		 const struct history_limits *limits, const struct history_run *run, bool later,
		 const struct render *like, struct tee *tee);

/* Says, once, that it cannot be written, or that it can again, or is damaged. */
void keeping_check(struct keeping *k);

/* clean: it has ended as it should. */
void keeping_close(struct keeping *k, bool clean);

#endif
