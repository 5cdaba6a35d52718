// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How an array goes on: n records at a time, n * 4 + this. */
enum step {
	STEP_COPY,   /* the same as those of the array before, which it then is past */
	STEP_CHANGE, /* each as what differs from the one there */
	STEP_NEW,    /* each as what differs from the one just before it in this array */
	STEP_MOVE,   /* in the array before: n, as put_change() tells it */
	STEPS,
};

/* `key`: where 8 bytes lie that tell records apart, most of the time. It only saves bytes. */
static const struct {
	const struct table *table;
	size_t key;
} kinds[ROWS] = {
	[ROWS_PAGES] = {&page_table, offsetof(struct snap_page, folio)},
	[ROWS_OWNERS] = {&owner_table, offsetof(struct snap_owner, key)},
	[ROWS_SITES] = {&site_table, offsetof(struct site_row, site.key)},
	[ROWS_FAILURES] = {&failure_table, offsetof(struct snap_failure, call)},
	[ROWS_UNLOADS] = {&unload_table, offsetof(struct snap_unload, unload.ns)},
	[ROWS_WRONGS] = {&wrong_table, offsetof(struct snap_wrong, by.key)},
	[ROWS_REFUSALS] = {&refusal_table, offsetof(struct snap_refusal, refusal.first_ns)},
	[ROWS_MODULES] = {&module_table, offsetof(struct modgraph_module, name)},
};

/* ---- arrays --------------------------------------------------------------------------- */

static int make_room(struct array_of *a, size_t nr, size_t size)
{
	size_t room = a->room ? a->room : 16;
	char *items;

	if (nr <= a->room)
		return 0;
	while (room < nr)
		room *= 2;
	items = realloc(a->items, room * size);
	if (!items)
		return -ENOMEM;
	a->items = items;
	a->room = room;
	return 0;
}

static int set_array(struct array_of *a, const void *items, size_t nr, size_t size)
{
	int err = make_room(a, nr, size);

	if (err)
		return err;
	if (nr)
		memcpy(a->items, items, nr * size);
	a->nr = nr;
	return 0;
}

static void swap(struct array_of *a, struct array_of *b)
{
	struct array_of c = *a;

	*a = *b;
	*b = c;
}

void mirror_free(struct mirror *m)
{
	for (int i = 0; i < ROWS; i++) {
		free(m->before[i].items);
		free(m->now[i].items);
	}
	free(m->text.items);
	free(m->new_text.items);
	free(m->pages.items);
	free(m->sites.items);
	free(m->modules.items);
	map64_free(&m->out.owner_at);
	map64_free(&m->out.site_at);
	map64_free(&m->out.failure_at);
	*m = (struct mirror){0};
}

/* ---- writing an array ----------------------------------------------------------------- */

struct writing {
	struct sink *to;
	const struct table *table;
	size_t key;
	const struct array_of *before;
	const char *items;
	size_t nr;
	struct map64 places; /* of keys in the array before; empty until it is needed */
	size_t at;	     /* place in the array before */
	size_t taken;	     /* of the array before: never more than it has */
	int err;
};

static uint64_t key_of(const struct writing *w, const char *item)
{
	uint64_t key;

	memcpy(&key, item + w->key, sizeof(key));
	return key;
}

static const char *old(const struct writing *w, size_t at)
{
	return w->before->items + at * w->table->size;
}

static const char *new (const struct writing *w, size_t i)
{
	return w->items + i * w->table->size;
}

static void index_places(struct writing *w)
{
	for (size_t i = 0; i < w->before->nr && !w->err; i++)
		w->err = map64_put(&w->places, key_of(w, old(w, i)), (uint32_t)i);
}

static bool is_here(const struct writing *w, size_t i)
{
	return w->at < w->before->nr && w->taken < w->before->nr &&
	       key_of(w, old(w, w->at)) == key_of(w, new (w, i));
}

/* Is the ith record in the array before, and where? */
static bool find(struct writing *w, size_t i, size_t *place)
{
	uint32_t found;

	*place = w->at;
	if (is_here(w, i))
		return true;
	if (w->taken >= w->before->nr)
		return false;
	if (!w->places.used)
		index_places(w);
	if (w->err || !map64_get(&w->places, key_of(w, new (w, i)), &found))
		return false;
	*place = found;
	return true;
}

static bool is_same(const struct writing *w, size_t i)
{
	return !memcmp(old(w, w->at), new (w, i), w->table->size);
}

static void put_step(const struct writing *w, enum step step, size_t n)
{
	put_number(w->to, (uint64_t)n << 2 | step);
}

