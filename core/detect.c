// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "detect.h"

#include <string.h>

/*
 * At one sample a second a leak is suspected after 15 s, 75 s, 10 min or 50 min. The counters lag
 * by up to 125 pins a processor until they are refreshed, so the short windows ask for more.
 */
const struct detect_scale detect_scales[DETECT_SCALES] = {
	{3, 64},
	{15, 48},
	{120, 32},
	{600, 16},
};

/* Releases without a pin make the number fall for good; what is in flight only raises it. */
static const struct detect_scale sink_scale = {3, 4};

void detect_reset(struct detect *d)
{
	memset(d, 0, sizeof(*d));
}

static void window_end(struct detect_window *w, uint64_t now_ns)
{
	if (w->nr == DETECT_FLOORS) {
		memmove(w->floors, w->floors + 1, sizeof(*w->floors) * (DETECT_FLOORS - 1));
		memmove(w->ends_ns, w->ends_ns + 1, sizeof(*w->ends_ns) * (DETECT_FLOORS - 1));
		w->nr--;
	}
	w->floors[w->nr] = w->floor;
	w->ends_ns[w->nr++] = now_ns;
	w->seen = 0;
}

static bool is_rising(const struct detect_window *w)
{
	if (w->nr < DETECT_FLOORS)
		return false;
	for (uint32_t i = 1; i < w->nr; i++)
		if (w->floors[i] <= w->floors[i - 1])
			return false;
	return true;
}

static bool window_sample(struct detect_window *w, const struct detect_scale *scale,
			  uint64_t now_ns, int64_t outstanding)
{
	if (!w->seen || outstanding < w->floor)
		w->floor = outstanding;
	if (++w->seen < scale->samples)
		return false;
	window_end(w, now_ns);
	return is_rising(w) && w->floors[w->nr - 1] - w->floors[0] >= scale->rise;
}

static void describe(const struct detect_window *w, int sign, struct detect_suspicion *out)
{
	out->rise = sign * (w->floors[w->nr - 1] - w->floors[0]);
	out->span_ns = w->ends_ns[w->nr - 1] - w->ends_ns[0];
	out->pins_per_s = out->span_ns ? (double)out->rise * 1e9 / (double)out->span_ns : 0;
}

/* The most that was outstanding in a window, turned over: its depth below zero, where it rises. */
static bool sink_sample(struct detect *d, uint64_t now_ns, int64_t outstanding,
			struct detect_suspicion *out)
{
	struct detect_window *w = &d->sink;

	if (!window_sample(w, &sink_scale, now_ns, -outstanding) || w->floors[w->nr - 1] <= 0)
		return false;
	describe(w, -1, out);
	return true;
}

bool detect_sample(struct detect *d, uint64_t now_ns, int64_t outstanding,
		   struct detect_suspicion *out)
{
	bool suspicious = sink_sample(d, now_ns, outstanding, out);

	for (uint32_t i = 0; i < DETECT_SCALES; i++) {
		struct detect_window *w = &d->window[i];

		if (!window_sample(w, &detect_scales[i], now_ns, outstanding) || suspicious)
			continue;
		suspicious = true;
		out->scale = i;
		describe(w, 1, out);
	}
	return suspicious;
}

int64_t detect_last_rise(const struct detect *d)
{
	const struct detect_window *w = &d->window[0];

	return w->nr < 2 ? 0 : w->floors[w->nr - 1] - w->floors[w->nr - 2];
}

bool detect_is_curious(const struct detect *d)
{
	return detect_last_rise(d) > 0;
}
