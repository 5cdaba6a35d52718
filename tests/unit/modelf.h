/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A module's file made by hand, as small as it can be, for unit tests and as a seed of the fuzzer.
 */
#ifndef PINLEAK_TESTS_MODELF_H
#define PINLEAK_TESTS_MODELF_H

#include <stddef.h>
#include <stdint.h>

#define MODELF_ROOM 4096

/*
 * Strings of .modinfo, and parameters: count (int, -7), name (charp, "abc"), on (bool, false, in
 * .bss), own (with functions of its own) and list (short, 1 and -2). Returns the bytes written.
 */
size_t modelf_make(uint8_t *out);

/* Appends a signature of "Someone X" with the serial number 0102 and SHA-256. Returns the new size.
 */
size_t modelf_sign(uint8_t *file, size_t size);

#endif