static size_t put_copies(struct writing *w, size_t i)
{
	size_t n = 0;

	while (i + n < w->nr && is_here(w, i + n) && is_same(w, i + n)) {
		w->at++;
		w->taken++;
		n++;
	}
	put_step(w, STEP_COPY, n);
	return n;
}

static size_t put_changes(struct writing *w, size_t i)
{
	size_t first = w->at, n = 0;

	while (i + n < w->nr && is_here(w, i + n) && !is_same(w, i + n)) {
		w->at++;
		w->taken++;
		n++;
	}
	put_step(w, STEP_CHANGE, n);
	for (size_t k = 0; k < n; k++)
		put_record(w->to, w->table, old(w, first + k), new (w, i + k));
	return n;
}

static void put_new_records(struct writing *w, size_t i, size_t n)
{
	static const char nothing[sizeof(struct site_row)]; /* the largest of them */

	put_step(w, STEP_NEW, n);
	for (size_t k = i; k < i + n; k++)
		put_record(w->to, w->table, k ? new (w, k - 1) : nothing, new (w, k));
}

/* Puts records up to one that is in the array before, and goes there. */
static size_t put_until_found(struct writing *w, size_t i)
{
	size_t n = 0, place = w->at;

	while (i + n < w->nr && !w->err && !find(w, i + n, &place))
		n++;
	if (n)
		put_new_records(w, i, n);
	if (i + n < w->nr && place != w->at) {
		put_number(w->to, STEP_MOVE);
		put_change(w->to, w->at, place);
		w->at = place;
	}
	return n;
}

static int put_rows(struct mirror *m, struct sink *s, enum rows rows, const void *items, size_t nr)
{
	struct writing w = {.to = s,
			    .table = kinds[rows].table,
			    .key = kinds[rows].key,
			    .before = &m->before[rows],
			    .items = items,
			    .nr = nr};
	size_t i = 0;

	put_number(s, nr);
	while (i < nr && !w.err) {
		i += put_until_found(&w, i);
		if (i < nr && !w.err)
			i += is_same(&w, i) ? put_copies(&w, i) : put_changes(&w, i);
	}
	map64_free(&w.places);
	return w.err ? w.err : set_array(&m->before[rows], items, nr, w.table->size);
}

/* ---- writing a snapshot --------------------------------------------------------------- */

static int put_sites(struct mirror *m, struct sink *s, const struct snapshot *books)
{
	struct array_of *now = &m->now[ROWS_SITES];
	int err = make_room(now, books->nr_sites, sizeof(struct site_row));

	if (err)
		return err;
	for (size_t i = 0; i < books->nr_sites; i++) {
		struct site_row *row = (struct site_row *)now->items + i;
		const struct snap_site *same = books->sites[i]->same;
		uint32_t at;

		memset(row, 0, sizeof(*row));
		memcpy(&row->site, books->sites[i], sizeof(row->site));
		row->site.same = NULL;
		if (same && map64_get(&books->site_at, same->key, &at) && at < i)
			row->same = at + 1;
	}
	return put_rows(m, s, ROWS_SITES, now->items, books->nr_sites);
}

static int put_text(struct mirror *m, struct sink *s)
{
	const struct array_of *text = &m->new_text;
	bool same = text->nr == m->text.nr &&
		    (!text->nr || !memcmp(text->items, m->text.items, text->nr));

	put_number(s, same);
	if (same)
		return 0;
	put_number(s, text->nr);
	put_bytes(s, text->items, text->nr);
	return set_array(&m->text, text->items, text->nr, 1);
}

/* The users' names follow each other, and a module has the length of its own. */
static int put_modules(struct mirror *m, struct sink *s, const struct modgraph *g)
{
	struct array_of *now = &m->now[ROWS_MODULES];
	int err = make_room(now, g->nr, sizeof(struct modgraph_module));

	m->new_text.nr = 0;
	for (size_t i = 0; i < g->nr && !err; i++) {
		const char *users = g->text + g->modules[i].users;
		struct modgraph_module *row = (struct modgraph_module *)now->items + i;
		size_t length = strlen(users);

		memcpy(row, &g->modules[i], sizeof(*row));
		row->users = length;
		err = make_room(&m->new_text, m->new_text.nr + length + 1, 1);
		if (err)
			break;
		memcpy(m->new_text.items + m->new_text.nr, users, length + 1);
		m->new_text.nr += length + 1;
	}
	if (!err)
		err = put_rows(m, s, ROWS_MODULES, now->items, g->nr);
	return err ? err : put_text(m, s);
}

