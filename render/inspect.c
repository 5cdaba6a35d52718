// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "inspect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "../core/units.h"
#include "json.h"

#define LINES	8    /* of the log, of each grade */
#define TEXT	1024 /* bytes of a description */
#define BRIEF	64   /* bytes of a value that are shown, and the NUL */
#define LABEL	18   /* columns up to the text */
#define TIMED	25   /* columns up to the text of a line of the log */
#define CLEANED 768  /* bytes of a text that is shown */

/* ---- text -------------------------------------------------------------------------------- */

/* A text after its label, wrapped; nothing for "". Everything shown may be hostile. */
static void put(const struct render *r, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put(const struct render *r, const char *label, const char *format, ...)
{
	char raw[CLEANED], clean[2 * CLEANED], head[32], name[16];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	units_clean(raw, sizeof(raw), clean, sizeof(clean));
	units_clean(label, strlen(label), name, sizeof(name));
	snprintf(head, sizeof(head), "  %s", name);
	if (clean[0])
		render_wrap_after(r->to, LABEL, head, clean);
}

static const char *tree(const struct inspect_identity *id)
{
	if (!id->tree_known)
		return "";
	return id->intree ? ", in tree" : id->dkms ? ", out of tree (dkms)" : ", out of tree";
}

static void put_signature(const struct render *r, const struct inspect_identity *id)
{
	const struct signature *s = &id->signature;

	if (!id->file_read || id->kind == INSPECT_BUILT_IN)
		return;
	if (!s->there)
		put(r, "signed", "no");
	else
		put(r, "signed", "yes (%s, %s) by %s, key %s", s->type,
		    s->hash[0] ? s->hash : "unknown hash", s->signer[0] ? s->signer : "unknown",
		    s->key[0] ? s->key : "unknown");
}

static void put_package(const struct render *r, const char *label, const struct inspect_package *p)
{
	if (!p->name[0])
		return;
	put(r, label, "%s: %s installed, %s available", p->name,
	    p->installed[0] ? p->installed : "none",
	    !p->available[0]			  ? "nothing known to be"
	    : !strcmp(p->available, p->installed) ? "no other"
						  : p->available);
}

static void put_identity(const struct render *r, const struct inspect *i)
{
	const struct inspect_identity *id = &i->identity;
	char name[2 * INSPECT_NAME];

	units_clean(i->driver, sizeof(i->driver), name, sizeof(name));
	fprintf(r->to, "%s: %s%s%s\n", name,
		id->kind == INSPECT_BUILT_IN ? "built into the kernel"
		: id->loaded		     ? "module, loaded"
					     : "module, not loaded",
		tree(id), i->guess ? " (a guess by the node's name)" : "");
	put(r, "what", "%s", id->info.description);
	put(r, "version", "%s", id->version);
	put(r, "srcversion", "%s", id->srcversion);
	put(r, "vermagic", "%s", id->info.vermagic);
	put(r, "license", "%s", id->info.license);
	put(r, "file", "%s", id->file);
	put_signature(r, id);
	put(r, "taint", "%s", id->taint);
	put_package(r, "package", &id->package);
	if (id->package.unowned)
		put(r, "package", "none of %s's owns the file", id->package.manager);
	put_package(r, "new kernels", &id->kernel);
	if (id->intree)
		put(r, "running", "%s", id->running);
}

static void put_line(const struct render *r, const struct kmsg_line *l)
{
	char text[2 * CLEANED], line[2 * CLEANED + 64], head[48];

	units_clean(l->text, sizeof(l->text), text, sizeof(text));
	snprintf(head, sizeof(head), "  [%12.6f] %s", (double)l->first_us * 1e-6,
		 kmsg_level_name(l->level));
	snprintf(line, sizeof(line), "%s", text);
	if (l->count > 1)
		snprintf(line, sizeof(line), "%s (%" PRIu64 " times, last at %.6f)", text, l->count,
			 (double)l->last_us * 1e-6);
	render_wrap_after(r->to, TIMED, head, line);
}

/* The latest lines of each grade; the log is sorted by grade. */
static void put_lines(const struct render *r, const struct kmsg_log *log)
{
	for (size_t from = 0, to; from < log->nr; from = to) {
		uint8_t grade =
			log->lines[from].level < KMSG_WARNING ? KMSG_ERROR : log->lines[from].level;
		size_t shown = from;

		for (to = from; to < log->nr; to++) {
			uint8_t level = log->lines[to].level;

			if ((level < KMSG_WARNING) != (grade < KMSG_WARNING) ||
			    (level > KMSG_WARNING) != (grade > KMSG_WARNING))
				break;
		}
		if (to - from > LINES + 1) {
			shown = to - LINES;
			fprintf(r->to, "  %zu earlier ones: --json\n", shown - from);
		}
		for (; shown < to; shown++)
			put_line(r, &log->lines[shown]);
	}
}

static void put_log(const struct render *r, const struct inspect *i)
{
	char n[UNITS_ROOM];

	if (!i->log_known)
		return;
	fprintf(r->to, "\nlog: %" PRIu64 " errors, %" PRIu64 " warnings, %" PRIu64 " other lines\n",
		i->log.errors, i->log.warnings, i->log.others);
	put_lines(r, &i->log);
	if (i->log.suppressed)
		fprintf(r->to, "  %s more lines were held back by the kernel's rate limit\n",
			units_count((int64_t)i->log.suppressed, n));
	if (i->log.cut)
		fprintf(r->to, "  %s more found no room\n", units_count((int64_t)i->log.cut, n));
	if (i->log_lost)
		fprintf(r->to, "  %s were overwritten before they could be read\n",
			units_count((int64_t)i->log_lost, n));
}

/* Descriptions are laid out with line ends and tabs, which are no news: each becomes a blank. */
static void squeeze(const char *in, char *out, size_t size)
{
	size_t n = 0;

	for (in += strspn(in, " \t\n"); *in && n + 1 < size; in++) {
		bool blank = strchr(" \t\n", *in);

		if (!blank || !strchr(" \t\n", in[1]))
			out[n++] = *in;
		if (blank && n && out[n - 1] == *in)
			out[n - 1] = ' ';
	}
	out[n] = '\0';
}

/* Of a long list the beginning: --json has all of it. */
static const char *brief(const char *value, char *out)
{
	snprintf(out, BRIEF, "%.*s%s", BRIEF - 4, value, strlen(value) > BRIEF - 4 ? "..." : "");
	return out;
}

static void put_param(const struct render *r, const struct inspect_param *p)
{
	char raw[TEXT], clean[4 * TEXT], value[BRIEF], initial[BRIEF];

	snprintf(raw, sizeof(raw), "%s (%s) = %s; default %s%s", p->name,
		 p->type[0] ? p->type : "unknown type",
		 p->value_known ? brief(p->value, value) : "not shown",
		 p->source == DEFAULT_UNKNOWN ? "unknown" : brief(p->initial, initial),
		 p->differs ? ", differs" : "");
	units_clean(raw, sizeof(raw), clean, sizeof(clean));
	render_wrap(r->to, 2, clean);
	squeeze(p->text, raw, sizeof(raw));
	units_clean(raw, sizeof(raw), clean, sizeof(clean));
	if (clean[0])
		render_wrap(r->to, 6, clean);
	units_clean(p->fault, sizeof(p->fault), clean, sizeof(clean));
	if (clean[0])
		render_wrap_after(r->to, 20, "      out of range:", clean);
}

static void put_setting(const struct render *r, const struct inspect_setting *s)
{
	put(r, "set", "%s%s%s by the %s%s%s%s", s->name, s->has_value ? "=" : "", s->value,
	    inspect_origin_name(s->origin), s->unknown ? ": the module has no such parameter" : "",
	    s->fault[0] ? ": " : "", s->fault);
}

static void put_params(const struct render *r, const struct inspect *i)
{
	size_t differ = 0, unknown = 0;

	for (size_t n = 0; n < i->nr_params; n++) {
		differ += i->params[n].differs;
		unknown += i->params[n].source == DEFAULT_UNKNOWN;
	}
	if (i->nr_params || i->nr_settings)
		fprintf(r->to,
			"\nparameters: %zu; %zu differ from their defaults, %zu have unknown "
			"defaults\n",
			i->nr_params, differ, unknown);
	for (size_t n = 0; n < i->nr_params; n++)
		put_param(r, &i->params[n]);
	for (size_t n = 0; n < i->nr_settings; n++)
		put_setting(r, &i->settings[n]);
}

static void put_neighbours(const struct render *r, const struct inspect *i, size_t device)
{
	for (size_t n = 0; n < i->nr_neighbours; n++)
		if (i->neighbours[n].device == device)
			put(r, "", "%s: %s, driver %s", i->neighbours[n].relation,
			    i->neighbours[n].name, i->neighbours[n].driver);
}

/* "unknown" for what sysfs does not tell. */
static const char *number(int64_t n, char *out)
{
	if (n < 0)
		return "unknown";
	return units_count(n, out);
}

static void put_device(const struct render *r, const struct inspect *i, size_t at)
{
	const struct inspect_device *d = &i->devices[at];
	char mask[UNITS_ROOM], coherent[UNITS_ROOM], node[UNITS_ROOM];

	put(r, d->name, "%s%s%s%s%s", d->driver[0] ? "driver " : "no driver of its own", d->driver,
	    d->bus[0] ? ", bus " : "", d->bus,
	    d->guess ? " (its driver is a guess by its name)" : "");
	for (int block = 0; block < 2; block++)
		if (d->node[block][0])
			put(r, "", "node /dev/%s", d->node[block]);
	if (d->driver[0])
		put(r, "",
		    "IOMMU group %s%s%s, DMA mask %s bits (coherent %s), NUMA node %s, %s %s",
		    d->group[0] ? d->group : "none", d->group_type[0] ? " of type " : "",
		    d->group_type, number(d->dma_mask_bits, mask),
		    number(d->consistent_dma_mask_bits, coherent), number(d->numa_node, node),
		    d->power[0] ? d->power : "power unknown", d->state);
	put_neighbours(r, i, at);
}

static const char *bytes_or(uint64_t n, bool bytes, char *out)
{
	if (n == INSPECT_UNKNOWN)
		return "unknown";
	if (n == INSPECT_UNLIMITED)
		return "unlimited";
	return bytes ? units_bytes((double)n, out) : units_count((int64_t)n, out);
}

static void put_process(const struct render *r, const struct inspect_process *p)
{
	char soft[UNITS_ROOM], locked[UNITS_ROOM], pinned[UNITS_ROOM], pid[16];

	snprintf(pid, sizeof(pid), "%" PRIu32, p->pid);
	put(r, pid, "%s: /dev/%s, %" PRIu32 " times; VmLck %s, VmPin %s, RLIMIT_MEMLOCK %s%s",
	    p->comm, p->node, p->files, bytes_or(p->locked, true, locked),
	    bytes_or(p->pinned, true, pinned), bytes_or(p->memlock_soft, true, soft),
	    p->exempt ? " (CAP_IPC_LOCK: does not bind)" : "");
}

static void put_limit(const struct render *r, const char *label, const struct inspect_limit *l)
{
	bool bytes = l->kind != LIMITED_BY_DMA_ENTRIES;
	char used[UNITS_ROOM], allowed[UNITS_ROOM], pid[24] = "";

	if (l->pid)
		snprintf(pid, sizeof(pid), " (%" PRIu32 ")", l->pid);
	put(r, label, "%s%s%s%s: %s used of %s%s", inspect_limit_name(l->kind),
	    l->where[0] ? " of " : "", l->where, pid, bytes_or(l->used, bytes, used),
	    bytes_or(l->allowed, bytes, allowed), l->applies ? "" : ", does not bind here");
}

static void put_configuration(const struct render *r, const struct inspect *i)
{
	const struct inspect_limit *first = inspect_first_limit(i);

	if (i->nr_devices)
		fprintf(r->to, "\ndevices: %zu\n", i->nr_devices);
	for (size_t n = 0; n < i->nr_devices; n++)
		put_device(r, i, n);
	if (i->nr_processes)
		fprintf(r->to, "\nprocesses that have its nodes open: %zu\n", i->nr_processes);
	for (size_t n = 0; n < i->nr_processes; n++)
		put_process(r, &i->processes[n]);
	if (i->nr_limits)
		fprintf(r->to, "\nlimits: %zu\n", i->nr_limits);
	for (size_t n = 0; n < i->nr_limits; n++)
		put_limit(r, "", &i->limits[n]);
	if (first)
		put_limit(r, "hit first", first);
}

static void put_held(const struct render *r, const struct inspect_held *h)
{
	char pins[UNITS_ROOM], bytes[UNITS_ROOM], pid[24] = "";

	if (h->pid)
		snprintf(pid, sizeof(pid), " (%" PRIu32 ")", h->pid);
	put(r, "", "%s pins, %s: %s %s%s%s", units_count((int64_t)h->sum.pins, pins),
	    units_bytes((double)h->sum.bytes, bytes), h->kind, h->name, pid,
	    h->its ? "" : ", perhaps");
}

static void put_pins(const struct render *r, const struct inspect *i)
{
	const struct inspect_pins *p = &i->pins;
	char n[UNITS_ROOM], bytes[UNITS_ROOM];

	if (!p->known)
		return;
	fprintf(r->to, "\npins: %s recorded as its own, %s\n", units_count((int64_t)p->its.pins, n),
		units_bytes((double)p->its.bytes, bytes));
	if (!p->tracked)
		render_wrap(r->to, 2, "Nobody records who pins: pinleak watch --track always");
	if (p->perhaps.pins)
		fprintf(r->to, "  %s more, nobody's by record, in processes that have it open\n",
			units_count((int64_t)p->perhaps.pins, n));
	for (size_t k = 0; k < p->nr; k++)
		put_held(r, &p->held[k]);
}

void render_inspect_text(const struct render *r, const struct inspect *i)
{
	put_identity(r, i);
	put_log(r, i);
	put_params(r, i);
	put_configuration(r, i);
	put_pins(r, i);
	if (i->nr_gaps)
		fprintf(r->to, "\nnot seen:\n");
	for (size_t n = 0; n < i->nr_gaps; n++)
		put(r, i->gaps[n].part, "%s", i->gaps[n].why);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *package_object(const struct inspect_package *p)
{
	if (!p->name[0])
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o}", "manager", p->manager, "name",
			 json_text_or_null(p->name), "installed", json_text_or_null(p->installed),
			 "available", json_text_or_null(p->available));
}

