// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "watch.h"

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct watch w = {0};
	bool done;
	int status = watch_parse(&o, &w, NULL, &done);

	if (!done)
		status = options_only(&o);
	return done || status ? status : watch(self, &w);
}

const struct command watch_command = {
	.name = "watch",
	.brief = "watch for leaks; track and name the driver when there is one",
	.usage = "[OPTION...]",
	.about = "Watches the kernel's counters of pinned pages. When pins do not come back it\n"
		 "switches tracking on by itself, proves the leak page by page, names the driver,\n"
		 "and switches tracking off again when the matter is settled.\n",
	.options = watch_options,
	.more = "levels:\n"
		"  counters  nothing is attached; costs nothing\n"
		"  light     a hook on each call that pins\n"
		"  deep      a hook on each pin and release, when the books do not balance\n"
		"\n"
		"exit status: 0 no leak, 1 a driver leaks, 2 wrong usage,\n"
		"             3 tracking was needed and this machine cannot\n",
	.examples = "  pinleak watch                        until Ctrl-C, tracking when needed\n"
		    "  pinleak watch --for 10m --json       for a script\n"
		    "  pinleak watch --track always         track from the beginning\n"
		    "  pinleak watch --store leaks.db       keep a history for `pinleak report`\n",
	.run = run,
};
