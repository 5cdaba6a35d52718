// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "metrics.h"

#include <inttypes.h>

#include "../render/json.h"

const unsigned served_codes[SERVED_CODES] = {200, 204, 400, 401, 404, 405, 421, 503, 0};

struct page {
	FILE *to;
	bool open; /* OpenMetrics */
};

/* ---- the two formats ------------------------------------------------------------------ */

enum metric { GAUGE, COUNTER, INFO };

/* OpenMetrics names a counter without its suffix, and has a type for what only has labels. */
static void family(const struct page *p, enum metric type, const char *name, const char *unit,
		   const char *help)
{
	static const char *const plain[] = {"gauge", "counter", "gauge"};
	static const char *const open[] = {"gauge", "counter", "info"};
	static const char *const suffix[] = {"", "_total", "_info"};
	const char *end = p->open ? "" : suffix[type];

	fprintf(p->to, "# HELP %s%s %s\n", name, end, help);
	fprintf(p->to, "# TYPE %s%s %s\n", name, end, p->open ? open[type] : plain[type]);
	if (p->open && unit)
		fprintf(p->to, "# UNIT %s %s\n", name, unit);
}

/* A label's value; the text is clean, so that it has no controls. */
static void label(FILE *to, const char *name, const char *value)
{
	fprintf(to, "%s=\"", name);
	for (; *value; value++)
		if (*value == '\n')
			fputs("\\n", to);
		else
			fprintf(to, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	fputc('"', to);
}

static void integer(const struct page *p, const char *name, int64_t value)
{
	fprintf(p->to, "%s %" PRId64 "\n", name, value);
}

static void count(const struct page *p, const char *name, uint64_t value)
{
	fprintf(p->to, "%s %" PRIu64 "\n", name, value);
}

static void seconds(const struct page *p, const char *name, double value)
{
	fprintf(p->to, "%s %.3f\n", name, value);
}

static void labelled(const struct page *p, const char *name, const char *label_name,
		     const char *value, uint64_t n)
{
	fprintf(p->to, "%s{", name);
	label(p->to, label_name, value);
	fprintf(p->to, "} %" PRIu64 "\n", n);
}

/* ---- what there is -------------------------------------------------------------------- */

static void print_info(const struct page *p, const struct facts *f)
{
	family(p, INFO, "pinleak", NULL,
	       "The version that watches, and the kernel that is watched.");
	fprintf(p->to, "pinleak_info{");
	label(p->to, "version", PINLEAK_VERSION);
	fputc(',', p->to);
	label(p->to, "kernel", f->kernel);
	fprintf(p->to, "} 1\n");
}

static void print_pins(const struct page *p, const struct facts *f)
{
	family(p, GAUGE, "pinleak_pins_outstanding", NULL,
	       "Pins acquired less pins released; may be negative.");
	integer(p, "pinleak_pins_outstanding", f->acquired - f->released);
	family(p, COUNTER, "pinleak_pins_acquired", NULL,
	       "Pins acquired since the boot (nr_foll_pin_acquired).");
	integer(p, "pinleak_pins_acquired_total", f->acquired);
	family(p, COUNTER, "pinleak_pins_released", NULL,
	       "Pins released since the boot (nr_foll_pin_released).");
	integer(p, "pinleak_pins_released_total", f->released);
	family(p, GAUGE, "pinleak_memory_total_bytes", "bytes", "MemTotal; 0: not known.");
	count(p, "pinleak_memory_total_bytes", f->memory_total);
	family(p, GAUGE, "pinleak_memory_available_bytes", "bytes", "MemAvailable; 0: not known.");
	count(p, "pinleak_memory_available_bytes", f->memory_available);
}

static void print_level(const struct page *p, const struct facts *f)
{
	family(p, GAUGE, "pinleak_level", NULL, "1 for the level of tracking that is on.");
	for (enum level l = LEVEL_COUNTERS; l <= LEVEL_DEEP; l++)
		labelled(p, "pinleak_level", "level", level_name(l), f->level == l);
	family(p, GAUGE, "pinleak_tracking_refused", NULL,
	       "1 while tracking is wanted and cannot be had: no driver would be named.");
	count(p, "pinleak_tracking_refused", f->refused);
	family(p, COUNTER, "pinleak_suspicions", NULL,
	       "Times that pins did not seem to come back.");
	count(p, "pinleak_suspicions_total", f->suspicions);
}

static void print_books(const struct page *p, const struct facts *f)
{
	family(p, GAUGE, "pinleak_driver_pins", NULL,
	       "Pins of a driver, while there is tracking: held rightly at most, or proved leaked.");
	for (uint32_t i = 0; i < f->nr_drivers; i++) {
		const struct facts_driver *d = &f->drivers[i];

		for (int leaked = 0; d->tracked && leaked < 2; leaked++) {
			fprintf(p->to, "pinleak_driver_pins{");
			label(p->to, "driver", d->name);
			fprintf(p->to, ",state=\"%s\"} %" PRIu64 "\n", leaked ? "leaked" : "held",
				leaked ? d->leaked : d->held);
		}
	}
	family(p, GAUGE, "pinleak_driver_unmovable_bytes", "bytes",
	       "Memory that a driver's pins make unmovable, while there is tracking.");
	for (uint32_t i = 0; i < f->nr_drivers; i++)
		if (f->drivers[i].tracked)
			labelled(p, "pinleak_driver_unmovable_bytes", "driver", f->drivers[i].name,
				 f->drivers[i].bytes);
}

static bool is_accused(const struct facts_driver *d)
{
	for (size_t e = 0; e <= EVIDENCE_UNLOADED; e++)
		if (d->verdicts[e])
			return true;
	return false;
}

static void print_verdict_counts(const struct page *p, const struct facts *f)
{
	family(p, COUNTER, "pinleak_verdicts", NULL,
	       "Verdicts given, those that tell more of the same leak as well.");
	for (uint32_t i = 0; i < f->nr_drivers; i++)
		for (size_t e = EVIDENCE_NONE + 1; e <= EVIDENCE_UNLOADED; e++) {
			const struct facts_driver *d = &f->drivers[i];

			if (!d->verdicts[e])
				continue;
			fprintf(p->to, "pinleak_verdicts_total{");
			label(p->to, "driver", d->name);
			fprintf(p->to, ",evidence=\"%s\"} %" PRIu64 "\n",
				evidence_name((enum evidence)e), d->verdicts[e]);
		}
}

static void print_verdicts(const struct page *p, const struct facts *f)
{
	print_verdict_counts(p, f);
	family(p, GAUGE, "pinleak_leaked_bytes", "bytes",
	       "Memory that a driver has leaked since this watch began, by its last verdict.");
	for (uint32_t i = 0; i < f->nr_drivers; i++)
		if (is_accused(&f->drivers[i]))
			labelled(p, "pinleak_leaked_bytes", "driver", f->drivers[i].name,
				 f->drivers[i].lost_bytes);
	family(p, GAUGE, "pinleak_memory_exhaustion_timestamp_seconds", "seconds",
	       "When memory runs out if a driver goes on, by its last verdict.");
	for (uint32_t i = 0; i < f->nr_drivers; i++)
		if (f->drivers[i].exhausted_s > 0)
			labelled(p, "pinleak_memory_exhaustion_timestamp_seconds", "driver",
				 f->drivers[i].name, (uint64_t)f->drivers[i].exhausted_s);
}

static void print_losses(const struct page *p, const struct facts *f)
{
	family(p, COUNTER, "pinleak_lost_events", NULL,
	       "What tracking could not record, by the name that the JSON has for it.");
	for (size_t i = 0; json_losses[i].name; i++)
		labelled(p, "pinleak_lost_events_total", "reason", json_losses[i].name,
			 f->lost[json_losses[i].stat]);
	labelled(p, "pinleak_lost_events_total", "reason", "runs_missed", f->runs_missed);
	labelled(p, "pinleak_lost_events_total", "reason", "reports_no_memory", f->events_lost);
}

static void print_cost(const struct page *p, const struct facts *f)
{
	family(p, COUNTER, "pinleak_process_cpu_seconds", "seconds",
	       "Processor time of the watching process.");
	seconds(p, "pinleak_process_cpu_seconds_total", (double)f->cost.cpu_ms / 1e3);
	family(p, GAUGE, "pinleak_process_memory_bytes", "bytes",
	       "Most memory that the watching process has had.");
	count(p, "pinleak_process_memory_bytes", f->cost.memory);
	family(p, COUNTER, "pinleak_programs_cpu_seconds", "seconds",
	       "Processor time of the programs in the kernel; 0 unless kernel.bpf_stats_enabled.");
	seconds(p, "pinleak_programs_cpu_seconds_total", (double)f->cost.programs_ns / 1e9);
	family(p, GAUGE, "pinleak_programs_memory_bytes", "bytes",
	       "Memory of the programs' maps when they were loaded last.");
	count(p, "pinleak_programs_memory_bytes", f->cost.programs_bytes);
}

/* By the real clock as it is now: it may have been set since the watch began, and this is compared.
 */
static double look_time(uint64_t last_ns)
{
	return (double)((int64_t)last_ns + render_real_offset()) / 1e9;
}

static void print_looks(const struct page *p, const struct facts *f)
{
	double last = f->last_ns ? look_time(f->last_ns) : 0;

	family(p, COUNTER, "pinleak_looks", NULL, "Looks at the counters.");
	count(p, "pinleak_looks_total", f->looks);
	family(p, GAUGE, "pinleak_last_look_timestamp_seconds", "seconds",
	       "When the counters were looked at last; 0: never.");
	seconds(p, "pinleak_last_look_timestamp_seconds", last);
	family(p, GAUGE, "pinleak_look_interval_seconds", "seconds",
	       "Time between two looks, as it was asked for.");
	seconds(p, "pinleak_look_interval_seconds", (double)f->interval_ns / 1e9);
}

static void print_served(const struct page *p, const struct served *s)
{
	char code[16];

	family(p, COUNTER, "pinleak_http_responses", NULL, "Answers of this server.");
	for (size_t i = 0; i < SERVED_CODES; i++) {
		snprintf(code, sizeof(code), served_codes[i] ? "%u" : "other", served_codes[i]);
		labelled(p, "pinleak_http_responses_total", "code", code, s->by_code[i]);
	}
	family(p, COUNTER, "pinleak_http_overdue_connections", NULL,
	       "Connections closed since a request or an answer took too long.");
	count(p, "pinleak_http_overdue_connections_total", s->overdue);
	family(p, GAUGE, "pinleak_events_readers", NULL, "Readers of /api/v1/events now.");
	count(p, "pinleak_events_readers", s->events_readers);
	family(p, COUNTER, "pinleak_events_dropped_readers", NULL,
	       "Readers of /api/v1/events that were too slow, and were dropped.");
	count(p, "pinleak_events_dropped_readers_total", s->events_dropped);
}

void metrics_print(FILE *to, const struct facts *f, const struct served *served, bool openmetrics)
{
	struct page p = {to, openmetrics};

	print_info(&p, f);
	print_pins(&p, f);
	print_level(&p, f);
	print_books(&p, f);
	print_verdicts(&p, f);
	print_losses(&p, f);
	print_cost(&p, f);
	print_looks(&p, f);
	print_served(&p, served);
	if (openmetrics)
		fputs("# EOF\n", to);
}
