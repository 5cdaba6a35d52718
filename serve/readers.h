/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Those who read the events as they come: server-sent events, each the same object as a line of
 * `watch --json`, with its number. */
#ifndef PINLEAK_SERVE_READERS_H
#define PINLEAK_SERVE_READERS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "state.h"

struct readers;

/* At most so many at a time. NULL: out of memory. */
struct readers *readers_create(struct state *state, size_t most);
/* No connection may be left. NULL is none. */
void readers_destroy(struct readers *r);

/*
 * The answer to one more of them: what comes after the event `last`. NULL: there are too many, or
 * no memory.
 */
struct MHD_Response *readers_add(struct readers *r, struct MHD_Connection *c, uint64_t last);

/* Those who wait are given what is new; or something, when they have not had anything for long. */
void readers_wake(struct readers *r);

/* They get what there is, and their answers end. Waits for that, a moment at most. */
void readers_end(struct readers *r);

size_t readers_count(struct readers *r);
uint64_t readers_dropped(struct readers *r); /* as they were too slow */

#endif
