// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "fixture.h"

/* The words, each in <>. */
static void becomes(const char *line, const char *expected)
{
	char **words = NULL, seen[256] = "";

	assert_int_equal(words_split(line, &words), 0);
	for (size_t i = 0; words[i]; i++) {
		strcat(seen, "<");
		strcat(seen, words[i]);
		strcat(seen, ">");
	}
	free(words);
	assert_string_equal(seen, expected);
}

static void blanks_part_words(void **state)
{
	(void)state;
	becomes("mail", "<mail>");
	becomes("  mail\t-s  x \n", "<mail><-s><x>");
	becomes("a b c d e", "<a><b><c><d><e>");
}

static void quotes_and_backslashes_keep_them_together(void **state)
{
	(void)state;
	becomes("a 'b c' \"d e\" f\\ g", "<a><b c><d e><f g>");
	becomes("a\"b\"'c'd '' \"\"", "<abcd><><>");
	becomes("'a\\b' '\\\"' \"a\\b\" \"a\\\"b\\\\\" a\\'b", "<a\\b><\\\"><a\\b><a\"b\\><a'b>");
}

static void nothing_is_expanded(void **state)
{
	(void)state;
	becomes("a; b|c >d $e `f` $(g) * ~ #", "<a;><b|c><>d><$e><`f`><$(g)><*><~><#>");
}

static void what_has_no_end_or_no_word_is_refused(void **state)
{
	static const char *const bad[] = {"", "  ", "a 'b", "a \"b", "a\\", "\"a\\\""};
	char **words = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(words_split(bad[i], &words), -EINVAL);
		assert_null(words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_part_words),
		cmocka_unit_test(quotes_and_backslashes_keep_them_together),
		cmocka_unit_test(nothing_is_expanded),
		cmocka_unit_test(what_has_no_end_or_no_word_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
