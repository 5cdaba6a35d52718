/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Watching, as watch, record and serve do it: their options, the loop and the end. */
#ifndef PINLEAK_WATCH_H
#define PINLEAK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "render/render.h"
#include "render/tee.h"
#include "serving.h"
#include "session.h"
#include "store/recording.h"

struct watch_settings {
	uint64_t interval_ns;
	uint64_t for_ns; /* 0: for ever */
	uint64_t references_ns;
	struct monitor_config monitor;
	struct tracker_config tracker;
	bool json;
	bool samples;
	bool no_inspect; /* of a driver that is accused */
	bool quiet;	 /* nothing is printed but where it serves */
	struct serving_settings serving;
};

struct watch {
	struct watch_settings set;
	struct recorder *recorder; /* of the session's live kernel; NULL: nothing is kept */
	bool recording_failed;	   /* and it was said so */
	struct render render;
	struct tee tee;
	struct serving serving;
	struct session session;
};

extern const struct option_row watch_options[];

/* Where `serve` listens. */
#define WATCH_LISTEN "127.0.0.1:9729"

/*
 * As options_all(): then o->at is the first argument, if there is one. listen: where to unless
 * told, or NULL.
 */
int watch_parse(struct options *o, struct watch_settings *s, const char *listen, bool *done);

/* Watches until the time is over or a signal comes. The exit status. */
int watch(struct watch *w);

/* The exit status of a watch that went well. */
int watch_status(const struct monitor *m);

#endif
