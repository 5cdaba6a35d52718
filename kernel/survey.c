// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/census.h"
#include "../core/units.h"
#include "btfq.h"
#include "clock.h"
#include "drain.h"

#define READINGS   5
#define READING_NS 50000000 /* between two of them */

int survey_open(struct survey *s)
{
	int err = memory_open(&s->memory);
	uint64_t zone;

	s->census.base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!err)
		err = scan_open(&s->scan, &s->memory);
	if (!err) {
		s->movable_known = btfq_enumerator(s->memory.btf, "ZONE_MOVABLE", &zone);
		s->movable_zone = (uint8_t)zone;
	}
	if (!err)
		err = objects_open(&s->objects, &s->memory);
	if (err)
		return err;
	err = tracked_open(&s->tracked);
	return err == -ENOENT || err == -EPROTO ? 0 : err; /* then drivers have no names */
}

static void forget_owners(struct survey *s)
{
	free(s->holder_list);
	s->holder_list = NULL;
	s->nr_holders = 0;
	owned_close(&s->owned);
	holders_close(&s->holders);
}

void survey_close(struct survey *s)
{
	census_free(&s->census);
	forget_owners(s);
	tracked_close(&s->tracked);
	objects_close(&s->objects);
	memory_close(&s->memory);
}

const char *survey_error(const struct survey *s)
{
	return s->memory.error;
}

static void place(struct survey *s, struct census_entry *e)
{
	struct folio_place where;

	_Static_assert(PLACE_MAPPERS == CENSUS_MAPPERS, "all mappers find room");
	objects_resolve(&s->objects, e->folio, &where);
	e->object = where.object;
	e->cgroup = where.group;
	e->nr_mappers = where.nr_mappers;
	for (uint32_t i = 0; i < where.nr_mappers; i++) {
		e->mapper[i].process = where.mappers[i].process;
		e->mapper[i].addr = where.mappers[i].addr;
	}
}

/* Drivers that are told by what their open files hold have numbers from here on, by their kind. */
#define FIRST_KIND 0x10000

/* Nobody has recorded it; but the structures of an open file may list it, and as often. */
static void describe_by_owner(const struct survey *s, struct census_entry *e)
{
	const struct owned_folio *o = e->driver ? NULL : owned_find(&s->owned, e->folio->addr);

	if (!o || (int64_t)o->pins < e->folio->pins)
		return;
	e->driver = FIRST_KIND + s->holders.list[o->holder].kind;
	e->claimed = true;
}

static bool is_of(const struct survey *s, const struct census_entry *e, uint32_t pid)
{
	for (uint32_t i = 0; i < e->nr_mappers; i++)
		if (s->objects.mappers.processes[e->mapper[i].process]->tgid == pid)
			return true;
	return false;
}

static bool must_move(const struct survey *s, const struct folio *f)
{
	return s->movable_known && f->zone == s->movable_zone;
}

static int take(void *ctx, const struct folio *f)
{
	struct survey *s = ctx;
	struct census_entry e = {.folio = f, .must_move = must_move(s, f)};
	int err;

	if (f->pins > 0)
		place(s, &e);
	if (s->pid && !is_of(s, &e, s->pid))
		return 0;
	if (s->tracked.s)
		tracked_describe(&s->tracked, &e);
	describe_by_owner(s, &e);
	err = census_add(&s->census, &e);
	return !err && s->folio && f->pins > 0 ? s->folio(s->ctx, &e) : err;
}

uint32_t survey_process(uint32_t pid)
{
	char path[32], line[128];
	uint32_t tgid = pid;
	FILE *f;

	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return 0;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %" SCNu32, &tgid) == 1)
			break;
	if (f)
		fclose(f);
	return tgid;
}

static int tell(void *ctx, uint64_t done, uint64_t all)
{
	struct survey *s = ctx;

	return s->progress ? s->progress(s->ctx, done, all) : 0;
}

