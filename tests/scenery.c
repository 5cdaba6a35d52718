// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "scenery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/grow.h"

#define SECOND	UINT64_C(1000000000)
#define GIB	(UINT64_C(1) << 30)
#define ORDER	4 /* of all folios: 64 KiB */
#define PAGES	(1 << ORDER)
#define TURN	10    /* looks until a buffer is taken anew, and that a process lasts */
#define BUFFERS 400   /* folios of vivid, about */
#define BEFORE	18000 /* pins of nobody here, since the boot */
#define BEGINS	100   /* the look at which it begins to leak */
#define FIRST	((uint64_t)0xffffea0000000000)

/* ---- the drivers ---------------------------------------------------------------------- */

static void set_site(struct scenery *s, size_t i, const char *driver, const char *const *stack)
{
	struct snap_site *site = &s->site_room[i];

	site->key = 0x517e0 + i;
	for (; stack[site->site.nr]; site->site.nr++)
		snprintf(site->site.sym[site->site.nr], PL_SYM, "%s", stack[site->site.nr]);
	site->blame = (struct blame){.kind = BLAME_MODULE, .direct = true};
	snprintf(site->blame.driver, sizeof(site->blame.driver), "%s", driver);
	s->sites[i] = site;
}

/* The first is vivid's, each other one a process that uses leaky for a while. */
static void set_owner(struct scenery *s, size_t i)
{
	struct snap_owner *o = &s->owners[i];

	*o = (struct snap_owner){.key = 0x0e0 + i};
	o->owner = (struct pl_owner){.site = s->site_room[i != 0].key,
				     .file_id = 7 + i,
				     .tgid = 2140 + 3 * (uint32_t)i,
				     .mode = S_IFCHR | 0600,
				     .first_ns = s->sample.now_ns,
				     .last_ns = s->sample.now_ns};
	snprintf(o->owner.comm, sizeof(o->owner.comm), "%s", i ? "grab" : "streamer");
	snprintf(o->node, sizeof(o->node), "%s", i ? "leaky" : "video0");
}

void scenery_open(struct scenery *s, uint64_t now_ns)
{
	static const char *const vivid[] = {"pin_user_pages_fast+0x1c/0x40",
					    "vb2_create_framevec+0x60/0xd0 [videobuf2_memops]",
					    "vivid_vid_cap_buf_prepare+0x38/0xf0 [vivid]", NULL};
	static const char *const leaky[] = {"pin_user_pages_fast+0x1c/0x40",
					    "leaky_pin+0x5e/0xc0 [leaky]",
					    "leaky_ioctl+0x9d/0x2b0 [leaky]",
					    "__x64_sys_ioctl+0x94/0xd0",
					    "do_syscall_64+0x82/0x190",
					    "entry_SYSCALL_64_after_hwframe+0x76/0x7e",
					    NULL};

	*s = (struct scenery){.sample = {.now_ns = now_ns,
					 .acquired = BEFORE,
					 .memory_total = 16 * GIB,
					 .memory_available = 9 * GIB}};
	set_site(s, 0, "vivid", vivid);
	set_site(s, 1, "leaky", leaky);
	snprintf(s->site_room[1].driver.version, sizeof(s->site_room[1].driver.version), "1.0");
	snprintf(s->site_room[1].driver.taint, sizeof(s->site_room[1].driver.taint), "OE");
	set_owner(s, 0);
	s->books = (struct snapshot){.pages = s->pages,
				     .owners = s->owners,
				     .nr_owners = 1,
				     .sites = s->sites,
				     .nr_sites = SCENERY_SITES,
				     .modules = &s->modules,
				     .sample_rate = 1,
				     .base_page = 4096};
}

void scenery_close(struct scenery *s)
{
	map64_free(&s->books.owner_at);
	map64_free(&s->books.site_at);
}

/* ---- what happens --------------------------------------------------------------------- */

static uint32_t buffers(const struct scenery *s)
{
	uint32_t at = s->looks % 24;

	return BUFFERS + 10 * (at < 12 ? at : 24 - at);
}

