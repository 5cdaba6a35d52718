// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEARS_100_S 3155760000.0

/* The number that a text begins with. strtod() also takes blanks, signs, "inf" and hexadecimal. */
static bool read_number(const char *text, double *n, char **end)
{
	if (*text < '0' || *text > '9' || (text[strspn(text, "0123456789")] | 0x20) == 'x')
		return false;
	*n = strtod(text, end);
	return true;
}

int units_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1},	{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1},
		     {"m", 60}, {"min", 60},  {"h", 3600},  {"d", 86400}};
	char *end;
	double n;

	if (!read_number(text, &n, &end))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (!(n * units[i].seconds <= YEARS_100_S))
			return -ERANGE;
		*ns = (uint64_t)llround(n * units[i].seconds * 1e9);
		return 0;
	}
	return -EINVAL;
}

int units_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGTP";
	const char *letter;
	char *end;
	double n;

	if (!read_number(text, &n, &end))
		return -EINVAL;
	letter = *end ? strchr(letters, *end) : NULL;
	if (letter) {
		n = ldexp(n, 10 * (int)(letter - letters + 1));
		end += strcmp(end + 1, "iB") ? 1 : 3;
	}
	if (*end)
		return -EINVAL;
	if (!(n < 0x1p63))
		return -ERANGE;
	*bytes = (uint64_t)n;
	return 0;
}

int units_code(const char *text, uint32_t *out)
{
	int hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	const char *digits = hex ? text + 2 : text;
	unsigned long long n;

	/* strtoull() also takes blanks, signs and another 0x. */
	if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return -EINVAL;
	errno = 0;
	n = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno || n > UINT32_MAX)
		return -ERANGE;
	*out = (uint32_t)n;
	return 0;
}

int units_percent(const char *text, double *percent)
{
	char *end;
	double n;

	if (!read_number(text, &n, &end) || strcmp(end + (*end == '%'), "") != 0)
		return -EINVAL;
	if (!(n > 0 && n <= 100))
		return -ERANGE;
	*percent = n;
	return 0;
}

int units_number(const char *text, uint64_t lo, uint64_t hi, uint64_t *out)
{
	char *end;
	uint64_t n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || n < lo || n > hi)
		return -ERANGE;
	*out = n;
	return 0;
}

const char *units_bytes(double bytes, char *out)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t i = 0;

	while (bytes >= 1024 && i + 1 < sizeof(units) / sizeof(*units)) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, UNITS_ROOM, i && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
	return out;
}

const char *units_seconds(double s, char *out)
{
	if (s < 60)
		snprintf(out, UNITS_ROOM, "%.0f s", s);
	else if (s < 3600)
		snprintf(out, UNITS_ROOM, "%.0f min", s / 60);
	else if (s < 86400)
		snprintf(out, UNITS_ROOM, "%.1f h", s / 3600);
	else if (s < 86400 * 1000.0)
		snprintf(out, UNITS_ROOM, "%.1f d", s / 86400);
	else
		snprintf(out, UNITS_ROOM, "years");
	return out;
}

const char *units_count(int64_t n, char *out)
{
	char digits[24];
	int len =
		snprintf(digits, sizeof(digits), "%" PRIu64, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	char *at = out;

	if (n < 0)
		*at++ = '-';
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

/* Bytes of the UTF-8 character at the start that may be shown; 0: none. */
static size_t character(const unsigned char *c, size_t left)
{
	size_t n = c[0] < 0x80	 ? 1
		   : c[0] < 0xc2 ? 0
		   : c[0] < 0xe0 ? 2
		   : c[0] < 0xf0 ? 3
		   : c[0] < 0xf5 ? 4
				 : 0;

	if (!n || n > left || (n == 1 && (c[0] < 0x20 || c[0] == 0x7f)))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* C1 controls, overlong forms, surrogates, beyond Unicode */
	if ((c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xe0 && c[1] < 0xa0) ||
	    (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	/* marks that turn the writing direction around: U+200E.., U+202A.., U+2066.. */
	if (c[0] == 0xe2 &&
	    ((c[1] == 0x80 && (c[2] >= 0xaa || c[2] == 0x8e || c[2] == 0x8f)) ||
	     (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)) &&
	    !(c[1] == 0x80 && c[2] > 0xae))
		return 0;
	return n;
}

void units_clean(const char *in, size_t in_size, char *out, size_t size)
{
	size_t len = strnlen(in, in_size), at = 0;

	for (size_t i = 0; i < len;) {
		const unsigned char *c = (const unsigned char *)in + i;
		size_t n = character(c, len - i);

		if (at + (n ? n : 4) + 1 > size)
			break;
		if (n)
			memcpy(out + at, c, n);
		else
			snprintf(out + at, 5, "\\x%02x", *c);
		at += n ? n : 4;
		i += n ? n : 1;
	}
	out[at] = '\0';
}

static const char *xml_entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\n':
		return "\n";
	case '\t':
		return "\t";
	default:
		return NULL;
	}
}

size_t units_xml(const char *in, char *out)
{
	size_t n = character((const unsigned char *)in, strnlen(in, 4));
	const char *entity = xml_entity(*in);

	/* U+FFFE and U+FFFF are characters to Unicode and not to XML. */
	if (n == 3 && (!memcmp(in, "\xef\xbf\xbe", 3) || !memcmp(in, "\xef\xbf\xbf", 3)))
		n = 0;
	if (entity)
		strcpy(out, entity);
	else if (n)
		snprintf(out, UNITS_XML_ROOM, "%.*s", (int)n, in);
	else
		strcpy(out, "?");
	return entity || !n ? 1 : n;
}
