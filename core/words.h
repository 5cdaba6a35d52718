/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A command line taken apart into its words, as a shell would, with nothing expanded. */
#ifndef PINLEAK_CORE_WORDS_H
#define PINLEAK_CORE_WORDS_H

/*
 * Blanks part words; '...' keeps all as it is, "..." all but \" and \\, and a backslash outside
 * of quotes the next character. $, *, ~, |, ; and the like are characters as any. *out is an array
 * that NULL ends, all in one piece that free() frees. -EINVAL: no word, or a quote that is not
 * closed; -ENOMEM.
 */
int words_split(const char *line, char ***out);

#endif
