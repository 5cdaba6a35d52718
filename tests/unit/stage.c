// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND UINT64_C(1000000000)
#define BEGIN  (1000 * SECOND)
#define RISE   100 /* pins a look */

/* ---- the scene ------------------------------------------------------------------------ */

static void set_site(struct stage *s, size_t i, const char *driver)
{
	struct snap_site *site = &s->site_room[i];

	site->key = 0x517e0 + i;
	site->site.nr = 2;
	snprintf(site->site.sym[0], PL_SYM, "pin_user_pages+0x%zx/0x80", i);
	snprintf(site->site.sym[1], PL_SYM, "%s_ioctl+0x20/0x90 [%s]", driver, driver);
	site->blame = (struct blame){.kind = BLAME_MODULE, .direct = true};
	snprintf(site->blame.driver, sizeof(site->blame.driver), "%s", driver);
	snprintf(site->driver.version, sizeof(site->driver.version), "1.%zu", i);
	s->sites[i] = site;
}

static void set_owner(struct stage *s, size_t i)
{
	struct snap_owner *o = &s->owners[i];

	o->key = 0x0e0 + i;
	o->owner = (struct pl_owner){.site = s->site_room[i].key,
				     .file_id = 7 + i,
				     .tgid = 300,
				     .mode = S_IFCHR | 0600,
				     .first_ns = BEGIN,
				     .last_ns = BEGIN};
	snprintf(o->owner.comm, sizeof(o->owner.comm), "user\xff%zu", i);
	snprintf(o->node, sizeof(o->node), "leaky%zu", i);
}

static void set_modules(struct stage *s)
{
	static struct modgraph_module modules[] = {{"leaky", 1, 0}, {"core", 2, 2}};

	s->modules = (struct modgraph){.modules = modules, .nr = 2, .text = s->names[0]};
	snprintf(s->names[0], sizeof(s->names), "-%cleaky,", '\0');
	modules[0].refcount = (int)(s->looks % 3);
	modules[1].users = s->looks % 2 ? 2 : 0;
}

void stage_open(struct stage *s)
{
	*s = (struct stage){0};
	set_site(s, 0, "leaky");
	set_site(s, 1, "wrong");
	set_site(s, 2, "leaky");
	s->site_room[2].same = &s->site_room[0];
	set_owner(s, 0);
	set_owner(s, 1);
	s->books = (struct snapshot){.pages = s->pages,
				     .owners = s->owners,
				     .nr_owners = 2,
				     .sites = s->sites,
				     .failures = s->failures,
				     .unloads = s->unloads,
				     .wrongs = s->wrongs,
				     .modules = &s->modules,
				     .sample_rate = 1,
				     .base_page = 4096};
	s->sample = (struct sample){.now_ns = BEGIN,
				    .acquired = 1000,
				    .released = 1000,
				    .memory_total = UINT64_C(64) << 30,
				    .memory_available = UINT64_C(32) << 30};
}

void stage_close(struct stage *s)
{
	map64_free(&s->books.owner_at);
	map64_free(&s->books.site_at);
	map64_free(&s->books.failure_at);
}

/* One more folio at the front, as a new entry of a kernel's map may be; some go, some change. */
static void set_pages(struct stage *s)
{
	size_t nr = s->books.nr_pages < STAGE_PAGES ? s->books.nr_pages + 1 : STAGE_PAGES / 2;

	memmove(s->pages + 1, s->pages, (nr - 1) * sizeof(*s->pages));
	s->pages[0] = (struct snap_page){.folio = 0xffffea0000000000 + s->looks * 64};
	s->pages[0].page = (struct pl_page){.folio = s->pages[0].folio,
					    .pins = 1,
					    .first_ns = s->sample.now_ns,
					    .last_ns = s->sample.now_ns,
					    .memory = PL_MEM_ANON,
					    .nr_slots = 1,
					    .slot = {{.owner = s->owners[0].key, .refs = 1}}};
	s->pages[nr / 2].page.last_ns = s->sample.now_ns;
	s->books.nr_pages = nr;
}

static int index_books(struct snapshot *b)
{
	int err = 0;

	map64_clear(&b->owner_at);
	map64_clear(&b->site_at);
	map64_clear(&b->failure_at);
	for (uint32_t i = 0; i < b->nr_owners && !err; i++)
		err = map64_put(&b->owner_at, b->owners[i].key, i);
	for (uint32_t i = 0; i < b->nr_sites && !err; i++)
		err = map64_put(&b->site_at, b->sites[i]->key, i);
	for (uint32_t i = 0; i < b->nr_failures && !err; i++)
		err = map64_put(&b->failure_at, b->failures[i].call, i);
	return err;
}

