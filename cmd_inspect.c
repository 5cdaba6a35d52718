// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <string.h>

#include "command.h"
#include "core/errors.h"
#include "kernel/inspect.h"
#include "render/inspect.h"

enum { OPT_FILE, OPT_NO_CENSUS, OPT_JSON };

static const struct option_row options[] = {
	[OPT_FILE] = {"file", "FILE",
		      "the module's file, where modules.dep knows none;\n"
		      "plain or packed by xz, zstd or gzip",
		      NULL},
	[OPT_NO_CENSUS] = {"no-census", NULL, "do not look for the pins that it holds now", NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object", NULL},
	{0},
};

struct inspect_command {
	struct inspect_options options;
	bool json;
};

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct inspect_command *c = ctx;

	(void)self;
	switch (option) {
	case OPT_FILE:
		c->options.file = value;
		return STATUS_OK;
	case OPT_NO_CENSUS:
		c->options.census = false;
		return STATUS_OK;
	default:
		c->json = true;
		return STATUS_OK;
	}
}

static int fail(const struct command *self, const char *what, int err)
{
	switch (err) {
	case -ENOENT:
		return usage_error(self, ERROR_FILE_NOT_FOUND,
				   "%s: there is no such driver, module or device node", what);
	case -ENOTBLK:
		return usage_error(self, ERROR_INVALID_PARAMETER, "%s is no device node", what);
	case -ENODEV:
		return usage_error(self, ERROR_FILE_NOT_FOUND,
				   "%s: nothing tells which driver it is of; give its name", what);
	case -ENOMEM:
		fprintf(stderr, "pinleak inspect: %s\n", strerror(-err));
		return STATUS_CANNOT;
	default:
		return usage_error(self, ERROR_FILE_NOT_FOUND, "%s: %s", what, strerror(-err));
	}
}

static int show(const struct command *self, const struct inspect_command *c, const char *what)
{
	struct inspect i;
	struct render r;
	int err = inspect_collect(what, &c->options, &i), status = STATUS_OK;

	render_here(&r, stdout);
	if (err)
		status = fail(self, what, err);
	else if (c->json)
		render_inspect_json(&r, &i);
	else
		render_inspect_text(&r, &i);
	inspect_free(&i);
	return status;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct inspect_command c = {.options.census = true};
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	bool done;
	int status = options_all(&o, set_option, &c, &done);

	if (status || done)
		return status;
	if (o.at + 1 != argc)
		return usage_error(self, ERROR_INVALID_PARAMETER,
				   "one DRIVER or /dev/NODE is needed, after the options");
	return show(self, &c, argv[o.at]);
}

const struct command inspect_command = {
	.name = "inspect",
	.brief = "tell all about a driver: log, parameters, limits, version",
	.usage = "[OPTION...] DRIVER|/dev/NODE",
	.about = "Looks at one driver, by the name of its module or driver or by a device node:\n"
		 "what it said in the kernel's log, its parameters and what is wrong with them,\n"
		 "its devices, the limits that bind the processes that use it, version,\n"
		 "signature and package, and the pins that it holds now. Changes nothing.\n",
	.options = options,
	.more = "What cannot be seen is listed at the end, with the reason. Root sees the log,\n"
		"the open files of all processes and the pins.\n"
		"\n"
		"exit status: 0 done, 2 wrong usage, or no such driver (error 2),\n"
		"             3 this machine cannot\n",
	.examples = "  pinleak inspect nvme                    all about a driver\n"
		    "  pinleak inspect /dev/vfio/vfio          about the driver of a node\n"
		    "  pinleak inspect --no-census --json kvm  fast, and for a script\n"
		    "  pinleak inspect --file ./leaky.ko leaky a module loaded from elsewhere\n",
	.run = run,
};
