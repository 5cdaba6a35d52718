// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * What the core costs on this machine, as times per unit of work: a sample while nothing is
 * suspected, and a folio when the books are drawn up, recorded and replayed. Beside each the same
 * memory copied, as a baseline that moves with the machine. What a recording takes is in bytes; a
 * day of looks, one a second, is also replayed and judged as a whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../core/detect.h"
#include "../core/ledger.h"
#include "../core/monitor.h"
#include "../store/recording.h"

#define SAMPLES (24 * 3600 * 100)
#define FOLIOS	100000
#define ROUNDS	20
#define LOOKS	200000 /* at the counters, to be recorded */
#define DAY	86400
#define CHANGED 100 /* one folio in so many changes from look to look */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void bench_detect(void)
{
	struct detect d;
	struct detect_suspicion s;
	double began = now();
	uint32_t suspicions = 0;

	detect_init(&d, &detect_defaults);
	for (uint64_t i = 0; i < SAMPLES; i++) {
		struct detect_sample sample = {.now_ns = i * 1000000000,
					       .floor = (int64_t)(i * 7919 % 4093),
					       .top = (int64_t)(i * 7919 % 4093)};

		suspicions += detect_take(&d, &sample, &s);
	}
	printf("detect   %6.1f ns a sample (%u suspicions of noise)\n",
	       (now() - began) * 1e9 / SAMPLES, suspicions);
}

static struct snapshot *books(void)
{
	static struct snap_site site = {.key = 1, .blame = {.kind = BLAME_MODULE, .driver = "d"}};
	static struct snap_site *sites[] = {&site};
	static struct snap_owner owner = {
		.key = 1,
		.owner = {.site = 1, .file_id = 1, .tgid = 1, .mode = S_IFCHR},
		.file_end_ns = 1,
		.dead_ns = 1};
	static struct modgraph modules;
	static struct snapshot s;

	s = (struct snapshot){.now_ns = 1000000000000,
			      .owners = &owner,
			      .nr_owners = 1,
			      .sites = sites,
			      .nr_sites = 1,
			      .nr_pages = FOLIOS,
			      .modules = &modules,
			      .sample_rate = 1,
			      .base_page = 4096};
	s.pages = calloc(FOLIOS, sizeof(*s.pages));
	if (!s.pages || map64_put(&s.owner_at, 1, 0) || map64_put(&s.site_at, 1, 0))
		exit(1);
	for (uint32_t i = 0; i < FOLIOS; i++) {
		s.pages[i].folio = 64 * i;
		s.pages[i].page = (struct pl_page){.pins = 1,
						   .nr_slots = 1,
						   .slot = {{.owner = 1, .refs = 1}}};
	}
	return &s;
}

static void drop_books(struct snapshot *s)
{
	free(s->pages);
	map64_free(&s->owner_at);
	map64_free(&s->site_at);
}

/* Seconds to copy the records of so many looks at the books. */
static double copy_books(const struct snapshot *s)
{
	struct snap_page *copy = calloc(FOLIOS, sizeof(*copy));
	double began = now();

	if (!copy)
		exit(1);
	for (int i = 0; i < ROUNDS; i++) {
		memcpy(copy, s->pages, FOLIOS * sizeof(*copy));
		__asm__ volatile("" : : "r"(copy) : "memory");
	}
	free(copy);
	return now() - began;
}

static void bench_ledger(void)
{
	struct snapshot *s = books();
	struct ledger l = {.grace_ns = 2000000000};
	double copied = copy_books(s), began = now(), drawn;

	for (int i = 0; i < ROUNDS; i++)
		if (ledger_evaluate(&l, s) || l.proved != FOLIOS)
			exit(1);
	drawn = now() - began;
	printf("ledger   %6.1f ns a folio, %.1f times as long as copying its record\n",
	       drawn * 1e9 / ROUNDS / FOLIOS, drawn / copied);
	ledger_free(&l);
	drop_books(s);
}

/* ---- recordings ----------------------------------------------------------------------- */

/* A machine that does I/O, looked at once a second, give or take a millisecond. */
struct machine {
	uint64_t looks;
	struct snapshot *books; /* NULL: counters alone */
};