static int add_up(void *sum, const struct folio *f)
{
	if (f->pins > 0)
		census_sum_add(sum, (uint64_t)f->pins, (uint64_t)sysconf(_SC_PAGESIZE) << f->order);
	return 0;
}

static void list_files(const struct holders *h, struct census_holder **out)
{
	for (size_t i = 0; i < h->nr; i++) {
		const struct holder *from = &h->list[i];

		if (from->reach >= HOLDER_IN_FLIGHT)
			*(*out)++ = (struct census_holder){.kind = holder_kind_name(from->kind),
							   .what = from->what,
							   .driver = from->module,
							   .comm = from->comm,
							   .pid = from->tgid,
							   .fd = from->fd};
	}
}

static void list_modules(const struct pinners *p, struct census_holder **out)
{
	for (size_t i = 0; i < p->nr; i++) {
		const struct pinner *from = &p->list[i];

		if (from->reach >= HOLDER_IN_FLIGHT)
			*(*out)++ = (struct census_holder){.kind = "module",
							   .what = from->name,
							   .driver = from->name,
							   .fd = -1,
							   .in_use = from->in_use};
	}
}

/* The list's strings belong to the holders. */
static int list_holders(struct survey *s)
{
	struct census_holder *out;
	int err = holders_read(&s->memory, !s->owners_only, &s->holders);

	if (err)
		return err;
	out = calloc(s->holders.nr + s->holders.pinners.nr + 1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	s->holder_list = out;
	list_files(&s->holders, &out);
	list_modules(&s->holders.pinners, &out);
	s->nr_holders = (size_t)(out - s->holder_list);
	return 0;
}

/* Listing all open files takes longer than looking at all pages: not when nothing is pinned. */
static int read_owners(struct survey *s)
{
	struct census_sum sum = {0};
	struct scan_visitor visitor = {.ctx = &sum, .each = add_up};
	int err = scan_run(&s->scan, PL_FOUND_PINNED, &visitor);

	if (err || !sum.pins)
		return err;
	err = list_holders(s);
	return err ? err : owned_read(&s->memory, &s->holders, &s->owned);
}

int survey_look(struct survey *s)
{
	struct scan_visitor visitor = {.ctx = s, .each = take, .progress = tell};
	uint32_t why = PL_FOUND_PINNED | PL_FOUND_NEGATIVE | (s->plain ? PL_FOUND_UNMAPPED : 0);
	uint64_t began;
	int err = read_owners(s);

	if (err)
		return err;
	if (s->plain)
		drain_lru(); /* else each processor holds some pages that are being freed */
	began = clock_now_ns();
	err = scan_run(&s->scan, why, &visitor);
	s->seconds = (double)(clock_now_ns() - began) * 1e-9;
	return err;
}

int survey_sum(struct census_sum *out)
{
	struct scan_visitor visitor = {.ctx = out, .each = add_up};
	struct memory memory;
	struct scan scan;
	int err = memory_open(&memory);

	*out = (struct census_sum){0};
	if (!err)
		err = scan_open(&scan, &memory);
	if (!err)
		err = scan_run(&scan, PL_FOUND_PINNED, &visitor);
	memory_close(&memory);
	return err;
}

/* ---- the second look ---------------------------------------------------------------------- */

static void look_at_pinned(struct survey *s)
{
	const struct census_suspects *list = &s->census.pinned;
	struct folio room;

	for (size_t i = 0; i < list->nr; i++) {
		const struct folio *now =
			scan_one(&s->scan, list->list[i].pfn, &room) ? NULL : &room;

		if (census_still_pinned(&list->list[i], now))
			census_sum_add(&s->second.pinned, (uint64_t)now->pins,
				       s->census.base_page << now->order);
	}
}

static void look_at_plain(struct survey *s)
{
	const struct census_suspects *list = &s->census.plain;
	struct folio room;

	s->second.queues_known = true;
	for (size_t i = 0; i < list->nr; i++) {
		const struct folio *now =
			scan_one(&s->scan, list->list[i].pfn, &room) ? NULL : &room;
		uint64_t bytes;
		uint32_t refs;

		if (!census_still_referenced(&list->list[i], now))
			continue;
		bytes = s->census.base_page << now->order;
		census_sum_add(&s->second.referenced, 0, bytes);
		if (!holders_explains(&s->holders, now->addr, &refs))
			s->second.queues_known = false;
		if (refs)
			census_sum_add(&s->second.explained, 0, bytes);
	}
}

/* Pipes and sockets hold what can be seen to lie in them. */
static bool could_reference(const struct holder *h)
{
	return h->kind != HOLDER_PIPE && (h->kind != HOLDER_SOCKET || h->reach > HOLDER_REFERENCES);
}

static bool references_could_be_held(const struct holders *h)
{
	if (h->cut || !h->inflight_known || h->inflight || h->in_call)
		return true;
	for (size_t i = 0; i < h->nr; i++)
		if (could_reference(&h->list[i]))
			return true;
	for (size_t i = 0; i < h->pinners.nr; i++)
		if (h->pinners.list[i].in_use && h->pinners.list[i].reach != HOLDER_NOTHING &&
		    h->pinners.list[i].reach != HOLDER_IN_FLIGHT) /* as in holders_could() */
			return true;
	return false;
}

static void pause_for(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
			     .tv_nsec = (long)(ns % 1000000000)};

	nanosleep(&t, NULL);
}

