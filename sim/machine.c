// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "records.h"

#define NOISE_NS    UINT64_C(60000000000) /* available memory is drawn anew so often */
#define NOISE_KEEPS 0.98
#define NOISE_STEP  0.002 /* of the memory */
#define DEEP_LOSES  0.01  /* of what is lost at level light */

/* mm/vmstat.c, calculate_normal_threshold(): by processors, and by 128 MiB of memory. */
static int64_t batch_of(uint32_t cpus, uint64_t memory)
{
	int per_cpu = 32 - __builtin_clz(cpus);
	uint64_t blocks = memory >> 27;
	int64_t batch = 2 * per_cpu * (1 + (blocks ? 64 - __builtin_clzll(blocks) : 0));

	return batch < 125 ? batch : 125;
}

/*
 * Each processor keeps up to a batch of its own pins back, for a second at most: then
 * vmstat_update() adds them. What is kept back of the two counters does not cancel out: by so much,
 * as a standard deviation.
 */
static double kept_back(const struct machine *m, int64_t taken)
{
	double busy = (double)taken < m->plan.cpus ? (double)taken : m->plan.cpus;

	return sqrt(busy / 12) * fmin((double)m->batch, (double)taken / busy);
}

int machine_boot(struct machine *m, const struct machine_plan *plan)
{
	static const struct leak none;

	memset(m, 0, sizeof(*m));
	m->plan = *plan;
	m->now_ns = MACHINE_START;
	m->batch = batch_of(plan->cpus, plan->memory);
	m->plenty = m->batch * plan->cpus;
	m->most_kept = kept_back(m, m->plenty);
	dice_seed(&m->dice, plan->seed, MACHINE_SITES);
	for (uint32_t i = 0; i < plan->nr_sites; i++) {
		snprintf(m->names[i], sizeof(m->names[i]), "driver%u", i);
		site_init(&m->site[i], &plan->habit[i], i ? &none : &plan->leak, m->names[i],
			  plan->seed, i, m->now_ns);
		m->flow += m->site[i].flow;
	}
	return records_init(m);
}

void machine_halt(struct machine *m)
{
	records_free(m);
}

/* ---- time ----------------------------------------------------------------------------- */

static void show_counters(struct machine *m, int64_t taken)
{
	int64_t released = m->acquired - m->outstanding, error;
	double most = 0;

	/* Mostly there is nothing or more than enough: a root and two divisions less. */
	if (taken >= m->plenty)
		most = m->most_kept;
	else if (taken)
		most = kept_back(m, taken);
	error = (int64_t)(most * dice_normal(&m->dice));
	int64_t acquired = m->acquired - error;

	released += error;
	m->shown_acquired = acquired > m->shown_acquired ? acquired : m->shown_acquired;
	m->shown_released = released > m->shown_released ? released : m->shown_released;
}

static void change_memory(struct machine *m)
{
	if (m->now_ns < m->noise_ns)
		return;
	m->noise_ns = m->now_ns + NOISE_NS;
	m->memory_noise = m->memory_noise * NOISE_KEEPS + NOISE_STEP * dice_normal(&m->dice);
}

/* Of what is in flight now; and of all that was taken in this second, that and more. */
static void lose(struct machine *m, int64_t taken)
{
	double share = m->plan.lost * (m->level == LEVEL_DEEP ? DEEP_LOSES : 1);
	int64_t in_flight = 0, lost;

	if (m->level == LEVEL_COUNTERS || share <= 0)
		return;
	for (uint32_t i = 0; i < m->plan.nr_sites; i++) {
		struct site *s = &m->site[i];

		s->lost = (int64_t)((double)s->inflight * share + dice_unit(&m->dice));
		in_flight += s->lost;
	}
	m->lost_rest += (double)taken * share;
	lost = (int64_t)m->lost_rest;
	m->lost_rest -= (double)lost;
	m->lost += lost > in_flight ? lost : in_flight;
}

void machine_pass(struct machine *m)
{
	int64_t now = 0, taken;

	m->now_ns += MACHINE_STEP;
	m->flow_rest += m->flow;
	taken = (int64_t)m->flow_rest;
	m->flow_rest -= (double)taken;
	for (uint32_t i = 0; i < m->plan.nr_sites; i++) {
		struct site *s = &m->site[i];
		int64_t before = s->pins;

		s->pins = site_pass(s, m->now_ns);
		taken += s->pins > before ? s->pins - before : 0;
		now += s->pins - s->sunk;
	}
	m->outstanding = now;
	m->acquired += taken;
	show_counters(m, taken);
	lose(m, taken);
	change_memory(m);
}

/* ---- what can be seen ----------------------------------------------------------------- */

static uint64_t leaked_bytes(const struct machine *m)
{
	return (uint64_t)m->site[0].leaked * MACHINE_PAGE;
}

static double available(const struct machine *m)
{
	return m->plan.available * (double)m->plan.memory - (double)leaked_bytes(m);
}

void machine_sample(const struct machine *m, bool exact, struct sample *out)
{
	double memory = available(m) + m->memory_noise * (double)m->plan.memory;

	out->now_ns = m->now_ns;
	out->acquired = exact ? m->acquired : m->shown_acquired;
	out->released = exact ? m->acquired - m->outstanding : m->shown_released;
	out->below = 0;
	out->lag = exact ? 0 : SAMPLE_LAG * m->plan.cpus;
	out->memory_total = m->plan.memory;
	out->memory_available = memory > 0 ? (uint64_t)memory : 0;
	out->pressure = (struct pressure){0};
	out->cost = (struct cost){0};
}

void machine_track(struct machine *m, enum level level)
{
	if (level == LEVEL_COUNTERS || m->level == LEVEL_COUNTERS) {
		m->since_ns = m->now_ns;
		for (uint32_t i = 0; i < m->plan.nr_sites; i++)
			site_track(&m->site[i], level != LEVEL_COUNTERS);
	}
	m->lost_light = m->level == LEVEL_LIGHT && level == LEVEL_DEEP ? m->lost : 0;
	m->level = level;
	m->level_ns = m->now_ns;
	m->base_acquired = m->acquired;
	m->base_released = m->acquired - m->outstanding;
	m->lost = 0;
	for (uint32_t i = 0; i < m->plan.nr_sites; i++)
		m->site[i].lost = 0;
}

void machine_truth(const struct machine *m, struct truth *out)
{
	const struct leak *l = &m->plan.leak;
	bool leaks = l->kind && m->site[0].leaked;

	*out = (struct truth){.gone_s = -1};
	if (!l->kind)
		return;
	out->driver = m->names[0];
	out->since_ns = MACHINE_START + (uint64_t)(l->start_s * 1e9);
	out->leaked = leaked_bytes(m);
	out->proof_ns = m->site[0].proof_ns;
	if (l->kind == LEAK_ONCE)
		return;
	out->bytes_s = l->pins_s * MACHINE_PAGE;
	if (leaks)
		out->gone_s = fmax(0, available(m) / out->bytes_s);
}

int machine_driver(const struct machine *m, const char *name)
{
	for (uint32_t i = 0; i < m->plan.nr_sites; i++)
		if (!strcmp(name, m->names[i]))
			return (int)i;
	return -1;
}
