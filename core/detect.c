// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "detect.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define DAY_S	 86400.0
#define LATE_NS	 (NS_PER_S / 2)

/* Exact counters for so long after the floor rose; else so often while pins are taken, or none. */
#define CURIOUS_NS (10 * NS_PER_S)
#define MOVING_NS  (5 * NS_PER_S)
#define EXACT_NS   (30 * NS_PER_S)
/* No exact counters for so long: there are none to be had, and what there is must do. */
#define NEVER_NS (4 * EXACT_NS)

/* A hunt takes as long as it took to become suspicious, or this. */
#define HUNT_MAX_NS (12 * 3600 * NS_PER_S)
#define HUNT_MIN_NS (60 * NS_PER_S)
/* A rise so many times one that led to nothing is looked into whatever the account says. */
#define BEYOND_VAIN 4
/* What a tracking in vain may cost at most, in times of what an account holds. */
#define DEBT_MOST 25

/* From here on the windows are made of exact samples only: these are too few to make fast ones. */
#define SLOW_SCALE 2

const struct detect_config detect_defaults = {
	.share = 0.0002,
	.pins = 16,
	.fall = 1.5,
	.hunts = 4,
	.pause = 100,
};

/*
 * The fastest suspicion comes after five seconds, the slowest after a day and a half. Short rises
 * are more often innocent, so more pins are asked of them.
 */
const struct detect_scale detect_scales[DETECT_SCALES] = {
	{1 * NS_PER_S, 5, 4},	  {3 * NS_PER_S, 6, 4},	  {15 * NS_PER_S, 6, 3},
	{120 * NS_PER_S, 6, 2},	  {600 * NS_PER_S, 6, 1}, {3600 * NS_PER_S, 6, 1},
	{21600 * NS_PER_S, 6, 1},
};

/* Releases without a pin make the number fall for good; what is in flight only raises it. */
static const struct detect_scale sink_scale = {3 * NS_PER_S, 5, 1};
#define SINK_PINS 4

void detect_init(struct detect *d, const struct detect_config *config)
{
	*d = (struct detect){.config = *config};
	for (uint32_t i = 0; i < DETECT_SCALES; i++)
		d->account[i].hunts = config->hunts;
}

/* ---- settings ------------------------------------------------------------------------- */

static int set_one(struct detect_config *c, const char *key, size_t len, double value)
{
	double pins = c->pins;
	const struct {
		const char *name;
		double *to;
		double least, most;
		double unit;
	} keys[] = {{"share", &c->share, 0, 100, 100},
		    {"pins", &pins, 1, 1e9, 1},
		    {"fall", &c->fall, 0, 1e6, 1},
		    {"hunts", &c->hunts, 1, 1e6, 1},
		    {"pause", &c->pause, 0, 1e6, 1}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strlen(keys[i].name) != len || memcmp(keys[i].name, key, len) != 0)
			continue;
		if (!(value >= keys[i].least && value <= keys[i].most))
			return -EINVAL;
		*keys[i].to = value / keys[i].unit;
		c->pins = (uint32_t)pins;
		return 0;
	}
	return -EINVAL;
}

int detect_configure(struct detect_config *config, const char *text)
{
	struct detect_config c = *config;

	for (;;) {
		size_t len = strcspn(text, "=");
		char *end;
		double value;

		if (text[len] != '=' || strchr("+- \t\n", text[len + 1]))
			return -EINVAL;
		value = strtod(text + len + 1, &end);
		if (end == text + len + 1 || !isfinite(value) || set_one(&c, text, len, value))
			return -EINVAL;
		end += *end == '%' && len == 5 && !memcmp(text, "share", 5);
		if (!*end)
			break;
		if (*end != ',')
			return -EINVAL;
		text = end + 1;
	}
	*config = c;
	return 0;
}

/* ---- windows -------------------------------------------------------------------------- */

/* The nth floor before the last one. */
static const struct detect_floor *floor_at(const struct detect_window *w, uint32_t back)
{
	return &w->past[(w->next + DETECT_PAST - 1 - back) % DETECT_PAST];
}

/* Together with what is in it; field by field, as what was just written in pieces is slow to copy.
 */
