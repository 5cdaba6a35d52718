// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "../core/units.h"

#define GRAPH	    4 /* lines of it */
#define GRAPH_LABEL 11
#define TABLE_AT    (3 + GRAPH) /* the line of the table's title */
#define ROWS_AT	    (TABLE_AT + 2)
#define ROWS	    BOARD_PROCESSES /* of any table, at most */

static const char *const sort_names[SORTS] = {"bytes", "pins", "leaked", "rate", "age", "name"};

static const struct board *shown(const struct screen *s)
{
	return s->paused ? s->frozen : s->board;
}

/* ---- cells ---------------------------------------------------------------------------- */

/* The character at *at, which is moved on; "?" for what is not one column wide here. */
static uint32_t next_character(const char **at)
{
	const unsigned char *c = (const unsigned char *)*at;
	int more = c[0] < 0x80 ? 0 : c[0] < 0xe0 ? 1 : c[0] < 0xf0 ? 2 : 3;
	uint32_t u = more ? c[0] & (0x3f >> more) : c[0];

	(*at)++;
	for (; more && (**at & 0xc0) == 0x80; more--)
		u = u << 6 | (*(*at)++ & 0x3f);
	return more || (u >= 0x80 && wcwidth((wchar_t)u) != 1) ? '?' : u;
}

size_t screen_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static void put_cell(const struct screen_grid *g, unsigned y, unsigned x, uint32_t c,
		     enum screen_look look)
{
	if (y < g->height && x < g->width)
		g->cells[y * g->width + x] = (struct screen_cell){c, (uint8_t)look};
}

static void put(const struct screen_grid *g, unsigned y, unsigned x, enum screen_look look,
		const char *text)
{
	while (*text)
		put_cell(g, y, x++, next_character(&text), look);
}

static void __attribute__((format(printf, 5, 6)))
putf(const struct screen_grid *g, unsigned y, unsigned x, enum screen_look look, const char *format,
     ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(g, y, x, look, text);
}

static void put_right(const struct screen_grid *g, unsigned y, enum screen_look look,
		      const char *text)
{
	unsigned width = (unsigned)strlen(text);

	put(g, y, width < g->width ? g->width - width : 0, look, text);
}

static void paint_line(const struct screen_grid *g, unsigned y, enum screen_look look)
{
	for (unsigned x = 0; x < g->width && y < g->height; x++)
		g->cells[y * g->width + x].look = (uint8_t)look;
}

static void clear(const struct screen_grid *g)
{
	for (unsigned i = 0; i < g->width * g->height; i++)
		g->cells[i] = (struct screen_cell){' ', LOOK_PLAIN};
}

/* ---- figures -------------------------------------------------------------------------- */

/* "1,234,567", or so many thousands or millions when it is wider than 8 columns. */
static const char *count(uint64_t n, char *out)
{
	static const char units[] = " kMGT";
	size_t i = 0;

	units_count((int64_t)n, out);
	while (strlen(out) > 8 && units[i + 1]) {
		n /= 1000;
		i++;
		units_count((int64_t)n, out);
		snprintf(out + strlen(out), 3, " %c", units[i]);
	}
	return out;
}

static const char *rate(const struct board_driver *d, char *out)
{
	char bytes[UNITS_ROOM];
	double r;

	if (!board_rate(d, &r))
		return strcpy(out, "-");
	units_bytes(r < 0 ? -r : r, bytes);
	snprintf(out, UNITS_ROOM, "%s%.30s", r > 0 ? "+" : r < 0 ? "-" : "", bytes);
	return out;
}

/* ---- rows ----------------------------------------------------------------------------- */

static bool contains(const char *text, const char *part)
{
	return !*part || strcasestr(text, part);
}

static int by_number(double a, double b)
{
	return (a < b) - (a > b);
}

static int compare_drivers(const void *x, const void *y, void *ctx)
{
	const struct screen *s = ctx;
	const struct board_driver *a = &shown(s)->drivers[*(const size_t *)x];
	const struct board_driver *b = &shown(s)->drivers[*(const size_t *)y];
	double rates[2] = {-1e300, -1e300};
	int order = 0;

	board_rate(a, &rates[0]);
	board_rate(b, &rates[1]);
	if (s->sort == SORT_PINS)
		order = by_number((double)(a->held + a->leaked), (double)(b->held + b->leaked));
	else if (s->sort == SORT_LEAKED)
		order = by_number((double)a->leaked, (double)b->leaked);
	else if (s->sort == SORT_RATE)
		order = by_number(rates[0], rates[1]);
	else if (s->sort == SORT_AGE)
		order = by_number((double)b->since_ns, (double)a->since_ns);
	if (!order && s->sort != SORT_NAME)
		order = by_number((double)board_bytes(a), (double)board_bytes(b));
	return order ? order : strcmp(a->name, b->name);
}

