/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Chance, from one seed: the same seed gives the same numbers on every machine.
 *
 * Drawn some ten times a simulated second, so the common draws are tables and a few operations.
 */
#ifndef PINLEAK_SIM_DICE_H
#define PINLEAK_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

#define DICE_TABLE 4096

struct dice {
	uint64_t s[4];
};

/* Streams of one seed are independent of each other. */
void dice_seed(struct dice *d, uint64_t seed, uint64_t stream);

/* A seed for what is made with this one, by number. */
uint64_t dice_mix(uint64_t seed, uint64_t number);

static inline uint64_t dice_rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/* xoshiro256++ */
static inline uint64_t dice_next(struct dice *d)
{
	uint64_t *s = d->s, out = dice_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = dice_rotate(s[3], 45);
	return out;
}

/* From 0 to less than 1. */
static inline double dice_unit(struct dice *d)
{
	return (double)(dice_next(d) >> 11) * 0x1p-53;
}

/* 0 to n - 1; n at least 1. */
uint32_t dice_below(struct dice *d, uint32_t n);
bool dice_chance(struct dice *d, double probability);
double dice_exponential(struct dice *d, double mean);
double dice_between(struct dice *d, double low, double high);

/* Each order of magnitude between low and high is as likely. */
double dice_scale(struct dice *d, double low, double high);

/* Mostly near low, and now and then much later; at most high. */
double dice_heavy(struct dice *d, double low, double high);

/* Quantiles of the normal distribution; its outermost ones once more, as finely. */
extern double dice_body[DICE_TABLE], dice_tail[DICE_TABLE];

static inline double dice_normal(struct dice *d)
{
	uint64_t r = dice_next(d);
	uint32_t at = r % DICE_TABLE;

	if (at == 0)
		return -dice_tail[r / DICE_TABLE % DICE_TABLE];
	if (at == DICE_TABLE - 1)
		return dice_tail[r / DICE_TABLE % DICE_TABLE];
	return dice_body[at];
}

/* A Poisson distribution; to be made anew when the mean changes. */
struct poisson {
	double mean;
	double root;
	double none; /* the probability of 0 */
};

#define POISSON_SMALL 6

struct poisson poisson_of(double mean);
uint32_t poisson_small(double u, const struct poisson *p);

static inline int64_t poisson_draw(struct dice *d, const struct poisson *p)
{
	double z, x;

	if (p->mean < POISSON_SMALL) {
		double u = dice_unit(d);

		return u < p->none ? 0 : poisson_small(u, p);
	}
	z = dice_normal(d);
	x = p->mean + p->root * z + (z * z - 1) / 6 + 0.5; /* Cornish and Fisher */
	return x > 0 ? (int64_t)x : 0;
}

#endif
