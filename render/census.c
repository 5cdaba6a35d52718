// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "census.h"

#include <inttypes.h>
#include <string.h>

#include "../core/errors.h"
#include "../core/units.h"
#include "json.h"

#define SHORT 8	 /* rows of a table when all tables are shown */
#define NAME  46 /* columns left for a name */
#define WIDE  80 /* a line is shorter */

/* ---- text ------------------------------------------------------------------------------- */

/* On a line if there is room, else the second below the first. */
static void put_two(FILE *to, const char *first, const char *second)
{
	if (strlen(first) + 1 + strlen(second) < WIDE)
		fprintf(to, "%s %s\n", first, second);
	else
		fprintf(to, "%s\n    %s\n", first, second);
}

static void put_sum(FILE *to, const struct census_sum *s, const char *name)
{
	char pins[UNITS_ROOM], folios[UNITS_ROOM], bytes[UNITS_ROOM];

	fprintf(to, "%10s %9s %10s  %s\n", units_count((int64_t)s->pins, pins),
		units_count((int64_t)s->folios, folios), units_bytes((double)s->bytes, bytes),
		name);
}

/* Of what is too long the end, which tells more of a path; not from the midst of a character. */
static const char *last_part(const char *text, size_t most)
{
	size_t len = strlen(text);
	const char *at = len > most ? text + len - most : text;

	while ((*at & 0xc0) == 0x80)
		at++;
	return at;
}

/* "205 7f3c00000000-7f3c00040000 ", "memfd ", "module ": what a name begins with. */
static size_t put_prefix(enum census_by by, const struct census_row *row,
			 const struct census_label *l, char *out, size_t size)
{
	int n = 0;

	if (by == CENSUS_BY_MAPPING)
		n = snprintf(out, size, "%" PRIu32 " %" PRIx64 "-%" PRIx64 " ", l->pid, row->start,
			     row->end);
	n += snprintf(out + n, size - (size_t)n, "%s%s", l->kind ? l->kind : "",
		      l->kind && l->name && *l->name ? " " : "");
	return (size_t)n;
}

/* "memfd buffers", "drive (123)", "module leaky": cleaned, since programs choose such names. */
static void name_row(const struct census_report *c, enum census_by by, const struct census_row *row,
		     char *out, size_t size)
{
	struct census_label l = {0};
	char before[128], after[64], pid[16] = "", name[512] = "";
	size_t room;

	c->label(c->ctx, by, row->id, &l);
	room = put_prefix(by, row, &l, before, sizeof(before));
	if (l.pid && by != CENSUS_BY_MAPPING)
		snprintf(pid, sizeof(pid), " (%" PRIu32 ")", l.pid);
	room += (size_t)snprintf(after, sizeof(after), "%s%s%s", l.hugetlb ? " (hugetlb)" : "",
				 l.deleted ? " (deleted)" : "", pid);
	room = room + 3 < NAME ? NAME - room : 3;
	if (l.name)
		units_clean(l.name, strlen(l.name), name, sizeof(name));
	if (strlen(name) <= room)
		snprintf(out, size, "%s%s%s", before, name, after);
	else
		snprintf(out, size, "%s...%s%s", before, last_part(name, room - 3), after);
}

static void put_table_head(FILE *to, enum census_by by)
{
	fprintf(to, "\n%10s %9s %10s  by %s%s\n", "pins", "folios", "unmovable", census_by_name(by),
		by == CENSUS_BY_MAPPING ? ": process, addresses, object" : "");
}

/* Names come from the records of a pinleak that was there when pages were pinned. */
static void put_advice(FILE *to, const struct census_table *t)
{
	for (size_t i = 0; i < t->nr; i++)
		if (!t->rows[i].id) {
			fprintf(to,
				"  Who pins from now on is recorded by: pinleak watch --track always\n");
			return;
		}
}

