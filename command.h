/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The commands and their options. The tables here drive the parser and --help; tests/options
 * holds man pages and completions to them, so that they cannot disagree.
 */
#ifndef PINLEAK_COMMAND_H
#define PINLEAK_COMMAND_H

#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Exit statuses, as documented. */
#define STATUS_OK     0
#define STATUS_LEAK   1 /* a driver leaks */
#define STATUS_USAGE  2
#define STATUS_CANNOT 3 /* this machine or kernel cannot */

struct option_row {
	const char *name;    /* without the dashes; NULL ends a table */
	const char *value;   /* what to call its value in help, NULL: it takes none */
	const char *help;    /* lines of at most 52 columns */
	const char *choices; /* values for completion, separated by blanks, or NULL */
	bool apart;	     /* may not stand in a configuration file */
	bool several;	     /* may stand there several times */
};

struct command {
	const char *name;
	const char *brief;
	const char *usage; /* after the name */
	const char *about;
	const struct option_row *options;
	const char *more;     /* after the options: exit status and so on; NULL */
	const char *examples; /* lines "command line # what it does" */
	int (*run)(const struct command *self, int argc, char **argv);
	const char *where; /* complaints are about this place in a file; NULL: the command line */
};

#ifndef PINLEAK_VERSION
#define PINLEAK_VERSION "unknown"
#endif

extern const struct command watch_command, run_command, census_command, doctor_command,
	explain_command, inspect_command, limit_command, record_command, replay_command,
	report_command, serve_command, top_command;

/* Steps through a command line; {.argc, .argv} set by the caller. */
struct options {
	const struct command *command;
	int argc;
	char **argv;
	int at;		   /* the next argument */
	const char *value; /* of the option just found */
};

enum { OPTIONS_END = -1, OPTIONS_ERROR = -2, OPTIONS_HELP = -3 };

/*
 * The row of the next option, or one of the above. After OPTIONS_END argv[at] is the first
 * argument that is none. An error has been printed, and help is printed by command_help().
 */
int options_next(struct options *o);

/* "--option value: expected ..." as usage_error() prints it. Returns STATUS_USAGE. */
int option_bad(const struct command *c, const struct option_row *row, const char *value,
	       const char *expected);

/*
 * The value of an option: a time in ns, a number, or the place of a word among the row's choices.
 * STATUS_OK, or what option_bad() returns.
 */
int option_duration(const struct command *c, const struct option_row *row, const char *value,
		    uint64_t least, uint64_t *out);
int option_number(const struct command *c, const struct option_row *row, const char *value,
		  uint64_t least, uint64_t most, uint64_t *out);
int option_choice(const struct command *c, const struct option_row *row, const char *value,
		  unsigned *out);

/*
 * Hands all options to set(), which returns STATUS_OK or what usage_error() does. *done when there
 * is nothing left to do: a wrong option, or --help; else at is the first argument that is none.
 */
int options_all(struct options *o,
		int (*set)(const struct command *c, int option, const char *value, void *ctx),
		void *ctx, bool *done);

/* For commands without arguments: after options_all(), is there one? STATUS_OK or STATUS_USAGE. */
int options_only(const struct options *o);

/*
 * Creates a file, or empties it; not at the place of a standard stream that is closed, whose output
 * would go there. NULL, with errno.
 */
FILE *command_output(const char *path, mode_t mode);

void command_help(const struct command *c, FILE *to);

/* "pinleak watch: ..." and, on the next line, what to do. Returns STATUS_USAGE. */
int usage_error(const struct command *c, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
