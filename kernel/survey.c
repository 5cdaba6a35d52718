// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/census.h"
#include "../core/units.h"
#include "btfq.h"

int survey_open(struct survey *s)
{
	int err = memory_open(&s->memory);

	s->census.base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!err)
		err = scan_open(&s->scan, &s->memory);
	if (err)
		return err;
	err = tracked_open(&s->tracked, s->grace_ns);
	return err == -ENOENT ? 0 : err;
}

void survey_close(struct survey *s)
{
	census_free(&s->census);
	tracked_close(&s->tracked);
	memory_close(&s->memory);
}

const char *survey_error(const struct survey *s)
{
	return s->memory.error;
}

static int take(void *ctx, const struct folio *f)
{
	struct survey *s = ctx;
	struct census_entry e = {.folio = f};
	int err;

	if (s->tracked.s)
		tracked_describe(&s->tracked, &e);
	err = census_add(&s->census, &e);
	return !err && s->folio && f->pins > 0 ? s->folio(s->ctx, &e) : err;
}

static int tell(void *ctx, uint64_t done, uint64_t all)
{
	struct survey *s = ctx;

	return s->progress ? s->progress(s->ctx, done, all) : 0;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int survey_look(struct survey *s)
{
	struct scan_visitor visitor = {.ctx = s, .each = take, .progress = tell};
	uint32_t why = PL_FOUND_PINNED | PL_FOUND_NEGATIVE | (s->plain ? PL_FOUND_UNMAPPED : 0);
	double began = now_s();
	int err = scan_run(&s->scan, why, &visitor);

	s->seconds = now_s() - began;
	return err;
}

/* ---- names ------------------------------------------------------------------------------ */

static const char *zone_name(struct survey *s, uint64_t zone)
{
	static const char *const zones[][2] = {{"ZONE_DMA", "DMA"},
					       {"ZONE_DMA32", "DMA32"},
					       {"ZONE_NORMAL", "Normal"},
					       {"ZONE_MOVABLE", "Movable"},
					       {"ZONE_DEVICE", "Device"}};
	uint64_t v;

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		if (btfq_enumerator(s->memory.btf, zones[i][0], &v) && v == zone)
			return zones[i][1];
	return "unknown";
}

static void label_driver(struct survey *s, uint64_t number, struct census_label *out)
{
	const struct blame *b;

	out->name = number == TRACKED_SEVERAL ? "claimed by several" : "pinned before tracking";
	if (!s->tracked.s)
		out->name = "not known: nobody tracks";
	if (number < TRACKED_FIRST || number - TRACKED_FIRST >= s->tracked.nr_drivers)
		return;
	b = s->tracked.drivers[number - TRACKED_FIRST];
	out->kind = blame_kind_name(b->kind);
	out->name = b->driver;
}

/* The function through which the driver asked for the pins. */
static void label_site(struct survey *s, uint64_t number, struct census_label *out)
{
	const struct snap_site *site;
	char symbol[PL_SYM], module[MODGRAPH_NAME];

	out->name = "not known";
	if (!number || !s->tracked.s || number > s->tracked.s->nr_sites)
		return;
	site = s->tracked.s->sites[number - 1];
	out->name = s->name;
	for (uint32_t i = 0; i < site->site.nr && i < PL_FRAMES; i++) {
		if (!blame_frame(site->site.sym[i], symbol, module))
			continue;
		snprintf(s->name, sizeof(s->name), module[0] ? "%s [%s]" : "%s", symbol, module);
		if (!strcmp(module, site->blame.driver))
			return;
	}
}

void survey_label(void *survey, enum census_by by, uint64_t id, struct census_label *out)
{
	struct survey *s = survey;
	char bytes[UNITS_ROOM];

	*out = (struct census_label){.name = s->name};
	s->name[0] = '\0';
	switch (by) {
	case CENSUS_BY_DRIVER:
		label_driver(s, id, out);
		return;
	case CENSUS_BY_SITE:
		label_site(s, id, out);
		return;
	case CENSUS_BY_SIZE:
		snprintf(s->name, sizeof(s->name), "%s each",
			 units_bytes((double)(s->census.base_page << id), bytes));
		return;
	case CENSUS_BY_NODE:
		snprintf(s->name, sizeof(s->name), "node %" PRIu64, id);
		return;
	case CENSUS_BY_ZONE:
		snprintf(s->name, sizeof(s->name), "%s", zone_name(s, id));
		return;
	default:
		snprintf(s->name, sizeof(s->name), "not known");
		return;
	}
}
