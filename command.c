// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "command.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/errors.h"
#include "core/units.h"

int usage_error(const struct command *c, int code, const char *format, ...)
{
	const struct error_info *e = error_by_code((unsigned)code);
	char raw[512], shown[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	units_clean(raw, sizeof(raw), shown, sizeof(shown)); /* arguments may hold anything */
	if (c && c->where) {
		fprintf(stderr, "%s: %s\n", c->where, shown);
		return STATUS_USAGE;
	}
	fprintf(stderr, "pinleak%s%s: %s\n  error %u %s; see: pinleak %s%s--help\n", c ? " " : "",
		c ? c->name : "", shown, e->code, e->name, c ? c->name : "", c ? " " : "");
	return STATUS_USAGE;
}

static const struct option_row *row_of(const struct command *c, const char *name, size_t len)
{
	for (const struct option_row *row = c->options; row->name; row++)
		if (strlen(row->name) == len && !strncmp(row->name, name, len))
			return row;
	return NULL;
}

int options_next(struct options *o)
{
	const char *arg = o->at < o->argc ? o->argv[o->at] : NULL, *equals;
	const struct option_row *row;

	if (!arg || arg[0] != '-' || !arg[1])
		return OPTIONS_END;
	o->at++;
	if (!strcmp(arg, "--"))
		return OPTIONS_END;
	if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
		return OPTIONS_HELP;
	equals = strchr(arg, '=');
	row = strncmp(arg, "--", 2) != 0
		      ? NULL
		      : row_of(o->command, arg + 2,
			       equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
	if (!row) {
		usage_error(o->command, ERROR_INVALID_PARAMETER, "there is no option %s", arg);
		return OPTIONS_ERROR;
	}
	o->value = equals ? equals + 1 : NULL;
	if (row->value && !equals)
		o->value = o->at < o->argc ? o->argv[o->at++] : NULL;
	if (!row->value != !o->value) {
		usage_error(o->command, ERROR_INVALID_PARAMETER, "--%s %s", row->name,
			    row->value ? "needs a value" : "takes no value");
		return OPTIONS_ERROR;
	}
	return (int)(row - o->command->options);
}

int option_bad(const struct command *c, const struct option_row *row, const char *value,
	       const char *expected)
{
	return usage_error(c, ERROR_INVALID_PARAMETER,
			   c->where ? "%s = %s: expected %s" : "--%s %s: expected %s", row->name,
			   value, expected);
}

int option_duration(const struct command *c, const struct option_row *row, const char *value,
		    uint64_t least, uint64_t *out)
{
	uint64_t ns;

	if (units_duration(value, &ns) || ns < least)
		return option_bad(c, row, value,
				  least > 1 ? "a time of at least 10ms, like 1s or 250ms"
					    : "a time, like 1s, 250ms or 5m");
	*out = ns;
	return STATUS_OK;
}

int option_number(const struct command *c, const struct option_row *row, const char *value,
		  uint64_t least, uint64_t most, uint64_t *out)
{
	char expected[64];

	if (!units_number(value, least, most, out))
		return STATUS_OK;
	snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, least, most);
	return option_bad(c, row, value, expected);
}

int option_choice(const struct command *c, const struct option_row *row, const char *value,
		  unsigned *out)
{
	const char *at = row->choices;

	for (unsigned i = 0; *at; i++) {
		size_t len = strcspn(at, " ");

		if (strlen(value) == len && !strncmp(at, value, len)) {
			*out = i;
			return STATUS_OK;
		}
		at += len + (at[len] == ' ');
	}
	return option_bad(c, row, value, row->choices);
}

int options_all(struct options *o,
		int (*set)(const struct command *c, int option, const char *value, void *ctx),
		void *ctx, bool *done)
{
	int got, status;

	*done = true;
	while ((got = options_next(o)) >= 0) {
		status = set(o->command, got, o->value, ctx);
		if (status)
			return status;
	}
	*done = got != OPTIONS_END;
	if (got == OPTIONS_HELP)
		command_help(o->command, stdout);
	return got == OPTIONS_ERROR ? STATUS_USAGE : STATUS_OK;
}

int options_only(const struct options *o)
{
	if (o->at == o->argc)
		return STATUS_OK;
	return usage_error(o->command, ERROR_INVALID_PARAMETER, "%s: %s takes options only",
			   o->argv[o->at], o->command->name);
}

static void print_option(const struct option_row *row, FILE *to)
{
	char left[64];
	const char *line = row->help;

	snprintf(left, sizeof(left), "--%s%s%s", row->name, row->value ? " " : "",
		 row->value ? row->value : "");
	while (*line) {
		int len = (int)strcspn(line, "\n");

		fprintf(to, "  %-22s %.*s\n", left, len, line);
		left[0] = '\0';
		line += len + (line[len] == '\n');
	}
}

FILE *command_output(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), high;
	FILE *f = NULL;

	if (fd < 0)
		return NULL;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	if (high >= 0)
		f = fdopen(high, "w");
	if (!f && high >= 0)
		close(high);
	return f;
}

void command_help(const struct command *c, FILE *to)
{
	fprintf(to, "usage: pinleak %s%s%s\n\n%s", c->name, *c->usage ? " " : "", c->usage,
		c->about);
	fprintf(to, "\noptions:\n");
	for (const struct option_row *row = c->options; row->name; row++)
		print_option(row, to);
	fprintf(to, "  %-22s %s\n", "--help", "this text");
	if (c->more)
		fprintf(to, "\n%s", c->more);
	if (c->examples)
		fprintf(to, "\nexamples:\n%s", c->examples);
}