static int set_books(struct stage *s)
{
	set_pages(s);
	set_modules(s);
	s->books.now_ns = s->sample.now_ns;
	s->books.stats[PL_SEEN_ACQUIRED] += RISE;
	s->books.nr_sites = s->looks % 5 ? STAGE_SITES : 1;
	if (s->looks % 8 == 5)
		s->owners[0].file_end_ns = s->owners[0].dead_ns = s->sample.now_ns;
	s->books.nr_failures = s->looks % 7 == 6;
	s->failures[0] = (struct snap_failure){s->looks, {s->sample.now_ns, -5}};
	s->books.nr_unloads = s->looks % 6 == 5;
	snprintf(s->unloads[0].module, PL_MODNAME, "gone%d", (int)(s->looks % 100));
	s->books.nr_wrongs = s->looks > 6;
	s->wrongs[0].wrong = (struct pl_wrong){.site = s->site_room[1].key,
					       .refs = 3,
					       .each = 3,
					       .kind = PL_WRONG_NEVER,
					       .first_ns = s->sample.now_ns};
	return index_books(&s->books);
}

/* ---- the source ----------------------------------------------------------------------- */

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct stage *s = ctx;

	s->looks++;
	if (s->looks == s->fails_at)
		return -EIO;
	s->sample.now_ns += SECOND;
	s->sample.acquired += RISE;
	s->sample.memory_available -= 4096 * (s->looks % 3);
	s->sample.lag = !exact;
	out->sample = s->sample;
	if (s->level == LEVEL_COUNTERS || !books)
		return 0;
	out->balance = (struct balance){.counted_acquired = (int64_t)s->looks * RISE,
					.seen_acquired = (int64_t)s->looks * RISE};
	out->books = &s->books;
	return set_books(s);
}

static int set_level(void *ctx, enum level level, struct source_level *out)
{
	struct stage *s = ctx;

	out->refused = s->refused && level >= s->refused;
	if (out->refused)
		snprintf(out->why, sizeof(out->why), "not on this stage");
	else
		s->level = level;
	out->level = s->level;
	out->base = s->sample;
	out->pinned_known = level == LEVEL_LIGHT;
	out->pinned = (struct census_sum){128, 128, 128 * 4096};
	return 0;
}

static int look_out(void *ctx, bool *done, uint64_t *folios)
{
	const struct stage *s = ctx;

	if (s->looks == s->look_out_fails_at)
		return -EIO;
	*done = s->looks % 4 == 3;
	if (*done)
		*folios = s->looks;
	return 0;
}

static int track_references(void *ctx, bool on, struct source_references *out)
{
	(void)ctx;
	out->on = on;
	return 0;
}

static int references(void *ctx, const struct snapshot **out)
{
	struct stage *s = ctx;

	*out = &s->books;
	return set_books(s);
}

const struct source stage_source = {
	.look = look,
	.set_level = set_level,
	.look_out = look_out,
	.track_references = track_references,
	.references = references,
};

/* ---- the play ------------------------------------------------------------------------- */

int stage_play(const struct source *source, void *ctx, uint64_t steps,
	       const struct monitor_config *config, const struct reporter *to,
	       struct render *render)
{
	struct conductor c = {.source = source,
			      .ctx = ctx,
			      .monitor = monitor_create(config, to, render)};
	int err = c.monitor ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < steps && !err; i++)
		err = conductor_step(&c);
	if (!err)
		err = conductor_look(&c);
	if (c.monitor)
		monitor_finish(c.monitor, c.last.now_ns);
	monitor_destroy(c.monitor);
	return err;
}

int stage_record(struct stage *s, uint64_t steps, const struct monitor_config *config, FILE *to,
		 struct render *render)
{
	struct recording_header h = {.version = "1.2.3",
				     .host = "here",
				     .kernel = "6.x",
				     .real_offset = -5,
				     .config = *config,
				     .first = s->sample};
	struct recorder *r;
	int err = recorder_create(to, &stage_source, s, &r);

	if (err)
		return err;
	recorder_begin(r, &h);
	err = stage_play(&recorder_source, r, steps, config, &text_reporter, render);
	recorder_end(r, err, err ? "it failed" : "");
	err = err ? err : recorder_error(r);
	recorder_destroy(r);
	return err;
}
