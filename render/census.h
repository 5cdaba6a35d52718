/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Shows a census, as text or as one JSON object. */
#ifndef PINLEAK_RENDER_CENSUS_H
#define PINLEAK_RENDER_CENSUS_H

#include "../core/census.h"
#include "render.h"

/* The rows of one table, or (CENSUS_BYS) the first rows of those that most want to see. */
void render_census_text(const struct render *r, const struct census_report *c, enum census_by by);

void render_census_json(const struct render *r, const struct census_report *c);

/* One folio, as a JSON object. */
void render_folio_json(const struct render *r, const struct census_report *c,
		       const struct census_entry *e);

#endif