static int look(void *ctx, bool exact, bool books, struct source_look *out)
{
	struct machine *m = ctx;
	uint64_t n = m->looks++, noise = (n + 1) * 0x9E3779B97F4A7C15; /* splitmix64 */

	noise = (noise ^ (noise >> 30)) * 0xBF58476D1CE4E5B9;
	noise ^= noise >> 27;
	(void)exact, (void)books;
	out->sample = (struct sample){.now_ns = n * 1000000000 + noise % 1000000,
				      .acquired = (int64_t)(n * 5000 + noise % 999),
				      .released = (int64_t)(n * 5000 + noise % 777),
				      .memory_total = UINT64_C(1) << 36,
				      .memory_available = (1 << 23) * (4096 - noise % 64)};
	out->books = m->books;
	for (size_t i = n % CHANGED; m->books && i < FOLIOS; i += CHANGED)
		m->books->pages[i].page.last_ns = out->sample.now_ns + i;
	return 0;
}

static const struct source machine_source = {.look = look};

static double record(struct machine *m, uint64_t looks, FILE *to)
{
	const struct recording_header header = {.version = "bench"};
	struct source_look got = {0};
	struct recorder *r;
	double began = now();

	setvbuf(to, NULL, _IONBF, 0);
	if (recorder_create(to, &machine_source, m, &r))
		exit(1);
	recorder_begin(r, &header);
	for (; looks; looks--)
		recorder_source.look(r, true, true, &got);
	recorder_end(r, 0, "");
	if (recorder_error(r))
		exit(1);
	recorder_destroy(r);
	return now() - began;
}

static double replay(uint64_t looks, FILE *from)
{
	struct source_look got;
	struct replay *r;
	uint32_t version;
	double began = now();

	rewind(from);
	if (replay_open(from, REPLAY_ROOM, &version, &r))
		exit(1);
	for (; looks; looks--)
		if (replay_source.look(r, true, true, &got))
			exit(1);
	replay_close(r);
	return now() - began;
}

static void bench_recording(void)
{
	struct machine idle = {0}, busy = {.books = books()};
	FILE *counters = tmpfile(), *pages = tmpfile();
	double copied = copy_books(busy.books), took, back;

	if (!counters || !pages)
		exit(1);
	took = record(&idle, LOOKS, counters);
	printf("record   %6.1f bytes a sample, %.0f ns; replayed in ",
	       (double)ftell(counters) / LOOKS, took * 1e9 / LOOKS);
	printf("%.0f ns\n", replay(LOOKS, counters) * 1e9 / LOOKS);
	took = record(&busy, ROUNDS, pages);
	back = replay(ROUNDS, pages);
	printf("books    %6.1f bytes a changed folio; recorded in %.1f, replayed in %.1f times as long "
	       "as copying all records\n",
	       (double)ftell(pages) / ROUNDS / FOLIOS * CHANGED, took / copied, back / copied);
	fclose(counters);
	fclose(pages);
	drop_books(busy.books);
}

/* ---- a day ------------------------------------------------------------------------------ */

#define SILENT(name)                                                                               \
	static void on_##name(void *ctx, const struct report_##name *r)                            \
	{                                                                                          \
		(void)ctx, (void)r;                                                                \
	}

SILENT(sample)
SILENT(suspicion)
SILENT(state)
SILENT(summary)

static const struct reporter silent = {.sample = on_sample,
				       .suspicion = on_suspicion,
				       .state = on_state,
				       .summary = on_summary};

static double judge(uint64_t looks, FILE *from)
{
	struct monitor_config config = monitor_defaults();
	struct source_look got;
	struct monitor *m;
	struct replay *r;
	uint32_t version;
	double began = now();

	config.track = TRACK_NEVER; /* the machine has no books to show */
	m = monitor_create(&config, &silent, NULL);
	rewind(from);
	if (!m || replay_open(from, REPLAY_ROOM, &version, &r))
		exit(1);
	for (; looks; looks--)
		if (replay_source.look(r, true, false, &got) ||
		    monitor_step(m, &got.sample, NULL, NULL))
			exit(1);
	monitor_finish(m, got.sample.now_ns);
	monitor_destroy(m);
	replay_close(r);
	return now() - began;
}

static void bench_day(void)
{
	struct machine idle = {0};
	FILE *day = tmpfile();
	double took, size;

	if (!day)
		exit(1);
	record(&idle, DAY, day);
	size = (double)ftell(day);
	took = judge(DAY, day);
	printf("day      %6.0f KiB recorded; replayed and judged in %.3f s, %.0f looks a second\n",
	       size / 1024, took, DAY / took);
	fclose(day);
}

int main(void)
{
	bench_detect();
	bench_ledger();
	bench_recording();
	bench_day();
	return 0;
}
