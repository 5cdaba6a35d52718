// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "json.h"

#include <string.h>

#include "../core/errors.h"
#include "../core/forecast.h"
#include "../core/gate.h"
#include "../core/units.h"

json_t *json_event(const struct render *r, const char *type, uint64_t now_ns)
{
	char time[32];

	render_time(r, now_ns, time);
	return json_pack("{s:s, s:s, s:s, s:s}", "type", type, "time", time, "host", r->host,
			 "kernel", r->kernel);
}

void json_put(const struct render *r, json_t *o)
{
	if (r->take) {
		r->take(r->taker, o);
	} else {
		json_dumpf(o, r->to, JSON_COMPACT | JSON_REAL_PRECISION(6));
		fputc('\n', r->to);
		fflush(r->to); /* readers follow along */
	}
	json_decref(o);
}

json_t *json_text_or_null(const char *s)
{
	char clean[512];

	if (!s)
		return json_null();
	units_clean(s, sizeof(clean), clean, sizeof(clean));
	return clean[0] ? json_string(clean) : json_null();
}

static json_t *number_or_null(double n)
{
	return n < 0 ? json_null() : json_real(n);
}

/* null when not even the low end is known. */
static json_t *interval_or_null(double low, double high)
{
	return low < 0 ? json_null() : json_pack("[o, o]", json_real(low), number_or_null(high));
}

/* Counted since the watch began; null for what the kernel does not tell. */
static json_t *pressure_object(const struct pressure *p)
{
	const struct {
		const char *name;
		uint64_t n;
		bool known;
	} counts[] = {
		{"compact_stalls", p->compact_stalls, p->counted},
		{"compact_fails", p->compact_fails, p->counted},
		{"compact_successes", p->compact_successes, p->counted},
		{"alloc_stalls", p->alloc_stalls, p->counted},
		{"some_us", p->some_us, p->psi},
		{"full_us", p->full_us, p->psi},
		{"unevictable_bytes", p->unevictable, true},
		{"movable_zone_bytes", p->movable, true},
		{"cma_total_bytes", p->cma_total, true},
		{"cma_free_bytes", p->cma_free, true},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		json_object_set_new(o, counts[i].name,
				    counts[i].known ? json_integer((json_int_t)counts[i].n)
						    : json_null());
	json_object_set_new(o, "some_avg10", number_or_null(p->psi ? p->some_avg10 / 100.0 : -1));
	json_object_set_new(o, "full_avg10", number_or_null(p->psi ? p->full_avg10 / 100.0 : -1));
	return o;
}

json_t *json_error(uint32_t code)
{
	const struct error_info *e = error_by_code(code);
	char hex[16];

	snprintf(hex, sizeof(hex), "0x%X", e->code);
	return json_pack("{s:i, s:s, s:s, s:o, s:s}", "code", (int)e->code, "hex", hex, "name",
			 e->name, "ntstatus", e->ntstatus ? json_string(e->ntstatus) : json_null(),
			 "message", e->message);
}

json_t *json_sum(const struct census_sum *s)
{
	return json_pack("{s:I, s:I, s:I}", "pins", (json_int_t)s->pins, "folios",
			 (json_int_t)s->folios, "bytes", (json_int_t)s->bytes);
}

static void on_sample(void *ctx, const struct report_sample *s)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "sample", s->sample->now_ns);

	json_object_set_new(o, "level", json_string(level_name(s->level)));
	json_object_set_new(o, "acquired", json_integer(s->sample->acquired));
	json_object_set_new(o, "released", json_integer(s->sample->released));
	json_object_set_new(o, "outstanding",
			    json_integer(s->sample->acquired - s->sample->released));
	json_object_set_new(o, "exact", json_boolean(!s->sample->lag));
	json_object_set_new(o, "memory_total", json_integer((json_int_t)s->sample->memory_total));
	json_object_set_new(o, "memory_available",
			    json_integer((json_int_t)s->sample->memory_available));
	json_put(r, o);
}

static void on_suspicion(void *ctx, const struct report_suspicion *s)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "suspicion", s->now_ns);

	json_object_set_new(o, "pins", json_integer(s->pins));
	json_object_set_new(o, "pins_per_s", json_real(s->pins_per_s));
	json_object_set_new(o, "span_s", json_real(s->span_s));
	json_put(r, o);
}