static json_t *signature_object(const struct inspect_identity *id)
{
	const struct signature *s = &id->signature;

	if (!id->file_read || id->kind == INSPECT_BUILT_IN)
		return json_null();
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "signed", s->there, "type",
			 json_text_or_null(s->type), "signer", json_text_or_null(s->signer), "key",
			 json_text_or_null(s->key), "hash", json_text_or_null(s->hash));
}

static json_t *identity_object(const struct inspect_identity *id)
{
	json_t *o =
		json_pack("{s:s, s:b, s:b, s:b, s:o, s:b}", "kind",
			  id->kind == INSPECT_MODULE ? "module" : "built-in", "loaded", id->loaded,
			  "file_read", id->file_read, "file_differs", id->file_differs, "intree",
			  id->tree_known ? json_boolean(id->intree) : json_null(), "dkms",
			  id->dkms);
	const struct {
		const char *name, *text;
	} texts[] = {{"description", id->info.description},
		     {"version", id->version},
		     {"srcversion", id->srcversion},
		     {"vermagic", id->info.vermagic},
		     {"license", id->info.license},
		     {"file", id->file},
		     {"taint", id->taint},
		     {"running", id->running}};

	for (size_t n = 0; n < sizeof(texts) / sizeof(*texts); n++)
		json_object_set_new(o, texts[n].name, json_text_or_null(texts[n].text));
	json_object_set_new(o, "signature", signature_object(id));
	json_object_set_new(o, "package", package_object(&id->package));
	json_object_set_new(o, "kernel_package", package_object(&id->kernel));
	return o;
}

