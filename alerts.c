// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "alerts.h"

#include <stdio.h>
#include <string.h>

#include "journal.h"

static void to_journal(struct alerts *a, const json_t *verdict)
{
	int err = journal_verdict(verdict);

	if (err && !a->journal_failed)
		fprintf(stderr, "pinleak: the journal does not take a verdict: %s\n",
			strerror(-err));
	a->journal_failed = err;
}

static void take(void *ctx, json_t *o)
{
	struct alerts *a = ctx;
	const char *type = json_string_value(json_object_get(o, "type"));

	if (!type || strcmp(type, "verdict") != 0)
		return;
	if (a->journal)
		to_journal(a, o);
	courier_verdict(&a->courier, o);
}

void alerts_add(struct alerts *a, const struct render *here, struct tee *t)
{
	a->render = *here;
	a->render.take = take;
	a->render.taker = a;
	tee_add(t, &json_reporter, &a->render);
}
