/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The value that a parameter has in a module's file, before anybody sets it. */
#ifndef PINLEAK_CORE_INITIAL_H
#define PINLEAK_CORE_INITIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "elf64.h"

/*
 * As sysfs would show it: "16", "Y", "(null)", "1,2". False: the file does not tell, as of
 * parameters with functions of their own; out may then hold anything.
 */
bool initial_value(const struct elf64 *e, const char *param, char *out, size_t size);

#endif
