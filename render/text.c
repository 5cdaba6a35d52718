// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <inttypes.h>
#include <string.h>

#include "../core/errors.h"
#include "../core/units.h"
#include "render.h"

#define YELLOW "\033[33m"

#define PROCESSES 3 /* shown of a verdict */
#define PATHS	  2
#define NODES	  4
#define INDENT	  11 /* of a second line: below the first one's text */

static const char *paint(const struct render *r, const char *sequence)
{
	return r->colour ? sequence : "";
}

void render_stamp(const struct render *r, uint64_t now_ns)
{
	char clock[RENDER_CLOCK];

	render_clock(r, now_ns, clock);
	fprintf(r->to, "[%s] ", clock);
}

void render_begin(const struct render *r, uint64_t memory)
{
	char bytes[UNITS_ROOM];

	fprintf(r->to, "pinleak watches %s of memory, kernel %s; Ctrl-C ends\n",
		units_bytes((double)memory, bytes), r->kernel);
	fflush(r->to);
}

static void on_sample(void *ctx, const struct report_sample *s)
{
	const struct render *r = ctx;
	char pins[UNITS_ROOM];

	if (!r->samples)
		return;
	render_stamp(r, s->sample->now_ns);
	fprintf(r->to, "%s pins outstanding, level %s\n",
		units_count(s->sample->acquired - s->sample->released, pins), level_name(s->level));
	fflush(r->to);
}

static void on_suspicion(void *ctx, const struct report_suspicion *s)
{
	const struct render *r = ctx;
	char pins[UNITS_ROOM];

	render_stamp(r, s->now_ns);
	fprintf(r->to, "%ssuspicion:%s %s: %s%s pins in %.0f s\n", paint(r, YELLOW),
		paint(r, RENDER_PLAIN),
		s->pins < 0 ? "more pins are released than were taken"
			    : "pinned pages do not come back",
		s->pins < 0 ? "" : "+", units_count(s->pins, pins), s->span_s);
	fflush(r->to);
}

static void on_state(void *ctx, const struct report_state *s)
{
	const struct render *r = ctx;
	char pins[UNITS_ROOM], bytes[UNITS_ROOM];

	render_stamp(r, s->now_ns);
	if (s->from == s->to)
		fprintf(r->to, "still level %s\n", level_name(s->to));
	else
		fprintf(r->to, "level %s -> %s\n", level_name(s->from), level_name(s->to));
	render_wrap(r->to, INDENT, s->reason);
	if (s->pinned && s->pinned->pins)
		fprintf(r->to, "%*s%s pins (%s) are there already: pinleak census\n", INDENT, "",
			units_count((int64_t)s->pinned->pins, pins),
			units_bytes((double)s->pinned->bytes, bytes));
	fflush(r->to);
}

static void put_stack(const struct render *r, const struct pl_site *site)
{
	char frames[PL_FRAMES][RENDER_FRAME];
	size_t n = render_stack(site, frames);

	for (size_t i = 0; i < n; i++)
		fprintf(r->to, "      %.73s\n", frames[i]);
	if (site->truncated)
		fprintf(r->to, "      ... (of the stack %u frames were kept)\n", site->nr);
}

void render_process(const struct render *r, const struct snap_owner *o)
{
	char comm[64];

	units_clean(o->owner.comm, sizeof(o->owner.comm), comm, sizeof(comm));
	if (o->owner.tgid)
		fprintf(r->to, "  process  %s (pid %u, %s%s)\n", comm, o->owner.tgid,
			o->dead_ns ? "gone" : "alive",
			o->owner.worker ? ", pinned for it by a kernel worker" : "");
}

void render_device(const struct render *r, const struct snap_owner *o)
{
	char node[300];

	if (render_node(o, node, sizeof(node)))
		fprintf(r->to, "  device   %.60s%s%s\n", node, o->node_driver[0] ? ", driver " : "",
			o->node_driver);
}

static const char *evidence_text(enum evidence e)
{
	switch (e) {
	case EVIDENCE_UNLOADED:
		return "unloaded: the module is gone, its pins are not";
	case EVIDENCE_ORPHANED:
		return "orphaned: the file is released, the process gone";
	case EVIDENCE_ABANDONED:
		return "abandoned: the file is released, the process lives";
	case EVIDENCE_ERROR_LEFT:
		return "error-left: the call failed and left its pins";
	case EVIDENCE_WRONG_RELEASE:
		return "wrong-release: it released pins that were not there";
	default:
		return "none";
	}
}