/* A process after the other takes some, and leaves some of them when it ends. */
static void leak(struct scenery *s)
{
	size_t at = 1 + (s->looks - BEGINS) / TURN;

	if (s->looks < BEGINS || at >= SCENERY_OWNERS || s->leaked > SCENERY_FOLIOS / 2)
		return;
	if (at == s->books.nr_owners) {
		if (at > 1)
			s->owners[at - 1].file_end_ns = s->owners[at - 1].dead_ns =
				s->sample.now_ns;
		set_owner(s, at);
		s->books.nr_owners++;
	}
	s->leaks[at] += 6 + s->looks * 7 % 9;
	s->leaked += 6 + s->looks * 7 % 9;
}

static void count(struct scenery *s)
{
	int64_t pins = BEFORE + (int64_t)(buffers(s) + s->leaked) * PAGES;

	s->sample.acquired = s->sample.released + pins + (int64_t)buffers(s) * PAGES / TURN;
	s->sample.released = s->sample.acquired - pins;
	s->sample.memory_available = 9 * GIB - s->leaked * PAGES * 4096;
	s->sample.cost = (struct cost){.cpu_ms = 3 * s->looks,
				       .memory = 11 << 20,
				       .programs_bytes = s->tracked_ns ? 38 << 20 : 0};
}

/* What was taken before tracking began has no record. */
static void add_page(struct scenery *s, size_t folio, uint64_t taken_ns, size_t owner)
{
	if (taken_ns < s->tracked_ns)
		return;
	s->pages[s->books.nr_pages++] =
		(struct snap_page){.folio = FIRST + folio * PAGES * 64,
				   .page = {.folio = FIRST + folio * PAGES * 64,
					    .first_ns = taken_ns,
					    .last_ns = taken_ns,
					    .pins = PAGES,
					    .order = ORDER,
					    .memory = PL_MEM_ANON,
					    .nr_slots = 1,
					    .slot = {{.owner = s->owners[owner].key,
						      .refs = PAGES}}}};
}

static void list_pages(struct scenery *s)
{
	size_t folio = SCENERY_FOLIOS;

	s->books.nr_pages = 0;
	for (size_t i = 0; i < buffers(s); i++)
		add_page(s, i, s->sample.now_ns - (s->looks + i) % TURN * SECOND, 0);
	for (size_t at = 1; at < s->books.nr_owners; at++)
		for (size_t i = 0; i < s->leaks[at]; i++)
			add_page(s, folio++, s->owners[at].owner.first_ns, at);
}

static int set_books(struct scenery *s)
{
	struct snapshot *b = &s->books;
	int err = 0;

	list_pages(s);
	b->now_ns = s->sample.now_ns;
	map64_clear(&b->owner_at);
	map64_clear(&b->site_at);
	for (uint32_t i = 0; i < b->nr_owners && !err; i++)
		err = map64_put(&b->owner_at, b->owners[i].key, i);
	for (uint32_t i = 0; i < b->nr_sites && !err; i++)
		err = map64_put(&b->site_at, b->sites[i]->key, i);
	return err;
}

/* ---- the source ----------------------------------------------------------------------- */

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct scenery *s = ctx;
	int64_t acquired;

	s->looks++;
	s->sample.now_ns += SECOND;
	s->sample.lag = exact ? 0 : SAMPLE_LAG;
	leak(s);
	count(s);
	out->sample = s->sample;
	if (s->level == LEVEL_COUNTERS || !books)
		return 0;
	acquired = s->sample.acquired - s->base.acquired;
	out->balance = (struct balance){.counted_acquired = acquired,
					.counted_released = s->sample.released - s->base.released,
					.seen_acquired = acquired,
					.exact = true};
	out->books = &s->books;
	s->books.stats[PL_SEEN_ACQUIRED] = (uint64_t)acquired;
	return set_books(s);
}

static int set_level(void *ctx, enum level level, struct source_level *out)
{
	struct scenery *s = ctx;

	if (s->level == LEVEL_COUNTERS) {
		s->tracked_ns = s->sample.now_ns + 1;
		s->base = s->sample;
	}
	s->level = out->level = level;
	out->base = s->base;
	return 0;
}

static int look_out(void *ctx, bool *done, uint64_t *folios)
{
	(void)ctx;
	(void)folios;
	*done = false;
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
	struct scenery *s = ctx;

	*out = &s->books;
	return 0;
}