/* Keeps those that are still so. */
static void sieve(struct survey *s, struct census_suspects *list,
		  bool (*still)(const struct census_suspect *, const struct folio *))
{
	struct folio room;
	size_t nr = 0;

	for (size_t i = 0; i < list->nr; i++)
		if (still(&list->list[i],
			  scan_one(&s->scan, list->list[i].pfn, &room) ? NULL : &room))
			list->list[nr++] = list->list[i];
	list->nr = nr;
}

/*
 * A page that is just being freed looks lost for a moment, and a frame that is used again may do
 * so once more, for a process of the same kind: hardly in each of several readings.
 */
static void sieve_often(struct survey *s)
{
	for (int i = 0; i < READINGS; i++) {
		pause_for(READING_NS);
		sieve(s, &s->census.pinned, census_still_pinned);
		sieve(s, &s->census.plain, census_still_referenced);
	}
}

int survey_look_again(struct survey *s)
{
	int err;

	if (!s->census.pinned.nr && !s->census.plain.nr)
		return -ENOENT;
	pause_for(s->grace_ns);
	/* First the batches, then the holders, then the folios: who lets go meanwhile is not
	 * blamed. */
	s->second.drained = !drain_lru();
	forget_owners(s);
	err = list_holders(s);
	if (err)
		return err;
	s->second.pins_could_be_held = holders_could(&s->holders, HOLDER_IN_FLIGHT);
	s->second.references_could_be_held = references_could_be_held(&s->holders);
	s->second.cut = s->census.pinned.cut + s->census.plain.cut;
	sieve_often(s);
	look_at_pinned(s);
	look_at_plain(s);
	return 0;
}

/* ---- names ------------------------------------------------------------------------------ */

static const char *zone_name(struct survey *s, uint64_t zone)
{
	static const char *const zones[][2] = {{"ZONE_DMA", "DMA"},
					       {"ZONE_DMA32", "DMA32"},
					       {"ZONE_NORMAL", "Normal"},
					       {"ZONE_MOVABLE", "Movable"},
					       {"ZONE_DEVICE", "Device"}};
	uint64_t v;

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		if (btfq_enumerator(s->memory.btf, zones[i][0], &v) && v == zone)
			return zones[i][1];
	return "unknown";
}