static void put_table(const struct render *r, const struct census_report *c, enum census_by by,
		      size_t most)
{
	const struct census_table *t = &c->census->by[by];
	struct census_sum rest = t->others;
	char name[512], line[128];
	size_t shown = t->nr <= most + 1 ? t->nr : most; /* not "1 more" where it would fit */

	put_table_head(r->to, by);
	for (size_t i = 0; i < t->nr; i++) {
		if (i < shown) {
			name_row(c, by, &t->rows[i], name, sizeof(name));
			put_sum(r->to, &t->rows[i].sum, name);
			continue;
		}
		rest.pins += t->rows[i].sum.pins;
		rest.folios += t->rows[i].sum.folios;
		rest.bytes += t->rows[i].sum.bytes;
	}
	if (rest.folios) {
		snprintf(line, sizeof(line), "%zu%s more", t->nr - shown,
			 t->others.folios ? "+" : "");
		put_sum(r->to, &rest, line);
	}
	if (!c->tracked && (by == CENSUS_BY_DRIVER || by == CENSUS_BY_SITE))
		put_advice(r->to, t);
}

static bool is_empty(const struct census_table *t)
{
	return !t->nr && !t->others.folios;
}

static void put_head(const struct render *r, const struct census_report *c)
{
	const struct census_sum *all = &c->census->all;
	char pins[UNITS_ROOM], folios[UNITS_ROOM], bytes[UNITS_ROOM], memory[UNITS_ROOM];
	char first[160], second[160], whose[32] = "";

	if (c->pid)
		snprintf(whose, sizeof(whose), " of process %" PRIu32, c->pid);
	snprintf(first, sizeof(first),
		 "%s pins on %s folios%s:", units_count((int64_t)all->pins, pins),
		 units_count((int64_t)all->folios, folios), whose);
	snprintf(second, sizeof(second), "%s of %s cannot be moved (%.1f %%)",
		 units_bytes((double)all->bytes, bytes), units_bytes((double)c->memory, memory),
		 c->memory ? 100.0 * (double)all->bytes / (double)c->memory : 0.0);
	put_two(r->to, first, second);
	snprintf(first, sizeof(first), "  %s pages looked at in %.2f s;",
		 units_count((int64_t)c->looked, folios), c->seconds);
	snprintf(second, sizeof(second), "the kernel counts %s pins outstanding",
		 units_count(c->outstanding, pins));
	put_two(r->to, first, second);
}

/* "64 pins on 64 folios, 256 KiB"; of folios without pins the folios. Returns out. */
static const char *sum_text(const struct census_sum *s, char *out, size_t size)
{
	char pins[UNITS_ROOM], folios[UNITS_ROOM], bytes[UNITS_ROOM];

	units_count((int64_t)s->pins, pins);
	units_count((int64_t)s->folios, folios);
	units_bytes((double)s->bytes, bytes);
	if (s->pins)
		snprintf(out, size, "%s pins on %s folios, %s", pins, folios, bytes);
	else
		snprintf(out, size, "%s folios, %s", folios, bytes);
	return out;
}

/* What is worth a line only when there is some of it. */
static void put_odd(const struct render *r, const struct census_sum *s, const char *what)
{
	char sum[128], line[160];

	snprintf(line, sizeof(line), "  %s:", sum_text(s, sum, sizeof(sum)));
	if (s->folios)
		put_two(r->to, line, what);
}

static void put_agreement(const struct render *r, const struct agreement *a)
{
	char n[UNITS_ROOM];

	if (!a)
		return;
	fprintf(r->to, "  the %s records of process %" PRIu32, units_count((int64_t)a->records, n),
		a->pid);
	if (!a->no_pin && !a->unattributed) {
		fprintf(r->to, " agree with the page structures\n");
		return;
	}
	fprintf(r->to, " do not agree with the page structures:\n");
	fprintf(r->to, "    %s claim pins that are not there\n",
		units_count((int64_t)a->no_pin, n));
	fprintf(r->to, "    %s pins are on folios beyond what is recorded\n",
		units_count((int64_t)a->unattributed, n));
}

