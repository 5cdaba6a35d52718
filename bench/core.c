// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * What the core costs on this machine, as times per unit of work: a sample while nothing is
 * suspected, and a folio when the books are drawn up. Beside each the same memory copied, as a
 * baseline that moves with the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../core/detect.h"
#include "../core/ledger.h"

#define SAMPLES (24 * 3600 * 100)
#define FOLIOS	100000
#define ROUNDS	20

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
					       .floor = (int64_t)(i * 7919 % 4093)};

		suspicions += detect_take(&d, &sample, &s);
	}
	printf("detect   %6.1f ns a sample (%u suspicions of noise)\n",
	       (now() - began) * 1e9 / SAMPLES, suspicions);
}

static struct snapshot *books(void)
{
	static struct snap_site site = {.key = 1, .blame = {.kind = BLAME_MODULE, .driver = "d"}};
	static struct snap_site *sites[] = {&site};
	static struct snap_owner owner = {.key = 1,
					  .owner = {.site = 1, .file_id = 1, .tgid = 1},
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

static void bench_ledger(void)
{
	struct snapshot *s = books();
	struct ledger l = {.grace_ns = 2000000000};
	struct snap_page *copy = calloc(FOLIOS, sizeof(*copy));
	double began = now(), copied, drawn;

	if (!copy)
		exit(1);
	for (int i = 0; i < ROUNDS; i++) {
		memcpy(copy, s->pages, FOLIOS * sizeof(*copy));
		__asm__ volatile("" : : "r"(copy) : "memory");
	}
	copied = now() - began;
	began = now();
	for (int i = 0; i < ROUNDS; i++)
		if (ledger_evaluate(&l, s) || l.proved != FOLIOS)
			exit(1);
	drawn = now() - began;
	printf("ledger   %6.1f ns a folio, %.1f times as long as copying its record\n",
	       drawn * 1e9 / ROUNDS / FOLIOS, drawn / copied);
	ledger_free(&l);
	free(copy);
	free(s->pages);
	map64_free(&s->owner_at);
	map64_free(&s->site_at);
}

int main(void)
{
	bench_detect();
	bench_ledger();
	return 0;
}
