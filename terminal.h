/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The terminal as a grid of cells, and its keys: curses, and nothing else knows it. */
#ifndef PINLEAK_TERMINAL_H
#define PINLEAK_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "render/screen.h"

/*
 * Takes the terminal on standard input and output over. NULL, or why it cannot be had, for people.
 * Signals are the caller's business: terminal_close() must come before the end of the process.
 */
const char *terminal_open(bool colour);
void terminal_close(void); /* as it was before; harmless when it is not open */

/* It is stopped here (SIGTSTP), with the terminal as it was before. Returns when it goes on. */
void terminal_stop(void);

/* The size has changed: asks for it anew. */
void terminal_resize(void);

void terminal_size(unsigned *width, unsigned *height);
void terminal_show(const struct screen_grid *g);

/* The next key that waits; false: none does. */
bool terminal_key(uint32_t *key);

#endif
