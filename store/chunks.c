// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define HEAD 8 /* bytes before a chunk: its length, its checksum */
/* What is in a chunk at most: incompressible bytes, and what zstd needs for itself. */
#define FRAME_MAX (CHUNKS_ROOM + 1024)

/* Neither text nor UTF-8; and a transfer that changes ends of lines breaks it. */
static const uint8_t magic[8] = {0x89, 'p', 'i', 'n', 'l', '\r', '\n', 0x1a};

struct chunks_out {
	struct sink sink;
	FILE *to;
	ZSTD_CCtx *zstd;
	bool begun; /* magic and version are written */
	uint8_t bytes[CHUNKS_ROOM];
	uint8_t frame[HEAD + FRAME_MAX];
};

struct chunks_in {
	struct spring spring;
	FILE *from;
	ZSTD_DCtx *zstd;
	uint64_t at, next; /* offsets in the file: of this chunk, and behind it */
	uint8_t frame[HEAD + FRAME_MAX];
	uint8_t bytes[CHUNKS_ROOM + 1]; /* one more, to see that there are too many */
};

static void put32(uint8_t *to, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(n >> (8 * i));
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n |= (uint32_t)from[i] << (8 * i);
	return n;
}

/* Of the length too: a wrong one would be believed first. */
static uint32_t checksum(const uint8_t *frame, uint32_t length)
{
	return (uint32_t)crc32(crc32(0, frame, 4), frame + HEAD, length);
}

/* ---- writing -------------------------------------------------------------------------- */

static int write_all(struct chunks_out *c, const void *bytes, size_t n)
{
	errno = 0;
	if (fwrite(bytes, 1, n, c->to) == n && !fflush(c->to))
		return 0;
	return errno ? -errno : -EIO;
}

static int begin(struct chunks_out *c)
{
	uint8_t first[sizeof(magic) + 4];

	memcpy(first, magic, sizeof(magic));
	put32(first + sizeof(magic), CHUNKS_VERSION);
	c->begun = true;
	return write_all(c, first, sizeof(first));
}

static int write_chunk(struct chunks_out *c, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = {c->bytes, c->sink.nr, 0};
	ZSTD_outBuffer out = {c->frame + HEAD, FRAME_MAX, 0};
	size_t left = ZSTD_compressStream2(c->zstd, &out, &in, how);
	int err = c->begun ? 0 : begin(c);

	if (left) /* an error: there is room for the largest chunk */
		return -ENOMEM;
	put32(c->frame, (uint32_t)out.pos);
	put32(c->frame + 4, checksum(c->frame, (uint32_t)out.pos));
	c->sink.nr = 0;
	return err ? err : write_all(c, c->frame, HEAD + out.pos);
}

static int full(struct sink *s)
{
	return write_chunk((struct chunks_out *)s, ZSTD_e_flush);
}

int chunks_create(FILE *to, struct chunks_out **out)
{
	struct chunks_out *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->sink = (struct sink){.bytes = c->bytes, .room = sizeof(c->bytes), .full = full};
	c->to = to;
	c->zstd = ZSTD_createCCtx();
	if (!c->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_windowLog, CHUNKS_WINDOW))) {
		chunks_destroy(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void chunks_destroy(struct chunks_out *c)
{
	if (c)
		ZSTD_freeCCtx(c->zstd);
	free(c);
}

struct sink *chunks_sink(struct chunks_out *c)
{
	return &c->sink;
}

void chunks_close(struct chunks_out *c, bool last)
{
	if (!c->sink.err && (c->sink.nr || last))
		c->sink.err = write_chunk(c, last ? ZSTD_e_end : ZSTD_e_flush);
}

/* ---- reading -------------------------------------------------------------------------- */

static int read_all(struct chunks_in *c, uint8_t *to, size_t n)
{
	errno = 0;
	if (fread(to, 1, n, c->from) == n)
		return 0;
	return !ferror(c->from) ? -ENODATA : errno ? -errno : -EIO;
}

static int read_frame(struct chunks_in *c, uint32_t *length)
{
	int err;

	c->at = c->next;
	err = read_all(c, c->frame, HEAD);
	if (err)
		return err;
	*length = get32(c->frame);
	if (!*length || *length > FRAME_MAX)
		return -EBADMSG;
	err = read_all(c, c->frame + HEAD, *length);
	if (err)
		return err;
	c->next += HEAD + *length;
	return checksum(c->frame, *length) == get32(c->frame + 4) ? 0 : -EILSEQ;
}

static int unpack(struct chunks_in *c, uint32_t length, size_t *nr)
{
	ZSTD_inBuffer in = {c->frame + HEAD, length, 0};
	ZSTD_outBuffer out = {c->bytes, sizeof(c->bytes), 0};

	while (in.pos < in.size && out.pos < out.size) {
		size_t left = ZSTD_decompressStream(c->zstd, &out, &in);

		if (ZSTD_isError(left))
			return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? -ENOMEM
										       : -EBADMSG;
	}
	*nr = out.pos;
	return out.pos && out.pos <= CHUNKS_ROOM ? 0 : -EBADMSG;
}

static int dry(struct spring *s)
{
	struct chunks_in *c = (struct chunks_in *)s;
	uint32_t length;
	size_t nr;
	int err = read_frame(c, &length);

	if (!err)
		err = unpack(c, length, &nr);
	if (err)
		return err;
	s->at = c->bytes;
	s->end = c->bytes + nr;
	return 0;
}

static int read_first(struct chunks_in *c, uint32_t *version)
{
	uint8_t first[sizeof(magic) + 4];
	int err = read_all(c, first, sizeof(first));

	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	if (memcmp(first, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	c->next = sizeof(first);
	*version = get32(first + sizeof(magic));
	return *version == CHUNKS_VERSION ? 0 : -EPROTONOSUPPORT;
}

int chunks_open(FILE *from, uint32_t *version, struct chunks_in **out)
{
	struct chunks_in *c = calloc(1, sizeof(*c));
	int err = 0;

	if (!c)
		return -ENOMEM;
	c->spring = (struct spring){.at = c->bytes, .end = c->bytes, .dry = dry};
	c->from = from;
	c->zstd = ZSTD_createDCtx();
	if (!c->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(c->zstd, ZSTD_d_windowLogMax, CHUNKS_WINDOW)))
		err = -ENOMEM;
	if (!err)
		err = read_first(c, version);
	if (err)
		chunks_drop(c);
	else
		*out = c;
	return err;
}

void chunks_drop(struct chunks_in *c)
{
	if (c)
		ZSTD_freeDCtx(c->zstd);
	free(c);
}

struct spring *chunks_spring(struct chunks_in *c)
{
	return &c->spring;
}

bool chunks_over(struct chunks_in *c)
{
	if (c->spring.at != c->spring.end)
		return false;
	c->at = c->next;
	return fgetc(c->from) == EOF && !ferror(c->from);
}

uint64_t chunks_at(const struct chunks_in *c)
{
	return c->at;
}
