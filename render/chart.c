// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "chart.h"

#include <math.h>
#include <time.h>

#include "../core/units.h"
#include "svg.h"

#define WIDTH  1200.0
#define HEIGHT 320.0
#define LEFT   90.0 /* of the axes: room for their texts */
#define RIGHT  16.0
#define TOP    16.0
#define BOTTOM 40.0
#define LINES  4 /* across, above the axis */
#define TICKS  6 /* of the time */
#define BAND   "#5b9bd5"
#define MARK   "#d1495b"

struct scale {
	const struct chart *of;
	double low;
	double high;
};

static double x_of(const struct scale *s, int64_t at)
{
	double span = (double)(s->of->to - s->of->from);

	return LEFT + (WIDTH - LEFT - RIGHT) * (span > 0 ? (double)(at - s->of->from) / span : 0);
}

static double y_of(const struct scale *s, double value)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - s->low) / (s->high - s->low);
}

/* Of 1, 2 and 5 times a power of ten, or of two for bytes, the first that is not less. */
static double round_up(double value, bool bytes)
{
	double base = bytes ? exp2(floor(log2(value))) : pow(10, floor(log10(value)));

	if (bytes)
		return base >= value ? base : base * 2;
	return value <= base	   ? base
	       : value <= 2 * base ? 2 * base
	       : value <= 5 * base ? 5 * base
				   : 10 * base;
}

static struct scale scale_of(const struct chart *c)
{
	struct scale s = {.of = c};
	double step;

	for (size_t i = 0; i < c->nr; i++) {
		s.low = fmin(s.low, c->points[i].least);
		s.high = fmax(s.high, c->points[i].most);
	}
	step = round_up(fmax(s.high - s.low, 1) / LINES, c->bytes);
	s.low = floor(s.low / step) * step;
	s.high = fmax(ceil(s.high / step), 1) * step;
	return s;
}

static void draw_values(FILE *to, const struct scale *s)
{
	double step = (s->high - s->low) / LINES;
	char text[UNITS_ROOM];

	for (int i = 0; i <= LINES; i++) {
		double value = s->low + i * step, y = y_of(s, value);

		if (s->of->bytes)
			units_bytes(value, text);
		else
			units_count((int64_t)llround(value), text);
		fprintf(to,
			"<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" "
			"stroke=\"currentColor\" stroke-opacity=\"%s\"/>"
			"<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			LEFT, y, WIDTH - RIGHT, y, i ? "0.15" : "0.6", LEFT - 8, y + 4, text);
	}
}

static void draw_times(FILE *to, const struct chart *c, const struct scale *s)
{
	bool days = c->to - c->from > INT64_C(172800000);
	char text[32];
	struct tm tm;

	for (int i = 0; i <= TICKS; i++) {
		int64_t at = c->from + (c->to - c->from) / TICKS * i;
		time_t seconds = (time_t)(at / 1000);

		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), days ? "%m-%d %H:%M" : "%H:%M:%S", &tm);
		fprintf(to, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
			x_of(s, at), HEIGHT - BOTTOM + 20,
			!i	     ? "start"
			: i == TICKS ? "end"
				     : "middle",
			text);
	}
}

/* The points from `first` on that follow one another: to the one returned. */
static size_t stretch(const struct chart *c, size_t first)
{
	size_t i = first + 1;

	while (i < c->nr && c->points[i].at - c->points[i - 1].at <= 2 * c->step)
		i++;
	return i;
}

static double middle(const struct scale *s, size_t i)
{
	return x_of(s, s->of->points[i].at + s->of->step / 2);
}

static void draw_stretch(FILE *to, const struct scale *s, size_t from, size_t end)
{
	const struct chart_point *p = s->of->points;

	fprintf(to, "<path fill=\"%s\" fill-opacity=\"0.3\" d=\"", BAND);
	for (size_t i = from; i < end; i++)
		fprintf(to, "%c%.1f %.1f", i == from ? 'M' : 'L', middle(s, i), y_of(s, p[i].most));
	for (size_t i = end; i-- > from;)
		fprintf(to, "L%.1f %.1f", middle(s, i), y_of(s, p[i].least));
	fprintf(to,
		"Z\"/>\n<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linecap=\"round\" d=\"",
		BAND);
	for (size_t i = from; i < end; i++)
		fprintf(to, "%c%.1f %.1f", i == from ? 'M' : 'L', middle(s, i), y_of(s, p[i].mean));
	fputs(end == from + 1 ? "h0.1\"/>\n" : "\"/>\n", to);
}

static void draw_marks(FILE *to, const struct scale *s)
{
	for (size_t i = 0; i < s->of->nr_marks; i++) {
		double x = x_of(s, s->of->marks[i].at);

		fputs("<g><title>", to);
		svg_text(to, s->of->marks[i].label, SIZE_MAX);
		fprintf(to,
			"</title><line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"%s\" "
			"stroke-width=\"2\" stroke-dasharray=\"4 3\"/>"
			"<circle cx=\"%.1f\" cy=\"%.0f\" r=\"6\" fill=\"%s\"/></g>\n",
			x, TOP, x, HEIGHT - BOTTOM, MARK, x, TOP, MARK);
	}
}

void chart_svg(FILE *to, const struct chart *c)
{
	struct scale s = scale_of(c);

	svg_begin(to, WIDTH, HEIGHT, c->title);
	fputs("<g font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">\n", to);
	draw_values(to, &s);
	draw_times(to, c, &s);
	for (size_t i = 0, end; i < c->nr; i = end) {
		end = stretch(c, i);
		draw_stretch(to, &s, i, end);
	}
	draw_marks(to, &s);
	fputs("</g>\n</svg>\n", to);
}
