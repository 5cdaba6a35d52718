// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "kmsg.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "modinfo.h"

#define PREFIX 96 /* bytes within which the colon of a line's prefix must come */

/* ---- a record --------------------------------------------------------------------------- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* msg_add_ext_text() of printk.c writes \xNN for what is not printable, and for the backslash. */
static void unescape(const char *in, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; n++) {
		if (i + 3 < len && in[i] == '\\' && in[i + 1] == 'x' && hex(in[i + 2]) >= 0 &&
		    hex(in[i + 3]) >= 0) {
			out[n] = (char)(hex(in[i + 2]) << 4 | hex(in[i + 3]));
			i += 4;
		} else {
			out[n] = in[i++];
		}
		if (!out[n])
			out[n] = '?'; /* a string would end there */
	}
	out[n] = '\0';
}

/* Digits up to the character `end`; false: there are none, or too many. */
static bool read_number(const char **at, const char *limit, const char *end, uint64_t *out)
{
	const char *from = *at;

	*out = 0;
	while (*at < limit && **at >= '0' && **at <= '9' && *at - from < 19)
		*out = *out * 10 + (uint64_t)(*(*at)++ - '0');
	if (*at == from || *at == limit || !strchr(end, **at) || !**at)
		return false;
	(*at)++;
	return true;
}

static void read_device(const char *at, const char *limit, struct kmsg_record *out)
{
	static const char key[] = " DEVICE=";

	while (at < limit) {
		const char *end = memchr(at, '\n', (size_t)(limit - at));
		size_t len = (size_t)((end ? end : limit) - at);

		if (len >= sizeof(key) && !memcmp(at, key, sizeof(key) - 1))
			unescape(at + sizeof(key) - 1, len - sizeof(key) + 1, out->device,
				 sizeof(out->device));
		at += len + 1;
	}
}

int kmsg_parse(const char *record, size_t size, struct kmsg_record *out)
{
	const char *at = record, *limit = record + size, *text, *end;
	uint64_t priority, seq, us;

	if (!read_number(&at, limit, ",", &priority) || !read_number(&at, limit, ",", &seq) ||
	    !read_number(&at, limit, ",;", &us))
		return -EINVAL;
	text = memchr(at - 1, ';', (size_t)(limit - at) + 1); /* later kernels may add fields */
	if (!text)
		return -EINVAL;
	text++;
	*out = (struct kmsg_record){.level = priority & 7, .seq = seq, .us = us};
	end = memchr(text, '\n', (size_t)(limit - text));
	unescape(text, (size_t)((end ? end : limit) - text), out->text, sizeof(out->text));
	if (end)
		read_device(end + 1, limit, out);
	return 0;
}

/* ---- whose it is ------------------------------------------------------------------------ */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "leaky: ...", "leaky leaky.0: ...", "vivid-000: ...", but not "leakyness is ...". */
static bool begins_with(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *colon = strchr(text, ':');

	return len > 1 && colon && colon - text < PREFIX && strnlen(text, len) == len &&
	       modinfo_same(text, len, name, len) && !is_word(text[len]) &&
	       (text[len] != '-' || isdigit((unsigned char)text[len + 1]));
}

/* "leaky_ioctl+0x12/0x40 [leaky]" of a stack that the kernel printed. */
static bool has_frame_of(const char *text, const char *module)
{
	size_t len = strlen(module);

	for (const char *at = text; (at = strchr(at, '[')); at++)
		if (at > text && at[-1] == ' ' && strstr(text, "+0x") &&
		    strnlen(at + 1, len) == len && modinfo_same(at + 1, len, module, len) &&
		    (at[1 + len] == ']' || at[1 + len] == ' '))
			return true;
	return false;
}

/* "leaky_ioctl: 23 callbacks suppressed", "leaky_open() failed" */
static bool begins_with_function(const char *text, const struct kmsg_signs *s)
{
	char name[128];
	size_t len = 0;

	while (is_word(text[len]))
		len++;
	if (!s->is_function || !len || len >= sizeof(name) ||
	    (text[len] != ':' && text[len] != '('))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	return s->is_function(s->ctx, name);
}

bool kmsg_is_of(const struct kmsg_record *r, const struct kmsg_signs *s)
{
	for (size_t i = 0; i < s->nr_devices && r->device[0]; i++)
		if (!strcmp(r->device, s->devices[i]))
			return true;
	for (size_t i = 0; i < s->nr_names; i++)
		if (begins_with(r->text, s->names[i]))
			return true;
	if (s->module && (begins_with(r->text, s->module) || has_frame_of(r->text, s->module)))
		return true;
	return begins_with_function(r->text, s);
}

/* ---- the log ---------------------------------------------------------------------------- */

/* ___ratelimit() of lib/ratelimit.c: "FUNCTION: N callbacks suppressed". */
static uint64_t suppressed(const char *text)
{
	const char *at = strstr(text, " callbacks suppressed"), *from = at;
	uint64_t n = 0;

	while (from && from > text && isdigit((unsigned char)from[-1]) && at - from < 18)
		from--;
	if (!from || from == text || from[-1] != ' ')
		return 0;
	for (; from < at; from++)
		n = n * 10 + (uint64_t)(*from - '0');
	return n;
}

static struct kmsg_line *find_line(const struct kmsg_log *log, const struct kmsg_record *r)
{
	for (size_t i = log->nr; i--;)
		if (log->lines[i].level == r->level && !strcmp(log->lines[i].text, r->text))
			return &log->lines[i];
	return NULL;
}

int kmsg_add(struct kmsg_log *log, const struct kmsg_record *r)
{
	struct kmsg_line *line = find_line(log, r);
	int err;

	if (r->level <= KMSG_ERROR)
		log->errors++;
	else if (r->level == KMSG_WARNING)
		log->warnings++;
	else
		log->others++;
	log->suppressed += suppressed(r->text);
	if (line) {
		line->count++;
		line->last_us = r->us;
		return 0;
	}
	if (log->nr == KMSG_LINES) {
		log->cut++;
		return 0;
	}
	err = grow((void **)&log->lines, &log->room, log->nr, sizeof(*line));
	if (err)
		return err;
	line = &log->lines[log->nr++];
	*line = (struct kmsg_line){.level = r->level,
				   .first_us = r->us,
				   .last_us = r->us,
				   .count = 1};
	memcpy(line->text, r->text, sizeof(line->text));
	return 0;
}

static int grade(const struct kmsg_line *l)
{
	return l->level <= KMSG_ERROR ? 0 : l->level == KMSG_WARNING ? 1 : 2;
}

static int compare(const void *a, const void *b)
{
	const struct kmsg_line *x = a, *y = b;

	if (grade(x) != grade(y))
		return grade(x) - grade(y);
	return (x->first_us > y->first_us) - (x->first_us < y->first_us);
}

void kmsg_sort(struct kmsg_log *log)
{
	if (log->nr)
		qsort(log->lines, log->nr, sizeof(*log->lines), compare);
}

void kmsg_free(struct kmsg_log *log)
{
	free(log->lines);
	*log = (struct kmsg_log){0};
}

const char *kmsg_level_name(uint8_t level)
{
	static const char *const names[] = {"emerg",   "alert",	 "crit", "err",
					    "warning", "notice", "info", "debug"};

	return names[level & 7];
}