int mirror_put(struct mirror *m, struct sink *s, const struct snapshot *books)
{
	int err;

	put_record(s, &snapshot_table, &m->last, books);
	m->last = *books;
	err = put_rows(m, s, ROWS_PAGES, books->pages, books->nr_pages);
	if (!err)
		err = put_rows(m, s, ROWS_OWNERS, books->owners, books->nr_owners);
	if (!err)
		err = put_sites(m, s, books);
	if (!err)
		err = put_rows(m, s, ROWS_FAILURES, books->failures, books->nr_failures);
	if (!err)
		err = put_rows(m, s, ROWS_UNLOADS, books->unloads, books->nr_unloads);
	if (!err)
		err = put_rows(m, s, ROWS_WRONGS, books->wrongs, books->nr_wrongs);
	if (!err)
		err = put_rows(m, s, ROWS_REFUSALS, books->refusals, books->nr_refusals);
	return err ? err : put_modules(m, s, books->modules);
}

/* ---- reading an array ----------------------------------------------------------------- */

struct reading {
	struct spring *from;
	const struct table *table;
	const struct array_of *before;
	struct array_of *now;
	size_t at;    /* place in the array before */
	size_t taken; /* of the array before */
};

static char *next(const struct reading *r)
{
	return r->now->items + r->now->nr * r->table->size;
}

static const char *there(const struct reading *r)
{
	return r->before->items + r->at * r->table->size;
}

/* Each record of the array before is taken once: so what is read bounds what comes of it. */
static int take(struct reading *r, size_t n)
{
	if (n > r->before->nr - r->at || n > r->before->nr - r->taken)
		return -EBADMSG;
	r->taken += n;
	return make_room(r->now, r->now->nr + n, r->table->size);
}

static int get_copies(struct reading *r, size_t n)
{
	int err = take(r, n);

	if (err)
		return err;
	memcpy(next(r), there(r), n * r->table->size);
	r->now->nr += n;
	r->at += n;
	return 0;
}

static int get_changes(struct reading *r, size_t n)
{
	int err = take(r, n);

	for (; n && !err; n--) {
		memcpy(next(r), there(r), r->table->size);
		get_record(r->from, r->table, next(r));
		r->now->nr++;
		r->at++;
		err = r->from->err;
	}
	return err;
}

static int get_new_records(struct reading *r, size_t n)
{
	int err = 0;

	for (; n && !err; n--) {
		err = make_room(r->now, r->now->nr + 1, r->table->size);
		if (err)
			return err;
		if (r->now->nr)
			memcpy(next(r), next(r) - r->table->size, r->table->size);
		else
			memset(next(r), 0, r->table->size);
		get_record(r->from, r->table, next(r));
		r->now->nr++;
		err = r->from->err;
	}
	return err;
}

static int move(struct reading *r)
{
	uint64_t to = get_change(r->from, r->at);

	if (!r->from->err && to > r->before->nr)
		return -EBADMSG;
	r->at = to;
	return r->from->err;
}

static int get_step(struct reading *r, size_t nr)
{
	uint64_t step = get_number(r->from, UINT64_MAX);
	size_t n = step >> 2;

	if (r->from->err)
		return r->from->err;
	if ((step & 3) == STEP_MOVE)
		return n ? -EBADMSG : move(r);
	if (!n || n > nr - r->now->nr)
		return -EBADMSG;
	switch (step & 3) {
	case STEP_COPY:
		return get_copies(r, n);
	case STEP_CHANGE:
		return get_changes(r, n);
	default:
		return get_new_records(r, n);
	}
}

/* *room: bytes that are left for this array and those after it. */
static int get_rows(struct mirror *m, struct spring *s, enum rows rows, size_t *room)
{
	struct reading r = {.from = s,
			    .table = kinds[rows].table,
			    .before = &m->before[rows],
			    .now = &m->now[rows]};
	size_t nr = get_number(s, UINT32_MAX);
	int err = s->err;

	if (nr > *room / r.table->size)
		return -EFBIG;
	*room -= nr * r.table->size;
	r.now->nr = 0;
	while (r.now->nr < nr && !err)
		err = get_step(&r, nr);
	if (!err)
		swap(&m->before[rows], &m->now[rows]);
	return err;
}

/* ---- reading a snapshot --------------------------------------------------------------- */

