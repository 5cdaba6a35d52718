/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Showing who has what, look by look: on a terminal that answers to keys, or once. */
#ifndef PINLEAK_TOP_H
#define PINLEAK_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "kernel/live.h"
#include "render/board.h"
#include "render/screen.h"

struct top {
	/* set by the user */
	uint64_t interval_ns;
	uint64_t for_ns; /* 0: until it is ended */
	uint64_t speed;	 /* of a replay; 0: it is none */
	bool colour;
	struct conductor *conductor;
	struct live *live; /* to be glanced at in between; NULL: a replay */
	struct render render;
	struct board board; /* to be told what the monitor reports */
	struct screen screen;
	/* its own */
	uint64_t first_ns; /* of the first look */
	struct timespec began;
	struct timespec next; /* look */
	int signals;	      /* a signalfd */
	bool quit;
	int err; /* what ended the looks */
};

/* The whole screen, until q or a signal. NULL, or why the terminal cannot be had, for people. */
const char *top_screen(struct top *t);

/* Looks until there is something to show, or for the time. */
void top_look(struct top *t);

/* What was looked at, as a table on standard output. */
int top_print(struct top *t);

#endif