static void join(const struct detect_window *w, struct detect_floor *f)
{
	const int64_t *pins = w->floor.pins;

	f->pins[DETECT_FLOOR] = pins[DETECT_FLOOR] < f->pins[DETECT_FLOOR] ? pins[DETECT_FLOOR]
									   : f->pins[DETECT_FLOOR];
	f->pins[DETECT_CEILING] = pins[DETECT_CEILING] > f->pins[DETECT_CEILING]
					  ? pins[DETECT_CEILING]
					  : f->pins[DETECT_CEILING];
	f->lag = w->floor.lag > f->lag ? w->floor.lag : f->lag;
}

static void keep(struct detect_floor *to, const struct detect_floor *f)
{
	to->pins[DETECT_FLOOR] = f->pins[DETECT_FLOOR];
	to->pins[DETECT_CEILING] = f->pins[DETECT_CEILING];
	to->lag = f->lag;
}

/*
 * Takes a floor of a shorter window, or a sample; true when the window has ended with it: then *f
 * becomes the window's own.
 */
static inline bool window_take(struct detect_window *w, const struct detect_scale *scale,
			       struct detect_floor *f)
{
	/* Looks are not punctual to the last. */
	uint64_t late = scale->ns / 16 < LATE_NS ? scale->ns / 16 : LATE_NS;

	if (w->open) {
		join(w, f);
	} else {
		w->begin_ns = w->begin_ns ? w->begin_ns : f->ns;
		w->floor.ns = f->ns;
	}
	keep(&w->floor, f);
	w->open = f->ns + late < w->begin_ns + scale->ns;
	if (w->open)
		return false;
	w->floor.ns = w->begin_ns = w->past[w->next].ns = f->ns;
	keep(&w->past[w->next], f);
	w->next = (w->next + 1) % DETECT_PAST;
	w->nr += w->nr < UINT32_MAX;
	return true;
}

void detect_reset(struct detect *d)
{
	for (uint32_t i = 0; i < DETECT_SCALES; i++)
		d->window[i].nr = 0;
	d->sink.nr = 0;
}

/* ---- the rise of the last floors ------------------------------------------------------ */

/* The deepest fall among all floors that are kept; a tracking in between makes no difference. */
static int64_t deepest_fall(const struct detect_window *w, enum detect_side side)
{
	int64_t top = INT64_MIN, fall = 0;

	for (uint32_t back = DETECT_PAST; back-- > 0;) {
		const struct detect_floor *f = floor_at(w, back);

		if (!f->ns)
			continue;
		if (f->pins[side] > top)
			top = f->pins[side];
		if (top - f->pins[side] > fall)
			fall = top - f->pins[side];
	}
	return fall;
}

/*
 * Mann and Kendall: do they rise all, but for one pair? The last must be above all others and the
 * first below: that says nearly always no, without a jump that depends on noise.
 */
static bool is_rising(const struct detect_window *w, enum detect_side side, uint32_t floors)
{
	int64_t last = floor_at(w, 0)->pins[side], first = floor_at(w, floors - 1)->pins[side];
	bool between = last > first;
	uint32_t falls = 0;

	for (uint32_t i = 1; i < floors - 1; i++) {
		int64_t pins = floor_at(w, i)->pins[side];

		between &= (last > pins) & (pins > first);
	}
	if (!between)
		return false;
	for (uint32_t i = 1; i < floors - 1; i++)
		for (uint32_t k = i + 1; k < floors - 1; k++)
			falls += floor_at(w, i)->pins[side] <= floor_at(w, k)->pins[side];
	return falls <= 1;
}

/* Theil and Sen: the median slope of all pairs, in pins a second. */
static double slope_of(const struct detect_window *w, enum detect_side side, uint32_t floors)
{
	double slopes[DETECT_FLOORS * (DETECT_FLOORS - 1) / 2];
	uint32_t nr = 0;

	for (uint32_t i = 0; i < floors; i++)
		for (uint32_t k = i + 1; k < floors; k++) {
			const struct detect_floor *b = floor_at(w, i), *a = floor_at(w, k);
			double rise = (double)(b->pins[side] - a->pins[side]);
			double s = b->ns > a->ns ? rise * NS_PER_S / (double)(b->ns - a->ns) : 0;
			uint32_t at = nr++;

			for (; at && slopes[at - 1] > s; at--)
				slopes[at] = slopes[at - 1];
			slopes[at] = s;
		}
	return (slopes[(nr - 1) / 2] + slopes[nr / 2]) / 2;
}

