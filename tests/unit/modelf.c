// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "modelf.h"

#include <elf.h>
#include <string.h>

enum { NONE, MODINFO, PARAM, DATA, BSS, STRINGS, SYMTAB, STRTAB, RELA_PARAM, RELA_DATA, NAMES, NR };

static const char modinfo[] = "license=GPL\0version=1.2\0intree=Y\0parmtype=count:int\0"
			      "parm=count:How many (0-9)\0parm=name:Whose\0parmtype=name:charp";
static const char names[] = "\0.modinfo\0__param\0.data\0.bss\0.rodata\0.symtab\0.strtab\0.rela";
static const char symbols[] = "\0param_ops_int\0param_ops_charp\0param_ops_bool\0own_ops\0"
			      "param_array_ops\0param_ops_short";
static const char strings[] = "count\0name\0on\0own\0abc\0list";

/* Symbols: one for each section that is pointed into, then the operations. */
enum {
	SYM_NONE,
	SYM_DATA,
	SYM_BSS,
	SYM_STRINGS,
	SYM_INT,
	SYM_CHARP,
	SYM_BOOL,
	SYM_OWN,
	SYM_ARRAY,
	SYM_SHORT,
	SYMS
};

struct image {
	uint8_t *out;
	size_t at;
	Elf64_Shdr headers[NR];
};

static void add(struct image *i, int section, uint32_t type, const void *bytes, size_t size)
{
	i->at = (i->at + 7) & ~(size_t)7;
	i->headers[section] = (Elf64_Shdr){.sh_type = type, .sh_offset = i->at, .sh_size = size};
	if (type != SHT_NOBITS) {
		memcpy(i->out + i->at, bytes, size);
		i->at += size;
	}
}

static void add_symbols(struct image *i)
{
	static const uint16_t section[SYMS] = {0, DATA, BSS, STRINGS};
	static const uint32_t name[SYMS] = {0, 0, 0, 0, 1, 15, 31, 46, 54, 70};
	Elf64_Sym table[SYMS] = {0};

	for (int k = 0; k < SYMS; k++) {
		table[k].st_shndx = section[k];
		table[k].st_name = name[k];
	}
	add(i, SYMTAB, SHT_SYMTAB, table, sizeof(table));
	i->headers[SYMTAB].sh_link = STRTAB;
}

static Elf64_Rela relocation(uint64_t offset, uint64_t symbol, int64_t addend)
{
	return (Elf64_Rela){.r_offset = offset,
			    .r_info = ELF64_R_INFO(symbol, R_X86_64_64),
			    .r_addend = addend};
}

/* struct kernel_param: name at 0, ops at 16, arg at 32; 40 bytes each. */
static void add_relocations(struct image *i)
{
	const Elf64_Rela param[] = {
		relocation(0, SYM_STRINGS, 0),	  relocation(16, SYM_INT, 0),
		relocation(32, SYM_DATA, 0),	  relocation(40, SYM_STRINGS, 6),
		relocation(56, SYM_CHARP, 0),	  relocation(72, SYM_DATA, 8),
		relocation(80, SYM_STRINGS, 11),  relocation(96, SYM_BOOL, 0),
		relocation(112, SYM_BSS, 3),	  relocation(120, SYM_STRINGS, 14),
		relocation(136, SYM_OWN, 0),	  relocation(152, SYM_DATA, 0),
		relocation(160, SYM_STRINGS, 22), relocation(176, SYM_ARRAY, 0),
		relocation(192, SYM_DATA, 16),
	};
	/* 16 to 47: a struct kparam_array; 48: its elements */
	const Elf64_Rela data[] = {relocation(8, SYM_STRINGS, 18), relocation(32, SYM_SHORT, 0),
				   relocation(40, SYM_DATA, 48)};

	add(i, RELA_PARAM, SHT_RELA, param, sizeof(param));
	add(i, RELA_DATA, SHT_RELA, data, sizeof(data));
	i->headers[RELA_PARAM].sh_info = PARAM;
	i->headers[RELA_DATA].sh_info = DATA;
	i->headers[RELA_PARAM].sh_link = i->headers[RELA_DATA].sh_link = SYMTAB;
}

size_t modelf_make(uint8_t *out)
{
	static const uint32_t name[NR] = {0, 1, 10, 18, 24, 29, 37, 45, 53, 53, 0};
	static const uint8_t params[5 * 40],
		data[52] = {0xf9, 0xff, 0xff, 0xff, [16] = 2, [20] = 2, [48] = 1, 0, 0xfe, 0xff};
	struct image i = {.out = out, .at = sizeof(Elf64_Ehdr)};
	Elf64_Ehdr h = {.e_ident = ELFMAG,
			.e_type = ET_REL,
			.e_machine = EM_X86_64,
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = NR,
			.e_shstrndx = NAMES};

	memset(out, 0, MODELF_ROOM);
	add(&i, MODINFO, SHT_PROGBITS, modinfo, sizeof(modinfo));
	add(&i, PARAM, SHT_PROGBITS, params, sizeof(params));
	add(&i, DATA, SHT_PROGBITS, data, sizeof(data));
	add(&i, BSS, SHT_NOBITS, NULL, 8);
	add(&i, STRINGS, SHT_PROGBITS, strings, sizeof(strings));
	add_symbols(&i);
	add(&i, STRTAB, SHT_STRTAB, symbols, sizeof(symbols));
	add_relocations(&i);
	add(&i, NAMES, SHT_STRTAB, names, sizeof(names));
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_shoff = (i.at + 7) & ~(size_t)7;
	for (int k = 0; k < NR; k++)
		i.headers[k].sh_name = name[k];
	memcpy(out, &h, sizeof(h));
	memcpy(out + h.e_shoff, i.headers, sizeof(i.headers));
	return h.e_shoff + sizeof(i.headers);
}

size_t modelf_sign(uint8_t *file, size_t size)
{
	/* ContentInfo { signedData, { 1, {}, {}, { { 1, { Someone X, 0102 }, { sha256 } } } } } */
	static const uint8_t pkcs7[] = {0x30, 0x4a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
					0x01, 0x07, 0x02, 0xa0, 0x3d, 0x30, 0x3b, 0x02, 0x01, 0x01,
					0x31, 0x00, 0x30, 0x00, 0x31, 0x32, 0x30, 0x30, 0x02, 0x01,
					0x01, 0x30, 0x1a, 0x30, 0x14, 0x31, 0x12, 0x30, 0x10, 0x06,
					0x03, 0x55, 0x04, 0x03, 0x0c, 0x09, 0x53, 0x6f, 0x6d, 0x65,
					0x6f, 0x6e, 0x65, 0x20, 0x58, 0x02, 0x02, 0x01, 0x02, 0x30,
					0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
					0x02, 0x01, 0x04, 0x02, 0xab, 0xcd};
	static const uint8_t trailer[] = {0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, sizeof(pkcs7)};
	static const char marker[] = "~Module signature appended~\n";

	memcpy(file + size, pkcs7, sizeof(pkcs7));
	size += sizeof(pkcs7);
	memcpy(file + size, trailer, sizeof(trailer));
	size += sizeof(trailer);
	memcpy(file + size, marker, sizeof(marker) - 1);
	return size + sizeof(marker) - 1;
}