static void on_state(void *ctx, const struct report_state *s)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "state", s->now_ns);

	json_object_set_new(o, "from", json_string(level_name(s->from)));
	json_object_set_new(o, "to", json_string(level_name(s->to)));
	json_object_set_new(o, "reason", json_text_or_null(s->reason));
	json_object_set_new(o, "pinned", s->pinned ? json_sum(s->pinned) : json_null());
	json_put(r, o);
}

static json_t *driver_object(const struct finding *f)
{
	const struct snap_driver *d = render_module(f);

	return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:n, s:o}", "name",
			 json_text_or_null(f->driver->driver), "kind",
			 blame_kind_name(f->driver->kind), "guess", f->driver->guess, "via",
			 json_text_or_null(f->driver->via), "version",
			 json_text_or_null(d ? d->version : ""), "srcversion",
			 json_text_or_null(d ? d->srcversion : ""), "path",
			 json_text_or_null(d ? d->path : ""), "package", "taint",
			 json_text_or_null(d ? d->taint : ""));
}

static json_t *stack_array(const struct pl_site *site)
{
	char frames[PL_FRAMES][RENDER_FRAME];
	size_t n = render_stack(site, frames);
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_text_or_null(frames[i]));
	return a;
}

static json_t *sites_array(const struct finding *f)
{
	json_t *a = json_array();

	for (size_t i = 0; i < f->nr_sites; i++)
		json_array_append_new(a, json_pack("{s:I, s:I, s:o}", "pins",
						   (json_int_t)f->sites[i].pins, "bytes",
						   (json_int_t)f->sites[i].bytes, "stack",
						   stack_array(&f->sites[i].site->site)));
	return a;
}

json_t *json_process(const struct snap_owner *o)
{
	return json_pack("{s:I, s:o, s:b, s:b}", "pid", (json_int_t)o->owner.tgid, "comm",
			 json_text_or_null(o->owner.comm), "alive", !o->dead_ns, "worker",
			 o->owner.worker);
}

static json_t *releases_array(const struct finding *f)
{
	json_t *a = json_array();

	for (size_t i = 0; i < f->nr_releases; i++) {
		const struct finding_release *r = &f->releases[i];

		json_array_append_new(
			a, json_pack("{s:s, s:I, s:o, s:o}", "kind", wrong_release_name(r->kind),
				     "count", (json_int_t)r->count, "stack",
				     r->site ? stack_array(&r->site->site) : json_array(),
				     "process", r->by ? json_process(r->by) : json_null()));
	}
	return a;
}

static json_t *processes_array(const struct finding *f)
{
	json_t *a = json_array();

	for (size_t i = 0; i < f->nr_owners; i++) {
		bool known = !f->owners[i]->owner.tgid;

		for (size_t k = 0; k < i; k++)
			known |= f->owners[k]->owner.tgid == f->owners[i]->owner.tgid &&
				 f->owners[k]->owner.start_ns == f->owners[i]->owner.start_ns;
		if (!known)
			json_array_append_new(a, json_process(f->owners[i]));
	}
	return a;
}

static json_t *devices_array(const struct finding *f)
{
	json_t *a = json_array();
	char node[300];

	for (size_t i = 0; i < f->nr_owners; i++) {
		bool known = !render_node(f->owners[i], node, sizeof(node));

		for (size_t k = 0; k < i; k++)
			known |= f->owners[k]->owner.rdev == f->owners[i]->owner.rdev;
		if (!known)
			json_array_append_new(a, json_pack("{s:s, s:o}", "node", node, "driver",
							   json_text_or_null(
								   f->owners[i]->node_driver)));
	}
	return a;
}

static json_t *objects_array(const struct finding *f)
{
	static const char *const kinds[] = {"unknown", "anon", "file"};
	json_t *a = json_array();

	for (int i = PL_MEM_UNKNOWN; i <= PL_MEM_FILE; i++)
		if (f->by_memory[i])
			json_array_append_new(a, json_pack("{s:s, s:I, s:n}", "kind", kinds[i],
							   "folios", (json_int_t)f->by_memory[i],
							   "path"));
	return a;
}