static int compare_processes(const void *x, const void *y, void *ctx)
{
	const struct screen *s = ctx;
	const struct board_process *a = &shown(s)->processes[*(const size_t *)x];
	const struct board_process *b = &shown(s)->processes[*(const size_t *)y];
	int order = 0;

	if (s->sort == SORT_NAME)
		order = strcmp(a->comm, b->comm);
	else if (s->sort == SORT_PINS)
		order = by_number((double)a->pins, (double)b->pins);
	if (!order)
		order = by_number((double)a->bytes, (double)b->bytes);
	return order ? order : (a->pid > b->pid) - (a->pid < b->pid);
}

static bool fits(const struct screen *s, enum screen_view view, size_t i)
{
	const struct board *b = shown(s);

	switch (view) {
	case VIEW_DRIVERS:
		return contains(b->drivers[i].name, s->filter);
	case VIEW_PROCESSES:
		return contains(b->processes[i].comm, s->filter) ||
		       contains(b->processes[i].driver, s->filter);
	default:
		return !strcmp(b->paths[i].driver, s->driver);
	}
}

/* The places of a view's rows on the board, as they are to be shown; paths are sorted there. */
static size_t list(const struct screen *s, enum screen_view view, size_t rows[ROWS])
{
	const struct board *b = shown(s);
	size_t all = view == VIEW_DRIVERS     ? b->nr_drivers
		     : view == VIEW_PROCESSES ? b->nr_processes
					      : b->nr_paths;
	size_t nr = 0;

	for (size_t i = 0; i < all; i++)
		if (fits(s, view, i))
			rows[nr++] = i;
	if (view == VIEW_DRIVERS)
		qsort_r(rows, nr, sizeof(*rows), compare_drivers, (void *)s);
	else if (view == VIEW_PROCESSES)
		qsort_r(rows, nr, sizeof(*rows), compare_processes, (void *)s);
	return nr;
}

static const struct board_path *path_of(const struct screen *s)
{
	const struct board *b = shown(s);

	for (size_t i = 0; i < b->nr_paths; i++)
		if (b->paths[i].key == s->path)
			return &b->paths[i];
	return NULL;
}

/* ---- the head ------------------------------------------------------------------------- */

static void draw_sums(const struct screen *s, const struct screen_grid *g, unsigned y)
{
	const struct board *b = shown(s);
	char now[UNITS_ROOM], held[UNITS_ROOM], leaked[UNITS_ROOM];

	if (!b->looked)
		return put(g, y, 0, LOOK_PLAIN, "no look at the counters yet");
	units_count(b->outstanding, now);
	if (b->booked)
		putf(g, y, 0, b->leaked ? LOOK_BAD : LOOK_PLAIN,
		     "%s pins outstanding; on the books %s held, %s leaked", now,
		     units_count((int64_t)b->held, held), units_count((int64_t)b->leaked, leaked));
	else
		putf(g, y, 0, LOOK_PLAIN, "%s pins outstanding; nobody tracks whose they are", now);
}

static void draw_losses(const struct screen *s, const struct screen_grid *g, unsigned y)
{
	const struct board *b = shown(s);
	char pins[UNITS_ROOM], others[UNITS_ROOM];

	if (b->refused)
		putf(g, y, 0, LOOK_WARNING, "no tracking: %s", b->note);
	else if (b->lossy || b->cut)
		putf(g, y, 0, LOOK_WARNING, "LOST: %s pins, %s other records; there may be more%s",
		     units_count((int64_t)b->lost_pins, pins),
		     units_count((int64_t)b->lost_else, others), b->cut ? "; rows cut" : "");
	else if (b->booked)
		put(g, y, 0, LOOK_PLAIN, "nothing lost");
	else
		putf(g, y, 0, LOOK_PLAIN, "%s", b->note);
}

