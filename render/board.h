/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What a screen shows, kept from one report to the next: drivers, their call paths, processes,
 * outstanding pins. All names in it are cleaned, and nothing in it points anywhere.
 */
#ifndef PINLEAK_RENDER_BOARD_H
#define PINLEAK_RENDER_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/report.h"

#define BOARD_DRIVERS	64
#define BOARD_PATHS	256
#define BOARD_PROCESSES 256
#define BOARD_LOOKS	512 /* at the counters, for the graph */
#define BOARD_TREND	61  /* a point a second, for the rate of a minute */
#define BOARD_NAME	(PL_SYM + 4)
#define BOARD_COMM	(4 * PL_COMM + 1)

struct board_point {
	uint64_t now_ns;
	int64_t value;
};

struct board_driver {
	char name[BOARD_NAME];
	enum blame_kind kind;
	bool guess;
	bool seen;		 /* in the last look at the books */
	uint64_t held;		 /* pins that somebody may rightly hold */
	uint64_t leaked;	 /* pins that are proved to be left */
	uint64_t references;	 /* plain references it was found to have left */
	uint64_t bytes;		 /* unmovable by pins */
	uint64_t bytes_referred; /* unmovable by plain references */
	uint64_t since_ns;	 /* it has held something at each look since then */
	enum evidence evidence;	 /* of the verdict on it; EVIDENCE_NONE: there is none */
	struct board_point trend[BOARD_TREND]; /* of all its bytes; the oldest first */
	size_t nr_trend;
};

struct board_path {
	char driver[BOARD_NAME];
	enum blame_kind kind;
	uint64_t key;
	uint64_t held, leaked, bytes;
	struct pl_site site;
};

/* What a process holds of a driver, or has left. */
struct board_process {
	uint32_t pid; /* 0: a kernel worker */
	uint64_t start_ns;
	char comm[BOARD_COMM];
	char driver[BOARD_NAME];
	uint64_t pins;	/* that it may rightly hold */
	uint64_t bytes; /* of the folios */
	bool gone;
	bool left; /* pins were left that it took */
};

/* {0} is ready to use; the context of board_reporter. */
struct board {
	uint64_t now_ns;
	bool looked; /* at the counters */
	bool booked; /* the books were read, and tracking is on still */
	enum level level;
	int64_t outstanding; /* pins, by the kernel's counters */
	uint64_t memory_total;
	char note[256]; /* why the level is what it is; "": it was not told */
	bool refused;	/* a level was wanted that cannot be had */
	struct board_driver drivers[BOARD_DRIVERS];
	size_t nr_drivers;
	struct board_path paths[BOARD_PATHS];
	size_t nr_paths;
	struct board_process processes[BOARD_PROCESSES];
	size_t nr_processes;
	uint64_t cut; /* drivers, paths and processes for which there is no room */
	struct board_point looks[BOARD_LOOKS]; /* outstanding pins; the oldest first */
	size_t nr_looks;
	bool lossy;	    /* something was lost, and there may be more than is shown */
	uint64_t lost_pins; /* of it: pins that are not on the books */
	uint64_t lost_else; /* of it: stacks, owners, files and all else */
	uint64_t leaked;    /* pins of all drivers, and those they may hold */
	uint64_t held;
};

extern const struct reporter board_reporter;

/* All its bytes that cannot be moved. */
uint64_t board_bytes(const struct board_driver *d);

/* Bytes a second over the last minute. False: not known yet. */
bool board_rate(const struct board_driver *d, double *out);

/* Seconds for which it has held something without a pause, as far as it was seen. */
double board_age(const struct board *b, const struct board_driver *d);

#endif
