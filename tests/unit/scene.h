/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A monitor on its stage: what it is shown, and what it reports. */
#ifndef PINLEAK_TESTS_SCENE_H
#define PINLEAK_TESTS_SCENE_H

#include "fixture.h"

#include "core/monitor.h"

#define GIB (UINT64_C(1) << 30)

/* What was reported: how often, and the last of each. */
struct record {
	uint32_t samples, suspicions, states, verdicts, helds, losses, summaries;
	enum level level; /* of the last sample */
	struct report_suspicion suspicion;
	struct report_state state;
	char reason[256];
	struct report_verdict verdict;
	struct finding finding;
	int64_t held_rise;
	const struct snap_owner *held_owner;
	struct report_loss loss;
	uint32_t references;
	struct report_references last_references;
	uint32_t limits;
	struct limit limit;
	struct report_summary summary;
	struct report_leak leaks[4];
	char leak_names[4][PL_SYM];
	bool summary_has_loss, summary_has_ledger;
};

/* A driver, its call path and one owner; the monitor under test and what it is shown. */
struct scene {
	struct monitor *m;
	struct monitor_config config;
	struct books *b;
	struct snap_site *site;
	struct snap_owner *owner; /* orphaned long ago */
	struct sample sample;
	struct balance balance;
	enum level level;
	struct record r;
};

/* For cmocka; *state is the scene: track auto, from light, grace 2 s, settle 20 s. */
int scene_setup(void **state);
int scene_teardown(void **state);

/* The monitor is made, as s->config has it; or that, and tracking is on after one step. */
void begin(struct scene *s);
void begin_tracking(struct scene *s);

/* One second later; above the counters level with the books. */
void step(struct scene *s);

/* Brings about the level that is wanted, or says that it cannot be had. */
void obey(struct scene *s);
void fail_level(struct scene *s, enum level level);

/* Steps and obeys. */
void run(struct scene *s, int seconds);

/* The counters' floor rises, 100 pins a second, until it is suspicious. */
void raise_suspicion(struct scene *s);

/* From light, where so many pins were unseen, to deep, where all are seen. */
void go_deep(struct scene *s, int64_t unseen);

/* Pins that the counters and the books both know, taken since the last step. */
struct pl_page *pin(struct scene *s, const struct snap_owner *o, uint32_t pins);

/* The summary is told. */
void finish(struct scene *s);

#endif
