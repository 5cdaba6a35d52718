// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Takes one character of a word; false: the text ends within quotes or behind a backslash. */
static bool take(const char **at, char *quote, char **to)
{
	char c = *(*at)++;

	if (*quote ? c == *quote : c == '\'' || c == '"') {
		*quote = *quote ? '\0' : c;
		return true;
	}
	if (c == '\\' && *quote != '\'' && (!*quote || **at == '"' || **at == '\\'))
		c = *(*at)++;
	if (!c)
		return false;
	*(*to)++ = c;
	return true;
}

/* One word, which does not begin with a blank. */
static bool take_word(const char **at, char **to)
{
	char quote = '\0';

	while (quote || (**at && !is_blank(**at)))
		if (!**at || !take(at, &quote, to))
			return false;
	*(*to)++ = '\0';
	return true;
}

int words_split(const char *line, char ***out)
{
	size_t len = strlen(line), most = len / 2 + 2, nr = 0; /* a word and a blank each */
	char **words = malloc(most * sizeof(*words) + len + 1), *to;

	if (!words)
		return -ENOMEM;
	to = (char *)(words + most);
	for (;;) {
		while (is_blank(*line))
			line++;
		if (!*line)
			break;
		words[nr++] = to;
		if (!take_word(&line, &to)) {
			free(words);
			return -EINVAL;
		}
	}
	words[nr] = NULL;
	if (!nr) {
		free(words);
		return -EINVAL;
	}
	*out = words;
	return 0;
}