static void put_module(const struct render *r, const struct finding *f)
{
	const struct snap_driver *d = render_module(f);
	char version[128];

	if (f->driver->via[0])
		fprintf(r->to, "  via      module %s\n", f->driver->via);
	if (!d || f->driver->kind != BLAME_MODULE)
		return;
	units_clean(d->version, sizeof(d->version), version, sizeof(version));
	fprintf(r->to, "  module   %s%s%s%s%s%s\n", version[0] ? "version " : "", version,
		version[0] ? ", " : "", d->srcversion[0] ? "srcversion " : "", d->srcversion,
		strchr(d->taint, 'O') ? ", out of tree" : "");
}

static void put_proof(const struct render *r, const struct report_verdict *v)
{
	char folios[UNITS_ROOM], missed[UNITS_ROOM], rest[UNITS_ROOM], every[32] = "every pin";

	if (v->finding->folios)
		fprintf(r->to,
			"  proof    %s page structures read again just now, all still pinned\n",
			units_count((int64_t)v->finding->folios, folios));
	else
		fprintf(r->to, "  proof    the count of each page, read when it was released\n");
	if (v->sample_rate > 1)
		snprintf(every, sizeof(every), "one folio in %u", v->sample_rate);
	fprintf(r->to, "           level %s, %s; pins unseen %s, without an owner %s\n",
		level_name(v->level), every, units_count((int64_t)v->missed, missed),
		units_count((int64_t)v->unattributed, rest));
	if (v->before > 0)
		fprintf(r->to,
			"           before tracking began %s more were left, without a name\n",
			units_count(v->before, rest));
	if (v->incomplete)
		fprintf(r->to, "           INCOMPLETE: something was lost; there may be more\n");
}

/* What is to be expected; the intervals in brackets, as soon as they are known. */
static void put_outlook(const struct render *r, const struct report_verdict *v)
{
	char likely[UNITS_ROOM], low[UNITS_ROOM], high[UNITS_ROOM];

	if (v->rate <= 0)
		return;
	fprintf(r->to, "  rate     %s a second", units_bytes(v->rate, likely));
	if (v->rate_low >= 0)
		fprintf(r->to, " (%s to %s)", units_bytes(v->rate_low, low),
			units_bytes(v->rate_high, high));
	fprintf(r->to, "\n");
	if (v->exhaustion < 0)
		return;
	fprintf(r->to, "  left     memory runs out in %s", units_seconds(v->exhaustion, likely));
	if (v->exhaustion_low >= 0)
		fprintf(r->to, " (%s to %s)", units_seconds(v->exhaustion_low, low),
			v->exhaustion_high < 0 ? "never" : units_seconds(v->exhaustion_high, high));
	fprintf(r->to, "\n");
}

/* Only what says something: a machine of one node has no choice. */
static void put_places(const struct render *r, const struct finding *f)
{
	char bytes[UNITS_ROOM];

	if (f->nr_nodes > 1) {
		fprintf(r->to, "  where    ");
		for (size_t i = 0; i < f->nr_nodes && i < NODES; i++)
			fprintf(r->to, "%snode %u: %s", i ? ", " : "", f->nodes[i].node,
				units_bytes((double)f->nodes[i].bytes, bytes));
		fprintf(r->to, "%s\n", f->nr_nodes > NODES ? ", and more" : "");
	}
	if (f->bytes_must_move)
		fprintf(r->to, "  movable  %s lie in a zone that must stay movable\n",
			units_bytes((double)f->bytes_must_move, bytes));
}

/* Since the watch began; of PSI the last 10 s. */
static void put_pressure(const struct render *r, const struct pressure *p)
{
	char fails[UNITS_ROOM], stalls[UNITS_ROOM], waits[UNITS_ROOM];

	if (p->counted)
		fprintf(r->to, "  pressure %s of %s compactions failed, %s stalls",
			units_count((int64_t)p->compact_fails, fails),
			units_count((int64_t)p->compact_stalls, stalls),
			units_count((int64_t)p->alloc_stalls, waits));
	else
		fprintf(r->to, "  pressure compactions unknown");
	if (p->psi)
		fprintf(r->to, ", PSI %.2f %%\n", p->some_avg10 / 100.0);
	else
		fprintf(r->to, ", PSI unknown\n");
}

