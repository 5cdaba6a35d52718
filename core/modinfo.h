/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What a module's file says of the module: the strings of its section .modinfo. */
#ifndef PINLEAK_CORE_MODINFO_H
#define PINLEAK_CORE_MODINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODINFO_PARAMS 1024 /* of one module; what is beyond is left out */

struct modinfo_param {
	char name[96];
	char type[32];	 /* "int", "array of charp"; "" when it is not declared */
	char text[1024]; /* what it is for; "" */
};

struct modinfo {
	char version[64];
	char srcversion[64];
	char vermagic[128];
	char license[64];
	char description[256]; /* all there are, with "; " between them */
	char name[64];
	bool intree;
	struct modinfo_param *params;
	size_t nr, room;
	bool cut; /* strings or parameters were too many or too long, or had no end */
};

/*
 * Reads strings "key=value", each ended by a NUL; of what is built in (modules.builtin.modinfo)
 * those of one module, "module.key=value", where - and _ are the same; NULL: all are the module's.
 * -ENOENT: there is not one; -ENOMEM. modinfo_free() in any case; {0} is an empty one.
 */
int modinfo_parse(const char *text, size_t size, const char *module, struct modinfo *out)
	__attribute__((warn_unused_result));
void modinfo_free(struct modinfo *m);

/* NULL: it has no such parameter. - and _ are the same, as in the kernel's parameq(). */
const struct modinfo_param *modinfo_param(const struct modinfo *m, const char *name);

/* Are two names of modules or parameters, of these lengths, the same to the kernel? */
bool modinfo_same(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
