// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "quota.h"

#include <inttypes.h>

#include "../core/units.h"
#include "json.h"

#define INDENT 2

/* What a limit does not reach, and what comes nearest there. In sentences, each for itself. */
static const char *const not_covered[] = {
	("a call that begins below the limit is let through, whatever it takes: the driver may end "
	 "beyond it by what the calls under way take"),
	("which ioctl(), and whether write() and mmap(), takes pages is learned as it does: the first "
	 "call of each kind is let through beyond the limit as well"),
	("calls of a kind by which the driver has also released pages are let through, since no "
	 "release is ever refused; but for the ioctls of --refuse-ioctl"),
	("pins that a kernel thread takes for the driver are counted, and nobody is refused for "
	 "them, but by --refuse-ioctl"),
	"commands through io_uring (IORING_OP_URING_CMD) and calls of read() are not refused",
	("calls on files that are not the driver's own character devices are not refused: uverbs "
	 "of an RDMA driver, sockets, block devices, buffers registered with io_uring"),
	"pins from before the limit was set are not counted",
	"only so many folios can be told apart that the limit is not reached with small pages",
};

/* What a limit may refuse that it should not. The same sort of sentences. */
static const char *const refused_too[] = {
	("a call by which the driver would release, as long as all calls of its kind that were seen "
	 "have pinned: the first such ioctl() or write() beyond the limit fails with the others of "
	 "its kind, unless it is allowed (--allow-ioctl, --allow-write); close() works"),
};
#define REFUSED_TOO (sizeof(refused_too) / sizeof(*refused_too))

/* The last is for limits that no table is large enough for. */
static size_t nr_not_covered(const struct quota_report *q)
{
	size_t all = sizeof(not_covered) / sizeof(*not_covered);

	return q->limit > q->room ? all : all - 1;
}

static const char *const instead[] = {
	("RLIMIT_MEMLOCK (prlimit --memlock) where the driver asks for it, for processes without "
	 "CAP_IPC_LOCK"),
	"memory.max of a control group, which pinned pages are charged to",
};
#define INSTEAD (sizeof(instead) / sizeof(*instead))

static const char *call_name(uint32_t call)
{
	static const char *const names[PL_CALLS] = {"pin", "ioctl", "write", "mmap"};

	return call < PL_CALLS ? names[call] : names[PL_CALL_PIN];
}

static double share_of(const struct quota_report *q)
{
	return (double)q->limit * q->page / (double)q->memory;
}

/* ---- text ----------------------------------------------------------------------------- */

static void text_begin(const struct render *r, const struct quota_report *q)
{
	char pages[UNITS_ROOM], bytes[UNITS_ROOM], pins[UNITS_ROOM];

	fprintf(r->to, "pinleak limits %.40s to %s pages (%s, %.2g %% of memory)\n", q->driver,
		units_count((int64_t)q->limit, pages),
		units_bytes((double)q->limit * q->page, bytes), share_of(q) * 100);
	if (q->pins)
		fprintf(r->to, "  it holds %s of them\n", units_count(q->pins, pins));
	if (!q->way) {
		fprintf(r->to, "  audit: who goes beyond is told, nobody is refused\n");
		fflush(r->to);
		return;
	}
	fprintf(r->to,
		"  enforced (by %s): then its calls that take pages fail with ENOMEM\n"
		"  not reached:\n",
		q->way);
	for (size_t i = 0; i < nr_not_covered(q); i++)
		render_wrap(r->to, 2 * INDENT, not_covered[i]);
	fprintf(r->to, "  refused as well:\n");
	for (size_t i = 0; i < REFUSED_TOO; i++)
		render_wrap(r->to, 2 * INDENT, refused_too[i]);
	fprintf(r->to, "  where it does not reach, what works is\n");
	for (size_t i = 0; i < INSTEAD; i++)
		render_wrap(r->to, 2 * INDENT, instead[i]);
	fflush(r->to);
}

static void text_crossing(const struct render *r, const struct quota_report_crossing *c)
{
	const struct pl_crossing *x = c->crossing;
	char pins[UNITS_ROOM], limit[UNITS_ROOM];

	render_stamp(r, x->last_ns);
	if (x->call == PL_CALL_PIN)
		fprintf(r->to, "crossed: ");
	else
		fprintf(r->to, "refused: %s() fails with ENOMEM, ", call_name(x->call));
	fprintf(r->to, "%.24s holds %s of %s pages\n", c->of->driver, units_count(x->pins, pins),
		units_count((int64_t)c->of->limit, limit));
	render_process(r, c->by);
	render_device(r, c->by);
	fprintf(r->to, "  holds    %s pins through %.40s\n", units_count((int64_t)c->pins, pins),
		c->of->driver);
	if (x->call == PL_CALL_IOCTL)
		fprintf(r->to, "  ioctl    0x%x\n", x->command);
	if (x->count > 1)
		fprintf(r->to, "  times    %s\n", units_count((int64_t)x->count, pins));
	fflush(r->to);
}

