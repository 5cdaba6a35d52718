// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunks.h"
#include "mirror.h"

#define ERRNO_MAX 4095

/* What follows: the answer to what was asked, or something about the session. */
enum entry {
	ENTRY_LOOK,	  /* look_table; then 1 and a snapshot, or 0 */
	ENTRY_LEVEL,	  /* the level that was asked for, level_table */
	ENTRY_LOOKED_OUT, /* 0; or 1 and the folios */
	ENTRY_SWITCH,	  /* on or off, as was asked for; references_table */
	ENTRY_REFERENCES, /* a snapshot */
	ENTRY_FAILED,	  /* the entry it would have been, errno */
	ENTRY_END,	  /* end_table; nothing follows */
	ENTRIES,
};

/* ---- recording ------------------------------------------------------------------------ */

struct recorder {
	const struct source *of;
	void *ctx;
	struct chunks_out *chunks;
	struct sink *sink;
	struct source_look look; /* the last one */
	struct mirror books, references;
	uint64_t closed_ns; /* the sample up to which all is written */
};

int recorder_create(FILE *to, const struct source *of, void *ctx, struct recorder **out)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (chunks_create(to, &r->chunks)) {
		free(r);
		return -ENOMEM;
	}
	r->of = of;
	r->ctx = ctx;
	r->sink = chunks_sink(r->chunks);
	*out = r;
	return 0;
}

void recorder_destroy(struct recorder *r)
{
	if (!r)
		return;
	chunks_destroy(r->chunks);
	mirror_free(&r->books);
	mirror_free(&r->references);
	free(r);
}

int recorder_error(const struct recorder *r)
{
	return r->sink->err;
}

static void put_failure(struct recorder *r, enum entry entry, int err)
{
	put_number(r->sink, ENTRY_FAILED);
	put_number(r->sink, entry);
	put_number(r->sink, err < 0 && err >= -ERRNO_MAX ? (uint64_t)-err : EIO);
	chunks_close(r->chunks, false);
}

static void put_snapshot(struct recorder *r, struct mirror *m, const struct snapshot *books)
{
	int err = r->sink->err ? 0 : mirror_put(m, r->sink, books);

	if (err && !r->sink->err)
		r->sink->err = err; /* half an entry: what follows could not be read */
	chunks_close(r->chunks, false);
}

/* Counters alone can wait a little, so that not each of them is a chunk. */
static void put_look(struct recorder *r, const struct source_look *look)
{
	put_number(r->sink, ENTRY_LOOK);
	put_record(r->sink, &look_table, &r->look, look);
	r->look = *look;
	put_number(r->sink, look->books != NULL);
	if (look->books)
		put_snapshot(r, &r->books, look->books);
	else if (look->sample.now_ns - r->closed_ns >= RECORDER_PAUSE_NS)
		chunks_close(r->chunks, false);
	else
		return;
	r->closed_ns = look->sample.now_ns;
}

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct recorder *r = ctx;
	int err = r->of->look(r->ctx, exact, books, out);

	if (err)
		put_failure(r, ENTRY_LOOK, err);
	else
		put_look(r, out);
	return err;
}

static int set_level(void *ctx, enum level level, struct source_level *out)
{
	static const struct source_level nothing;
	struct recorder *r = ctx;
	int err = r->of->set_level(r->ctx, level, out);

	if (err) {
		put_failure(r, ENTRY_LEVEL, err);
		return err;
	}
	put_number(r->sink, ENTRY_LEVEL);
	put_number(r->sink, level);
	put_record(r->sink, &level_table, &nothing, out);
	chunks_close(r->chunks, false);
	return 0;
}

static int look_out(void *ctx, bool *done, uint64_t *folios)
{
	struct recorder *r = ctx;
	int err = r->of->look_out(r->ctx, done, folios);

	if (err) {
		put_failure(r, ENTRY_LOOKED_OUT, err);
		return err;
	}
	put_number(r->sink, ENTRY_LOOKED_OUT);
	put_number(r->sink, *done);
	if (*done) {
		put_number(r->sink, *folios);
		chunks_close(r->chunks, false);
	}
	return 0;
}

