/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A history for people: objects of store/past.h as text, as a page, and as a flame graph. */
#ifndef PINLEAK_RENDER_HISTORY_H
#define PINLEAK_RENDER_HISTORY_H

#include <jansson.h>

#include "render.h"

/* What a member is, in any case: "" and 0 when it is not there or something else. */
const char *history_text(const json_t *o, const char *key);
double history_number(const json_t *o, const char *key);
int64_t history_integer(const json_t *o,
			const char *key); /* a number that is too large: the largest */

/* The same of a text in UTC, in ms since 1970; 0: it is no time. */
int64_t history_time(const json_t *o, const char *key);

/* The call paths of incidents, for flame_svg(). NULL: no memory. */
json_t *history_sites(const json_t *incidents);

void render_history_text(const struct render *r, const json_t *history);
void render_incident_text(const struct render *r, const json_t *incident);

/* A page that needs no other file: with a chart, incidents (an array of whole ones) and a flame
 * graph. -ENOMEM. */
int render_history_page(FILE *to, const json_t *history, const json_t *incidents)
	__attribute__((warn_unused_result));

#endif
