// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "btfq.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* Damaged BTF may go in circles. */
#define DEPTH_MAX   32	 /* of typedefs and qualifiers */
#define MEMBERS_MAX 1000 /* looked at in one search */
#define ARGS_MAX    16	 /* no function of the kernel has more */

/* The name at an offset; "" when damaged BTF points beyond its strings. */
static const char *name_at(const struct btf *btf, uint32_t offset)
{
	const char *name = btf__name_by_offset(btf, offset);

	return name ? name : "";
}

int btfq_open(const char *path, struct btf **out)
{
	struct btf *btf;

	if (!path)
		path = "/sys/kernel/btf/vmlinux";
	if (access(path, R_OK))
		return -errno;
	libbpf_set_print(NULL); /* what is wrong is for the caller to say */
	btf = btf__parse(path, NULL);
	if (!btf)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	*out = btf;
	return 0;
}

const struct btf_type *btfq_function(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	t = t ? btf__type_by_id(btf, t->type) : NULL;
	return t && btf_is_func_proto(t) ? t : NULL;
}

static const struct btf_type *strip(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int i = 0; t && i < DEPTH_MAX; i++) {
		if (!btf_is_mod(t) && !btf_is_typedef(t) && btf_kind(t) != BTF_KIND_TYPE_TAG)
			return t;
		t = btf__type_by_id(btf, t->type);
	}
	return NULL;
}

static bool is_pointer_to(const struct btf *btf, uint32_t id, const char *target, int stars)
{
	const struct btf_type *t = strip(btf, id);

	for (; stars; stars--) {
		if (!t || !btf_is_ptr(t))
			return false;
		t = strip(btf, t->type);
	}
	return t && btf_is_struct(t) && !strcmp(name_at(btf, t->name_off), target);
}

int btfq_arg_of_type(const struct btf *btf, const struct btf_type *proto, const char *target,
		     int stars)
{
	const struct btf_param *p = btf_params(proto);

	for (int i = 0; i < btf_vlen(proto) && i < ARGS_MAX; i++)
		if (is_pointer_to(btf, p[i].type, target, stars))
			return i;
	return -1;
}

int btfq_arg_of_name(const struct btf *btf, const struct btf_type *proto, const char *const *names)
{
	const struct btf_param *p = btf_params(proto);

	for (int i = 0; i < btf_vlen(proto) && i < ARGS_MAX; i++) {
		const char *name = name_at(btf, p[i].name_off);

		for (int k = 0; name && names[k]; k++)
			if (!strcmp(name, names[k]))
				return i;
	}
	return -1;
}

enum btfq_return btfq_returns(const struct btf *btf, const struct btf_type *proto)
{
	const struct btf_type *t = strip(btf, proto->type);

	if (!proto->type)
		return BTFQ_VOID;
	if (!t)
		return BTFQ_OTHER;
	if (btf_is_ptr(t))
		return BTFQ_POINTER;
	if (btf_is_int(t))
		return btf_int_encoding(t) & BTF_INT_BOOL ? BTFQ_BOOL : BTFQ_INT;
	return BTFQ_OTHER;
}

/* Offset in bits, or -1; looks at no more than *left members. */
static int64_t member_bits(const struct btf *btf, const struct btf_type *t, const char *member,
			   int *left)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t) && (*left)-- > 0; i++) {
		const char *name = name_at(btf, m[i].name_off);
		int64_t at = btf_member_bit_offset(t, i), inner;
		const struct btf_type *mt;

		if (name && *name) {
			if (!strcmp(name, member))
				return at;
			continue;
		}
		mt = strip(btf, m[i].type);
		if (!mt || !btf_is_composite(mt))
			continue;
		inner = member_bits(btf, mt, member, left);
		if (inner >= 0)
			return at + inner;
	}
	return -1;
}

static const struct btf_type *struct_type(const struct btf *btf, const char *type)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);

	return id > 0 ? btf__type_by_id(btf, id) : NULL;
}

int btfq_offset(const struct btf *btf, const char *type, const char *member)
{
	const struct btf_type *t = struct_type(btf, type);
	int left = MEMBERS_MAX;
	int64_t bits = t ? member_bits(btf, t, member, &left) : -1;

	return bits < 0 || bits / 8 > INT_MAX ? -1 : (int)(bits / 8);
}

bool btfq_fields(const struct btf *btf, const struct btfq_field *fields, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		int at = btfq_offset(btf, fields[i].type, fields[i].member);

		if (at < 0)
			return false;
		*fields[i].at = (uint32_t)at;
	}
	return true;
}

int btfq_size(const struct btf *btf, const char *type)
{
	const struct btf_type *t = struct_type(btf, type);

	return t ? (int)t->size : -1;
}

static bool enum_value(const struct btf *btf, const struct btf_type *t, const char *name,
		       uint64_t *value)
{
	const struct btf_enum64 *wide = btf_is_enum64(t) ? btf_enum64(t) : NULL;
	const struct btf_enum *e = wide ? NULL : btf_enum(t);

	for (int i = 0; i < btf_vlen(t); i++) {
		const char *n = name_at(btf, wide ? wide[i].name_off : e[i].name_off);

		if (!n || strcmp(n, name))
			continue;
		*value = wide ? btf_enum64_value(&wide[i]) : (uint32_t)e[i].val;
		return true;
	}
	return false;
}

bool btfq_enumerator(const struct btf *btf, const char *name, uint64_t *value)
{
	int n = btf__type_cnt(btf);

	for (int id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (t && btf_is_any_enum(t) && enum_value(btf, t, name, value))
			return true;
	}
	return false;
}

bool btfq_bit(const struct btf *btf, const char *name, uint32_t *bit)
{
	uint64_t value;

	if (!btfq_enumerator(btf, name, &value) || value > 63)
		return false;
	*bit = (uint32_t)value;
	return true;
}

static uint8_t bits_for(uint64_t values)
{
	uint8_t bits = 0;

	while (bits < 63 && (1ULL << bits) < values)
		bits++;
	return bits;
}

/* How many nodes there can be is told by the length of a zonelist. */
bool btfq_places(const struct btf *btf, struct btfq_places *out)
{
	int list = btfq_size(btf, "zonelist"), ref = btfq_size(btf, "zoneref");
	uint64_t zones, nodes;

	if (list <= 0 || ref <= 0 || !btfq_enumerator(btf, "__MAX_NR_ZONES", &zones) || !zones ||
	    zones > 16 || list < ref)
		return false;
	nodes = ((uint64_t)list / (uint64_t)ref - 1) / zones;
	out->zone_bits = bits_for(zones);
	out->node_bits = bits_for(nodes);
	out->node_shift = (uint8_t)(64 - out->node_bits);
	out->zone_shift = (uint8_t)(out->node_shift - out->zone_bits);
	return nodes > 0 && out->node_bits <= 16 && out->zone_bits;
}