static int track_references(void *ctx, bool on, struct source_references *out)
{
	static const struct source_references nothing;
	struct recorder *r = ctx;
	int err = r->of->track_references(r->ctx, on, out);

	if (err) {
		put_failure(r, ENTRY_SWITCH, err);
		return err;
	}
	put_number(r->sink, ENTRY_SWITCH);
	put_number(r->sink, on);
	put_record(r->sink, &references_table, &nothing, out);
	chunks_close(r->chunks, false);
	return 0;
}

static int references(void *ctx, const struct snapshot **out)
{
	struct recorder *r = ctx;
	int err = r->of->references(r->ctx, out);

	if (err) {
		put_failure(r, ENTRY_REFERENCES, err);
		return err;
	}
	put_number(r->sink, ENTRY_REFERENCES);
	put_snapshot(r, &r->references, *out);
	return 0;
}

const struct source recorder_source = {
	.look = look,
	.set_level = set_level,
	.look_out = look_out,
	.track_references = track_references,
	.references = references,
};

void recorder_begin(struct recorder *r, const struct recording_header *header)
{
	static const struct recording_header nothing;

	put_record(r->sink, &header_table, &nothing, header);
	chunks_close(r->chunks, false);
	r->closed_ns = header->first.now_ns;
}

void recorder_end(struct recorder *r, int err, const char *why)
{
	static const struct recording_end nothing;
	struct recording_end end = {.err = -err};

	snprintf(end.why, sizeof(end.why), "%s", why);
	put_number(r->sink, ENTRY_END);
	put_record(r->sink, &end_table, &nothing, &end);
	chunks_close(r->chunks, true);
}

/* ---- replay --------------------------------------------------------------------------- */

struct replay {
	struct chunks_in *chunks; /* NULL: the bytes are not from a file */
	struct spring *spring;
	size_t room;
	enum replay_state state;
	int err; /* REPLAY_DAMAGED */
	struct recording_header header;
	struct recording_end end;
	struct source_look look; /* the last one */
	struct mirror books, references;
};

int replay_open_bytes(struct spring *from, size_t room, struct replay **out)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->spring = from;
	r->room = room;
	get_record(from, &header_table, &r->header);
	if (!from->err) {
		*out = r;
		return 0;
	}
	free(r);
	return from->err == -ENODATA || from->err == -EILSEQ ? -EBADMSG : from->err;
}

int replay_open(FILE *from, size_t room, uint32_t *version, struct replay **out)
{
	struct chunks_in *chunks;
	int err = chunks_open(from, version, &chunks);

	if (err)
		return err;
	err = replay_open_bytes(chunks_spring(chunks), room, out);
	if (err)
		chunks_drop(chunks);
	else
		(*out)->chunks = chunks;
	return err;
}

void replay_close(struct replay *r)
{
	if (!r)
		return;
	chunks_drop(r->chunks);
	mirror_free(&r->books);
	mirror_free(&r->references);
	free(r);
}

const struct recording_header *replay_header(const struct replay *r)
{
	return &r->header;
}

static int damaged(struct replay *r, int err)
{
	r->state = REPLAY_DAMAGED;
	r->err = err;
	return err;
}

static int differs(struct replay *r)
{
	r->state = REPLAY_DIFFERS;
	return -EPROTO;
}

/* Behind the end there is nothing: two recordings are no longer one. */
static int get_end(struct replay *r)
{
	get_record(r->spring, &end_table, &r->end);
	if (r->spring->err)
		return damaged(r, r->spring->err);
	if (r->chunks && !chunks_over(r->chunks))
		return damaged(r, -EBADMSG);
	r->state = r->end.err ? REPLAY_FAILED : REPLAY_WHOLE;
	return -ENODATA;
}

