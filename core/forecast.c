// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "forecast.h"

#include <math.h>

#define NS_PER_S 1e9

#define EVEN_BLOCKS   8		/* that are alike, before a leak is taken to be even */
#define LEAST_SECONDS 1		/* of watching, before a rate means anything */
#define NEVER	      3e10	/* seconds, a thousand years */
#define QUANTILE      1.6448536 /* of the normal distribution: a twentieth is above it */

/* ---- looks ---------------------------------------------------------------------------- */

static void add(struct forecast_block *to, const struct forecast_block *more)
{
	to->bytes += more->bytes;
	to->seconds += more->seconds;
}

static void merge(struct forecast *f)
{
	double seconds = 0;

	for (uint32_t i = 0; i < FORECAST_BLOCKS / 2; i++) {
		f->block[i] = f->block[2 * i];
		add(&f->block[i], &f->block[2 * i + 1]);
		seconds += f->block[i].seconds;
	}
	f->nr = FORECAST_BLOCKS / 2;
	f->length = seconds / f->nr;
}

static void put(struct forecast *f, const struct forecast_block *look)
{
	add(&f->open, look);
	if (f->open.seconds < f->length)
		return;
	if (f->nr == FORECAST_BLOCKS)
		merge(f);
	f->block[f->nr++] = f->open;
	f->open = (struct forecast_block){0};
}

static void sum_up(struct forecast *f, const struct forecast_block *look, uint64_t available)
{
	double drift = (double)available - (double)f->available + look->bytes;

	f->looks++;
	f->bytes2 += look->bytes * look->bytes;
	f->bytes_seconds += look->bytes * look->seconds;
	f->seconds2 += look->seconds * look->seconds;
	f->noise2 += drift * drift;
	if (look->bytes <= 0)
		return;
	f->least = f->rises && f->least < look->bytes ? f->least : look->bytes;
	f->rises++;
}

void forecast_look(struct forecast *f, uint64_t now_ns, uint64_t lost, uint64_t available)
{
	struct forecast_block look;

	if (f->begun ? now_ns <= f->last_ns : !lost)
		return;
	if (f->begun) {
		look.bytes = (double)lost - (double)f->lost;
		look.seconds = (double)(now_ns - f->last_ns) / NS_PER_S;
		put(f, &look);
		sum_up(f, &look, available);
	}
	f->begun = true;
	f->last_ns = now_ns;
	f->lost = lost;
	f->available = available;
}

/* ---- the outlook ---------------------------------------------------------------------- */

/* The 95 % quantile of Student's t, by its expansion in 1/n; off by less than 0.1 % from 5 on. */
static double student(double n)
{
	double z = QUANTILE, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;

	return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

/* The blocks, and in *last the one that has not ended, with the one before it while it is short. */
static uint32_t blocks_of(const struct forecast *f, struct forecast_block *last)
{
	uint32_t n = f->nr;

	*last = f->open;
	if (n && last->seconds < f->length / 2)
		add(last, &f->block[--n]);
	return n;
}

/* What differs from the rate, squared, by the time in which it may do so. */
static double deviation(const struct forecast_block *b, double rate)
{
	double d = b->bytes - rate * b->seconds;

	return b->seconds > 0 ? d * d / b->seconds : 0;
}

/*
 * Of n numbers by chance, the mean square is below this part of its true value once in twenty times
 * (chi square, by Wilson and Hilferty).
 */
static double by_chance(double n)
{
	double ninth = 2 / (9 * n);

	return pow(fmax(1 - ninth - QUANTILE * sqrt(ninth), 0), 3);
}

/*
 * By how much all that was lost may be off, on either side. By the blocks; the fewer they are, the
 * less they know (Student's t). By the looks one by one, which is what losses that have nothing to
 * do with each other would have, if that is more: blocks may be even by chance. They are so seldom
 * as even as by_chance(): then the leak is, and the looks just cut it in two. And no less than that
 * the first and last loss happened somewhere between two looks.
 */
static double uncertain(const struct forecast *f, const struct forecast_block *all)
{
	double rate = all->bytes / all->seconds, blocks = 0, looks;
	struct forecast_block last;
	uint32_t n = blocks_of(f, &last);

	for (uint32_t i = 0; i < n; i++)
		blocks += deviation(&f->block[i], rate);
	blocks += deviation(&last, rate);
	blocks *= all->seconds / n;
	looks = f->bytes2 - 2 * rate * f->bytes_seconds + rate * rate * f->seconds2;
	if (n >= EVEN_BLOCKS && blocks < looks * by_chance(n))
		looks = 0;
	return student(n) * sqrt(fmax(fmax(blocks, looks), f->least * f->least / 12));
}

/* A loss is never negative, so the interval is even on a scale of ratios. */
static struct forecast_range around(double likely, double spread)
{
	double ratio = exp(spread);

	return (struct forecast_range){likely / ratio, likely, likely * ratio};
}

/*
 * What is available is known as far as it jumps from look to look; and to use it up takes losses
 * that are as uneven as those so far.
 */
static struct forecast_range last(const struct forecast *f, const struct forecast_block *all,
				  double relative)
{
	double available = (double)f->available;
	double noise2 = f->noise2 / 2 / f->looks / (available * available);
	double future2 = relative * relative * all->bytes / available;
	struct forecast_range r =
		around(available * all->seconds / all->bytes,
		       sqrt(relative * relative + QUANTILE * QUANTILE * noise2 + future2));

	if (!(r.high < NEVER))
		r.high = -1;
	return r;
}

struct forecast_outlook forecast_tell(const struct forecast *f)
{
	static const struct forecast_range unknown = {-1, -1, -1};
	struct forecast_outlook out = {unknown, unknown};
	struct forecast_block all = f->open;
	double relative;

	for (uint32_t i = 0; i < f->nr; i++)
		add(&all, &f->block[i]);
	if (all.seconds < LEAST_SECONDS || all.bytes <= 0)
		return out;
	out.rate.likely = all.bytes / all.seconds;
	if (f->available)
		out.exhaustion.likely = (double)f->available / out.rate.likely;
	if (f->rises < FORECAST_RISES)
		return out;
	relative = uncertain(f, &all) / all.bytes;
	out.rate = around(out.rate.likely, relative);
	if (f->available)
		out.exhaustion = last(f, &all, relative);
	return out;
}
