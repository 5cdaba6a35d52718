/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A limit on a driver, shown as text or as NDJSON. */
#ifndef PINLEAK_RENDER_QUOTA_H
#define PINLEAK_RENDER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/quota.h"
#include "../core/snapshot.h"
#include "render.h"

struct quota_report {
	uint64_t now_ns;
	const char *driver;
	uint64_t limit;	 /* pages */
	uint32_t page;	 /* bytes */
	uint64_t memory; /* bytes */
	uint64_t room;	 /* folios that can be told apart */
	const char *way; /* how calls are refused; NULL: they are not */
	int64_t pins;	 /* that it holds now: of a limit that was changed */
};

struct quota_report_crossing {
	const struct quota_report *of;
	const struct pl_crossing *crossing;
	const struct snap_owner *by;
	uint64_t pins; /* of the process, through the driver */
};

struct quota_report_kind {
	const struct quota_report *of;
	const struct quota_kind *kind;
	bool refused; /* beyond the limit */
	bool ordered; /* by the operator, whatever was learned */
};

struct quota_report_end {
	const struct quota_report *of;
	const struct pl_quota *quota;
	double seconds;
	bool unloaded;	/* the driver is gone, and so is what could be limited */
	bool crossed;	/* somebody took it beyond the limit */
	int64_t unseen; /* pins on the whole machine that the counters know and no hook saw */
};

/* All functions must be there; the arguments live only as long as the call. */
struct quota_reporter {
	void (*begin)(const struct render *r, const struct quota_report *q);
	void (*crossing)(const struct render *r, const struct quota_report_crossing *c);
	void (*kind)(const struct render *r, const struct quota_report_kind *k);
	void (*end)(const struct render *r, const struct quota_report_end *e);
};
extern const struct quota_reporter quota_text, quota_json;

/* A limit that is pinned, as it is now; way: how calls are refused. Pages have so many bytes. */
void quota_kept_text(const struct render *r, const struct quota_kept *k, const char *way,
		     uint32_t page);
void quota_kept_json(const struct render *r, const struct quota_kept *k, const char *way,
		     uint32_t page);

#endif
