/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Addresses of kernel symbols, from /proc/kallsyms. */
#ifndef PINLEAK_KERNEL_KSYMS_H
#define PINLEAK_KERNEL_KSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ksym {
	const char *name; /* asked for */
	uint64_t addr;	  /* 0: there is none */
	uint64_t end;	  /* where the next symbol begins */
};

/*
 * Finds the addresses of all the named symbols in one reading. -EPERM when the kernel shows
 * zeros instead of addresses (no root, or kptr_restrict), -errno when it cannot be read.
 */
int ksyms_find(struct ksym *syms, size_t nr);

/* The address of a symbol of a module. -ENOENT: it has none of that name; else as above. */
int ksyms_module(const char *module, const char *symbol, uint64_t *addr);

/*
 * The functions of a module, a sorted array for ksyms_has(); names are shown to everybody. -errno;
 * -ENOMEM. ksyms_functions_free() in any case; {0} is none.
 */
struct ksyms_functions {
	char (*names)[64];
	size_t nr, room;
};
int ksyms_functions(const char *module, struct ksyms_functions *out);
bool ksyms_has(const struct ksyms_functions *f, const char *name);
void ksyms_functions_free(struct ksyms_functions *f);

/* Does the kernel show addresses at all, and not zeros? */
bool ksyms_shown(void);

#endif
