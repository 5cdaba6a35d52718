/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The error numbers pinleak speaks of, with what they mean here. */
#ifndef PINLEAK_CORE_ERRORS_H
#define PINLEAK_CORE_ERRORS_H

#include <stdint.h>

#define ERROR_FILE_NOT_FOUND		   2
#define ERROR_INVALID_PARAMETER		   87
#define ERROR_INSUFFICIENT_BUFFER	   122
#define ERROR_DRIVERS_LEAKING_LOCKED_PAGES 729

struct error_info {
	uint32_t code;
	const char *kind; /* "error" or "bug check" */
	const char *name;
	const char *ntstatus; /* NULL: none */
	const char *message;  /* one sentence */
	const char *text;     /* what it means in pinleak and what to do, lines of < 80 columns */
};

/* By decimal number, hexadecimal number (0x...) or name, whatever the case; NULL: unknown. */
const struct error_info *error_find(const char *what);

/* By code; NULL: unknown. */
const struct error_info *error_by_code(uint32_t code);

/* All of them, errors before bug checks, each in order of code; ends with an entry whose name is
 * NULL. */
const struct error_info *error_table(void);

#endif
