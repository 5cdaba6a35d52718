// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "ksyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int ksyms_find(struct ksym *syms, size_t nr)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	uint64_t seen = 0;
	char line[512];

	if (!f)
		return -errno;
	for (size_t i = 0; i < nr; i++)
		syms[i].addr = syms[i].end = 0;
	while (fgets(line, sizeof(line), f)) {
		char *name, *rest;
		uint64_t addr = strtoull(line, &rest, 16);

		if (strchr(line, '['))
			break; /* modules follow the kernel itself */
		if (*rest != ' ' || !rest[1] || rest[2] != ' ')
			continue;
		name = rest + 3;
		name[strcspn(name, "\t\n")] = '\0';
		seen |= addr;
		note(syms, nr, addr, name);
	}
	fclose(f);
	return seen ? 0 : -EPERM;
}
