/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Numbers as bytes: a sink takes them, a spring has them.
 *
 * The first error stays, so that many things can be put or got before anybody asks for it: after it
 * a sink drops what it is given, and a spring has zeros only.
 */
#ifndef PINLEAK_STORE_BYTES_H
#define PINLEAK_STORE_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct sink {
	uint8_t *bytes;
	size_t nr, room;
	int (*full)(struct sink *s); /* makes room for one more, at least. -errno */
	int err;
};

struct spring {
	const uint8_t *at, *end;
	int (*dry)(struct spring *s); /* brings one more, at least. -errno; -ENODATA: the end */
	int err;
};

void put_bytes(struct sink *s, const void *bytes, size_t n);
void get_bytes(struct spring *s, void *bytes, size_t n);

/* Seven bits a byte, the lowest first. One that is more than `most` is -EBADMSG. */
void put_number(struct sink *s, uint64_t n);
uint64_t get_number(struct spring *s, uint64_t most);

/* What was added to a number, modulo 2^64: the less it was, up or down, the shorter. */
void put_change(struct sink *s, uint64_t from, uint64_t to);
uint64_t get_change(struct spring *s, uint64_t from);

#endif
