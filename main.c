// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "core/errors.h"

static const struct command *const all[] = {
	&watch_command,	  &serve_command, &run_command,	   &census_command,
	&inspect_command, &limit_command, &record_command, &replay_command,
	&report_command,  &top_command,	  &doctor_command, &explain_command,
};
#define COMMANDS (sizeof(all) / sizeof(*all))

static void help(FILE *to)
{
	fprintf(to,
		"usage: pinleak COMMAND [OPTION...]\n"
		"\n"
		"Finds the device driver that locks (pins) pages of memory for I/O and does not\n"
		"release them. Watches the kernel's own counters, switches tracking on by itself\n"
		"when pins do not come back, and names the driver with proof.\n"
		"\n"
		"commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", all[i]->name, all[i]->brief);
	fprintf(to, "\n"
		    "  pinleak COMMAND --help   what a command does, with examples\n"
		    "  pinleak --version        the version\n"
		    "\n"
		    "exit status: 0 no leak, 1 a driver leaks (error 729), 2 wrong usage,\n"
		    "             3 this machine or kernel cannot; of run: the command's, or 99\n"
		    "\n"
		    "start with:  sudo pinleak watch\n");
}

static int version(int argc, char **argv)
{
	if (argc > 2)
		return usage_error(NULL, ERROR_INVALID_PARAMETER, "%s: --version stands alone",
				   argv[2]);
	printf("pinleak %s\n", PINLEAK_VERSION);
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--version"))
		return version(argc, argv);
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], all[i]->name))
			return all[i]->run(all[i], argc - 1, argv + 1);
	return usage_error(NULL, ERROR_INVALID_PARAMETER, "there is no command %s", argv[1]);
}

/* A reader that has gone (a closed pipe) has seen what it wanted. */
static bool reader_has_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLNVAL);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if ((fflush(stdout) || ferror(stdout)) && !reader_has_gone()) {
		fprintf(stderr, "pinleak: the output could not be written\n");
		return STATUS_CANNOT;
	}
	return status;
}
