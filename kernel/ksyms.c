// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "ksyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/grow.h"

/* stdio takes 1 KiB for a file of /proc: that would be tens of thousands of reads. */
static char buffer[1 << 16];

/* One at a time: they share the buffer. */
static FILE *open_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");

	if (f)
		setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	return f;
}

/* ---- the kernel's own symbols ------------------------------------------------------------ */

/*
 * What each loading of the programs asks for: found in the first reading, and kept, as the kernel's
 * own symbols stay where they are.
 */
static struct ksym usual[] = {{.name = "vmemmap_base"}, {.name = "zero_pfn"}};
#define USUAL (sizeof(usual) / sizeof(*usual))
static bool usual_known;

/* What is looked for in one reading. */
struct wanted {
	struct ksym *lists[2];
	size_t nr[2];
	uint64_t hashes[4]; /* bits of name_hash() */
	size_t open;	    /* symbols whose end is not known yet */
};

static uint8_t name_hash(const char *name, size_t len)
{
	return (uint8_t)(len * 31 + (uint8_t)name[0] + (len > 4 ? (uint8_t)name[4] * 7 : 0));
}

static void want(struct wanted *w, size_t list, struct ksym *syms, size_t nr)
{
	w->lists[list] = syms;
	w->nr[list] = nr;
	for (size_t i = 0; i < nr; i++) {
		uint8_t hash = name_hash(syms[i].name, strlen(syms[i].name));

		syms[i].addr = syms[i].end = 0;
		w->hashes[hash / 64] |= UINT64_C(1) << hash % 64;
	}
}

/* Core symbols come in order of their addresses. */
static void end_open(struct wanted *w, uint64_t addr)
{
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < w->nr[list]; i++) {
			struct ksym *s = &w->lists[list][i];

			if (!s->addr || s->end || addr <= s->addr)
				continue;
			s->end = addr;
			w->open--;
		}
}

static void note(struct wanted *w, uint64_t addr, const char *name, size_t len)
{
	uint8_t hash = name_hash(name, len);

	if (w->open)
		end_open(w, addr);
	if (!(w->hashes[hash / 64] >> hash % 64 & 1))
		return;
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < w->nr[list]; i++) {
			struct ksym *s = &w->lists[list][i];

			if (s->addr || strcmp(s->name, name) != 0)
				continue;
			s->addr = addr;
			w->open += addr != 0;
		}
}

/* All of them in what is known already? */
static bool answer(struct ksym *syms, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		size_t k = 0;

		while (k < USUAL && strcmp(usual[k].name, syms[i].name) != 0)
			k++;
		if (!usual_known || k == USUAL)
			return false;
		syms[i].addr = usual[k].addr;
		syms[i].end = usual[k].end;
	}
	return true;
}

/* There are 200,000 lines: strtoull() and strcspn() would take longer than the kernel does. */
static uint64_t read_hex(char **at)
{
	uint64_t n = 0;

	for (;; (*at)++) {
		unsigned digit = (unsigned char)**at - '0';

		if (digit > 9) {
			digit = (unsigned char)**at - 'a' + 10;
			if (digit < 10 || digit > 15)
				return n;
		}
		n = n << 4 | digit;
	}
}

/*
 * "ffffffff81000000 T name" and perhaps a tab and "[module]"; the name is cut out of the line,
 * with what follows the tab still behind it.
 */
static char *read_symbol(char *line, uint64_t *addr)
{
	char *rest = line, *end;

	*addr = read_hex(&rest);
	if (*rest != ' ' || !rest[1] || rest[2] != ' ')
		return NULL;
	for (end = rest += 3; *end && *end != '\t' && *end != '\n'; end++)
		;
	end[0] = '\0';
	return rest;
}

int ksyms_find(struct ksym *syms, size_t nr)
{
	struct wanted w = {0};
	uint64_t seen = 0, addr;
	char line[512];
	FILE *f;

	if (answer(syms, nr))
		return 0;
	f = open_symbols();
	if (!f)
		return -errno;
	want(&w, 0, syms, nr);
	want(&w, 1, usual, USUAL);
	while (fgets(line, sizeof(line), f)) {
		char *name = read_symbol(line, &addr);

		if (name && name[strlen(name) + 1] == '[')
			break; /* modules follow the kernel itself */
		if (!name)
			continue;
		seen |= addr;
		note(&w, addr, name, strlen(name));
	}
	fclose(f);
	usual_known = seen != 0;
	return seen ? 0 : -EPERM;
}

/* ---- a module's symbols ------------------------------------------------------------------ */

int ksyms_module(const char *module, const char *symbol, uint64_t *addr)
{
	FILE *f = open_symbols();
	uint64_t seen = 0, at, found = 0;
	char line[512], brackets[80];

	if (!f)
		return -errno;
	snprintf(brackets, sizeof(brackets), "[%.64s]\n", module);
	while (!found && fgets(line, sizeof(line), f)) {
		const char *name = read_symbol(line, &at);

		seen |= at;
		if (name && !strcmp(name, symbol) && !strcmp(name + strlen(name) + 1, brackets))
			found = at;
	}
	fclose(f);
	if (!found)
		return seen ? -ENOENT : -EPERM;
	*addr = found;
	return 0;
}

/* ---- are they shown? ------------------------------------------------------------------- */

bool ksyms_shown(void)
{
	FILE *f = open_symbols();
	char line[512];
	bool shown = false;

	while (f && !shown && fgets(line, sizeof(line), f))
		shown = strtoull(line, NULL, 16) != 0;
	if (f)
		fclose(f);
	return shown;
}

/* ---- a module's functions ----------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* "ffffffffc0a01000 t leaky_ioctl\t[leaky]" */
static int note_function(struct ksyms_functions *f, const char *line, const char *module)
{
	const char *its = strstr(line, "\t["), *name = strchr(line, ' ');
	size_t len = strlen(module);
	int err;

	if (!its || strncmp(its + 2, module, len) != 0 || its[2 + len] != ']' || !name ||
	    (name[1] | 0x20) != 't' || name[2] != ' ')
		return 0;
	err = grow((void **)&f->names, &f->room, f->nr, sizeof(*f->names));
	if (!err)
		snprintf(f->names[f->nr++], sizeof(*f->names), "%.*s", (int)(its - name - 3),
			 name + 3);
	return err;
}

int ksyms_functions(const char *module, struct ksyms_functions *out)
{
	FILE *f = open_symbols();
	char line[512];
	int err = f ? 0 : -errno;

	*out = (struct ksyms_functions){0};
	while (f && !err && fgets(line, sizeof(line), f))
		err = note_function(out, line, module);
	if (f)
		fclose(f);
	if (out->nr)
		qsort(out->names, out->nr, sizeof(*out->names), compare_names);
	return err;
}

bool ksyms_has(const struct ksyms_functions *f, const char *name)
{
	char key[sizeof(*f->names)];

	snprintf(key, sizeof(key), "%s", name);
	return f->nr && bsearch(key, f->names, f->nr, sizeof(*f->names), compare_names);
}

void ksyms_functions_free(struct ksyms_functions *f)
{
	free(f->names);
	*f = (struct ksyms_functions){0};
}
