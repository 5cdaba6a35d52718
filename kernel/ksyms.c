// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "ksyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void note(struct ksym *syms, size_t nr, uint64_t addr, const char *name)
{
	for (size_t i = 0; i < nr; i++) {
		/* Core symbols come in order of their addresses. */
		if (syms[i].addr && !syms[i].end && addr > syms[i].addr)
			syms[i].end = addr;
		if (!syms[i].addr && !strcmp(syms[i].name, name))
			syms[i].addr = addr;
	}
}

/* "ffffffff81000000 T name" and perhaps a tab and "[module]"; the name is cut out of the line. */
static char *read_symbol(char *line, uint64_t *addr)
{
	char *rest;

	*addr = strtoull(line, &rest, 16);
	if (*rest != ' ' || !rest[1] || rest[2] != ' ')
		return NULL;
	rest[3 + strcspn(rest + 3, "\t\n")] = '\0';
	return rest + 3;
}

int ksyms_find(struct ksym *syms, size_t nr)
{
	FILE *f = open_symbols();
	uint64_t seen = 0, addr;
	char line[512];

	if (!f)
		return -errno;
	for (size_t i = 0; i < nr; i++)
		syms[i].addr = syms[i].end = 0;
	while (fgets(line, sizeof(line), f)) {
		char *name;

		if (strchr(line, '['))
			break; /* modules follow the kernel itself */
		name = read_symbol(line, &addr);
		if (!name)
			continue;
		seen |= addr;
		note(syms, nr, addr, name);
	}
	fclose(f);
	return seen ? 0 : -EPERM;
}

static int by_address(const void *a, const void *b)
{
	const struct ksym_name *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

int ksyms_name(struct ksym_name *syms, size_t nr)
{
	FILE *f = open_symbols();
	struct ksym_name key, *found;
	uint64_t seen = 0;
	char line[512];

	if (!f)
		return -errno;
	for (size_t i = 0; i < nr; i++)
		syms[i].name[0] = '\0';
	qsort(syms, nr, sizeof(*syms), by_address);
	while (fgets(line, sizeof(line), f)) {
		const char *name = read_symbol(line, &key.addr);

		seen |= key.addr;
		found = name ? bsearch(&key, syms, nr, sizeof(*syms), by_address) : NULL;
		if (found && !found->name[0])
			snprintf(found->name, sizeof(found->name), "%.63s", name);
	}
	fclose(f);
	return seen ? 0 : -EPERM;
}

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
