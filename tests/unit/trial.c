// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "trial.h"

int trial_setup(void **state)
{
	static struct trial t;

	t = (struct trial){.b = books_create(), .l.grace_ns = BOOKS_GRACE};
	t.site = books_site(t.b, BLAME_MODULE, "leaky");
	t.owner = books_owner(t.b, t.site);
	*state = &t;
	return 0;
}

int trial_teardown(void **state)
{
	struct trial *t = *state;

	ledger_free(&t->l);
	books_destroy(t->b);
	return 0;
}

void evaluate(struct trial *t)
{
	const struct ledger *l = &t->l;

	assert_int_equal(ledger_evaluate(&t->l, &t->b->s), 0);
	assert_int_equal(l->proved + l->held + l->ambiguous + l->base + l->torn, l->pins);
}

const struct finding *accused(struct trial *t)
{
	evaluate(t);
	assert_int_equal(t->l.nr_findings, 1);
	assert_int_equal(t->l.findings[0].pins, t->l.proved);
	return &t->l.findings[0];
}

void assert_innocent(struct trial *t)
{
	evaluate(t);
	assert_int_equal(t->l.nr_findings, 0);
	assert_int_equal(t->l.proved, 0);
}

void orphan(struct trial *t, struct snap_owner *o, uint64_t ns_ago)
{
	owner_closed(t->b, o, ns_ago);
	owner_died(t->b, o, ns_ago);
}

void pass(struct trial *t, uint64_t ns)
{
	t->b->s.now_ns += ns;
}
