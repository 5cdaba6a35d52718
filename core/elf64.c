// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "elf64.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

static bool lies_within(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

int elf64_open(const void *bytes, size_t size, struct elf64 *out)
{
	Elf64_Ehdr h;

	if (size < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (((const uint8_t *)bytes)[EI_CLASS] != ELFCLASS64 ||
	    ((const uint8_t *)bytes)[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shstrndx >= h.e_shnum ||
	    h.e_shnum > ELF64_SECTIONS ||
	    !lies_within(h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr), size))
		return -EBADMSG;
	*out = (struct elf64){.bytes = bytes,
			      .size = size,
			      .sections = h.e_shoff,
			      .nr = h.e_shnum,
			      .names = h.e_shstrndx};
	return 0;
}

static bool read_header(const struct elf64 *e, uint32_t index, Elf64_Shdr *out)
{
	if (index >= e->nr)
		return false;
	memcpy(out, e->bytes + e->sections + index * sizeof(*out), sizeof(*out));
	return true;
}

bool elf64_section(const struct elf64 *e, uint32_t index, struct elf64_section *out)
{
	Elf64_Shdr h;

	if (!read_header(e, index, &h))
		return false;
	if (h.sh_type != SHT_NOBITS && !lies_within(h.sh_offset, h.sh_size, e->size))
		return false;
	*out = (struct elf64_section){.index = index,
				      .type = h.sh_type,
				      .link = h.sh_link,
				      .info = h.sh_info,
				      .size = h.sh_size};
	if (h.sh_type != SHT_NOBITS)
		out->bytes = e->bytes + h.sh_offset;
	return true;
}

const char *elf64_string(const struct elf64 *e, uint32_t section, uint64_t offset)
{
	struct elf64_section s;

	if (!elf64_section(e, section, &s) || !s.bytes || offset >= s.size ||
	    !memchr(s.bytes + offset, '\0', s.size - offset))
		return NULL;
	return (const char *)s.bytes + offset;
}

bool elf64_find(const struct elf64 *e, const char *name, struct elf64_section *out)
{
	Elf64_Shdr h;
	const char *its;

	for (uint32_t i = 0; read_header(e, i, &h); i++) {
		its = elf64_string(e, e->names, h.sh_name);
		if (its && !strcmp(its, name))
			return elf64_section(e, i, out);
	}
	return false;
}

/* ---- relocations ------------------------------------------------------------------------ */

static bool read_symbol(const struct elf64 *e, uint32_t table, uint64_t number, int64_t addend,
			struct elf64_target *out)
{
	struct elf64_section s;
	Elf64_Sym symbol;
	const char *name;

	if (!elf64_section(e, table, &s) || !s.bytes || number >= s.size / sizeof(symbol))
		return false;
	memcpy(&symbol, s.bytes + number * sizeof(symbol), sizeof(symbol));
	name = elf64_string(e, s.link, symbol.st_name);
	*out = (struct elf64_target){.section =
					     symbol.st_shndx < SHN_LORESERVE ? symbol.st_shndx : 0,
				     .offset = symbol.st_value + (uint64_t)addend,
				     .symbol = name ? name : ""};
	return true;
}

bool elf64_relocations(const struct elf64 *e, uint32_t section, struct elf64_section *out)
{
	Elf64_Shdr h;

	for (uint32_t i = 0; read_header(e, i, &h); i++)
		if (h.sh_type == SHT_RELA && h.sh_info == section)
			return elf64_section(e, i, out) && out->bytes;
	return false;
}

/* R_X86_64_64 and R_AARCH64_ABS64 are what pointers in data have. */
bool elf64_relocation(const struct elf64 *e, const struct elf64_section *s, uint64_t number,
		      uint64_t *offset, struct elf64_target *out)
{
	Elf64_Rela r;

	if (number >= s->size / sizeof(r) || number >= ELF64_RELOCATIONS)
		return false;
	memcpy(&r, s->bytes + number * sizeof(r), sizeof(r));
	*offset = r.r_offset;
	if (!read_symbol(e, s->link, ELF64_R_SYM(r.r_info), r.r_addend, out))
		*out = (struct elf64_target){.symbol = ""};
	return true;
}

bool elf64_target(const struct elf64 *e, uint32_t section, uint64_t offset,
		  struct elf64_target *out)
{
	struct elf64_section s;
	uint64_t at;

	if (!elf64_relocations(e, section, &s))
		return false;
	for (uint64_t i = 0; elf64_relocation(e, &s, i, &at, out); i++)
		if (at == offset)
			return true;
	return false;
}
