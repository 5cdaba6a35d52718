/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Do the values of a module's parameters make sense, by their types and descriptions? */
#ifndef PINLEAK_CORE_PARAM_H
#define PINLEAK_CORE_PARAM_H

#include <stdbool.h>
#include <stddef.h>

enum param_fault {
	PARAM_FINE,
	PARAM_NO_NUMBER,   /* the type is a number, and this is none */
	PARAM_NO_BOOL,	   /* neither yes nor no */
	PARAM_NEGATIVE,	   /* and the type is unsigned */
	PARAM_TOO_LARGE,   /* beyond the type, in either direction */
	PARAM_OUT_OF_LINE, /* outside of the range that its description gives */
};

/* A value by the type that MODULE_PARM_TYPE() noted and by the text of MODULE_PARM_DESC(). */
enum param_fault param_judge(const char *type, const char *text, const char *value);

/* "-1 is negative, and the type is uint" and so on; "" for PARAM_FINE. */
void param_complaint(enum param_fault fault, const char *type, const char *text, const char *value,
		     char *out, size_t size);

/*
 * The range that a description gives, in so many words: "range 1-64", "(0..7)", "between 1 and 8".
 * False: it gives none, or more than one.
 */
bool param_range(const char *text, long long *low, long long *high);

/* The default that a description gives: "(default 16)", "default: on". False: it gives none. */
bool param_default(const char *type, const char *text, char *out, size_t size);

/* Are two values of that type the same, however they are written? */
bool param_equal(const char *type, const char *a, const char *b);

/*
 * The next parameter on a kernel command line (next_arg() of lib/cmdline.c): quotes may hold
 * blanks. *line moves on. False: there is no more. A parameter without "=" has no value: "".
 */
bool param_next(const char **line, char *name, size_t name_size, char *value, size_t value_size,
		bool *has_value);

#endif
