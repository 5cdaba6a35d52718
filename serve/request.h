/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What clients send, taken apart: all of it may be chosen by anybody. Pure functions, with a fuzz
 * target of their own; the library has parsed the lines of the request.
 */
#ifndef PINLEAK_SERVE_REQUEST_H
#define PINLEAK_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* ---- where to listen ---- */

#define LISTEN_ROOM 64 /* bytes that hold "[address]:port" */

struct listen_address {
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} to;
	socklen_t size;
	char host[LISTEN_ROOM]; /* as in a Host header: 127.0.0.1, [::1] */
	bool loopback;		/* nobody but this machine can reach it */
	bool every;		/* 0.0.0.0 or [::]: all addresses there are */
};

/* "127.0.0.1:9729" or "[::1]:9729", numbers only; port 0 lets the kernel choose. -EINVAL. */
int listen_parse(const char *text, struct listen_address *out);

/* ---- who is asked ---- */

/* May it stand in a Host header: a name or an address, without a port? */
bool host_is_name(const char *text);

/*
 * Is the Host header one of `names` (NULL ends them), localhost or a loopback address, with any
 * port or none? A page elsewhere whose name was made to point here (DNS rebinding) sends its own.
 */
bool host_is_ours(const char *header, const char *const *names);

/* ---- what is asked for ---- */

/* Is OpenMetrics accepted, and not less than plain text? NULL: no header. */
bool accept_openmetrics(const char *header);

/* "Bearer TOKEN", compared in a time that does not depend on where they differ. */
bool bearer_is(const char *header, const char *token);

/* Seconds since 1970, whole or with a fraction, as ms. -EINVAL. */
int since_parse(const char *text, int64_t *ms);

/* A decimal number, nothing else. -EINVAL. */
int id_parse(const char *text, uint64_t *id);

#endif
