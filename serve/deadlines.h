/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A connection has so long for its request and its answer, however many bytes trickle in between:
 * the library itself only ends those on which nothing happens at all.
 */
#ifndef PINLEAK_SERVE_DEADLINES_H
#define PINLEAK_SERVE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadlines;
struct deadline; /* of one connection */

struct deadlines *deadlines_create(size_t most, unsigned seconds); /* NULL: out of memory */
void deadlines_destroy(struct deadlines *d);

/* NULL: there are too many. */
struct deadline *deadlines_begin(struct deadlines *d, int socket);
/* This one may go on for ever. */
void deadlines_lift(struct deadlines *d, struct deadline *one);
/* Before the socket is closed. NULL is none. */
void deadlines_end(struct deadlines *d, struct deadline *one);

/* Shuts down those that took too long; whoever owns the socket then sees its end. */
void deadlines_sweep(struct deadlines *d);
uint64_t deadlines_passed(struct deadlines *d);

#endif
