/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Verdicts for those who do not read our output: the journal, and a command of the user's. */
#ifndef PINLEAK_ALERTS_H
#define PINLEAK_ALERTS_H

#include "courier.h"
#include "render/render.h"
#include "render/tee.h"

/* {0} with what is wanted set is ready to use; that may change at any time. */
struct alerts {
	bool journal;
	bool journal_failed; /* and it was said so */
	struct courier courier;
	struct render render;
};

/* As `here` has host and clock; must outlive the tee. */
void alerts_add(struct alerts *a, const struct render *here, struct tee *t);

#endif
