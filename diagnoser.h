/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Looks at a driver when it has just been accused. */
#ifndef PINLEAK_DIAGNOSER_H
#define PINLEAK_DIAGNOSER_H

#include "render/tee.h"

/* An end of a tee, to be the last one: what it finds is told to all ends as a diagnosis. */
extern const struct reporter diagnoser; /* its context: the struct tee */

#endif