static void text_kind(const struct render *r, const struct quota_report_kind *k)
{
	const struct pl_kind *kind = &k->kind->kind;

	render_stamp(r, k->of->now_ns);
	fprintf(r->to, "learned: %.24s takes pages by %s()", k->of->driver, call_name(kind->call));
	if (kind->call == PL_CALL_IOCTL)
		fprintf(r->to, " 0x%x", kind->command);
	fprintf(r->to, "%s\n  beyond the limit it is %s%s\n",
		k->kind->habit.released ? ", and releases" : "",
		k->refused ? "refused" : "let through", k->ordered ? ", as asked for" : "");
	fflush(r->to);
}

static void text_end(const struct render *r, const struct quota_report_end *e)
{
	const struct pl_quota *q = e->quota;
	char pins[UNITS_ROOM], limit[UNITS_ROOM], taken[UNITS_ROOM], refused[UNITS_ROOM];

	fprintf(r->to, "the limit has ended: %.40s holds %s of %s pages%s\n", e->of->driver,
		units_count(q->pins, pins), units_count((int64_t)e->of->limit, limit),
		e->unloaded ? ", and was unloaded" : "");
	fprintf(r->to, "  taken    %s, %s by kernel threads; calls refused: %s\n",
		units_count((int64_t)q->taken, taken), units_count((int64_t)q->by_worker, pins),
		units_count((int64_t)q->refused, refused));
	if (q->uncounted)
		fprintf(r->to, "  lost     %s pins on folios without a record\n",
			units_count((int64_t)q->uncounted, pins));
	if (e->unseen)
		fprintf(r->to, "  unseen   %s pins on this machine were seen by no hook\n",
			units_count(e->unseen, pins));
	fflush(r->to);
}

/* Is nobody refused, whatever the driver holds? NULL: somebody may be. */
static const char *kept_void(const struct quota_kept *k)
{
	if (!k->quota.kept)
		return "incomplete";
	return k->quota.module ? NULL : "unloaded";
}

void quota_kept_text(const struct render *r, const struct quota_kept *k, const char *way,
		     uint32_t page)
{
	const struct pl_quota *q = &k->quota;
	const char *nothing = kept_void(k);
	char pins[UNITS_ROOM], limit[UNITS_ROOM], bytes[UNITS_ROOM], since[32];

	if (!q->kept) {
		fprintf(r->to,
			"%.40s: pinleak was ended before the limit was pinned; nobody is refused\n",
			k->driver);
	} else {
		fprintf(r->to, "%.40s holds %s of %s pages (%s)\n", k->driver,
			units_count(q->pins, pins), units_count(q->limit, limit),
			units_bytes((double)q->limit * page, bytes));
		render_time(r, q->began_ns, since);
		fprintf(r->to, "  pinned   since %s, by %s; calls refused: %s\n", since, way,
			units_count((int64_t)q->refused, pins));
		if (q->uncounted)
			fprintf(r->to, "  lost     %s pins on folios without a record\n",
				units_count((int64_t)q->uncounted, pins));
		if (nothing)
			fprintf(r->to, "  void     it was unloaded, and nobody is refused\n");
	}
	if (nothing)
		fprintf(r->to, "  pinleak limit %.40s --unpin removes it\n", k->driver);
}

const struct quota_reporter quota_text = {
	.begin = text_begin,
	.crossing = text_crossing,
	.kind = text_kind,
	.end = text_end,
};

/* ---- JSON ----------------------------------------------------------------------------- */

static json_t *texts_array(const char *const *texts, size_t nr)
{
	json_t *a = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(a, json_string(texts[i]));
	return a;
}

static json_t *event(const struct render *r, const char *type, uint64_t now_ns,
		     const struct quota_report *q)
{
	json_t *o = json_event(r, type, now_ns);

	json_object_set_new(o, "driver", json_text_or_null(q->driver));
	json_object_set_new(o, "limit_pages", json_integer((json_int_t)q->limit));
	return o;
}