static json_t *count_or_null(uint64_t n)
{
	return n == LIMIT_UNKNOWN ? json_null() : json_integer((json_int_t)n);
}

static void fill_limit(json_t *o, const struct limit *l)
{
	char node[300];

	json_object_set_new(o, "limit", json_string(limit_name(l->kind)));
	json_object_set_new(o, "errno", json_string(strerrorname_np(l->error)));
	json_object_set_new(o, "value", count_or_null(l->value));
	json_object_set_new(o, "used", count_or_null(l->used));
	json_object_set_new(o, "taken_bytes", json_integer((json_int_t)l->taken));
	json_object_set_new(o, "count", json_integer((json_int_t)l->count));
	json_object_set_new(o, "certain", json_boolean(l->certain));
	json_object_set_new(o, "process", json_process(&l->by));
	json_object_set_new(o, "driver", json_text_or_null(l->driver));
	json_object_set_new(o, "device",
			    render_node(&l->by, node, sizeof(node)) ? json_string(node)
								    : json_null());
}

static json_t *limits_array(const struct report_verdict *v)
{
	json_t *a = json_array(), *o;
	const struct limit *l;

	for (uint32_t i = 0; (l = limits_of(v->limits, v->finding->driver->driver, i)); i++) {
		o = json_object();
		fill_limit(o, l);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *nodes_array(const struct finding *f)
{
	json_t *a = json_array();

	for (size_t i = 0; i < f->nr_nodes; i++)
		json_array_append_new(a,
				      json_pack("{s:I, s:I}", "node", (json_int_t)f->nodes[i].node,
						"bytes", (json_int_t)f->nodes[i].bytes));
	return a;
}

/* What the leak means for the machine. */
static void fill_meaning(json_t *o, const struct report_verdict *v)
{
	json_object_set_new(o, "memory_share", number_or_null(v->share));
	json_object_set_new(o, "at_rest", json_boolean(v->at_rest));
	json_object_set_new(o, "rate_bytes_per_s", number_or_null(v->rate));
	json_object_set_new(o, "rate_interval_bytes_per_s",
			    interval_or_null(v->rate_low, v->rate_high));
	json_object_set_new(o, "exhaustion_s", number_or_null(v->exhaustion));
	json_object_set_new(o, "exhaustion_interval_s",
			    interval_or_null(v->exhaustion_low, v->exhaustion_high));
	json_object_set_new(o, "confidence", json_real(FORECAST_CONFIDENCE));
	json_object_set_new(o, "nodes", nodes_array(v->finding));
	json_object_set_new(o, "unplaced_bytes",
			    json_integer((json_int_t)v->finding->bytes_nowhere));
	json_object_set_new(o, "must_move_bytes",
			    json_integer((json_int_t)v->finding->bytes_must_move));
	json_object_set_new(o, "pressure", pressure_object(&v->pressure));
	json_object_set_new(o, "limits", limits_array(v));
}

static void on_verdict(void *ctx, const struct report_verdict *v)
{
	const struct render *r = ctx;
	const struct finding *f = v->finding;
	json_t *o = json_event(r, "verdict", v->now_ns);

	json_object_set_new(o, "error", json_error(ERROR_DRIVERS_LEAKING_LOCKED_PAGES));
	json_object_set_new(o, "driver", driver_object(f));
	json_object_set_new(o, "evidence", json_string(evidence_name(f->evidence)));
	json_object_set_new(o, "cause", json_string(cause_name(finding_cause(f))));
	json_object_set_new(o, "severity", json_string(severity_name(v->severity)));
	json_object_set_new(o, "update", json_boolean(v->update));
	json_object_set_new(o, "pins", json_integer(v->plain ? 0 : (json_int_t)f->pins));
	json_object_set_new(o, "references", json_integer(v->plain ? (json_int_t)f->pins : 0));
	json_object_set_new(o, "pages", json_integer((json_int_t)f->folios));
	json_object_set_new(o, "bytes", json_integer((json_int_t)f->bytes));
	json_object_set_new(o, "wrong_releases", json_integer((json_int_t)finding_wrong(f)));
	fill_meaning(o, v);
	json_object_set_new(o, "sites", sites_array(f));
	json_object_set_new(o, "releases", releases_array(f));
	json_object_set_new(o, "processes", processes_array(f));
	json_object_set_new(o, "objects", objects_array(f));
	json_object_set_new(o, "devices", devices_array(f));
	json_object_set_new(o, "proof",
			    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "level",
				      level_name(v->level), "sample_rate",
				      (json_int_t)v->sample_rate, "reread", (json_int_t)f->folios,
				      "still_pinned", (json_int_t)f->folios, "missed",
				      (json_int_t)v->missed, "unattributed",
				      (json_int_t)v->unattributed, "before_tracking",
				      (json_int_t)v->before, "incomplete", v->incomplete, "cut",
				      f->cut));
	json_put(r, o);
}

static void on_held(void *ctx, const struct report_held *h)
{
	const struct render *r = ctx;
	const struct holding *k = h->holding;
	json_t *o = json_event(r, "held", h->now_ns);
	char node[300];

	json_object_set_new(o, "process", json_process(k->owner));
	json_object_set_new(o, "driver", json_text_or_null(k->site ? k->site->blame.driver : ""));
	json_object_set_new(o, "device",
			    render_node(k->owner, node, sizeof(node)) ? json_string(node)
								      : json_null());
	json_object_set_new(o, "pins", json_integer((json_int_t)k->pins));
	json_object_set_new(o, "rise", json_integer(h->rise));
	json_object_set_new(o, "bytes", json_integer((json_int_t)k->bytes));
	json_object_set_new(o, "memory_share", number_or_null(h->share));
	json_object_set_new(o, "stack", k->site ? stack_array(&k->site->site) : json_array());
	json_put(r, o);
}

static json_t *balance_object(const struct balance *b)
{
	json_t *o = json_pack("{s:b, s:I, s:I, s:I}", "exact", b->exact, "counted_acquired",
			      (json_int_t)b->counted_acquired, "seen_acquired",
			      (json_int_t)b->seen_acquired, "unseen", (json_int_t)b->unseen);

	if (b->exact) {
		json_object_set_new(o, "counted_released", json_integer(b->counted_released));
		json_object_set_new(o, "seen_released", json_integer(b->seen_released));
		json_object_set_new(o, "unseen_released", json_integer(b->unseen_released));
		json_object_set_new(o, "uncounted", json_integer(b->uncounted));
	}
	return o;
}

const struct json_loss json_losses[] = {
	{"pins_table_full", PL_LOST_PAGES},
	{"pins_not_chosen", PL_UNCHOSEN},
	{"pins_map_busy", PL_LOST_BUSY},
	{"pins_claims_full", PL_SLOTS_FULL},
	{"stacks", PL_LOST_STACK},
	{"stacks_truncated", PL_TRUNC_STACK},
	{"sites_table_full", PL_LOST_SITES},
	{"owners_table_full", PL_LOST_OWNERS},
	{"files_table_full", PL_LOST_FILES},
	{"calls_table_full", PL_LOST_CALLS},
	{"releases_untraced", PL_REL_UNTRACED},
	{"pins_repaired", PL_REPAIRED},
	{"records_torn", PL_CONTENDED},
	{"processes_table_full", PL_LOST_TREE},
	{"wrong_releases_table_full", PL_LOST_WRONGS},
	{0},
};

static void fill_loss(json_t *o, const struct report_loss *l)
{
	json_object_set_new(o, "error",
			    loss_any(l) ? json_error(ERROR_INSUFFICIENT_BUFFER) : json_null());
	for (const struct json_loss *row = json_losses; row->name; row++)
		json_object_set_new(o, row->name, json_integer((json_int_t)l->stats[row->stat]));
	json_object_set_new(o, "runs_missed", json_integer((json_int_t)l->missed_runs));
	json_object_set_new(o, "books", balance_object(l->balance));
}

static void on_loss(void *ctx, const struct report_loss *l)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "loss", l->now_ns);

	fill_loss(o, l);
	json_put(r, o);
}

