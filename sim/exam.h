/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the monitor is examined by: machines with innocent loads, and machines with a leak. */
#ifndef PINLEAK_SIM_EXAM_H
#define PINLEAK_SIM_EXAM_H

#include "load.h"
#include "watched.h"

#define EXAM_RATES 8
#define EXAM_LOADS 10
#define EXAM_SIZES 3
#define EXAM_KINDS 4
#define EXAM_OPEN  3 /* a kind: the file stays open, so that nothing can be proved */

/* A machine by its number; the same number and seed make the same machine. */
struct exam {
	struct machine_plan machine;
	struct watch_plan watch;
	uint32_t nr_loads;
	enum load load[MACHINE_SITES]; /* of innocent sites; of a leak: [0] does not count */
	uint32_t rate, background, size, kind; /* of a leak; places in these */
	bool hopeless;			       /* the memory is gone before anybody can tell */
};

struct exam_rate {
	const char *name;
	double pins_s; /* 0: once, ten pages */
};
extern const struct exam_rate exam_rates[EXAM_RATES];

struct exam_size {
	const char *name;
	uint64_t memory;
	uint32_t cpus;
};
extern const struct exam_size exam_sizes[EXAM_SIZES];

const char *exam_load_name(uint32_t background);
const char *exam_kind_name(uint32_t kind);

void exam_innocent(uint64_t seed, uint64_t number, double days, struct exam *out);

/* Leaks are numbered through: all rates, loads, sizes and kinds, and once more. */
#define EXAM_LEAKS (EXAM_RATES * EXAM_LOADS * EXAM_SIZES * EXAM_KINDS)
void exam_leak(uint64_t seed, uint64_t number, double days, struct exam *out);

/* Does it lose more than 0.1 % of the memory a day? */
bool exam_is_fast(const struct exam *e);

/* The machine is a large thing, kept by the caller. -errno. */
int exam_run(const struct exam *e, struct machine *m, struct outcome *out)
	__attribute__((warn_unused_result));

#endif
