// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "diagnoser.h"

#include <stdio.h>

#include "kernel/inspect.h"

static void on_verdict(void *ctx, const struct report_verdict *v)
{
	struct diagnoser *d = ctx;
	const struct blame *b = v->finding->driver;

	if (!v->update && b->kind != BLAME_UNKNOWN && d->nr < DIAGNOSER_MOST)
		snprintf(d->drivers[d->nr++], PL_SYM, "%s", b->driver);
}

const struct reporter diagnoser_reporter = {.verdict = on_verdict};

/*
 * Its pins are in the verdict, so no census. A driver that is only a guess, or that has gone with
 * its file, has nothing to be looked at: the verdict stands alone then.
 */
bool diagnoser_next(struct diagnoser *d, const struct tee *to)
{
	static const struct inspect_options options = {.census = false};
	struct inspect i;

	if (!d->nr)
		return false;
	if (!inspect_collect(d->drivers[--d->nr], &options, &i))
		tee_diagnosis(to, &i);
	inspect_free(&i);
	return true;
}
