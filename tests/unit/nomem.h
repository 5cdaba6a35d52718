/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Memory that runs out at will, for programs linked with --wrap of malloc, calloc, realloc,
 * strdup and free.
 */
#ifndef PINLEAK_TESTS_NOMEM_H
#define PINLEAK_TESTS_NOMEM_H

#include <stdbool.h>
#include <stdint.h>

/* The nth allocation from now on fails, the first being 1; 0: none does. */
void nomem_fail(uint32_t nth);

/* Has it failed? */
bool nomem_failed(void);

/* Allocations that were not freed. */
int64_t nomem_alive(void);

#endif