static json_t *leaks_array(const struct report_summary *s)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < s->nr_leaks; i++) {
		const struct report_leak *l = &s->leaks[i];

		json_array_append_new(a, json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:o}",
						   "driver", json_text_or_null(l->driver), "kind",
						   blame_kind_name(l->kind), "evidence",
						   evidence_name(l->evidence), "pins",
						   l->plain ? 0 : (json_int_t)l->pins, "references",
						   l->plain ? (json_int_t)l->pins : 0, "bytes",
						   (json_int_t)l->bytes, "wrong_releases",
						   (json_int_t)l->wrong, "severity",
						   severity_name(l->severity), "memory_share",
						   number_or_null(l->share)));
	}
	return a;
}

json_t *json_cost(const struct cost *c)
{
	return json_pack("{s:f, s:I, s:o, s:I}", "cpu_seconds", (double)c->cpu_ms / 1e3,
			 "memory_bytes", (json_int_t)c->memory, "programs_seconds",
			 number_or_null(c->programs_ns ? (double)c->programs_ns / 1e9 : -1),
			 "programs_bytes", (json_int_t)c->programs_bytes);
}

static json_t *ledger_object(const struct ledger *l)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "pins", (json_int_t)l->pins,
			 "proved", (json_int_t)l->proved, "held", (json_int_t)l->held, "ambiguous",
			 (json_int_t)l->ambiguous, "before", (json_int_t)l->base, "torn",
			 (json_int_t)l->torn, "wrong_releases", (json_int_t)l->wrong,
			 "unclear_releases", (json_int_t)l->unclear);
}