/* "RLIMIT_MEMLOCK is 8.0 MiB, 4.0 MiB were in use and the call took 5.0 MiB" */
static void put_limit(const struct render *r, const struct limit *l)
{
	char value[UNITS_ROOM], used[UNITS_ROOM], taken[UNITS_ROOM];

	if (l->kind == LIMIT_DMA_ENTRIES && l->value != LIMIT_UNKNOWN)
		fprintf(r->to, "  limit    %s of vfio_iommu_type1 is %s\n", limit_name(l->kind),
			units_count((int64_t)l->value, value));
	else if (l->kind == LIMIT_DMA_ENTRIES)
		fprintf(r->to, "  limit    %s of vfio_iommu_type1\n", limit_name(l->kind));
	else
		fprintf(r->to, "  limit    %s is %s; %s in use, the call took %s\n",
			limit_name(l->kind), units_bytes((double)l->value, value),
			units_bytes((double)l->used, used), units_bytes((double)l->taken, taken));
}

/* Limits that were hit through this driver: what it has leaked may count against them. */
static void put_limits(const struct render *r, const struct report_verdict *v)
{
	const struct limit *l;

	for (uint32_t i = 0; (l = limits_of(v->limits, v->finding->driver->driver, i)); i++)
		put_limit(r, l);
}

static void put_loss_of_memory(const struct render *r, const struct report_verdict *v)
{
	char pins[UNITS_ROOM], folios[UNITS_ROOM], bytes[UNITS_ROOM];

	if (v->finding->pins)
		fprintf(r->to, "  leaked   %s %s on %s folios: %s cannot be moved or freed\n",
			units_count((int64_t)v->finding->pins, pins),
			v->plain ? "plain references" : "pins",
			units_count((int64_t)v->finding->folios, folios),
			units_bytes((double)v->finding->bytes, bytes));
	put_places(r, v->finding);
	put_outlook(r, v);
	put_pressure(r, &v->pressure);
	put_limits(r, v);
}

static void put_processes(const struct render *r, const struct finding *f)
{
	const struct snap_owner *device = NULL;
	char node[300];

	for (size_t i = 0; i < f->nr_owners; i++) {
		if (i < PROCESSES)
			render_process(r, f->owners[i]);
		if (!device && render_node(f->owners[i], node, sizeof(node)))
			device = f->owners[i];
	}
	if (f->nr_owners > PROCESSES)
		fprintf(r->to, "           and %zu%s more\n", f->nr_owners - PROCESSES,
			f->cut ? " or" : "");
	if (device)
		render_device(r, device);
}

static void put_releases(const struct render *r, const struct finding *f)
{
	static const char *const what[] = {
		[WRONG_PUT_PAGE] = "put_page() where unpin_user_page() was needed",
		[WRONG_DOUBLE] = "unpinned a page again whose pins it had released",
		[WRONG_NEVER] = "unpin_user_page() on a page that it had not pinned",
	};
	char n[UNITS_ROOM];

	for (size_t i = 0; i < f->nr_releases && i < PATHS; i++) {
		const struct finding_release *w = &f->releases[i];

		fprintf(r->to, "  wrong    %s times %s\n", units_count((int64_t)w->count, n),
			what[w->kind]);
		if (w->by)
			render_process(r, w->by);
		if (w->site)
			put_stack(r, &w->site->site);
	}
}

/* A verdict that was given before: what is new of it. */
static void put_update(const struct render *r, const struct report_verdict *v)
{
	char driver[128], pins[UNITS_ROOM], bytes[UNITS_ROOM];

	render_driver(v->finding->driver, driver, sizeof(driver));
	fprintf(r->to, "%serror 729%s %s: %s, %s, %s\n           now %s pins, %s lost",
		paint(r, RENDER_RED), paint(r, RENDER_PLAIN), v->at_rest ? "rests" : "goes on",
		driver, evidence_name(v->finding->evidence), severity_name(v->severity),
		units_count((int64_t)v->finding->pins, pins),
		units_bytes((double)v->finding->bytes, bytes));
	if (finding_wrong(v->finding))
		fprintf(r->to, ", %s wrong releases",
			units_count((int64_t)finding_wrong(v->finding), pins));
	fprintf(r->to, "\n");
	put_outlook(r, v);
}

static void put_verdict(const struct render *r, const struct report_verdict *v)
{
	const struct finding *f = v->finding;
	char driver[128], pins[UNITS_ROOM];

	render_driver(f->driver, driver, sizeof(driver));
	render_error(r, ERROR_DRIVERS_LEAKING_LOCKED_PAGES);
	fprintf(r->to, "  driver   %s%s%s\n", paint(r, RENDER_RED), driver, paint(r, RENDER_PLAIN));
	put_module(r, f);
	fprintf(r->to, "  evidence %s\n", evidence_text(f->evidence));
	fprintf(r->to, "  cause    %s; severity %s\n", cause_name(finding_cause(f)),
		severity_name(v->severity));
	put_loss_of_memory(r, v);
	put_processes(r, f);
	for (size_t i = 0; i < f->nr_sites && i < PATHS; i++) {
		fprintf(r->to, "  path     %s %s:\n", units_count((int64_t)f->sites[i].pins, pins),
			v->plain ? "references" : "pins");
		put_stack(r, &f->sites[i].site->site);
	}
	put_releases(r, f);
	put_proof(r, v);
}

