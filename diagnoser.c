// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "diagnoser.h"

#include "kernel/inspect.h"

/*
 * Its pins are in the verdict, so no census. A driver that is only a guess, or that has gone with
 * its file, has nothing to be looked at: the verdict stands alone then.
 */
static void on_verdict(void *ctx, const struct report_verdict *v)
{
	static const struct inspect_options options = {.census = false};
	const struct blame *b = v->finding->driver;
	struct inspect i;

	if (v->update || b->kind == BLAME_UNKNOWN)
		return;
	if (!inspect_collect(b->driver, &options, &i))
		tee_reporter.diagnosis(ctx, &i);
	inspect_free(&i);
}

const struct reporter diagnoser = {.verdict = on_verdict};
