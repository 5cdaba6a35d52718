/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the JSON objects of all commands have in common. */
#ifndef PINLEAK_RENDER_JSON_H
#define PINLEAK_RENDER_JSON_H

#include <jansson.h>

#include "render.h"

/* An object with its type, time, host and kernel. */
json_t *json_event(const struct render *r, const char *type, uint64_t now_ns);

/* Prints it on a line of its own, or hands it to who takes it, and lets go of it. */
void json_put(const struct render *r, json_t *o);

/* Cleaned of what is no text; null for "" and NULL. */
json_t *json_text_or_null(const char *s);

/* What an error number means, see core/errors.h. */
json_t *json_error(uint32_t code);

/* A process that pins. */
json_t *json_process(const struct snap_owner *o);

/* What may be lost, by its name; one without a name ends them. */
struct json_loss {
	const char *name;
	enum pl_stat stat;
};
extern const struct json_loss json_losses[];

json_t *json_cost(const struct cost *c);
json_t *json_sum(const struct census_sum *s);

#endif