static void draw_head(const struct screen *s, const struct screen_grid *g)
{
	const struct board *b = shown(s);
	char clock[RENDER_CLOCK], right[64];

	render_clock(s->render, b->now_ns, clock);
	putf(g, 0, 0, LOOK_TITLE, "pinleak top  %s  %s", s->render->host, s->render->kernel);
	snprintf(right, sizeof(right), "%s  level %s  %s", s->paused ? "  PAUSED" : "",
		 level_name(b->level), b->looked ? clock : "");
	put_right(g, 0, LOOK_TITLE, right);
	paint_line(g, 0, LOOK_TITLE);
	draw_sums(s, g, 1);
	draw_losses(s, g, 2);
}

/* ---- the graph ------------------------------------------------------------------------ */

/* Of a bar that is so many eighths of a line high; without the blocks: halves. */
static uint32_t block(const struct screen *s, unsigned eighths)
{
	if (!eighths)
		return ' ';
	if (s->blocks)
		return 0x2580 + eighths;
	return eighths < 4 ? '.' : eighths < 8 ? ':' : '#';
}

static void draw_bar(const struct screen *s, const struct screen_grid *g, unsigned y, unsigned x,
		     double share)
{
	unsigned eighths = (unsigned)(share * (GRAPH * 8 - 1)) + 1;

	for (unsigned line = 0; line < GRAPH; line++) {
		unsigned below = (GRAPH - 1 - line) * 8;

		put_cell(g, y + line, x,
			 block(s, eighths <= below	? 0
				  : eighths - below > 8 ? 8
							: eighths - below),
			 LOOK_PLAIN);
	}
}

static void draw_graph(const struct screen *s, const struct screen_grid *g, unsigned y)
{
	const struct board *b = shown(s);
	size_t room = g->width - GRAPH_LABEL;
	size_t first = b->nr_looks > room ? b->nr_looks - room : 0;
	int64_t low = INT64_MAX, high = INT64_MIN;
	char label[UNITS_ROOM];

	for (size_t i = first; i < b->nr_looks; i++) {
		low = b->looks[i].value < low ? b->looks[i].value : low;
		high = b->looks[i].value > high ? b->looks[i].value : high;
	}
	if (!b->nr_looks)
		return;
	putf(g, y, 0, LOOK_PLAIN, "%10s", units_count(high, label));
	putf(g, y + 1, 0, LOOK_PLAIN, "%10s", "pins over");
	putf(g, y + 2, 0, LOOK_PLAIN, "%10s",
	     units_seconds((double)(b->now_ns - b->looks[first].now_ns) / 1e9, label));
	putf(g, y + 3, 0, LOOK_PLAIN, "%10s", units_count(low, label));
	for (size_t i = first; i < b->nr_looks; i++)
		draw_bar(s, g, y, (unsigned)(GRAPH_LABEL + i - first),
			 high == low ? 0
				     : (double)(b->looks[i].value - low) / (double)(high - low));
}

/* ---- the tables ----------------------------------------------------------------------- */

static void draw_driver(const struct screen_grid *g, unsigned y, const struct board *b,
			const struct board_driver *d)
{
	char bytes[UNITS_ROOM], held[UNITS_ROOM], leaked[UNITS_ROOM], a[UNITS_ROOM], r[UNITS_ROOM];
	int name = (int)g->width - 63;
	bool bad = d->leaked || d->evidence;

	units_bytes((double)board_bytes(d), bytes);
	units_seconds(board_age(b, d), a);
	putf(g, y, 0, bad ? LOOK_BAD : LOOK_PLAIN, "  %-*.*s %10s %8s %8s %10s %6s %s", name, name,
	     d->name, bytes, count(d->held, held), count(d->leaked, leaked), rate(d, r),
	     board_bytes(d) ? a : "-",
	     d->evidence ? evidence_name(d->evidence)
	     : d->leaked ? "proved"
	     : d->guess	 ? "(guessed)"
			 : "-");
}

static void draw_process(const struct screen_grid *g, unsigned y, const struct board *b,
			 const struct board_process *p)
{
	char bytes[UNITS_ROOM], pins[UNITS_ROOM], pid[16] = "-";
	int name = (int)g->width - 60;

	(void)b;
	if (p->pid)
		snprintf(pid, sizeof(pid), "%" PRIu32, p->pid);
	units_bytes((double)p->bytes, bytes);
	putf(g, y, 0, p->left ? LOOK_BAD : LOOK_PLAIN, "  %8s %-*.*s %-16.16s %10s %8s %s", pid,
	     name, name, p->pid ? p->comm : "(kernel worker)", p->driver, bytes,
	     count(p->pins, pins),
	     p->left && p->gone ? "gone, left"
	     : p->left		? "left pins"
	     : p->gone		? "gone"
				: "holds");
}

