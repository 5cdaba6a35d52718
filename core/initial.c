// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "initial.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* struct kernel_param of include/linux/moduleparam.h, the same from 4.1 to 6.18 on 64 bits. */
#define PARAM_SIZE 40
#define PARAM_OPS  16
#define PARAM_ARG  32

/* struct kparam_array of the same: most elements, bytes of one, their number, operations, first. */
#define ARRAY_STEP  4
#define ARRAY_NR    8
#define ARRAY_OPS   16
#define ARRAY_FIRST 24

enum shape { SIGNED, UNSIGNED, HEX, BOOL, INVERTED, STRING };

/* By the name of the operations, as only they say how the variable is laid out. */
static const struct kind {
	const char *ops;
	enum shape shape;
	uint8_t bytes;
} kinds[] = {
	{"param_ops_byte", UNSIGNED, 1},   {"param_ops_short", SIGNED, 2},
	{"param_ops_ushort", UNSIGNED, 2}, {"param_ops_int", SIGNED, 4},
	{"param_ops_uint", UNSIGNED, 4},   {"param_ops_long", SIGNED, 8},
	{"param_ops_ulong", UNSIGNED, 8},  {"param_ops_ullong", UNSIGNED, 8},
	{"param_ops_hexint", HEX, 4},	   {"param_ops_bint", SIGNED, 4},
	{"param_ops_bool", BOOL, 1},	   {"param_ops_invbool", INVERTED, 1},
	{"param_ops_charp", STRING, 8},
};

/* By the relocations of the pointers to names, which are the first member. */
static bool find_param(const struct elf64 *e, uint32_t params, const char *name, uint64_t *at)
{
	struct elf64_section relocations;
	struct elf64_target t;
	const char *its;

	if (!elf64_relocations(e, params, &relocations))
		return false;
	for (uint64_t i = 0; elf64_relocation(e, &relocations, i, at, &t); i++) {
		its = *at % PARAM_SIZE ? NULL : elf64_string(e, t.section, t.offset);
		if (its && !strcmp(its, name))
			return true;
	}
	return false;
}

/* The kind by the pointer to the operations that stands there; NULL: unknown ones. */
static const struct kind *find_kind(const struct elf64 *e, uint32_t section, uint64_t at)
{
	struct elf64_target ops;

	if (!elf64_target(e, section, at, &ops))
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(ops.symbol, kinds[i].ops))
			return &kinds[i];
	return NULL;
}

/* Little-endian, as elf64_open() has seen to; what has no bytes in the file is zero. */
static bool read_variable(const struct elf64 *e, const struct elf64_target *t, uint8_t bytes,
			  uint64_t *out)
{
	struct elf64_section s;

	*out = 0;
	if (!t->section || !elf64_section(e, t->section, &s) || t->offset > s.size ||
	    bytes > s.size - t->offset)
		return false;
	for (uint8_t i = 0; s.bytes && i < bytes; i++)
		*out |= (uint64_t)s.bytes[t->offset + i] << 8 * i;
	return true;
}

static bool show_string(const struct elf64 *e, const struct elf64_target *t, char *out, size_t size)
{
	struct elf64_target to;
	const char *text = "(null)";

	if (elf64_target(e, t->section, t->offset, &to))
		text = elf64_string(e, to.section, to.offset);
	if (text)
		snprintf(out, size, "%s", text);
	return text != NULL;
}

static void show(const struct kind *k, uint64_t v, char *out, size_t size)
{
	int unused = 64 - 8 * k->bytes;

	switch (k->shape) {
	case SIGNED:
		snprintf(out, size, "%" PRId64, (int64_t)(v << unused) >> unused);
		break;
	case HEX:
		snprintf(out, size, "%#08" PRIx64, v);
		break;
	case BOOL:
	case INVERTED:
		snprintf(out, size, "%s", !v == (k->shape == INVERTED) ? "Y" : "N");
		break;
	default:
		snprintf(out, size, "%" PRIu64, v);
	}
}

static bool show_variable(const struct elf64 *e, const struct kind *k, const struct elf64_target *t,
			  char *out, size_t size)
{
	uint64_t v;

	if (!read_variable(e, t, k->bytes, &v))
		return false;
	if (k->shape == STRING)
		return show_string(e, t, out, size);
	show(k, v, out, size);
	return true;
}

/*
 * Without a variable for their number all are shown, param_array_get() of kernel/params.c. Strings
 * are left out: to look each of them up would take too long in a hostile file.
 */
static bool show_array(const struct elf64 *e, const struct elf64_target *array, char *out,
		       size_t size)
{
	const struct kind *k = find_kind(e, array->section, array->offset + ARRAY_OPS);
	struct elf64_target at = *array, number, element;
	uint64_t nr, step;
	size_t n = 0;

	at.offset += ARRAY_STEP;
	if (!k || k->shape == STRING || !read_variable(e, array, 4, &nr) ||
	    !read_variable(e, &at, 4, &step) ||
	    !elf64_target(e, array->section, array->offset + ARRAY_FIRST, &element))
		return false;
	if (elf64_target(e, array->section, array->offset + ARRAY_NR, &number) &&
	    !read_variable(e, &number, 4, &nr))
		return false;
	out[0] = '\0';
	for (uint64_t i = 0; i < nr; i++, element.offset += step) {
		if (i)
			out[n++] = ',';
		if (!show_variable(e, k, &element, out + n, size - n))
			return false;
		n += strlen(out + n);
		if (n + 2 >= size)
			return false; /* a list that is cut would be another value */
	}
	return true;
}

bool initial_value(const struct elf64 *e, const char *param, char *out, size_t size)
{
	struct elf64_section params;
	struct elf64_target ops, arg;
	const struct kind *k;
	uint64_t at;

	if (!elf64_find(e, "__param", &params) || !find_param(e, params.index, param, &at) ||
	    !elf64_target(e, params.index, at + PARAM_OPS, &ops) ||
	    !elf64_target(e, params.index, at + PARAM_ARG, &arg))
		return false;
	if (!strcmp(ops.symbol, "param_array_ops"))
		return show_array(e, &arg, out, size);
	k = find_kind(e, params.index, at + PARAM_OPS);
	return k && show_variable(e, k, &arg, out, size);
}
