// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* The end of a run, in text. */
#include <inttypes.h>
#include <string.h>

#include "../core/errors.h"
#include "../core/gate.h"
#include "../core/units.h"
#include "render.h"

static void put_leak(FILE *to, const struct gate_leak *l)
{
	struct blame b = {.kind = l->kind, .guess = l->kind == BLAME_BUILTIN};
	char driver[128], pins[UNITS_ROOM], bytes[UNITS_ROOM], left[UNITS_ROOM];

	memcpy(b.driver, l->driver, sizeof(b.driver));
	render_driver(&b, driver, sizeof(driver));
	fprintf(to, "pinleak: %s leaked %s %s, %s (%s)%s\n", driver,
		units_count((int64_t)l->pins, pins), l->plain ? "references" : "pins",
		units_bytes((double)l->bytes, bytes), evidence_name(l->evidence),
		l->allowed ? ": allowed" : "");
	if (l->remaining < l->pins)
		fprintf(to, "pinleak:   of these %s are left; the rest came back too late\n",
			units_count((int64_t)l->remaining, left));
}

static void put_rest(FILE *to, const struct report_run *run)
{
	char n[UNITS_ROOM];

	if (run->held)
		fprintf(to, "pinleak: %s pins are still held, by right as far as can be seen\n",
			units_count((int64_t)run->held, n));
	if (run->unproved)
		fprintf(to, "pinleak: %s more pins may be leaked; nothing proves it\n",
			units_count((int64_t)run->unproved, n));
	if (run->incomplete)
		fprintf(to, "pinleak: error %u, something was lost: there may be more\n",
			ERROR_INSUFFICIENT_BUFFER);
	if (run->interrupted)
		fprintf(to, "pinleak: interrupted: late releases were not waited for\n");
}

void render_run_text(FILE *to, const struct report_run *run)
{
	char name[256];

	units_clean(run->command[0], strlen(run->command[0]), name, sizeof(name));
	if (run->signal)
		fprintf(to, "pinleak: %s was killed by signal %d (%s)\n", name, run->signal,
			strsignal(run->signal));
	for (size_t i = 0; i < run->gate->nr_leaks; i++)
		put_leak(to, &run->gate->leaks[i]);
	put_rest(to, run);
	if (gate_is_shut(run->gate) && run->status >= 0)
		fprintf(to, "pinleak: exit status %d; the command's was %d\n", run->exit_status,
			run->status);
	else if (!run->gate->nr_leaks && !run->held && !run->unproved)
		fprintf(to, "pinleak: nothing that %s pinned is left (level %s)\n", name,
			level_name(run->level));
	fflush(to);
}
