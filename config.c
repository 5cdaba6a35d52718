// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"

struct reading {
	struct config *config;
	struct command command; /* whose complaints begin with the place in the file */
	int (*set)(const struct command *c, int option, const char *value, void *ctx);
	void *ctx;
	char where[300];
};

static void wrong(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct reading *r, const char *format, ...)
{
	char raw[512], shown[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	units_clean(raw, sizeof(raw), shown, sizeof(shown));
	fprintf(stderr, "%s: %s\n", r->where, shown);
	r->config->wrong++;
}

/* ---- one setting ---------------------------------------------------------------------- */

static int find_option(const struct command *c, const char *key)
{
	for (int i = 0; c->options[i].name && i < CONFIG_KEYS; i++)
		if (!c->options[i].apart && !strcmp(c->options[i].name, key))
			return i;
	return -1;
}

/* An option without a value is yes or no here; no is what it is anyway. */
static bool is_switched(struct reading *r, const char *key, const char *value)
{
	if (!strcmp(value, "yes"))
		return true;
	if (strcmp(value, "no") != 0)
		wrong(r, "%s = %s: expected yes or no", key, value);
	return false;
}

/* The value in memory that stays: the same for equal values, however often the file is read. */
static const char *keep(struct config *c, const char *value)
{
	char **more;

	for (size_t i = 0; i < c->nr_kept; i++)
		if (!strcmp(c->kept[i], value))
			return c->kept[i];
	more = realloc(c->kept, (c->nr_kept + 1) * sizeof(*more));
	if (!more)
		return NULL;
	c->kept = more;
	more[c->nr_kept] = strdup(value);
	return more[c->nr_kept] ? more[c->nr_kept++] : NULL;
}

static void take(struct reading *r, int option, const char *key, const char *value)
{
	struct config *c = r->config;
	const char *kept = NULL;

	if (c->given[option] && !r->command.options[option].several) {
		wrong(r, "%s is given twice", key);
		return;
	}
	c->given[option] = true;
	if (r->command.options[option].value) {
		kept = keep(c, value);
		if (!kept) {
			wrong(r, "%s", strerror(ENOMEM));
			return;
		}
	} else if (!is_switched(r, key, value)) {
		return;
	}
	if (r->set(&r->command, option, kept, r->ctx))
		c->wrong++; /* it was said why */
}

static int on_setting(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;
	int option = find_option(&r->command, key);

	r->config->settings++;
	if (strcmp(section, CONFIG_SECTION) != 0)
		wrong(r, "%s is not in the section [%s]", key, CONFIG_SECTION);
	else if (option < 0)
		wrong(r, "there is no key %s", key);
	else
		take(r, option, key, value);
	return 1;
}

/* ---- all lines ------------------------------------------------------------------------ */

/*
 * The library is given each line for itself, below the line of its section: of a whole file it
 * would tell the first wrong line only, and take a line that begins with a blank for the rest of
 * the one before.
 */
static void take_line(struct reading *r, char *section, const char *line)
{
	char both[2 * INI_MAX_LINE];

	while (*line == ' ' || *line == '\t')
		line++;
	if (strlen(line) > INI_MAX_LINE - 3) {
		wrong(r, "the line is longer than %d characters", INI_MAX_LINE - 3);
		return;
	}
	if (*line == '[') {
		snprintf(section, INI_MAX_LINE, "%s", line);
		if (ini_parse_string(line, on_setting, r))
			wrong(r, "expected [%s]", CONFIG_SECTION);
		return;
	}
	snprintf(both, sizeof(both), "%s\n%s", section, line);
	if (ini_parse_string(both, on_setting, r) == 2)
		wrong(r, "expected KEY = VALUE");
}

void config_parse(struct config *c, const struct command *command, const char *text, size_t size,
		  int (*set)(const struct command *c, int option, const char *value, void *ctx),
		  void *ctx)
{
	struct reading r = {.config = c, .command = *command, .set = set, .ctx = ctx};
	char section[INI_MAX_LINE] = "", *line;
	unsigned number = 0;

	c->settings = c->wrong = 0;
	memset(c->given, 0, sizeof(c->given));
	r.command.where = r.where;
	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		snprintf(r.where, sizeof(r.where), "%s:%u", c->path, ++number);
		line = strndup(text, len);
		if (!line)
			wrong(&r, "%s", strerror(ENOMEM));
		else if (strlen(line) < len)
			wrong(&r, "a zero byte is no text");
		else
			take_line(&r, section, line);
		free(line);
		len += end != NULL;
		text += len;
		size -= len;
	}
}

int config_read(struct config *c, const struct command *command,
		int (*set)(const struct command *c, int option, const char *value, void *ctx),
		void *ctx)
{
	FILE *f = fopen(c->path, "re");
	char *text = f ? malloc(CONFIG_MOST + 1) : NULL;
	size_t size = 0;
	int err = text ? 0 : -errno;

	c->settings = c->wrong = 0;
	if (!err) {
		size = fread(text, 1, CONFIG_MOST + 1, f);
		if (ferror(f))
			err = -errno;
		else if (size > CONFIG_MOST)
			err = -EFBIG;
	}
	if (f)
		fclose(f);
	if (!err)
		config_parse(c, command, text, size, set, ctx);
	free(text);
	return err;
}

void config_free(struct config *c)
{
	while (c->nr_kept)
		free(c->kept[--c->nr_kept]);
	free(c->kept);
	c->kept = NULL;
}
