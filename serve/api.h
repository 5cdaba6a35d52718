/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The answers of /api/v1: JSON as docs/pinleak.schema.json has it, and pictures. */
#ifndef PINLEAK_SERVE_API_H
#define PINLEAK_SERVE_API_H

#include "state.h"

/* An answer: a text from malloc(). data is NULL: there is no such thing. */
struct body {
	char *data;
	size_t size;
};

/* Each -ENOMEM, or 0. */
int api_status(struct state *s, struct body *out);
int api_samples(struct state *s, int64_t since_ms, struct body *out);
int api_drivers(struct state *s, struct body *out);
int api_incidents(struct state *s, struct body *out);
int api_incident(struct state *s, uint64_t id, struct body *out);
int api_flame(struct state *s, uint64_t id, struct body *out);

/* What a reader of the events is told when some are no longer there. */
char *api_gap(struct state *s, uint64_t missed);

#endif