static void put_holder(const struct render *r, const struct census_holder *h)
{
	char line[320], driver[80] = "", fd[32] = ", mapped", clean[74];

	if (h->fd >= 0)
		snprintf(fd, sizeof(fd), ", fd %" PRId32, h->fd);
	if (*h->driver)
		snprintf(driver, sizeof(driver), " [%s]", h->driver);
	if (h->comm)
		snprintf(line, sizeof(line), "%s%s%s%s of %s (%" PRIu32 ")%s", h->kind,
			 *h->what ? " " : "", h->what, driver, h->comm, h->pid, fd);
	else
		snprintf(line, sizeof(line), "%s %s%s", h->kind, h->what,
			 h->in_use ? ", in use" : "");
	units_clean(line, sizeof(line), clean, sizeof(clean));
	fprintf(r->to, "      %s\n", clean);
}

static void put_holders(const struct render *r, const struct census_report *c)
{
	for (size_t i = 0; i < c->nr_holders && i < SHORT; i++)
		put_holder(r, &c->holders[i]);
	if (c->nr_holders > SHORT)
		fprintf(r->to, "      and %zu more: --json\n", c->nr_holders - SHORT);
}

static void put_evidence(const struct render *r, const char *evidence, const struct census_sum *s)
{
	char sum[128];

	render_error(r, ERROR_DRIVERS_LEAKING_LOCKED_PAGES);
	fprintf(r->to, "  evidence %s: %s\n", evidence, sum_text(s, sum, sizeof(sum)));
}

static void put_pinned(const struct render *r, const struct census_report *c)
{
	const struct census_second *s = c->second;

	if (census_is_orphaned(s)) {
		put_evidence(r, "orphaned", &s->pinned);
		render_wrap(r->to, 4,
			    "No process maps them, and no open file could hold them: a driver "
			    "leaks. Page structures do not tell which one.");
		if (c->nr_holders)
			fprintf(r->to, "    Loaded modules that can pin:\n");
		put_holders(r, c);
	} else if (s->pinned.folios) {
		put_odd(r, &s->pinned, "mapped by nobody, still after the grace time");
		fprintf(r->to, "    These could hold them, rightly or not:\n");
		put_holders(r, c);
	}
}

static void put_referenced(const struct render *r, const struct census_second *s)
{
	struct census_sum left = {.folios = s->referenced.folios - s->explained.folios,
				  .bytes = s->referenced.bytes - s->explained.bytes};

	if (!census_is_unexplained(s)) {
		put_odd(r, &left, "not pinned, mapped by nobody, still referenced");
		return;
	}
	put_evidence(r, "unexplained-reference", &left);
	render_wrap(r->to, 4,
		    "Not pinned; no process maps them, and no open file, pipe or socket could hold "
		    "them: plain references (get_user_pages) were not given back.");
}

static void put_no_room(const struct render *r, uint64_t folios)
{
	char n[UNITS_ROOM];

	if (folios)
		fprintf(r->to, "  %s more folios found no room to be looked at twice\n",
			units_count((int64_t)folios, n));
}

void render_census_text(const struct render *r, const struct census_report *c, enum census_by by)
{
	static const enum census_by most_wanted[] = {CENSUS_BY_DRIVER, CENSUS_BY_PROCESS,
						     CENSUS_BY_OBJECT};

	put_head(r, c);
	if (!c->second || c->second->pinned.folios != c->census->unmapped.folios)
		put_odd(r, &c->census->unmapped, "mapped by no process"); /* else told below */
	put_odd(r, &c->census->must_move, "where memory must stay movable");
	put_odd(r, &c->census->negative, "a count below zero, more was released than taken");
	put_odd(r, &c->census->many_refs, "1,024 references and more, which are no pins");
	put_agreement(r, c->agreement);
	if (c->second) {
		put_pinned(r, c);
		put_referenced(r, c->second);
		put_no_room(r, c->second->cut);
	}
	for (size_t i = 0; by == CENSUS_BYS && i < sizeof(most_wanted) / sizeof(*most_wanted); i++)
		if (!is_empty(&c->census->by[most_wanted[i]]))
			put_table(r, c, most_wanted[i], SHORT);
	if (by == CENSUS_BYS)
		return;
	if (is_empty(&c->census->by[by]))
		fprintf(r->to, "  nothing to show by %s\n", census_by_name(by));
	else
		put_table(r, c, by, CENSUS_ROWS);
}

