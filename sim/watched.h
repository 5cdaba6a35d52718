/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A machine under a monitor's eyes: what the monitor said, held against the truth. */
#ifndef PINLEAK_SIM_WATCHED_H
#define PINLEAK_SIM_WATCHED_H

#include "../core/monitor.h"
#include "machine.h"

#define FORECASTS_MAX 32
#define ACCUSED_MAX   8

/* A rate and what follows from it, as told, and as it was. Negative: not known. */
struct foretold {
	double seconds; /* since the leak began */
	double rate, rate_low, rate_high;
	double gone, gone_low, gone_high;
	double true_rate, true_gone;
};

/* Holds numbers only: it is handed from process to process. Times in seconds. */
struct outcome {
	bool done;
	double seconds;
	double tracked, deep;
	uint32_t suspicions;
	uint32_t verdicts; /* drivers that were accused, updates not counted */
	uint32_t held;
	uint32_t false_accusations;
	uint8_t accused[ACCUSED_MAX]; /* sites, the first of those that are innocent */
	double accused_at[ACCUSED_MAX];
	double suspected; /* after the leak began; negative: never */
	bool provable;	  /* and that for a while */
	double found;	  /* the right driver was accused */
	double held_at;	  /* it was said that its process holds more and more */
	double lost_then; /* share of the memory, when it was found */
	double lost;	  /* at the end */
	uint32_t nr_forecasts;
	struct foretold forecast[FORECASTS_MAX];
};

struct watch_plan {
	struct monitor_config config;
	double seconds;	  /* at most */
	double lost_most; /* ends when so large a share of the memory is lost; 0: it does not */
	double at_least;  /* seconds, even so */
	bool verbose;
};

/* Runs the machine to the end of the plan, or twice as long as a leak took to find. -errno. */
int watched_run(struct machine *m, const struct watch_plan *plan, struct outcome *out)
	__attribute__((warn_unused_result));

#endif
