// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "roster.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

void roster_clear(struct roster *r)
{
	r->nr_drivers = r->nr_sites = 0;
	map64_clear(&r->site_at);
}

void roster_free(struct roster *r)
{
	free(r->drivers);
	free(r->sites);
	map64_free(&r->site_at);
	*r = (struct roster){0};
}

/* Paths that differ in offsets only are one. */
static const struct snap_site *path_of(const struct snap_site *site)
{
	while (site->same)
		site = site->same;
	return site;
}

static bool is_driver(const struct blame *a, const struct blame *b)
{
	return a->kind == b->kind && !strcmp(a->driver, b->driver);
}

static int driver_of(struct roster *r, const struct snap_site *path, uint32_t *at)
{
	int err;

	for (*at = 0; *at < r->nr_drivers; (*at)++)
		if (is_driver(&r->drivers[*at].site->blame, &path->blame))
			return 0;
	err = grow((void **)&r->drivers, &r->room_drivers, r->nr_drivers, sizeof(*r->drivers));
	if (!err)
		r->drivers[r->nr_drivers++] = (struct roster_row){.site = path};
	return err;
}

static int site_of(struct roster *r, const struct snap_site *path, uint32_t *at)
{
	uint64_t key = (uintptr_t)path;
	uint32_t driver;
	int err;

	if (map64_get(&r->site_at, key, at))
		return 0;
	*at = (uint32_t)r->nr_sites;
	err = driver_of(r, path, &driver);
	if (!err)
		err = grow((void **)&r->sites, &r->room_sites, r->nr_sites, sizeof(*r->sites));
	if (!err)
		err = map64_put(&r->site_at, key, *at);
	if (!err)
		r->sites[r->nr_sites++] = (struct roster_row){.site = path, .driver = driver};
	return err;
}

static void add_to(struct roster_row *row, const struct roster_share *share, uint64_t bytes)
{
	row->held += share->held;
	row->leaked += share->leaked;
	row->bytes += bytes;
}

/* The folio counts for a row with the first of its shares only: sites are those before. */
static void add_share(struct roster *r, const struct roster_share *share, const uint32_t *sites,
		      size_t nr_before, uint32_t site, uint64_t bytes)
{
	bool path_known = false, driver_known = false;
	uint32_t driver = r->sites[site].driver;

	for (size_t i = 0; i < nr_before; i++) {
		path_known |= sites[i] == site;
		driver_known |= r->sites[sites[i]].driver == driver;
	}
	add_to(&r->sites[site], share, path_known ? 0 : bytes);
	add_to(&r->drivers[driver], share, driver_known ? 0 : bytes);
}

int roster_add(struct roster *r, const struct roster_share *shares, size_t nr, uint64_t bytes)
{
	uint32_t sites[PL_SLOTS];
	size_t known = 0;
	int err = 0;

	for (size_t i = 0; i < nr && i < PL_SLOTS && !err; i++) {
		if (!shares[i].site || (!shares[i].held && !shares[i].leaked))
			continue;
		err = site_of(r, path_of(shares[i].site), &sites[known]);
		if (err)
			break;
		add_share(r, &shares[i], sites, known, sites[known], bytes);
		known++;
	}
	return err;
}

static int by_bytes(const void *a, const void *b)
{
	const struct roster_row *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

void roster_sort(struct roster *r)
{
	if (!r->nr_sites)
		return;
	qsort(r->drivers, r->nr_drivers, sizeof(*r->drivers), by_bytes);
	qsort(r->sites, r->nr_sites, sizeof(*r->sites), by_bytes);
}
