// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "modfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#define GZIP_WINDOW 31 /* zlib: 15 bits of window, plus 16 for gzip's header */

/* What is unpacked, as it grows. */
struct unpacked {
	uint8_t *bytes;
	size_t nr, room;
};

/* Room for more. -EFBIG, -ENOMEM. */
static int make_room(struct unpacked *u)
{
	size_t more = u->room ? u->room * 2 : 1 << 20;
	uint8_t *bigger;

	if (u->nr < u->room)
		return 0;
	if (u->room >= MODFILE_MAX)
		return -EFBIG;
	bigger = realloc(u->bytes, more);
	if (!bigger)
		return -ENOMEM;
	u->bytes = bigger;
	u->room = more;
	return 0;
}

static int unpack_xz(const uint8_t *in, size_t size, struct unpacked *out)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret ret = lzma_stream_decoder(&s, MODFILE_MAX, 0);
	int err = ret == LZMA_OK ? 0 : -ENOMEM;

	s.next_in = in;
	s.avail_in = size;
	while (!err && ret == LZMA_OK) {
		err = make_room(out);
		if (err)
			break;
		s.next_out = out->bytes + out->nr;
		s.avail_out = out->room - out->nr;
		ret = lzma_code(&s, LZMA_FINISH);
		out->nr = out->room - s.avail_out;
	}
	lzma_end(&s);
	return err ? err : ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

static int unpack_gzip(const uint8_t *in, size_t size, struct unpacked *out)
{
	z_stream s = {.next_in = (Bytef *)in, .avail_in = (uInt)size};
	int ret = inflateInit2(&s, GZIP_WINDOW), err = ret == Z_OK ? 0 : -ENOMEM;

	while (!err && ret == Z_OK) {
		err = make_room(out);
		if (err)
			break;
		s.next_out = out->bytes + out->nr;
		s.avail_out = (uInt)(out->room - out->nr);
		ret = inflate(&s, Z_NO_FLUSH);
		out->nr = out->room - s.avail_out;
	}
	inflateEnd(&s);
	return err ? err : ret == Z_STREAM_END ? 0 : -EBADMSG;
}

static int unpack_zstd(const uint8_t *in, size_t size, struct unpacked *out)
{
	ZSTD_DStream *s = ZSTD_createDStream();
	ZSTD_inBuffer from = {in, size, 0};
	size_t left = 1;
	int err = s ? 0 : -ENOMEM;

	while (!err && left) {
		ZSTD_outBuffer to = {0};

		err = make_room(out);
		if (err)
			break;
		to = (ZSTD_outBuffer){out->bytes, out->room, out->nr};
		left = ZSTD_decompressStream(s, &to, &from);
		if (ZSTD_isError(left) || (left && from.pos == size && to.pos == out->nr))
			err = -EBADMSG;
		out->nr = to.pos;
	}
	ZSTD_freeDStream(s);
	return err;
}

static int read_all(const char *path, uint8_t **out, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0; /* a FIFO would wait */
	struct stat st;
	size_t got = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (st.st_size > MODFILE_MAX)
		err = -EFBIG;
	*out = err ? NULL : malloc((size_t)st.st_size + 1);
	if (!err && !*out)
		err = -ENOMEM;
	while (!err && got < (size_t)st.st_size) {
		ssize_t n = read(fd, *out + got, (size_t)st.st_size - got);

		if (n < 0 && errno != EINTR)
			err = -errno;
		if (!n)
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	*size = got;
	return err;
}

int modfile_read(const char *path, uint8_t **out, size_t *size)
{
	static const struct {
		char magic[7];
		size_t len;
		int (*unpack)(const uint8_t *in, size_t size, struct unpacked *out);
	} formats[] = {{"\xfd"
			"7zXZ",
			6, unpack_xz},
		       {"\x28\xb5\x2f\xfd", 4, unpack_zstd},
		       {"\x1f\x8b", 2, unpack_gzip}};
	struct unpacked u = {0};
	uint8_t *raw = NULL;
	size_t got = 0;
	int err = read_all(path, &raw, &got);

	for (size_t i = 0; !err && i < sizeof(formats) / sizeof(*formats); i++) {
		if (got < formats[i].len || memcmp(raw, formats[i].magic, formats[i].len) != 0)
			continue;
		err = formats[i].unpack(raw, got, &u);
		free(raw);
		raw = u.bytes;
		got = u.nr;
		break;
	}
	if (err) {
		free(raw);
		return err;
	}
	*out = raw;
	*size = got;
	return 0;
}

const char *modfile_error(int err)
{
	switch (err) {
	case -EBADMSG:
		return "it is cut off or damaged";
	case -EFBIG:
		return "it is too large for a module";
	case -EINVAL:
		return "it is no regular file";
	case -ENOEXEC:
		return "it is no 64-bit ELF file";
	default:
		return strerror(-err);
	}
}
