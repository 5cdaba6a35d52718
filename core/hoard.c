// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "hoard.h"

#include <stdio.h>
#include <string.h>

#define RISES	 2 /* windows in a row */
#define AGAIN_NS UINT64_C(86400000000000)

void hoard_reset(struct hoard *h)
{
	h->nr = 0;
	h->look_ns = 0;
}

/* HOARD_MAX: there is no room. */
static uint32_t place_of(struct hoard *h, const struct holding *holding)
{
	for (uint32_t i = 0; i < h->nr; i++)
		if (h->owner[i].key == holding->owner->key)
			return i;
	if (h->nr == HOARD_MAX)
		return HOARD_MAX;
	memset(&h->owner[h->nr], 0, sizeof(h->owner[h->nr]));
	h->owner[h->nr].key = holding->owner->key;
	h->owner[h->nr].first = h->owner[h->nr].most = holding->pins;
	return h->nr++;
}

/* Owners that hold nothing any more make room for others. */
static void forget(struct hoard *h, uint64_t now_ns)
{
	for (uint32_t i = h->nr; i-- > 0;)
		if (h->owner[i].seen_ns != now_ns)
			h->owner[i] = h->owner[--h->nr];
}

/* The same process and driver, whichever file and call path; else he is now. */
static bool was_told(struct hoard *h, const struct holding *holding, uint64_t now_ns)
{
	const struct pl_owner *o = &holding->owner->owner;
	const char *driver = holding->site ? holding->site->blame.driver : "";

	for (uint32_t i = 0; i < HOARD_MAX; i++)
		if (h->told[i].ns && now_ns < h->told[i].ns + AGAIN_NS &&
		    h->told[i].tgid == o->tgid && h->told[i].start_ns == o->start_ns &&
		    !strcmp(h->told[i].driver, driver))
			return true;
	h->told[h->next].ns = now_ns;
	h->told[h->next].tgid = o->tgid;
	h->told[h->next].start_ns = o->start_ns;
	snprintf(h->told[h->next].driver, PL_SYM, "%s", driver);
	h->next = (h->next + 1) % HOARD_MAX;
	return false;
}

/* Is it a rise that is worth a word? */
static bool grows(struct hoard *h, uint32_t i, const struct holding *holding, uint64_t now_ns)
{
	h->owner[i].seen_ns = now_ns;
	h->owner[i].rises = holding->pins > h->owner[i].most ? h->owner[i].rises + 1 : 0;
	if (holding->pins > h->owner[i].most)
		h->owner[i].most = holding->pins;
	return h->owner[i].rises >= RISES && holding->pins >= h->owner[i].first + HOARD_PINS;
}

size_t hoard_look(struct hoard *h, const struct ledger *l, uint64_t now_ns, uint64_t window_ns,
		  struct hoard_news *news, bool *growing)
{
	size_t nr = 0;

	*growing = false;
	if (now_ns < h->look_ns + window_ns)
		return 0;
	h->look_ns = now_ns;
	for (size_t k = 0; k < l->nr_holdings; k++) {
		const struct holding *holding = &l->holdings[k];
		uint32_t i = place_of(h, holding);

		if (i == HOARD_MAX || !grows(h, i, holding, now_ns))
			continue;
		*growing = true;
		if (nr < HOARD_MAX && !was_told(h, holding, now_ns))
			news[nr++] = (struct hoard_news){.holding = holding,
							 .rise = (int64_t)(holding->pins -
									   h->owner[i].first)};
	}
	forget(h, now_ns);
	return nr;
}
