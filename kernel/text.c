// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ksyms.h"

#define CODE_MAX 16384 /* bytes of one function: the wrappers have a few hundred */

struct body {
	uint64_t addr;
	size_t size;
	uint8_t *code;
};

/* A function is its body and what the compiler put aside into name.cold. */
struct text {
	size_t nr;
	struct body *bodies; /* nr bodies, then nr cold parts */
};

static int read_at(int kcore, uint64_t addr, void *out, size_t size)
{
	Elf64_Ehdr eh;

	if (pread(kcore, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_phentsize != sizeof(Elf64_Phdr))
		return -EINVAL;
	for (int i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;
		off_t at = (off_t)(eh.e_phoff + i * sizeof(ph));

		if (pread(kcore, &ph, sizeof(ph), at) != sizeof(ph))
			return -EIO;
		if (ph.p_type != PT_LOAD || addr < ph.p_vaddr ||
		    addr + size > ph.p_vaddr + ph.p_memsz)
			continue;
		at = (off_t)(ph.p_offset + (addr - ph.p_vaddr));
		return pread(kcore, out, size, at) == (ssize_t)size ? 0 : -EIO;
	}
	return -EFAULT;
}

static int read_body(int kcore, const struct ksym *sym, struct body *b)
{
	if (!sym->addr || sym->end <= sym->addr)
		return 0; /* not in this kernel */
	b->addr = sym->addr;
	b->size = sym->end - sym->addr > CODE_MAX ? CODE_MAX : sym->end - sym->addr;
	b->code = malloc(b->size);
	return b->code ? read_at(kcore, b->addr, b->code, b->size) : -ENOMEM;
}

static int read_bodies(struct text *t, const char *const *functions)
{
	char(*cold)[128] = calloc(t->nr, sizeof(*cold));
	struct ksym *syms = calloc(2 * t->nr, sizeof(*syms));
	int err = cold && syms ? 0 : -ENOMEM, kcore = -1;

	for (size_t i = 0; i < t->nr && !err; i++) {
		snprintf(cold[i], sizeof(cold[i]), "%s.cold", functions[i]);
		syms[i].name = functions[i];
		syms[t->nr + i].name = cold[i];
	}
	if (!err)
		err = ksyms_find(syms, 2 * t->nr);
	if (!err) {
		kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
		err = kcore < 0 ? -errno : 0;
	}
	for (size_t i = 0; i < 2 * t->nr && !err; i++)
		err = read_body(kcore, &syms[i], &t->bodies[i]);
	if (kcore >= 0)
		close(kcore);
	free(syms);
	free(cold);
	return err;
}

int text_open(const char *const *functions, size_t nr, struct text **out)
{
#ifdef __x86_64__
	struct text *t = calloc(1, sizeof(*t));
	int err = t ? 0 : -ENOMEM;

	if (!err) {
		t->nr = nr;
		t->bodies = calloc(2 * nr, sizeof(*t->bodies));
		err = t->bodies ? read_bodies(t, functions) : -ENOMEM;
	}
	if (err) {
		text_close(t);
		return err;
	}
	*out = t;
	return 0;
#else
	(void)functions, (void)nr, (void)out;
	return -ENOTSUP;
#endif
}

void text_close(struct text *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->bodies && i < 2 * t->nr; i++)
		free(t->bodies[i].code);
	free(t->bodies);
	free(t);
}

/*
 * call rel32, jmp rel32, jcc rel32. Every byte is tried as an instruction's first: a wrong start
 * hits an exact address by chance once in 2^32.
 */
static bool body_calls(const struct body *b, uint64_t target)
{
	for (size_t i = 0; i + 5 <= b->size; i++) {
		bool call = b->code[i] == 0xe8 || b->code[i] == 0xe9;
		bool jcc = i && b->code[i - 1] == 0x0f && (b->code[i] & 0xf0) == 0x80;
		int32_t rel;

		if (!call && !jcc)
			continue;
		memcpy(&rel, b->code + i + 1, sizeof(rel));
		if (b->addr + i + 5 + (uint64_t)(int64_t)rel == target)
			return true;
	}
	return false;
}

bool text_calls(const struct text *t, size_t a, size_t b)
{
	uint64_t target = t->bodies[b].addr;

	return target &&
	       (body_calls(&t->bodies[a], target) || body_calls(&t->bodies[t->nr + a], target));
}
