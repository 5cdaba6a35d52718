// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* A configuration file, and a command line taken apart. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/words.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"[watch]\ninterval = 1s\njson = yes\n",
	"# comment\n; another\n\n[watch]\n  interval = 2s ; inline\n\tinterval=3s\n",
	"interval = 1s\n[other]\ninterval: 2s\n[watch\n[]\ngarbage\n = x\nkey =\n",
	"[watch]\r\non-verdict = sh -c \"a 'b' \\\"c\\\"\"\r\n",
};

static const struct option_row rows[] = {
	{"interval", "TIME", "", NULL},
	{"json", NULL, "", NULL},
	{"on-verdict", "COMMAND", "", NULL},
	{"config", "FILE", "", NULL, .apart = true},
	{0},
};

static const struct command watch = {.name = "watch", .options = rows};

struct seen {
	unsigned settings;
	const char *last;
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static int set(const struct command *c, int option, const char *value, void *ctx)
{
	struct seen *seen = ctx;
	char **words;
	size_t nr = 0;

	FUZZ_CHECK(option >= 0 && option < 3 && c->where && !value == !rows[option].value);
	seen->settings++;
	seen->last = value;
	if (!value || words_split(value, &words))
		return 0;
	while (words[nr])
		FUZZ_CHECK(strlen(words[nr++]) <= strlen(value));
	FUZZ_CHECK(nr && nr <= strlen(value));
	free(words);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config c = {.path = "pinleak.conf"};
	struct seen seen = {0};
	FILE *loud = stderr;
	size_t kept;

	stderr = fopen("/dev/null", "w"); /* what is wrong is said there */
	if (!stderr)
		abort();
	config_parse(&c, &watch, (const char *)data, size, set, &seen);
	kept = c.nr_kept;
	config_parse(&c, &watch, (const char *)data, size, set, &seen);
	fclose(stderr);
	stderr = loud;
	FUZZ_CHECK(c.nr_kept == kept); /* reading it again keeps nothing more */
	FUZZ_CHECK(seen.settings <= 2 * 3 && c.settings <= size);
	FUZZ_CHECK(!seen.last || strlen(seen.last) < size);
	config_free(&c);
	return 0;
}