/* ---- JSON ------------------------------------------------------------------------------- */

static json_t *row_object(const struct census_report *c, enum census_by by,
			  const struct census_row *row)
{
	json_t *o = json_object();
	struct census_label l = {0};
	char hex[24];

	c->label(c->ctx, by, row->id, &l);
	if (l.kind)
		json_object_set_new(o, "kind", json_text_or_null(l.kind));
	json_object_set_new(o, "name", json_text_or_null(l.name));
	if (by == CENSUS_BY_PROCESS || by == CENSUS_BY_MAPPING)
		json_object_set_new(o, "pid", json_integer(l.pid));
	if (by == CENSUS_BY_PROCESS) {
		json_object_set_new(o, "command", json_text_or_null(l.command));
		json_object_set_new(o, "cgroup", json_text_or_null(l.cgroup));
	}
	if (by == CENSUS_BY_OBJECT) {
		json_object_set_new(o, "fs", json_text_or_null(l.fs));
		json_object_set_new(o, "inode", json_integer((json_int_t)l.inode));
		json_object_set_new(o, "deleted", json_boolean(l.deleted));
		json_object_set_new(o, "hugetlb", json_boolean(l.hugetlb));
	}
	if (by == CENSUS_BY_SIZE)
		json_object_set_new(o, "folio_bytes",
				    json_integer((json_int_t)(c->census->base_page << row->id)));
	if (by == CENSUS_BY_MAPPING) {
		snprintf(hex, sizeof(hex), "0x%" PRIx64, row->start);
		json_object_set_new(o, "start", json_string(hex));
		snprintf(hex, sizeof(hex), "0x%" PRIx64, row->end);
		json_object_set_new(o, "end", json_string(hex));
	}
	json_object_update_new(o, json_sum(&row->sum));
	return o;
}

static json_t *table_object(const struct census_report *c, enum census_by by)
{
	const struct census_table *t = &c->census->by[by];
	json_t *rows = json_array();

	for (size_t i = 0; i < t->nr; i++)
		json_array_append_new(rows, row_object(c, by, &t->rows[i]));
	return json_pack("{s:o, s:o}", "rows", rows, "others", json_sum(&t->others));
}

static json_t *agreement_object(const struct agreement *a)
{
	if (!a)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "pid", (json_int_t)a->pid, "records",
			 (json_int_t)a->records, "without_pin", (json_int_t)a->no_pin,
			 "unattributed_pins", (json_int_t)a->unattributed);
}

static json_t *holders_array(const struct census_report *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->nr_holders; i++) {
		const struct census_holder *h = &s->holders[i];
		json_t *o =
			json_pack("{s:s, s:o, s:o}", "kind", h->kind, "name",
				  json_text_or_null(h->what), "comm", json_text_or_null(h->comm));

		json_object_set_new(o, "driver", json_text_or_null(h->driver));
		json_object_set_new(o, "pid", h->comm ? json_integer(h->pid) : json_null());
		json_object_set_new(o, "fd", h->fd >= 0 ? json_integer(h->fd) : json_null());
		json_object_set_new(o, "in_use", json_boolean(h->comm || h->in_use));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *second_object(const struct census_second *s)
{
	const char *evidence = NULL;

	if (!s)
		return json_null();
	if (census_is_orphaned(s))
		evidence = "orphaned";
	else if (census_is_unexplained(s))
		evidence = "unexplained-reference";
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:I}", "evidence",
			 json_text_or_null(evidence), "error",
			 evidence ? json_error(ERROR_DRIVERS_LEAKING_LOCKED_PAGES) : json_null(),
			 "pinned", json_sum(&s->pinned), "referenced", json_sum(&s->referenced),
			 "explained", json_sum(&s->explained), "pins_could_be_held",
			 s->pins_could_be_held, "references_could_be_held",
			 s->references_could_be_held, "queues_known", s->queues_known,
			 "batches_emptied", s->drained, "no_room", (json_int_t)s->cut);
}

