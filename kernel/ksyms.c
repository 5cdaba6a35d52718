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

static int by_name(const void *a, const void *b)
{
	const struct ksym *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Core symbols come in order of their addresses: those found last end where the next begins. */
static void end_last(struct ksym **sorted, size_t nr, uint64_t *last, uint64_t addr)
{
	if (!*last || addr <= *last)
		return;
	for (size_t i = 0; i < nr; i++)
		if (sorted[i]->addr == *last)
			sorted[i]->end = addr;
	*last = 0;
}

/* A name may have been asked for more than once. */
static void note(struct ksym **sorted, size_t nr, uint64_t *last, uint64_t addr, const char *name)
{
	struct ksym key = {.name = name}, *key_at = &key;
	struct ksym **found = bsearch(&key_at, sorted, nr, sizeof(*sorted), by_name);

	end_last(sorted, nr, last, addr);
	if (!found || (*found)->addr)
		return;
	while (found > sorted && !strcmp(found[-1]->name, name))
		found--;
	for (; found < sorted + nr && !strcmp((*found)->name, name); found++)
		*last = (*found)->addr = addr;
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

/* Nothing but the names asked for is kept of 150,000 symbols. */
static int find(FILE *f, struct ksym **sorted, size_t nr)
{
	uint64_t seen = 0, last = 0, addr;
	char line[512];

	while (fgets(line, sizeof(line), f)) {
		char *name;

		if (strchr(line, '['))
			break; /* modules follow the kernel itself */
		name = read_symbol(line, &addr);
		if (!name)
			continue;
		seen |= addr;
		note(sorted, nr, &last, addr, name);
	}
	return seen ? 0 : -EPERM;
}

/*
 * A reading takes as long as anything here, and these are asked for one after the other: whichever
 * reading is the first finds them all. The kernel's own symbols stay where they are.
 */
static struct ksym known[] = {
	{.name = "max_pfn"},	   {.name = "tcp_hashinfo"},  {.name = "udmabuf_ops"},
	{.name = "uidhash_table"}, {.name = "unix_nr_socks"}, {.name = "vmemmap_base"},
	{.name = "zero_pfn"},
};
#define KNOWN (sizeof(known) / sizeof(*known))

static bool known_read;

static const struct ksym *recall(const char *name)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (!strcmp(known[i].name, name))
			return &known[i];
	return NULL;
}

static bool recall_all(struct ksym *syms, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!recall(syms[i].name))
			return false;
	for (size_t i = 0; i < nr; i++)
		syms[i] = *recall(syms[i].name);
	return true;
}

static int read_symbols(struct ksym *syms, size_t nr)
{
	struct ksym **sorted = calloc(nr + KNOWN, sizeof(*sorted));
	FILE *f = sorted ? open_symbols() : NULL;
	int err = f ? 0 : -errno;
	size_t wanted = 0;

	for (size_t i = 0; i < nr + KNOWN && !err; i++) {
		struct ksym *k = i < nr ? &syms[i] : &known[i - nr];

		k->addr = k->end = 0;
		if (i >= nr || !recall(k->name))
			sorted[wanted++] = k;
	}
	if (!err) {
		qsort(sorted, wanted, sizeof(*sorted), by_name);
		err = find(f, sorted, wanted);
		fclose(f);
	}
	free(sorted);
	return err;
}

int ksyms_find(struct ksym *syms, size_t nr)
{
	int err;

	if (known_read && recall_all(syms, nr))
		return 0;
	err = read_symbols(syms, nr);
	known_read = !err;
	for (size_t i = 0; i < nr && !err; i++)
		if (recall(syms[i].name))
			syms[i] = *recall(syms[i].name);
	return err;
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
