// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "quota.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

/* ---- how much ------------------------------------------------------------------------- */

int quota_pages(enum quota_unit unit, const char *text, uint64_t memory, uint32_t page,
		uint64_t *pages)
{
	uint64_t bytes = 0;
	double percent = 0;
	int err;

	if (unit == QUOTA_PAGES)
		return units_number(text, 1, memory / page, pages);
	err = unit == QUOTA_BYTES ? units_size(text, &bytes) : units_percent(text, &percent);
	if (err)
		return err;
	if (unit == QUOTA_SHARE)
		bytes = (uint64_t)((double)memory * percent / 100);
	if (bytes < page || bytes > memory)
		return -ERANGE;
	*pages = bytes / page;
	return 0;
}

int quota_name(const char *text, size_t len, char name[PL_MODNAME])
{
	if (!len || len >= PL_MODNAME || memchr(text, '/', len) || text[0] == '.')
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		name[i] = text[i] == '-' ? '_' : text[i];
	name[len] = '\0';
	return 0;
}

/* As people write it where nothing else tells the unit. */
static enum quota_unit unit_of(const char *amount)
{
	size_t len = strspn(amount, "0123456789.");

	return !amount[len] ? QUOTA_PAGES : amount[len] == '%' ? QUOTA_SHARE : QUOTA_BYTES;
}

int quota_order(const char *text, uint64_t memory, uint32_t page, struct quota_order *out)
{
	size_t name = strcspn(text, ":");
	const char *at = text[name] ? text + name + 1 : "";
	size_t len = strcspn(at, ":");
	struct quota_order o = {.enforce = at[len]};
	char amount[64];
	int err = quota_name(text, name, o.driver);

	if (err || len >= sizeof(amount) || (o.enforce && strcmp(at + len, ":enforce") != 0))
		return -EINVAL;
	snprintf(amount, sizeof(amount), "%.*s", (int)len, at);
	err = quota_pages(unit_of(amount), amount, memory, page, &o.pages);
	if (!err)
		*out = o;
	return err;
}

/* ---- what is told --------------------------------------------------------------------- */

/* A limit is crossed again only after the driver was below it; refusals come by the thousand. */
static bool is_more(const struct pl_crossing *c, uint64_t told)
{
	return c->call == PL_CALL_PIN ? c->count > told : c->count / QUOTA_MORE >= told;
}

bool quota_take(struct quota_told *t, const struct pl_crossing *c)
{
	size_t i = 0;

	while (i < t->nr && (t->told[i].tgid != c->tgid || t->told[i].start_ns != c->start_ns ||
			     t->told[i].call != c->call))
		i++;
	if (i < t->nr && !is_more(c, t->told[i].count))
		return false;
	if (i == t->nr) {
		/* The oldest makes room: it may be told twice then, and nothing is kept back. */
		i = t->next;
		t->next = (t->next + 1) % PL_CROSSINGS;
		t->nr += t->nr < PL_CROSSINGS;
		t->told[i].tgid = c->tgid;
		t->told[i].start_ns = c->start_ns;
		t->told[i].call = c->call;
	}
	t->told[i].count = c->count;
	return true;
}

/* ---- kinds of calls ------------------------------------------------------------------- */

enum quota_answer quota_answer(const struct pl_habit *h)
{
	if (!h->pinned)
		return QUOTA_UNKNOWN;
	return h->released ? QUOTA_BOTH : QUOTA_REFUSED;
}

bool quota_learn(struct quota_learned *l, const struct quota_kind *k)
{
	enum quota_answer answer = quota_answer(&k->habit);
	size_t i = 0;

	while (i < l->nr && memcmp(&l->told[i].kind, &k->kind, sizeof(k->kind)))
		i++;
	if (i == l->nr) {
		if (answer == QUOTA_UNKNOWN || i == PL_KINDS)
			return false;
		l->told[l->nr++].kind = k->kind;
	} else if (l->told[i].answer == answer) {
		return false;
	}
	l->told[i].answer = answer;
	return true;
}

/* ---- who holds what ------------------------------------------------------------------- */

bool quota_runs_through(const struct pl_site *site, const char *module)
{
	char symbol[PL_SYM], of[MODGRAPH_NAME];

	for (uint32_t i = 0; i < site->nr && i < PL_FRAMES; i++)
		if (blame_frame(site->sym[i], symbol, of) && !strcmp(of, module))
			return true;
	return false;
}

static bool is_claim_of(const struct snapshot *s, const struct pl_slot *claim, const char *module,
			uint32_t tgid, uint64_t start_ns)
{
	const struct pl_owner *o;
	uint32_t owner, site;

	if (!map64_get(&s->owner_at, claim->owner, &owner))
		return false;
	o = &s->owners[owner].owner;
	if (o->tgid != tgid || o->start_ns != start_ns)
		return false;
	return !strcmp(s->owners[owner].node_driver, module) ||
	       (map64_get(&s->site_at, o->site, &site) &&
		quota_runs_through(&s->sites[site]->site, module));
}

uint64_t quota_pins_of(const struct snapshot *s, const char *module, uint32_t tgid,
		       uint64_t start_ns)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->nr_pages; i++) {
		const struct pl_page *p = &s->pages[i].page;
		uint64_t n = 0;

		for (uint32_t k = 0; k < p->nr_slots && k < PL_SLOTS; k++)
			if (is_claim_of(s, &p->slot[k], module, tgid, start_ns))
				n += p->slot[k].refs - p->slot[k].released;
		sum += n < p->pins ? n : p->pins;
	}
	return sum;
}