static void on_verdict(void *ctx, const struct report_verdict *v)
{
	const struct render *r = ctx;

	render_stamp(r, v->now_ns);
	if (v->update)
		put_update(r, v);
	else
		put_verdict(r, v);
	fflush(r->to);
}

static void on_held(void *ctx, const struct report_held *h)
{
	const struct holding *k = h->holding;
	const struct render *r = ctx;
	char pins[UNITS_ROOM], rise[UNITS_ROOM];

	render_stamp(r, h->now_ns);
	fprintf(r->to, "%sheld:%s %s\n", paint(r, YELLOW), paint(r, RENDER_PLAIN),
		h->remains ? "pins are left that somebody may rightly hold"
			   : "a process keeps pinning, and still holds what it pinned");
	render_process(r, k->owner);
	render_device(r, k->owner);
	fprintf(r->to, "  through  %s: %s pins%s%s. No driver is accused.\n",
		k->site ? k->site->blame.driver : "an unknown path",
		units_count((int64_t)k->pins, pins), h->remains ? "" : ", +",
		h->remains ? "" : units_count(h->rise, rise));
	fflush(r->to);
}

static void put_losses(const struct render *r, const struct report_loss *l)
{
	static const struct {
		enum pl_stat stat;
		const char *what;
	} rows[] = {
		{PL_LOST_PAGES, "pins not recorded, the table is full (--table-size)"},
		{PL_UNCHOSEN, "pins on folios that are not chosen, as the table was full"},
		{PL_LOST_BUSY, "pins not recorded, the kernel's map was busy"},
		{PL_SLOTS_FULL, "pins beyond the claims kept apart on one folio"},
		{PL_LOST_STACK, "stacks that could not be walked"},
		{PL_TRUNC_STACK, "stacks cut short"},
		{PL_LOST_SITES, "call paths not recorded, the table is full"},
		{PL_LOST_OWNERS, "owners not recorded, the table is full"},
		{PL_LOST_FILES, "files not recorded, the table is full"},
		{PL_LOST_CALLS, "failed calls not recorded, the table is full"},
		{PL_LOST_TREE, "processes not followed, the table is full"},
		{PL_REL_UNTRACED, "releases whose path was not kept"},
		{PL_REPAIRED, "pins that were gone unseen, and are off the books again"},
		{PL_CONTENDED, "records torn by two processors at once"},
		{PL_LOST_WRONGS, "wrong releases not recorded, the table is full"},
	};
	char n[UNITS_ROOM];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (l->stats[rows[i].stat])
			fprintf(r->to, "           %s %s\n",
				units_count((int64_t)l->stats[rows[i].stat], n), rows[i].what);
	if (l->missed_runs)
		fprintf(r->to, "           %s runs of a hook skipped by the kernel (recursion)\n",
			units_count((int64_t)l->missed_runs, n));
	if (l->balance->unseen)
		fprintf(r->to,
			"           books: the kernel counted %" PRId64
			" pins, the hooks saw %" PRId64 "\n",
			l->balance->counted_acquired, l->balance->seen_acquired);
}

static void on_loss(void *ctx, const struct report_loss *l)
{
	const struct render *r = ctx;

	render_stamp(r, l->now_ns);
	fprintf(r->to, "%sloss:%s error %u ERROR_INSUFFICIENT_BUFFER, not everything was seen\n",
		paint(r, YELLOW), paint(r, RENDER_PLAIN), ERROR_INSUFFICIENT_BUFFER);
	put_losses(r, l);
	fflush(r->to);
}

