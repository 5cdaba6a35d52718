// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "param.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ARRAY_OF "array of "
#define ITEM	 64 /* bytes of one value of an array; numbers are shorter */
#define BEFORE	 24 /* bytes before a range in which a word must say that it is one */

/* ---- types ------------------------------------------------------------------------------ */

struct bounds {
	const char *type;
	long long low;
	unsigned long long high;
};

static const struct bounds numbers[] = {
	{"byte", 0, UINT8_MAX},		{"short", INT16_MIN, INT16_MAX}, {"ushort", 0, UINT16_MAX},
	{"int", INT32_MIN, INT32_MAX},	{"uint", 0, UINT32_MAX},	 {"hexint", 0, UINT32_MAX},
	{"long", INT64_MIN, INT64_MAX}, {"ulong", 0, UINT64_MAX},	 {"ullong", 0, UINT64_MAX},
};

static const char *element_of(const char *type)
{
	return strncmp(type, ARRAY_OF, strlen(ARRAY_OF)) != 0 ? type : type + strlen(ARRAY_OF);
}

static const struct bounds *bounds_of(const char *type)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strcmp(numbers[i].type, type))
			return &numbers[i];
	return NULL;
}

static bool is_bool(const char *type)
{
	return !strcmp(type, "bool") || !strcmp(type, "invbool") || !strcmp(type, "bint");
}

/* ---- values ----------------------------------------------------------------------------- */

struct number {
	bool negative;
	unsigned long long size; /* of a negative one without its sign */
	bool overflow;
};

/* As kstrtoll() takes it: one sign, any base by its prefix, nothing after it. */
static bool read_number(const char *text, struct number *out)
{
	char *end;
	const char *digits = text + (*text == '-' || *text == '+');

	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	out->negative = *text == '-';
	out->size = strtoull(digits, &end, 0);
	out->overflow = errno == ERANGE;
	return !*end;
}

/* As kstrtobool() takes it; the words of descriptions besides. */
static int read_bool(const char *text)
{
	static const char *const yes[] = {"y", "1", "t", "on", "yes", "true", "enabled"};
	static const char *const no[] = {"n", "0", "f", "off", "no", "false", "disabled"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (!strcasecmp(text, yes[i]))
			return 1;
		if (!strcasecmp(text, no[i]))
			return 0;
	}
	return -1;
}

static bool is_below(const struct number *n, long long limit)
{
	if (!n->negative || !n->size)
		return limit > 0 && n->size < (unsigned long long)limit;
	return limit >= 0 || n->size > 0 - (unsigned long long)limit;
}

static bool is_above(const struct number *n, unsigned long long limit)
{
	return !n->negative && n->size > limit;
}

static enum param_fault judge_number(const struct bounds *b, const char *text, const char *value)
{
	struct number n;
	long long low, high;

	if (!read_number(value, &n))
		return PARAM_NO_NUMBER;
	if (n.negative && n.size && !b->low)
		return PARAM_NEGATIVE;
	if (n.overflow || is_below(&n, b->low) || is_above(&n, b->high))
		return PARAM_TOO_LARGE;
	if (!param_range(text, &low, &high))
		return PARAM_FINE;
	/* high is negative when the whole range is: all that is not below zero is above it */
	if (is_below(&n, low) ||
	    (high < 0 ? !is_below(&n, high + 1) : is_above(&n, (unsigned long long)high)))
		return PARAM_OUT_OF_LINE;
	return PARAM_FINE;
}

static enum param_fault judge_one(const char *type, const char *text, const char *value)
{
	const struct bounds *b = bounds_of(type);

	if (b)
		return judge_number(b, text, value);
	if (is_bool(type) && read_bool(value) < 0)
		return PARAM_NO_BOOL;
	return PARAM_FINE; /* any text is a charp, and of other types we know nothing */
}

/* Copies the first value of a list with commas. Returns the rest of it, NULL: there is none. */
static const char *next_item(const char *list, char *item)
{
	size_t len = strcspn(list, ",");

	snprintf(item, ITEM, "%.*s", (int)len, list);
	return list[len] ? list + len + 1 : NULL;
}

enum param_fault param_judge(const char *type, const char *text, const char *value)
{
	const char *element = element_of(type), *at = value;
	enum param_fault fault = PARAM_FINE;
	char item[ITEM];

	if (element == type)
		return judge_one(type, text, value);
	while (at && *value && fault == PARAM_FINE) {
		at = next_item(at, item);
		fault = judge_one(element, text, item);
	}
	return fault;
}

