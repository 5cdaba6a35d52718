/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What pictures have in common. */
#ifndef PINLEAK_RENDER_SVG_H
#define PINLEAK_RENDER_SVG_H

#include <stddef.h>
#include <stdio.h>

/* The <svg> element and its <title>; as wide as there is room, never wider than it is drawn. */
void svg_begin(FILE *to, double width, double height, const char *title);

/* Text, escaped, for XML and HTML; with ".." in the place of what is beyond so many characters. */
void svg_text(FILE *to, const char *text, size_t most);

#endif
