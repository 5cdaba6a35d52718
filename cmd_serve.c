// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "watch.h"

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct watch w = {0};
	bool done;
	int status = watch_parse(&o, &w, WATCH_LISTEN, &done);

	if (!done)
		status = options_only(&o);
	w.set.quiet = !w.set.json && !w.set.samples;
	return done || status ? status : watch(self, &w);
}

const struct command serve_command = {
	.name = "serve",
	.brief = "watch, and serve a page, metrics and an API about it",
	.usage = "[OPTION...]",
	.about = "Watches as `pinleak watch` does, with the same options and exit status, and\n"
		 "shows what it sees at http://" WATCH_LISTEN "/: a page for people, /metrics for\n"
		 "Prometheus, /api/v1 for scripts. On standard output it tells where, no more.\n",
	.options = watch_options,
	.more = "exit status: 0 no leak, 1 a driver leaks, 2 wrong usage,\n"
		"             3 tracking was needed and this machine cannot, or the address\n"
		"             cannot be had\n",
	.examples = "  pinleak serve                               for this machine alone\n"
		    "  pinleak serve --listen 192.0.2.7:9729 --token-file /etc/pinleak.token\n"
		    "  curl -s http://" WATCH_LISTEN "/metrics\n",
	.run = run,
};