static void describe(const struct detect_window *w, enum detect_side side,
		     const struct detect_scale *scale, struct detect_suspicion *out)
{
	const struct detect_floor *last = floor_at(w, 0), *first = floor_at(w, scale->floors - 1);

	out->rise = last->pins[side] - first->pins[side];
	out->span_ns = last->ns - first->ns;
	out->hunt_ns = out->span_ns < HUNT_MAX_NS ? out->span_ns : HUNT_MAX_NS;
}

/* What a rise must be at least, in pins. */
static double least_rise(const struct detect *d, const struct detect_scale *scale,
			 const struct detect_suspicion *s, uint64_t memory_pages)
{
	double span_s = (double)s->span_ns / NS_PER_S;
	double share = (double)memory_pages * d->config.share * span_s / DAY_S;
	double pins = (double)d->config.pins * scale->pins;

	return share > pins ? share : pins;
}

/* ---- accounts ------------------------------------------------------------------------- */

/* The time that one tracking takes, for all that is known before. */
static double price(const struct detect_suspicion *s)
{
	return s->hunt_ns > HUNT_MIN_NS ? (double)s->hunt_ns : (double)HUNT_MIN_NS;
}

static double account_of(const struct detect *d, const struct detect_suspicion *s, uint64_t now_ns)
{
	const struct detect_account *a = &d->account[s->scale];
	double hunts = a->hunts;

	if (a->paid_ns)
		hunts += (double)(now_ns - a->paid_ns) / (d->config.pause * price(s));
	return hunts < d->config.hunts ? hunts : d->config.hunts;
}

/* Is a tracking to be had for this rise? */
static bool can_pay(const struct detect *d, const struct detect_suspicion *s,
		    const struct detect_sample *sample)
{
	return sample->tracked || account_of(d, s, sample->now_ns) >= 1 ||
	       s->rise >= BEYOND_VAIN * d->account[s->scale].vain;
}

/* Until detect_was_right() pays it back. */
static void pay(struct detect *d, const struct detect_suspicion *s,
		const struct detect_sample *sample)
{
	struct detect_account *a = &d->account[s->scale];

	if (sample->tracked)
		return;
	a->hunts = account_of(d, s, sample->now_ns) - 1;
	a->paid_ns = sample->now_ns;
	if (s->rise > a->vain)
		a->vain = s->rise;
}

void detect_was_right(struct detect *d, const struct detect_suspicion *s)
{
	struct detect_account *a = &d->account[s->scale];

	if (s->rise < 0)
		return;
	a->hunts = d->config.hunts;
	a->vain = 0;
}

void detect_was_wrong(struct detect *d, const struct detect_suspicion *s, uint64_t ns)
{
	if (s->rise > 0 && (double)ns > price(s))
		d->account[s->scale].hunts -= (double)ns / price(s) - 1;
	if (d->account[s->scale].hunts < -DEBT_MOST * d->config.hunts)
		d->account[s->scale].hunts = -DEBT_MOST * d->config.hunts;
}

/* ---- suspicion ------------------------------------------------------------------------ */

static bool is_suspicious(const struct detect *d, enum detect_side side, uint32_t scale,
			  const struct detect_sample *sample, struct detect_suspicion *out)
{
	const struct detect_window *w = &d->window[scale];
	const struct detect_scale *sc = &detect_scales[scale];
	const struct detect_floor *last, *first;
	double rise, least, lag, fall;

	if (w->nr < sc->floors)
		return false;
	last = floor_at(w, 0);
	first = floor_at(w, sc->floors - 1);
	if (last->pins[side] - first->pins[side] < (int64_t)d->config.pins * sc->pins ||
	    !is_rising(w, side, sc->floors))
		return false;
	out->scale = scale;
	describe(w, side, sc, out);
	/* From the cheapest to the dearest: a steady rise that nobody can pay for, or that is less
	 * than what comes and goes, comes each second. */
	if (!can_pay(d, out, sample))
		return false;
	least = least_rise(d, sc, out, sample->memory_pages);
	lag = (double)first->lag + last->lag;
	rise = (double)out->rise - lag;
	if (rise < least)
		return false;
	fall = d->config.fall * (double)deepest_fall(w, side);
	if (rise <= fall)
		return false;
	out->pins_per_s = slope_of(w, side, sc->floors);
	if (out->span_ns)
		rise = fmin(rise, out->pins_per_s * (double)out->span_ns / NS_PER_S - lag);
	return rise >= least && rise > fall;
}

