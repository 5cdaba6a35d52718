/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The page, the metrics and the events over HTTP, in threads of its own: who watches never waits
 * for them. Everything is limited, nothing can be changed through it.
 */
#ifndef PINLEAK_SERVE_SERVER_H
#define PINLEAK_SERVE_SERVER_H

#include "request.h"
#include "state.h"

#define SERVER_CONNECTIONS 64
#define SERVER_PER_ADDRESS 32
#define SERVER_READERS	   16	      /* of the events */
#define SERVER_DEADLINE_S  10	      /* for a request and its answer, but for events */
#define SERVER_PENDING	   (16 << 20) /* bytes of answers that are not sent yet */
#define SERVER_HEADERS	   (16 << 10) /* bytes of a request's head, less what the library needs */

struct server_settings {
	struct listen_address at;
	const char *token;	  /* who knows it may read; NULL: everybody may */
	const char *const *hosts; /* further names of this server; NULL ends them */
};

struct server;

/*
 * Begins to serve; what is handed over must outlive it. -errno: that of the socket; -ECANCELED: the
 * library refused.
 */
int server_start(const struct server_settings *set, struct state *state, struct server **out);
/* Readers of the events get what there still is. NULL is none. */
void server_stop(struct server *s);

/* Where it listens, for people: http://127.0.0.1:9729/ */
#define SERVER_URL (LISTEN_ROOM + 16)
void server_url(const struct server *s, char *out);

#endif