static void begin_json(const struct render *r, const struct quota_report *q)
{
	json_t *o = event(r, "quota", q->now_ns, q);

	json_object_set_new(o, "limit_bytes", json_integer((json_int_t)(q->limit * q->page)));
	json_object_set_new(o, "memory_share", json_real(share_of(q)));
	json_object_set_new(o, "pins", json_integer(q->pins));
	json_object_set_new(o, "mode", json_string(q->way ? "enforce" : "audit"));
	json_object_set_new(o, "way", json_text_or_null(q->way));
	json_object_set_new(o, "not_covered", texts_array(not_covered, nr_not_covered(q)));
	json_object_set_new(o, "refused_too", texts_array(refused_too, REFUSED_TOO));
	json_object_set_new(o, "instead", texts_array(instead, INSTEAD));
	json_put(r, o);
}

static void crossing_json(const struct render *r, const struct quota_report_crossing *c)
{
	const struct pl_crossing *x = c->crossing;
	json_t *o = event(r, "crossing", x->last_ns, c->of);
	char node[300];

	json_object_set_new(o, "pins", json_integer(x->pins));
	json_object_set_new(o, "call", json_string(call_name(x->call)));
	json_object_set_new(o, "refused", json_boolean(x->call != PL_CALL_PIN));
	json_object_set_new(o, "command",
			    x->call == PL_CALL_IOCTL ? json_integer(x->command) : json_null());
	json_object_set_new(o, "count", json_integer((json_int_t)x->count));
	json_object_set_new(o, "process", json_process(c->by));
	json_object_set_new(o, "process_pins", json_integer((json_int_t)c->pins));
	json_object_set_new(o, "device",
			    render_node(c->by, node, sizeof(node)) ? json_string(node)
								   : json_null());
	json_put(r, o);
}

static void kind_json(const struct render *r, const struct quota_report_kind *k)
{
	const struct pl_kind *kind = &k->kind->kind;
	json_t *o = event(r, "learned", k->of->now_ns, k->of);

	json_object_set_new(o, "call", json_string(call_name(kind->call)));
	json_object_set_new(o, "command",
			    kind->call == PL_CALL_IOCTL ? json_integer(kind->command)
							: json_null());
	json_object_set_new(o, "releases", json_boolean(k->kind->habit.released));
	json_object_set_new(o, "refused", json_boolean(k->refused));
	json_object_set_new(o, "ordered", json_boolean(k->ordered));
	json_put(r, o);
}

static void end_json(const struct render *r, const struct quota_report_end *e)
{
	const struct pl_quota *q = e->quota;
	json_t *o = event(r, "quota_end", e->of->now_ns, e->of);

	json_object_set_new(o, "reason", json_string(e->unloaded ? "unloaded" : "ended"));
	json_object_set_new(o, "seconds", json_real(e->seconds));
	json_object_set_new(o, "crossed", json_boolean(e->crossed));
	json_object_set_new(o, "pins", json_integer(q->pins));
	json_object_set_new(o, "taken", json_integer((json_int_t)q->taken));
	json_object_set_new(o, "by_worker", json_integer((json_int_t)q->by_worker));
	json_object_set_new(o, "refused", json_integer((json_int_t)q->refused));
	json_object_set_new(o, "uncounted", json_integer((json_int_t)q->uncounted));
	json_object_set_new(o, "unseen", json_integer(e->unseen));
	json_put(r, o);
}

const struct quota_reporter quota_json = {
	.begin = begin_json,
	.crossing = crossing_json,
	.kind = kind_json,
	.end = end_json,
};

void quota_kept_json(const struct render *r, const struct quota_kept *k, const char *way,
		     uint32_t page)
{
	const struct pl_quota *q = &k->quota;
	const char *nothing = kept_void(k);
	json_t *o = json_event(r, "quota_kept", k->now_ns);
	char since[32];

	render_time(r, q->began_ns, since);
	json_object_set_new(o, "driver", json_text_or_null(k->driver));
	json_object_set_new(o, "state", json_string(nothing ? nothing : "enforced"));
	json_object_set_new(o, "since", q->kept ? json_string(since) : json_null());
	json_object_set_new(o, "way", q->kept ? json_string(way) : json_null());
	json_object_set_new(o, "limit_pages", q->kept ? json_integer(q->limit) : json_null());
	json_object_set_new(o, "limit_bytes",
			    q->kept ? json_integer(q->limit * page) : json_null());
	json_object_set_new(o, "pins", json_integer(q->pins));
	json_object_set_new(o, "taken", json_integer((json_int_t)q->taken));
	json_object_set_new(o, "refused", json_integer((json_int_t)q->refused));
	json_object_set_new(o, "uncounted", json_integer((json_int_t)q->uncounted));
	json_put(r, o);
}
