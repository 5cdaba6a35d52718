/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * All that a monitor was shown, kept and shown again: docs/recording-format.md.
 *
 * Everything comes through a source. A recorder is one that asks another and keeps what it answers;
 * a replay is one that answers what was kept.
 */
#ifndef PINLEAK_STORE_RECORDING_H
#define PINLEAK_STORE_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fields.h"

/* ---- recording ------------------------------------------------------------------------ */

/* Between two writes while nothing but counters is read, by the time of the samples. */
#define RECORDER_PAUSE_NS UINT64_C(5000000000)

struct recorder;

extern const struct source recorder_source; /* its context: a struct recorder */

/*
 * Asks the source, and writes to the file, which stays the caller's and must not be buffered.
 * -ENOMEM. A recording that fails changes no answer: see recorder_error().
 */
int recorder_create(FILE *to, const struct source *of, void *ctx, struct recorder **out)
	__attribute__((warn_unused_result));
void recorder_destroy(struct recorder *r);

/* To be told first. */
void recorder_begin(struct recorder *r, const struct recording_header *header);

/* The session is over: well, or with an error, which is told so. */
void recorder_end(struct recorder *r, int err, const char *why);

/* What ended the recording before its time, -errno; 0: nothing has. */
int recorder_error(const struct recorder *r);

/* ---- replay --------------------------------------------------------------------------- */

#define REPLAY_ROOM                                                                                \
	((size_t)1 << 30) /* bytes of the books, unless the user has another limit                 \
			   */

/* How far it goes. */
enum replay_state {
	REPLAY_RUNS,
	REPLAY_WHOLE,	/* all has been shown */
	REPLAY_FAILED,	/* the same, and the session ended with an error: replay_end() */
	REPLAY_DAMAGED, /* the rest cannot be read: replay_error() */
	REPLAY_DIFFERS, /* something else is asked for than what was recorded */
};

struct replay;

/* Shows what was kept. It ends with an error: what it means says replay_state(). */
extern const struct source replay_source; /* its context: a struct replay */

/*
 * Reads the header; the file stays the caller's. -EBADMSG: it is no recording, or a damaged one;
 * -EPROTONOSUPPORT: another version, which is in *version; -ENOMEM, -errno of the file.
 */
int replay_open(FILE *from, size_t room, uint32_t *version, struct replay **out)
	__attribute__((warn_unused_result));
/* The same of what is in the chunks. The spring stays the caller's. */
int replay_open_bytes(struct spring *from, size_t room, struct replay **out)
	__attribute__((warn_unused_result));
void replay_close(struct replay *r);

const struct recording_header *replay_header(const struct replay *r);

enum replay_state replay_state(const struct replay *r);

const struct recording_end *replay_end(const struct replay *r);

/* REPLAY_DAMAGED: what is wrong, for people, with the chunk that begins at *offset. */
const char *replay_error(const struct replay *r, uint64_t *offset);

#endif
