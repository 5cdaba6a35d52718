/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Times, sizes and names, as people write and read them. */
#ifndef PINLEAK_CORE_UNITS_H
#define PINLEAK_CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNITS_ROOM 32 /* bytes that hold any size or duration as text */

/*
 * "250ms", "1s", "1.5s", "2m", "3h", "7d"; a bare number is seconds. -EINVAL: not that, or
 * negative; -ERANGE: beyond 100 years.
 */
int units_duration(const char *text, uint64_t *ns);

/* A whole number between lo and hi. -EINVAL, -ERANGE. */
int units_number(const char *text, uint64_t lo, uint64_t hi, uint64_t *out);

/*
 * "4096", "64MiB", "1.5G": bytes, in units of 1024. -EINVAL: not that, or negative; -ERANGE: 8 EiB
 * or more.
 */
int units_size(const char *text, uint64_t *bytes);

/* A number of 32 bits, decimal or hexadecimal (0x...). -EINVAL, -ERANGE. */
int units_code(const char *text, uint32_t *out);

/* "5%", "0.5": above 0, at most 100. -EINVAL, -ERANGE. */
int units_percent(const char *text, double *percent);

/* "1.2 MiB"; returns out, which has UNITS_ROOM bytes. */
const char *units_bytes(double bytes, char *out);

/* "4 min", "2.3 h", "12 d". */
const char *units_seconds(double seconds, char *out);

/* "12,345,678", and "-12". */
const char *units_count(int64_t n, char *out);

/*
 * Copies a name that anybody may have chosen (a process's, a file's) so that it can be shown:
 * control characters and what is no UTF-8 become \xNN. size is at least 1.
 */
void units_clean(const char *in, size_t in_size, char *out, size_t size);

/*
 * The next character of a text as XML, in text or in an attribute: what means something there is
 * escaped, and what may not stand there at all (controls but for the end of a line and the tab,
 * what is no UTF-8) becomes a question mark. Returns the bytes read; the text must not be at its
 * end. out has UNITS_XML_ROOM bytes.
 */
#define UNITS_XML_ROOM 8
size_t units_xml(const char *in, char *out);

#endif
