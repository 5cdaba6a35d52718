// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "dice.h"

#include <math.h>

#define POISSON_MOST 64 /* of a small one: with mean 6 it is never reached */

double dice_body[DICE_TABLE], dice_tail[DICE_TABLE];
static double inverse[POISSON_MOST + 1]; /* a division takes as long as all the rest */

/* x that a normal number exceeds with the probability, by halving. */
static double exceeded(double probability)
{
	double low = -10, high = 10;

	for (int i = 0; i < 50; i++) {
		double x = (low + high) / 2;

		if (erfc(x * M_SQRT1_2) / 2 > probability)
			low = x;
		else
			high = x;
	}
	return low;
}

static void fill_tables(void)
{
	for (int i = 0; i < DICE_TABLE; i++) {
		dice_body[i] = exceeded(1 - (i + 0.5) / DICE_TABLE);
		dice_tail[i] = exceeded((i + 0.5) / DICE_TABLE / DICE_TABLE);
	}
	for (int i = 1; i <= POISSON_MOST; i++)
		inverse[i] = 1.0 / i;
}

/* The finaliser of splitmix64. */
uint64_t dice_mix(uint64_t seed, uint64_t number)
{
	uint64_t z = seed + (number + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

void dice_seed(struct dice *d, uint64_t seed, uint64_t stream)
{
	uint64_t own = dice_mix(seed, stream);

	if (dice_tail[0] == 0)
		fill_tables();
	for (uint64_t i = 0; i < 4; i++)
		d->s[i] = dice_mix(own, i);
}

uint32_t dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)((dice_next(d) >> 32) * n >> 32);
}

bool dice_chance(struct dice *d, double probability)
{
	return dice_unit(d) < probability;
}

double dice_exponential(struct dice *d, double mean)
{
	return -mean * log1p(-dice_unit(d));
}

double dice_between(struct dice *d, double low, double high)
{
	return low + dice_unit(d) * (high - low);
}

double dice_scale(struct dice *d, double low, double high)
{
	return low * pow(high / low, dice_unit(d));
}

double dice_heavy(struct dice *d, double low, double high)
{
	double x = low * pow(1 - dice_unit(d), -1 / 1.2); /* Pareto */

	return x < high ? x : high;
}

struct poisson poisson_of(double mean)
{
	return (struct poisson){.mean = mean, .root = sqrt(mean), .none = exp(-mean)};
}

uint32_t poisson_small(double u, const struct poisson *p)
{
	double chance = p->none;
	uint32_t k = 0;

	while (u >= chance && k < POISSON_MOST) {
		u -= chance;
		chance *= p->mean * inverse[++k];
	}
	return k;
}