void render_census_json(const struct render *r, const struct census_report *c)
{
	json_t *o = json_event(r, "census", c->now_ns);
	char key[32];

	json_object_update_new(o, json_sum(&c->census->all));
	json_object_set_new(o, "memory_total", json_integer((json_int_t)c->memory));
	json_object_set_new(o, "outstanding", json_integer(c->outstanding));
	json_object_set_new(o, "pages_looked_at", json_integer((json_int_t)c->looked));
	json_object_set_new(o, "pages_absent", json_integer((json_int_t)c->holes));
	json_object_set_new(o, "seconds", json_real(c->seconds));
	json_object_set_new(o, "unmapped", json_sum(&c->census->unmapped));
	json_object_set_new(o, "must_move", json_sum(&c->census->must_move));
	json_object_set_new(o, "negative", json_sum(&c->census->negative));
	json_object_set_new(o, "many_references", json_sum(&c->census->many_refs));
	json_object_set_new(o, "verify", agreement_object(c->agreement));
	json_object_set_new(o, "second_look", second_object(c->second));
	json_object_set_new(o, "holders", holders_array(c));
	for (int by = 0; by < CENSUS_BYS; by++) {
		snprintf(key, sizeof(key), "by_%s", census_by_name((enum census_by)by));
		json_object_set_new(o, key, table_object(c, (enum census_by)by));
	}
	json_put(r, o);
}

static json_t *label_text(const struct census_report *c, enum census_by by, uint64_t id)
{
	struct census_label l = {0};

	c->label(c->ctx, by, id, &l);
	return json_text_or_null(l.name);
}

static json_t *mappers_array(const struct census_report *c, const struct census_entry *e)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < e->nr_mappers && i < CENSUS_MAPPERS; i++) {
		struct census_label l = {0};
		char hex[24];

		c->label(c->ctx, CENSUS_BY_PROCESS, e->mapper[i].process, &l);
		snprintf(hex, sizeof(hex), "0x%" PRIx64, e->mapper[i].addr);
		json_array_append_new(a, json_pack("{s:I, s:s}", "pid", (json_int_t)l.pid,
						   "address", hex));
	}
	return a;
}

void render_folio_json(const struct render *r, const struct census_report *c,
		       const struct census_entry *e)
{
	const struct folio *f = e->folio;
	json_t *o = json_event(r, "folio", c->now_ns);
	struct census_label object = {0};

	json_object_set_new(o, "pfn", json_integer((json_int_t)f->pfn));
	json_object_set_new(o, "pages", json_integer((json_int_t)1 << f->order));
	json_object_set_new(o, "pins", json_integer(f->pins));
	json_object_set_new(o, "references", json_integer(f->refs));
	json_object_set_new(o, "mappings", f->maps_known ? json_integer(f->maps) : json_null());
	json_object_set_new(o, "anonymous", json_boolean(f->anon));
	json_object_set_new(o, "hugetlb", json_boolean(f->hugetlb));
	json_object_set_new(o, "node", json_integer(f->node));
	json_object_set_new(o, "zone", label_text(c, CENSUS_BY_ZONE, f->zone));
	c->label(c->ctx, CENSUS_BY_OBJECT, e->object, &object);
	json_object_set_new(o, "kind", json_text_or_null(object.kind));
	json_object_set_new(o, "name", json_text_or_null(object.name));
	json_object_set_new(o, "mapped_by", mappers_array(c, e));
	json_put(r, o);
}
