/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Watching, as watch, record and serve do it: their options, the loop and the end. */
#ifndef PINLEAK_WATCH_H
#define PINLEAK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "alerts.h"
#include "command.h"
#include "config.h"
#include "diagnoser.h"
#include "keeping.h"
#include "limiting.h"
#include "render/render.h"
#include "render/tee.h"
#include "service.h"
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
	const char *store; /* see keeping_open() */
	struct history_limits limits;
	bool no_inspect;    /* of a driver that is accused */
	bool quiet;	    /* nothing is printed but where it serves */
	bool journal;	    /* asked for */
	char **on_verdict;  /* the command's words, or NULL */
	const char *listen; /* where it serves unless told, or NULL */
	struct serving_settings serving;
	struct limiting_settings limit;
	bool check_config;
	const char *config_path;
	struct options line; /* all of this, to be read again */
};

struct watch {
	struct watch_settings set;
	struct config config;	   /* the file with the rest of the settings, if there is one */
	struct recorder *recorder; /* of the session's live kernel; NULL: nothing is kept */
	bool recording_failed;	   /* and it was said so */
	struct render render;
	struct tee tee;
	struct diagnoser diagnoser;
	struct keeping keeping;
	struct alerts alerts;
	struct service service;
	struct serving serving;
	struct limiting limiting;
	struct session session;
};

extern const struct option_row watch_options[];

/* Where `serve` listens. */
#define WATCH_LISTEN "127.0.0.1:9729"

/*
 * The settings of the command line, over those of the file that it names. As options_all(): then
 * o->at is the first argument, if there is one. listen: where to serve unless told, or NULL.
 */
int watch_parse(struct options *o, struct watch *w, const char *listen, bool *done);

/* Watches until the time is over or a signal comes, and frees all of w. The exit status. */
int watch(const struct command *self, struct watch *w);

/* The exit status of a watch that went well. */
int watch_status(const struct monitor *m);

#endif
