// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/errors.h"
#include "watch.h"

/* Call paths and addresses of the kernel are nobody else's business. */
#define PRIVATE 0600

static int parse(struct options *o, struct watch *w, const char **path, bool *done)
{
	int status = watch_parse(o, w, NULL, done);

	if (status || *done)
		return status;
	*done = true;
	if (o->at == o->argc)
		return usage_error(o->command, ERROR_INVALID_PARAMETER,
				   "the FILE to record to is missing");
	if (o->at + 1 < o->argc)
		return usage_error(o->command, ERROR_INVALID_PARAMETER,
				   "%s: one FILE, after the options", o->argv[o->at + 1]);
	*path = o->argv[o->at];
	*done = false;
	return STATUS_OK;
}

/* Some systems tell only now that the disk is full. */
static int close_recording(FILE *to, int status)
{
	if (!fclose(to))
		return status;
	fprintf(stderr, "pinleak: the recording is not complete: %s\n", strerror(errno));
	return status == STATUS_OK ? STATUS_CANNOT : status;
}

static int record(const struct command *self, struct watch *w, FILE *to)
{
	int err = recorder_create(to, &live_source, &w->session.live, &w->recorder), status;

	if (err) {
		fprintf(stderr, "pinleak: %s\n", strerror(-err));
		return STATUS_CANNOT;
	}
	signal(SIGXFSZ, SIG_IGN); /* a file too large is an error like a full disk */
	status = watch(self, w);
	recorder_destroy(w->recorder);
	return status;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct watch w = {0};
	const char *path = NULL;
	bool done;
	int status = parse(&o, &w, &path, &done);
	FILE *to;

	if (done)
		return status;
	to = command_output(path, PRIVATE);
	if (!to)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
	setvbuf(to, NULL, _IONBF, 0);
	return close_recording(to, record(self, &w, to));
}

const struct command record_command = {
	.name = "record",
	.brief = "watch, and keep all that is seen in a file for replay",
	.usage = "[OPTION...] FILE",
	.about = "Watches as `pinleak watch` does, with the same options, output and exit status,\n"
		 "and keeps in FILE all that the decisions rest on: `pinleak replay` comes to the\n"
		 "same ones, on any machine. FILE is overwritten, and nobody else may read it.\n",
	.options = watch_options,
	.more = "exit status: 0 no leak, 1 a driver leaks, 2 wrong usage,\n"
		"             3 tracking was needed and this machine cannot, or the recording\n"
		"             failed (the watch goes on without it) and no driver leaks\n",
	.examples = "  pinleak record leak.rec                     until Ctrl-C\n"
		    "  pinleak record --json --for 1d day.rec      for a script\n"
		    "  pinleak record --track always --samples x.rec\n",
	.run = run,
};