static json_t *log_object(const struct inspect *i)
{
	const struct kmsg_log *log = &i->log;
	json_t *lines = json_array();

	for (size_t n = 0; n < log->nr; n++) {
		const struct kmsg_line *l = &log->lines[n];

		json_array_append_new(lines, json_pack("{s:s, s:f, s:f, s:I, s:o}", "level",
						       kmsg_level_name(l->level), "first_s",
						       (double)l->first_us * 1e-6, "last_s",
						       (double)l->last_us * 1e-6, "count",
						       (json_int_t)l->count, "text",
						       json_text_or_null(l->text)));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "errors", (json_int_t)log->errors,
			 "warnings", (json_int_t)log->warnings, "others", (json_int_t)log->others,
			 "suppressed", (json_int_t)log->suppressed, "no_room", (json_int_t)log->cut,
			 "overwritten", (json_int_t)i->log_lost, "lines", lines);
}

/* An empty value is a value, too. */
static json_t *value_or_null(bool known, const char *value)
{
	char clean[4 * INSPECT_VALUE];

	if (!known)
		return json_null();
	units_clean(value, INSPECT_VALUE, clean, sizeof(clean));
	return json_string(clean);
}

static json_t *description_or_null(const char *text)
{
	char squeezed[TEXT];

	squeeze(text, squeezed, sizeof(squeezed));
	return value_or_null(squeezed[0], squeezed);
}

