// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "haste.h"

#include <string.h>

#define NS_PER_S 1e9

/* Of the slope of the rise: by how much it may have become less steep since. */
#define STILL 0.5
/* What the driver has left a second, and what all have, as shares of that slope. */
#define DRIVER_LEAST 0.67
#define ALL_MOST     1.5
/* Less time than this between the beginning of tracking and the last grace time tells little. */
#define LEAST_S 1.0

void haste_free(struct haste *h)
{
	ledger_free(&h->ledger);
}

void haste_begin(struct haste *h, const struct detect_suspicion *s, int64_t outstanding,
		 uint64_t suspected_ns, uint64_t tracked_ns)
{
	haste_end(h);
	if (s->rise <= 0 || s->pins_per_s <= 0 || h->grace_ns <= HASTE_NS)
		return;
	h->begin_ns = suspected_ns - s->span_ns;
	h->begin_pins = outstanding - s->rise;
	h->pins_per_s = s->pins_per_s;
	h->tracked_ns = tracked_ns;
	h->ledger.grace_ns = h->ledger.hasty_ns = HASTE_NS;
}

void haste_end(struct haste *h)
{
	uint64_t grace_ns = h->grace_ns;

	ledger_free(&h->ledger);
	*h = (struct haste){.grace_ns = grace_ns};
}

void haste_sample(struct haste *h, uint64_t now_ns, int64_t floor)
{
	if (!h->begin_ns)
		return;
	if (!h->floor_ns || floor < h->floor)
		h->floor = floor;
	if (!h->floor_ns)
		h->floor_ns = now_ns;
	if (now_ns < h->floor_ns + (uint64_t)NS_PER_S && h->floors[0].ns)
		return;
	memmove(h->floors + 1, h->floors, sizeof(h->floors) - sizeof(h->floors[0]));
	h->floors[0].ns = now_ns;
	h->floors[0].pins = h->floor;
	h->floor_ns = 0;
}

/* From then to the last floor: has it gone on rising, at about the pace it had? */
static bool has_risen(const struct haste *h, uint64_t since_ns, int64_t since_pins)
{
	double seconds = (double)(h->floors[0].ns - since_ns) / NS_PER_S;

	return (double)(h->floors[0].pins - since_pins) >= STILL * h->pins_per_s * seconds;
}

static bool goes_on(const struct haste *h)
{
	size_t oldest = HASTE_FLOORS;

	while (oldest && !h->floors[oldest - 1].ns)
		oldest--;
	if (oldest < 3 || h->floors[0].ns < h->begin_ns + h->grace_ns)
		return false;
	oldest--;
	return has_risen(h, h->begin_ns, h->begin_pins) &&
	       has_risen(h, h->floors[oldest].ns, h->floors[oldest].pins) &&
	       has_risen(h, h->floors[oldest / 2].ns, h->floors[oldest / 2].pins);
}

int haste_look(struct haste *h, const struct snapshot *s, const char **driver)
{
	const struct finding *most = NULL;
	double seconds, all = 0;
	int err;

	*driver = NULL;
	if (!h->begin_ns)
		return 0;
	err = ledger_evaluate(&h->ledger, s);
	if (err || !goes_on(h) || s->now_ns < h->tracked_ns + HASTE_NS)
		return err;
	seconds = (double)(s->now_ns - h->tracked_ns - HASTE_NS) / NS_PER_S;
	if (seconds < LEAST_S)
		return 0;
	for (size_t i = 0; i < h->ledger.nr_findings; i++) {
		const struct finding *f = &h->ledger.findings[i];

		all += (double)f->pins;
		if (!most || f->pins > most->pins)
			most = f;
	}
	if (most && (double)most->pins >= DRIVER_LEAST * h->pins_per_s * seconds &&
	    all <= ALL_MOST * h->pins_per_s * (seconds + HASTE_NS / NS_PER_S))
		*driver = most->driver->driver;
	return 0;
}