static void label_driver(struct survey *s, uint64_t number, struct census_label *out)
{
	const struct blame *b;

	if (number >= FIRST_KIND) {
		out->kind = blame_kind_name(BLAME_BUILTIN);
		out->name = holder_kind_name((enum holder_kind)(number - FIRST_KIND));
		return;
	}
	out->name = number == TRACKED_SEVERAL ? "claimed by several" : "pinned before tracking";
	if (!s->tracked.s)
		out->name = "not known: nobody tracks";
	if (number < TRACKED_FIRST || number - TRACKED_FIRST >= s->tracked.nr_drivers)
		return;
	b = s->tracked.drivers[number - TRACKED_FIRST];
	out->kind = blame_kind_name(b->kind);
	out->name = b->driver;
}

/* The function through which the driver asked for the pins. */
static void label_site(struct survey *s, uint64_t number, struct census_label *out)
{
	const struct snap_site *site;
	char symbol[PL_SYM], module[MODGRAPH_NAME];

	out->name = "not known";
	if (!number || !s->tracked.s || number > s->tracked.s->nr_sites)
		return;
	site = s->tracked.s->sites[number - 1];
	out->name = s->name;
	for (uint32_t i = 0; i < site->site.nr && i < PL_FRAMES; i++) {
		if (!blame_frame(site->site.sym[i], symbol, module))
			continue;
		snprintf(s->name, sizeof(s->name), module[0] ? "%s [%s]" : "%s", symbol, module);
		if (!strcmp(module, site->blame.driver))
			return;
	}
}

static const struct process *process_of(const struct survey *s, uint64_t at)
{
	const struct mappers *m = &s->objects.mappers;

	return m->processes[at < m->nr_processes ? at : 0];
}

static void label_process(struct survey *s, uint64_t at, struct census_label *out)
{
	const struct process *p = process_of(s, at);
	size_t n = p->cmdline_len < sizeof(s->command) ? p->cmdline_len : sizeof(s->command) - 1;

	memcpy(s->command, p->cmdline, n);
	s->command[n] = '\0';
	for (size_t i = 0; i + 1 < n; i++)
		s->command[i] = s->command[i] ? s->command[i] : ' ';
	out->pid = p->tgid;
	out->name = p->tgid ? p->comm : "others";
	out->command = s->command;
	out->cgroup = p->cgroup;
}

static void label_object(const struct survey *s, uint64_t at, struct census_label *out)
{
	const struct object *o = &s->objects.objects[at < s->objects.nr_objects ? at : 0];

	out->kind = objects_kind(o->kind);
	out->name = o->name;
	out->fs = o->fs;
	out->inode = o->ino;
	out->deleted = o->deleted;
	out->hugetlb = o->hugetlb;
}

void survey_label(void *survey, enum census_by by, uint64_t id, struct census_label *out)
{
	struct survey *s = survey;
	char bytes[UNITS_ROOM];

	*out = (struct census_label){.name = s->name};
	s->name[0] = '\0';
	switch (by) {
	case CENSUS_BY_PROCESS:
		label_process(s, id, out);
		return;
	case CENSUS_BY_OBJECT:
		label_object(s, id, out);
		return;
	case CENSUS_BY_MAPPING:
		label_object(s, id & UINT32_MAX, out);
		out->pid = process_of(s, id >> 32)->tgid;
		return;
	case CENSUS_BY_CGROUP:
		out->name = id && id < s->objects.nr_groups ? s->objects.groups[id]->path : "none";
		return;
	case CENSUS_BY_DRIVER:
		label_driver(s, id, out);
		return;
	case CENSUS_BY_SITE:
		label_site(s, id, out);
		return;
	case CENSUS_BY_SIZE:
		snprintf(s->name, sizeof(s->name), "%s each",
			 units_bytes((double)(s->census.base_page << id), bytes));
		return;
	case CENSUS_BY_NODE:
		snprintf(s->name, sizeof(s->name), "node %" PRIu64, id);
		return;
	case CENSUS_BY_ZONE:
		snprintf(s->name, sizeof(s->name), "%s", zone_name(s, id));
		return;
	default:
		snprintf(s->name, sizeof(s->name), "not known");
		return;
	}
}
