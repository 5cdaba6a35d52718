/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The decisions: when to suspect, when to track and how closely, when to accuse, when to stop.
 *
 * The monitor is told the time with each sample and does nothing on its own, so that the same
 * samples always lead to the same decisions.
 */
#ifndef PINLEAK_CORE_MONITOR_H
#define PINLEAK_CORE_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detect.h"
#include "ledger.h"
#include "report.h"

enum track { TRACK_AUTO, TRACK_ALWAYS, TRACK_NEVER };

struct monitor_config {
	enum track track;
	enum level lowest; /* the level tracking starts with: light, or deep */
	uint64_t grace_ns; /* this and the next three: see ledger.h */
	uint64_t few_ns;
	uint64_t many_ns;
	uint64_t late_ns;
	uint64_t settle_ns; /* quiet for so long: tracking goes off */
	bool tree_only;	    /* only the tree of processes that is followed is judged */
	bool references;    /* track plain references from the beginning */
	struct detect_config detect;
};

/* As `watch` has them unless told otherwise. */
struct monitor_config monitor_defaults(void);

struct monitor;

/* NULL: out of memory. The reporter and its context must outlive the monitor. */
struct monitor *monitor_create(const struct monitor_config *config, const struct reporter *to,
			       void *ctx);
void monitor_destroy(struct monitor *m);

/* Takes over the times of grace and settle_ns of another configuration, from the next step on. */
void monitor_set_times(struct monitor *m, const struct monitor_config *config);

/*
 * One step: a reading of the counters and, above level counters, the books and how they balance
 * (NULL and NULL else). Reports what there is to report. -ENOMEM.
 */
int monitor_step(struct monitor *m, const struct sample *sample, const struct snapshot *books,
		 const struct balance *balance) __attribute__((warn_unused_result));

/* The level that should be on now; the caller brings it about and says so. */
enum level monitor_wanted(const struct monitor *m);

/* Why it is wanted; valid until the next step. */
const char *monitor_reason(const struct monitor *m);

/*
 * What was pinned on the whole machine when tracking began: a census as the base of the books. To
 * be told before the level is; NULL when it could not be looked.
 */
void monitor_pinned(struct monitor *m, const struct census_sum *pinned);

/* The level is on now, for this reason; the counters were read when its hooks were in place. */
void monitor_level_is(struct monitor *m, const struct sample *sample, enum level level,
		      const char *reason);

/* The level cannot be had on this machine (audit, kernel): it is not asked for again. */
void monitor_level_failed(struct monitor *m, uint64_t now_ns, enum level level, const char *reason);

/* Would exact counters be worth a stat_refresh now? And is it time to read the books again? */
bool monitor_wants_exact(const struct monitor *m);
bool monitor_wants_books(const struct monitor *m);

/*
 * May tracking be wanted soon? A hint, so that it can begin sooner then: no decision, and nothing
 * that is decided rests on it.
 */
bool monitor_is_stirring(const struct monitor *m);

/*
 * What a look at the page structures has found: folios that nothing maps, nothing of the kernel's
 * own explains, and something references all the same. More of them than the last time call for
 * tracking of plain references.
 */
void monitor_unexplained(struct monitor *m, uint64_t folios);

bool monitor_wants_references(const struct monitor *m);

/* It is on or off now; or (failed) cannot be had, and is not asked for again. */
void monitor_references_are(struct monitor *m, uint64_t now_ns, bool on);
void monitor_references_failed(struct monitor *m, uint64_t now_ns, const char *reason);

/*
 * One look at the books of plain references, after monitor_step(). Its pages are changed: what
 * cannot be used as proof is taken to hold nothing. -ENOMEM.
 */
int monitor_step_references(struct monitor *m, const struct snapshot *books)
	__attribute__((warn_unused_result));

/* Updates of verdicts, losses and the summary. */
void monitor_finish(struct monitor *m, uint64_t now_ns);

/* The books of the last step that had some. */
const struct ledger *monitor_ledger(const struct monitor *m);

/*
 * Those of plain references; and references of the tree, at most, of which the next looks will
 * tell whether they prove anything.
 */
const struct ledger *monitor_references(const struct monitor *m);
uint64_t monitor_open_references(const struct monitor *m);

/* Drivers that were found to leak. */
uint32_t monitor_leaking(const struct monitor *m);

/* Was tracking called for that could not be had? */
bool monitor_is_blind(const struct monitor *m);

#endif
