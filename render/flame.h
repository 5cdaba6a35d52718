/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A picture of call paths as wide as the memory they made unmovable: a flame graph in SVG. */
#ifndef PINLEAK_RENDER_FLAME_H
#define PINLEAK_RENDER_FLAME_H

#include <jansson.h>
#include <stdio.h>

/* What is beyond is left out, and the picture says so. */
#define FLAME_SITES 1024
#define FLAME_DEPTH 64	 /* frames of a call path, the outermost */
#define FLAME_NODES 8192 /* boxes */

/*
 * Draws an array of {"stack": ["pin_user_pages_fast", ..., outermost last], "bytes": N, "pins": N,
 * "driver": NAME or null}, as verdicts ("sites"), the feed ("drivers") and the history have them;
 * what is no such object is left out. A box a frame, with the driver below the outermost one; the
 * pins and bytes of each are its <title>. The same sites give the same picture in any order.
 *
 * One <svg> element, in UTF-8, without style sheets and scripts, for a file of its own or to be
 * put into a page: text outside the boxes has the colour of its surroundings (currentColor).
 * -ENOMEM; whether the writing failed, ferror() tells.
 */
int flame_svg(FILE *to, const json_t *sites, const char *title)
	__attribute__((nonnull, warn_unused_result));

#endif
