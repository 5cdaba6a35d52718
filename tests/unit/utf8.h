/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Reads UTF-8 as RFC 3629 has it, to check those who write it. */
#ifndef PINLEAK_TESTS_UTF8_H
#define PINLEAK_TESTS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at the start of so many bytes, and its length; -1: no UTF-8. */
static inline int32_t utf8_read(const unsigned char *c, size_t left, size_t *len)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = c[0] < 0x80	     ? 1
		   : c[0] >> 5 == 6  ? 2
		   : c[0] >> 4 == 14 ? 3
		   : c[0] >> 3 == 30 ? 4
				     : 0;
	int32_t u = n == 1 ? c[0] : c[0] & (0x7f >> n);

	if (!n || n > left)
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (c[i] >> 6 != 2)
			return -1;
		u = u << 6 | (c[i] & 0x3f);
	}
	if (u < least[n] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return -1;
	*len = n;
	return u;
}

/* Is it a control character, or a mark that turns the writing direction around? */
static inline int utf8_is_unsafe(int32_t u)
{
	return u < 0x20 || (u >= 0x7f && u < 0xa0) || u == 0x200e || u == 0x200f ||
	       (u >= 0x202a && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069);
}

#endif
