/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Shows what was found of a driver, as text or as one JSON object. */
#ifndef PINLEAK_RENDER_INSPECT_H
#define PINLEAK_RENDER_INSPECT_H

#include "../core/inspect.h"
#include "render.h"

void render_inspect_text(const struct render *r, const struct inspect *i);
void render_inspect_json(const struct render *r, const struct inspect *i);

/* Ends of a tee that show diagnoses in this way, and nothing else; the context: struct render. */
extern const struct reporter text_diagnosis, json_diagnosis;

#endif
