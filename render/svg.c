// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "svg.h"

#include <stdint.h>

#include "../core/units.h"

void svg_begin(FILE *to, double width, double height, const char *title)
{
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		"width=\"%.0f\" height=\"%.0f\" role=\"img\">\n<title>",
		width, height, width, height);
	svg_text(to, title, SIZE_MAX);
	fputs("</title>\n", to);
}

static size_t characters(const char *text)
{
	char out[UNITS_XML_ROOM];
	size_t n = 0;

	for (; *text; n++)
		text += units_xml(text, out);
	return n;
}

void svg_text(FILE *to, const char *text, size_t most)
{
	char out[UNITS_XML_ROOM];
	size_t room = characters(text) <= most ? SIZE_MAX : most > 2 ? most - 2 : 0;

	for (; *text && room; room--) {
		text += units_xml(text, out);
		fputs(out, to);
	}
	if (*text)
		fputs("..", to);
}