void param_complaint(enum param_fault fault, const char *type, const char *text, const char *value,
		     char *out, size_t size)
{
	long long low = 0, high = 0;

	out[0] = '\0';
	switch (fault) {
	case PARAM_NO_NUMBER:
		snprintf(out, size, "%s is no number, and the type is %s", value, type);
		return;
	case PARAM_NO_BOOL:
		snprintf(out, size, "%s is neither yes nor no, and the type is %s", value, type);
		return;
	case PARAM_NEGATIVE:
		snprintf(out, size, "%s is negative, and the type is %s", value, type);
		return;
	case PARAM_TOO_LARGE:
		snprintf(out, size, "%s does not fit the type %s", value, type);
		return;
	case PARAM_OUT_OF_LINE:
		param_range(text, &low, &high);
		snprintf(out, size, "%s is not from %lld to %lld, as its description says", value,
			 low, high);
		return;
	default:
		return;
	}
}

bool param_equal(const char *type, const char *a, const char *b)
{
	struct number x, y;

	if (is_bool(type) && read_bool(a) >= 0 && read_bool(b) >= 0)
		return read_bool(a) == read_bool(b);
	if (bounds_of(type) && read_number(a, &x) && read_number(b, &y))
		return x.size == y.size && (x.negative == y.negative || !x.size);
	return !strcmp(a, b);
}

/* ---- descriptions ----------------------------------------------------------------------- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static bool read_integer(const char **at, long long *out)
{
	char *end;
	const char *digits = *at + (**at == '-');

	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*out = strtoll(*at, &end, 0);
	*at = end;
	return !errno && !isalnum((unsigned char)*end);
}

static bool skip_separator(const char **at)
{
	static const char *const separators[] = {"...", "..", "-", "to ", "and ", ","};
	const char *from = skip_blanks(*at);

	for (size_t i = 0; i < sizeof(separators) / sizeof(*separators); i++) {
		size_t len = strlen(separators[i]);

		if (!strncmp(from, separators[i], len)) {
			*at = skip_blanks(from + len);
			return true;
		}
	}
	return false;
}

/* Do the words before say that a range follows? */
static bool is_announced(const char *text, const char *at)
{
	static const char *const words[] = {"range", "between", "valid"};
	size_t len = (size_t)(at - text) < BEFORE ? (size_t)(at - text) : BEFORE;
	char before[BEFORE + 1];

	snprintf(before, sizeof(before), "%.*s", (int)len, at - len);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(before, words[i]))
			return true;
	return false;
}

static bool read_range(const char *text, const char *at, long long *low, long long *high)
{
	const char *from = at;
	bool listed, bracket = at > text && (at[-1] == '(' || at[-1] == '[');

	if (!read_integer(&at, low))
		return false;
	listed = *skip_blanks(at) == ',' || !strncmp(skip_blanks(at), "and", 3);
	if (!skip_separator(&at) || !read_integer(&at, high) || *low >= *high)
		return false;
	/* "(0, 5)" may be a list: a range is called one then */
	return is_announced(text, from) || (bracket && !listed && (*at == ')' || *at == ']'));
}

bool param_range(const char *text, long long *low, long long *high)
{
	unsigned found = 0;
	long long l, h;

	for (const char *at = text; *at; at++) {
		if (at > text && (isalnum((unsigned char)at[-1]) || strchr("-._", at[-1])))
			continue; /* in the midst of a number or a word */
		if (!read_range(text, at, &l, &h))
			continue;
		found++;
		*low = l;
		*high = h;
	}
	return found == 1;
}

/* "16)" yes; "16 MiB" and "16 per queue" no: what is counted is not said by the number alone. */
static bool ends_there(const char *at)
{
	const char *next = skip_blanks(at + (*at == '\'' || *at == '"'));

	return !*next || strchr("),;].:", *next) || *next == '(' || *next == '\n';
}

bool param_default(const char *type, const char *text, char *out, size_t size)
{
	const char *at = strcasestr(text, "default");
	size_t len;
	char word[ITEM];

	if (!at)
		return false;
	at += strlen("default");
	at += *at == 's';
	at = skip_blanks(at);
	if (!strncmp(at, "is ", 3) || !strncmp(at, "to ", 3))
		at += 3;
	at += strspn(at, " :='\"");
	len = strspn(at, "+-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (!len || len >= sizeof(word) || !ends_there(at + len))
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)len, at);
	if (!(is_bool(type) || bounds_of(type)) || judge_one(type, "", word) != PARAM_FINE)
		return false;
	snprintf(out, size, "%s", word);
	return true;
}

/* ---- the command line ------------------------------------------------------------------- */

bool param_next(const char **line, char *name, size_t name_size, char *value, size_t value_size,
		bool *has_value)
{
	const char *at = *line + strspn(*line, " \t\n\v\f\r"); /* isspace() below */
	size_t n = 0, v = 0;
	bool quoted = false;

	*has_value = false;
	if (!*at)
		return false;
	for (; *at && (quoted || !isspace((unsigned char)*at)); at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (*at == '=' && !*has_value)
			*has_value = true;
		else if (*has_value && v + 1 < value_size)
			value[v++] = *at;
		else if (!*has_value && n + 1 < name_size)
			name[n++] = *at;
	}
	name[n] = value[v] = '\0';
	*line = at;
	return true;
}
