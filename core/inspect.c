// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "inspect.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "param.h"

#define CAP_IPC_LOCK_BIT 14 /* include/uapi/linux/capability.h */

void inspect_free(struct inspect *i)
{
	modinfo_free(&i->identity.info);
	kmsg_free(&i->log);
	free(i->params);
	free(i->settings);
	free(i->devices);
	free(i->neighbours);
	free(i->processes);
	free(i->limits);
	free(i->pins.held);
	free(i->gaps);
	*i = (struct inspect){0};
}

void inspect_gap(struct inspect *i, const char *part, const char *format, ...)
{
	struct inspect_gap *g;
	va_list args;

	if (grow((void **)&i->gaps, &i->room_gaps, i->nr_gaps, sizeof(*g)))
		return;
	g = &i->gaps[i->nr_gaps++];
	g->part = part;
	va_start(args, format);
	vsnprintf(g->why, sizeof(g->why), format, args);
	va_end(args);
}

/* ---- parameters ------------------------------------------------------------------------- */

static void judge_value(const char *type, const char *text, const char *value, char *fault,
			size_t size)
{
	param_complaint(param_judge(type, text, value), type, text, value, fault, size);
}

static void judge_param(struct inspect_param *p)
{
	if (p->source == DEFAULT_UNKNOWN &&
	    param_default(p->type, p->text, p->initial, sizeof(p->initial)))
		p->source = DEFAULT_OF_TEXT;
	if (!p->value_known)
		return;
	p->differs = p->source != DEFAULT_UNKNOWN && !param_equal(p->type, p->value, p->initial);
	judge_value(p->type, p->text, p->value, p->fault, sizeof(p->fault));
}

static const struct inspect_param *find_param(const struct inspect *i, const char *name)
{
	for (size_t n = 0; n < i->nr_params; n++)
		if (modinfo_same(i->params[n].name, strlen(i->params[n].name), name, strlen(name)))
			return &i->params[n];
	return NULL;
}

/* load_module() takes these for every module, unknown_module_param_cb() in kernel/module/main.c. */
static bool is_for_all(const char *name)
{
	return !strcmp(name, "dyndbg") || !strcmp(name, "async_probe");
}

/* Without the file's list a parameter that sysfs does not show may exist all the same. */
static void judge_setting(const struct inspect *i, struct inspect_setting *s)
{
	const struct inspect_param *p = find_param(i, s->name);

	s->unknown =
		!p && i->identity.file_read && !i->identity.file_differs && !is_for_all(s->name);
	if (p && s->has_value)
		judge_value(p->type, p->text, s->value, s->fault, sizeof(s->fault));
}

/* What wants attention comes first. */
static int compare_params(const void *a, const void *b)
{
	const struct inspect_param *x = a, *y = b;

	if (!x->fault[0] != !y->fault[0])
		return !x->fault[0] - !y->fault[0];
	if (x->differs != y->differs)
		return y->differs - x->differs;
	return strcmp(x->name, y->name);
}

void inspect_judge(struct inspect *i)
{
	for (size_t n = 0; n < i->nr_params; n++)
		judge_param(&i->params[n]);
	for (size_t n = 0; n < i->nr_settings; n++)
		judge_setting(i, &i->settings[n]);
	if (i->nr_params)
		qsort(i->params, i->nr_params, sizeof(*i->params), compare_params);
}

const char *inspect_origin_name(enum inspect_origin o)
{
	return o == SET_BY_COMMAND_LINE ? "kernel command line" : "modprobe.d";
}

/* ---- limits ----------------------------------------------------------------------------- */

const char *inspect_limit_name(enum inspect_limit_kind k)
{
	static const char *const names[] = {"RLIMIT_MEMLOCK", "memory.max", "memory.high",
					    "dma_entry_limit"};

	return names[k];
}

static bool binds(const struct inspect_limit *l)
{
	return l->applies && l->allowed != INSPECT_UNLIMITED && l->allowed != INSPECT_UNKNOWN &&
	       l->used != INSPECT_UNKNOWN;
}

static uint64_t room_of(const struct inspect_limit *l)
{
	return l->used < l->allowed ? l->allowed - l->used : 0;
}

const struct inspect_limit *inspect_first_limit(const struct inspect *i)
{
	const struct inspect_limit *first = NULL;

	for (size_t n = 0; n < i->nr_limits; n++)
		if (binds(&i->limits[n]) && (!first || room_of(&i->limits[n]) < room_of(first)))
			first = &i->limits[n];
	return first;
}

/* ---- texts ------------------------------------------------------------------------------ */

void inspect_labelled(const char *text, const char *label, char *out, size_t size)
{
	size_t len = strlen(label);

	out[0] = '\0';
	while (*text) {
		const char *line = text + strspn(text, " \t");
		size_t end = strcspn(line, "\n");

		if (!strncmp(line, label, len)) {
			const char *value = line + len + strspn(line + len, " \t");

			snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
			return;
		}
		text = line + end + (line[end] == '\n');
	}
}

static uint64_t kilobytes(const char *text, const char *label)
{
	char value[32];

	inspect_labelled(text, label, value, sizeof(value));
	return isdigit((unsigned char)value[0]) ? strtoull(value, NULL, 10) * 1024
						: INSPECT_UNKNOWN;
}

void inspect_status(const char *text, struct inspect_process *out)
{
	char value[32];

	out->locked = kilobytes(text, "VmLck:");
	out->pinned = kilobytes(text, "VmPin:");
	inspect_labelled(text, "CapEff:", value, sizeof(value));
	out->exempt = strtoull(value, NULL, 16) >> CAP_IPC_LOCK_BIT & 1;
}

static const char *read_limit(const char *at, uint64_t *out)
{
	static const char unlimited[] = "unlimited";
	char *end;

	at += strspn(at, " ");
	if (!strncmp(at, unlimited, sizeof(unlimited) - 1)) {
		*out = INSPECT_UNLIMITED;
		return at + sizeof(unlimited) - 1;
	}
	*out = isdigit((unsigned char)*at) ? strtoull(at, &end, 10) : INSPECT_UNKNOWN;
	return *out == INSPECT_UNKNOWN ? at : end;
}

void inspect_limits(const char *text, struct inspect_process *out)
{
	static const char label[] = "Max locked memory";
	const char *at = strstr(text, label);

	out->memlock_soft = out->memlock_hard = INSPECT_UNKNOWN;
	if (!at)
		return;
	at = read_limit(at + sizeof(label) - 1, &out->memlock_soft);
	read_limit(at, &out->memlock_hard);
}

void inspect_running(const char *version, char *out, size_t size)
{
	static const char label[] = "Debian ";
	const char *at = strstr(version, label);

	out[0] = '\0';
	if (at)
		snprintf(out, size, "%.*s", (int)strcspn(at + sizeof(label) - 1, " "),
			 at + sizeof(label) - 1);
}
