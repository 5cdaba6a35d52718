/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What root may and a watch need not. */
#ifndef PINLEAK_RIGHTS_H
#define PINLEAK_RIGHTS_H

/*
 * Gives up, for good, all capabilities but those that a watch needs, also later when it tracks
 * again. For the calling thread and those it makes from now on. A command that root executes has
 * root's again: the bounding set stays as it is. -errno.
 */
int rights_drop(void);

#endif
