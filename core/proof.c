// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "proof.h"

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

static uint32_t innocent_left(const struct proof_page *p, uint32_t driver)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->nr_claims; i++)
		if (p->claim[i].driver == driver)
			n += less(p->claim[i].acquired, p->claim[i].guilty);
	return least(n, most_left(p, driver));
}

static uint32_t is_first_of_driver(const struct proof_page *p, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (p->claim[k].driver == p->claim[i].driver)
			return 0;
	return 1;
}

static uint32_t others_left(const struct proof_page *p, uint32_t driver)
{
	uint32_t n = p->extra;

	for (uint32_t i = 0; i < p->nr_claims; i++)
		if (p->claim[i].driver != driver && is_first_of_driver(p, i))
			n += most_left(p, p->claim[i].driver);
	return n;
}

static uint32_t driver_proved(const struct proof_page *p, uint32_t driver, uint32_t pins)
{
	uint32_t n = least(less(pins, others_left(p, driver)), most_left(p, driver));

	return less(n, innocent_left(p, driver));
}

static void share_out(const struct proof_page *p, uint32_t driver, uint32_t n,
		      struct proof_result *out)
{
	for (uint32_t i = 0; i < p->nr_claims; i++) {
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
static uint32_t claim_rest(const struct proof_page *p, uint32_t i, const struct proof_result *r)
{
	uint32_t driver = p->claim[i].driver;
	uint32_t rest = less(most_left(p, driver) + p->extra, driver_total(p, driver, r));

	rest = least(rest, less(p->claim[i].acquired, p->claim[i].released));
	return least(rest, less(p->pins, r->total));
}

void proof_conclude(const struct proof_page *p, struct proof_result *out)
{
	uint32_t pins, suspects = 0;

	memset(out, 0, sizeof(*out));
	out->base = least(p->base, p->pins);
	pins = p->pins - out->base;
	for (uint32_t i = 0; i < p->nr_claims; i++) {
		uint32_t driver = p->claim[i].driver;

		suspects += least(p->claim[i].guilty, most_left(p, driver));
		if (is_first_of_driver(p, i))
			share_out(p, driver, driver_proved(p, driver, pins), out);
	}
	for (uint32_t i = 0; i < p->nr_claims; i++)
		out->rest[i] = claim_rest(p, i, out);
	out->ambiguous = least(less(pins, out->total), less(suspects, out->total));
	out->held = pins - out->total - out->ambiguous;
}
