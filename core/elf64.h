/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The sections of a 64-bit ELF file in memory, as a module's is. Anybody may have written the file:
 * nothing outside of it is read, whatever its numbers say.
 */
#ifndef PINLEAK_CORE_ELF64_H
#define PINLEAK_CORE_ELF64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond what modules have, so that a hostile file costs no more than a second. */
#define ELF64_SECTIONS	  16384
#define ELF64_RELOCATIONS (1 << 18) /* of a section; those beyond are not looked at */

struct elf64 {
	const uint8_t *bytes; /* belongs to the caller */
	size_t size;
	uint64_t sections; /* where their headers begin */
	uint32_t nr;
	uint32_t names; /* the section that has their names */
};

struct elf64_section {
	uint32_t index, type, link, info;
	uint64_t size;
	const uint8_t *bytes; /* NULL: it has none in the file, all are zero (.bss) */
};

/* Where a relocation leads: a place in a section, or a symbol of the kernel's. */
struct elf64_target {
	uint32_t section; /* 0: none of this file */
	uint64_t offset;
	const char *symbol; /* "" when it has no name */
};

/* -ENOEXEC: no 64-bit little-endian ELF file; -EBADMSG: one that is cut off or contradicts itself.
 */
int elf64_open(const void *bytes, size_t size, struct elf64 *out);

/* False: there is none, or it does not lie in the file. */
bool elf64_section(const struct elf64 *e, uint32_t index, struct elf64_section *out);
bool elf64_find(const struct elf64 *e, const char *name, struct elf64_section *out);

/* The section with the relocations of a section. False: there is none. */
bool elf64_relocations(const struct elf64 *e, uint32_t section, struct elf64_section *out);

/* One of them: the offset in the section that it is for, and where it leads. False: no more. */
bool elf64_relocation(const struct elf64 *e, const struct elf64_section *s, uint64_t number,
		      uint64_t *offset, struct elf64_target *out);

/* What the relocation of the 8 bytes at this offset of a section leads to. False: there is none. */
bool elf64_target(const struct elf64 *e, uint32_t section, uint64_t offset,
		  struct elf64_target *out);

/* The string at an offset of a section, with its NUL within it; NULL: there is none. */
const char *elf64_string(const struct elf64 *e, uint32_t section, uint64_t offset);

#endif