const struct source scenery_source = {
	.look = look,
	.set_level = set_level,
	.look_out = look_out,
	.track_references = track_references,
	.references = references,
};

/* ---- what is found of a driver -------------------------------------------------------- */

/* A new last element, all zero; NULL: out of memory. */
static void *add(void **array, size_t *nr, size_t *room, size_t size)
{
	char *element;

	if (grow(array, room, *nr, size))
		return NULL;
	element = (char *)*array + (*nr)++ * size;
	return memset(element, 0, size);
}
#define ADD(i, what)                                                                               \
	add((void **)&(i)->what, &(i)->nr_##what, &(i)->room_##what, sizeof(*(i)->what))

static void identify(const char *driver, struct inspect *out)
{
	struct inspect_identity *id = &out->identity;

	snprintf(out->asked, sizeof(out->asked), "%s", driver);
	snprintf(out->driver, sizeof(out->driver), "%s", driver);
	*id = (struct inspect_identity){.kind = INSPECT_MODULE,
					.loaded = true,
					.version = "1.0",
					.srcversion = "28E0B462CB218956F957105",
					.taint = "OE",
					.file_read = true,
					.tree_known = true,
					.info = {.license = "GPL",
						 .description = "Pins pages, and forgets some"}};
	snprintf(id->file, sizeof(id->file), "/lib/modules/6.12.117+deb12-amd64/updates/leaky.ko");
}

static int say(struct inspect *out, uint8_t level, uint64_t us, const char *text)
{
	struct kmsg_record r = {.level = level, .us = us};

	snprintf(r.text, sizeof(r.text), "%s", text);
	return kmsg_add(&out->log, &r);
}

static int set_log(struct inspect *out)
{
	int err = say(out, 6, 4201337, "leaky: loading out-of-tree module taints kernel.");

	for (uint64_t i = 0; i < 3 && !err; i++)
		err = say(out, KMSG_WARNING, 90000000 + 7000000 * i,
			  "leaky: a transfer was cut short, its buffer is kept");
	kmsg_sort(&out->log);
	out->log_known = true;
	return err;
}

static int set_params(struct inspect *out)
{
	static const char *const values[][3] = {{"timeout_ms", "0", "500"}, {"debug", "0", "0"}};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct inspect_param *p = ADD(out, params);

		if (!p)
			return -ENOMEM;
		*p = (struct inspect_param){.type = "int",
					    .value_known = true,
					    .declared = true,
					    .source = DEFAULT_OF_FILE};
		snprintf(p->name, sizeof(p->name), "%s", values[i][0]);
		snprintf(p->value, sizeof(p->value), "%s", values[i][1]);
		snprintf(p->initial, sizeof(p->initial), "%s", values[i][2]);
	}
	inspect_judge(out);
	return 0;
}

static int set_use(struct inspect *out)
{
	struct inspect_device *d = ADD(out, devices);
	struct inspect_process *p = ADD(out, processes);
	struct inspect_limit *l = ADD(out, limits);

	if (!d || !p || !l)
		return -ENOMEM;
	*d = (struct inspect_device){.name = "leaky",
				     .path = "/devices/virtual/misc/leaky",
				     .driver = "leaky",
				     .dma_mask_bits = -1,
				     .consistent_dma_mask_bits = -1,
				     .numa_node = -1,
				     .node = {"leaky"}};
	*p = (struct inspect_process){.pid = 2149,
				      .files = 1,
				      .comm = "grab",
				      .node = "leaky",
				      .memlock_soft = 8 << 20,
				      .memlock_hard = INSPECT_UNLIMITED,
				      .pinned = 5 << 20};
	*l = (struct inspect_limit){.kind = LIMITED_BY_MEMLOCK,
				    .pid = 2149,
				    .where = "grab",
				    .used = 5 << 20,
				    .allowed = 8 << 20,
				    .applies = true};
	inspect_gap(out, "package", "no package owns the module's file");
	return 0;
}

int scenery_inspect(const char *driver, struct inspect *out)
{
	int err;

	*out = (struct inspect){.seconds = 0.04};
	identify(driver, out);
	err = set_log(out);
	if (!err)
		err = set_params(out);
	return err ? err : set_use(out);
}
