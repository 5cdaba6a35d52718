/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A score as a page of Markdown. */
#ifndef PINLEAK_SIM_CARD_H
#define PINLEAK_SIM_CARD_H

#include <jansson.h>
#include <stdio.h>

/* The object that scorecard writes with --json; parts that are not there are left out. */
void card_write(FILE *to, const json_t *score);

#endif