static void draw_path(const struct screen_grid *g, unsigned y, const struct board *b,
		      const struct board_path *p)
{
	char frames[PL_FRAMES][RENDER_FRAME], bytes[UNITS_ROOM], held[UNITS_ROOM],
		leaked[UNITS_ROOM], way[256] = "";
	size_t n = render_stack(&p->site, frames);

	(void)b;
	units_bytes((double)p->bytes, bytes);
	for (size_t i = 0; i < n && i < 4; i++)
		snprintf(way + strlen(way), sizeof(way) - strlen(way), "%s%.60s", i ? " < " : "",
			 frames[i]);
	putf(g, y, 0, p->leaked ? LOOK_BAD : LOOK_PLAIN, "  %10s %8s %8s  %s", bytes,
	     count(p->held, held), count(p->leaked, leaked), n ? way : "(its stack was lost)");
}

static void draw_titles(const struct screen *s, const struct screen_grid *g, unsigned y)
{
	int width = (int)g->width;

	if (s->view == VIEW_DRIVERS)
		putf(g, y, 0, LOOK_TITLE, "  %-*s %10s %8s %8s %10s %6s %s", width - 63, "DRIVER",
		     "UNMOVABLE", "HELD", "LEAKED", "BYTES/S", "AGE", "EVIDENCE");
	else if (s->view == VIEW_PROCESSES)
		putf(g, y, 0, LOOK_TITLE, "  %8s %-*s %-16s %10s %8s %s", "PID", width - 60,
		     "COMMAND", "DRIVER", "UNMOVABLE", "HELD", "STATE");
	else
		putf(g, y, 0, LOOK_TITLE, "  %10s %8s %8s  %s", "UNMOVABLE", "HELD", "LEAKED",
		     "CALL PATH, FROM THE PIN ON");
	paint_line(g, y, LOOK_TITLE);
}

static void draw_row(const struct screen *s, const struct screen_grid *g, unsigned y, size_t place)
{
	const struct board *b = shown(s);

	if (s->view == VIEW_DRIVERS)
		draw_driver(g, y, b, &b->drivers[place]);
	else if (s->view == VIEW_PROCESSES)
		draw_process(g, y, b, &b->processes[place]);
	else
		draw_path(g, y, b, &b->paths[place]);
}

static void draw_caption(const struct screen *s, const struct screen_grid *g, size_t nr)
{
	char filter[SCREEN_FILTER + 16] = "";

	if (s->filter[0])
		snprintf(filter, sizeof(filter), ", with \"%s\"", s->filter);
	if (s->view == VIEW_PATHS)
		putf(g, TABLE_AT, 0, LOOK_PLAIN, "%zu call path%s of %s, most bytes first", nr,
		     nr == 1 ? "" : "s", s->driver);
	else
		putf(g, TABLE_AT, 0, LOOK_PLAIN, "%zu %s%s by %s%s", nr,
		     s->view == VIEW_DRIVERS ? "driver" : "process",
		     nr == 1		       ? ""
		     : s->view == VIEW_DRIVERS ? "s"
					       : "es",
		     sort_names[s->sort], filter);
}

/* The driver that is chosen stays so wherever it moves; the first line is nobody's. */
static void follow(struct screen *s, const size_t *rows, size_t nr)
{
	size_t *at = &s->at[s->view];

	if (*at >= nr)
		*at = nr ? nr - 1 : 0;
	if (s->view != VIEW_DRIVERS || !s->driver[0])
		return;
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(shown(s)->drivers[rows[i]].name, s->driver))
			*at = i;
}

