// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "bytes.h"

#include <errno.h>
#include <string.h>

#define NUMBER_MAX 10 /* bytes of a number */

void put_bytes(struct sink *s, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n && !s->err) {
		size_t part = s->room - s->nr < n ? s->room - s->nr : n;

		if (part)
			memcpy(s->bytes + s->nr, from, part);
		s->nr += part;
		from += part;
		n -= part;
		if (n)
			s->err = s->full(s);
	}
}

void get_bytes(struct spring *s, void *bytes, size_t n)
{
	uint8_t *to = bytes;

	while (n && !s->err) {
		size_t part = (size_t)(s->end - s->at) < n ? (size_t)(s->end - s->at) : n;

		if (part)
			memcpy(to, s->at, part);
		s->at += part;
		to += part;
		n -= part;
		if (n)
			s->err = s->dry(s);
	}
	memset(to, 0, n);
}

void put_number(struct sink *s, uint64_t n)
{
	uint8_t bytes[NUMBER_MAX];
	size_t nr = 0;

	for (; n >= 0x80; n >>= 7)
		bytes[nr++] = (uint8_t)(n | 0x80);
	bytes[nr++] = (uint8_t)n;
	put_bytes(s, bytes, nr);
}

uint64_t get_number(struct spring *s, uint64_t most)
{
	uint64_t n = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; byte & 0x80; shift += 7) {
		get_bytes(s, &byte, 1);
		if (shift == 63 && byte > 1)
			s->err = s->err ? s->err : -EBADMSG;
		if (s->err)
			return 0;
		n |= (uint64_t)(byte & 0x7f) << shift;
	}
	if (n <= most)
		return n;
	s->err = -EBADMSG;
	return 0;
}

void put_change(struct sink *s, uint64_t from, uint64_t to)
{
	uint64_t change = to - from, sign = change >> 63;

	put_number(s, (change << 1) ^ (0 - sign));
}

uint64_t get_change(struct spring *s, uint64_t from)
{
	uint64_t n = get_number(s, UINT64_MAX);

	return from + ((n >> 1) ^ (0 - (n & 1)));
}
