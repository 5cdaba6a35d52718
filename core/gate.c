// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "units.h"

#define WAIT_MAX_NS 120000000000 /* after the grace time */

void gate_free(struct gate *g)
{
	for (size_t i = 0; i < g->nr_leaks; i++)
		free(g->leaks[i].text);
	free(g->leaks);
	free(g->allowances);
	*g = (struct gate){0};
}

/* ---- allowances ----------------------------------------------------------------------- */

static struct gate_allowance *allowance_of(const struct gate *g, const char *driver)
{
	for (size_t i = 0; i < g->nr_allowances; i++)
		if (!strcmp(g->allowances[i].driver, driver))
			return &g->allowances[i];
	return NULL;
}

int gate_allow(struct gate *g, const char *text)
{
	const char *equals = strchr(text, '=');
	struct gate_allowance new = {0}, *known;
	size_t len = equals ? (size_t)(equals - text) : 0;
	int err;

	if (!len || len >= sizeof(new.driver) || units_number(equals + 1, 0, INT64_MAX, &new.pins))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) /* module names have _ where file names may have - */
		new.driver[i] = text[i] == '-' ? '_' : text[i];
	known = allowance_of(g, new.driver);
	if (!known) {
		err = grow((void **)&g->allowances, &g->room_allowances, g->nr_allowances,
			   sizeof(new));
		if (err)
			return err;
		known = &g->allowances[g->nr_allowances++];
	}
	*known = new;
	return 0;
}

/* ---- leaks ---------------------------------------------------------------------------- */

static struct gate_leak *leak_of(const struct gate *g, enum blame_kind kind, const char *driver,
				 bool plain)
{
	for (size_t i = 0; i < g->nr_leaks; i++)
		if (g->leaks[i].kind == kind && g->leaks[i].plain == plain &&
		    !strcmp(g->leaks[i].driver, driver))
			return &g->leaks[i];
	return NULL;
}

static struct gate_leak *new_leak(struct gate *g, const struct blame *driver, bool plain)
{
	struct gate_leak *leak;

	if (grow((void **)&g->leaks, &g->room_leaks, g->nr_leaks, sizeof(*leak)))
		return NULL;
	leak = &g->leaks[g->nr_leaks++];
	*leak = (struct gate_leak){.kind = driver->kind, .plain = plain};
	memcpy(leak->driver, driver->driver, sizeof(leak->driver));
	return leak;
}

/* Within its allowance? It holds for a name as people write it: with _ or with -. */
static bool is_allowed(const struct gate *g, const struct gate_leak *leak)
{
	const struct gate_allowance *a;
	char name[PL_SYM];

	memcpy(name, leak->driver, sizeof(name));
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : *c;
	a = allowance_of(g, name);
	/* what a wrong release breaks is not counted in pins */
	return a && leak->pins <= a->pins && leak->evidence != EVIDENCE_WRONG_RELEASE;
}

static void raise(struct gate *g, struct gate_leak *leak, uint64_t pins, uint64_t bytes)
{
	leak->remaining = pins;
	if (pins > leak->pins)
		leak->pins = pins;
	if (bytes > leak->bytes)
		leak->bytes = bytes;
	leak->allowed = is_allowed(g, leak);
}

int gate_verdict(struct gate *g, const struct finding *f, bool plain, struct gate_leak **out)
{
	struct gate_leak *leak = leak_of(g, f->driver->kind, f->driver->driver, plain);

	if (!leak)
		leak = new_leak(g, f->driver, plain);
	if (!leak)
		return -ENOMEM;
	g->verdicts++;
	if (f->evidence > leak->evidence)
		leak->evidence = f->evidence;
	raise(g, leak, f->pins, f->bytes);
	*out = leak;
	return 0;
}

void gate_end(struct gate *g, const struct report_summary *s)
{
	for (uint32_t i = 0; i < s->nr_leaks; i++) {
		const struct report_leak *r = &s->leaks[i];
		struct gate_leak *leak = leak_of(g, r->kind, r->driver, r->plain);

		if (leak)
			raise(g, leak, r->pins, r->bytes);
	}
}

bool gate_is_shut(const struct gate *g)
{
	for (size_t i = 0; i < g->nr_leaks; i++)
		if (!g->leaks[i].allowed)
			return true;
	return false;
}

struct gate_sum gate_sum(const struct gate *g)
{
	struct gate_sum sum = {0};

	for (size_t i = 0; i < g->nr_leaks; i++) {
		*(g->leaks[i].plain ? &sum.references : &sum.pins) += g->leaks[i].pins;
		sum.bytes += g->leaks[i].bytes;
		sum.allowed += g->leaks[i].allowed ? g->leaks[i].pins : 0;
	}
	return sum;
}

/* ---- waiting -------------------------------------------------------------------------- */

bool gate_is_settled(const struct ledger *l, uint64_t open, uint64_t end_ns, uint64_t now_ns)
{
	uint64_t grace_ends = end_ns + l->grace_ns;

	if (!l->tree_held && !l->tree_unproved && !open)
		return true;
	if (now_ns >= grace_ends + WAIT_MAX_NS)
		return true;
	return !open && now_ns >= grace_ends && now_ns >= l->tree_due_ns;
}