static int get_text(struct mirror *m, struct spring *s, size_t *room)
{
	struct array_of *text = &m->new_text;
	size_t nr;

	if (get_number(s, true) || s->err)
		return s->err;
	nr = get_number(s, UINT32_MAX);
	if (nr > *room)
		return -EFBIG;
	for (text->nr = 0; text->nr < nr && !s->err;) {
		size_t part = nr - text->nr < 4096 ? nr - text->nr : 4096;
		int err = make_room(text, text->nr + part, 1);

		if (err)
			return err;
		get_bytes(s, text->items + text->nr, part);
		text->nr += part;
	}
	if (!s->err)
		swap(&m->text, text);
	return s->err;
}

static int make_graph(struct mirror *m)
{
	const struct array_of *rows = &m->before[ROWS_MODULES], *text = &m->text;
	int err = set_array(&m->modules, rows->items, rows->nr, sizeof(struct modgraph_module));
	struct modgraph_module *modules = (struct modgraph_module *)m->modules.items;
	size_t at = 0;

	if (err)
		return err;
	for (size_t i = 0; i < rows->nr; i++) {
		size_t length = modules[i].users;

		if (length >= text->nr - at || strnlen(text->items + at, length + 1) != length)
			return -EBADMSG;
		modules[i].users = at;
		at += length + 1;
	}
	m->graph = (struct modgraph){.modules = modules, .nr = rows->nr, .text = text->items};
	return at == text->nr ? 0 : -EBADMSG;
}

static int make_sites(struct mirror *m)
{
	struct array_of *rows = &m->before[ROWS_SITES];
	int err = make_room(&m->sites, rows->nr, sizeof(struct snap_site *));
	struct snap_site **sites = (struct snap_site **)m->sites.items;

	for (size_t i = 0; i < rows->nr && !err; i++) {
		struct site_row *row = (struct site_row *)rows->items + i;

		if (row->same > i)
			return -EBADMSG;
		row->site.same = row->same ? sites[row->same - 1] : NULL;
		sites[i] = &row->site;
	}
	m->sites.nr = rows->nr;
	return err;
}

static int index_rows(struct map64 *at, const struct array_of *rows, enum rows which)
{
	int err = 0;

	map64_clear(at);
	for (size_t i = 0; i < rows->nr && !err; i++) {
		uint64_t key;

		memcpy(&key, rows->items + i * kinds[which].table->size + kinds[which].key,
		       sizeof(key));
		err = map64_put(at, key, (uint32_t)i);
	}
	return err;
}

/* The core writes into the pages: it gets its own. */
static int hand_out(struct mirror *m)
{
	const struct array_of *before = m->before;
	struct snapshot *out = &m->out;
	int err = set_array(&m->pages, before[ROWS_PAGES].items, before[ROWS_PAGES].nr,
			    sizeof(struct snap_page));

	if (!err)
		err = index_rows(&out->owner_at, &before[ROWS_OWNERS], ROWS_OWNERS);
	if (!err)
		err = index_rows(&out->site_at, &before[ROWS_SITES], ROWS_SITES);
	if (!err)
		err = index_rows(&out->failure_at, &before[ROWS_FAILURES], ROWS_FAILURES);
	m->last.owner_at = out->owner_at;
	m->last.site_at = out->site_at;
	m->last.failure_at = out->failure_at;
	*out = m->last;
	out->pages = (struct snap_page *)m->pages.items;
	out->nr_pages = m->pages.nr;
	out->owners = (struct snap_owner *)before[ROWS_OWNERS].items;
	out->nr_owners = before[ROWS_OWNERS].nr;
	out->sites = (struct snap_site *const *)m->sites.items;
	out->nr_sites = m->sites.nr;
	out->failures = (struct snap_failure *)before[ROWS_FAILURES].items;
	out->nr_failures = before[ROWS_FAILURES].nr;
	out->unloads = (struct snap_unload *)before[ROWS_UNLOADS].items;
	out->nr_unloads = before[ROWS_UNLOADS].nr;
	out->wrongs = (struct snap_wrong *)before[ROWS_WRONGS].items;
	out->nr_wrongs = before[ROWS_WRONGS].nr;
	out->refusals = (struct snap_refusal *)before[ROWS_REFUSALS].items;
	out->nr_refusals = before[ROWS_REFUSALS].nr;
	out->modules = &m->graph;
	return err;
}

int mirror_get(struct mirror *m, struct spring *s, size_t room, const struct snapshot **out)
{
	int err;

	get_record(s, &snapshot_table, &m->last);
	err = s->err;
	for (enum rows rows = 0; rows < ROWS && !err; rows++)
		err = get_rows(m, s, rows, &room);
	if (!err)
		err = get_text(m, s, &room);
	if (!err)
		err = make_sites(m);
	if (!err)
		err = make_graph(m);
	if (!err)
		err = hand_out(m);
	if (!err)
		*out = &m->out;
	return err;
}