static void put_books(const struct render *r, const struct report_summary *s)
{
	const struct balance *b = s->loss->balance;

	fprintf(r->to, "  books    counted %+" PRId64, b->counted_acquired);
	if (b->exact)
		fprintf(r->to, " -%" PRId64, b->counted_released);
	fprintf(r->to, ", seen %+" PRId64, b->seen_acquired);
	if (b->exact)
		fprintf(r->to, " -%" PRId64, b->seen_released);
	fprintf(r->to, "%s\n", b->unseen || b->unseen_released ? ": they do NOT balance" : "");
	if (s->ledger)
		fprintf(r->to,
			"  pins     leaked %" PRIu64 ", held %" PRIu64 ", either %" PRIu64
			", from before %" PRIu64 "\n",
			s->ledger->proved, s->ledger->held, s->ledger->ambiguous + s->ledger->torn,
			s->ledger->base);
	if (s->ledger && s->ledger->unclear)
		fprintf(r->to,
			"           %" PRIu64
			" pins released that were not there, by whom is unclear\n",
			s->ledger->unclear);
	if (s->before > 0)
		fprintf(r->to, "           +%" PRId64 " while tracking was off: without a name\n",
			s->before);
	fprintf(r->to, "  lost     %s\n", loss_any(s->loss) ? "" : "nothing");
	put_losses(r, s->loss);
}

static void put_cost(const struct render *r, const struct cost *c)
{
	char cpu[UNITS_ROOM], memory[UNITS_ROOM];

	if (!c->memory)
		return; /* a simulation has none */
	fprintf(r->to, "  cost     %s of processor time, %s",
		units_seconds((double)c->cpu_ms / 1e3, cpu),
		units_bytes((double)c->memory, memory));
	if (c->programs_bytes)
		fprintf(r->to, "; programs %s", units_bytes((double)c->programs_bytes, memory));
	if (c->programs_ns)
		fprintf(r->to, ", %s", units_seconds((double)c->programs_ns / 1e9, cpu));
	fprintf(r->to, "\n");
}

static void on_summary(void *ctx, const struct report_summary *s)
{
	const struct render *r = ctx;
	char rise[UNITS_ROOM], pins[UNITS_ROOM], bytes[UNITS_ROOM], length[UNITS_ROOM];
	char driver[128];

	render_stamp(r, s->now_ns);
	fprintf(r->to, "summary of %s: pins %s%s, %u suspicion%s, level up to %s\n",
		units_seconds(s->seconds, length), s->rise > 0 ? "+" : "",
		units_count(s->rise, rise), s->suspicions, s->suspicions == 1 ? "" : "s",
		level_name(s->highest));
	put_pressure(r, &s->pressure);
	put_cost(r, &s->cost);
	if (s->loss)
		put_books(r, s);
	for (uint32_t i = 0; i < s->nr_leaks; i++) {
		const struct report_leak *l = &s->leaks[i];
		struct blame b = {.kind = l->kind, .guess = l->kind == BLAME_BUILTIN};

		units_clean(l->driver, PL_SYM, b.driver, sizeof(b.driver));
		render_driver(&b, driver, sizeof(driver));
		fprintf(r->to, "  %serror 729%s %s leaks: %s %s, %s lost (%s, %s)\n",
			paint(r, RENDER_RED), paint(r, RENDER_PLAIN), driver,
			units_count((int64_t)l->pins, pins), l->plain ? "references" : "pins",
			units_bytes((double)l->bytes, bytes), evidence_name(l->evidence),
			severity_name(l->severity));
		if (l->wrong)
			fprintf(r->to, "            %s wrong releases\n",
				units_count((int64_t)l->wrong, pins));
	}
	if (!s->nr_leaks)
		fprintf(r->to, "  no driver was found to leak%s\n",
			s->tracking_failed ? ", but tracking could not be switched on" : "");
	fflush(r->to);
}

static void on_limit(void *ctx, const struct report_limit *l)
{
	const struct render *r = ctx;

	render_stamp(r, l->now_ns);
	fprintf(r->to, "%slimit:%s a call failed with %s, %s\n", paint(r, YELLOW),
		paint(r, RENDER_PLAIN), strerrorname_np(l->limit->error),
		l->limit->certain ? "for a limit was hit" : "perhaps for a limit");
	put_limit(r, l->limit);
	render_process(r, &l->limit->by);
	render_device(r, &l->limit->by);
	if (l->limit->driver[0])
		fprintf(r->to, "  through  %.50s. No driver is accused.\n", l->limit->driver);
	fflush(r->to);
}

static void on_references(void *ctx, const struct report_references *s)
{
	const struct render *r = ctx;

	render_stamp(r, s->now_ns);
	fprintf(r->to, "tracking of get_user_pages() is %s\n", s->on ? "on" : "off");
	render_wrap(r->to, INDENT, s->reason);
	fflush(r->to);
}

const struct reporter text_reporter = {
	.sample = on_sample,
	.suspicion = on_suspicion,
	.state = on_state,
	.verdict = on_verdict,
	.held = on_held,
	.loss = on_loss,
	.summary = on_summary,
	.references = on_references,
	.limit = on_limit,
};
