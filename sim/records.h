/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The books of a machine: a record for each folio that was pinned since tracking began.
 *
 * A gigabyte in flight would be a quarter of a million records. Folios have any size up to one
 * with 2^31 pages, so that n pins are as many records as n has binary ones; bytes are as they were.
 */
#ifndef PINLEAK_SIM_RECORDS_H
#define PINLEAK_SIM_RECORDS_H

#include "machine.h"

/* -ENOMEM. */
int records_init(struct machine *m) __attribute__((warn_unused_result));
void records_free(struct machine *m);

/* Draws up the snapshot in m->records; it lives until the next one. -ENOMEM. */
int records_draw(struct machine *m) __attribute__((warn_unused_result));

void records_balance(const struct machine *m, struct balance *out);

#endif