/* ---- samples -------------------------------------------------------------------------- */

/* The most that was outstanding in a window, turned over: its depth below zero, where it rises. */
static bool sink_take(struct detect *d, const struct detect_sample *s, struct detect_suspicion *out)
{
	struct detect_window *w = &d->sink;
	struct detect_floor f = {.pins = {-s->floor}, .ns = s->now_ns, .lag = s->lag};
	const struct detect_floor *last;

	if (!window_take(w, &sink_scale, &f) || w->nr < sink_scale.floors)
		return false;
	for (uint32_t i = 0; i + 1 < sink_scale.floors; i++)
		if (floor_at(w, i)->pins[DETECT_FLOOR] <= floor_at(w, i + 1)->pins[DETECT_FLOOR])
			return false;
	describe(w, DETECT_FLOOR, &sink_scale, out);
	out->rise = -out->rise;
	out->pins_per_s = -slope_of(w, DETECT_FLOOR, sink_scale.floors);
	out->scale = 0;
	last = floor_at(w, 0);
	return last->pins[DETECT_FLOOR] > (int64_t)last->lag && -out->rise >= SINK_PINS;
}

/*
 * A sample goes into the window of one scale; each that ends goes on into the next longer one. Of
 * both sides one is enough.
 */
static bool scales_take(struct detect *d, uint32_t from, uint32_t to, const struct detect_sample *s,
			struct detect_suspicion *out)
{
	struct detect_floor f = {.pins = {s->floor, s->top}, .ns = s->now_ns, .lag = s->lag};
	struct detect_suspicion other;
	bool low = false, high = false;

	for (uint32_t i = from; i < to && window_take(&d->window[i], &detect_scales[i], &f); i++) {
		low = low || is_suspicious(d, DETECT_FLOOR, i, s, out);
		high = high || is_suspicious(d, DETECT_CEILING, i, s, &other);
	}
	if (high && !low)
		*out = other;
	return low || high;
}

static void note_rise(struct detect *d, const struct detect_sample *s)
{
	const struct detect_window *w = &d->window[0];

	if (w->nr >= 2 && floor_at(w, 0)->ns == s->now_ns &&
	    floor_at(w, 0)->pins[DETECT_FLOOR] > floor_at(w, 1)->pins[DETECT_FLOOR])
		d->curious_ns = s->now_ns + CURIOUS_NS;
}

bool detect_take(struct detect *d, const struct detect_sample *s, struct detect_suspicion *out)
{
	bool sinking = sink_take(d, s, out), rising;
	struct detect_suspicion fast, slow;

	if (!d->started || !s->lag)
		d->exact_ns = s->now_ns;
	d->started = true;
	d->moving = s->moving;
	rising = scales_take(d, 0, SLOW_SCALE, s, &fast);
	note_rise(d, s);
	if ((!s->lag || s->now_ns > d->exact_ns + NEVER_NS) &&
	    scales_take(d, SLOW_SCALE, DETECT_SCALES, s, &slow) && !rising) {
		fast = slow;
		rising = true;
	}
	if (rising)
		pay(d, &fast, s);
	if (rising && !sinking)
		*out = fast;
	return sinking || rising;
}

#define STIRRING 3 /* floors: two fewer than a suspicion takes */

static bool is_stirring(const struct detect *d, enum detect_side side)
{
	const struct detect_window *w = &d->window[0];
	int64_t last = floor_at(w, 0)->pins[side], middle = floor_at(w, 1)->pins[side];
	int64_t first = floor_at(w, STIRRING - 1)->pins[side];

	return last > middle && middle > first &&
	       last - first >= (int64_t)d->config.pins * detect_scales[0].pins;
}

bool detect_is_stirring(const struct detect *d)
{
	return d->window[0].nr >= STIRRING &&
	       (is_stirring(d, DETECT_FLOOR) || is_stirring(d, DETECT_CEILING));
}

bool detect_is_curious(const struct detect *d)
{
	uint64_t now_ns = d->window[0].floor.ns;

	return now_ns < d->curious_ns || now_ns >= d->exact_ns + (d->moving ? MOVING_NS : EXACT_NS);
}
