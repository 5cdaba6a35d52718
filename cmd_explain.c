// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "command.h"
#include "core/errors.h"
#include "render/render.h"

static const struct option_row options[] = {{0}};

static void explain(const struct error_info *e)
{
	printf("%s %u (0x%X) %s\n", e->kind, e->code, e->code, e->name);
	if (e->ntstatus)
		printf("NTSTATUS %s\n", e->ntstatus);
	printf("\n");
	render_wrap(stdout, 0, e->message);
	printf("\n%s", e->text);
}

static void list(void)
{
	for (const struct error_info *e = error_table(); e->name; e++)
		printf("%4u  0x%-5X %-9s  %s\n", e->code, e->code, e->kind, e->name);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	const struct error_info *e;
	int got = options_next(&o);

	if (got == OPTIONS_HELP) {
		command_help(self, stdout);
		return STATUS_OK;
	}
	if (got != OPTIONS_END)
		return STATUS_USAGE;
	if (o.at == argc) {
		list();
		return STATUS_OK;
	}
	if (argc - o.at > 1)
		return usage_error(self, ERROR_INVALID_PARAMETER, "one error at a time");
	e = error_find(argv[o.at]);
	if (!e)
		return usage_error(self, ERROR_INVALID_PARAMETER, "%s is no error pinleak knows",
				   argv[o.at]);
	explain(e);
	return STATUS_OK;
}

const struct command explain_command = {
	.name = "explain",
	.brief = "tell what an error number means here and what to do",
	.usage = "[NUMBER | NAME]",
	.about = "Tells what an error that pinleak reports means and what to do about it, and the\n"
		 "Windows bug checks of the same subject with what answers to them here. Without\n"
		 "an argument it lists them.\n",
	.options = options,
	.examples = "  pinleak explain 729\n"
		    "  pinleak explain 0x2D9\n"
		    "  pinleak explain ERROR_DRIVERS_LEAKING_LOCKED_PAGES\n"
		    "  pinleak explain 0xCB\n",
	.run = run,
};
