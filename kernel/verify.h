/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Compares the records of a running pinleak with the page structures. */
#ifndef PINLEAK_KERNEL_VERIFY_H
#define PINLEAK_KERNEL_VERIFY_H

#include "../core/agree.h"
#include "scan.h"

/*
 * Looks twice, with a pause between, and counts what disagrees both times. -ENOENT: nobody
 * tracks, or it ended meanwhile; -EPROTO: another version of pinleak does.
 */
int verify_running(struct scan *scan, struct agreement *out);

#endif
