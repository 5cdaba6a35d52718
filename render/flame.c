// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "flame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../core/grow.h"
#include "../core/units.h"
#include "svg.h"

#define WIDTH  1200.0
#define ROW    18.0
#define HEAD   44.0 /* above the boxes: title and sum */
#define FOOT   8.0  /* below them */
#define LETTER 7.3  /* of 12 pixels, monospace: as wide at most */
#define LEAST  0.5  /* pixels: a box that is less wide is not drawn, nor what is above it */
#define NONE   UINT32_MAX

struct node {
	const char *name; /* lent by the sites */
	uint64_t bytes;
	uint64_t pins;
	uint32_t child; /* the first, by name */
	uint32_t next;	/* of the same parent, by name */
	uint32_t depth; /* 0: all */
};

struct flame {
	struct node *nodes;
	size_t nr;
	size_t room;
	uint32_t deepest;  /* that is drawn */
	uint64_t left_out; /* call paths */
	uint64_t cut;	   /* call paths of which inner frames are not drawn */
};

/* ---- the tree ------------------------------------------------------------------------- */

static int add_node(struct flame *f, const char *name, uint32_t depth, uint32_t next, uint32_t *at)
{
	int err = grow((void **)&f->nodes, &f->room, f->nr, sizeof(*f->nodes));

	if (err)
		return err;
	f->nodes[f->nr] = (struct node){.name = name, .child = NONE, .next = next, .depth = depth};
	*at = (uint32_t)f->nr++;
	return 0;
}

/* The child of that name; NONE when there is no room for one more. */
static int child_of(struct flame *f, uint32_t parent, const char *name, uint32_t *out)
{
	uint32_t before = NONE, at = f->nodes[parent].child;
	int err;

	while (at != NONE && strcmp(f->nodes[at].name, name) < 0) {
		before = at;
		at = f->nodes[at].next;
	}
	*out = at;
	if (at != NONE && !strcmp(f->nodes[at].name, name))
		return 0;
	*out = NONE;
	if (f->nr == FLAME_NODES)
		return 0;
	err = add_node(f, name, f->nodes[parent].depth + 1, at, out);
	if (err)
		return err;
	if (before == NONE)
		f->nodes[parent].child = *out;
	else
		f->nodes[before].next = *out;
	return 0;
}

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* One box further in, and the site's share in it; NONE when it has no box. */
static int enter(struct flame *f, const json_t *site, const char *name, uint32_t *at)
{
	int err = child_of(f, *at, name, at);

	if (err || *at == NONE)
		return err;
	f->nodes[*at].bytes = add(f->nodes[*at].bytes, number(site, "bytes"));
	f->nodes[*at].pins = add(f->nodes[*at].pins, number(site, "pins"));
	return 0;
}

static int add_site(struct flame *f, const json_t *site)
{
	const json_t *stack = json_object_get(site, "stack");
	const char *driver = json_string_value(json_object_get(site, "driver"));
	size_t depth = json_array_size(stack), drawn = 0;
	uint32_t at = 0;
	int err = 0;

	if (!number(site, "bytes") || (!depth && !driver)) {
		f->left_out++;
		return 0;
	}
	f->nodes[0].bytes = add(f->nodes[0].bytes, number(site, "bytes"));
	f->nodes[0].pins = add(f->nodes[0].pins, number(site, "pins"));
	if (driver)
		err = enter(f, site, driver, &at);
	while (!err && at != NONE && drawn < depth && drawn < FLAME_DEPTH) {
		const char *name = json_string_value(json_array_get(stack, depth - ++drawn));

		err = enter(f, site, name ? name : "?", &at);
	}
	f->cut += at == NONE || drawn < depth;
	return err;
}

/* Which boxes come first decides who is left out where there are too many, so it must not depend
 * on the order in which the sites are told. */
