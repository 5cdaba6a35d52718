/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The start and the end of a replay, which commands that play recordings share. */
#ifndef PINLEAK_PLAYBACK_H
#define PINLEAK_PLAYBACK_H

#include <stdio.h>

#include "command.h"
#include "core/conductor.h"
#include "render/render.h"
#include "store/recording.h"

struct playback {
	char name[256]; /* of the file, for people */
	FILE *from;
	struct replay *replay;
	struct conductor conductor;
};

/* Opens a recording; "-" is standard input. An exit status, and what failed was printed. */
int playback_open(struct playback *p, const struct command *self, const char *path);
void playback_close(struct playback *p); /* {0} can be closed */

/* The machine and the clock of the render become those of the recording. */
void playback_identify(const struct playback *p, struct render *r);

/*
 * The same, and makes the conductor, with a monitor that reports to `to`. An exit status, and what
 * failed was printed.
 */
int playback_begin(struct playback *p, struct render *r, const struct reporter *to, void *ctx);

/* After the error that ended the play: prints what it means, and tells the exit status. */
int playback_finish(struct playback *p, const struct render *r, int err);

#endif
