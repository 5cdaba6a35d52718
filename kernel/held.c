// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/grow.h"
#include "survey.h"

#define ROWS 64 /* objects and processes that are told, each */

/* Two censuses: of what is the driver's, and of what may be. */
enum { ITS, PERHAPS, PARTS };

struct counting {
	struct inspect *out;
	struct survey survey;
	struct census part[PARTS];
};

static bool has_node_open(const struct counting *c, const struct census_entry *e)
{
	for (uint32_t k = 0; k < e->nr_mappers; k++) {
		uint32_t pid = c->survey.objects.mappers.processes[e->mapper[k].process]->tgid;

		for (size_t n = 0; n < c->out->nr_processes; n++)
			if (c->out->processes[n].pid == pid)
				return true;
	}
	return false;
}

static int take(void *ctx, const struct census_entry *e)
{
	struct counting *c = ctx;
	struct census_label l;

	survey_label(&c->survey, CENSUS_BY_DRIVER, e->driver, &l);
	if (l.kind && !strcmp(l.name, c->out->driver))
		return census_add(&c->part[ITS], e);
	if (e->driver < TRACKED_FIRST && has_node_open(c, e))
		return census_add(&c->part[PERHAPS], e);
	return 0;
}

static int add_held(struct counting *c, bool its, enum census_by by, const struct census_row *row)
{
	struct inspect_pins *pins = &c->out->pins;
	struct inspect_held h = {.its = its, .sum = row->sum};
	struct census_label l;
	int err = grow((void **)&pins->held, &pins->room, pins->nr, sizeof(h));

	if (err)
		return err;
	survey_label(&c->survey, by, row->id, &l);
	h.pid = by == CENSUS_BY_PROCESS ? l.pid : 0;
	snprintf(h.kind, sizeof(h.kind), "%s", l.kind ? l.kind : "process");
	snprintf(h.name, sizeof(h.name), "%s", l.name ? l.name : "");
	pins->held[pins->nr++] = h;
	return 0;
}

static int tell(struct counting *c, int part)
{
	static const enum census_by tables[] = {CENSUS_BY_PROCESS, CENSUS_BY_OBJECT};
	int err = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
		struct census_table *table = &c->part[part].by[tables[t]];

		census_sort(table);
		for (size_t n = 0; n < table->nr && n < ROWS && !err; n++)
			err = add_held(c, part == ITS, tables[t], &table->rows[n]);
	}
	return err;
}

static int count(struct counting *c)
{
	struct inspect_pins *pins = &c->out->pins;
	int err = survey_open(&c->survey);

	c->survey.owners_only = true;
	c->survey.ctx = c;
	c->survey.folio = take;
	for (int part = 0; part < PARTS; part++)
		c->part[part].base_page = c->survey.census.base_page;
	if (!err)
		err = survey_look(&c->survey);
	if (err) {
		const char *why = survey_error(&c->survey);

		inspect_gap(c->out, "pins", "%s", why[0] ? why : strerror(-err));
		return err == -ENOMEM ? err : 0;
	}
	pins->known = true;
	pins->tracked = c->survey.tracked.s != NULL;
	pins->its = c->part[ITS].all;
	pins->perhaps = c->part[PERHAPS].all;
	for (int part = 0; part < PARTS && !err; part++)
		err = tell(c, part);
	return err;
}

int held_read(struct inspect *i)
{
	struct counting *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->out = i;
	err = count(c);
	for (int part = 0; part < PARTS; part++)
		census_free(&c->part[part]);
	survey_close(&c->survey);
	free(c);
	return err;
}
