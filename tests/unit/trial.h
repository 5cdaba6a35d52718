/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The ledger as a court. */
#ifndef PINLEAK_TESTS_TRIAL_H
#define PINLEAK_TESTS_TRIAL_H

#include "fixture.h"

#include "core/ledger.h"

/* A case before the court: one driver, one call path, one owner with an open file. */
struct trial {
	struct books *b;
	struct ledger l;
	struct snap_site *site;
	struct snap_owner *owner;
};

/* For cmocka; *state is the trial. */
int trial_setup(void **state);
int trial_teardown(void **state);

/* The file was closed and the process seen gone, so many ns before the books. */
void orphan(struct trial *t, struct snap_owner *o, uint64_t ns_ago);

/* The books of so many ns later; what was booked stays as it is. */
void pass(struct trial *t, uint64_t ns);

/* Draws up the books: at all; with one finding, which is returned; with none. */
void evaluate(struct trial *t);
const struct finding *accused(struct trial *t);
void assert_innocent(struct trial *t);

#endif
