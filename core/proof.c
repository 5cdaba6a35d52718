// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "proof.h"

#include <stdbool.h>
#include <string.h>

static uint32_t less(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * The most pins a driver can have left. A path of the driver that released pins released its own,
 * but for those it may have taken before tracking: they are in the base.
 */
static uint32_t most_left(const struct proof_page *p, uint32_t driver)
{
	uint32_t acquired = 0, released = 0;

	for (uint32_t i = 0; i < p->nr_releases; i++)
		if (p->release[i].driver == driver)
			released += p->release[i].refs;
	released = less(released, p->base);
	for (uint32_t i = 0; i < p->nr_claims; i++)
		if (p->claim[i].driver == driver)
			acquired += less(p->claim[i].acquired, p->claim[i].released);
	return less(acquired, released);
}

/* The same for the driver of each claim: asked for again and again. */
static void find_left(const struct proof_page *p, uint32_t *left)
{
	for (uint32_t i = 0; i < p->nr_claims; i++)
		left[i] = most_left(p, p->claim[i].driver);
}

static uint32_t innocent_left(const struct proof_page *p, uint32_t i, const uint32_t *left)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < p->nr_claims; k++)
		if (p->claim[k].driver == p->claim[i].driver)
			n += less(p->claim[k].acquired, p->claim[k].guilty);
	return least(n, left[i]);
}

static bool is_first_of_driver(const struct proof_page *p, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (p->claim[k].driver == p->claim[i].driver)
			return false;
	return true;
}

static uint32_t others_left(const struct proof_page *p, uint32_t i, const uint32_t *left)
{
	uint32_t n = p->extra;

	for (uint32_t k = 0; k < p->nr_claims; k++)
		if (p->claim[k].driver != p->claim[i].driver && is_first_of_driver(p, k))
			n += left[k];
	return n;
}

/* Pins that are proved to be of the driver of this claim. */
static uint32_t driver_proved(const struct proof_page *p, uint32_t i, const uint32_t *left,
			      uint32_t pins)
{
	uint32_t n = least(less(pins, others_left(p, i, left)), left[i]);

	return less(n, innocent_left(p, i, left));
}

static void share_out(const struct proof_page *p, uint32_t driver, uint32_t n,
		      struct proof_result *out)
{
	for (uint32_t i = 0; i < p->nr_claims && n; i++) {
		uint32_t part;

		if (p->claim[i].driver != driver)
			continue;
		part = least(n, p->claim[i].guilty);
		out->proved[i] = part;
		out->total += part;
		n -= part;
	}
}

static uint32_t driver_total(const struct proof_page *p, uint32_t driver,
			     const struct proof_result *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->nr_claims; i++)
		if (p->claim[i].driver == driver)
			n += r->proved[i];
	return n;
}

/*
 * The base is an upper bound too: nothing is taken off for it. What the driver released may have
 * been of its claims beyond the list.
 */
static uint32_t claim_rest(const struct proof_page *p, uint32_t i, uint32_t left,
			   const struct proof_result *r)
{
	uint32_t proved = r->total ? driver_total(p, p->claim[i].driver, r) : 0;
	uint32_t rest = less(left + p->extra, proved);

	rest = least(rest, less(p->claim[i].acquired, p->claim[i].released));
	return least(rest, less(p->pins, r->total));
}

void proof_conclude(const struct proof_page *p, struct proof_result *out)
{
	uint32_t pins, suspects = 0, left[PROOF_CLAIMS];

	find_left(p, left);
	memset(out, 0, sizeof(*out));
	out->base = least(p->base, p->pins);
	pins = p->pins - out->base;
	for (uint32_t i = 0; i < p->nr_claims; i++)
		suspects += least(p->claim[i].guilty, left[i]);
	for (uint32_t i = 0; i < p->nr_claims && suspects; i++)
		if (is_first_of_driver(p, i))
			share_out(p, p->claim[i].driver, driver_proved(p, i, left, pins), out);
	for (uint32_t i = 0; i < p->nr_claims; i++)
		out->rest[i] = claim_rest(p, i, left[i], out);
	out->ambiguous = least(less(pins, out->total), less(suspects, out->total));
	out->held = pins - out->total - out->ambiguous;
}
