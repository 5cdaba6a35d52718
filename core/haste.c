// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "haste.h"

#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* Paces that differ by no more than this are the same. */
#define SAME 0.5
/* What the driver has left, and what all have, as shares of the rise since tracking began. */
#define DRIVER_LEAST 0.7
#define ALL_MOST     1.3
/* Fewer pins than this tell little. */
#define LEAST_PINS 16

void haste_free(struct haste *h)
{
	ledger_free(&h->ledger);
}

void haste_end(struct haste *h)
{
	uint64_t grace_ns = h->grace_ns;

	ledger_free(&h->ledger);
	*h = (struct haste){.grace_ns = grace_ns};
}

void haste_begin(struct haste *h, const struct detect_suspicion *s, uint64_t suspected_ns,
		 int64_t suspected, uint64_t tracked_ns, int64_t tracked)
{
	haste_end(h);
	if (s->rise <= 0 || h->grace_ns <= HASTE_NS)
		return;
	/* The first floor may have come before the rise, by a window. */
	h->begin_ns = suspected_ns - s->span_ns + detect_scales[s->scale].ns;
	h->begin_pins = suspected - s->rise;
	h->floors[0].ns = tracked_ns;
	h->floors[0].pins = tracked;
	h->nr = 1;
	h->ledger.grace_ns = h->ledger.hasty_ns = HASTE_NS;
}

void haste_sample(struct haste *h, uint64_t now_ns, int64_t floor)
{
	if (!h->begin_ns)
		return;
	if (h->nr == HASTE_FLOORS) { /* what was not plain by now is left to time */
		haste_end(h);
		return;
	}
	if (!h->floor_ns || floor < h->floor)
		h->floor = floor;
	if (!h->floor_ns)
		h->floor_ns = now_ns;
	if (now_ns < h->floors[h->nr - 1].ns + NS_PER_S)
		return;
	h->floors[h->nr].ns = now_ns;
	h->floors[h->nr++].pins = h->floor;
	h->floor_ns = 0;
}

/* Pins a second between two floors. */
static double pace(const struct haste *h, uint32_t from, uint32_t to)
{
	return (double)(h->floors[to].pins - h->floors[from].pins) * NS_PER_S /
	       (double)(h->floors[to].ns - h->floors[from].ns);
}

static bool is_same(double a, double b)
{
	return a >= SAME * b && b >= SAME * a;
}

/*
 * For the whole grace time, at the same pace before tracking began and since, in the first half of
 * the time since as in the second, and to the last?
 */
static bool goes_on(const struct haste *h)
{
	uint32_t last = h->nr - 1;
	double before, since;

	if (h->nr < 4 || h->floors[last].ns < h->begin_ns + HASTE_RISE_NS)
		return false;
	before = (double)(h->floors[0].pins - h->begin_pins) * NS_PER_S /
		 (double)(h->floors[0].ns - h->begin_ns);
	since = pace(h, 0, last);
	return since > 0 && h->floors[last].ns >= h->floors[0].ns + 2 * HASTE_NS &&
	       is_same(before, since) && is_same(pace(h, 0, last / 2), pace(h, last / 2, last)) &&
	       pace(h, last - 1, last) >= SAME * since;
}

/* The rise since tracking began, less what is too young to be judged. */
static double rise_of_the_old(const struct haste *h, uint64_t now_ns)
{
	uint64_t then = now_ns - HASTE_NS;
	uint32_t i = h->nr - 1;

	while (i && h->floors[i].ns > then)
		i--;
	return (double)(h->floors[i].pins - h->floors[0].pins) +
	       pace(h, i, i + 1) * (double)(then - h->floors[i].ns) / NS_PER_S;
}

int haste_look(struct haste *h, const struct snapshot *s, const char **driver)
{
	const struct finding *most = NULL;
	double all = 0, old;
	int err;

	*driver = NULL;
	if (!h->begin_ns)
		return 0;
	err = ledger_evaluate(&h->ledger, s);
	if (err || !goes_on(h))
		return err;
	old = rise_of_the_old(h, s->now_ns);
	for (size_t i = 0; i < h->ledger.nr_findings; i++) {
		const struct finding *f = &h->ledger.findings[i];

		all += (double)f->pins;
		if (!most || f->pins > most->pins)
			most = f;
	}
	if (most && old >= LEAST_PINS && (double)most->pins >= DRIVER_LEAST * old &&
	    all <= ALL_MOST * old)
		*driver = most->driver->driver;
	return 0;
}