static void draw_table(struct screen *s, const struct screen_grid *g)
{
	size_t rows[ROWS], nr = list(s, s->view, rows), first;

	follow(s, rows, nr);
	s->page = g->height - ROWS_AT - 1;
	s->rows = nr;
	first = s->at[s->view] / s->page * s->page;
	draw_caption(s, g, nr);
	draw_titles(s, g, TABLE_AT + 1);
	for (size_t i = first; i < nr && i < first + s->page; i++) {
		unsigned y = (unsigned)(ROWS_AT + i - first);

		draw_row(s, g, y, rows[i]);
		if (i != s->at[s->view])
			continue;
		put_cell(g, y, 0, '>', LOOK_CHOSEN);
		paint_line(g, y, LOOK_CHOSEN);
	}
	if (!nr)
		put(g, ROWS_AT, 2, LOOK_PLAIN,
		    !shown(s)->booked ? "nothing is tracked"
		    : s->filter[0]    ? "nothing that fits"
				      : "nothing is pinned by what was tracked");
}

static void draw_stack(struct screen *s, const struct screen_grid *g)
{
	const struct board_path *p = path_of(s);
	char frames[PL_FRAMES][RENDER_FRAME];
	size_t n = p ? render_stack(&p->site, frames) : 0;
	size_t *at = &s->at[VIEW_STACK];

	s->page = g->height - TABLE_AT - 3;
	s->rows = n > s->page ? n - s->page + 1 : 1;
	if (*at >= s->rows)
		*at = s->rows - 1;
	putf(g, TABLE_AT, 0, LOOK_TITLE, "the stack of a call path of %s%s", s->driver,
	     p && p->site.truncated ? ", cut short" : "");
	for (size_t i = *at; i < n && i < *at + s->page; i++)
		putf(g, (unsigned)(TABLE_AT + 1 + i - *at), 4, LOOK_PLAIN, "%s", frames[i]);
	if (!n)
		put(g, TABLE_AT + 1, 4, LOOK_PLAIN,
		    p ? "it was lost" : "nothing is pinned through it any more");
}

static void draw_help(struct screen *s, const struct screen_grid *g)
{
	static const char *const lines[] = {
		"Enter, Right   call paths of the driver; then the stack of the path",
		"Esc, Left      back",
		"Tab            drivers, processes",
		"up down j k    choose; also Page Up, Page Down, Home, End",
		"b n l r a d    sort by bytes, pins, leaked, rate, age, name",
		"/              show only what has this text in its name; Esc ends it",
		"space          pause: the screen stands still, the looks go on",
		"q              quit",
		"",
		"UNMOVABLE  bytes that cannot be moved or freed      HELD  pins in use",
		"LEAKED     pins proved to be left behind    BYTES/S  over a minute",
		"AGE        for so long it has held something, as seen from here",
		"EVIDENCE   of error 729; pinleak-watch(1) tells what each means",
	};

	put(g, TABLE_AT, 0, LOOK_TITLE, "keys");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		put(g, (unsigned)(TABLE_AT + 2 + i), 2, LOOK_PLAIN, lines[i]);
	s->page = s->rows = 1;
}

static void draw_foot(const struct screen *s, const struct screen_grid *g)
{
	unsigned y = g->height - 1;

	if (s->typing)
		putf(g, y, 0, LOOK_TITLE, "show only: %s_", s->filter);
	else if (s->message)
		put(g, y, 0, LOOK_WARNING, s->message);
	else if (s->view == VIEW_HELP || s->view == VIEW_STACK)
		put(g, y, 0, LOOK_PLAIN, "Esc back  q quit");
	else
		putf(g, y, 0, LOOK_PLAIN,
		     "Enter open  Esc back  Tab %s  / filter  space pause  ? help  q quit",
		     s->view == VIEW_DRIVERS ? "processes" : "drivers");
}

void screen_draw(struct screen *s, const struct screen_grid *g)
{
	clear(g);
	if (g->width < SCREEN_WIDTH || g->height < SCREEN_HEIGHT) {
		put(g, 0, 0, LOOK_PLAIN, "too small: 80x24 is needed");
		return;
	}
	draw_head(s, g);
	draw_graph(s, g, 3);
	if (s->view == VIEW_HELP)
		draw_help(s, g);
	else if (s->view == VIEW_STACK)
		draw_stack(s, g);
	else
		draw_table(s, g);
	draw_foot(s, g);
}

unsigned screen_batch_height(const struct screen *s)
{
	size_t rows[ROWS], nr = list(s, VIEW_DRIVERS, rows);

	return 4 + (unsigned)(nr ? nr : 1);
}

