// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "agree.h"

#include <stddef.h>

static uint64_t known_pins(const struct pl_page *p)
{
	uint64_t n = (uint64_t)p->base + p->extra;

	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++)
		n += p->slot[i].refs;
	return n;
}

uint64_t agree_unattributed(const struct pl_page *p, const struct folio *now)
{
	uint64_t known = known_pins(p);

	if (!now || now->pins <= 0 || (uint64_t)now->pins <= known)
		return 0;
	return (uint64_t)now->pins - known;
}

enum agree agree_record(const struct pl_page *p, const struct folio *now)
{
	if (p->dead || !p->pins)
		return AGREE; /* known to be released, and about to go */
	if (!now || now->pins <= 0)
		return AGREE_NO_PIN;
	return agree_unattributed(p, now) ? AGREE_UNATTRIBUTED : AGREE;
}
