/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The configuration file: lines "KEY = VALUE" in the section of a command, whose keys are the
 * command's long options. The form is libinih's: # and ; begin comments, blanks around do not
 * count.
 */
#ifndef PINLEAK_CONFIG_H
#define PINLEAK_CONFIG_H

#include <stddef.h>

#include "command.h"

#define CONFIG_MOST    65536   /* bytes of a file */
#define CONFIG_KEYS    64      /* options of a command, at most */
#define CONFIG_SECTION "watch" /* of record, too, which has the same options */

/* {0} with the path set is ready to use, also for reading it again. */
struct config {
	const char *path;
	unsigned settings, wrong; /* lines, of the last reading */
	bool given[CONFIG_KEYS];
	char **kept; /* values that set() has been given: they live until config_free() */
	size_t nr_kept;
};

/*
 * Hands each setting to set(), as options_all() does, but for the options that stand `apart`: those
 * are no matter of a file. Each line that is wrong is told on standard error, with its number and
 * the reason, and counted.
 */
void config_parse(struct config *c, const struct command *command, const char *text, size_t size,
		  int (*set)(const struct command *c, int option, const char *value, void *ctx),
		  void *ctx);

/* The same of a file. -errno when it cannot be read; -EFBIG: more than CONFIG_MOST. */
int config_read(struct config *c, const struct command *command,
		int (*set)(const struct command *c, int option, const char *value, void *ctx),
		void *ctx);

void config_free(struct config *c);

#endif