static void on_summary(void *ctx, const struct report_summary *s)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "summary", s->now_ns), *loss;

	json_object_set_new(o, "seconds", json_real(s->seconds));
	json_object_set_new(o, "rise", json_integer(s->rise));
	json_object_set_new(o, "before_tracking", json_integer(s->before));
	json_object_set_new(o, "suspicions", json_integer(s->suspicions));
	json_object_set_new(o, "leaks", leaks_array(s));
	json_object_set_new(o, "leaked_pins", json_integer((json_int_t)s->leaked_pins));
	json_object_set_new(o, "leaked_references", json_integer((json_int_t)s->leaked_references));
	json_object_set_new(o, "leaked_bytes", json_integer((json_int_t)s->leaked_bytes));
	json_object_set_new(o, "highest_level", json_string(level_name(s->highest)));
	json_object_set_new(o, "tracking_failed", json_boolean(s->tracking_failed));
	json_object_set_new(o, "error",
			    s->nr_leaks ? json_error(ERROR_DRIVERS_LEAKING_LOCKED_PAGES)
					: json_null());
	if (s->ledger)
		json_object_set_new(o, "ledger", ledger_object(s->ledger));
	json_object_set_new(o, "pressure", pressure_object(&s->pressure));
	json_object_set_new(o, "cost", json_cost(&s->cost));
	json_object_set_new(o, "pinned_at_start", s->pinned ? json_sum(s->pinned) : json_null());
	loss = s->loss ? json_object() : json_null();
	if (s->loss)
		fill_loss(loss, s->loss);
	json_object_set_new(o, "loss", loss);
	json_put(r, o);
}

static void on_references(void *ctx, const struct report_references *s)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "references", s->now_ns);

	json_object_set_new(o, "on", json_boolean(s->on));
	json_object_set_new(o, "unexplained", json_integer((json_int_t)s->unexplained));
	json_object_set_new(o, "reason", json_text_or_null(s->reason));
	json_put(r, o);
}

static void on_limit(void *ctx, const struct report_limit *l)
{
	const struct render *r = ctx;
	json_t *o = json_event(r, "limit", l->now_ns);

	fill_limit(o, l->limit);
	json_put(r, o);
}

#define ROWS 64 /* told of a roster, of each kind; the rest is cut */

static json_t *roster_array(const struct roster_row *rows, size_t nr, bool paths)
{
	json_t *a = json_array(), *o;

	for (size_t i = 0; i < nr && i < ROWS; i++) {
		const struct blame *b = &rows[i].site->blame;

		o = json_pack("{s:o, s:s, s:b, s:I, s:I, s:I}", "driver",
			      json_text_or_null(b->driver), "kind", blame_kind_name(b->kind),
			      "guess", b->guess, "held_pins", (json_int_t)rows[i].held,
			      "leaked_pins", (json_int_t)rows[i].leaked, "bytes",
			      (json_int_t)rows[i].bytes);
		if (paths)
			json_object_set_new(o, "stack", stack_array(&rows[i].site->site));
		json_array_append_new(a, o);
	}
	return a;
}