/* A failure of the source ends a session. */
static int get_failure(struct replay *r, enum entry asked)
{
	uint64_t entry = get_number(r->spring, ENTRIES - 1), err = get_number(r->spring, ERRNO_MAX);
	uint64_t then = get_number(r->spring, ENTRIES - 1);

	if (r->spring->err)
		return damaged(r, r->spring->err);
	if (!err || then != ENTRY_END)
		return damaged(r, -EBADMSG);
	return entry == asked ? get_end(r) : differs(r);
}

/* Goes on when what comes is the answer to what is asked. */
static int get_entry(struct replay *r, enum entry asked)
{
	uint64_t entry;

	if (r->state != REPLAY_RUNS)
		return -EPROTO;
	entry = get_number(r->spring, ENTRIES - 1);
	if (r->spring->err)
		return damaged(r, r->spring->err);
	if (entry == asked)
		return 0;
	if (entry == ENTRY_FAILED)
		return get_failure(r, asked);
	return entry == ENTRY_END ? get_end(r) : differs(r);
}

static int replay_look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct replay *r = ctx;
	const struct snapshot *snapshot = NULL;
	int err = get_entry(r, ENTRY_LOOK);

	(void)exact, (void)books;
	if (err)
		return err;
	get_record(r->spring, &look_table, &r->look);
	if (get_number(r->spring, true))
		err = mirror_get(&r->books, r->spring, r->room, &snapshot);
	err = err ? err : r->spring->err;
	if (err)
		return damaged(r, err);
	*out = r->look;
	out->books = snapshot;
	return 0;
}

static int replay_level(void *ctx, enum level level, struct source_level *out)
{
	struct replay *r = ctx;
	int err = get_entry(r, ENTRY_LEVEL);
	uint64_t asked;

	if (err)
		return err;
	asked = get_number(r->spring, LEVEL_DEEP);
	*out = (struct source_level){0};
	get_record(r->spring, &level_table, out);
	if (r->spring->err)
		return damaged(r, r->spring->err);
	return asked == level ? 0 : differs(r);
}

static int replay_look_out(void *ctx, bool *done, uint64_t *folios)
{
	struct replay *r = ctx;
	int err = get_entry(r, ENTRY_LOOKED_OUT);

	if (err)
		return err;
	*done = get_number(r->spring, true);
	if (*done)
		*folios = get_number(r->spring, UINT64_MAX);
	return r->spring->err ? damaged(r, r->spring->err) : 0;
}

static int replay_switch(void *ctx, bool on, struct source_references *out)
{
	struct replay *r = ctx;
	int err = get_entry(r, ENTRY_SWITCH);
	uint64_t asked;

	if (err)
		return err;
	asked = get_number(r->spring, true);
	*out = (struct source_references){0};
	get_record(r->spring, &references_table, out);
	if (r->spring->err)
		return damaged(r, r->spring->err);
	return asked == on ? 0 : differs(r);
}

static int replay_references(void *ctx, const struct snapshot **out)
{
	struct replay *r = ctx;
	int err = get_entry(r, ENTRY_REFERENCES);

	if (!err) {
		err = mirror_get(&r->references, r->spring, r->room, out);
		if (err)
			err = damaged(r, err);
	}
	return err;
}

const struct source replay_source = {
	.look = replay_look,
	.set_level = replay_level,
	.look_out = replay_look_out,
	.track_references = replay_switch,
	.references = replay_references,
};

enum replay_state replay_state(const struct replay *r)
{
	return r->state;
}

const struct recording_end *replay_end(const struct replay *r)
{
	return &r->end;
}

const char *replay_error(const struct replay *r, uint64_t *offset)
{
	*offset = r->chunks ? chunks_at(r->chunks) : 0;
	switch (r->err) {
	case -ENODATA:
		return "it is cut off";
	case -EILSEQ:
		return "the checksum is wrong";
	case -EBADMSG:
		return "it makes no sense";
	case -EFBIG:
		return "it asks for more memory than a replay may take";
	default:
		return strerror(-r->err);
	}
}