static int compare_sites(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	uint64_t more = number(*y, "bytes"), less = number(*x, "bytes");
	char *first, *second;
	int order;

	if (more != less)
		return more > less ? 1 : -1;
	first = json_dumps(*x, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	second = json_dumps(*y, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	order = first && second ? strcmp(first, second) : 0;
	free(first);
	free(second);
	return order;
}

static int add_sites(struct flame *f, const json_t *sites)
{
	size_t nr = json_array_size(sites);
	const json_t **sorted = calloc(nr + 1, sizeof(*sorted));
	int err = sorted ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < nr; i++)
		sorted[i] = json_array_get(sites, i);
	if (!err)
		qsort(sorted, nr, sizeof(*sorted), compare_sites);
	for (size_t i = 0; !err && i < nr && i < FLAME_SITES; i++)
		err = add_site(f, sorted[i]);
	if (nr > FLAME_SITES)
		f->left_out += nr - FLAME_SITES;
	free(sorted);
	return err;
}

/* ---- the picture ---------------------------------------------------------------------- */

static double width_of(const struct flame *f, const struct node *n)
{
	return WIDTH * ((double)n->bytes / (double)f->nodes[0].bytes);
}

/* A module's frames have a warm colour of their own; the kernel's a cool one; all that is below
 * them grey. */
static const char *colour_of(const struct node *n)
{
	static const char *const warm[] = {"#f4a261", "#e9806e", "#f2c14e",
					   "#e8998d", "#f6b26b", "#e5a4cb"};
	const char *module = strchr(n->name, '[');
	uint32_t hash = 2166136261u;

	if (!n->depth)
		return "#b8bec6";
	if (!module)
		return "#9ec9e2";
	for (; *module; module++)
		hash = (hash ^ (unsigned char)*module) * 16777619u;
	return warm[hash % (sizeof(warm) / sizeof(*warm))];
}

static void draw_tip(FILE *to, const struct flame *f, const struct node *n)
{
	char bytes[UNITS_ROOM], pins[UNITS_ROOM];

	fputs("<title>", to);
	svg_text(to, n->name, SIZE_MAX);
	fprintf(to, ": %s, %s pins, %.1f %%</title>", units_bytes((double)n->bytes, bytes),
		units_count((int64_t)n->pins, pins),
		100.0 * (double)n->bytes / (double)f->nodes[0].bytes);
}

static void draw_box(FILE *to, const struct flame *f, const struct node *n, double x, double w)
{
	double y = HEAD + ROW * (f->deepest - n->depth);
	double letters = (w - 6) / LETTER;

	fputs("<g>", to);
	draw_tip(to, f, n);
	fprintf(to,
		"<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\" rx=\"2\" fill=\"%s\"/>",
		x, y, w > 1 ? w - 0.5 : w, ROW - 1, colour_of(n));
	if (letters >= 3) {
		fprintf(to, "<text x=\"%.2f\" y=\"%.0f\" fill=\"#111\">", x + 3, y + 13);
		svg_text(to, n->name, (size_t)letters);
		fputs("</text>", to);
	}
	fputs("</g>\n", to);
}

/* Depth first, FLAME_DEPTH deep at most; `to` NULL: only looks how deep it goes. */
static void draw(FILE *to, struct flame *f, uint32_t at, double x)
{
	const struct node *n = &f->nodes[at];
	double w = width_of(f, n);

	if (w < LEAST)
		return;
	if (to)
		draw_box(to, f, n, x, w);
	else if (n->depth > f->deepest)
		f->deepest = n->depth;
	for (uint32_t c = n->child; c != NONE; c = f->nodes[c].next) {
		draw(to, f, c, x);
		x += width_of(f, &f->nodes[c]);
	}
}

static void draw_sum(FILE *to, const struct flame *f)
{
	char bytes[UNITS_ROOM], pins[UNITS_ROOM];

	fprintf(to, "<text x=\"4\" y=\"34\" fill=\"currentColor\">%s unmovable, %s pins",
		units_bytes((double)f->nodes[0].bytes, bytes),
		units_count((int64_t)f->nodes[0].pins, pins));
	if (f->left_out)
		fprintf(to, "; %" PRIu64 " call paths left out", f->left_out);
	if (f->cut)
		fprintf(to, "; %" PRIu64 " cut", f->cut);
	fputs("</text>\n", to);
}

static void draw_all(FILE *to, struct flame *f, const char *title)
{
	if (f->nodes[0].bytes)
		draw(NULL, f, 0, 0);
	svg_begin(to, WIDTH, HEAD + ROW * (f->deepest + 1) + FOOT, title);
	fputs("<g font-family=\"monospace\" font-size=\"12\">\n"
	      "<text x=\"4\" y=\"16\" font-weight=\"bold\" fill=\"currentColor\">",
	      to);
	svg_text(to, title, SIZE_MAX);
	fputs("</text>\n", to);
	draw_sum(to, f);
	if (f->nodes[0].bytes)
		draw(to, f, 0, 0);
	fputs("</g>\n</svg>\n", to);
}

int flame_svg(FILE *to, const json_t *sites, const char *title)
{
	struct flame f = {0};
	uint32_t root;
	int err = add_node(&f, "all", 0, NONE, &root);

	if (!err)
		err = add_sites(&f, sites);
	if (!err)
		draw_all(to, &f, title);
	free(f.nodes);
	return err;
}