static json_t *params_array(const struct inspect *i)
{
	static const char *const sources[] = {NULL, "file", "description"};
	json_t *a = json_array();

	for (size_t n = 0; n < i->nr_params; n++) {
		const struct inspect_param *p = &i->params[n];
		bool known = p->source != DEFAULT_UNKNOWN;
		json_t *o = json_pack("{s:o, s:o, s:o, s:b}", "name", json_text_or_null(p->name),
				      "type", json_text_or_null(p->type), "description",
				      description_or_null(p->text), "declared", p->declared);

		json_object_set_new(o, "value", value_or_null(p->value_known, p->value));
		json_object_set_new(o, "default", value_or_null(known, p->initial));
		json_object_set_new(o, "default_by", json_text_or_null(sources[p->source]));
		json_object_set_new(o, "differs",
				    known && p->value_known ? json_boolean(p->differs)
							    : json_null());
		json_object_set_new(o, "fault", json_text_or_null(p->fault));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *settings_array(const struct inspect *i)
{
	json_t *a = json_array();

	for (size_t n = 0; n < i->nr_settings; n++) {
		const struct inspect_setting *s = &i->settings[n];

		json_array_append_new(a,
				      json_pack("{s:s, s:o, s:o, s:b, s:o}", "by",
						inspect_origin_name(s->origin), "name",
						json_text_or_null(s->name), "value",
						value_or_null(s->has_value, s->value), "unknown",
						s->unknown, "fault", json_text_or_null(s->fault)));
	}
	return a;
}

static json_t *neighbours_array(const struct inspect *i, size_t device)
{
	json_t *a = json_array();

	for (size_t n = 0; n < i->nr_neighbours; n++) {
		const struct inspect_neighbour *b = &i->neighbours[n];

		if (b->device == device)
			json_array_append_new(a,
					      json_pack("{s:s, s:o, s:o}", "relation", b->relation,
							"name", json_text_or_null(b->name),
							"driver", json_text_or_null(b->driver)));
	}
	return a;
}

static json_t *told_or_null(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

static json_t *device_object(const struct inspect *i, size_t at)
{
	const struct inspect_device *d = &i->devices[at];
	json_t *nodes = json_array();
	json_t *o =
		json_pack("{s:o, s:o, s:o, s:o, s:b}", "name", json_text_or_null(d->name), "path",
			  json_text_or_null(d->path), "driver", json_text_or_null(d->driver), "bus",
			  json_text_or_null(d->bus), "guess", d->guess);

	for (int block = 0; block < 2; block++)
		if (d->node[block][0])
			json_array_append_new(nodes, json_text_or_null(d->node[block]));
	json_object_set_new(o, "nodes", nodes);
	json_object_set_new(o, "iommu_group", json_text_or_null(d->group));
	json_object_set_new(o, "iommu_type", json_text_or_null(d->group_type));
	json_object_set_new(o, "dma_mask_bits", told_or_null(d->dma_mask_bits));
	json_object_set_new(o, "consistent_dma_mask_bits",
			    told_or_null(d->consistent_dma_mask_bits));
	json_object_set_new(o, "numa_node", told_or_null(d->numa_node));
	json_object_set_new(o, "runtime_status", json_text_or_null(d->power));
	json_object_set_new(o, "power_state", json_text_or_null(d->state));
	json_object_set_new(o, "neighbours", neighbours_array(i, at));
	return o;
}

/* A number, "unlimited" or null. */
static json_t *amount(uint64_t n)
{
	if (n == INSPECT_UNLIMITED)
		return json_string("unlimited");
	return n == INSPECT_UNKNOWN ? json_null() : json_integer((json_int_t)n);
}

static json_t *process_object(const struct inspect_process *p)
{
	return json_pack("{s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:b, s:o}", "pid",
			 (json_int_t)p->pid, "comm", json_text_or_null(p->comm), "node",
			 json_text_or_null(p->node), "files", (json_int_t)p->files, "memlock_soft",
			 amount(p->memlock_soft), "memlock_hard", amount(p->memlock_hard), "locked",
			 amount(p->locked), "pinned", amount(p->pinned), "exempt", p->exempt,
			 "cgroup", json_text_or_null(p->cgroup));
}

static json_t *limit_object(const struct inspect_limit *l)
{
	if (!l)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "limit", inspect_limit_name(l->kind),
			 "pid", l->pid ? json_integer(l->pid) : json_null(), "of",
			 json_text_or_null(l->where), "used", amount(l->used), "allowed",
			 amount(l->allowed), "binds", l->applies);
}

static json_t *pins_object(const struct inspect_pins *p)
{
	json_t *held = json_array();

	if (!p->known) {
		json_decref(held);
		return json_null();
	}
	for (size_t n = 0; n < p->nr; n++) {
		const struct inspect_held *h = &p->held[n];
		json_t *o = json_sum(&h->sum);

		json_object_set_new(o, "its", json_boolean(h->its));
		json_object_set_new(o, "kind", json_text_or_null(h->kind));
		json_object_set_new(o, "name", json_text_or_null(h->name));
		json_object_set_new(o, "pid", h->pid ? json_integer(h->pid) : json_null());
		json_array_append_new(held, o);
	}
	return json_pack("{s:b, s:o, s:o, s:o}", "tracked", p->tracked, "its", json_sum(&p->its),
			 "perhaps", json_sum(&p->perhaps), "held", held);
}

static json_t *gaps_array(const struct inspect *i)
{
	json_t *a = json_array();

	for (size_t n = 0; n < i->nr_gaps; n++)
		json_array_append_new(a, json_pack("{s:s, s:o}", "part", i->gaps[n].part, "why",
						   json_text_or_null(i->gaps[n].why)));
	return a;
}

void render_inspect_json(const struct render *r, const struct inspect *i)
{
	json_t *o = json_event(r, "inspect", i->now_ns);
	json_t *devices = json_array(), *processes = json_array(), *limits = json_array();

	for (size_t n = 0; n < i->nr_devices; n++)
		json_array_append_new(devices, device_object(i, n));
	for (size_t n = 0; n < i->nr_processes; n++)
		json_array_append_new(processes, process_object(&i->processes[n]));
	for (size_t n = 0; n < i->nr_limits; n++)
		json_array_append_new(limits, limit_object(&i->limits[n]));
	json_object_set_new(o, "asked", json_text_or_null(i->asked));
	json_object_set_new(o, "driver", json_text_or_null(i->driver));
	json_object_set_new(o, "guess", json_boolean(i->guess));
	json_object_set_new(o, "seconds", json_real(i->seconds));
	json_object_set_new(o, "identity", identity_object(&i->identity));
	json_object_set_new(o, "log", i->log_known ? log_object(i) : json_null());
	json_object_set_new(o, "parameters", params_array(i));
	json_object_set_new(o, "settings", settings_array(i));
	json_object_set_new(o, "devices", devices);
	json_object_set_new(o, "processes", processes);
	json_object_set_new(o, "limits", limits);
	json_object_set_new(o, "first_limit", limit_object(inspect_first_limit(i)));
	json_object_set_new(o, "pins", pins_object(&i->pins));
	json_object_set_new(o, "not_seen", gaps_array(i));
	json_put(r, o);
}

/* ---- after a verdict ------------------------------------------------------------------ */

static void on_text(void *ctx, const struct inspect *i)
{
	const struct render *r = ctx;

	render_inspect_text(r, i);
	fputc('\n', r->to);
	fflush(r->to);
}

static void on_json(void *ctx, const struct inspect *i)
{
	render_inspect_json(ctx, i);
}

const struct reporter text_diagnosis = {.diagnosis = on_text};
const struct reporter json_diagnosis = {.diagnosis = on_json};
