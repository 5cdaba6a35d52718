/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Bytes in a file, compressed, in chunks with a checksum each: docs/recording-format.md.
 *
 * Whatever the file holds, a reader takes no more than 2 MiB, most of it zstd's window, and no byte
 * comes out of it that was not put in.
 */
#ifndef PINLEAK_STORE_CHUNKS_H
#define PINLEAK_STORE_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bytes.h"

#define CHUNKS_VERSION 4 /* of the format; any change of what is in the chunks is a new one */
#define CHUNKS_ROOM    (64 * 1024)
#define CHUNKS_WINDOW  20 /* log2 of the bytes that compression looks back */

struct chunks_out;
struct chunks_in;

/* The file stays the caller's, who must not buffer it. -ENOMEM. */
int chunks_create(FILE *to, struct chunks_out **out) __attribute__((warn_unused_result));
void chunks_destroy(struct chunks_out *c);

/* What is put there is written when a chunk is full. Its error is the file's, and stays. */
struct sink *chunks_sink(struct chunks_out *c);

/* Writes what has been put so far, so that it can be read; after the last no more may be put. */
void chunks_close(struct chunks_out *c, bool last);

/*
 * Reads what comes before the chunks. -EBADMSG: it is no recording; -EPROTONOSUPPORT: it is of
 * another version, which is in *version; -ENOMEM, -errno of the file, which stays the caller's.
 */
int chunks_open(FILE *from, uint32_t *version, struct chunks_in **out)
	__attribute__((warn_unused_result));
void chunks_drop(struct chunks_in *c);

/*
 * The bytes that were put. -ENODATA: there are no more, or the last chunk is cut; -EILSEQ: a
 * checksum is wrong; -EBADMSG: there is no sense in it; -ENOMEM; -errno of the file.
 */
struct spring *chunks_spring(struct chunks_in *c);

/* Has all been read, and does nothing follow? */
bool chunks_over(struct chunks_in *c);

/* Where in the file the chunk begins that was read last. */
uint64_t chunks_at(const struct chunks_in *c);

#endif
