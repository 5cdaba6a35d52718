/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Looks at drivers that have just been accused. Not in the middle of the verdicts: a look takes its
 * time, and the next verdict rests on pages that were read again just before.
 */
#ifndef PINLEAK_DIAGNOSER_H
#define PINLEAK_DIAGNOSER_H

#include "render/tee.h"

#define DIAGNOSER_MOST 16 /* drivers of one look; further ones have no diagnosis */

/* {0} is ready to use. */
struct diagnoser {
	char drivers[DIAGNOSER_MOST][PL_SYM]; /* that wait */
	unsigned nr;
};

/* An end of a tee, which notes who is accused; its context: a struct diagnoser. */
extern const struct reporter diagnoser_reporter;

/* Looks at the next one, and tells the tee what was found. False: nobody waits. */
bool diagnoser_next(struct diagnoser *d, const struct tee *to);

#endif
