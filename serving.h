/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What a watch does to serve the page: its options, the beginning and the end. */
#ifndef PINLEAK_SERVING_H
#define PINLEAK_SERVING_H

#include "command.h"
#include "render/tee.h"
#include "serve/server.h"

#define SERVING_HOSTS 16
#define SERVING_TOKEN 256 /* bytes, at most */

struct serving_settings {
	bool on;
	struct listen_address at;
	const char *token_file;		      /* NULL: everybody may read */
	const char *hosts[SERVING_HOSTS + 1]; /* further names of this machine */
	unsigned nr_hosts;
	char token[SERVING_TOKEN + 1];
};

/* The value of an option. STATUS_OK, or what option_bad() returns. */
int serving_listen(const struct command *c, const struct option_row *row, const char *value,
		   struct serving_settings *s);
int serving_allow(const struct command *c, const struct option_row *row, const char *value,
		  struct serving_settings *s);

/* After the last option: do they fit together? Reads the token. STATUS_OK or STATUS_USAGE. */
int serving_check(const struct command *c, struct serving_settings *s);

struct serving {
	struct state *state;
	struct server *server;
};

/*
 * Begins to serve what the tee is told. The settings must outlive it. STATUS_OK, also when nothing
 * is to be served; or STATUS_CANNOT, which was printed.
 */
int serving_start(struct serving *v, const struct serving_settings *set, const struct render *r,
		  uint64_t interval_ns, struct tee *tee);
void serving_stop(struct serving *v);

/* What is told from now on has the time of this render, see render_set_clock(). */
void serving_set_clock(struct serving *v, const struct render *r, int64_t step);

/* Says where, in one line. */
void serving_tell(const struct serving *v, FILE *to);

#endif