static void on_books(void *ctx, const struct report_books *b)
{
	const struct render *r = ctx;
	const struct roster *who = b->roster;
	json_t *o = json_event(r, "drivers", b->now_ns);

	json_object_set_new(o, "level", json_string(level_name(b->level)));
	json_object_set_new(o, "drivers", roster_array(who->drivers, who->nr_drivers, false));
	json_object_set_new(o, "sites", roster_array(who->sites, who->nr_sites, true));
	json_object_set_new(o, "cut", json_boolean(who->nr_drivers > ROWS || who->nr_sites > ROWS));
	json_object_set_new(o, "ledger", ledger_object(b->ledger));
	json_put(r, o);
}

/* clang-format off */
#define JSON_REPORTER					\
	.sample = on_sample, .suspicion = on_suspicion,	\
	.state = on_state, .verdict = on_verdict,	\
	.held = on_held, .loss = on_loss,		\
	.summary = on_summary, .references = on_references, \
	.limit = on_limit
/* clang-format on */

const struct reporter json_reporter = {JSON_REPORTER};
const struct reporter json_feed = {JSON_REPORTER, .books = on_books};

/* ---- the end of a run ----------------------------------------------------------------- */

static json_t *command_array(char *const *command)
{
	json_t *a = json_array();

	for (; *command; command++)
		json_array_append_new(a, **command ? json_text_or_null(*command) : json_string(""));
	return a;
}

static json_t *gate_array(const struct gate *g)
{
	json_t *a = json_array();

	for (size_t i = 0; i < g->nr_leaks; i++) {
		const struct gate_leak *l = &g->leaks[i];

		json_array_append_new(a, json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:b}",
						   "driver", json_text_or_null(l->driver), "kind",
						   blame_kind_name(l->kind), "evidence",
						   evidence_name(l->evidence), "pins",
						   l->plain ? 0 : (json_int_t)l->pins, "references",
						   l->plain ? (json_int_t)l->pins : 0, "bytes",
						   (json_int_t)l->bytes, "remaining_pins",
						   l->plain ? 0 : (json_int_t)l->remaining,
						   "allowed", l->allowed));
	}
	return a;
}

void render_run_json(const struct render *r, const struct report_run *run)
{
	json_t *o = json_event(r, "run", run->now_ns);
	struct gate_sum sum = gate_sum(run->gate);

	json_object_set_new(o, "command", command_array(run->command));
	json_object_set_new(o, "trouble", json_text_or_null(run->trouble ? run->trouble : ""));
	json_object_set_new(o, "level", json_string(level_name(run->level)));
	json_object_set_new(o, "status", run->status < 0 ? json_null() : json_integer(run->status));
	json_object_set_new(o, "signal", run->signal ? json_integer(run->signal) : json_null());
	json_object_set_new(o, "seconds", json_real(run->seconds));
	json_object_set_new(o, "verdicts", json_integer(run->gate->verdicts));
	json_object_set_new(o, "leaks", gate_array(run->gate));
	json_object_set_new(o, "leaked_pins", json_integer((json_int_t)sum.pins));
	json_object_set_new(o, "leaked_references", json_integer((json_int_t)sum.references));
	json_object_set_new(o, "leaked_bytes", json_integer((json_int_t)sum.bytes));
	json_object_set_new(o, "allowed_pins", json_integer((json_int_t)sum.allowed));
	json_object_set_new(o, "held_pins", json_integer((json_int_t)run->held));
	json_object_set_new(o, "unproved_pins", json_integer((json_int_t)run->unproved));
	json_object_set_new(o, "incomplete", json_boolean(run->incomplete));
	json_object_set_new(o, "interrupted", json_boolean(run->interrupted));
	json_object_set_new(o, "exit_status", json_integer(run->exit_status));
	json_object_set_new(o, "error",
			    gate_is_shut(run->gate) ? json_error(ERROR_DRIVERS_LEAKING_LOCKED_PAGES)
						    : json_null());
	json_put(r, o);
}