void screen_draw_batch(struct screen *s, const struct screen_grid *g)
{
	size_t rows[ROWS], nr = list(s, VIEW_DRIVERS, rows);

	clear(g);
	draw_head(s, g);
	draw_titles(s, g, 3);
	for (size_t i = 0; i < nr; i++)
		draw_row(s, g, (unsigned)(4 + i), rows[i]);
	if (!nr)
		put(g, 4, 2, LOOK_PLAIN,
		    s->board->booked ? "nothing is pinned by what was tracked"
				     : "nothing is tracked");
}

/* ---- keys ----------------------------------------------------------------------------- */

static void choose(struct screen *s, size_t at)
{
	size_t rows[ROWS], nr = list(s, s->view, rows);

	s->at[s->view] = at;
	if (s->view == VIEW_DRIVERS)
		strcpy(s->driver, at && at < nr ? shown(s)->drivers[rows[at]].name : "");
}

static void move(struct screen *s, uint32_t key)
{
	size_t at = s->at[s->view], last = s->rows ? s->rows - 1 : 0;

	if (key == SCREEN_UP || key == 'k')
		choose(s, at ? at - 1 : 0);
	else if (key == SCREEN_DOWN || key == 'j')
		choose(s, at < last ? at + 1 : last);
	else if (key == SCREEN_PAGE_UP)
		choose(s, at > s->page ? at - s->page : 0);
	else if (key == SCREEN_PAGE_DOWN)
		choose(s, at + s->page < last ? at + s->page : last);
	else if (key == SCREEN_HOME || key == SCREEN_END)
		choose(s, key == SCREEN_HOME ? 0 : last);
}

static void enter(struct screen *s)
{
	size_t rows[ROWS], nr, at = s->at[s->view];

	if (s->view > VIEW_PATHS)
		return;
	nr = list(s, s->view, rows);
	if (at >= nr)
		return;
	if (s->view == VIEW_PATHS) {
		s->path = shown(s)->paths[rows[at]].key;
		s->view = VIEW_STACK;
	} else {
		strcpy(s->driver, s->view == VIEW_DRIVERS ? shown(s)->drivers[rows[at]].name
							  : shown(s)->processes[rows[at]].driver);
		s->view = VIEW_PATHS;
	}
	s->at[s->view] = 0;
}

static void leave(struct screen *s)
{
	if (s->view == VIEW_HELP)
		s->view = s->before;
	else if (s->view == VIEW_STACK)
		s->view = VIEW_PATHS;
	else if (s->view != VIEW_DRIVERS)
		s->view = VIEW_DRIVERS;
	else
		s->filter[0] = '\0';
}

static void type(struct screen *s, uint32_t key)
{
	size_t n = strlen(s->filter);

	if (key == SCREEN_ENTER || key == SCREEN_ESCAPE)
		s->typing = false;
	if (key == SCREEN_ESCAPE)
		s->filter[0] = '\0';
	else if (key == SCREEN_ERASE && n)
		s->filter[n - 1] = '\0';
	else if (key >= ' ' && key < 127 && n + 1 < sizeof(s->filter))
		s->filter[n] = (char)key, s->filter[n + 1] = '\0';
	s->at[VIEW_DRIVERS] = s->at[VIEW_PROCESSES] = 0;
	s->driver[0] = '\0';
}

static void pause_or_go_on(struct screen *s)
{
	if (!s->paused)
		*s->frozen = *s->board;
	s->paused = !s->paused;
}

static void command(struct screen *s, uint32_t key)
{
	static const char sorts[] = "bnlrad";
	const char *sort = key && key < 128 ? strchr(sorts, (int)key) : NULL;

	if (sort) {
		s->sort = (enum screen_sort)(sort - sorts);
	} else if (key == ' ') {
		pause_or_go_on(s);
	} else if (key == '\t') {
		s->view = s->view == VIEW_DRIVERS ? VIEW_PROCESSES : VIEW_DRIVERS;
	} else if (key == '/' && s->view <= VIEW_PROCESSES) {
		s->typing = true;
		s->filter[0] = '\0';
	} else if ((key == '?' || key == 'h') && s->view != VIEW_HELP) {
		s->before = s->view;
		s->view = VIEW_HELP;
	} else if (key == SCREEN_ENTER) {
		enter(s);
	} else if (key == SCREEN_ESCAPE || key == SCREEN_ERASE) {
		leave(s);
	} else {
		move(s, key);
	}
}

bool screen_press(struct screen *s, uint32_t key)
{
	if (s->typing)
		type(s, key);
	else if (key == 'q')
		return false;
	else
		command(s, key);
	return true;
}
