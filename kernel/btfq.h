/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Questions to a kernel's BTF: functions, their arguments, members, enumerators. */
#ifndef PINLEAK_KERNEL_BTFQ_H
#define PINLEAK_KERNEL_BTFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;
struct btf_type;

/*
 * Opens the running kernel's BTF (path NULL) or that of a file (raw BTF or an ELF file with a
 * .BTF section). 0, or -errno: -ENOENT when the file is not there, -EINVAL when it is not BTF.
 * The caller frees it with btf__free().
 */
int btfq_open(const char *path, struct btf **out);

/* The prototype of a function in the BTF; NULL when the kernel has none of that name. */
const struct btf_type *btfq_function(const struct btf *btf, const char *name);

/*
 * Number of the first argument that is a pointer (stars 1) or pointer to pointer (stars 2) to
 * struct `target`; -1 when there is none.
 */
int btfq_arg_of_type(const struct btf *btf, const struct btf_type *proto, const char *target,
		     int stars);

/* Number of the first argument with one of the names (a NULL-terminated list), or -1. */
int btfq_arg_of_name(const struct btf *btf, const struct btf_type *proto, const char *const *names);

enum btfq_return { BTFQ_VOID, BTFQ_BOOL, BTFQ_INT, BTFQ_POINTER, BTFQ_OTHER };
enum btfq_return btfq_returns(const struct btf *btf, const struct btf_type *proto);

/* Byte offset of a member, looked up through anonymous members too; -1 when there is none. */
int btfq_offset(const struct btf *btf, const char *type, const char *member);

/* Asks for the offsets of many members at once; false when one of them is not there. */
struct btfq_field {
	const char *type, *member;
	uint32_t *at;
};
bool btfq_fields(const struct btf *btf, const struct btfq_field *fields, size_t nr);

/*
 * Where the flags of a struct page keep zone and node, for page_zonenum() and page_to_nid(): bits
 * whose number only the build knows. With vmemmap no section number comes first
 * (include/linux/page-flags-layout.h): nodes are at the top, zones beneath. False when BTF does not
 * tell.
 */
struct btfq_places {
	uint8_t zone_shift, zone_bits;
	uint8_t node_shift, node_bits;
};
bool btfq_places(const struct btf *btf, struct btfq_places *out);

/* sizeof(struct type), or -1. */
int btfq_size(const struct btf *btf, const char *type);

/* Looks an enumerator up in all enums, anonymous ones too. */
bool btfq_enumerator(const struct btf *btf, const char *name, uint64_t *value);

/* The same for the number of a bit in 64 of them. */
bool btfq_bit(const struct btf *btf, const char *name, uint32_t *bit);

#endif
